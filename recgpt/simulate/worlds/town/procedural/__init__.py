"""Towns drawn from a seed: streets and buildings as a plan, people with households, jobs, ties and facts.

    drawn = draw_town(1_000, seed=7)
    drawn.plan                                           # text of the plan, compiled with all checks of `plan.py`
    drawn.map, drawn.people
    people = draw_people(town_map, 12, seed=7)           # people for any map with homes and beds

The same seed and number give the same town.
"""

from recgpt.simulate.worlds.town.procedural.people import draw_people
from recgpt.simulate.worlds.town.procedural.town import DrawnTown, draw_town

__all__ = ["DrawnTown", "draw_people", "draw_town"]
