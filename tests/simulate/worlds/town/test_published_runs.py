"""Runs from published simulations: replayed as they were, exported as the same files."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recgpt.errors import RecGPTError, SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.world import States
from recgpt.simulate.worlds.town.cursor import cursor_of, move_cursor
from recgpt.simulate.worlds.town.playing import play_to
from recgpt.simulate.worlds.town.published.demo import read_demo, write_demo
from recgpt.simulate.worlds.town.published.exporting import simulation_of
from recgpt.simulate.worlds.town.published.importing import import_run
from recgpt.simulate.worlds.town.published.simulation import Simulation, read_simulation, write_simulation
from recgpt.simulate.worlds.town.published.sources import read_source
from recgpt.simulate.worlds.town.published_map import write_published_map
from recgpt.simulate.worlds.town.who_knows import who_knows
from tests.simulate.worlds.town.published_town import made_up_simulation, two_homes

NAMES = (
    *("storage/base_the_ville_isabella_maria_klaus", "storage/base_the_ville_n25"),
    "storage/July1_the_ville_isabella_maria_klaus-step-3-2",
    "storage/July1_the_ville_isabella_maria_klaus-step-3-12-excerpt",
    "compressed_storage/July1_the_ville_isabella_maria_klaus-step-3-20",
)


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """A saved simulation of two personas and 7 steps, with its map beside the storage."""
    write_published_map(two_homes(), tmp_path / "row" / "matrix")
    write_simulation(made_up_simulation(), tmp_path / "storage" / "made-up")
    return tmp_path / "storage" / "made-up"


def _same(found: Simulation, wanted: Simulation) -> None:
    """All but the vectors, which are made where they are missing."""
    assert found.meta == wanted.meta
    assert found.movement == wanted.movement
    assert {step: found.environment[step] for step in wanted.environment} == wanted.environment
    for name, persona in wanted.personas.items():
        own = found.personas[name]
        assert (own.scratch, own.spatial, own.nodes, own.strengths) == (
            *(persona.scratch, persona.spatial, persona.nodes, persona.strengths),
        )
        assert persona.embeddings is None or own.embeddings == persona.embeddings
        assert own.embeddings is not None
        assert {node.values["embedding_key"] for node in own.nodes} <= set(own.embeddings)


@pytest.mark.parametrize("name", NAMES)
def test_an_imported_run_gives_back_the_shipped_files(shared: Path, name: str) -> None:
    source = read_source(shared / "data" / "simulate" / "smallville" / name)
    with import_run(shared / "data" / "simulate" / "smallville" / name, "first") as run:
        assert cursor_of(run) == source.meta.step
        _same(simulation_of(run, source.meta.step), source)


def test_the_shipped_saved_run_imports_again_as_the_same_run(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "simulate" / "smallville"
    with import_run(folder / NAMES[3], "first") as run:
        write_simulation(simulation_of(run, cursor_of(run)), tmp_path / "storage" / "again")
        wanted = run.hash
    with import_run(tmp_path / "storage" / "again", "again", map_folder=folder / "the_ville" / "matrix") as run:
        assert run.hash == wanted


def test_a_made_up_run_replays_and_imports_again(made_up: Path, tmp_path: Path) -> None:
    source = read_simulation(made_up)
    with import_run(made_up, "first") as run:
        assert (run.n_steps, cursor_of(run)) == (1, 7)
        assert run.counts_by_kind()["talked"] == 1
        assert run.counts_by_kind()["said"] == 3
        found = simulation_of(run, 7)
        _same(found, source)
        state = States(run).at(1)
        assert state.memory.of(0)[0].text == "Ann is glad"  # type: ignore[attr-defined]
        wanted = run.hash
        write_simulation(found, tmp_path / "storage" / "again")
        write_demo(found, tmp_path / "compressed" / "demo")
    with import_run(tmp_path / "storage" / "again", "again") as run:
        assert run.hash == wanted
    with import_run(tmp_path / "compressed" / "demo", "demo") as run:
        assert run.hash == wanted
        _same(simulation_of(run, 7), source)
    assert read_demo(tmp_path / "compressed" / "demo").movement == source.movement


def test_the_party_of_the_shipped_demo_is_told_in_its_talks(shared: Path) -> None:
    folder = shared / "data" / "simulate" / "smallville"
    with import_run(folder / NAMES[4], "demo", map_folder=folder / "the_ville" / "matrix") as run:
        tree = who_knows(run, 0)
        lives = States(run).at(run.n_steps).lives  # type: ignore[attr-defined]
    assert tree["text"] == ("Isabella Rodriguez is having a Valentine's Day party at Hobbs Cafe on February 14 at 5pm")
    (isabella,) = tree["roots"]
    heard = [(node["name"], timedelta(seconds=node["second"])) for node in isabella["told"]]
    assert heard == [
        ("Klaus Mueller", timedelta(hours=11, minutes=22, seconds=30)),
        ("Maria Lopez", timedelta(hours=15, minutes=19, seconds=10)),
    ]
    assert [list(life.facts) for life in lives] == [[0], [0], [0]]


def test_facts_told_in_talks_are_no_memories_of_an_export(made_up: Path, tmp_path: Path) -> None:
    scratch = made_up / "personas" / "Bo Ray" / "bootstrap_memory" / "scratch.json"
    party = "Bo Ray is planning on having a tea party at Cup cafe with all on February 14th, 2023 at 5pm."
    scratch.write_text(json.dumps({**json.loads(scratch.read_text()), "currently": party}))
    for step in range(4, 7):
        path = made_up / "movement" / f"{step}.json"
        path.write_text(path.read_text().replace('"Hi"', '"Hi, I give a Tea Party"'))
    source = read_simulation(made_up)
    with import_run(made_up, "first") as run:
        assert run.events(kind="told").select("agent", "other", "item").rows() == [(1, 0, 0)]
        assert "Bo Ray told me" in States(run).at(1).memory.of(0)[-1].text  # type: ignore[attr-defined]
        _same(simulation_of(run, 7), source)
        wanted = run.hash
        play_to(run, 100)
        write_simulation(simulation_of(run, 7), tmp_path / "storage" / "again")
    with import_run(tmp_path / "storage" / "again", "again") as run:
        assert run.hash == wanted


def test_a_run_that_went_on_is_exported_and_imported_with_the_same_files(made_up: Path, tmp_path: Path) -> None:
    with import_run(made_up, "first") as run:
        play_to(run, 100)
        write_simulation(simulation_of(run, 100), tmp_path / "storage" / "played")
    with import_run(tmp_path / "storage" / "played", "again") as run:
        write_simulation(simulation_of(run, cursor_of(run)), tmp_path / "storage" / "again")
    played, again = (tmp_path / "storage" / name for name in ("played", "again"))
    files = {path.relative_to(played) for path in played.rglob("*.json")}
    assert files == {path.relative_to(again) for path in again.rglob("*.json")}
    assert [path for path in files if (played / path).read_bytes() != (again / path).read_bytes()] == []


def test_a_run_is_exported_up_to_an_earlier_tick(made_up: Path) -> None:
    source = read_simulation(made_up)
    with import_run(made_up, "first") as run:
        found = simulation_of(run, 3)
        with pytest.raises(SimulationError, match="choose one from 0 to 60"):
            simulation_of(run, 61)
    assert found.movement == {step: source.movement[step] for step in range(3)}
    assert found.meta.to_json()["curr_time"] == "February 13, 2023, 00:00:30"
    assert [node.number for node in found.personas["Ann Lee"].nodes] == [1]
    assert found.personas["Ann Lee"].scratch["curr_tile"] == list(source.environment[2]["Ann Lee"])


def test_the_cursor_stays_within_the_log(made_up: Path) -> None:
    with import_run(made_up, "first") as run:
        move_cursor(run, 999)
        assert cursor_of(run) == 60
        run.path.with_name("cursor.json").unlink()
        assert cursor_of(run) == 60


def test_a_history_belongs_to_a_base(made_up: Path, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("Name,Whisper\nAnn Lee,You like tea\n")
    with pytest.raises(SimulationError, match="a history belongs to the start"):
        import_run(made_up, "first", history=tmp_path / "history.csv")


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("reverie/meta.json", {"sec_per_step": 7}, "7 seconds do not divide"),
    ("environment/0.json", {"Ann Lee": {"maze": "m", "x": 999, "y": 1}}, "outside of the map"),
    ("personas/Ann Lee/bootstrap_memory/scratch.json", {"living_area": "Row:Nowhere"}, "no room of Row"),
    ("personas/Ann Lee/bootstrap_memory/scratch.json", {"act_start_time": 5, "act_duration": 5}, "act_start_time=5"),
]


@pytest.mark.parametrize(("file", "change", "message"), CHANGES)
def test_files_that_do_not_fit_are_refused_in_one_line(
    made_up: Path, file: str, change: dict[str, Any], message: str
) -> None:
    path = made_up / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RecGPTError, match=message) as error:
        import_run(made_up, "first")
    assert len(str(error.value).splitlines()) == 1
    with pytest.raises(RecGPTError):
        import_run(made_up, "first")  # nothing of the failed import takes the id


def test_a_failed_import_leaves_no_run_that_could_be_mistaken(made_up: Path) -> None:
    path = made_up / "environment" / "0.json"
    good = path.read_text()
    path.write_text(json.dumps({**json.loads(good), "Ann Lee": {"maze": "m", "x": 999, "y": 1}}))
    with pytest.raises(RecGPTError):
        import_run(made_up, "first")
    path.write_text(good)
    with import_run(made_up, "first") as run:
        assert run.n_steps == 1
    with pytest.raises(RecGPTError, match="exists already"):
        import_run(made_up, "first")
    with Run.open("first") as run:
        assert cursor_of(run) == 7
