"""The map of a town: grids of walls and places, and the table of places by number.

    town_map.place_of("the Ville:Hobbs Cafe:cafe")       # number of a place
    town_map.places[12].tiles                            # its walkable tiles

A tile is numbered y * W + x, from the upper left corner. Compiled from a plan (`plan.py`), read from the published
grids (`published_map.py`) or drawn (`procedural.py`).

Shapes: P places, H height and W width in tiles.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from recgpt.errors import SimulationError

Level = Literal["sector", "arena", "object"]
KINDS_OF_SECTORS = (
    *("home", "cafe", "bar", "restaurant", "cinema", "bookshop", "shop", "pharmacy", "school", "library"),
    *("office", "workshop", "park", "hall", "clinic", "gym", "other"),
)
"""What a sector is for; the activities of residents name them."""
GROUNDS = ("grass", "road", "floor", "door", "wall", "tree", "water", "fence")
"""What a tile looks like, for pictures; walls, trees, water and fences are not entered."""


@dataclass(frozen=True)
class Place:
    """A sector, an arena of a sector, or an object of an arena.

    Attributes
    ----------
    name
        Last part of the address, such as `cafe` or `piano`.
    parent
        Number of the arena of an object, of the sector of an arena; -1 for a sector.
    kind
        One of `KINDS_OF_SECTORS`: of its sector.
    tiles
        Walkable tiles, ascending.
    capacity
        Residents that fit at the same time: 1 for a bed, the tiles of a room by default.
    hours
        Opening and closing time in minutes of the day; None: always open.
    owner
        Number of the household that lives there; -1: public.
    """

    number: int
    level: Level
    name: str
    parent: int
    kind: str
    tiles: tuple[int, ...]
    capacity: int
    hours: tuple[int, int] | None = None
    owner: int = -1

    def is_open(self, minute: int) -> bool:
        """Whether it is open at a minute of the day; hours may pass midnight."""
        if self.hours is None:
            return True
        opens, closes = self.hours
        return opens <= minute < closes if opens <= closes else minute >= opens or minute < closes


@dataclass(frozen=True)
class TownMap:
    """Map of a town.

    Attributes
    ----------
    name
        Name of the world, the first part of every address.
    walls_HW
        (H, W) bool, tiles that cannot be entered.
    sector_HW, arena_HW, object_HW
        (H, W) int32 number of the place of each level, -1 for none.
    places
        By number.
    ground_HW
        (H, W) uint8 index of `GROUNDS`; by default grass, floors of sectors, and walls.
    spawns
        Tiles by name of spawning location (published maps).
    """

    name: str
    walls_HW: np.ndarray
    sector_HW: np.ndarray
    arena_HW: np.ndarray
    object_HW: np.ndarray
    places: tuple[Place, ...]
    ground_HW: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.uint8))
    spawns: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.ground_HW.size:
            grass, floor, wall = (GROUNDS.index(name) for name in ("grass", "floor", "wall"))
            ground_HW = np.where(self.walls_HW, wall, np.where(self.sector_HW >= 0, floor, grass))
            object.__setattr__(self, "ground_HW", ground_HW.astype(np.uint8))

    @property
    def height(self) -> int:
        """H."""
        return len(self.walls_HW)

    @property
    def width(self) -> int:
        """W."""
        return self.walls_HW.shape[1]

    def tile(self, x: int, y: int) -> int:
        """Number of a tile."""
        return y * self.width + x

    def xy(self, tile: int) -> tuple[int, int]:
        """Column and row of a tile."""
        return tile % self.width, tile // self.width

    def address(self, place: int) -> str:
        """Address `world:sector:arena:object`, shorter for rooms and sectors."""
        names = []
        while place >= 0:
            names.append(self.places[place].name)
            place = self.places[place].parent
        return ":".join([self.name, *reversed(names)])

    @cached_property
    def _by_address(self) -> dict[str, int]:
        return {self.address(place.number): place.number for place in self.places}

    def place_of(self, address: str) -> int:
        """Number of the place with that address.

        Raises
        ------
        SimulationError
            There is none.
        """
        try:
            return self._by_address[address]
        except KeyError:
            near = [known for known in self._by_address if known.split(":")[-1] == address.split(":")[-1]][:3]
            hint = f": did you mean {', '.join(near)}" if near else ": `recgpt town map` lists all"
            raise SimulationError(f"{self.name} has no place {address!r}{hint}") from None

    def at(self, tile: int) -> int:
        """The finest place at a tile, -1 for none."""
        for grid in (self.object_HW, self.arena_HW, self.sector_HW):
            if (found := int(grid.flat[tile])) >= 0:
                return found
        return -1

    def arena_at(self, tile: int) -> int:
        """The arena at a tile, -1 for none."""
        return int(self.arena_HW.flat[tile])

    def children(self, place: int) -> tuple[int, ...]:
        """Arenas of a sector, or objects of an arena, by number."""
        return self._children.get(place, ())

    @cached_property
    def _children(self) -> dict[int, tuple[int, ...]]:
        found: dict[int, list[int]] = {}
        for place in self.places:
            found.setdefault(place.parent, []).append(place.number)
        return {parent: tuple(numbers) for parent, numbers in found.items()}

    def sector_of(self, place: int) -> int:
        """Sector of a place."""
        while self.places[place].parent >= 0:
            place = self.places[place].parent
        return place
