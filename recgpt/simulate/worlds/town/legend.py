"""The legend of a plan: its sectors with their rooms, and its objects, read from the lines above the drawing.

A | home | Alder House | household 0 | A living room, 1 bathroom (1), 2 bedroom
L | cafe | Lantern Cafe | open 07:00-20:00 | L cafe, 1 kitchen (3), 2 restroom (1)
b | bed | each 1
"""

import re
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal, get_args

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.places import KINDS_OF_SECTORS

Extent = Literal["each", "apart", "joined"]
EXTENTS: tuple[Extent, ...] = get_args(Extent)
SIGNS = "$&*=@!?"
LETTERS_OF_OBJECTS = ascii_lowercase + SIGNS
_KEY = re.compile(r"([A-Z])(?:@(\d+),(\d+))?")
_HOURS = re.compile(r"(\d\d?):([0-5]\d)-(\d\d?):([0-5]\d)")
_ROOM = re.compile(r"([A-Z1-9]) ([^():]+?)(?: \((\d+)\))?")
_MIDNIGHT = 24 * 60


@dataclass(frozen=True)
class RoomLine:
    """A room of a sector: its character in the drawing, its name, its capacity (0: its tiles)."""

    character: str
    name: str
    capacity: int


@dataclass(frozen=True)
class SectorLine:
    """A sector: its letter in the drawing, where it stands if the letter stands in several places, and its rooms."""

    letter: str
    at: tuple[int, int] | None
    kind: str
    name: str
    hours: tuple[int, int] | None
    owner: int
    rooms: tuple[RoomLine, ...]
    line: int

    def room(self, character: str) -> RoomLine | None:
        """The room of a character, if the sector has it."""
        return next((room for room in self.rooms if room.character == character), None)


@dataclass(frozen=True)
class ObjectLine:
    """An object: its letter, name and capacity (0: its tiles), and which of its tiles in a room are one object.

    `each`: every tile is an object; `apart`: tiles that touch are one; `joined`: all of the room are one.
    """

    letter: str
    name: str
    extent: Extent
    capacity: int


def sector_line(text: str, where: str, line: int) -> SectorLine:
    """A sector from its line `letter | kind | name | options | rooms`.

    Raises
    ------
    SimulationError
        A part is missing or wrong; the message begins with `where`.
    """
    key, kind, name, options, rooms = _columns(text, where, ("letter", "kind", "name", "options", "rooms"))
    found = _KEY.fullmatch(key)
    if found is None:
        raise SimulationError(f"{where}: {key!r} is no letter of a sector: write A, or A@column,row")
    if kind not in KINDS_OF_SECTORS:
        raise SimulationError(f"{where}: unknown kind of sector {kind!r}: one of {', '.join(KINDS_OF_SECTORS)}")
    letter, column, row = found.groups()
    hours, owner = _options(options, where)
    lines = tuple(_room(part.strip(), where) for part in rooms.split(","))
    _require_unique([room.character for room in lines], "character of a room", where)
    _require_unique([room.name for room in lines], "room", where)
    if letter not in {room.character for room in lines}:
        raise SimulationError(f"{where}: the rooms of {name} lack that of {letter}: write `{letter} NAME`")
    at = (int(column), int(row)) if column is not None else None
    return SectorLine(letter, at, kind, _named(name, where), hours, owner, lines, line)


def object_line(text: str, where: str) -> ObjectLine:
    """An object from its line `letter | name | extent [capacity]`.

    Raises
    ------
    SimulationError
        A part is missing or wrong; the message begins with `where`.
    """
    letter, name, extent = _columns(text, where, ("letter", "name", "extent"))
    if len(letter) != 1 or letter not in LETTERS_OF_OBJECTS:
        raise SimulationError(f"{where}: {letter!r} is no letter of an object: one of a to z, or {SIGNS}")
    word, _, number = extent.partition(" ")
    known = next((each for each in EXTENTS if each == word), None)
    if known is None or (number and not number.isdecimal()):
        raise SimulationError(f"{where}: {extent!r} is no extent: {', '.join(EXTENTS)}, then a capacity if you like")
    return ObjectLine(letter, _named(name, where), known, int(number or (known == "each")))


def _columns(text: str, where: str, names: tuple[str, ...]) -> list[str]:
    parts = [part.strip() for part in text.split("|")]
    if len(parts) != len(names):
        raise SimulationError(f"{where}: {len(parts)} columns instead of {len(names)}: {' | '.join(names)}")
    return parts


def _options(text: str, where: str) -> tuple[tuple[int, int] | None, int]:
    hours, owner = None, -1
    for option in filter(None, (part.strip() for part in text.split(","))):
        word, _, value = option.partition(" ")
        if word == "open":
            hours = _hours(value, where)
        elif word == "household" and value.isdecimal():
            owner = int(value)
        else:
            raise SimulationError(f"{where}: unknown option {option!r}: `open 07:00-20:00`, or `household 3`")
    return hours, owner


def _hours(text: str, where: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(text)
    times = [int(part) for part in found.groups()] if found else [_MIDNIGHT] * 4
    opens, closes = times[0] * 60 + times[1], times[2] * 60 + times[3]
    if max(opens, closes) > _MIDNIGHT or opens == closes:
        raise SimulationError(f"{where}: {text!r} are no opening hours: write 07:00-20:00")
    return opens, closes


def _room(text: str, where: str) -> RoomLine:
    found = _ROOM.fullmatch(text)
    if found is None:
        raise SimulationError(
            f"{where}: {text!r} is no room: write `A living room` or `1 bathroom (1)`, A to Z, 1 to 9"
        )
    character, name, capacity = found.groups()
    return RoomLine(character, _named(name, where), int(capacity or 0))


def _named(name: str, where: str) -> str:
    if not name or ":" in name:
        raise SimulationError(f"{where}: {name!r} is no name: it needs a letter and no colon, which parts addresses")
    return name


def _require_unique(values: list[str], what: str, where: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise SimulationError(f"{where}: {what} {value!r} is there twice: each needs its own")
