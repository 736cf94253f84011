"""The text of a plan: its name, its legend, and a drawing of equal rows with known characters.

plan = parse(text, "my.plan")
plan.rows[3][12]
"""

from dataclasses import dataclass

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.legend import ObjectLine, SectorLine, object_line, sector_line

GROUND = {".": "grass", ":": "road", "#": "wall", "+": "door", "^": "tree", "~": "water", "%": "fence"}
"""Characters of the drawing that stand for no place."""
MAX_TILES = 4_000_000
_SECTIONS = ("sectors", "objects", "map")


@dataclass(frozen=True)
class Plan:
    """A plan as written: legend and drawing.

    Attributes
    ----------
    rows
        Rows of the drawing.
    source
        Name of the file, for messages.
    first_line
        Line of the file on which the drawing begins, from 1.
    """

    name: str
    sectors: tuple[SectorLine, ...]
    objects: dict[str, ObjectLine]
    rows: tuple[str, ...]
    source: str
    first_line: int

    def place(self, row: int, column: int) -> str:
        """Where a tile stands in the file, for messages."""
        return f"{self.source}: row {row}, column {column} (line {self.first_line + row})"


def parse(text: str, source: str = "plan") -> Plan:
    """The plan of a text, with equal rows of known characters.

    Raises
    ------
    SimulationError
        A line is wrong.
    """
    lines = text.splitlines()
    if "map" not in (stripped := [line.strip() for line in lines]):
        raise SimulationError(f"{source}: no line `map`: the drawing begins below it")
    start = stripped.index("map") + 1
    name, sectors, objects = _legend(stripped[: start - 1], source)
    rows = lines[start:]
    while rows and not rows[-1].strip():
        rows.pop()
    plan = Plan(name, tuple(sectors), objects, tuple(rows), source, start + 1)
    _check_rows(plan)
    return plan


def _legend(lines: list[str], source: str) -> tuple[str, list[SectorLine], dict[str, ObjectLine]]:
    name, section = "", ""
    sectors: list[SectorLine] = []
    objects: dict[str, ObjectLine] = {}
    for number, line in enumerate(lines, 1):
        where = f"{source}: line {number}"
        if not line or line.startswith("#"):
            continue
        if line.startswith("town "):
            name = line[5:].strip()
        elif line in _SECTIONS:
            section = line
        elif section == "sectors":
            sectors.append(sector_line(line, where, number))
        elif section == "objects":
            read = object_line(line, where)
            if read.letter in objects:
                raise SimulationError(f"{where}: letter {read.letter!r} is there twice: each object needs its own")
            objects[read.letter] = read
        else:
            raise SimulationError(f"{where}: {line!r} stands in no section: they are {', '.join(_SECTIONS)}")
    if not name or ":" in name:
        raise SimulationError(f"{source}: a line `town NAME` is missing, or its name has a colon")
    if not sectors:
        raise SimulationError(f"{source}: no sectors: list them below a line `sectors`")
    _require_different_names(sectors, source)
    return name, sectors, objects


def _require_different_names(sectors: list[SectorLine], source: str) -> None:
    seen: dict[str, int] = {}
    for sector in sectors:
        if sector.name in seen:
            raise SimulationError(
                f"{source}: line {sector.line}: sector {sector.name!r} is there already, on line"
                f" {seen[sector.name]}: addresses are unique, give it another name"
            )
        seen[sector.name] = sector.line


def _check_rows(plan: Plan) -> None:
    if not plan.rows:
        raise SimulationError(f"{plan.source}: the drawing below `map` is empty")
    width = len(plan.rows[0])
    if width * len(plan.rows) > MAX_TILES:
        raise SimulationError(f"{plan.source}: {width} x {len(plan.rows)} tiles are more than {MAX_TILES:,}: draw less")
    known = {*GROUND, *plan.objects, *(room.character for sector in plan.sectors for room in sector.rooms)}
    for row, text in enumerate(plan.rows):
        if len(text) != width:
            raise SimulationError(
                f"{plan.place(row, min(len(text), width))}: the row has {len(text)} tiles, row 0 has {width}: make them"
                " equal"
            )
        for character in set(text) - known:
            raise SimulationError(
                f"{plan.place(row, text.index(character))}: {character!r} is not in the legend: add it, or use one of"
                f" {' '.join(GROUND)}"
            )


def codes_of(plan: Plan) -> np.ndarray:
    """(H, W) uint32 code points of the drawing."""
    return np.array([np.frombuffer(row.encode("utf-32-le"), dtype=np.uint32) for row in plan.rows])
