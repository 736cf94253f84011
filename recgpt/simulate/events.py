"""What happens in a run, as rows: the one form in which worlds, the store and the measures exchange it.

    page = assemble(step=1, pieces=[
        piece("shown", agents, item=items, slot=slots),
        piece("watched", agents[:2], item=items[:2], slot=slots[:2]),
    ])

A row says who (`agent`), when (`step`, and `seq` within the agent's step), what (`kind`), and as the kind has it: on
which `item`, at which `slot` of the page, with which `value`, in which words (`text`). The state of a run is a function
of its rows, so that a run can be stopped, resumed, forked and verified from them alone.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl

KINDS = {
    "shown": "item at slot of the page; value 1 where it is an advertisement",
    "aligned": "the item fits the agent's taste",
    "watched": "the agent watched the item",
    "rated": "value: stars",
    "felt": "a feeling about the item; value: -1 to 1",
    "retrieved": "memories were read; text: their ids and whatever else the mind used of them, as JSON",
    "satisfied": "value 1 or 0: whether the page pleased; text: why",
    "thought": "text: a conclusion drawn from memories",
    "turned": "to the next page",
    "exited": "value: number of pages seen; text: why, where it was not the agent's choice",
    "failed": "the mind gave no decision; text: why",
    "interviewed": "value: satisfaction from 1 to 10; text: why",
}
"""Kinds of event, and what their columns hold."""

SCHEMA = pl.Schema(
    {
        "step": pl.Int64,
        "agent": pl.Int64,
        "seq": pl.Int64,
        "kind": pl.String,
        "item": pl.Int64,
        "slot": pl.Int64,
        "value": pl.Float64,
        "text": pl.String,
    }
)


def piece(
    kind: str,
    agent: np.ndarray,
    *,
    item: np.ndarray | None = None,
    slot: np.ndarray | None = None,
    value: np.ndarray | None = None,
    text: Sequence[str | None] | None = None,
) -> pl.DataFrame:
    """Rows of one kind, not yet in their place. Arrays (R,); what is left out is null, as are NaN values."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of event {kind!r}: one of {', '.join(KINDS)}")
    columns = {"agent": agent, "item": item, "slot": slot, "value": value, "text": text}
    frame = pl.DataFrame({name: column for name, column in columns.items() if column is not None})
    return frame.select(
        pl.col("agent").cast(pl.Int64),
        pl.lit(kind).alias("kind"),
        *(
            pl.lit(None, dtype=SCHEMA[name]).alias(name) if columns[name] is None else pl.col(name).cast(SCHEMA[name])
            for name in ("item", "slot", "value", "text")
        ),
    ).with_columns(pl.col("value").fill_nan(None))


def assemble(step: int, pieces: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of one step in their order: by agent, then in the order of `pieces`, then as they came."""
    if not pieces:
        return pl.DataFrame(schema=SCHEMA)
    ordered = pl.concat(pieces).sort("agent", maintain_order=True)
    return ordered.select(
        pl.lit(step, dtype=pl.Int64).alias("step"),
        "agent",
        pl.int_range(pl.len()).over("agent").cast(pl.Int64).alias("seq"),
        "kind",
        "item",
        "slot",
        "value",
        "text",
    )


def chained_hash(before: str, rows: pl.DataFrame) -> str:
    """Hex SHA-256 of a log that had the hash `before` (empty: a new one) and goes on with `rows`, one step's.

    Of the values of the columns alone, so that it does not depend on how they are stored.
    """
    digest = hashlib.sha256(before.encode())
    for name, dtype in SCHEMA.items():
        column = rows[name]
        digest.update(name.encode() + b"\0")
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
        if dtype == pl.String:
            texts = column.fill_null("")
            digest.update(texts.str.len_bytes().to_numpy().astype("<i8").tobytes())
            digest.update("".join(texts.to_list()).encode())
        else:
            values = column.fill_null(0).to_numpy()
            digest.update(values.astype("<f8" if dtype == pl.Float64 else "<i8").tobytes())
    return digest.hexdigest()
