"""Conversion of events between polars and SQLite, in blocks.

SQLite knows neither NaN (it becomes null) nor -0.0 (it becomes 0.0), so rows are brought to that form before they are
hashed and stored.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import polars as pl

from recgpt.errors import StoreError
from recgpt.simulate.events import FORMAT_1_COLUMNS, SCHEMA

ROWS_PER_BLOCK = 1 << 15
_ROWS_PER_FETCH = 128  # freed before the garbage collector would look at them again and again
_INSERT = f"INSERT INTO events ({', '.join(SCHEMA)}) VALUES ({', '.join('?' * len(SCHEMA))})"  # noqa: S608
_SELECTED = {
    1: ", ".join(name if name in FORMAT_1_COLUMNS else f"NULL AS {name}" for name in SCHEMA),
    2: ", ".join(SCHEMA),
}


def storable(rows: pl.DataFrame, step: int) -> pl.DataFrame:
    """Normalise rows to the values that SQLite returns, after checking their form.

    Raises
    ------
    StoreError
        Other columns or types, another step, a time, agent, seq or kind that is missing, or an order that is not by
        agent and seq.
    """
    if dict(rows.schema) != dict(SCHEMA):
        raise StoreError(f"events have the columns {dict(SCHEMA)}, these rows have {dict(rows.schema)}")
    for name in ("step", "time", "agent", "seq", "kind"):
        if rows[name].null_count():
            raise StoreError(f"step {step}: {name!r} is missing in row {rows[name].is_null().arg_max()}")
    other = rows.filter(pl.col("step") != step)
    if len(other):
        raise StoreError(f"the next step is {step}, these rows have step {other['step'][0]}: append step by step")
    agent, seq = pl.col("agent"), pl.col("seq")
    early = (agent < agent.shift()) | ((agent == agent.shift()) & (seq <= seq.shift()))
    misplaced = rows.select(early.fill_null(False)).to_series()
    if misplaced.any():
        place = misplaced.arg_max()
        raise StoreError(f"step {step}: row {place} is out of order or double; rows go by agent, then by rising seq")
    value = pl.col("value").fill_nan(None)
    positive_zero = pl.when(value == 0).then(0.0).otherwise(value)  # polars leaves out an addition of 0.0
    return rows.select(SCHEMA.names()).with_columns(positive_zero.alias("value"))


def insert(connection: sqlite3.Connection, rows: pl.DataFrame) -> None:
    """Insert rows from `storable`, inside the caller's transaction."""
    for block in rows.iter_slices(ROWS_PER_BLOCK):
        connection.executemany(_INSERT, block.rows())


def select(
    connection: sqlite3.Connection,
    where: str,
    values: Sequence[int | str],
    *,
    file_format: int,
    newest: int | None = None,
) -> pl.DataFrame:
    """Rows for which the SQL condition holds, in order; columns missing in format 1 are null.

    Parameters
    ----------
    newest
        Number of rows at most, the last of the log first; by default all, the first of the log first.

    Raises
    ------
    StoreError
        A row holds a value of another type than its column's.
    """
    selected = _SELECTED[file_format]
    order = "step, agent, seq" if newest is None else "step DESC, agent DESC, seq DESC LIMIT ?"
    bound = values if newest is None else [*values, newest]
    cursor = connection.execute(f"SELECT {selected} FROM events WHERE {where} ORDER BY {order}", bound)  # noqa: S608
    blocks = [pl.DataFrame(schema=SCHEMA)]
    while (columns := _next_block(cursor))[0]:
        try:
            named = zip(SCHEMA.items(), columns, strict=True)
            blocks.append(pl.DataFrame([pl.Series(name, column, dtype=dtype) for (name, dtype), column in named]))
        except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
            raise StoreError(
                f"the log is damaged in or after step {columns[0][0]}: restore it from a copy ({error})"
            ) from error
    return pl.concat(blocks)


def _next_block(cursor: sqlite3.Cursor) -> list[list[Any]]:
    """Values of each column in up to `ROWS_PER_BLOCK` rows; empty after the last."""
    columns: list[list[Any]] = [[] for _ in SCHEMA]
    while len(columns[0]) < ROWS_PER_BLOCK and (rows := cursor.fetchmany(_ROWS_PER_FETCH)):
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)
    return columns
