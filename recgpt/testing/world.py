"""`check_world`: tests a world against the protocol.

    from recgpt.testing import check_world

    check_world(WORLD, PondConfig(agents=8))     # raises ContractError with the first broken rule

Runs without pytest, in a temporary folder, in the time of five runs of the configuration. `check_watch` tests the
watch of a run that is there.
"""

import json
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl

from recgpt.errors import RecGPTError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.watch import Watch
from recgpt.simulate.watching import watch_of
from recgpt.simulate.world import WORLDS, States, World, WorldConfig, WorldSpec, world_of
from recgpt.testing.recommender import ContractError

_SEEDS = (11, 12)  # of the global generators of numpy and random, which worlds must not use
_CONCURRENCY = 8


def check_world(spec: WorldSpec, config: WorldConfig) -> None:
    """Test a world against the rules of `World`; returns None if all hold.

    Parameters
    ----------
    spec
        The world; it need not be in `WORLDS`.
    config
        Configuration of a small run without language model, of at least two steps.

    Raises
    ------
    ContractError
        The first violated rule: events are of declared kinds, in order, with a time that never goes back; `play`
        changes nothing; the state is a function of the log, with snapshots or without; the log is the same at
        concurrency 1 and 8, after a kill and a resume, and whatever the global random numbers are, which stay
        untouched; metrics follow from the events; the view of every step is plain JSON; the watch gives plain JSON, the
        same live and replayed, in any order and after further steps.
    """
    with _registered(spec), tempfile.TemporaryDirectory() as folder, _environment("RECGPT_RUNS", folder):
        _check_steps(spec, config)
        with _seeded(_SEEDS[0]), runner.start(spec.name, "one", config) as run:
            _require(run.n_steps >= 2, f"the run has {run.n_steps} steps: configure one of at least two")
            _check_hash("at concurrency 8 and with other global random numbers", run, _other(spec, config))
            for step in range(run.n_steps):
                run.fork(f"killed-{step}", step).close()
                with Run.open(f"killed-{step}", write=True) as killed:
                    runner.resume(killed)
                    _check_hash(f"killed after step {step} and resumed", run, killed.hash)
            _check_states(run)
            _check_outcome(spec, run)
            check_watch(run)


def _other(spec: WorldSpec, config: WorldConfig) -> str:
    with _seeded(_SEEDS[1]), runner.start(spec.name, "other", config, concurrency=_CONCURRENCY) as run:
        return run.hash


def _check_steps(spec: WorldSpec, config: WorldConfig) -> None:
    """Play a world without the runner: `play` must leave the state unchanged, `apply` must advance it by one step."""
    inputs = spec.load_inputs(config)
    with Run.create("steps", runner.manifest_of(spec, "steps", config, inputs)) as run:
        for name, content in inputs.artifacts().items():
            run.put_artifact(name, content)
        world, now = spec.make_world(config, inputs, run, 1), 0
        while not world.over:
            rows = _played(spec, world)
            times_R = rows["time"].to_numpy()
            earliest = int(times_R.min(initial=now))
            _require(earliest >= now, f"step {world.step + 1}: the time goes back to {earliest} from {now}")
            now = int(times_R.max(initial=now))
            run.append(rows)
            step = world.step
            world.apply(rows)
            _require(world.step == step + 1, f"apply took step {step} to {world.step}: it applies one step")
        _require(world.step <= world.n_steps, f"{world.step} steps were played, n_steps is {world.n_steps}")
        _require_same("the state of the world and that of its log", world.state.to_arrays(), _replayed(spec, run))


def _played(spec: WorldSpec, world: World) -> pl.DataFrame:
    before = {name: array.copy() for name, array in world.state.to_arrays().items()}
    rows, where = world.play(), f"step {world.step + 1}"
    _require_same(f"{where}: the state before and after play", before, world.state.to_arrays())
    _require(rows.equals(world.play()), f"{where}: playing it twice gives different events")
    _require((rows["step"] == world.step + 1).all(), f"{where}: play gave events of step {rows['step'].to_list()[:1]}")
    try:
        spec.kinds.check(rows)
    except RecGPTError as error:
        raise ContractError(f"{where}: {error}") from error
    return rows


