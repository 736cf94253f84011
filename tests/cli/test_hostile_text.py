"""Texts of a hostile data set, printed by commands: none acts on the terminal, JSON has them exactly."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset

HOSTILE = "[red]x[/] \x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj.exe\u2066\ufeff\u200b\u2028\r\nrecgpt: fine :heart:"
LONG = "long " * 12_000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a data set with hostile texts in its name, ids, titles, categories and columns."""
    n_users, n_items = 12, 12
    events = pl.DataFrame(
        {
            "user_id": np.repeat([f"{HOSTILE}{user}" for user in range(n_users)], 5),
            "item_id": [f"{HOSTILE}{(user + 2 * place) % n_items}" for user in range(n_users) for place in range(5)],
            "position": np.tile(np.arange(5), n_users),
            "timestamp": np.arange(5 * n_users) + 1_000_000_000,
        }
    )
    titles = [f"{number} {HOSTILE} {LONG}" for number in range(n_items)]
    items = pl.DataFrame(
        {
            "item_id": [f"{HOSTILE}{number}" for number in range(n_items)],
            "title": titles,
            "categories": [HOSTILE] * n_items,
            HOSTILE: ["a"] * n_items,
        }
    )
    folder = tmp_path_factory.mktemp("hostile") / "data"
    Dataset.from_frames(HOSTILE, events, items).save(folder)
    return folder


def assert_neutral(text: str) -> None:
    assert all(each.isprintable() or each == "\n" for each in text), ascii(text)
    assert "\nrecgpt: fine" not in text
    assert "long " * 100 not in text


@pytest.mark.parametrize(
    "command",
    [
        ("data", "inspect"),
        ("evaluate", "--recommenders", "popularity,random"),
        ("evaluate", "--recommenders", "popularity", "--protocol", HOSTILE),
    ],
    ids=["inspect", "evaluate", "a protocol that is none"],
)
def test_tables_and_errors_are_neutral(run_recgpt, hostile, command, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGPT_CACHE", str(tmp_path))
    topic = command[:2] if command[0] == "data" else command[:1]
    done = run_recgpt(*topic, hostile, *command[len(topic) :])
    assert done.code == (2 if HOSTILE in command else 0), done.stderr
    assert_neutral(done.stdout + done.stderr)


def test_json_has_the_exact_text(run_recgpt, hostile):
    done = run_recgpt("data", "inspect", hostile, "--json")
    assert_neutral(done.stdout)
    assert json.loads(done.stdout)["name"] == HOSTILE


def test_the_messages_of_titles_are_neutral(run_recgpt, hostile, tmp_path):
    Dataset.load(hostile).items.write_parquet(tmp_path / "items.parquet")
    done = run_recgpt("recommend", "--items", tmp_path / "items.parquet", "--history", "long")
    assert done.code == 2
    assert_neutral(done.stderr)
    assert done.stderr.endswith("Write the title in full\n")
