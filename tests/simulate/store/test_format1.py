"""Runs of format 1, stored by recgpt 0.1: read, verified, reported and exported, and never written.

`format1/scripted` is a feed of the small data set by scripted agents, `format1/talk` one by a stub of a language model,
with words, thoughts and interviews.
"""

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from recgpt.errors import StoreError
from recgpt.simulate import runner
from recgpt.simulate.events import FORMAT_1_COLUMNS, chained_hash
from recgpt.simulate.store import Run
from recgpt.simulate.store.snapshots import Snapshots
from recgpt.simulate.world import States, world_of
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.export import dataset_of

STORED = Path(__file__).parent / "format1"
HASHES = {
    "scripted": "10c3e47c6a501b82b586fa16f4f0bbd9dcc10efee2ef105576e9bb3b9a709354",
    "talk": "02256e7bcf8203c91b47f06a91933823a83a63290ab1cf9bbfa2501cb33eddde",
}
KINDS = {"aligned", "exited", "felt", "interviewed", "rated", "retrieved", "satisfied", "shown", "turned", "watched"}


@pytest.fixture(autouse=True)
def _stored_runs(root: Path) -> None:
    """Copies, because SQLite needs a folder that it may write even to read."""
    shutil.copytree(STORED, root)


@pytest.mark.parametrize("name", HASHES)
def test_run_of_format_1_verifies_reports_and_exports(name: str) -> None:
    with Run.open(name) as run:
        assert (run.format, run.hash) == (1, HASHES[name])
        assert set(run.counts_by_kind()) >= KINDS
        assert runner.verify(run) == (run.n_steps, HASHES[name], len(run.metrics))
        assert run.metrics["corrected"]["p_view"]["mean"] > 0
        assert run.events()["place"].null_count() == run.n_rows
        assert runner.report(run).is_file()
        Console(file=io.StringIO()).print(world_of("feed").summary(run))
        assert dataset_of(run, only_simulated=True).n_interactions == run.counts_by_kind()["watched"]
        assert (States(run).at(run.n_steps).n_watched_A > 0).any()


def test_changed_row_of_format_1_is_found(root: Path) -> None:
    import sqlite3

    with sqlite3.connect(root / "talk" / "run.sqlite") as file:
        file.execute("UPDATE events SET text = 'x' WHERE step = 2 AND kind = 'shown'")
    file.close()
    with Run.open("talk") as run, pytest.raises(StoreError, match="events of step 2 are not"):
        run.check()


def test_run_of_format_1_is_not_written(root: Path) -> None:
    with pytest.raises(StoreError, match="run talk has format 1, which is read and no longer written"):
        Run.open("talk", write=True)
    with Run.open("talk") as run, pytest.raises(StoreError, match="format 1"):
        run.fork("new", 1)
    assert not (root / "new").exists()


@pytest.mark.parametrize("name", HASHES)
def test_same_configuration_gives_the_events_of_format_1(
    name: str, feed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions are replayed from the log: a language model made the talk's, scripted agents were fitted anew since."""
    monkeypatch.chdir(feed_folder.parent)
    with Run.open(name) as old:
        config = FeedConfig(**old.manifest.config).model_copy(update={"mind": "replay", "replayed": name})
        with runner.start("feed", "again", config) as new:
            assert {**old.metrics, "satisfaction": new.metrics["satisfaction"]} == new.metrics
            found = ""
            for rows in new.iter_steps():
                found = chained_hash(found, rows, FORMAT_1_COLUMNS)
    assert found == HASHES[name]


def test_snapshot_of_another_run_is_not_read(root: Path) -> None:
    with Run.open("talk") as run:
        state = States(run).at(2)
        Snapshots(run).applied(2, 10**6, state.to_arrays)
        assert Snapshots(run).latest(3)[0] == 2
    (root / "talk" / "snapshots").rename(root / "scripted" / "snapshots")
    with Run.open("scripted") as other:
        assert Snapshots(other).latest(4) == (0, None)
