"""Start, resume, fork, verify and report runs of any world.

    with start("feed", "demo", FeedConfig(dataset="data/demo", agents=100)) as run:
        print(run.metrics["corrected"]["p_view"])
        print(report(run))

A step is decided, stored and applied, in this order, so that a killed run resumes after its last stored step, and its
log equals that of an uninterrupted run.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from recgpt.config import check_number
from recgpt.data.identity import different
from recgpt.errors import DataError, LLMError, SimulationError, StoreError
from recgpt.files import new_folder
from recgpt.progress import Meter, note
from recgpt.simulate.llm.budget import BudgetExceeded
from recgpt.simulate.llm.failures import Outage
from recgpt.simulate.minds.checks import check_mind
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.overview import first_failed_step
from recgpt.simulate.store import Manifest, Run
from recgpt.simulate.store.file import run_path, taken
from recgpt.simulate.store.manifest import versions
from recgpt.simulate.store.snapshots import Snapshots
from recgpt.simulate.world import Inputs, World, WorldConfig, WorldSpec, world_of

BeforeStep = Callable[[int], None]


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


def start(
    world_name: str,
    run_id: str,
    config: WorldConfig,
    *,
    overwrite: bool = False,
    concurrency: int = 1,
    before_step: BeforeStep | None = None,
    until: int | None = None,
) -> Run:
    """Create a run and play it, by default to its end.

    Parameters
    ----------
    overwrite
        Replace the run of this id.
    concurrency
        Blocks of agents processed at the same time; the log does not depend on it.
    before_step
        Called before each step with its number. It may wait; an exception ends the run after the last whole step.
    until
        Last step that is played now; 0: none. `resume` continues.

    Raises
    ------
    StoreError
        The id is taken, or the run cannot be written.
    SimulationError, DataError
        The data set is not suited to these agents or this recommender.
    LLMError
        The language model cannot be reached, a limit of calls or cost is reached, or too many agents failed for reasons
        that may pass: `recgpt runs resume` continues.
    """
    _check_free(run_id, overwrite=overwrite)  # before a recommender is fitted, which may take minutes
    if isinstance(config, MindOptions):
        check_mind(config)
    spec = world_of(world_name)
    inputs = spec.load_inputs(config)
    manifest = manifest_of(spec, run_id, config, inputs).model_copy(update={"world": world_name})
    run = Run.create(run_id, manifest, overwrite=overwrite)
    try:
        _keep(run, inputs)
        _play(run, spec, config, inputs, concurrency, before_step, until)
    except BaseException:
        run.close()
        raise
    return run


def resume(
    run: Run,
    *,
    concurrency: int = 1,
    max_calls: int | None = None,
    max_usd: float | None = None,
    max_failed: float | None = None,
    before_step: BeforeStep | None = None,
    until: int | None = None,
) -> None:
    """Continue a run after the last step in its log, by default to its end.

    Parameters
    ----------
    run
        Open for writing.
    concurrency, before_step, until
        See `start`.
    max_calls, max_usd
        New upper limits over the whole run, in place of those in its configuration.
    max_failed
        New limit of agents that may fail for reasons that may pass: below 1 a share, else a number.

    Raises
    ------
    StoreError
        Data set, model, agents, or the versions of recgpt and its libraries differ from those that the run was started
        with.
    SimulationError
        Limits are given, but the world calls no language model.
    LLMError
        See `start`.
    """
    check_same_versions(run)
    spec = world_of(run.manifest.world)
    config = _with_limits(spec, spec.config(**run.manifest.config), max_calls, max_usd, max_failed)
    inputs = spec.load_inputs(config)
    _check_same_data(run, run.manifest.dataset, inputs.fingerprint)
    _keep(run, inputs)  # the run may have been killed before they were stored
    _play(run, spec, config, inputs, concurrency, before_step, until)


def fork(
    run: Run,
    new_id: str,
    at_step: int,
    *,
    config_file: Path | None = None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Create a run from the first steps of another one, to be resumed with a changed configuration.

    Parameters
    ----------
    run
        The run; it stays as it is.
    at_step
        Last step that both share; 0: before the first.
    config_file
        YAML file of the settings that change.
    overrides
        Texts `a.b=value` of the settings that change, as of `Config.load`.
    settings
        Values of the settings that change, by dotted key.

    Raises
    ------
    SimulationError
        A setting has changed that shaped the shared steps: those in `WorldSpec.fixed`, and the seed.
    StoreError
        The data differ from those of the run, the run has no such step, or the new id is invalid or taken.
    ConfigError
        A setting is unknown, or its value is not allowed.
    """
    if config_file is None and not overrides and not settings:
        return run.fork(new_id, at_step, made_with=versions())
    spec = world_of(run.manifest.world)
    before = spec.config(**run.manifest.config)
    after = before.changed(overrides, path=config_file, flags=settings or {})
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changed = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
    _check_changeable(run, spec, list(changed))
    before.check_fork(after, at_step)
    if isinstance(after, MindOptions):
        check_mind(after)
    inputs = spec.load_inputs(after)
    stored, found = run.manifest.dataset, inputs.fingerprint
    _check_same_data(run, _without_code(stored, found), _without_code(found, stored))
    manifest = manifest_of(spec, new_id, after, inputs)
    parts = {name: getattr(manifest, name) for name in ("config", "dataset", "repeatable")}
    return run.fork(new_id, at_step, made_with=versions(), changes={**parts, "changed": changed})


