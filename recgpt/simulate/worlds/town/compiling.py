"""Compilation of a parsed plan: rooms from floors, walls and doors; sectors from rooms; objects; and all checks.

Shapes: R rooms, H height and W width in tiles.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.legend import ObjectLine, RoomLine, SectorLine
from recgpt.simulate.worlds.town.places import GROUNDS, Level, Place, TownMap
from recgpt.simulate.worlds.town.plan_text import GROUND, Plan, codes_of

OPEN_KINDS = ("park",)
"""Kinds of sectors without walls; all tiles of a letter are one room, even apart."""
_BLOCKED = ("wall", "tree", "water", "fence")


@dataclass(frozen=True)
class Drawing:
    """A plan's drawing as grids.

    Attributes
    ----------
    code_HW, ground_HW
        Code points of the characters; index of `GROUNDS`.
    floor_HW
        Code point of the floor character of each room tile, also under objects; 0 elsewhere.
    room_HW
        Number of the connected room, -1 elsewhere.
    """

    plan: Plan
    code_HW: np.ndarray
    ground_HW: np.ndarray
    floor_HW: np.ndarray
    room_HW: np.ndarray

    def error(self, tile: int, text: str) -> SimulationError:
        """Error at a tile."""
        row, column = divmod(int(tile), self.code_HW.shape[1])
        return SimulationError(f"{self.plan.place(row, column)}: {text}")

    def character(self, room: int) -> str:
        """Floor character of a room."""
        return chr(self.floor_HW.flat[self.tiles(room)[0]])

    def tiles(self, room: int) -> np.ndarray:
        """Tiles of a room, ascending."""
        return self.tiles_of_rooms[room]

    @cached_property
    def tiles_of_rooms(self) -> list[np.ndarray]:
        """Tiles of each room, ascending."""
        return _tiles_by_number(self.room_HW)


def compile_plan(plan: Plan) -> TownMap:
    """Map of a plan.

    Raises
    ------
    SimulationError
        A room is open, has no door or no name, a place cannot be reached, or the like; with row and column.
    """
    drawing = _drawing(plan)
    sector_of_room = _sectors_of_rooms(drawing)
    _check_borders(drawing, sector_of_room)
    walls_HW = np.isin(drawing.ground_HW, [GROUNDS.index(name) for name in _BLOCKED])
    builder = _Builder(drawing)
    rooms_of_sector: dict[int, list[int]] = defaultdict(list)
    for room, own in enumerate(sector_of_room):
        rooms_of_sector[own].append(room)
    for number, sector in enumerate(plan.sectors):
        builder.add_sector(sector, rooms_of_sector[number])
    town_map = builder.town_map(walls_HW)
    _check_reachable(drawing, town_map)
    return town_map


# --- rooms ---


def _drawing(plan: Plan) -> Drawing:
    code_HW = codes_of(plan)
    ground_HW = np.full(code_HW.shape, GROUNDS.index("floor"), dtype=np.uint8)
    for character, name in GROUND.items():
        ground_HW[code_HW == ord(character)] = GROUNDS.index(name)
    is_place_HW = ground_HW == GROUNDS.index("floor")
    is_object_HW = np.isin(code_HW, [ord(letter) for letter in plan.objects])
    floor_HW = np.where(is_place_HW & ~is_object_HW, code_HW, 0)
    _spread_floors(floor_HW, is_object_HW)
    drawing = Drawing(plan, code_HW, ground_HW, floor_HW, _label(floor_HW))
    bare = np.flatnonzero(is_object_HW & (floor_HW == 0))
    if len(bare):
        name = plan.objects[chr(code_HW.flat[bare[0]])].name
        raise drawing.error(bare[0], f"{name} stands on no floor: draw a letter of a room beside it")
    return drawing


def _spread_floors(floor_HW: np.ndarray, is_object_HW: np.ndarray) -> None:
    """Give objects the floor beside them, tile by tile: that above, on the left, on the right, below."""
    while True:
        bare_HW = is_object_HW & (floor_HW == 0)
        beside_HW = np.zeros_like(floor_HW)
        for shifted in _neighbours(floor_HW):
            np.copyto(beside_HW, shifted, where=beside_HW == 0)
        found_HW = bare_HW & (beside_HW != 0)
        if not found_HW.any():
            return
        floor_HW[found_HW] = beside_HW[found_HW]


def _neighbours(grid_HW: np.ndarray, fill: int = 0) -> Iterator[np.ndarray]:
    """The grid of each tile's neighbour above, on the left, on the right, below."""
    padded = np.pad(grid_HW, 1, constant_values=fill)
    yield padded[:-2, 1:-1]
    yield padded[1:-1, :-2]
    yield padded[1:-1, 2:]
    yield padded[2:, 1:-1]


