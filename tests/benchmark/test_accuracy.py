"""`recgpt benchmark accuracy`: cells that resume, and the reports made of them."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError

from recgpt.benchmark.accuracy import suite as benchmark
from recgpt.benchmark.accuracy.page import html, markdown, ratio_table, summarize, write_reports
from recgpt.benchmark.accuracy.settings import SUITES, BenchmarkConfig, Part, Suite
from recgpt.benchmark.accuracy.suite import DatasetCells, run_suite
from recgpt.data.dataset import Dataset
from recgpt.data.splits import PROTOCOLS
from recgpt.errors import ConfigError, DataError
from recgpt.evaluate.metrics import MISSED
from recgpt.evaluate.protocols import SLICES
from recgpt.evaluate.report import LISTS, StoredReport
from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.foundation.network import NetworkConfig
from recgpt.recommenders import FROM_MODEL, REGISTRY

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
    monkeypatch.setattr(benchmark, "model_embeddings", lambda dataset, model: rows)


def refuse(path: str | None) -> NoReturn:
    pytest.fail(f"no model is needed, {path} was to be loaded")


def make_cells(suite: Suite, data: Path, out: Path, load_model=refuse) -> list[list[DatasetCells]]:
    return run_suite(suite, data=data, out=out, load_model=load_model)


def run_whole(suite: Suite, data: Path, out: Path) -> dict:
    found = make_cells(suite, data, out)
    summary = summarize(suite, found)
    write_reports(summary, found, out=out)
    return summary


def run(config: BenchmarkConfig, data: Path, out: Path) -> dict:
    """The only part of a suite of one."""
    return run_whole(Suite.from_config(config), data, out)["parts"][0]


def tiny_foundation(seed: int = 0) -> FoundationModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FoundationModel(FoundationConfig(NetworkConfig(history_items=6, d_model=8, n_heads=2, hidden=8)))
        torch.nn.init.normal_(model.network.item_out.weight)
    return model


def stored_cells(out: Path) -> set[str]:
    return {path.name for path in out.rglob("*.cell.json")}


def figures(part: dict) -> list:
    """All that does not depend on how long it took."""
    rows = [(each["name"], row) for each in part["datasets"] for row in each["rows"]]
    return [(name, row["recommender"], row["metrics"], row["against_reference"], row["slices"]) for name, row in rows]


def test_cut_offs_of_a_benchmark_are_in_its_reports(data, tmp_path):
    config = BenchmarkConfig(datasets=["films"], recommenders=["popularity"], ks="5,20,50", seeds=[0])
    (films,) = run(config, data, tmp_path)["datasets"]
    metrics = next(row["metrics"] for row in films["rows"] if row["recommender"] == "popularity")
    assert set(metrics) == {f"{name}@{k}" for name in ("hit", "ndcg") for k in (5, 10, 20, 50)}, "10 is always there"
    assert metrics["hit@50"]["mean"] == 1.0, "25 items are listed"
    for page in ("benchmark.md", "benchmark.html"):
        text = (tmp_path / page).read_text()
        assert "ndcg@50" in text
        assert "--ks 5,10,20,50" in text or page.endswith(".md")
    before = stored_cells(tmp_path)
    run(config.model_copy(update={"ks": (1, 3, 5, 10)}), data, tmp_path)
    assert before < stored_cells(tmp_path), "other cut-offs, other cells"


def test_every_cell_is_in_the_reports(data, tmp_path):
    summary = run(CONFIG, data, tmp_path)
    films, books = summary["datasets"]
    assert {row["recommender"] for row in films["rows"]} == {
        *("random", "copy_last", "text_knn", "popularity", "popularity_recent", "item_knn", "hybrid_knn")
    }
    groups = [row["supervision"] for row in films["rows"]]
    assert groups == sorted(groups, key=["zero-shot", "in-context", "trained"].index)
    assert {row["recommender"]: row["seeds"] for row in films["rows"]}["random"] == 2
    assert "needs times, and books has none" in books["refused"]["popularity_recent"]
    assert len(list((tmp_path / "cells" / "films").glob("random-1-*.cell.json"))) == 1
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
    datasets = saved["parts"][0]["datasets"]
    assert datasets[0]["data_fingerprint"]["items_sha256"] in page
    markdown = (tmp_path / "benchmark.md").read_text()
    assert "best baseline" not in markdown, "there is no row of RecGPT"
    for row in datasets[0]["rows"]:
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
    for report in (tmp_path / "cells" / "films").glob("popularity-0-*.json"):
        if not report.name.endswith(".cell.json"):
            report.unlink()
    assert figures(run(CONFIG, data, tmp_path)) == figures(first)


KILLED = """
import sys, numpy as np
from pathlib import Path
from typing import NoReturn
from recgpt.benchmark.accuracy import suite as benchmark
benchmark.model_embeddings = lambda dataset, model: np.random.default_rng(1).standard_normal((25, 8)).astype(np.float16)
config = benchmark.BenchmarkConfig(datasets=["films"], recommenders=["random"], past="train", seeds=list(range(30)))
benchmark.run_suite(benchmark.Suite.from_config(config), data=Path(sys.argv[1]), out=Path(sys.argv[2]), load_model=None)
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
    assert 3 <= len(done) < 30
    config = BenchmarkConfig(datasets=["films"], recommenders=["random"], past="train", seeds=list(range(30)))
    resumed = run(config, data, tmp_path / "killed")
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert figures(resumed) == figures(run(config, data, tmp_path / "whole"))


