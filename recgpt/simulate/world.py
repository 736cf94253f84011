"""The protocol of a world, and the registry of worlds.

    world = world_of("feed")
    world.measures(run)                        # figures, from the log alone
    world.view(run, step=3)                    # plain JSON: what pages show of the run at that step

A world is one folder of `recgpt/simulate/worlds` with a `WorldSpec`, and one line in `WORLDS`. It adds its rules only:
agents, memory, minds, recommenders, the event log and `recgpt.simulate.runner` are shared. `recgpt.testing.check_world`
holds it to the rules.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from pydantic import Field
from rich.table import Table

from recgpt.config import Config
from recgpt.errors import SimulationError
from recgpt.simulate.clock import Clock
from recgpt.simulate.events import EventKinds
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.store import Run
from recgpt.simulate.store.snapshots import Snapshots


class State(Protocol):
    """What the events so far have brought about, and nothing else."""

    def apply(self, rows: pl.DataFrame) -> None:
        """Take in the events of one step."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as arrays of numbers, without Python objects."""
        ...

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Become the state that `to_arrays` gave, in a state before the first step."""
        ...


class World(Protocol):
    """A run while it is played: a step is decided as a whole, stored, and only then applied."""

    @property
    def state(self) -> State:
        """What the events so far have brought about."""
        ...

    @property
    def step(self) -> int:
        """Steps applied so far."""
        ...

    @property
    def n_steps(self) -> int:
        """Steps at most."""
        ...

    @property
    def over(self) -> bool:
        """Whether no step follows."""
        ...

    @property
    def n_active(self) -> int:
        """Agents that take part in the next step."""
        ...

    def estimate(self) -> CostEstimate | None:
        """Calls and cost of a language model for the steps that follow; None where no model is called."""
        ...

    def play(self) -> pl.DataFrame:
        """Decide the next step and return its events; nothing changes."""
        ...

    def apply(self, rows: pl.DataFrame) -> None:
        """Take in the events of one step, those of `play` or of the log: the only way in which anything changes."""
        ...


class WorldConfig(Config):
    """Base of the configurations of worlds: with its seed, each makes the same log again."""

    seed: int = Field(default=0, description="decides every draw")


class Inputs(Protocol):
    """What a run starts from: catalogue, agents, recommender."""

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Names and hashes of the data, JSON values; a run is resumed from equal ones only."""
        ...

    def artifacts(self) -> dict[str, bytes]:
        """Files to keep with the run, so that it can be read without its data set."""
        ...


@dataclass(frozen=True)
class WorldSpec:
    """All that a world gives to the rest.

    Attributes
    ----------
    name
        In `WORLDS`, in manifests and on the command line.
    step_name
        A step in the singular, such as `page`.
    config
        Its configuration.
    kinds
        Its table of events.
    clock
        Its simulated time.
    load_inputs
        From a configuration to what a run starts from.
    make_world
        From a configuration, its inputs, the run (where calls of language models are kept) and the number of blocks of
        agents that may decide at the same time to the world before its first step.
    load_state
        Reads a run's artifacts and returns a function that makes states before the first step.
    measures
        Figures of a run, JSON values, from its events and artifacts alone.
    view
        Plain JSON of a run at a step: all that its pages show.
    report
        Writes the page of a run beside it and returns its path.
    summary
        The run's figures as a table for the terminal.
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


WORLDS: dict[str, str | WorldSpec] = {"feed": "recgpt.simulate.worlds.feed.spec:WORLD"}
"""Worlds by name: the place of each `WorldSpec`, imported when the world is used, or the spec itself."""


def world_of(name: str) -> WorldSpec:
    """The world of that name.

    Raises
    ------
    SimulationError
        No world has this name.
    """
    if name not in WORLDS:
        raise SimulationError(f"no world {name!r}: this version of recgpt has {', '.join(sorted(WORLDS)) or 'none'}")
    found = WORLDS[name]
    if isinstance(found, WorldSpec):
        return found
    module, _, attribute = found.partition(":")
    spec: WorldSpec = getattr(importlib.import_module(module), attribute)
    return spec


class States:
    """States of a run at any of its steps, from the nearest snapshot before and the events since.

        states = States(run)
        states.at(3)

    Snapshots are a cache: they are only used for the log that they were made from, and without any of them every state
    comes out the same, later.

    Parameters
    ----------
    run
        Open for reading is enough.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._make = world_of(run.manifest.world).load_state(run)
        self._snapshots = Snapshots(run)

    def at(self, step: int) -> State:
        """The state after `step`; 0 is before the first.

        Raises
        ------
        SimulationError
            The run has no such step.
        """
        if not 0 <= step <= self._run.n_steps:
            raise SimulationError(f"run {self._run.run_id} has steps 0 to {self._run.n_steps}, not {step}")
        state = self._make()
        known, arrays = self._snapshots.latest(step)
        if arrays is not None:
            state.restore(arrays)
        for later in range(known + 1, step + 1):
            rows = self._run.events(later)
            state.apply(rows)
            self._snapshots.applied(later, len(rows), state.to_arrays)
        return state
