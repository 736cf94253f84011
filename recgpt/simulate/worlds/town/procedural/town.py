"""A drawn town: plan, map and people of a number and a seed."""

from dataclasses import dataclass
from datetime import datetime

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.plan import compile_text
from recgpt.simulate.worlds.town.procedural.households import household_sizes
from recgpt.simulate.worlds.town.procedural.people import draw_people
from recgpt.simulate.worlds.town.procedural.streets import plan_text
from recgpt.simulate.worlds.town.residents import People

FEWEST, MOST = 3, 10_000


@dataclass(frozen=True)
class DrawnTown:
    """Text of the plan, the map compiled from it, and its people."""

    plan: str
    map: TownMap
    people: People


def draw_town(n_people: int, seed: int, *, start_time: datetime | None = None) -> DrawnTown:
    """Draw a town.

    Parameters
    ----------
    start_time
        Of the run, before the gatherings. None: the default of `TownRules`.

    Raises
    ------
    SimulationError
        The number is not from 3 to 10,000.
    """
    if not FEWEST <= n_people <= MOST:
        raise SimulationError(f"people={n_people:,}: a procedural town has {FEWEST} to {MOST:,}")
    plan = plan_text(household_sizes(n_people, seed), seed)
    town_map = compile_text(plan, "the drawn plan")
    return DrawnTown(plan, town_map, draw_people(town_map, n_people, seed, start_time=start_time))
