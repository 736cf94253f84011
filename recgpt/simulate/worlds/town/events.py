"""Events of a block in memory, before they become rows of the log, and back.

rows = to_rows(events, step=49, seconds_per_tick=10)
for event in from_rows(rows, seconds_per_tick=10):
    state.apply_event(event)
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from recgpt.simulate.events import FREE_COLUMNS, SCHEMA


class Event(NamedTuple):
    """One event; its columns are as `kinds.KINDS` declares them."""

    tick: int
    agent: int
    kind: str
    other: int | None = None
    item: int | None = None
    place: int | None = None
    slot: int | None = None
    value: float | None = None
    text: str | None = None


def to_rows(events: Sequence[Event], *, step: int, seconds_per_tick: int) -> pl.DataFrame:
    """Rows of a block, by resident and then in the given order.

    Parameters
    ----------
    events
        In any order of residents; those of one resident in the order of their ticks.
    step
        Number of the block.
    """
    if not events:
        return pl.DataFrame(schema=SCHEMA)
    columns = dict(zip(Event._fields, zip(*events, strict=True), strict=True))
    names = ("agent", "kind", *FREE_COLUMNS)
    frame = pl.DataFrame(
        {"time": [tick * seconds_per_tick for tick in columns["tick"]], **{name: columns[name] for name in names}},
        schema={"time": pl.Int64, **{name: SCHEMA[name] for name in names}},
    ).sort("agent", maintain_order=True)
    return frame.select(
        pl.lit(step, dtype=pl.Int64).alias("step"),
        "time",
        "agent",
        pl.int_range(pl.len()).over("agent").cast(pl.Int64).alias("seq"),
        "kind",
        *FREE_COLUMNS,
    )


def from_rows(rows: pl.DataFrame, *, seconds_per_tick: int) -> Iterator[Event]:
    """Events of rows, by tick, then resident, then in their order: the order in which they change the state."""
    ordered = rows.sort("time", "agent", "seq").select("time", "agent", "kind", *FREE_COLUMNS)
    for time, *rest in ordered.iter_rows():
        yield Event(time // seconds_per_tick, *rest)
