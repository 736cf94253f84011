"""A town of four venues for the tests of items: no walls, all places on two tiles."""

import numpy as np

from recgpt.simulate.worlds.town.places import Place, TownMap
from recgpt.simulate.worlds.town.residents import People, Resident

VENUES = ("cinema", "bookshop", "cafe", "bar")


def items_map(capacity: int = 40) -> TownMap:
    """Four venues of one room each: sector 2 i, arena 2 i + 1."""
    none = np.full((4, 4), -1, dtype=np.int32)
    places = []
    for number, kind in enumerate(VENUES):
        hours = (12 * 60, 24 * 60)
        places.append(Place(2 * number, "sector", kind, -1, kind, (0, 1), capacity, hours))
        places.append(Place(2 * number + 1, "arena", "room", 2 * number, kind, (0, 1), capacity, hours))
    return TownMap("Testville", none >= 0, none, none, none, tuple(places))


def items_people(n: int = 6) -> People:
    """Residents with and without interests that tags name."""
    interests = (("fantasy", "gardening"), ("crime films",), ())
    return People(
        tuple(
            Resident(f"Name{number} Last", 30, "", "", "", "", "", 0, 0, 0, work=0, interests=interests[number % 3])
            for number in range(n)
        )
    )
