"""Rooms of a map, the outdoors as one of them, and the walk from any tile into each.

    rooms = Rooms(town_map)
    rooms.distances(rooms.of(tile))           # (H * W,) moves from each tile into the room of a tile

A resident sees others of its own room only, so that two rooms are further apart than two tiles of them.

Shapes: H height and W width of the map in tiles.
"""

import numpy as np

from recgpt.simulate.worlds.town.places import TownMap

OUTDOORS = -1
"""Room of the tiles that no arena holds."""


class Rooms:
    """Rooms of a map; distances are computed once for each room that is asked for."""

    def __init__(self, town_map: TownMap) -> None:
        self._map = town_map
        self._arena_T = town_map.arena_HW.reshape(-1)
        self._distances: dict[int, np.ndarray] = {}

    def of(self, tile: int) -> int:
        """Number of the arena at a tile, or `OUTDOORS`."""
        return int(self._arena_T[tile])

    def distances(self, room: int) -> np.ndarray:
        """(H * W,) int32 moves to the nearest tile of a room, 0 within it; 2^30 where there is no way."""
        if room not in self._distances:
            self._distances[room] = _moves_into(self._map.arena_HW == room, self._map.walls_HW)
        return self._distances[room]


def _moves_into(room_HW: np.ndarray, walls_HW: np.ndarray) -> np.ndarray:
    distance_HW = np.full(room_HW.shape, 1 << 30, dtype=np.int32)
    frontier_HW, moves = room_HW & ~walls_HW, 0
    while frontier_HW.any():
        distance_HW[frontier_HW] = moves
        moves += 1
        grown_HW = np.zeros_like(frontier_HW)
        grown_HW[1:] |= frontier_HW[:-1]
        grown_HW[:-1] |= frontier_HW[1:]
        grown_HW[:, 1:] |= frontier_HW[:, :-1]
        grown_HW[:, :-1] |= frontier_HW[:, 1:]
        frontier_HW = grown_HW & ~walls_HW & (distance_HW > moves)
    return distance_HW.reshape(-1)
