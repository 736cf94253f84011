"""`recgpt runs ...`, with a world of its own: each of its steps is one page."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.table import Table
from typer.testing import CliRunner, Result

from recgpt.cli.runs import runs_app
from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import ConfigError, DataError, SimulationError, StoreError
from recgpt.recommenders.item_knn import ItemKNN
from recgpt.simulate import runner
from recgpt.simulate import world as worlds
from recgpt.simulate.agents.population import Population
from recgpt.simulate.clock import Clock
from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.store import Manifest, Run
from recgpt.simulate.worlds.feed.export import export
from recgpt.simulate.worlds.feed.kinds import KINDS

N_STEPS = 3
ITEMS = pl.DataFrame({"item_id": [f"i{number}" for number in range(6)], "title": [f"Film {n}" for n in range(6)]})


def population() -> Population:
    """Three agents; the last is known for nothing."""
    return Population(
        user_A=np.array([4, 9, 9]),
        activity_A=np.ones(3, np.int8),
        diversity_A=np.ones(3, np.int8),
        conformity_A=np.ones(3, np.int8),
        n_ratings_A=np.ones(3, np.float32),
        n_genres_A=np.ones(3, np.float32),
        rating_deviation_A=np.ones(3, np.float32),
        mean_rating_A=np.ones(3, np.float32),
        histories=Ragged.from_lists([[0, 1, 2], [5], []]),
        ratings=np.array([4, np.nan, 5, 1], np.float32),
        taste_AE=np.eye(3, dtype=np.float32),
        tastes=[(), (), ()],
        high_rating_tendency=["", "", ""],
        low_rating_tendency=["", "", ""],
        made_from="nobody",
    )


def page(step: int) -> pl.DataFrame:
    """Agents 0 and 2 watch the item of the step, agent 2 rates it; agent 0 watches item 5 before."""
    both, item = np.array([0, 2]), np.array([step, step])
    return KINDS.assemble(
        step,
        [
            KINDS.piece("shown", both, item=item, slot=np.array([0, 0])),
            KINDS.piece("watched", both[:1], item=np.array([5])),
            KINDS.piece("watched", both, item=item),
            KINDS.piece("rated", both[1:], item=item[1:], value=np.array([3.5])),
        ],
        time=60 * step,
    )


class Nothing:
    """The state and the inputs of a world without either."""

    @property
    def fingerprint(self) -> dict[str, str]:
        return {"name": "d"}

    def artifacts(self) -> dict[str, bytes]:
        return {}

    def apply(self, rows: pl.DataFrame) -> None:
        pass

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        pass


class Pages:
    """Each step is one `page`."""

    n_steps, n_active, step = N_STEPS, 3, 0

    def __init__(self) -> None:
        self.state = Nothing()

    @property
    def over(self) -> bool:
        return self.step == N_STEPS

    def estimate(self) -> None:
        return None

    def play(self) -> pl.DataFrame:
        return page(self.step + 1)

    def apply(self, rows: pl.DataFrame) -> None:
        self.step += 1


class PagesConfig(worlds.WorldConfig):
    note: str = ""


def measures(run: Run) -> dict[str, object]:
    counts = run.counts_by_kind()
    return {"watched": counts["watched"] / counts["shown"], "by_step": [len(rows) for rows in run.iter_steps()]}


def spec(**changes: Any) -> worlds.WorldSpec:
    parts: dict[str, Any] = {
        "name": "pages",
        "step_name": "page",
        "config": PagesConfig,
        "kinds": KINDS,
        "clock": Clock(60),
        "load_inputs": lambda config: Nothing(),
        "make_world": lambda config, inputs, run, concurrency: Pages(),
        "load_state": lambda run: Nothing,
        "measures": measures,
        "view": lambda run, step: {},
        "report": lambda run: run.path.with_name("report.html"),
        "summary": lambda run: Table(),
        "fixed": (),
        "export": export,
    }
    return worlds.WorldSpec(**{**parts, **changes})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(worlds, "WORLDS", {"pages": spec()})
    return tmp_path / "runs"


@pytest.fixture
def begun(root: Path) -> Iterator[str]:
    """A run that was stopped after its first step."""
    about = {"world": "pages", "config": {"note": "[red]\x1b[2J"}, "seed": 1, "made_with": {}, "dataset": {"name": "d"}}
    manifest = Manifest(run="demo", repeatable="always", kinds=KINDS.to_dict(), **about)
    with Run.create("demo", manifest) as run:
        content = io.BytesIO()
        ITEMS.write_parquet(content)
        run.put_artifact("items.parquet", content.getvalue())
        run.put_artifact("population.parquet", population().to_parquet())
        run.append(page(1))
        figures = {"tokens_in": 1000, "tokens_out": 20, "cost_usd": 0.5, "seconds": 1, "attempts": 1, "server": "local"}
        run.record_call(
            LLMCall(key="k", purpose="decide", model="m", request="{}", reply="{}", failure=None, **figures)
        )
    return "demo"


def runs(*arguments: object) -> Result:
    return CliRunner().invoke(runs_app, [*map(str, arguments)], catch_exceptions=False)


def test_list(root: Path, begun: str) -> None:
    assert "not finished" in runs("list").stdout
    (listed,) = json.loads(runs("list", "--json").stdout)
    assert listed["run"] == "demo"
    assert (listed["n_steps"], listed["n_rows"], listed["finished"], listed["error"]) == (1, 6, False, None)
    (root / "broken").mkdir()
    (root / "broken" / "run.sqlite").write_bytes(b"")
    assert "unreadable" in runs("list").stdout
    assert json.loads(runs("list", "--json").stdout)[0]["error"]


def test_list_of_none(root: Path) -> None:
    assert "no runs yet" in runs("list").stdout
    assert json.loads(runs("list", "--json").stdout) == []


def test_show(begun: str) -> None:
    shown = json.loads(runs("show", begun, "--json").stdout)
    with Run.open(begun) as run:
        assert shown["hash"] == run.hash
        assert shown["manifest"] == run.manifest.model_dump()
    assert shown["n_steps"] == 1
    assert shown["counts"] == {"rated": 1, "shown": 2, "watched": 3}
    assert shown["metrics"] == {}
    assert shown["calls"]["cost_usd"] == 0.5
    table = runs("show", begun).stdout
    assert "[red]" in table  # markup is no markup here
    assert "\x1b" not in table
    with pytest.raises(StoreError, match="there is no run nobody"):
        runs("show", "nobody")


def test_resume_ends_as_if_the_run_had_not_been_stopped(begun: str) -> None:
    with Run.open(begun) as run, run.fork("undisturbed", 0) as undisturbed:
        runner.resume(undisturbed)
        expected = undisturbed.hash
    assert expected in runs("resume", begun).stdout
    again = runs("resume", begun).stdout
    assert "already finished" in again
    assert expected in again


def test_resume_while_another_writes(begun: str) -> None:
    with Run.open(begun, write=True), pytest.raises(StoreError, match="written by another process"):
        runs("resume", begun)


def test_fork(begun: str) -> None:
    runs("resume", begun)
    assert "2 steps of demo" in runs("fork", begun, "demo-2", "--at", 2).stdout
    runs("resume", "demo-2")
    first, second = (json.loads(runs("show", each, "--json").stdout) for each in (begun, "demo-2"))
    assert first["hash"] == second["hash"]
    assert second["forked_from"] == "demo@2"
    with pytest.raises(StoreError, match="is no id of a run"):
        runs("fork", begun, "../elsewhere", "--at", 2)


def test_a_fork_with_other_settings(begun: str, tmp_path: Path) -> None:
    runs("resume", begun)
    (tmp_path / "settings.yaml").write_text("note: of the file")
    told = runs("fork", begun, "told", "--at", 2, "--config", tmp_path / "settings.yaml").stdout
    assert "2 steps of demo, changed: note" in told
    told = runs("fork", begun, "set", "--at", 2, "--config", tmp_path / "settings.yaml", "--set", "note=set").stdout
    with Run.open("told") as one, Run.open("set") as other:
        assert one.manifest.config["note"] == "of the file"
        assert other.manifest.changed == {"note": ("[red]\x1b[2J", "set")}
        assert other.hash == one.hash
    assert "[red]" in runs("show", "set").stdout
    runs("resume", "set")
    assert "all 2 metrics follow" in runs("verify", "set").stdout
    runs("fork", "set", "same", "--at", 1)
    with Run.open("same") as same, Run.open(begun) as first:
        assert same.manifest.changed == {}
        assert same.manifest.config["note"] == "set"
        assert same.hash == first.hash_at(1)


def test_a_fork_refuses_to_change_what_shaped_the_shared_steps(begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SimulationError, match="cannot change seed, which shaped the steps that it shares: change note"):
        runs("fork", begun, "new", "--at", 1, "--set", "seed=7")
    with pytest.raises(ConfigError, match="there is no setting 'nothing': choose among seed, note"):
        runs("fork", begun, "new", "--at", 1, "--set", "nothing=7")
    monkeypatch.setattr(worlds, "WORLDS", {"pages": spec(fixed=None)})
    with pytest.raises(SimulationError, match=r"cannot change note, .*: fork it unchanged, or start a new run"):
        runs("fork", begun, "new", "--at", 1, "--set", "note=other")
    other = Nothing()
    monkeypatch.setattr(Nothing, "fingerprint", {"name": "another"})
    monkeypatch.setattr(worlds, "WORLDS", {"pages": spec(load_inputs=lambda config: other)})
    with pytest.raises(StoreError, match="differs from the data that run demo was started with"):
        runs("fork", begun, "new", "--at", 1, "--set", "note=other")
    assert not (Run.open(begun).path.parent.parent / "new").exists()


def test_a_world_without_export(begun: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "WORLDS", {"pages": spec(export=None)})
    with pytest.raises(SimulationError, match="have no export"):
        runs("export", begun, "--out", tmp_path / "out")


def test_report_writes_the_page_of_the_world(begun: str) -> None:
    runs("resume", begun)
    assert runs("report", begun).stdout.strip().endswith("report.html")


def test_verify(begun: str) -> None:
    assert "has no metrics yet" in runs("verify", begun).stdout
    runs("resume", begun)
    assert "all 2 metrics follow from the events" in runs("verify", begun).stdout


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"watched": 1.4, "by_step": [6, 6, 6]}, r"watched is 1\.4, from the events it is 1\.5$"),
        ({"watched": 1.5, "by_step": [6, 6, 6.0]}, r"by_step is \[6, 6, 6\.0\], from the events it is \[6, 6, 6\]$"),
        ({"watched": 1.5}, r"by_step is absent, from the events it is \[6, 6, 6\]$"),
        ({"watched": 1.5, "by_step": [6, 6, 6], "more": None}, "more is null, from the events it is absent$"),
    ],
)
def test_verify_names_the_metrics_that_differ(begun: str, stored: dict[str, object], message: str) -> None:
    runs("resume", begun)
    with Run.open(begun, write=True) as run:
        run.set_metrics(stored)
    with pytest.raises(StoreError, match=message):
        runs("verify", begun)


def test_verify_names_the_step_that_was_changed(root: Path, begun: str) -> None:
    import sqlite3

    runs("resume", begun)
    with sqlite3.connect(root / "demo" / "run.sqlite") as file:
        file.execute("UPDATE events SET item = 4 WHERE step = 2 AND agent = 2 AND kind = 'watched'")
    file.close()
    with pytest.raises(StoreError, match="events of step 2 are not those that were stored"):
        runs("verify", begun)


def test_a_world_that_is_not_there(begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "WORLDS", {"feed": "nowhere:WORLD"})
    with pytest.raises(SimulationError, match="no world 'pages': choose among feed"):
        runs("resume", begun)


def test_export_holds_the_known_then_the_watched(tmp_path: Path, begun: str) -> None:
    runs("resume", begun)
    told = runs("export", begun, "--out", tmp_path / "all").stdout
    assert "13 interactions of 3 agents, 6 items" in told
    dataset = Dataset.load(tmp_path / "all")
    assert [values.tolist() for values in dataset.sequences] == [[0, 1, 2, 5, 1, 5, 2, 5, 3], [5], [1, 2, 3]]
    assert dataset.interactions.rating is not None
    nan = np.nan
    np.testing.assert_array_equal(
        dataset.interactions.rating, [4, nan, 5, nan, nan, nan, nan, nan, nan, 1, 3.5, 3.5, 3.5]
    )
    written = pl.read_parquet(tmp_path / "all" / "interactions.parquet")
    assert written.columns == ["user_id", "item_id", "position", "rating"]
    assert written["item_id"][0] == "i0"
    with Run.open(begun) as run:
        assert dataset.manifest["run_hash"] == run.hash
    ranking = ItemKNN().fit(dataset).rank([[0, 1], [5]], k=2)
    assert ranking.ids.shape == (2, 2)
    with pytest.raises(DataError, match="holds a data set already"):
        runs("export", begun, "--out", tmp_path / "all")
    runs("export", begun, "--out", tmp_path / "all", "--only-simulated", "--overwrite")
    dataset = Dataset.load(tmp_path / "all")
    assert [values.tolist() for values in dataset.sequences] == [[5, 1, 5, 2, 5, 3], [1, 2, 3]]
    assert dataset.user_map.ids.to_list() == [0, 2]


def test_export_of_what_does_not_belong_together(tmp_path: Path, begun: str) -> None:
    with Run.open(begun, write=True) as run:
        content = io.BytesIO()
        ITEMS.head(3).write_parquet(content)
        run.put_artifact("items.parquet", content.getvalue())
    with pytest.raises(StoreError, match=r"agent 1 met item 5, but items.parquet has 3 items"):
        runs("export", begun, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_export_of_a_run_without_events(tmp_path: Path, begun: str) -> None:
    with Run.open(begun) as run:
        run.fork("empty", 0).close()
    assert "4 interactions of 2 agents" in runs("export", "empty", "--out", tmp_path / "known").stdout
    with pytest.raises(DataError, match="is empty"):
        runs("export", "empty", "--out", tmp_path / "none", "--only-simulated")


def test_the_commands_load_nothing_heavy(repo: Path) -> None:
    code = "import sys, recgpt.cli.runs; print({'polars', 'numpy', 'pydantic', 'torch'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True).stdout
    assert told == "set()\n"
