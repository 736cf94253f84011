"""Maps in the published files: five grids of numbers, and tables of their meanings.

    town_map = read_published_map(Path("the_ville/matrix"))
    write_published_map(town_map, Path("hazelbrook/matrix"))

`maze_meta_info.json` has the size; each `maze/NAME_maze.csv` is one row of numbers, tile after tile, 0 for nothing;
each `special_blocks/NAME_blocks.csv` has a line `number, world, ..., name`. An object's number means the same kind of
object in every room. Sectors and rooms hold walls too; a `Place` has the tiles that can be reached.

Kinds, hours and capacities, which the files lack, follow from words of the names: see `KINDS` and `HOURS`.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from recgpt.bounds import read_json
from recgpt.errors import SimulationError
from recgpt.files import new_folder
from recgpt.simulate.worlds.town.places import GROUNDS, Level, Place, TownMap

GRIDS = ("collision", "sector", "arena", "game_object", "spawning_location")
TABLES = ("world", "sector", "arena", "game_object", "spawning_location")
WALL, TILE_PIXELS = 32_125, 32
KINDS = (
    *(("dorm", "home"), ("apartment", "home"), ("house", "home"), ("living space", "home"), ("cafe", "cafe")),
    *(("pub", "bar"), ("bar", "bar"), ("restaurant", "restaurant"), ("cinema", "cinema"), ("book", "bookshop")),
    *(("market", "shop"), ("store", "shop"), ("shop", "shop"), ("pharmacy", "pharmacy"), ("college", "school")),
    *(("school", "school"), ("library", "library"), ("park", "park"), ("hall", "hall"), ("clinic", "clinic")),
    *(("works", "workshop"), ("office", "office"), ("gym", "gym")),
)
"""Words of names of sectors and the kind they mean, the first that fits."""
HOURS = {
    "cafe": (8 * 60, 20 * 60),
    "bar": (10 * 60, 24 * 60),
    "shop": (8 * 60, 20 * 60),
    "school": (7 * 60, 22 * 60),
    "library": (8 * 60, 21 * 60),
}
"""Opening hours by kind of sector, in minutes of the day."""
SINGLE = ("bed", "toilet", "shower", "bathroom sink", "piano", "guitar", "harp", "easel", "computer", "microphone")
"""Objects for one person at a time; a bed has as many places as it has spawning locations."""
MAX_TILES = 4_000_000
_FIRST_IDS = {"world": 32_134, "sector": 40_001, "arena": 50_001, "game_object": 60_001, "spawning_location": 90_001}


# --- reading ---


def read_published_map(folder: Path) -> TownMap:
    """Map of a folder `matrix`, or of the folder above it.

    Raises
    ------
    SimulationError
        A file is missing or wrong, or a grid has a number that its table lacks; with row and column.
    """
    folder = folder / "matrix" if (folder / "matrix").is_dir() else folder
    meta = read_json(folder / "maze_meta_info.json", SimulationError)
    shape = _shape(meta, folder)
    grids = {name: _grid(folder, name, shape) for name in GRIDS}
    tables = {name: _table(folder, name) for name in TABLES}
    for name in GRIDS[1:]:
        _check_known(folder, name, grids[name], tables[name])
    world = next(iter(tables["world"].values()), ("",))[0] or str(meta.get("world_name", ""))
    return _Reader(world, grids, tables).town_map()


def _shape(meta: dict[str, Any], folder: Path) -> tuple[int, int]:
    height, width = meta.get("maze_height"), meta.get("maze_width")
    if isinstance(height, int) and isinstance(width, int) and 0 < height * width <= MAX_TILES and height > 0:
        return height, width
    raise SimulationError(
        f"{folder}/maze_meta_info.json: maze_height {height!r} and maze_width {width!r}: two whole numbers, at most"
        f" {MAX_TILES:,} tiles"
    )


def _grid(folder: Path, name: str, shape: tuple[int, int]) -> np.ndarray:
    path = folder / "maze" / f"{name}_maze.csv"
    cells = _text(path).replace("\n", ",").split(",")
    while cells and not cells[-1].strip():
        cells.pop()
    if len(cells) != shape[0] * shape[1]:
        raise SimulationError(f"{path}: {len(cells):,} numbers instead of {shape[1]} x {shape[0]}: one for each tile")
    try:
        return np.array(cells, dtype=np.int64).reshape(shape)
    except (ValueError, OverflowError):
        bad = next(k for k, cell in enumerate(cells) if not cell.strip().isdecimal())
        row, column = divmod(bad, shape[1])
        raise SimulationError(f"{path}: row {row}, column {column}: {cells[bad].strip()!r} is no number") from None


def _table(folder: Path, name: str) -> dict[int, tuple[str, ...]]:
    """Columns after the number, by number."""
    path = folder / "special_blocks" / f"{name}_blocks.csv"
    found: dict[int, tuple[str, ...]] = {}
    for line, row in enumerate(csv.reader(io.StringIO(_text(path))), 1):
        cells = tuple(cell.strip() for cell in row)
        if not any(cells):
            continue
        if len(cells) < 2 or not cells[0].isdecimal():
            raise SimulationError(f"{path}: line {line}: {', '.join(cells)!r} is not `number, world, ..., name`")
        found[int(cells[0])] = cells[1:]
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SimulationError(f"{path}: {error}: name the folder `matrix` of a published map") from error


def _check_known(folder: Path, name: str, grid_HW: np.ndarray, table: dict[int, tuple[str, ...]]) -> None:
    unknown = np.flatnonzero((grid_HW != 0) & ~np.isin(grid_HW, list(table)))
    if len(unknown):
        row, column = divmod(int(unknown[0]), grid_HW.shape[1])
        raise SimulationError(
            f"{folder}/maze/{name}_maze.csv: row {row}, column {column}: {grid_HW.flat[unknown[0]]} is not in"
            f" special_blocks/{name}_blocks.csv: add a line for it"
        )


class _Reader:
    """Places of published grids."""

    def __init__(self, world: str, grids: dict[str, np.ndarray], tables: dict[str, dict[int, tuple[str, ...]]]) -> None:
        self.world, self.grids, self.tables = world, grids, tables
        self.walls_HW = grids["collision"] != 0
        self.in_town_HW = _town(self.walls_HW, grids["game_object"] != 0)
        self.places: list[Place] = []
        shape = self.walls_HW.shape
        levels: tuple[Level, ...] = ("sector", "arena", "object")
        self.numbers = {level: np.full(shape, -1, dtype=np.int32) for level in levels}

    def town_map(self) -> TownMap:
        """The map."""
        homes = 0
        for sector_id, (*_, name) in self.tables["sector"].items():
            at_HW = self.grids["sector"] == sector_id
            if at_HW.any():
                kind = next((kind for word, kind in KINDS if word in name.lower()), "other")
                owner = homes if kind == "home" else -1
                homes += kind == "home"
                number = self._add("sector", name, -1, kind, owner, at_HW, 0)
                self._add_rooms(number, at_HW)
        ground_HW = _ground(self.walls_HW, self.numbers, self.places)
        numbers = self.numbers
        return TownMap(
            *(self.world, self.walls_HW, numbers["sector"], numbers["arena"], numbers["object"]),
            places=tuple(self.places),
            ground_HW=ground_HW,
            spawns=self._spawns(),
        )

    def _add_rooms(self, sector: int, sector_HW: np.ndarray) -> None:
        kind, owner = self.places[sector].kind, self.places[sector].owner
        present = set(np.unique(self.grids["arena"][sector_HW]).tolist())
        for arena_id, (*_, name) in self.tables["arena"].items():
            if arena_id not in present:
                continue
            room_HW = sector_HW & (self.grids["arena"] == arena_id)
            number = self._add("arena", name, sector, kind, owner, room_HW, "bathroom" in name)
            self._add_objects(number, room_HW)

    def _add_objects(self, arena: int, room_HW: np.ndarray) -> None:
        """Objects of a room, by their first tile."""
        kind, owner = self.places[arena].kind, self.places[arena].owner
        present = self.grids["game_object"][room_HW]
        ids, first = np.unique(present, return_index=True)
        for object_id in ids[np.argsort(first)].tolist():
            if not object_id:
                continue
            name = self.tables["game_object"][object_id][-1]
            at_HW = room_HW & (self.grids["game_object"] == object_id)
            spawns = int(np.count_nonzero(at_HW & (self.grids["spawning_location"] != 0)))
            capacity = max(1, int(spawns) if name == "bed" else 1) if name in SINGLE else 0
            self._add("object", name, arena, kind, owner, at_HW, capacity)

    def _add(
        self, level: Level, name: str, parent: int, kind: str, owner: int, at_HW: np.ndarray, capacity: int
    ) -> int:
        tiles = tuple(np.flatnonzero(at_HW & self.in_town_HW).tolist())
        if not tiles:
            row, column = np.argwhere(at_HW)[0].tolist()
            raise SimulationError(
                f"{level} {name!r} of {self.world}, at row {row}, column {column}, cannot be reached from the rest of"
                " the town: open a way to it"
            )
        number = len(self.places)
        self.numbers[level][at_HW] = number
        hours = HOURS.get(kind)
        self.places.append(Place(number, level, name, parent, kind, tiles, capacity or len(tiles), hours, owner))
        return number

    def _spawns(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {}
        grid = self.grids["spawning_location"].ravel()
        for tile in np.flatnonzero(grid).tolist():
            found.setdefault(self.tables["spawning_location"][int(grid[tile])][-1], []).append(tile)
        return {name: tuple(found[name]) for name in sorted(found)}


def _town(walls_HW: np.ndarray, objects_HW: np.ndarray) -> np.ndarray:
    """Connected walkable tiles with the most objects."""
    parts_HW, _ = ndimage.label(~walls_HW)
    inside = parts_HW[objects_HW & ~walls_HW]
    return parts_HW == (np.bincount(inside).argmax() if inside.size else 1)


def _ground(walls_HW: np.ndarray, numbers: dict[Level, np.ndarray], places: Sequence[Place]) -> np.ndarray:
    """What tiles look like: walls are trees outside of sectors; rooms called garden or park are grass."""
    grass, floor, wall, tree = (GROUNDS.index(name) for name in ("grass", "floor", "wall", "tree"))
    green = [place.number for place in places if place.kind == "park" or place.name in ("garden", "park")]
    is_green_HW = np.isin(numbers["sector"], green) | np.isin(numbers["arena"], green)
    ground_HW = np.where(numbers["sector"] >= 0, floor, grass)
    ground_HW[is_green_HW] = grass
    ground_HW[walls_HW] = tree
    ground_HW[walls_HW & (numbers["sector"] >= 0) & ~is_green_HW] = wall
    return ground_HW.astype(np.uint8)


# --- writing ---


def write_published_map(town_map: TownMap, folder: Path, *, overwrite: bool = False) -> None:
    """Write a map as the published grids and tables.

    Raises
    ------
    SimulationError
        A name has a comma, which the tables have no way to hold.
    """
    for place in town_map.places:
        if "," in place.name:
            raise SimulationError(f"{town_map.address(place.number)}: a name with a comma fits no table: rename it")
    grids, tables = _Writer(town_map).grids_and_tables()
    meta = {
        **{"world_name": town_map.name, "maze_width": town_map.width, "maze_height": town_map.height},
        **{"sq_tile_size": TILE_PIXELS, "special_constraint": ""},
    }
    with new_folder(folder, overwrite=overwrite, what="published map") as draft:
        for sub in ("maze", "special_blocks"):
            (draft / sub).mkdir()
        (draft / "maze_meta_info.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
        for name, grid_HW in grids.items():
            cells = ", ".join(map(str, grid_HW.ravel().tolist()))
            (draft / "maze" / f"{name}_maze.csv").write_text(cells, encoding="utf-8")
        for name, rows in tables.items():
            lines = "\n".join(", ".join(map(str, row)) for row in rows)
            (draft / "special_blocks" / f"{name}_blocks.csv").write_text(lines, encoding="utf-8")


Rows = list[tuple[int | str, ...]]


class _Writer:
    """Numbers of the published grids for the places of a map."""

    def __init__(self, town_map: TownMap) -> None:
        self.town_map = town_map

    def grids_and_tables(self) -> tuple[dict[str, np.ndarray], dict[str, Rows]]:
        """Grids and tables by name."""
        world = self.town_map.name
        grids = {"collision": np.where(self.town_map.walls_HW, WALL, 0)}
        tables: dict[str, Rows] = {"world": [(_FIRST_IDS["world"], world)]}
        for level, grid_HW in (("sector", self.town_map.sector_HW), ("arena", self.town_map.arena_HW)):
            places = [place for place in self.town_map.places if place.level == level]
            ids = {place.number: _FIRST_IDS[level] + k for k, place in enumerate(places)}
            grids[level] = self._numbered(grid_HW, ids)
            tables[level] = [(ids[place.number], world, *self._names(place.number)) for place in places]
        grids["game_object"], tables["game_object"] = self._objects()
        grids["spawning_location"], tables["spawning_location"] = self._spawns()
        return grids, tables

    def _names(self, place: int) -> list[str]:
        return self.town_map.address(place).split(":")[1:]

    def _numbered(self, grid_HW: np.ndarray, ids: dict[int, int]) -> np.ndarray:
        by_place = np.zeros(len(self.town_map.places) + 1, dtype=np.int64)
        by_place[list(ids)] = list(ids.values())
        return by_place[grid_HW]  # -1, no place, is the last entry: 0

    def _objects(self) -> tuple[np.ndarray, Rows]:
        objects = [place for place in self.town_map.places if place.level == "object"]
        names = _in_order(place.name for place in objects)
        ids = {place.number: _FIRST_IDS["game_object"] + names[place.name] for place in objects}
        rows: Rows = [(_FIRST_IDS["game_object"] + k, self.town_map.name, "<all>", name) for name, k in names.items()]
        return self._numbered(self.town_map.object_HW, ids), rows

    def _spawns(self) -> tuple[np.ndarray, Rows]:
        grid_HW = np.zeros_like(self.town_map.walls_HW, dtype=np.int64)
        at = {
            tile: (*self._names(self.town_map.arena_at(tile)), name)
            for name, tiles in self.town_map.spawns.items()
            for tile in tiles
        }
        kinds = _in_order(":".join(names) for names in at.values())
        for tile, names in at.items():
            grid_HW.flat[tile] = _FIRST_IDS["spawning_location"] + kinds[":".join(names)]
        rows: Rows = [
            (_FIRST_IDS["spawning_location"] + k, self.town_map.name, *joined.split(":")) for joined, k in kinds.items()
        ]
        return grid_HW, rows


def _in_order(names: Iterable[str]) -> dict[str, int]:
    """Different names, numbered as they come."""
    found: dict[str, int] = {}
    for name in names:
        found.setdefault(name, len(found))
    return found