def _label(floor_HW: np.ndarray) -> np.ndarray:
    """Connected parts of equal floor, numbered from 0 in reading order of their first tile; -1 elsewhere."""
    room_HW = np.full(floor_HW.shape, -1, dtype=np.int64)
    n = 0
    for code in np.unique(floor_HW[floor_HW != 0]):
        parts_HW, found = ndimage.label(floor_HW == code)
        room_HW = np.where(parts_HW > 0, parts_HW + (n - 1), room_HW)
        n += found
    numbers, first = np.unique(room_HW[room_HW >= 0], return_index=True)
    in_order = np.empty(len(numbers), dtype=np.int64)
    in_order[np.argsort(first)] = np.arange(len(numbers))
    return np.where(room_HW >= 0, in_order[np.maximum(room_HW, 0)] if n else -1, -1)


def _tiles_by_number(grid_HW: np.ndarray) -> list[np.ndarray]:
    tiles = np.flatnonzero(grid_HW >= 0)
    numbers = grid_HW.flat[tiles]
    order = np.argsort(numbers, kind="stable")
    return np.split(tiles[order], np.cumsum(np.bincount(numbers))[:-1]) if len(tiles) else []


# --- sectors ---


def _sectors_of_rooms(drawing: Drawing) -> list[int]:
    """Number of the sector of each room."""
    n_rooms = len(drawing.tiles_of_rooms)
    characters = [drawing.character(room) for room in range(n_rooms)]
    sector_of_room = [-1] * n_rooms
    for number, sector in enumerate(drawing.plan.sectors):
        for room in _main_rooms(drawing, sector, characters):
            if sector_of_room[room] >= 0:
                other = drawing.plan.sectors[sector_of_room[room]].name
                raise drawing.error(drawing.tiles(room)[0], f"room of both {other} and {sector.name}: keep one of them")
            sector_of_room[room] = number
    _join_by_doors(drawing, sector_of_room, characters)
    for room, character in enumerate(characters):
        if sector_of_room[room] < 0:
            remedy = (
                "name it in the legend"
                if character.isalpha()
                else "a door must join it to a room with a letter, directly or through its neighbours"
            )
            raise drawing.error(drawing.tiles(room)[0], f"room {character!r} belongs to no sector: {remedy}")
    return sector_of_room


def _main_rooms(drawing: Drawing, sector: SectorLine, characters: list[str]) -> list[int]:
    where = f"{drawing.plan.source}: line {sector.line}"
    if sector.at is not None:
        column, row = sector.at
        height, width = drawing.room_HW.shape
        room = int(drawing.room_HW[row, column]) if row < height and column < width else -1
        if room < 0 or characters[room] != sector.letter:
            raise SimulationError(f"{where}: no floor {sector.letter} at column {column}, row {row}")
        return [room]
    rooms = [room for room, character in enumerate(characters) if character == sector.letter]
    if not rooms:
        raise SimulationError(
            f"{where}: no floor {sector.letter} in the drawing: draw {sector.name}, or delete the line"
        )
    if len(rooms) > 1 and sector.kind not in OPEN_KINDS:
        spots = [divmod(int(drawing.tiles(room)[0]), drawing.room_HW.shape[1]) for room in rooms[:2]]
        (row, column), (row_2, column_2) = spots
        raise SimulationError(
            f"{where}: floor {sector.letter} is in {len(rooms)} separate places, at row {row}, column {column} and at"
            f" row {row_2}, column {column_2}: use other characters, or write {sector.letter}@{column},{row}"
        )
    return rooms


