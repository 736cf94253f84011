"""The protocol of a world, and the registry of worlds.

    world = world_of("feed")
    world.measures(run)                        # figures, from the log alone
    world.view(run, step=3)                    # plain JSON of the run at that step, for HTML pages

A world is one folder of `recgpt/simulate/worlds` with a `WorldSpec`, and one line in `WORLDS`. It defines only its own
rules: agents, memory, minds, recommenders, the event log and `recgpt.simulate.runner` are shared.
`recgpt.testing.check_world` tests a world against the protocol.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import polars as pl
from pydantic import Field
from rich.table import Table

from recgpt import plugins
from recgpt.config import MAX_SEED, Config, ConfigT
from recgpt.errors import SimulationError
from recgpt.files import write_text
from recgpt.simulate.clock import Clock
from recgpt.simulate.events import EventKinds
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.store import Run
from recgpt.simulate.store.snapshots import Snapshots
from recgpt.simulate.watch import Watch


class State(Protocol):
    """State of a world, a function of its events so far."""

    def apply(self, rows: pl.DataFrame) -> None:
        """Update the state with the events of one step."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as numeric arrays, without Python objects."""
        ...

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays` into a state before the first step."""
        ...


class World(Protocol):
    """World of a run in progress: a step is decided as a whole, stored, and only then applied."""

    @property
    def state(self) -> State:
        """State after the events so far."""
        ...

    @property
    def step(self) -> int:
        """Number of steps applied so far."""
        ...

    @property
    def n_steps(self) -> int:
        """Maximum number of steps."""
        ...

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        ...

    @property
    def n_active(self) -> int:
        """Number of agents in the next step."""
        ...

    def estimate(self) -> CostEstimate | None:
        """Expected calls and cost of a language model for the remaining steps; None if no model is called."""
        ...

    def play(self) -> pl.DataFrame:
        """Decide the next step and return its events, without changing the state."""
        ...

    def apply(self, rows: pl.DataFrame) -> None:
        """Apply the events of one step, from `play` or from the log; nothing else changes the state."""
        ...


class WorldConfig(Config):
    """Base of the configurations of worlds; configuration and seed determine the log."""

    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="seed of all random numbers")

    def check_fork(self, changed: Self, at_step: int) -> None:
        """Refuse a change that would alter the steps before a fork, beyond the settings in `WorldSpec.fixed`.

        Raises
        ------
        SimulationError
            The changed configuration is not that of the first `at_step` steps.
        """


class Inputs(Protocol):
    """Inputs of a run: catalogue, agents, recommender."""

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Names and hashes of the data, JSON values; a run resumes only with equal ones."""
        ...

    def artifacts(self) -> dict[str, bytes]:
        """Files stored with the run, so that it can be read without its data set."""
        ...


@dataclass(frozen=True)
class WorldSpec:
    """Registration of a world: its configuration and functions.

    Attributes
    ----------
    name
        Name in `WORLDS`, in manifests and on the command line.
    step_name
        Word for a step, in the singular, such as `page`.
    config
        Class of its configuration.
    kinds
        Table of its events.
    clock
        Clock of its simulated time.
    load_inputs
        Maps a configuration to the inputs of a run.
    make_world
        Maps a configuration, its inputs, the run (which logs calls of language models) and the number of blocks of
        agents processed at the same time to the world before its first step.
    load_state
        Reads a run's artifacts and returns a factory of states before the first step.
    measures
        Metrics of a run, JSON values, computed from its events and artifacts only.
    view
        Plain JSON of a run at a step, with everything that its HTML pages show.
    report
        Writes the HTML report of a run into its folder and returns the path.
    summary
        Metrics of a run as a table for the terminal.
    fixed
        Settings that a fork may not change, besides `seed`, because they shaped the steps before it; None: all.
    export
        Writes the files of a run into an empty folder and returns their paths. Its third argument is whether to leave
        out what agents did before the run. None: the world has no export.
    watch
        Reader of a run for pages, live and replayed. None: pages show counts of events and the log.
    """

    name: str
    step_name: str
    config: type[WorldConfig]
    kinds: EventKinds
    clock: Clock
    load_inputs: Callable[[Any], Inputs]
    make_world: Callable[[Any, Any, Run, int], World]
    load_state: Callable[[Run], Callable[[], State]]
    measures: Callable[[Run], dict[str, Any]]
    view: Callable[[Run, int], dict[str, Any]]
    report: Callable[[Run], Path]
    summary: Callable[[Run], Table]
    fixed: tuple[str, ...] | None = None
    export: Callable[[Run, Path, bool], list[Path]] | None = None
    watch: Callable[[Run], Watch] | None = None


WORLDS: dict[str, str | WorldSpec] = {
    "feed": "recgpt.simulate.worlds.feed.spec:WORLD",
    "gym": "recgpt.simulate.worlds.gym.spec:WORLD",
    "gym_studies": "recgpt.simulate.worlds.gym.studies.spec:WORLD",
    "society": "recgpt.simulate.worlds.society.spec:WORLD",
    "town": "recgpt.simulate.worlds.town.spec:WORLD",
}
"""Worlds by name: import path of each `WorldSpec`, imported when the world is used, or the spec itself."""


def world_of(name: str) -> WorldSpec:
    """Return the world of that name.

    Raises
    ------
    SimulationError
        No world has this name.
    """
    found = WORLDS.get(name) or plugins.find(name, plugins.WORLDS)
    if found is None:
        known = ", ".join(sorted({*WORLDS, *plugins.installed(plugins.WORLDS)}))
        raise SimulationError(f"no world {name!r}: choose among {known or 'none'}, or name a spec as module:SPEC")
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, WorldSpec):
        raise SimulationError(f"{name} is no WorldSpec: name one, see docs/extending.md")
    return found


def deferred(address: str) -> Callable[..., Any]:
    """Function of a module, `module:function`, that is imported at the first call: a spec needs no plots and pages."""

    def call(*arguments: Any) -> Any:
        module, _, name = address.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments)

    return call


def page_report(address: str) -> Callable[[Run], Path]:
    """Writer of `report.html` into the folder of a run: the HTML page that a function `module:function` makes of it."""

    def write(run: Run) -> Path:
        path = run.path.with_name("report.html")
        write_text(path, deferred(address)(run))
        return path

    return write


def stored_config(run: Run, world: str, config: type[ConfigT]) -> ConfigT:
    """Configuration of a run of the named world.

    Raises
    ------
    SimulationError
        The run is of another world.
    """
    if run.manifest.world != world:
        raise SimulationError(f"run {run.run_id} is of the world {run.manifest.world!r}, not of {world!r}")
    return config(**run.manifest.config)


class States:
    """States of a run at any step, from the latest earlier snapshot and the events after it.

        states = States(run)
        states.at(3)

    Snapshots are a cache: they are used only for the log that they were made from, and change the speed, not the state.

    Parameters
    ----------
    run
        Run, open for reading or writing.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._make = world_of(run.manifest.world).load_state(run)
        self._snapshots = Snapshots(run)

    def at(self, step: int) -> State:
        """State after `step`; 0: before the first.

        Raises
        ------
        SimulationError
            The run has no such step.
        """
        if not 0 <= step <= self._run.n_steps:
            raise SimulationError(
                f"run {self._run.run_id} has no step {step}: choose one from 0 to {self._run.n_steps}"
            )
        state = self._make()
        known, arrays = self._snapshots.latest(step)
        if arrays is not None:
            state.restore(arrays)
        for later in range(known + 1, step + 1):
            rows = self._run.events(later)
            state.apply(rows)
            self._snapshots.applied(later, len(rows), state.to_arrays)
        return state
