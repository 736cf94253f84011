"""Item ids that two files write in different ways, made alike: `123.0` and `123`, numbers and texts.

pandas writes a column of numbers with gaps as fractions: 123.0. If all ids of one file are such numbers, and those of
the other are whole ones, they are the same. Numbers of a typed file and texts of another are compared as text.
"""

from collections.abc import Sequence

import polars as pl

from recgpt.data.ids import IdColumn, IdRule, id_expressions
from recgpt.data.schema import collect, is_text
from recgpt.progress import note

_WHOLE = r"^-?\d{1,18}(\.0+)?$"
_FRACTION = r"\.0+$"


def align_ids(columns: Sequence[IdColumn], rule: IdRule = "auto") -> list[pl.LazyFrame]:
    """The tables of columns of the same ids, such as those of items in events and catalogue, with ids of one type.

    What is changed is printed.

    Raises
    ------
    DataError
        Ids are neither whole numbers nor text.
    """
    columns = [_without_float_type(column) for column in columns]
    columns = _without_fractions(columns)
    if _are_mixed(columns) and rule == "auto":
        _say(columns, "are numbers in one file and text in the other: compared as text")
        rule = "text"
    ids = id_expressions(columns, rule)
    return [column.table.with_columns(each.alias(column.name)) for column, each in zip(columns, ids, strict=True)]


def _without_float_type(column: IdColumn) -> IdColumn:
    if not column.kind.is_float():
        return column
    value = pl.col(column.name)
    missing = value.is_null() | value.is_nan()
    whole = (value == value.floor()) & (value.abs() < 2**53)
    if not collect(column.table.select((missing | whole).all()), column.where).item():
        return column  # refused by `id_expressions`, with an example
    _say([column], "are fractional numbers without fractions (such as 123.0): read as 123")
    ids = pl.when(~missing).then(value).cast(pl.Int64).alias(column.name)
    return IdColumn(column.table.with_columns(ids), column.name, column.where, column.is_untyped)


def _without_fractions(columns: Sequence[IdColumn]) -> list[IdColumn]:
    """Ids as text without `.0`, if all of them are whole numbers and the files differ in it."""
    texts = [column for column in columns if is_text(column.kind)]
    if (
        len(columns) < 2
        or not texts
        or not any(_any(column, pl.col(column.name).str.ends_with(".0")) for column in texts)
    ):
        return list(columns)
    if any(_any(column, ~pl.col(column.name).str.contains(_WHOLE)) for column in texts):
        return list(columns)
    if len(texts) == len(columns) and not any(_any(c, ~pl.col(c.name).str.contains(_FRACTION)) for c in texts):
        return list(columns)  # alike in all files
    _say(texts, "are written with and without a fraction (123.0 and 123): read as 123")
    return [
        IdColumn(
            column.table.with_columns(pl.col(column.name).str.replace(_FRACTION, "")),
            column.name,
            column.where,
            column.is_untyped,
        )
        if is_text(column.kind)
        else column
        for column in columns
    ]


def _are_mixed(columns: Sequence[IdColumn]) -> bool:
    """Whether ids are typed numbers in one file and text, in part or as a type, in another."""
    numbers = [column for column in columns if column.kind.is_integer()]
    texts = [column for column in columns if is_text(column.kind)]
    return bool(numbers) and any(not column.is_untyped or column.not_canonical() is not None for column in texts)


def _any(column: IdColumn, condition: pl.Expr) -> bool:
    return bool(collect(column.table.select(condition.any()), column.where).item())


def _say(columns: Sequence[IdColumn], what: str) -> None:
    named = " and ".join(f"{column.name!r} of {column.where}" for column in columns)
    note(f"ids in {named} {what}")
