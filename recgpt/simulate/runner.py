"""Start, resume, fork, verify and report runs of any world.

    with start("feed", "demo", FeedConfig(dataset="data/demo", agents=100)) as run:
        print(run.metrics["corrected"]["p_view"])
        print(report(run))

A step is decided, stored and applied, in this order, so that a killed run goes on from its last stored step and ends
with the log of one that was left alone.
"""

import importlib.metadata
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from recgpt.errors import SimulationError, StoreError
from recgpt.progress import Meter, console
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Manifest, Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.store.snapshots import Snapshots
from recgpt.simulate.world import Inputs, World, WorldConfig, WorldSpec, world_of
from recgpt.version import __version__

_MADE_WITH = ("numpy", "polars", "torch", "scipy")


class Verified(NamedTuple):
    """What `verify` found whole.

    Attributes
    ----------
    n_metrics
        Metrics that follow from the events; None for an unfinished run without any.
    """

    n_steps: int
    hash: str
    n_metrics: int | None


def start(world_name: str, run_id: str, config: WorldConfig, *, overwrite: bool = False, concurrency: int = 1) -> Run:
    """Make a run and play it to its end.

    Parameters
    ----------
    overwrite
        Replace the run of this id.
    concurrency
        Blocks of agents that decide at the same time; the log does not depend on it.

    Raises
    ------
    StoreError
        The id is taken, or the run cannot be written.
    SimulationError, DataError
        The data set cannot give such agents, or the recommender cannot serve it.
    LLMError
        The language model cannot be reached, or a cap is reached; `recgpt runs resume` goes on.
    """
    if run_path(run_id).is_file() and not overwrite:  # before minutes are spent on a recommender
        raise StoreError(f"run {run_id} exists already: resume it, choose another id, or pass --overwrite")
    spec = world_of(world_name)
    inputs = spec.load_inputs(config)
    run = Run.create(run_id, manifest_of(spec, run_id, config, inputs), overwrite=overwrite)
    try:
        _keep(run, inputs)
        _play(run, spec, config, inputs, concurrency)
    except BaseException:
        run.close()
        raise
    return run


def resume(run: Run, *, concurrency: int = 1, max_calls: int | None = None, max_usd: float | None = None) -> None:
    """Go on with a run from the last step in its log to its end.

    Parameters
    ----------
    run
        Open for writing.
    concurrency
        See `start`.
    max_calls, max_usd
        Caps in place of those that the run was started with, over the whole run.

    Raises
    ------
    StoreError
        The data set is not the one that the run was made from.
    SimulationError
        Caps, in a world without language model.
    """
    spec = world_of(run.manifest.world)
    config = _with_caps(spec, spec.config(**run.manifest.config), max_calls, max_usd)
    inputs = spec.load_inputs(config)
    if inputs.fingerprint != run.manifest.dataset:
        raise StoreError(
            f"{run.manifest.config.get('dataset', 'the data')} is not what run {run.run_id} was made from: put that"
            " data set back, or start anew"
        )
    _keep(run, inputs)  # a kill may have come before
    _play(run, spec, config, inputs, concurrency)


def verify(run: Run) -> Verified:
    """Compute the hashes of the log and every metric again, and compare them with those that were stored.

    Raises
    ------
    StoreError
        The first step that is not what was stored, or the metrics that do not follow from the events.
    """
    run.check()
    stored = run.metrics
    if not stored and not run.finished:
        return Verified(run.n_steps, run.hash, None)
    computed = world_of(run.manifest.world).measures(run)
    differing = [
        f"{name} is {_canonical(stored, name)}, from the events it is {_canonical(computed, name)}"
        for name in sorted({*stored, *computed})
        if _canonical(stored, name) != _canonical(computed, name)
    ]
    if differing:
        raise StoreError(f"run {run.run_id}: its metrics do not follow from its events: {'; '.join(differing)}")
    return Verified(run.n_steps, run.hash, len(stored))


def report(run: Run) -> Path:
    """Write the page about a run beside it, and return where it is."""
    return world_of(run.manifest.world).report(run)


def manifest_of(spec: WorldSpec, run_id: str, config: WorldConfig, inputs: Inputs) -> Manifest:
    """Manifest of a run that has not begun."""
    return Manifest(
        run=run_id,
        world=spec.name,
        config=config.model_dump(mode="json"),
        seed=config.seed,
        made_with={"recgpt": __version__, **{name: importlib.metadata.version(name) for name in _MADE_WITH}},
        dataset=inputs.fingerprint,
        kinds=spec.kinds.to_dict(),
        repeatable=(
            "The replies of the language model are in the log of calls: with them the run comes out the same."
            if isinstance(config, MindOptions) and config.mind == "llm"
            else "Seed and data set decide everything."
        ),
    )


def _keep(run: Run, inputs: Inputs) -> None:
    """Put what the events refer to beside them."""
    for name, content in inputs.artifacts().items():
        run.put_artifact(name, content)


def _play(run: Run, spec: WorldSpec, config: WorldConfig, inputs: Inputs, concurrency: int) -> None:
    world = spec.make_world(config, inputs, run, concurrency)
    for rows in run.iter_steps():
        world.apply(rows)
    if not world.over and (estimate := world.estimate()) is not None:
        console.print(f"at most about {estimate}")
    snapshots = Snapshots(run)
    # A bar would be drawn over the questions to a person.
    is_person = isinstance(config, MindOptions) and config.mind == "person"
    with Meter(f"{spec.step_name}s", world.n_steps, done=world.step, disable=is_person) as meter:
        while not world.over:
            meter.update(1, note=_play_step(run, spec, world, snapshots))
    run.set_metrics(spec.measures(run))
    run.finish()


def _play_step(run: Run, spec: WorldSpec, world: World, snapshots: Snapshots) -> str:
    """Play one step, and return a note on its speed and on the cost so far."""
    started, n_agents = time.monotonic(), world.n_active
    rows = world.play()
    run.append(rows)
    world.apply(rows)
    snapshots.applied(world.step, len(rows), world.state.to_arrays)
    per_second = n_agents / max(time.monotonic() - started, 1e-9)
    calls = run.calls_summary()
    cost = f", {calls['n']:,} calls, ${calls['cost_usd']:.4f}" if calls["n"] else ""
    return f"{n_agents:,} agents, {per_second:,.0f} {spec.step_name}s/s{cost}"


def _with_caps(spec: WorldSpec, config: WorldConfig, max_calls: int | None, max_usd: float | None) -> WorldConfig:
    caps = {name: cap for name, cap in (("max_calls", max_calls), ("max_usd", max_usd)) if cap is not None}
    if not caps:
        return config
    if not isinstance(config, MindOptions):
        raise SimulationError(f"the world {spec.name!r} asks no language model: leave out {', '.join(caps)}")
    return config.model_copy(update={"llm": config.llm.model_copy(update=caps)})


def _canonical(metrics: dict[str, Any], name: str) -> str:
    """JSON that is equal only where the values are: 1, 1.0 and true differ."""
    return json.dumps(metrics[name], sort_keys=True, ensure_ascii=False) if name in metrics else "absent"
