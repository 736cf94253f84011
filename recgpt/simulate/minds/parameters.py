"""Files of numbers that the scripted minds of worlds decide by.

Class of a file: a `Numbers`, with `load` calling `load_numbers`.
"""

from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from recgpt.bounds import read_json
from recgpt.errors import DataError


class Numbers(BaseModel):
    """Frozen, finite numbers; a file with an unknown name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SourcedNumbers(Numbers):
    """Sections of numbers, each number with its source.

    Attributes
    ----------
    sources
        Source or reason of each number, by `section.name`.
    """

    sources: dict[str, str]

    @model_validator(mode="after")
    def _has_sources(self) -> Self:
        names = {f"{section}.{name}" for section, numbers in self._sections() for name, _ in numbers}
        if unsourced := sorted(names ^ set(self.sources)):
            raise ValueError(f"numbers and sources differ: {', '.join(unsourced)}")
        return self

    def _sections(self) -> list[tuple[str, Numbers]]:
        return [(name, section) for name, section in self if isinstance(section, Numbers)]

    def table(self, number: str, source: str) -> str:
        """Markdown table of all numbers with their sources.

        Parameters
        ----------
        number, source
            Heads of the columns.
        """
        rows = [
            f"| `{section}.{name}` | {value} | {self.sources[f'{section}.{name}']} |"
            for section, numbers in self._sections()
            for name, value in numbers
        ]
        return "\n".join([f"| {number} | value | {source} |", "|-|-|-|", *rows])


NumbersT = TypeVar("NumbersT", bound=Numbers)


def load_numbers(kind: type[NumbersT], path: Path, remedy: str) -> NumbersT:
    """Read a JSON file of numbers.

    Parameters
    ----------
    remedy
        What to do about a damaged file, for the error.

    Raises
    ------
    DataError
        The file is missing or damaged.
    """
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{path} is no parameters file: {place}: {first['msg']}; {remedy}") from error
