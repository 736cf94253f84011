"""Export of a town: the data set folder, the log and the adoptions with their sources."""

from pathlib import Path

import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.errors import DataError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.config import NAME, TownConfig
from recgpt.simulate.worlds.town.events import Event, to_rows


@pytest.fixture
def run_with_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A town of three with one block, in which two items are taken and one is rated later."""
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    run = runner.start(NAME, "items", TownConfig(people=3), until=0)
    events = [
        Event(3, 0, "adopted", item=5, place=0, slot=1, other=1),
        Event(9, 0, "rated", item=5, value=4.0, text="good"),
        Event(4, 2, "adopted", item=7, slot=0),
    ]
    run.append(to_rows(events, step=1, seconds_per_tick=10))
    return run


def test_items_taken_are_exported_with_their_sources(run_with_items: Run, tmp_path: Path) -> None:
    with run_with_items as run:
        paths = runner.export(run, tmp_path / "out", only_simulated=True)
    assert {path.name for path in paths} >= {"events.parquet", "adoptions.parquet", "interactions.parquet"}
    dataset = Dataset.load(tmp_path / "out" / "dataset")
    assert (dataset.n_users, dataset.n_interactions) == (2, 2)
    found = pl.read_parquet(tmp_path / "out" / "adoptions.parquet").rows(named=True)
    assert [(row["user_id"], row["seconds"], row["first_source"], row["stars"]) for row in found] == [
        (0, 30, "friend", 4.0),
        (2, 40, "page", None),
    ]
    assert found[0]["friend"] != found[0]["name"]
    assert found[0]["place"].startswith("Hazelbrook:")


def test_a_town_without_items_taken_has_nothing_to_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    with (
        runner.start(NAME, "bare", TownConfig(people=3), until=0) as run,
        pytest.raises(DataError),
    ):
        runner.export(run, tmp_path / "out", only_simulated=True)
