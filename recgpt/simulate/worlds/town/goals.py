"""Goals of walks: the tile of a place that a resident walks to, and whether the place is free on arrival."""

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.minds.base import Act, Scene

FOR_THE_WALK = frozenset((a.WALKING, a.EXERCISE, a.PLAYING))
"""Activities done by walking, to the farthest of the tiles drawn."""
N_DRAWN = 4
"""Tiles drawn of a place; the published code goes to the nearest of them."""


def goal_of(scene: Scene, act: Act) -> int:
    """Tile where an activity is done: a free one of its place, drawn.

    For a walk it is the farthest of four drawn ones, and as published the nearest.

    Raises
    ------
    SimulationError
        No tile of the place can be reached.
    """
    place = act.place
    if place < 0:
        return scene.tile
    tiles = scene.setting.map.places[place].tiles
    standing = {scene.lives[other].path[-1] for other in scene.near}
    free = [tile for tile in tiles if tile not in standing] or list(tiles)
    drawn = [free[int(number * len(free))] for number in scene.uniform("goal", N_DRAWN)]
    published = scene.rules.behaviour == "published"
    if not published and act.activity not in FOR_THE_WALK:
        return drawn[0]
    lengths = [len(scene.setting.paths.path(scene.tile, tile)) for tile in drawn]
    return drawn[lengths.index(min(lengths) if published else max(lengths))]


def is_free(scene: Scene) -> bool:
    """Whether the place of the activity has room for the resident, which stands there now, and is open.

    Others take up room if they were there before the resident, or arrive in the same tick and have a lower number. A
    gathering keeps its place open to its guests.
    """
    life, town_map = scene.life, scene.setting.map
    if life.action.place < 0:
        return True
    place = town_map.places[life.action.place]
    sector = town_map.places[town_map.sector_of(place.number)]
    works_here = scene.resident.work == sector.number
    is_open = place.is_open(scene.minute) and sector.is_open(scene.minute)
    if not (is_open or works_here or life.action.activity == a.GATHERING):
        return False
    if place.level != "object":
        return True
    mine = (life.arrives, scene.agent)
    used = [
        scene.lives[other].action.place
        for other in scene.near
        if scene.lives[other].action.place >= 0
        and not scene.lives[other].walks(scene.tick)
        and (scene.lives[other].arrives, other) < mine
    ]
    in_room = sum(town_map.places[each].parent == place.parent for each in used)
    return used.count(place.number) < place.capacity and in_room < town_map.places[place.parent].capacity
