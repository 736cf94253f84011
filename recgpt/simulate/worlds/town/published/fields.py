"""Checked fields of the published JSON files: texts, numbers, moments, tiles, names.

fields = Fields(read_json(path), str(path))
fields.whole("step", 0, MAX_STEP)          # a wrong value is an error with file, field, value and remedy
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recgpt.errors import DataError

MOMENT = "%B %d, %Y, %H:%M:%S"
"""Format of times, such as `February 13, 2023, 00:01:00`."""
DAY = "%B %d, %Y"
CREATED = "%Y-%m-%d %H:%M:%S"
"""Format of the times of memories."""
MAX_TEXT, MAX_SIDE = 100_000, 10_000
_HOUR = re.compile(r"(midnight|noon|(\d\d?)(?::(\d\d))? *(am|pm))")
_NAME = re.compile(r"[^\W_][^\x00-\x1f\x7f/\\:<>\"|?*]{0,79}")

_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Tile = tuple[int, int]
"""Column and row of a tile."""


@dataclass(frozen=True)
class Fields:
    """A JSON object and its place, for messages."""

    values: Mapping[str, Any]
    where: str

    def __getitem__(self, key: str) -> Any:
        if key not in self.values:
            raise DataError(f"{self.where} has no {key!r}: add it, or export the simulation again")
        return self.values[key]

    def wrong(self, key: str, wanted: str) -> DataError:
        """Error for a value that cannot be used."""
        return DataError(f"{self.where}: {key}={_short(self.values.get(key))} is not valid: write {wanted}")

    def text(self, key: str) -> str:
        """A text; line ends, other control characters and lone surrogates become blanks."""
        value = self[key]
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise self.wrong(key, f"a text of at most {MAX_TEXT:,} characters")
        return _UNSTORABLE.sub(" ", value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self[key]
        if not isinstance(value, list):
            raise self.wrong(key, "a list of texts")
        return tuple(Fields({key: each}, self.where).text(key) for each in value)

    def whole(self, key: str, lowest: int, highest: int) -> int:
        """A whole number within bounds."""
        value = self[key]
        if type(value) is not int or not lowest <= value <= highest:
            raise self.wrong(key, f"a whole number from {lowest:,} to {highest:,}")
        return value

    def number(self, key: str, lowest: float, highest: float) -> float:
        """A number within bounds."""
        value = self[key]
        if type(value) not in (int, float) or not lowest <= value <= highest:
            raise self.wrong(key, f"a number from {lowest:,} to {highest:,}")
        return float(value)

    def moment(self, key: str, form: str = MOMENT) -> datetime:
        """A time."""
        try:
            return datetime.strptime(self[key], form)
        except (TypeError, ValueError) as error:
            raise self.wrong(key, f"a time such as {datetime(2023, 2, 13, 0, 1).strftime(form)!r}") from error

    def tile(self, key: str) -> Tile:
        """Column and row of a tile."""
        value = self[key]
        if not isinstance(value, list) or len(value) != 2:
            raise self.wrong(key, "a column and a row such as [73, 14]")
        x, y = (Fields({key: each}, self.where).whole(key, 0, MAX_SIDE) for each in value)
        return x, y

    def part(self, key: str) -> "Fields":
        """An object within."""
        value = self[key]
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Fields(value, f"{self.where}, {key}")

    def lines(self, key: str) -> tuple[tuple[str, str], ...]:
        """Speaker and text of each line of a talk; null is no talk."""
        value = self[key]
        if value is None:
            return ()
        if not isinstance(value, list) or not all(_is_pair(line) for line in value):
            raise self.wrong(key, 'null, or lines such as ["Maria Lopez", "Hi"]')
        return tuple((str(speaker), Fields({key: text}, self.where).text(key)) for speaker, text in value)


def check_name(name: object, where: str) -> str:
    """A name of a persona, which is the name of its folder too.

    Raises
    ------
    DataError
        It is no text, or could be a path.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name != name.strip():
        raise DataError(
            f"{where}: {_short(name)} is no name of a persona: write up to 80 letters, digits, blanks and marks, a"
            " letter or digit first, without : / \\ or quotation marks"
        )
    return name


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def minute_of(text: str, default: int) -> int:
    """Minute of the day of the first time in a text."""
    found = _HOUR.search(text)
    if found is None:
        return default
    if found[1] in ("midnight", "noon"):
        return 0 if found[1] == "midnight" else 720
    hour, minute = int(found[2]), int(found[3] or 0)
    if hour > 12 or minute > 59:  # such as 17:30pm
        return (hour % 24) * 60 + minute % 60
    return (hour % 12 + (12 if found[4] == "pm" else 0)) * 60 + minute
