"""Tiles as the published system reports them: addresses, details, squares of vision, tiles of pixels.

tile_address(town_map, tile, "arena")                # the Ville:Hobbs Cafe:cafe
in_square(town_map, tile, 8)                         # tiles of vision
"""

from typing import Literal

from recgpt.simulate.worlds.town.places import TownMap

Depth = Literal["world", "sector", "arena", "object"]
_DEPTHS: tuple[Depth, ...] = ("world", "sector", "arena", "object")


def tile_address(town_map: TownMap, tile: int, depth: Depth) -> str:
    """Published address of a tile, down to a level; a missing part is empty, as in `the Ville::`."""
    return ":".join(_parts(town_map, tile)[: _DEPTHS.index(depth) + 1])


def tile_details(town_map: TownMap, tile: int) -> dict[str, str | bool]:
    """Lines of `print tile details`, without events."""
    names = ("world", "sector", "arena", "game_object")
    return {
        **dict(zip(names, _parts(town_map, tile), strict=True)),
        "spawning_location": next((name for name, tiles in town_map.spawns.items() if tile in tiles), ""),
        "collision": bool(town_map.walls_HW.flat[tile]),
    }


def in_square(town_map: TownMap, tile: int, radius: int, *, published: bool = False) -> list[int]:
    """Tiles of the square x ± radius, y ± radius within the map, column by column.

    Parameters
    ----------
    published
        Without the last column and row of the map, as the published code.
    """
    x, y = town_map.xy(tile)
    columns = range(max(0, x - radius), min(town_map.width - published, x + radius + 1))
    rows = range(max(0, y - radius), min(town_map.height - published, y + radius + 1))
    return [town_map.tile(column, row) for column in columns for row in rows]


def tile_of_pixel(x: int, y: int, tile_pixels: int = 32, *, published: bool = False) -> tuple[int, int]:
    """Column and row of the tile at a pixel; the published code rounds up."""
    if published:
        return -(-x // tile_pixels), -(-y // tile_pixels)
    return x // tile_pixels, y // tile_pixels


def _parts(town_map: TownMap, tile: int) -> list[str]:
    grids = (town_map.sector_HW, town_map.arena_HW, town_map.object_HW)
    places = [int(grid.flat[tile]) for grid in grids]
    return [town_map.name, *(town_map.places[place].name if place >= 0 else "" for place in places)]