def test_the_default_names_recommenders_that_exist():
    (part,) = Suite.named("accuracy").parts
    assert len(part.config.datasets) == 4
    assert set(part.config.recommenders) == set(REGISTRY) - set(FROM_MODEL)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_that_comes_with_the_package_can_be_run(name):
    suite = Suite.named(name)
    for part in suite.parts:
        options = inspect.signature(PROTOCOLS[part.config.protocol]).parameters
        given = {key for key in ("past", "max_users") if getattr(part.config, key) is not None}
        assert given <= set(options)
        assert set(part.config.recommenders) <= set(REGISTRY)
        assert bool(part.title) == bool(part.about) == (len(suite.parts) > 1)


def test_the_foundation_suite_has_parts_that_ask_few_enough_users():
    suite = Suite.named("foundation")
    assert [part.config.protocol for part in suite.parts] == [
        *("leave_one_out", "leave_one_out", "global_time", "cold_item", "windows"),
        *("published_steam_style", "published_99_negatives", "leave_one_out"),
    ]
    pasts = [part.config.past for part in suite.parts]
    assert pasts == ["train+valid", "train", None, None, "train+valid", None, None, "train+valid"]
    assert all((part.config.max_users or 0) in (2000, 5000) for part in suite.parts)
    assert all({"recgpt_text", "recgpt"} <= set(part.config.recommenders) for part in suite.parts)
    assert [len(part.config.datasets) for part in suite.parts] == [8, 8, 3, 4, 2, 2, 1, 8]


def test_an_unknown_suite_names_those_there_are():
    with pytest.raises(DataError, match="unknown suite 'speed': choose among accuracy, foundation"):
        Suite.named("speed")
    with pytest.raises(ValidationError, match="name"):
        Suite(name="../elsewhere", parts=[Part(config=CONFIG)])


def test_parts_are_chosen_by_title_or_number_and_seeds_replaced():
    suite = Suite.named("foundation")
    assert suite.restricted() == suite
    some = suite.restricted(only=["5", "global time"], seeds=[7])
    assert [part.title for part in some.parts] == ["Global time", "Published windows"]
    assert [part.config.seeds for part in some.parts] == [[7], [7]]
    assert some.parts[0].config.datasets == suite.parts[2].config.datasets
    for wanted in ("9", "0", "Global", ""):
        with pytest.raises(DataError, match=rf"foundation has no part '{wanted}': .*3 Global time"):
            suite.restricted(only=[wanted])


