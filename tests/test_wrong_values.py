"""Wrong values at every entry point: the project's errors from the API, exit code 2 and one line from the commands."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer

from recgpt.cli.app import app
from recgpt.data.dataset import Dataset
from recgpt.errors import RecGPTError

SAMPLED = 60
"""Pairs of an option and a wrong word that are tried here; the environment variable WRONG_VALUES=all tries all."""


def wrong_values(folder: Path) -> dict[str, Any]:
    """Values that no entry point of the API can use."""
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "empty").write_bytes(b"")
    (folder / "folder").mkdir(exist_ok=True)
    return {
        "None": None,
        "int": 3,
        "text": "no such thing",
        "empty text": "",
        "list": [],
        "dict": {},
        "object": object(),
        "nan": float("nan"),
        "-1": -1,
        "10**30": 10**30,
        "folder": folder / "folder",
        "missing": folder / "missing",
        "binary": folder / "binary",
        "empty": folder / "empty",
        "bytes": b"\xff\xfe",
        "texts": np.array(["a", "b"]),
        "3-d": np.zeros((2, 2, 2)),
    }


def entry_points(dataset: Any, embeddings_NE: np.ndarray) -> dict[str, Callable[[Any], Any]]:
    """Functions of the API with one argument replaced by the wrong value."""
    from recgpt.data.dataset import Dataset
    from recgpt.data.splits import make_split
    from recgpt.evaluate import evaluate
    from recgpt.foundation.finetune import finetune
    from recgpt.foundation.model import shipped
    from recgpt.models import load_model
    from recgpt.recommenders import REGISTRY

    model = shipped()
    catalogue = model.index(embeddings_NE, interactions=dataset.interactions)
    popularity = REGISTRY["popularity"]().fit(dataset)
    split = make_split(dataset, "leave_one_out")
    events = pl.DataFrame({"user_id": [1], "item_id": [1], "position": [0]})
    return {
        "Dataset.load": Dataset.load,
        "Dataset.from_frames events": lambda x: Dataset.from_frames("x", x, pl.DataFrame({"item_id": [1]})),
        "Dataset.from_frames items": lambda x: Dataset.from_frames("x", events, x),
        "make_split protocol": lambda x: make_split(dataset, x),
        "make_split": lambda x: make_split(x, "leave_one_out"),
        "load_model": load_model,
        "index": lambda x: model.index(x),
        "index embeddings": lambda x: model.index(["a", "b"], embeddings=x),
        "recommend histories": lambda x: catalogue.recommend(x, 2),
        "recommend history": lambda x: catalogue.recommend([x], 2),
        "recommend k": lambda x: catalogue.recommend([[0]], x),
        "rank": lambda x: popularity.rank(x, 2),
        "rank k": lambda x: popularity.rank([[0]], x),
        "fit": lambda x: REGISTRY["popularity"]().fit(x),
        "evaluate split": lambda x: evaluate(x, [popularity]),
        "evaluate recommenders": lambda x: evaluate(split, x),
        "finetune data": lambda x: finetune(model, x, embeddings_NE, steps=1),
        "finetune embeddings": lambda x: finetune(model, dataset, x, steps=1),
        "finetune steps": lambda x: finetune(model, dataset, embeddings_NE, steps=x),
    }


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands of the application, with the words that call them."""
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


WRONG_WORDS = (
    "",
    "no such thing",
    "-1",
    "nan",
    "1e99",
    "99999999999999999999999999",
    "/dev/null/x",
    "\x1b[31m",
    "BINARY",
)


def matrix() -> list[tuple[tuple[str, ...], str, str]]:
    """Each command x each of its options x each wrong word; flags and arguments take part with their values."""
    found = []
    for path, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.is_flag and parameter.name != "help":
                found += [(path, parameter.opts[0], word) for word in WRONG_WORDS]
            elif parameter.param_type_name == "argument":
                found += [(path, "", word) for word in WRONG_WORDS]
    return found


ALLOWED = {
    *(("load_model", kind) for kind in ("None",)),  # the shipped model
    ("index embeddings", "None"),
    *((name, kind) for name in ("recommend histories", "rank") for kind in ("list", "dict")),  # no history
    *(("recommend history", kind) for kind in ("list", "dict")),  # an empty one
    *((name, kind) for name in ("recommend k", "rank k") for kind in ("int", "10**30")),  # cut at the catalogue's size
    ("finetune steps", "int"),
}
"""Values that are right for an entry point after all."""


@pytest.fixture(scope="module")
def small() -> tuple[Dataset, np.ndarray]:
    rng = np.random.default_rng(0)
    events = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(12), 5),
            "item_id": np.concatenate([rng.permutation(20)[:5] for _ in range(12)]),
            "position": np.tile(np.arange(5), 12),
        }
    )
    items = pl.DataFrame({"item_id": range(20), "title": [f"title {i}" for i in range(20)]})
    return Dataset.from_frames("small", events, items), rng.standard_normal((20, 384)).astype(np.float32)


def test_wrong_values_raise_the_errors_of_the_project(small, tmp_path):
    wrong = []
    for name, call in entry_points(*small).items():
        for kind, value in wrong_values(tmp_path).items():
            try:
                call(value)
                if (name, kind) not in ALLOWED:
                    wrong.append(f"{name} accepts {kind}")
            except RecGPTError as error:
                if "\n" in str(error):
                    wrong.append(f"{name} with {kind}: more than one line, {error}")
            except Exception as error:
                wrong.append(f"{name} with {kind}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)


SMALL = {
    ("benchmark", "speed"): ("--only=none of them",),
    ("simulate", "society"): ("--agents=4", "--rounds=1", "--recommender=random"),
    ("gym", "evaluate"): ("--policies=random", "--n-users=2", "--seeds=1"),
    ("gym", "train"): ("--total-timesteps=64", "--n-steps=32", "--n-envs=2", "--eval-episodes=1"),
    ("gym", "ablate"): ("--study=preference", "--quick"),
}
"""Options of commands that would work for long where the word is right after all."""


def test_wrong_words_end_commands_with_code_2_and_one_line(run_recgpt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    tried = matrix()
    if os.environ.get("WRONG_VALUES") != "all":
        tried = random.Random(0).sample(tried, SAMPLED)  # noqa: S311
    wrong = []
    for path, option, word in tried:
        given = [f"{option}={word}"] if option.startswith("--") else [option, word] if option else [word]
        try:
            done = run_recgpt(*path, *SMALL.get(path, ()), *given)
        except Exception as error:  # a traceback
            wrong.append(f"recgpt {' '.join(path)} {given}: {type(error).__name__}: {error}")
            continue
        if done.code not in (0, 2) or "Traceback" in done.stderr:  # 0: the word is right after all
            wrong.append(f"recgpt {' '.join(path)} {given}: code {done.code}, {done.stderr[-200:]}")
    assert not wrong, "\n".join(wrong)
