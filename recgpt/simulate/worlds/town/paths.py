"""Shortest paths of residents over the tiles of a map.

    paths = Paths(town_map)
    paths.path(start, goal)              # tiles from start to goal, both included
    paths.distances(goal)                # (H * W,) uint16 moves to the goal, UNREACHABLE where there is no way

A move goes to the tile above, on the left, on the right or below. Ties: of the moves that lead nearer to the goal, the
first in this order is taken. The path between two tiles is therefore always the same.

A field (the first move of every tile towards one goal) is computed by breadth-first search and kept. A building with a
single outer door needs one field of the whole map, for that door, and small fields of itself for the tiles within: each
way in leads over the door. Fields are dropped, oldest use first, when they take more than `limit_bytes`. On large
maps a field reaches as far as a walk needed it.

Shapes: H height and W width in tiles, padded by a border of walls.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from scipy import ndimage

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.places import GROUNDS, TownMap

UNREACHABLE = 65_535
LIMIT_BYTES = 512 * 2**20
PUBLISHED_LIMIT = 151
"""Most moves of a path of the published search."""
_HERE, _NONE = 4, 5
_LARGE = 400_000  # tiles of a map whose searches end at the walker
_SMALL = 700  # tiles of a building that is searched faster tile by tile than with arrays


@dataclass(frozen=True)
class _Area:
    """A rectangle of the map with its walkable tiles, in which fields are computed.

    `left`, `top`, `width` are those of the rectangle, `door` is the only way in; -1 for the whole map.
    """

    free_HW: np.ndarray
    left: int = 0
    top: int = 0
    door: int = -1

    @property
    def width(self) -> int:
        return self.free_HW.shape[1]


class Paths:
    """Shortest paths over a map; see the module."""

    def __init__(self, town_map: TownMap, limit_bytes: int = LIMIT_BYTES) -> None:
        self.town_map = town_map
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._whole = _Area(~town_map.walls_HW)
        self._fields: OrderedDict[tuple[str, int], bytes | np.ndarray] = OrderedDict()
        self._lock = Lock()  # residents out of sight of each other walk in threads of their own
        building_HW, self._areas = _buildings(town_map)
        self._building = building_HW.ravel().tolist()

    def path(self, start: int, goal: int) -> tuple[int, ...]:
        """Tiles of the path, start and goal included.

        Raises
        ------
        SimulationError
            There is no way.
        """
        building = self._building[goal]
        if building < 0:
            return tuple(self._walk(self._whole, start, goal))
        area = self._areas[building]
        if self._building[start] == building:
            return tuple(self._walk(area, start, goal))
        outside = self._walk(self._whole, start, area.door)
        return (*outside, *self._walk(area, area.door, goal)[1:])

    def distances(self, goal: int) -> np.ndarray:
        """(H * W,) uint16 moves from each tile to the goal; `UNREACHABLE` for walls and where there is no way."""
        key = ("distances", goal)
        with self._lock:
            found = self._fields.get(key)
            if found is None:
                found = _distances(self._whole.free_HW, *divmod(goal, self.town_map.width)).ravel()
                self._keep(key, found, found.nbytes)
            self._fields.move_to_end(key)
        assert isinstance(found, np.ndarray)  # noqa: S101
        return found

    def published(self, start: int, goal: int) -> tuple[int, ...]:
        """The path of the published search: at most 151 moves, else the goal alone.

        Ties are traced back from the goal: the tile above, on the left, below, on the right.
        """
        width = self.town_map.width
        free_HW = self._whole.free_HW
        if not free_HW.flat[start]:
            free_HW = free_HW.copy()
            free_HW.flat[start] = True
            distance = _distances(free_HW, *divmod(start, width)).ravel()
        else:
            distance = self.distances(start)
        if not distance[goal] <= PUBLISHED_LIMIT:
            return (goal,)
        padded = np.pad(distance.reshape(free_HW.shape), 1, constant_values=UNREACHABLE).ravel()
        row, column = divmod(goal, width)
        tile, places = (row + 1) * (width + 2) + column + 1, [goal]
        for left in range(int(distance[goal]) - 1, -1, -1):
            tile = next(tile + step for step in (-width - 2, -1, width + 2, 1) if padded[tile + step] == left)
            row, column = divmod(tile, width + 2)
            places.append((row - 1) * width + column - 1)
        return tuple(reversed(places))

    def _walk(self, area: _Area, start: int, goal: int) -> list[int]:
        width = self.town_map.width
        row, column = divmod(start, width)
        at = (row - area.top) * area.width + column - area.left
        moves = self._moves(area, goal, at)
        steps, tile_steps = (-area.width, -1, 1, area.width, 0), (-width, -1, 1, width, 0)
        tile, places = start, [start]
        while (move := moves[at]) < _HERE:
            at += steps[move]
            tile += tile_steps[move]
            places.append(tile)
        if move == _NONE:
            from_xy, to_xy = self.town_map.xy(start), self.town_map.xy(goal)
            raise SimulationError(f"no way from tile {from_xy} to {to_xy} of {self.town_map.name}: mend the map")
        return places

    def _moves(self, area: _Area, goal: int, at: int) -> bytes:
        """The first move of each tile of the area towards the goal, at least as far away as `at`."""
        key = ("inside" if area.door >= 0 else "whole", goal)
        with self._lock:
            found = self._fields.get(key)
            if found is None or (area.free_HW.size > _LARGE and found[at] == _NONE):
                row, column = divmod(goal, self.town_map.width)
                until = at if area.free_HW.size > _LARGE else -1
                found = _field(area.free_HW, row - area.top, column - area.left, until)
                self._drop(key)
                self._keep(key, found, len(found))
            self._fields.move_to_end(key)
        assert isinstance(found, bytes)  # noqa: S101
        return found

    def _drop(self, key: tuple[str, int]) -> None:
        dropped = self._fields.pop(key, b"")
        self.used_bytes -= len(dropped) if isinstance(dropped, bytes) else dropped.nbytes

    def _keep(self, key: tuple[str, int], field: bytes | np.ndarray, n_bytes: int) -> None:
        self._fields[key] = field
        self.used_bytes += n_bytes
        while self.used_bytes > self.limit_bytes and len(self._fields) > 1:
            self._drop(next(iter(self._fields)))


def _buildings(town_map: TownMap) -> tuple[np.ndarray, list[_Area]]:
    """Buildings with a single outer door: number of the building of each tile (-1: none), and their areas."""
    free_HW = ~town_map.walls_HW
    is_door_HW = free_HW & (town_map.ground_HW == GROUNDS.index("door"))
    parts_HW, _ = ndimage.label(free_HW & ~is_door_HW)
    outdoors = np.unique(parts_HW[free_HW & ~is_door_HW & (town_map.sector_HW < 0)])
    is_outdoors_HW = np.isin(parts_HW, outdoors) & (parts_HW > 0)
    building_HW, n = ndimage.label(free_HW & ~is_outdoors_HW)
    is_outer_HW = is_door_HW & ndimage.binary_dilation(is_outdoors_HW)
    n_doors = np.bincount(building_HW[is_outer_HW], minlength=n + 1)
    door_of = np.full(n + 1, -1, dtype=np.int64)
    door_of[building_HW[is_outer_HW]] = np.flatnonzero(is_outer_HW)
    number_HW = np.full(free_HW.shape, -1, dtype=np.int64)
    areas: list[_Area] = []
    for building, box in enumerate(ndimage.find_objects(building_HW), 1):
        if n_doors[building] == 1:
            inside_HW = building_HW[box] == building
            number_HW[box][inside_HW] = len(areas)
            areas.append(_Area(inside_HW, box[1].start, box[0].start, int(door_of[building])))
    return number_HW, areas


def _field(free_HW: np.ndarray, row: int, column: int, until: int) -> bytes:
    """The first move of each tile to a tile, at least of those as near as the tile `until`."""
    if free_HW.size <= _SMALL:
        return _small_field(free_HW, row, column)
    return _first_moves(_distances(free_HW, row, column, until))


def _small_field(free_HW: np.ndarray, row: int, column: int) -> bytes:
    """The first moves of a small area, tile by tile."""
    height, width = free_HW.shape
    padded = width + 2
    steps = (-padded, -1, 1, padded)
    unseen = bytearray(np.pad(free_HW, 1).tobytes())
    distance = [UNREACHABLE] * len(unseen)
    moves = bytearray(bytes([_NONE]) * len(unseen))
    goal = (row + 1) * padded + column + 1
    queue = [goal] if unseen[goal] else []
    for tile in queue:
        distance[tile], moves[tile] = 0, _HERE
        unseen[tile] = 0
    for tile in queue:  # which grows
        nearer = distance[tile] - 1
        for step in steps:
            if unseen[tile + step]:
                unseen[tile + step] = 0
                distance[tile + step] = nearer + 2
                queue.append(tile + step)
        if nearer >= 0:
            moves[tile] = next(move for move, step in enumerate(steps) if distance[tile + step] == nearer)
    return b"".join(moves[at * padded + 1 : at * padded + 1 + width] for at in range(1, height + 1))


def _distances(free_HW: np.ndarray, row: int, column: int, until: int = -1) -> np.ndarray:
    """(H, W) uint16 moves to a tile, by breadth-first search that ends when it reaches the tile `until`."""
    height, width = free_HW.shape
    padded = width + 2
    last = (until // width + 1) * padded + until % width + 1 if until >= 0 else 0
    left = np.zeros((height + 2, padded), dtype=bool)
    left[1:-1, 1:-1] = free_HW
    unseen = left.ravel()
    distance = np.full(unseen.size, UNREACHABLE, dtype=np.uint16)
    order = np.empty(unseen.size, dtype=np.int32)
    offsets = np.array([[-padded], [-1], [1], [padded]], dtype=np.int32)
    front = np.array([(row + 1) * padded + column + 1], dtype=np.int32)
    front = front[unseen[front]]
    moves = 0
    while front.size:
        unseen[front] = False
        distance[front] = moves
        if distance[last] != UNREACHABLE:
            break
        moves += 1
        reached = (front + offsets).ravel()
        reached = reached[unseen[reached]]
        places = np.arange(reached.size, dtype=np.int32)
        order[reached] = places
        front = reached[order[reached] == places]  # each tile once
    return np.ascontiguousarray(distance.reshape(height + 2, padded)[1:-1, 1:-1])


def _first_moves(distance_HW: np.ndarray) -> bytes:
    """The first move of each tile: 0 to 3 for above, left, right, below; there already; or no way."""
    padded = np.pad(distance_HW.astype(np.int32), 1, constant_values=UNREACHABLE)
    beside = (padded[:-2, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:], padded[2:, 1:-1])
    moves_HW = np.full(distance_HW.shape, _NONE, dtype=np.uint8)
    for move in (3, 2, 1, 0):
        moves_HW[beside[move] + 1 == distance_HW] = move
    moves_HW[distance_HW == UNREACHABLE] = _NONE
    moves_HW[distance_HW == 0] = _HERE
    return moves_HW.tobytes()