def _join_by_doors(drawing: Drawing, sector_of_room: list[int], characters: list[str]) -> None:
    """Give rooms with digits the sector of the rooms that they are joined to, room by room."""
    joined = _joined_rooms(drawing)
    queue = [room for room, sector in enumerate(sector_of_room) if sector >= 0]
    for room in queue:
        for other in sorted(joined[room]):
            if characters[other].isalpha() or sector_of_room[other] == sector_of_room[room]:
                continue
            if sector_of_room[other] >= 0:
                first, second = (drawing.plan.sectors[sector_of_room[each]].name for each in (other, room))
                text = f"room {characters[other]!r} has doors to both {first} and {second}: close one"
                raise drawing.error(drawing.tiles(other)[0], text)
            sector_of_room[other] = sector_of_room[room]
            queue.append(other)


def _joined_rooms(drawing: Drawing) -> dict[int, set[int]]:
    """Rooms beside each room: through a door, or without a wall between."""
    room_HW = drawing.room_HW
    doors_HW, _ = ndimage.label(drawing.ground_HW == GROUNDS.index("door"))
    rooms_of_door: dict[int, set[int]] = defaultdict(set)
    joined: dict[int, set[int]] = defaultdict(set)
    for beside_HW in _neighbours(room_HW, -1):
        for door, room in np.unique(np.stack([doors_HW, beside_HW])[:, (doors_HW > 0) & (beside_HW >= 0)], axis=1).T:
            rooms_of_door[int(door)].add(int(room))
        touches_HW = (room_HW >= 0) & (beside_HW >= 0) & (room_HW != beside_HW)
        for room, other in np.unique(np.stack([room_HW, beside_HW])[:, touches_HW], axis=1).T:
            joined[int(room)].add(int(other))
    for rooms in rooms_of_door.values():
        for room in rooms:
            joined[room] |= rooms - {room}
    return joined


# --- checks ---


def _check_borders(drawing: Drawing, sector_of_room: list[int]) -> None:
    """Rooms of buildings are closed by walls and have a door."""
    sectors = drawing.plan.sectors
    is_open_R = np.array([sectors[sector].kind in OPEN_KINDS for sector in sector_of_room], dtype=bool)
    room_HW, ground_HW = drawing.room_HW, drawing.ground_HW
    is_closed_HW = (room_HW >= 0) & ~is_open_R[np.maximum(room_HW, 0)]
    door, wall = GROUNDS.index("door"), GROUNDS.index("wall")
    has_door_R = is_open_R.copy()
    for beside_HW, other_HW in zip(_neighbours(ground_HW, 255), _neighbours(room_HW, -1), strict=True):
        is_fine_HW = (other_HW == room_HW) | (beside_HW == door) | (beside_HW == wall)
        wrong = np.flatnonzero(is_closed_HW & ~is_fine_HW)
        if len(wrong):
            name = sectors[sector_of_room[room_HW.flat[wrong[0]]]].name
            beyond = "another room" if other_HW.flat[wrong[0]] >= 0 else "the ground or the edge of the map"
            raise drawing.error(wrong[0], f"{name} has no wall between this tile and {beyond}: draw # or a door +")
        has_door_R[room_HW[(room_HW >= 0) & (beside_HW == door)]] = True
    for room in np.flatnonzero(~has_door_R):
        name = sectors[sector_of_room[room]].name
        raise drawing.error(drawing.tiles(int(room))[0], f"this room of {name} has no door: draw + in its wall")


def _check_reachable(drawing: Drawing, town_map: TownMap) -> None:
    parts_HW, _ = ndimage.label(~town_map.walls_HW)
    if not (part_of_place := [int(parts_HW.flat[place.tiles[0]]) for place in town_map.places]):
        return
    main = int(np.bincount(part_of_place).argmax())
    cut_off = np.flatnonzero((town_map.sector_HW >= 0) & (parts_HW != main))
    if len(cut_off):
        address = town_map.address(town_map.at(int(cut_off[0])))
        raise drawing.error(cut_off[0], f"{address} cannot be reached from the rest of the town: open a way to it")


# --- places ---


