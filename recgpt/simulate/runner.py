"""Start, resume, fork, verify and report runs of any world.

    with start("feed", "demo", FeedConfig(dataset="data/demo", agents=100)) as run:
        print(run.metrics["corrected"]["p_view"])
        print(report(run))

A step is decided, stored and applied, in this order, so that a killed run resumes after its last stored step, and its
log equals that of an uninterrupted run.
"""

import importlib.metadata
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from recgpt.errors import SimulationError, StoreError
from recgpt.progress import Meter, note
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Manifest, Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.store.snapshots import Snapshots
from recgpt.simulate.world import Inputs, World, WorldConfig, WorldSpec, world_of
from recgpt.version import __version__

_MADE_WITH = ("numpy", "polars", "torch", "scipy")


class Verified(NamedTuple):
    """Result of `verify`.

    Attributes
    ----------
    n_metrics
        Number of metrics that equal those computed from the events; None for an unfinished run without metrics.
    """

    n_steps: int
    hash: str
    n_metrics: int | None


def start(world_name: str, run_id: str, config: WorldConfig, *, overwrite: bool = False, concurrency: int = 1) -> Run:
    """Create a run and play it to its end.

    Parameters
    ----------
    overwrite
        Replace the run of this id.
    concurrency
        Blocks of agents processed at the same time; the log does not depend on it.

    Raises
    ------
    StoreError
        The id is taken, or the run cannot be written.
    SimulationError, DataError
        The data set is not suited to these agents or this recommender.
    LLMError
        The language model cannot be reached, or a limit of calls or cost is reached; `recgpt runs resume` continues.
    """
    if run_path(run_id).is_file() and not overwrite:  # checked before a recommender is fitted, which may take minutes
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
    """Continue a run after the last step in its log, to its end.

    Parameters
    ----------
    run
        Open for writing.
    concurrency
        See `start`.
    max_calls, max_usd
        New upper limits over the whole run, in place of those in its configuration.

    Raises
    ------
    StoreError
        The data set differs from the one that the run was started with.
    SimulationError
        Limits are given, but the world calls no language model.
    """
    spec = world_of(run.manifest.world)
    config = _with_caps(spec, spec.config(**run.manifest.config), max_calls, max_usd)
    inputs = spec.load_inputs(config)
    if inputs.fingerprint != run.manifest.dataset:
        raise StoreError(
            f"{run.manifest.config.get('dataset', 'the data')} differs from the data that run {run.run_id} was"
            " started with: restore that data set, or start a new run"
        )
    _keep(run, inputs)  # the run may have been killed before they were stored
    _play(run, spec, config, inputs, concurrency)


def verify(run: Run) -> Verified:
    """Recompute the hashes of the log and all metrics, and compare them with the stored ones.

    Raises
    ------
    StoreError
        A step differs from its stored hash, or metrics differ from those computed from the events.
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
    """Write the HTML report of a run into its folder, and return its path."""
    return world_of(run.manifest.world).report(run)


def manifest_of(spec: WorldSpec, run_id: str, config: WorldConfig, inputs: Inputs) -> Manifest:
    """Manifest of a new run."""
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
    """Store the artifacts that the events refer to with the run."""
    for name, content in inputs.artifacts().items():
        run.put_artifact(name, content)


def _play(run: Run, spec: WorldSpec, config: WorldConfig, inputs: Inputs, concurrency: int) -> None:
    world = spec.make_world(config, inputs, run, concurrency)
    for rows in run.iter_steps():
        world.apply(rows)
    if not world.over and (estimate := world.estimate()) is not None:
        note(f"estimated language-model use, if no agent leaves early: {estimate}")
    snapshots = Snapshots(run)
    # A progress bar would overwrite the prompts of the person mind.
    is_person = isinstance(config, MindOptions) and config.mind == "person"
    with Meter(f"{spec.step_name}s", world.n_steps, done=world.step, disable=is_person) as meter:
        while not world.over:
            meter.update(1, note=_play_step(run, spec, world, snapshots))
    run.set_metrics(spec.measures(run))
    run.finish()


def _play_step(run: Run, spec: WorldSpec, world: World, snapshots: Snapshots) -> str:
    """Play one step; returns a note on its speed and on the cost so far."""
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
        raise SimulationError(f"the world {spec.name!r} calls no language model: leave out {', '.join(caps)}")
    return config.model_copy(update={"llm": config.llm.model_copy(update=caps)})


def _canonical(metrics: dict[str, Any], name: str) -> str:
    """Canonical JSON of a value, in which 1, 1.0 and true differ."""
    return json.dumps(metrics[name], sort_keys=True, ensure_ascii=False) if name in metrics else "absent"