def changeable(spec: WorldSpec) -> list[str]:
    """Names of the settings that a fork may change."""
    return [name for name in spec.config.model_fields if spec.fixed is not None and name not in ("seed", *spec.fixed)]


def _check_changeable(run: Run, spec: WorldSpec, names: list[str]) -> None:
    """Raise SimulationError if one of the settings is fixed."""
    allowed = changeable(spec)
    if refused := [name for name in names if name in spec.config.model_fields and name not in allowed]:
        free = ", ".join(allowed)
        raise SimulationError(
            f"run {run.run_id}: a fork cannot change {', '.join(refused)}, which shaped the steps that it shares:"
            + (f" change {free}, or start a new run" if free else " fork it unchanged, or start a new run")
        )


def _check_same_data(run: Run, stored: dict[str, Any], found: dict[str, Any]) -> None:
    """Raise StoreError if the fingerprint of the data differs from the stored one."""
    if differences := different(_without_paths(stored), _without_paths(found)):
        raise StoreError(
            f"{run.manifest.config.get('dataset') or 'the data'} differs from the data that run {run.run_id} was"
            f" started with ({', '.join(differences)}): restore data set and model, or start a new run"
        )


_CODE = ("plugins", "plugin", "mind", "policy_sha256")  # keys of minds, recommenders and policies


