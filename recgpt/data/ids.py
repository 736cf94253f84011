"""Outside ids: kept as the source writes them, and mapped to dense ids 0..n-1 and back.

    users = IdMap(pl.Series("user_id", ["0439023483", "007", "7"]), "events.csv")
    users.to_dense(["7", "007"])              # [2, 1]
    users.to_outside([2, 1])                  # ["7", "007"]

Ids are whole numbers or text, and come out as they went in. Rules:

- Tables with types (Parquet, JSON lines, polars, pandas, Arrow) keep them: numbers up to 64 bits, or text. Categories
  and UUIDs are text. Fractional numbers, truth values and mixtures of text and numbers are refused.
- A CSV or TSV file has no types: its ids are text, unless every id of the column, in all files that share it, is a
  canonical whole number: no leading zero, sign +, blank or point; within 64 bits. `--ids text` forces text.

Dense ids, such as rows of a catalogue, are whole numbers: `dense_ids` refuses 0.5 and True, which numpy would round.
"""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any, Literal

import numpy as np
import polars as pl

from recgpt.data.schema import EXAMPLES, collect, is_text
from recgpt.errors import DataError

IdRule = Literal["auto", "text"]
"""`auto`: ids of files without types are numbers if all of them are canonical numbers. `text`: all ids are text."""
ID_RULES: tuple[IdRule, ...] = ("auto", "text")
NAMED_IN_ERRORS = 5
_CANONICAL = r"^(0|-?[1-9]\d{0,18})$"
_MAX_INT64 = 2**63 - 1
_MISSING_TYPES = ("NoneType", "NAType", "NaTType")


