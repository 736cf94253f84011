"""Files of numbers that the scripted minds of worlds decide by.

Class of a file: a `Numbers`, with `load` calling `load_numbers`.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from recgpt.bounds import read_json
from recgpt.errors import DataError


class Numbers(BaseModel):
    """Frozen, finite numbers; a file with an unknown name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
