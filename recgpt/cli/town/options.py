"""Option types of the town's commands, and the settings that its flags stand for."""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from recgpt.cli.simulation_options import LLM_FLAGS
from recgpt.errors import ConfigError

People = Annotated[
    int, typer.Option(min=1, max=10_000, help="number of residents; beyond 25 the town is drawn from the seed")
]
Plan = Annotated[
    Path | None,
    typer.Option("--map", help="plan of another town, a text file, see docs/worlds/town.md", dir_okay=False),
]
Days = Annotated[int, typer.Option(min=1, max=3660, help="days in all; a run may be stopped anywhere")]
Think = Annotated[
    Literal["all", "talks", "reflections"],
    typer.Option(help="decisions that --mind llm takes; the scripted mind takes the others"),
]
TownMind = Annotated[
    str,
    typer.Option(help="deciding for residents: scripted (needs and habits), llm (a language model), or module:Class"),
]
TownRecommender = Annotated[
    str | None, typer.Option(help="recommender of the pages: a name such as item_knn, or module:Class; none by default")
]
AtTime = Annotated[
    str | None, typer.Option("--at", help="time of day, such as 18:00, or the number of a step; by default the last")
]
Day = Annotated[int | None, typer.Option(min=1, help="day of the run, from 1; by default the present one")]
Resident = Annotated[str, typer.Argument(metavar="NAME", help="name of the resident, or its number")]

FLAGS = {
    **{name: name for name in ("people", "mind", "think", "recommender", "seed")},
    **{"plan": "town", "days": "hours"},
    **{name: key for name, key in LLM_FLAGS.items() if name != "concurrency"},
}
"""Flag of the town's commands -> setting."""
OWN_TOWN = 25
"""Residents of our own town."""


def time_of_day(text: str, option: str) -> time:
    """A time of day.

    Raises
    ------
    ConfigError
        It is none.
    """
    try:
        found = time.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{option}={text!r} is no time of day: write it as 18:00 or 18:00:30") from error
    if found.tzinfo is not None:
        raise ConfigError(f"{option}={text!r} has a time zone, which a town has not: write it as 18:00")
    return found
