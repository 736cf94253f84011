"""The recorded run of the mind `replay`."""

import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run


def replayed_run(options: MindOptions) -> str:
    """Name of the run to repeat.

    Raises
    ------
    SimulationError
        The options name no run.
    """
    if options.replayed is None:
        raise SimulationError("the mind replay repeats a recorded run: name one with --replay RUN")
    return options.replayed


def recorded_events(options: MindOptions) -> pl.DataFrame:
    """Events of the run to repeat.

    Raises
    ------
    SimulationError
        The options name no run.
    StoreError
        The run cannot be read.
    """
    with Run.open(replayed_run(options)) as run:
        return run.events()
