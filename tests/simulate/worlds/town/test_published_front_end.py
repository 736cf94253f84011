"""Exports against what the original's pages read of them: `front_end` of the golden values."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recgpt.simulate import runner
from recgpt.simulate.worlds.town.config import NAME, TownConfig
from recgpt.simulate.worlds.town.cursor import last_tick
from recgpt.simulate.worlds.town.published.demo import write_demo
from recgpt.simulate.worlds.town.published.exporting import simulation_of
from recgpt.simulate.worlds.town.published.simulation import write_simulation

N_STEPS = 60
FIELDS = {"movement", "pronunciatio", "description", "chat"}


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((shared / "fixtures/smallville/golden.json").read_text())["front_end"]
    return content


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block of three people of our own town, as a simulation and as a demo."""
    root = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(root / "runs"))
        with runner.start(NAME, "three", TownConfig(people=3), until=1) as run:
            assert last_tick(run) == N_STEPS
            simulation = simulation_of(run, N_STEPS)
    write_simulation(simulation, root / "storage")
    write_demo(simulation, root / "compressed")
    return root


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _names(golden: dict[str, Any], folder: Path) -> list[str]:
    """Personas as the pages find them, by their folders; each name is a part of an address."""
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    replay = dict(golden["urls"])["/replay/<sim>/<step>/"]
    assert "personas/<name>/" in replay
    form = re.compile(re.search(r"names (\S+)", replay)[1])  # type: ignore[index]
    assert all(form.fullmatch(name.replace(" ", "_")) for name in names)
    return sorted(names)


def test_a_replay_finds_personas_first_positions_and_each_step(golden: dict[str, Any], exported: Path) -> None:
    storage = exported / "storage"
    names = _names(golden, storage / "personas")
    assert len(names) == 3
    first = _read(
        storage / "environment" / f"{max(int(path.stem) for path in (storage / 'environment').iterdir())}.json"
    )
    assert all(set(first[name]) == {"maze", "x", "y"} for name in names)
    for step in range(N_STEPS):  # what `/update_environment/` gives to the page, one file a step
        moved = _read(storage / "movement" / f"{step}.json")
        assert set(moved) == {"persona", "meta"}
        assert all(set(moved["persona"][name]) == FIELDS for name in names)
        clock = datetime.strptime(moved["meta"]["curr_time"], "%B %d, %Y, %H:%M:%S")
        assert clock == datetime(2023, 2, 13) + timedelta(seconds=10 * step)
    assert not (storage / "movement" / f"{N_STEPS}.json").exists(), "the page waits with {step: -1} for it"


@pytest.mark.parametrize("kind", ["storage", "compressed"])
def test_the_state_of_a_persona_is_in_three_files(golden: dict[str, Any], exported: Path, kind: str) -> None:
    needed = dict(golden["urls"])["/replay_persona_state/<sim>/<step>/<First_Last>/"]
    files = re.findall(r"(\S+\.json) \{\}", needed)
    assert files == ["scratch.json", "spatial_memory.json", "associative_memory/nodes.json"]
    for name in _names(golden, exported / kind / "personas"):
        memory = exported / kind / "personas" / name / "bootstrap_memory"
        assert all(isinstance(_read(memory / file), dict) for file in files)
        assert _read(memory / "scratch.json")["name"] == name


def test_a_demo_has_everybody_in_step_0_and_each_later_step(golden: dict[str, Any], exported: Path) -> None:
    demo = exported / "compressed"
    assert "step 0 has everybody and whose keys run 0..N-1" in dict(golden["urls"])["/demo/<sim>/<step>/<speed>/"]
    meta, movement = _read(demo / "meta.json"), _read(demo / "master_movement.json")
    assert list(movement) == [str(step) for step in range(N_STEPS)]
    assert sorted(movement["0"]) == _names(golden, demo / "personas")
    assert all(set(shown) == FIELDS for step in movement.values() for shown in step.values())
    start = datetime.strptime(meta["start_date"], "%B %d, %Y")
    for step, clock in golden["demo_clock"]:
        assert (start + timedelta(seconds=step * meta["sec_per_step"])).isoformat() == clock
