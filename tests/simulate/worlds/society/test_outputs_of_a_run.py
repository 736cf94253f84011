"""Files and figures of a stored run: export, measures, view, report, table."""

import json

import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.world import world_of
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.measures import measures
from recgpt.simulate.worlds.society.report import render, summary_table
from recgpt.simulate.worlds.society.view import view

TABLES = ("events", "friends", "follows", "hearings", "adoptions", "cascades")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(tmp_path_factory.mktemp("runs")))
        config = SocietyConfig(agents=30, rounds=4, recommender="item_knn", mean_friends=6)
        runner.start("society", "small", config).close()
        with Run.open("small") as opened:
            yield opened


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "files"
    runner.export(run, out, only_simulated=True)
    return out


def test_export_writes_all_files_and_a_data_set(run, folder):
    found = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    watched = run.events(kind="watched")
    assert len(found["events"]) == run.n_rows
    assert len(found["adoptions"]) == len(watched) > 0
    assert found["cascades"]["scale"].sum() >= watched.select("agent", "item").n_unique()
    assert len(Dataset.load(folder / "dataset").interactions) == len(watched)


def test_published_forms_of_messages_and_interactions(run, folder):
    rounds = json.loads((folder / "messages.json").read_text(encoding="utf-8"))
    assert len(rounds) == run.n_steps
    assert {key for of in rounds for agent in of for each in agent for key in each} == {"agent_id", "action", "content"}
    table = pl.read_csv(folder / "interactions.csv")
    assert table.columns == ["user_id", "item_id", "rating"]
    assert table["rating"].sum() == run.events(kind="watched").select("agent", "item").n_unique()


def test_stored_metrics_are_those_of_the_events_and_of_the_view(run):
    seen = view(run, run.n_steps)
    assert run.metrics == measures(run) == seen["metrics"]
    json.dumps(seen)
    assert seen["finished"]


def test_a_view_of_an_earlier_round_is_not_finished(run):
    seen = view(run, 2)
    assert not seen["finished"]
    assert len(seen["metrics"]["rounds"]) == 2
    assert "Not finished" in render(seen)


def test_report_and_table_of_a_run(run):
    assert "Not finished" not in world_of("society").report(run).read_text(encoding="utf-8")
    assert summary_table(run).row_count > 10
