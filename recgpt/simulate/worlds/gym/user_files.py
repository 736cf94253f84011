"""Files of users: the published columns, read and written.

    write_users(people, tastes, "people.csv")         # and people_levels.csv with the traits
    users = read_users("people.csv")

Columns: name, gender (M or F), description, age, job, hobby, and where tastes are stated `genres_liked`,
`genres_disliked` (or `categories_...`) with lists of texts such as `['action', 'comedy']`; `persona` is optional.
Nothing in a file is evaluated. A file of traits has the columns `activity_level`, `conformity_level`,
`diversity_level`, row by row.

Shapes: U users.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from recgpt.errors import DataError
from recgpt.files import write_text
from recgpt.simulate.worlds.gym.domains.texts import names_in
from recgpt.simulate.worlds.gym.people import COLUMNS, Person, Tastes, drawn_traits, users_of
from recgpt.simulate.worlds.gym.users import TRAITS, Users

LEVELS = tuple(f"{trait}_level" for trait in TRAITS)
MAX_AGE = 200
_GENDERS = ("M", "F")


def read_users(path: str | Path, levels: str | Path | None = None) -> Users:
    """Users of a CSV file with the published columns.

    Parameters
    ----------
    levels
        CSV file with the traits; by default `<name>_levels.csv` beside the file. Without it, traits are drawn from
        their published shares, with the seed 0.

    Raises
    ------
    DataError
        A file or a column is missing, or a row holds a value that it cannot have.
    """
    path = Path(path)
    rows = _table(path, COLUMNS)
    if not len(rows):
        raise DataError(f"{path} holds no users: one row for each is needed")
    beside = levels_path(path)
    if levels is None and beside.is_file():
        levels = beside
    traits = drawn_traits(len(rows), 0) if levels is None else _levels(Path(levels), len(rows), path)
    liked, disliked = (_tag_column(rows, ending) for ending in ("liked", "disliked"))
    people = []
    for number, row in enumerate(rows.iter_rows(named=True)):
        where = f"{path}, row {number + 1}"
        people.append(
            Person(
                name=_filled(row["name"], "name", where),
                gender=_gender(row["gender"], where),
                age=_number(row["age"], "age", where, 0, MAX_AGE),
                job=row["job"] or "",
                hobby=row["hobby"] or "",
                liked=names_in(row[liked]) if liked else (),
                disliked=names_in(row[disliked]) if disliked else (),
                description=row["description"] or "",
                persona=row.get("persona") or "",
                activity=int(traits["activity"][number]),
                conformity=int(traits["conformity"][number]),
                diversity=int(traits["diversity"][number]),
            )
        )
    return users_of(people, f"{path.name}, traits {'drawn' if levels is None else f'from {Path(levels).name}'}")


def write_users(people: Sequence[Person], tastes: Tastes, path: str | Path) -> None:
    """Write people to a CSV file with the published columns, and their traits to `<name>_levels.csv` beside it.

    Raises
    ------
    StorageError
        A file cannot be written.
    """
    path = Path(path)
    write_text(path, _csv(tastes.columns, [_row(person, tastes, number) for number, person in enumerate(people)]))
    levels = [
        {"user": number, **{f"{trait}_level": getattr(person, trait) for trait in TRAITS}}
        for number, person in enumerate(people)
    ]
    write_text(levels_path(path), _csv(("user", *LEVELS), levels))


def first_column(path: Path) -> list[str]:
    """Texts of the first column of a CSV file with a header, without empty ones.

    Raises
    ------
    DataError
        The file is missing, no CSV file, or without entries.
    """
    found = [text.strip() for text in _table(path, ()).to_series(0) if text and text.strip()]
    if not found:
        raise DataError(f"{path} has no entries: one a line below a header is needed")
    return found


def levels_path(path: Path) -> Path:
    """File of the traits beside a file of users."""
    return path.with_name(f"{path.stem}_levels.csv")


def _row(person: Person, tastes: Tastes, number: int) -> dict[str, object]:
    lists = {f"{tastes.prefix}_liked": list(person.liked), f"{tastes.prefix}_disliked": list(person.disliked)}
    return {"": number, **vars(person), **lists}


def _csv(columns: Sequence[str], rows: Sequence[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _table(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """All columns of a CSV file as texts."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: name a CSV file{_with(columns)}")
    try:
        table = pl.read_csv(path.read_bytes(), infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{path} is no CSV file ({first}): make one{_with(columns)}") from error
    for column in columns:
        if column not in table.columns:
            raise DataError(f"{path} has no column {column!r}: it needs {', '.join(columns)}")
    return table


def _with(columns: Sequence[str]) -> str:
    return f" with the columns {', '.join(columns)}" if columns else " with a header"


def _levels(path: Path, n: int, of: Path) -> dict[str, np.ndarray]:
    table = _table(path, LEVELS)
    if len(table) != n:
        raise DataError(f"{path} has {len(table)} rows and {of.name} {n}: traits are given row by row")
    return {
        trait: np.array(
            [_number(each, column, f"{path}, row {row + 1}", 1, 3) for row, each in enumerate(table[column])], np.int8
        )
        for trait, column in zip(TRAITS, LEVELS, strict=True)
    }


def _tag_column(table: pl.DataFrame, ending: str) -> str | None:
    return next((column for column in table.columns if column.endswith(f"s_{ending}")), None)


def _filled(text: str | None, column: str, where: str) -> str:
    if not text or not text.strip():
        raise DataError(f"{where}: {column} is empty")
    return text.strip()


def _gender(text: str | None, where: str) -> str:
    if text not in _GENDERS:
        raise DataError(f"{where}: gender is {text!r}: choose among {', '.join(_GENDERS)}")
    return text


def _number(text: str | None, column: str, where: str, lowest: int, highest: int) -> int:
    try:
        number = int(text or "")
    except ValueError:
        number = lowest - 1
    if not lowest <= number <= highest:
        raise DataError(f"{where}: {column} is {text!r}: a whole number from {lowest} to {highest} is needed")
    return number
