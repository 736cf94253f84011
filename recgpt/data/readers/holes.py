"""Faults of single rows in tables of users: found in one pass, refused with examples, or left out and counted.

rows = mark_faults(rows, [Fault("no user", pl.col("user_id").is_null(), pl.lit(None))])
found = find_faults(rows, "events.csv", "line")       # reason, count, three places with the value
raise refusal(found)                                  # one message with all reasons; the remedy is `--holes drop`
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from recgpt.data.readers.records import FAULT, FAULT_VALUE, LINE
from recgpt.data.schema import collect
from recgpt.errors import DataError

Holes = Literal["refuse", "drop"]
"""`refuse`: faulty rows are an error that lists them. `drop`: they are left out, and the manifest counts them."""
EXAMPLES = 3
MISSING_WORDS = ("NULL", "null", "NaN", "nan", "None", "<NA>", "#N/A", "\\N")
"""Values that programs write for a missing id, time or number."""
_SHOWN = 60


@dataclass(frozen=True)
class Fault:
    """A reason why a row cannot be used.

    Attributes
    ----------
    reason
        What the row has, to follow "3 with": `no user`, `a rating that is no number`.
    rows
        Expression that is true for such rows.
    value
        Expression of the wrong value, as text; None if there is none to show.
    """

    reason: str
    rows: pl.Expr
    value: pl.Expr | None = None


@dataclass(frozen=True)
class Found:
    """Rows of a file with the same fault: their number, and the first of them as `line 7 'x'`."""

    where: str
    reason: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.count:,} with {self.reason} ({', '.join(self.examples)})"


def cleaned(column: str) -> pl.Expr:
    """A column of text without blanks around its values; words for a missing value become null."""
    value = pl.col(column).str.strip_chars()
    return pl.when(~value.is_in(["", *MISSING_WORDS])).then(value).alias(column)


def mark_faults(rows: pl.LazyFrame, faults: Iterable[Fault]) -> pl.LazyFrame:
    """The rows with FAULT and FAULT_VALUE of the first fault that applies; faults that are marked already stay."""
    for fault in faults:
        new = pl.col(FAULT).is_null() & fault.rows.fill_null(False)
        value = pl.lit(None, pl.String) if fault.value is None else fault.value.cast(pl.String)
        rows = rows.with_columns(
            pl.when(new).then(pl.lit(fault.reason)).otherwise(pl.col(FAULT)).alias(FAULT),
            pl.when(new).then(value).otherwise(pl.col(FAULT_VALUE)).alias(FAULT_VALUE),
        )
    return rows


def present_faults(rows: pl.LazyFrame, faults: Sequence[Fault], where: str) -> list[Fault] | None:
    """The faults that some rows have; None if no row has any, marked ones included: one fast pass over clean rows."""
    counts = {str(number): fault.rows.fill_null(False).sum() for number, fault in enumerate(faults)}
    found = collect(rows.select(marked=pl.col(FAULT).count(), **counts), where).row(0)
    return [fault for fault, count in zip(faults, found[1:], strict=True) if count] if any(found) else None


def find_faults(rows: pl.LazyFrame, where: str, unit: str) -> list[Found]:
    """Faults of marked rows, by reason, in the order of their first rows.

    Parameters
    ----------
    where
        Name of the file, for messages.
    unit
        What LINE counts: `line` or `row`.
    """
    faulty = rows.select(LINE, FAULT, FAULT_VALUE).filter(pl.col(FAULT).is_not_null())
    first = [pl.col(LINE).head(EXAMPLES), pl.col(FAULT_VALUE).head(EXAMPLES)]
    table = collect(faulty.group_by(FAULT, maintain_order=True).agg(pl.len().alias("count"), *first), where)
    return [
        Found(where, reason, count, tuple(_example(where, unit, *each) for each in zip(lines, values, strict=True)))
        for reason, count, lines, values in table.select(FAULT, "count", LINE, FAULT_VALUE).iter_rows()
    ]


def _example(where: str, unit: str, line: int, value: str | None) -> str:
    place = f"{where}:{line}" if unit == "line" else f"{where} row {line}"
    if value is None:
        return place
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    return f"{place} {shown!r}"


def refusal(found: Sequence[Found], remedy: str) -> DataError:
    """One error with all reasons, their counts and examples.

    Parameters
    ----------
    remedy
        End of the message: what to do.
    """
    files = dict.fromkeys(each.where for each in found)
    count = sum(each.count for each in found)
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return DataError(f"{rows} of {' and '.join(files)} cannot be used: {'; '.join(map(str, found))}. {remedy}")


def reasons(found: Sequence[Found]) -> dict[str, int]:
    """Number of rows by reason, for the manifest."""
    return {f"with {each.reason}": each.count for each in found}
