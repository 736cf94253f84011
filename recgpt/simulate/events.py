"""Events of a run as rows: the form in which worlds, the store and the measures exchange them.

    KINDS = EventKinds(
        EventKind("shown", "an item on the page", item="the item", slot="its place on the page, from 0"),
        EventKind("chatted", "one line of a talk", other="the listener", place="where", text="the line"),
    )
    rows = KINDS.assemble(step=1, time=3600, pieces=[KINDS.piece("shown", agents, item=items, slot=slots)])

A row holds the `agent`, the `step`, the `time` in simulated seconds, the sequence number `seq` within the agent's step,
the `kind`, and, as the kind declares: the `other` agent, the `item`, the `place`, the `slot`, a `value`, a `text`. A
world declares its kinds in one table, which the store keeps with the run and checks every row against. The state of a
run is a function of its rows, so that a run can be stopped, resumed, forked and verified from them alone.

Shapes: R rows.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from recgpt.errors import SimulationError

SCHEMA = pl.Schema(
    {
        "step": pl.Int64,
        "time": pl.Int64,
        "agent": pl.Int64,
        "seq": pl.Int64,
        "kind": pl.String,
        "other": pl.Int64,
        "item": pl.Int64,
        "place": pl.Int64,
        "slot": pl.Int64,
        "value": pl.Float64,
        "text": pl.String,
    }
)
"""Columns of the events of a run, in format 2."""
FREE_COLUMNS = ("other", "item", "place", "slot", "value", "text")
"""Columns whose meaning the kind of an event declares."""
FORMAT_1_COLUMNS = ("step", "agent", "seq", "kind", "item", "slot", "value", "text")
"""Columns of the events of runs of format 1; their hash covers these columns only."""


class EventKind:
    """One kind of event.

    Parameters
    ----------
    name
        Value of the column `kind`.
    meaning
        Short description of the event.
    **columns
        Meaning of each of `FREE_COLUMNS` that a row of this kind may fill; all others stay null.

    Raises
    ------
    SimulationError
        A column that events do not have.
    """

    def __init__(self, name: str, meaning: str, **columns: str) -> None:
        for column in columns:
            if column not in FREE_COLUMNS:
                raise SimulationError(f"event kind {name!r}: no column {column!r}, use {', '.join(FREE_COLUMNS)}")
        self.name = name
        self.meaning = meaning
        self.columns = columns


class EventKinds:
    """The table of all kinds of event of one world: declared once, checked everywhere, printed in the docs."""

    def __init__(self, *kinds: EventKind) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __getitem__(self, name: str) -> EventKind:
        if name not in self._kinds:
            raise SimulationError(f"unknown kind of event {name!r}: choose among {', '.join(self)}")
        return self._kinds[name]

    def piece(
        self,
        kind: str,
        agent: np.ndarray,
        *,
        time: np.ndarray | None = None,
        other: np.ndarray | None = None,
        item: np.ndarray | None = None,
        place: np.ndarray | None = None,
        slot: np.ndarray | None = None,
        value: np.ndarray | None = None,
        text: Sequence[str | None] | None = None,
    ) -> pl.DataFrame:
        """Unsorted event rows of one kind, for `assemble`. Arrays (R,); omitted columns and NaN values are null.

        Parameters
        ----------
        time
            (R,) simulated seconds, if events of a step differ in them.

        Raises
        ------
        SimulationError
            The kind, or a column of it, is not declared.
        """
        free = {"other": other, "item": item, "place": place, "slot": slot, "value": value, "text": text}
        declared = self[kind].columns
        for name, column in free.items():
            if column is not None and name not in declared:
                raise SimulationError(f"event kind {kind!r} declares no column {name!r}: {_listed(declared)}")
        columns = {"agent": agent, "time": time, **free}
        frame = pl.DataFrame({name: column for name, column in columns.items() if column is not None})
        return frame.select(
            pl.col("agent").cast(pl.Int64),
            pl.lit(kind).alias("kind"),
            *(
                pl.lit(None, dtype=SCHEMA[name]).alias(name)
                if columns[name] is None
                else pl.col(name).cast(SCHEMA[name])
                for name in ("time", *FREE_COLUMNS)
            ),
        ).with_columns(pl.col("value").fill_nan(None))

    def assemble(self, step: int, pieces: Sequence[pl.DataFrame], *, time: int) -> pl.DataFrame:
        """Sorted rows of one step: by agent, then in the order of `pieces`, then in the order within a piece.

        Parameters
        ----------
        time
            Simulated seconds of rows whose piece has no `time`.
        """
        if not pieces:
            return pl.DataFrame(schema=SCHEMA)
        ordered = pl.concat(pieces).sort("agent", maintain_order=True)
        return ordered.select(
            pl.lit(step, dtype=pl.Int64).alias("step"),
            pl.col("time").fill_null(time),
            "agent",
            pl.int_range(pl.len()).over("agent").cast(pl.Int64).alias("seq"),
            "kind",
            *FREE_COLUMNS,
        )

    def check(self, rows: pl.DataFrame) -> None:
        """Check rows against the table.

        Raises
        ------
        SimulationError
            A kind that is not declared, or a value in a column that its kind does not declare.
        """
        filled = rows.group_by("kind", maintain_order=True).agg(pl.col(FREE_COLUMNS).is_not_null().any())
        for row in filled.iter_rows(named=True):
            declared = self[row["kind"]].columns
            for name in FREE_COLUMNS:
                if row[name] and name not in declared:
                    raise SimulationError(
                        f"event kind {row['kind']!r} declares no column {name!r}: {_listed(declared)}"
                    )

    def to_dict(self) -> dict[str, dict[str, str]]:
        """JSON values: by kind, its `meaning` and the meanings of its columns."""
        return {kind.name: {"meaning": kind.meaning, **kind.columns} for kind in self._kinds.values()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, str]]) -> "EventKinds":
        """Table of events from the values of `to_dict`."""
        return cls(*(EventKind(name, **columns) for name, columns in values.items()))

    def markdown(self) -> str:
        """The table in markdown, one row per kind, without columns that no kind fills."""
        used = [name for name in FREE_COLUMNS if any(name in kind.columns for kind in self._kinds.values())]
        lines = [f"| kind | meaning | {' | '.join(f'`{name}`' for name in used)} |", "|-" * (len(used) + 2) + "|"]
        for kind in self._kinds.values():
            cells = [kind.columns.get(name, "") for name in used]
            lines.append(f"| `{kind.name}` | {kind.meaning} | {' | '.join(cells)} |")
        return "\n".join(lines)


def _listed(columns: Mapping[str, str]) -> str:
    return f"it has {', '.join(columns)}" if columns else "it has none"


def chained_hash(before: str, rows: pl.DataFrame, columns: Sequence[str] = tuple(SCHEMA)) -> str:
    """Hex SHA-256 of a log after one more step: of the hash `before` it (empty for a new log) and of the step's `rows`.

    Covers only the values of the columns, so that it does not depend on how they are stored.

    Parameters
    ----------
    columns
        Hashed columns: those of format 2 (default), or `FORMAT_1_COLUMNS`.
    """
    digest = hashlib.sha256(before.encode())
    for name in columns:
        column = rows[name]
        digest.update(name.encode() + b"\0")
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
        if SCHEMA[name] == pl.String:
            texts = column.fill_null("")
            digest.update(texts.str.len_bytes().to_numpy().astype("<i8").tobytes())
            digest.update("".join(texts.to_list()).encode())
        else:
            values = column.fill_null(0).to_numpy()
            digest.update(values.astype("<f8" if SCHEMA[name] == pl.Float64 else "<i8").tobytes())
    return digest.hexdigest()


def by_kind(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Rows of each kind, in the order of the log."""
    return {str(kind): part for (kind,), part in rows.partition_by("kind", as_dict=True).items()}