SUITE = Suite(
    name="two",
    title="Two pasts",
    notes=["Read <this> first."],
    parts=[
        Part(title="Long", about="All but the last.", config=CONFIG.model_copy(update={"past": "train+valid"})),
        Part(title="Short", about="All but the last two.", config=CONFIG),
    ],
)


def test_a_page_has_its_notes_and_a_section_for_each_part(data, tmp_path):
    summary = run_whole(SUITE, data, tmp_path)
    long, short = summary["parts"]
    assert figures(long) != figures(short), "the cells of one part are not those of the other"
    page, text = (tmp_path / "two.html").read_text(), (tmp_path / "two.md").read_text()
    assert page.count("<svg") == 2 * 2 * 3
    assert "<h1>Two pasts</h1>" in page and "Read &lt;this&gt; first." in page
    for said in ("# Two pasts", "Read <this> first.", "# Long", "All but the last two."):
        assert said in text
    assert 'id="2-books"' in page and 'href="#2-books"' in page
    assert json.loads((tmp_path / "two.json").read_text())["parts"][1]["title"] == "Short"


def test_the_foundation_page_says_what_a_reader_must_know(data, tmp_path):
    suite = SUITE.model_copy(update={"notes": Suite.named("foundation").notes})
    run_whole(suite.restricted(only=["Short"], seeds=[0]), data, tmp_path)
    head = (tmp_path / "two.html").read_text().partition("<section")[0].replace("&#34;", '"').replace("&#39;", "'")
    for said in (
        """Rows marked "in-context" read the past interactions of other users""",
        "Leave-one-out lets every model that learns from other users, published ones too, see what they did later",
        "The global-time part does not.",
        "Orders of one day and variants of one product make many next items easy",
        "Several of the data sets are for research only.",
        "At most 5,000 users of a data set are evaluated",
    ):
        assert said in head