def _check_states(run: Run) -> None:
    """States from snapshots equal those of a replay from the start."""
    spec = world_of(run.manifest.world)
    with_snapshots = States(run)
    fresh = spec.load_state(run)()
    for step in range(run.n_steps + 1):
        if step:
            fresh.apply(run.events(step))
        arrays = fresh.to_arrays()
        _require_same(
            f"step {step}: the state at hand and that of the log", with_snapshots.at(step).to_arrays(), arrays
        )
        for name, array in arrays.items():
            _require(array.dtype.kind in "biuf", f"step {step}: the array {name!r} of the state is {array.dtype}")
        restored = spec.load_state(run)()
        restored.restore({name: array.copy() for name, array in arrays.items()})
        _require_same(f"step {step}: a state and the one restored from its arrays", restored.to_arrays(), arrays)


def _check_outcome(spec: WorldSpec, run: Run) -> None:
    try:
        runner.verify(run)
    except RecGPTError as error:
        raise ContractError(str(error)) from error
    for step in range(run.n_steps + 1):
        _require_plain(f"step {step}: the view", spec.view(run, step))


def check_watch(run: Run) -> None:
    """Test the watch of a run: live, while a copy of the run grows step by step, it shows the same as replayed.

    Raises
    ------
    ContractError
        A frame, moment, card, graph or log line is no plain JSON, or differs live and replayed, in another order of
        calls, or after further steps.
    """
    replayed = watch_of(run)
    _require_plain("the constants of the watch", replayed.about())
    _require_plain("the agents that are found", replayed.find("1", 5))
    frames = [replayed.start(), *(replayed.add(rows) for rows in run.iter_steps())]
    later = {step: _shown(replayed, run, step) for step in reversed(range(len(frames)))}
    with run.fork(f"{run.run_id}-live"[-64:], 0) as copy:
        live = watch_of(copy)
        for step, frame in enumerate(frames):
            if step:
                copy.append(run.events(step))
            found = live.add(copy.events(step)) if step else live.start()
            _require_plain(f"step {step}: the frame", frame)
            _require(frame["step"] == step, f"step {step}: its frame is of step {frame['step']}")
            _require(found == frame, f"step {step}: the frame differs live and replayed")
            for what, shown in _shown(live, copy, step).items():
                _require_plain(f"step {step}: the {what}", shown)
                _require(shown == later[step][what], f"step {step}: the {what} differs live and after further steps")


def _shown(watch: Watch, run: Run, step: int) -> dict[str, Any]:
    """Answers of a watch at a step, by name; of the agents with events up to it the first, the middle and the last."""
    met = run.events(range(1, step + 1))["agent"].unique().sort().to_list()
    agents = sorted({met[0], met[len(met) // 2], met[-1]} - {-1}) if met else []
    kinds = sorted(run.manifest.kinds)[:2]
    return {
        "moment": watch.moment(step),
        "graph": watch.graph(step),
        "log": watch.log(step),
        "log of two kinds": [watch.log(step, kind=kind, limit=5) for kind in kinds],
        "log of a text": watch.log(step, text="a", limit=5),
        **{f"card of agent {agent}": watch.agent(step, agent) for agent in agents},
    }


def _require_plain(what: str, values: Any) -> None:
    try:
        plain = json.loads(json.dumps(values, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ContractError(f"{what} is no plain JSON: {error}") from error
    _require(plain == values, f"{what} is no plain JSON: read again it differs")


def _replayed(spec: WorldSpec, run: Run) -> dict[str, np.ndarray]:
    state = spec.load_state(run)()
    for rows in run.iter_steps():
        state.apply(rows)
    return state.to_arrays()


def _check_hash(case: str, run: Run, found: str) -> None:
    _require(found == run.hash, f"the log is another one {case}: hash {found[:12]} instead of {run.hash[:12]}")


def _require_same(what: str, first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    _require(first.keys() == second.keys(), f"{what} have different arrays: {sorted(first)} and {sorted(second)}")
    for name, array in first.items():
        is_float = array.dtype.kind == "f"
        _require(np.array_equal(array, second[name], equal_nan=is_float), f"{what} differ in {name!r}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractError(otherwise)


@contextmanager
def _registered(spec: WorldSpec) -> Iterator[None]:
    before = WORLDS.get(spec.name)
    WORLDS[spec.name] = spec
    try:
        yield
    finally:
        if before is None:
            del WORLDS[spec.name]
        else:
            WORLDS[spec.name] = before


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, require that they stay unused, and restore them."""
    kept: tuple[Any, Any] = (random.getstate(), np.random.get_state())
    random.seed(seed)
    np.random.seed(seed)
    expected = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    try:
        yield
        found = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
        _require(found == expected, "a draw was made outside of `recgpt.simulate.rng`, from a global generator")
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
