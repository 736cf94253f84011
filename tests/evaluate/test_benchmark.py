"""`recgpt benchmark accuracy`: cells that resume, and the reports made of them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.errors import DataError
from recgpt.evaluate import benchmark
from recgpt.evaluate.benchmark import DEFAULT_CONFIG, BenchmarkConfig, run_benchmark
from recgpt.evaluate.page import summarize, write_reports
from recgpt.recommenders import REGISTRY

NAMES = ("films", "books")
CONFIG = BenchmarkConfig(
    datasets=list(NAMES), recommenders=["random", "popularity", "popularity_recent"], past="train", seeds=[0, 1]
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two data sets, one with times; a title that a page must not believe."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name in NAMES:
        users = np.repeat(np.arange(120), 6)
        events = pl.DataFrame(
            {
                "user_id": users,
                "item_id": (np.cumsum(rng.integers(1, 3, len(users))) + users) % 25,
                "position": np.tile(np.arange(6), 120),
            }
        )
        if name == "films":
            events = events.with_columns(timestamp=pl.int_range(pl.len()))
        items = pl.DataFrame({"item_id": range(25), "title": [f"<script>{name} {i}</script>" for i in range(25)]})
        dataset = Dataset.from_frames(name, events, items)
        dataset.save(folder / name)
    return folder


@pytest.fixture(autouse=True)
def embeddings(monkeypatch):
    """No encoder: eight random numbers an item."""
    rows = np.random.default_rng(1).standard_normal((25, 8)).astype(np.float16)
    monkeypatch.setattr(benchmark, "embeddings_of", lambda dataset, model: rows)


def run(config: BenchmarkConfig, data: Path, out: Path) -> dict:
    sets = run_benchmark(config, data=data, out=out, load_model=lambda path: pytest.fail("no model was asked for"))
    summary = summarize(sets, config)
    write_reports(summary, sets, out=out)
    return summary


def figures(summary: dict) -> list:
    """All that does not depend on how long it took."""
    rows = [(each["name"], row) for each in summary["datasets"] for row in each["rows"]]
    return [(name, row["recommender"], row["metrics"], row["against_reference"], row["slices"]) for name, row in rows]


def test_every_cell_is_in_the_reports(data, tmp_path):
    summary = run(CONFIG, data, tmp_path)
    films, books = summary["datasets"]
    assert {row["recommender"] for row in films["rows"]} == {
        *("random", "copy_last", "text_knn", "popularity", "popularity_recent", "item_knn", "hybrid_knn")
    }
    knows = [row["knows"] for row in films["rows"]]
    assert knows == sorted(knows, key=["text", "context", "trained"].index)
    assert {row["recommender"]: row["seeds"] for row in films["rows"]}["random"] == 2
    assert "needs times, and books has none" in books["refused"]["popularity_recent"]
    assert (tmp_path / "cells" / "films" / "random-1.json").is_file()
    for row in films["rows"]:
        against = row["against_reference"]
        assert (against is None) == (row["recommender"] == "text_knn")
        assert against is None or against["p_value"] <= against["p_holm"] <= 1
        assert row["commands"][0].startswith(f"recgpt evaluate {data / 'films'} --protocol leave_one_out --past train")


def test_the_page_is_whole_and_believes_no_text(data, tmp_path):
    run(CONFIG, data, tmp_path)
    page = (tmp_path / "benchmark.html").read_text()
    assert page.count("<svg") == 2 * 3
    assert "<script" not in page
    assert "src=" not in page and 'rel="stylesheet"' not in page, "one file holds everything"
    assert "needs times, and books has none" in page
    saved = json.loads((tmp_path / "benchmark.json").read_text())
    assert saved["datasets"][0]["data_fingerprint"]["items_sha256"] in page
    markdown = (tmp_path / "benchmark.md").read_text()
    for row in saved["datasets"][0]["rows"]:
        assert row["recommender"] in markdown


def test_what_is_done_is_not_done_again(data, tmp_path, monkeypatch):
    first = run(CONFIG, data, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(benchmark, "evaluate", lambda *_, **__: pytest.fail("measured twice"))
        assert figures(run(CONFIG, data, tmp_path)) == figures(first)
    other = CONFIG.model_copy(update={"past": "train+valid"})
    assert figures(run(other, data, tmp_path)) != figures(first), "another past is another cell"


def test_a_cell_without_its_report_is_made_again(data, tmp_path):
    first = run(CONFIG, data, tmp_path)
    (tmp_path / "cells" / "films" / "popularity-0.json").unlink()
    assert figures(run(CONFIG, data, tmp_path)) == figures(first)


KILLED = """
import sys, numpy as np
from pathlib import Path
from recgpt.evaluate import benchmark
benchmark.embeddings_of = lambda dataset, model: np.random.default_rng(1).standard_normal((25, 8)).astype(np.float16)
config = benchmark.BenchmarkConfig(datasets=["films"], recommenders=["random"], past="train", seeds=list(range(60)))
benchmark.run_benchmark(config, data=Path(sys.argv[1]), out=Path(sys.argv[2]), load_model=None)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(data, tmp_path):
    cells = tmp_path / "killed" / "cells" / "films"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(data), str(tmp_path / "killed")])
    deadline = time.monotonic() + 120
    while len(list(cells.glob("random-*.cell.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in cells.glob("*.cell.json")}
    assert 3 <= len(done) < 60
    config = BenchmarkConfig(datasets=["films"], recommenders=["random"], past="train", seeds=list(range(60)))
    resumed = run(config, data, tmp_path / "killed")
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert figures(resumed) == figures(run(config, data, tmp_path / "whole"))


def test_the_default_names_recommenders_that_exist():
    config = BenchmarkConfig.load(DEFAULT_CONFIG)
    assert len(config.datasets) == 4
    assert set(config.recommenders) == set(REGISTRY) - {"recgpt_tokens", "recgpt_text", "recgpt", "recgpt_finetuned"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datasets: [a]\nrecommenders: [popularty]", r"unknown recommender 'popularty'"),
        ("datasets: [a]\nrecommenders: [random]\nprotocol: leave_two_out", "unknown protocol 'leave_two_out'"),
        ("datasets: [a]\nrecommenders: [random]\nseed: 1", "seed: Extra inputs are not permitted"),
        ("datasets: [a]\nrecommenders: [random]\nmax_users: many", "max_users: .*valid integer.*'many'"),
        ("datasets: []\nrecommenders: [random]", "datasets: .*at least 1"),
        ("datasets: [a]\nrecommenders: [random]\nnegatives: 100", "metrics over sampled negatives are refused"),
        ("datasets: [a", "is not readable YAML"),
        ("just words", "the file: "),
    ],
)
def test_a_bad_configuration_says_what_is_wrong(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        BenchmarkConfig.load(tmp_path / "bad.yaml")
    with pytest.raises(DataError, match="there is no benchmark configuration"):
        BenchmarkConfig.load(tmp_path / "none.yaml")


def test_a_missing_data_set_is_named_before_anything_is_computed(data, tmp_path):
    with pytest.raises(DataError, match=r"has no data set music, plays: .*--data"):
        run(CONFIG.model_copy(update={"datasets": ["films", "music", "plays"]}), data, tmp_path)
    assert not (tmp_path / "cells").exists()