def test_what_parts_and_suites_share_is_made_once(data, tmp_path, monkeypatch):
    same = Part(title="Same", config=CONFIG.model_copy(update={"datasets": ["films"]}))
    make_cells(Suite(parts=[same]), data, tmp_path)
    made = stored_cells(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(benchmark, "evaluate", lambda *_, **__: pytest.fail("measured twice"))
        ((first,), (second,)) = make_cells(Suite(parts=[same, same]), data, tmp_path)
    assert stored_cells(tmp_path) == made
    assert {name: len(reports) for name, reports in first.reports.items()}["random"] == 2
    assert first.reports.keys() == second.reports.keys()


def test_a_cell_of_the_model_is_known_by_its_weights_and_settings(data, tmp_path, monkeypatch):
    config = BenchmarkConfig(datasets=["films"], recommenders=["recgpt_text", "recgpt"])

    def cells_with(model: FoundationModel) -> set[str]:
        loads = []
        suite = Suite(parts=[Part(title="a", config=config), Part(title="b", config=config)])
        make_cells(suite, data, tmp_path, load_model=lambda _: loads.append(1) or model)
        assert loads == [1], "one model, loaded once"
        return stored_cells(tmp_path)

    first = cells_with(tiny_foundation())
    assert cells_with(tiny_foundation()) == first, "the same weights, the same cells"
    second = cells_with(tiny_foundation(seed=1))
    assert sorted(name.split("-")[0] for name in second - first) == ["recgpt", "recgpt_text"]
    narrower = tiny_foundation()
    narrower.config = replace(narrower.config, shortlist=5)
    third = cells_with(narrower)
    assert sorted(name.split("-")[0] for name in third - second) == ["recgpt", "recgpt_text"]


def test_other_embeddings_make_other_cells(data, tmp_path, monkeypatch):
    suite = Suite.from_config(BenchmarkConfig(datasets=["films"], recommenders=["text_knn"]))
    make_cells(suite, data, tmp_path)
    first = stored_cells(tmp_path)
    rows = np.random.default_rng(2).standard_normal((25, 8)).astype(np.float16)
    monkeypatch.setattr(benchmark, "model_embeddings", lambda dataset, model: rows)
    make_cells(suite, data, tmp_path)
    assert len(stored_cells(tmp_path)) == 2 * len(first)


def made_up(name: str, hits: dict[str, int], n_users: int = 100) -> DatasetCells:
    """A data set on which each recommender puts the target first for so many users, and misses it for the others."""
    cells = DatasetCells(name, Path(name))
    for recommender, n_hits in hits.items():
        ranks = pl.Series([1] * n_hits + [MISSED] * (n_users - n_hits), dtype=pl.Int32)
        cases = pl.DataFrame(
            {
                "user": range(n_users),
                "target": 0,
                "history_items": 3,
                "target_count": 1,
                "repeat": False,
                "popularity": "tail",
                "steps": 3,
                f"{recommender}/history": ranks,
                f"{recommender}/nothing": ranks,
            }
        )
        lists = dict.fromkeys(LISTS, 0.5) | {"popularity_deciles": None}
        about = {
            "protocol": "leave_one_out",
            "split": {"seed": 0},
            "repeats": "drop",
            "items": 10,
            "n": dict.fromkeys(SLICES, n_users),
            "ks": [1, 5, 10],
            "supervision": {recommender: REGISTRY[recommender].supervision},
            "beyond_accuracy": {recommender: lists},
            "seconds": {recommender: {"fit": 1.0, "rank": 1.0}},
            "data_fingerprint": {},
            "versions": {},
            "hardware": "one GPU" if recommender == "sasrec" else "two cores",
        }
        cells.reports[recommender] = [StoredReport(Path(f"{recommender}.json"), about, cases)]
    return cells


def test_ratios_are_to_the_best_of_all_baselines():
    sets = [
        made_up("films", {"popularity": 10, "item_knn": 20, "recgpt_text": 5, "recgpt": 40, "recgpt_finetuned": 50}),
        made_up("books", {"popularity": 20, "sasrec": 40, "recgpt_text": 10, "recgpt": 20}),
        made_up("music", {"popularity": 0, "recgpt": 20}),
        made_up("plays", {"popularity": 20}),
    ]
    names = [cells.name for cells in sets]
    suite = Suite.from_config(BenchmarkConfig(datasets=names, recommenders=["popularity"]))
    summary = summarize(suite, [sets])
    assert summary["hardware"] == "two cores (11 of the reports); one GPU (1 of the reports)"
    (part,) = summary["parts"]
    films, books, music, plays = (dataset["against_best"] for dataset in part["datasets"])
    assert (films["best_baseline"], books["best_baseline"], music, plays) == ("item_knn", "sasrec", None, None)
    assert films["ratios"] == pytest.approx({"recgpt_text": 0.25, "recgpt": 2.0, "recgpt_finetuned": 2.5})
    assert books["ratios"] == pytest.approx({"recgpt_text": 0.25, "recgpt": 0.5})
    assert films["recgpt_minus_best"]["difference"] == pytest.approx(0.2)
    assert 0.1 < films["recgpt_minus_best"]["ci95"][0] < 0.2 < films["recgpt_minus_best"]["ci95"][1] < 0.3
    assert part["mean_ratios"] == {
        "recgpt_text": pytest.approx(0.25),
        "recgpt": pytest.approx(1.0),
        "recgpt_finetuned": None,
    }
    first, second, mean = ratio_table(part)
    assert first[:6] == ["films", "item_knn", ".2000", ".25", "2.00", "2.50"]
    assert second[:6] == ["books", "sasrec", ".4000", ".25", ".50", "–"]
    assert mean == ["geometric mean", "–", "–", ".25", "1.00", "–", "–"]
    text = markdown(summary)
    assert "| geometric mean | – | – | .25 | 1.00 | – | – |" in text


@pytest.mark.parametrize(
    ("name", "protocol", "figures"),
    [
        ("amazon_beauty", "leave_one_out", ["| GRAM | .0641 | .0451 | – | – |", "| OneRec-8B | – | – | .0924 | – |"]),
        ("yelp", "published_steam_style", ["| GRAM | .0476 | .0326 | – | – |"]),
        ("yelp", "leave_one_out", []),
    ],
)
def test_published_figures_at_other_cut_offs_are_shown_with_their_own_protocol(name, protocol, figures):
    cells = made_up(name, {"popularity": 20})
    suite = Suite.from_config(BenchmarkConfig(datasets=[name], recommenders=["popularity"], protocol=protocol))
    summary = summarize(suite, [[cells]])
    text, page = markdown(summary), html(summary, [[cells]])
    assert all(each in text for each in figures)
    assert ("GRAM" in text) == ("GRAM" in page) == bool(figures)


@pytest.mark.parametrize(("protocol", "is_shown"), [("leave_one_out", True), ("windows", True), ("cold_item", False)])
def test_published_figures_stand_beside_protocols_they_were_measured_with(protocol, is_shown):
    cells = made_up("amazon_office", {"popularity": 20})
    suite = Suite.from_config(
        BenchmarkConfig(datasets=["amazon_office"], recommenders=["popularity"], protocol=protocol)
    )
    assert bool(summarize(suite, [[cells]])["parts"][0]["datasets"][0]["published"]) == is_shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datasets: [a]\nrecommenders: [popularty]", r"unknown recommender 'popularty'"),
        ("datasets: [a]\nrecommenders: [random]\nprotocol: leave_two_out", "unknown protocol 'leave_two_out'"),
        ("datasets: [a]\nrecommenders: [random]\nseed: 1", "no setting 'seed': choose among datasets"),
        ("datasets: [a]\nrecommenders: [random]\nmax_users: many", "max_users='many': .*valid integer"),
        ("datasets: []\nrecommenders: [random]", r"datasets=\[\]: .*at least 1"),
        ("datasets: [a]\nrecommenders: [random]\nnegatives: 100", "metrics over sampled negatives are refused"),
        ("datasets: [a", "is not readable YAML"),
        ("just words", "holds a str"),
        ("parts: []", r"parts=\[\]: .*at least 1"),
        ("parts: [{config: {datasets: [a], recommenders: [sasrek]}}]", "unknown recommender 'sasrek'"),
        ("parts: [{config: {datasets: [a]}}]", r"parts.0.config.recommenders is needed"),
        ("note: x\nparts: [{config: {datasets: [a], recommenders: [random]}}]", "no setting 'note': choose among name"),
    ],
)
def test_a_bad_configuration_says_what_is_wrong(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises((ConfigError, DataError), match=message):
        Suite.load(tmp_path / "bad.yaml")
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        Suite.load(tmp_path / "none.yaml")


def test_overrides_change_every_part(tmp_path):
    suite = Suite.load(None, ["max_users=7", "recommenders=random,popularity"])
    assert {part.config.max_users for part in suite.parts} == {7}
    assert {tuple(part.config.recommenders) for part in suite.parts} == {("random", "popularity")}
    with pytest.raises(ConfigError, match="no setting 'max_user': choose among datasets"):
        Suite.load(None, ["max_user=7"])


def test_a_missing_data_set_is_named_before_anything_is_computed(data, tmp_path):
    with pytest.raises(DataError, match=r"has no data set music, plays: .*--data"):
        run(CONFIG.model_copy(update={"datasets": ["films", "music", "plays"]}), data, tmp_path)
    assert not (tmp_path / "cells").exists()
