"""Maps of made-up towns for tests: sectors in a row along a street, each one room with a door and its objects."""

import numpy as np

from recgpt.simulate.worlds.town.places import Place, TownMap

SIDE, HEIGHT = 8, 8  # tiles from a sector to the next one; six rows of house, two of street
BEDS = {
    **{"Alder House": 2, "Beech House": 3, "Cedar House": 3, "Elm House": 2, "Fern House": 2, "Hawthorn House": 2},
    **{"Juniper House": 3, "Linden House": 2, "Maple House": 3, "Willow House": 3},
}
PUBLIC = {
    **{"Lantern Cafe": "cafe", "The Heron": "bar", "Orpheum": "cinema", "Papermill Books": "bookshop"},
    **{"Corner Shop": "shop", "Hazelbrook College": "school", "Library": "library", "Town Hall": "hall"},
    **{"Clinic": "clinic", "Print Works": "workshop", "Riverside Park": "park", "Harbour Office": "office"},
}


def map_in_a_row(sectors: list[tuple[str, str, list[str]]], name: str = "Hazelbrook") -> TownMap:
    """Map with these sectors: name, kind and the names of the objects of the room; homes have owners 0, 1, ..."""
    width = SIDE * len(sectors)
    walls_HW = np.zeros((HEIGHT, width), dtype=bool)
    grids = {level: np.full((HEIGHT, width), -1, dtype=np.int32) for level in ("sector", "arena", "object")}
    places: list[Place] = []
    households = iter(range(len(sectors)))
    for k, (sector, kind, objects) in enumerate(sectors):
        left = SIDE * k
        walls_HW[0:6, left : left + 7] = True
        walls_HW[1:5, left + 1 : left + 6] = False
        walls_HW[5, left + 3] = False
        inside = [y * width + x for y in range(1, 5) for x in range(left + 1, left + 6)]
        owner = next(households) if kind == "home" else -1
        for level in ("sector", "arena"):
            parent = len(places) - 1 if level == "arena" else -1
            grids[level].flat[inside] = len(places)
            called = sector if level == "sector" else "main room"
            places.append(Place(len(places), level, called, parent, kind, tuple(inside), len(inside), owner=owner))
        arena = len(places) - 1
        for tile, called in zip(inside, objects, strict=False):
            grids["object"].flat[tile] = len(places)
            capacity = 1 if called.startswith("bed") else 4
            places.append(Place(len(places), "object", called, arena, kind, (tile,), capacity, owner=owner))
    return TownMap(name, walls_HW, grids["sector"], grids["arena"], grids["object"], tuple(places))


def hazelbrook() -> TownMap:
    """Map with the sectors of the default town, none of its looks."""
    homes = [
        (home, "home", [*(f"bed {place}" for place in range(1, beds + 1)), "stove", "table", "shower", "desk"])
        for home, beds in BEDS.items()
    ]
    public = [(sector, kind, ["counter", "table", "chair", "shelf"]) for sector, kind in PUBLIC.items()]
    return map_in_a_row([*homes, *public])