class _Builder:
    """Places of a map, sector by sector."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        shape = drawing.code_HW.shape
        levels: tuple[Level, ...] = ("sector", "arena", "object")
        self.grids = {level: np.full(shape, -1, dtype=np.int32) for level in levels}
        self.places: list[Place] = []

    def town_map(self, walls_HW: np.ndarray) -> TownMap:
        """The map with all places added."""
        grids = self.grids
        return TownMap(
            self.drawing.plan.name,
            walls_HW,
            grids["sector"],
            grids["arena"],
            grids["object"],
            tuple(self.places),
            self.drawing.ground_HW,
        )

    def add_sector(self, sector: SectorLine, rooms: list[int]) -> None:
        """Add a sector, its rooms and their objects."""
        lines = self._room_lines(sector, rooms)
        tiles_of = {
            line.character: np.concatenate([self.drawing.tiles(room) for room, each in lines if each is line])
            for _, line in lines
        }
        capacity = sum(line.capacity or len(tiles_of[line.character]) for line in sector.rooms)
        tiles = np.concatenate(list(tiles_of.values()))
        number = self._add("sector", sector.name, -1, sector, tiles, capacity)
        for line in sector.rooms:
            self._add_room(sector, line, number, np.sort(tiles_of[line.character]))

    def _room_lines(self, sector: SectorLine, rooms: list[int]) -> list[tuple[int, RoomLine]]:
        """The legend's line of each room; each is there once, and none is left over."""
        found: list[tuple[int, RoomLine]] = []
        for room in rooms:
            character = self.drawing.character(room)
            line = sector.room(character)
            if line is None:
                text = f"{sector.name} has no room {character!r} in the legend (line {sector.line}): add it there"
                raise self.drawing.error(self.drawing.tiles(room)[0], text)
            if sector.kind not in OPEN_KINDS and any(each is line for _, each in found):
                text = f"{sector.name} has a second room {character!r}: number it differently"
                raise self.drawing.error(self.drawing.tiles(room)[0], text)
            found.append((room, line))
        missing = [line.name for line in sector.rooms if all(each is not line for _, each in found)]
        if missing:
            where = f"{self.drawing.plan.source}: line {sector.line}"
            raise SimulationError(
                f"{where}: {sector.name} has no {missing[0]} in the drawing: draw it with a door to it"
            )
        return found

    def _add_room(self, sector: SectorLine, line: RoomLine, parent: int, tiles: np.ndarray) -> None:
        number = self._add("arena", line.name, parent, sector, tiles, line.capacity or len(tiles))
        codes = self.drawing.code_HW.flat[tiles]
        objects = [
            (int(part[0]), kind, part)
            for code in np.unique(codes)
            if (kind := self.drawing.plan.objects.get(chr(code))) is not None
            for part in self._parts(tiles[codes == code], kind)
        ]
        seen: dict[str, int] = defaultdict(int)
        for _, kind, part in sorted(objects, key=lambda each: each[0]):
            seen[kind.name] += 1
            name = kind.name if seen[kind.name] == 1 else f"{kind.name} {seen[kind.name]}"
            self._add("object", name, number, sector, part, kind.capacity or len(part))

    def _parts(self, tiles: np.ndarray, kind: ObjectLine) -> list[np.ndarray]:
        """Tiles of each object of a kind in a room."""
        if kind.extent == "each":
            return list(tiles[:, None])
        if kind.extent == "joined":
            return [tiles]
        width = self.drawing.code_HW.shape[1]
        left, parts = set(tiles.tolist()), []
        while left:
            queue = [min(left)]
            left.discard(queue[0])
            for tile in queue:
                beside = {tile - width, tile + width, *([tile - 1] * (tile % width > 0)), tile + 1} & left
                if (tile + 1) % width == 0:
                    beside.discard(tile + 1)
                left -= beside
                queue += sorted(beside)
            parts.append(np.array(sorted(queue)))
        return parts

    def _add(self, level: Level, name: str, parent: int, sector: SectorLine, tiles: np.ndarray, capacity: int) -> int:
        number = len(self.places)
        in_order = tuple(np.sort(tiles).tolist())
        self.places.append(
            Place(number, level, name, parent, sector.kind, in_order, capacity, sector.hours, sector.owner)
        )
        self.grids[level].flat[list(in_order)] = number
        return number
