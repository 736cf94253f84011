"""Buildings of drawn towns, read from `towns/buildings.txt`, and how many of each kind a town has.

buildings()["cafe"][0].rows
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

PEOPLE_EACH: dict[str, tuple[int, int]] = {
    **{"cafe": (140, 0), "bar": (200, 0), "shop": (130, 0), "bookshop": (500, 0), "cinema": (400, 0)},
    **{"library": (600, 0), "school": (150, 0), "clinic": (400, 0), "park": (220, 0), "hall": (1200, 0)},
    **{"office": (45, 0), "workshop": (110, 0), "restaurant": (250, 60), "pharmacy": (600, 60), "gym": (500, 60)},
}
"""For each kind the residents of one, and the residents from which a town has any."""


@dataclass(frozen=True)
class Building:
    """A kind of building: its line of the legend, and its drawing with the door on the south side.

    `rooms` and `options` are columns of the legend.
    """

    kind: str
    letter: str
    options: str
    rooms: str
    rows: tuple[str, ...]

    @property
    def width(self) -> int:
        """Tiles from west to east."""
        return len(self.rows[0])

    @property
    def height(self) -> int:
        """Tiles from north to south."""
        return len(self.rows)

    @property
    def beds(self) -> int:
        """Number of beds."""
        return "".join(self.rows).count("b")

    def turned(self, *, to_north: bool, mirrored: bool) -> tuple[str, ...]:
        """Rows with the door on the north side, or with east and west exchanged."""
        rows = self.rows[::-1] if to_north else self.rows
        return tuple(row[::-1] for row in rows) if mirrored else rows


@cache
def _text() -> str:
    return (files("recgpt.simulate.worlds.town") / "towns" / "buildings.txt").read_text(encoding="utf-8")


@cache
def buildings() -> dict[str, tuple[Building, ...]]:
    """Buildings by kind; homes by number of beds."""
    found: dict[str, list[Building]] = {}
    drawings = _text().partition("\nobjects\n")[0]
    for block in drawings.split("\n\n")[1:]:
        head, *rows = block.strip().split("\n")
        kind, letter, options, rooms = (part.strip() for part in head.split("|"))
        found.setdefault(kind, []).append(Building(kind, letter, options, rooms, tuple(rows)))
    found["home"].sort(key=lambda building: building.beds)
    return {kind: tuple(each) for kind, each in found.items()}


def objects_legend() -> str:
    """Lines of the legend for all objects of the buildings."""
    return _text().partition("\nobjects\n")[2].strip()


def public_buildings(n_people: int) -> list[str]:
    """Kinds of the public buildings of a town, each kind at least once."""
    return [
        kind
        for kind, (each, least) in PEOPLE_EACH.items()
        if n_people >= least
        for _ in range(max(1, round(n_people / each)))
    ]


def legend_line(building: Building, name: str, at: tuple[int, int], household: int) -> str:
    """The line of a legend for a building with a tile of its first room."""
    options = f"household {household}" if household >= 0 else building.options
    return f"{building.letter}@{at[0]},{at[1]} | {building.kind} | {name} | {options} | {building.rooms}"