def _without_code(fingerprint: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A fingerprint without the parts in which another mind, recommender or policy differs."""
    has_model = None not in (fingerprint.get("model"), other.get("model"))
    left_out = _CODE if has_model else (*_CODE, "model")
    return {name: value for name, value in fingerprint.items() if name not in left_out}


def fork_failed(run: Run) -> str:
    """Fork a run before its first failed agent, to ask the language model again; returns the id of the fork.

    The fork shares the steps before the first one in which an agent's mind failed. When it is resumed, replies that
    came are taken from the log of calls, and all questions without a valid reply are sent again. So its log is a
    function of the same decisions and of the new replies. The run itself stays as it is.

    An earlier fork of the same kind that is not finished is returned as it is.

    Raises
    ------
    SimulationError
        No agent has failed, or the run calls no language model.
    """
    step = first_failed_step(run)
    if run.manifest.config.get("mind") != "llm" or step is None:
        raise SimulationError(f"run {run.run_id} has no agent whose language model failed: there is nothing to retry")
    stem, number = run.run_id, 1
    if (numbered := re.fullmatch(r"(.+)-retry(\d+)", run.run_id)) is not None:
        stem, number = numbered[1], int(numbered[2]) + 1
    new_id = f"{stem}-retry{number}"
    if not run_path(new_id).is_file():
        run.fork(new_id, step - 1, retries=1, made_with=versions()).close()
    return new_id


def check_same_versions(run: Run) -> None:
    """Raise StoreError if recgpt, or a library that shapes a run, has another version than when the run was started."""
    made_with = run.manifest.made_with
    if made_with and (differences := different(made_with, versions())):  # without a record there is nothing to compare
        raise StoreError(
            f"run {run.run_id} was started with other versions ({', '.join(differences)}), so it would not come out the"
            f" same: install those, or go on in a new run, `recgpt runs fork {run.run_id} NEW --at {run.n_steps}`"
        )


def _without_paths(fingerprint: dict[str, Any]) -> dict[str, Any]:
    """A fingerprint without the path of the model: a model that was moved is the same."""
    model = fingerprint.get("model")
    if not isinstance(model, dict):
        return fingerprint
    return {**fingerprint, "model": {name: value for name, value in model.items() if name != "path"}}


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


def export(run: Run, folder: Path, *, only_simulated: bool = False, overwrite: bool = False) -> list[Path]:
    """Write the files of a run, such as a data set folder, and return their paths.

    Parameters
    ----------
    only_simulated
        Leave out what agents did before the run.
    overwrite
        Replace the data set that the folder holds.

    Raises
    ------
    SimulationError
        The world of the run has no export.
    DataError
        The folder holds a data set already and `overwrite` is False, or there is nothing to export.
    """
    spec = world_of(run.manifest.world)
    if spec.export is None:
        raise SimulationError(
            f"runs of the world {spec.name!r} have no export: read their events, Run.open(ID).events()"
        )
    if not overwrite and _holds_dataset(folder):
        raise DataError(f"{folder} holds a data set already: choose another folder or overwrite it (--overwrite)")
    with new_folder(folder, overwrite=overwrite, what="data set", holds=_holds_dataset) as draft:
        paths = [path.relative_to(draft) for path in spec.export(run, draft, only_simulated)]
    return [folder / path for path in paths]


def _holds_dataset(folder: Path) -> bool:
    return any(folder.rglob("interactions.parquet"))


def manifest_of(spec: WorldSpec, run_id: str, config: WorldConfig, inputs: Inputs) -> Manifest:
    """Manifest of a new run."""
    return Manifest(
        run=run_id,
        world=spec.name,
        config=config.model_dump(mode="json"),
        seed=config.seed,
        made_with=versions(),
        dataset=inputs.fingerprint,
        intervals="users",
        kinds=spec.kinds.to_dict(),
        repeatable=(
            "The replies of the language model are in the log of calls: with them the run comes out the same."
            if isinstance(config, MindOptions) and config.mind == "llm"
            else "Seed and data set decide everything."
        ),
    )


def _keep(run: Run, inputs: Inputs) -> None:
    """Store the artifacts that the events refer to with the run; stored ones must be the same.

    Raises
    ------
    StoreError
        An artifact differs from the stored one, for the agents' profiles have changed.
    """
    for name, content in inputs.artifacts().items():
        stored = run.artifact_sha256(name)
        if stored is None:
            run.put_artifact(name, content)
        elif stored != hashlib.sha256(content).hexdigest():
            raise StoreError(
                f"run {run.run_id}: {name} would differ from the stored one, as the files of its agents or items have"
                " changed: restore them, or start a new run"
            )


def _play(
    run: Run,
    spec: WorldSpec,
    config: WorldConfig,
    inputs: Inputs,
    concurrency: int,
    before_step: BeforeStep | None,
    until: int | None,
) -> None:
    with _how_to_go_on(run, spec):
        _play_steps(run, spec, config, inputs, concurrency, before_step, until)


def _play_steps(
    run: Run,
    spec: WorldSpec,
    config: WorldConfig,
    inputs: Inputs,
    concurrency: int,
    before_step: BeforeStep | None,
    until: int | None,
) -> None:
    """Play the steps up to `until`; a run at its end gets its metrics and is finished."""
    if until is not None and until <= run.n_steps:
        return
    world = spec.make_world(config, inputs, run, concurrency)
    for rows in run.iter_steps():
        world.apply(rows)
    if not world.over and (estimate := world.estimate()) is not None:
        note(f"estimated language-model use, if no agent leaves early: {estimate}")
    snapshots = Snapshots(run)
    # A progress bar would overwrite the prompts of the person mind.
    is_person = isinstance(config, MindOptions) and config.mind == "person"
    last = world.n_steps if until is None else min(until, world.n_steps)
    with Meter(f"{run.run_id}: {spec.step_name}s", last, done=world.step, disable=is_person) as meter:
        while not world.over and (until is None or world.step < until):  # `n_steps` may grow
            if before_step is not None:
                before_step(world.step + 1)
            meter.update(1, note=_play_step(run, spec, world, snapshots))
    if world.over:
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


@contextmanager
def _how_to_go_on(run: Run, spec: WorldSpec) -> Iterator[None]:
    """Add what is stored, and the command that continues, to errors of the language model."""
    try:
        yield
    except LLMError as error:
        resume_command = f"recgpt runs resume {run.run_id}"
        more = {BudgetExceeded: " with a higher --max-calls or --max-usd", Outage: " (--max-failed N allows more)"}
        stored = f"{run.n_steps} {spec.step_name}s of run {run.run_id} and all replies are stored"
        if run.is_empty:
            stored = f"run {run.run_id} is empty and can be started anew, with other options too"
        raise type(error)(f"{error}. {stored}. To continue: {resume_command}{more.get(type(error), '')}") from error


def _check_free(run_id: str, *, overwrite: bool) -> None:
    if not run_path(run_id).is_file() or overwrite:
        return
    with Run.open(run_id) as run:
        if not run.is_empty:
            raise taken(run_id)


def _with_limits(
    spec: WorldSpec, config: WorldConfig, max_calls: int | None, max_usd: float | None, max_failed: float | None
) -> WorldConfig:
    given = {"max_calls": max_calls, "max_usd": max_usd, "max_failed": max_failed}
    limits = {name: limit for name, limit in given.items() if limit is not None}
    for name, limit in limits.items():
        check_number(name, limit, at_least=0)
    if not limits:
        return config
    if not isinstance(config, MindOptions):
        raise SimulationError(f"the world {spec.name!r} calls no language model: leave out {', '.join(limits)}")
    return config.changed(flags={f"llm.{name}": limit for name, limit in limits.items()})


def _canonical(metrics: dict[str, Any], name: str) -> str:
    """Canonical JSON of a value, in which 1, 1.0 and true differ."""
    return json.dumps(metrics[name], sort_keys=True, ensure_ascii=False) if name in metrics else "absent"