class IdMap:
    """Mapping of outside ids (whole numbers or text) to dense ids 0..n-1 and back.

    Parameters
    ----------
    ids
        (n,) outside ids; the dense id is the index in this series. Its name is used in messages.
    where
        File or table of the ids, for messages.

    Raises
    ------
    DataError
        An id is missing, occurs twice, or is neither a whole number nor text.
    """

    def __init__(self, ids: pl.Series, where: str) -> None:
        self.ids = outside_ids(ids, ids.name, where)
        self.where = where
        if self.ids.null_count():
            raise DataError(f"{where}: {ids.name!r} is missing in row {self.ids.is_null().arg_max()}")
        if self.ids.n_unique() != len(ids):
            twice = self.ids.filter(self.ids.is_duplicated()).unique(maintain_order=True)
            raise DataError(
                f"{where}: {ids.name!r} must be unique, but {some(twice)} occurs more than once: keep one row of each"
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_text(self) -> bool:
        """Whether the ids are text; otherwise they are whole numbers."""
        return self.ids.dtype == pl.String

    @cached_property
    def _is_dense(self) -> bool:
        return self.ids.dtype == pl.Int64 and np.array_equal(self.ids.to_numpy(), np.arange(len(self.ids)))

    def to_dense(self, values: "pl.Series | np.ndarray | Iterable[Any]") -> np.ndarray:
        """(m,) int32 dense ids of outside ids.

        Raises
        ------
        DataError
            Some ids are unknown, or of another type; the message names the first of them.
        """
        name = self.ids.name
        outside = outside_ids(values, name, "the ids to look up")
        if len(outside) and (outside.dtype == pl.String) != self.is_text:
            raise DataError(
                f"{name!r} is {outside.dtype} ({some(outside, EXAMPLES)}), the ids of {self.where} are "
                f"{self.ids.dtype} ({some(self.ids, EXAMPLES)}): give them as they are written there"
            )
        same = outside.cast(self.ids.dtype, strict=False)  # null beyond 64 bits, so unknown
        if self._is_dense:
            known = same.is_between(0, len(self) - 1).fill_null(False)
            dense = same
        else:
            table = pl.DataFrame({"id": self.ids, "dense": np.arange(len(self), dtype=np.int32)})
            dense = same.to_frame("id").join(table, on="id", how="left", maintain_order="left")["dense"]
            known = dense.is_not_null()
        if not known.all():
            unknown = outside.filter(~known).unique(maintain_order=True)
            raise DataError(
                f"{len(unknown):,} {name!r} values are not in {self.where}: {some(unknown)}."
                " Add them there or leave out their interactions"
            )
        return dense.cast(pl.Int32).to_numpy()

    def to_outside(self, dense: "np.ndarray | Iterable[int]") -> pl.Series:
        """(m,) outside ids of dense ids.

        Raises
        ------
        DataError
            A dense id is not between 0 and n - 1, such as the padding -1 of a ranking.
        """
        rows = dense_ids(dense, f"dense {self.ids.name!r}")
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            bad = rows[(rows < 0) | (rows >= len(self))][0]
            raise DataError(f"dense {self.ids.name!r} {bad} is not one of the {len(self):,} of {self.where}")
        return self.ids.gather(rows)


# --- dense ids ---


def dense_ids(values: "np.ndarray | Iterable[int]", what: str) -> np.ndarray:
    """(m,) int64 ids from an array or a sequence of whole numbers.

    Parameters
    ----------
    what
        What they are, for messages, such as "history 3".

    Raises
    ------
    DataError
        A value is no whole number (0.5, True, text), or the values are not in one row.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        values = values.tolist()
    if not isinstance(values, np.ndarray | Iterable):
        raise DataError(f"{what} is {values!r}: a row of whole numbers is needed")
    if isinstance(values, list | tuple) and not {int}.issuperset(map(type, values)):
        for value in values:  # numpy would take True for 1
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise _not_dense(what, value)
    array = np.asarray(values if hasattr(values, "__array__") or isinstance(values, Sequence) else list(values))
    if array.ndim != 1:
        raise DataError(f"{what} has the shape {array.shape}: one row of whole numbers is needed")
    check_whole(array, what)
    return array.astype(np.int64, copy=False)


def check_whole(array: np.ndarray, what: str) -> None:
    """Raise DataError for an array with values of another type than whole numbers of 64 bits."""
    if not array.size:
        return
    if array.dtype.kind not in "iu":
        raise _not_dense(what, array.flat[0])
    if array.dtype == np.uint64 and array.max() > _MAX_INT64:
        raise _not_dense(what, array.max())


def _not_dense(what: str, value: Any) -> DataError:
    value = value.item() if isinstance(value, np.generic) else value
    return DataError(f"{what} holds {value!r}: ids of the catalogue's rows are whole numbers, counted from 0")


# --- types of outside ids ---


def outside_ids(values: Any, name: str, where: str) -> pl.Series:
    """Ids of any source as Int64, UInt64 (if some need it) or String.

    Parameters
    ----------
    values
        Series of polars or pandas, numpy array, or any iterable of ids.
    name
        Name of the result, for messages.
    where
        File or table of the ids, for messages.

    Raises
    ------
    DataError
        Ids are neither whole numbers nor text, or some are the one and some the other; the message has examples.
    """
    series = values if isinstance(values, pl.Series) else _series(values, name)
    kind = series.dtype
    if is_text(kind):
        return series.cast(pl.String)
    if kind.is_integer():
        return _integers(series, where)
    if kind == pl.Null or not len(series):
        return series.cast(pl.Int64)
    if kind == pl.Object:
        return _from_objects(series.to_list(), name, where)
    raise DataError(f"{where}: {name!r} is {kind} ({some(series, EXAMPLES)}): {_remedy(kind)}")


def _integers(series: pl.Series, where: str) -> pl.Series:
    if series.dtype not in (pl.UInt64, pl.Int128, pl.UInt128):
        return series.cast(pl.Int64)
    for kind in (pl.Int64, pl.UInt64):
        cast = series.cast(kind, strict=False)
        if cast.null_count() == series.null_count():
            return cast
    raise _too_large(series.name, where)


def _too_large(name: str, where: str) -> DataError:
    return DataError(f"{where}: {name!r} has numbers of more than 64 bits: give them as text")


def _series(values: Any, name: str) -> pl.Series:
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return pl.Series(name, values)
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if type(values).__module__.split(".")[0] == "pandas":
        return _series(values.to_numpy(), name)
    return pl.Series(name, list(values), dtype=pl.Object)


def _from_objects(values: list[Any], name: str, where: str) -> pl.Series:
    """Ids from Python objects, all of them whole numbers, texts or UUIDs."""
    present = [value for value in values if not _is_missing(value)]
    if all(isinstance(value, Integral) and not isinstance(value, bool) for value in present):
        numbers = [None if _is_missing(value) else int(value) for value in values]
        for kind in (pl.Int64, pl.UInt64):
            with suppress(OverflowError, TypeError):  # beyond the range of the type
                return pl.Series(name, numbers, dtype=kind)
        raise _too_large(name, where)
    if all(isinstance(value, str) for value in present) or all(isinstance(value, uuid.UUID) for value in present):
        return pl.Series(name, [None if _is_missing(value) else str(value) for value in values], dtype=pl.String)
    kinds = {type(value).__name__: value for value in reversed(present)}
    if len(kinds) == 1:
        shown = f"is {next(iter(kinds))} ({', '.join(map(repr, present[:EXAMPLES]))})"
    else:
        examples = ", ".join(f"{value!r} is {kind}" for kind, value in list(kinds.items())[:EXAMPLES])
        shown = f"holds values of {len(kinds)} types ({examples})"
    raise DataError(
        f"{where}: {name!r} {shown}: ids are whole numbers or text, all alike; convert them, such as by .astype(str)"
    )


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in _MISSING_TYPES or (isinstance(value, float) and value != value)


def _remedy(kind: pl.DataType) -> str:
    if kind.is_float() or kind.is_decimal():
        return "ids are whole numbers or text, so cast it to one of them (a missing id makes a column fractional)"
    return "ids are whole numbers or text, so cast it to one of them"


# --- types of the ids of files ---


@dataclass(frozen=True)
class IdColumn:
    """A column of ids in a table.

    Attributes
    ----------
    table
        Table, maybe lazy.
    name
        Name of the column.
    where
        File, for messages.
    is_untyped
        Whether the file has no types (CSV, TSV), so that the table has text.
    """

    table: pl.LazyFrame
    name: str
    where: str
    is_untyped: bool

    @property
    def kind(self) -> pl.DataType:
        """Type of the column in the table."""
        return self.table.collect_schema()[self.name]

    def example(self, condition: pl.Expr | None = None) -> Any:
        """The first id, or the first that meets a condition; None if there is none."""
        ids = self.table.select(pl.col(self.name)).drop_nulls()
        ids = ids if condition is None else ids.filter(condition)
        found = collect(ids.head(1), self.where).to_series()
        return found[0] if len(found) else None

    def not_canonical(self) -> str | None:
        """The first id that is no canonical whole number; None if all are."""
        column = pl.col(self.name)
        canonical = column.str.contains(_CANONICAL) & column.cast(pl.Int64, strict=False).is_not_null()
        found = collect(self.table.select(column.filter(~canonical).first()), self.where).item()
        return None if found is None else str(found)


def id_expressions(columns: Sequence[IdColumn], rule: IdRule = "auto") -> list[pl.Expr]:
    """One expression for each column of the same ids, such as those of items in events and catalogue: all of one type.

    Parameters
    ----------
    rule
        `auto` or `text`, see `IdRule`.

    Raises
    ------
    DataError
        The ids are text in one table and numbers in another, or neither.
    """
    if rule not in ID_RULES:
        raise DataError(f"ids={rule!r} is unknown: use {' or '.join(ID_RULES)}")
    for column in columns:
        if not (is_text(column.kind) or column.kind.is_integer() or column.kind == pl.Null):
            example = column.example()
            raise DataError(f"{column.where}: {column.name!r} is {column.kind} ({example!r}): {_remedy(column.kind)}")
    if rule == "text" or _shared_text(columns):
        return [pl.col(column.name).cast(pl.String) for column in columns]
    return [
        pl.col(column.name).cast(pl.Int64) if column.is_untyped or column.kind == pl.Null else pl.col(column.name)
        for column in columns
    ]


def _shared_text(columns: Sequence[IdColumn]) -> bool:
    """Whether the ids are text in all columns; False if they are numbers in all of them."""
    typed = [column for column in columns if not column.is_untyped and column.kind != pl.Null]
    texts = [column for column in typed if is_text(column.kind)]
    numbers = [column for column in typed if not is_text(column.kind)]
    if texts and numbers:
        raise _differ(texts[0], texts[0].example(), numbers[0])
    for column in columns:
        if column.is_untyped and not texts:
            text = column.not_canonical()
            if text is not None and numbers:
                raise _differ(column, text, numbers[0])
            if text is not None:
                return True
    return bool(texts)


def _differ(text: IdColumn, example: Any, number: IdColumn) -> DataError:
    return DataError(
        f"{text.name!r} is text in {text.where} ({example!r}) and {number.name!r} a number in {number.where} "
        f"({number.example()!r}): write both alike, or import them as text (--ids text)"
    )


def some(ids: pl.Series, n: int = NAMED_IN_ERRORS) -> str:
    """The first few ids of a series, for a message."""
    shown = ", ".join(repr(i) for i in ids.head(n).to_list())
    return shown + (", ..." if len(ids) > n else "")
