"""Log of a society in sentences: lines of a step, and search over all steps.

book = LogBook(reader)
book.of_step(rows)                         # some lines of the step added last, and the number of all
book.latest(step=9, agent=7, kind="said", text="heat", limit=50)
"""

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import polars as pl

from recgpt.simulate.watch import LogLine
from recgpt.simulate.watching import FRAME_LINES
from recgpt.simulate.worlds.society.messages import WATCHING, lines
from recgpt.simulate.worlds.society.reader import Reader

ROWS_IN_MEMORY = 500_000
"""Events of the latest steps that a search does not read from disk."""
QUIET = ("opined", "read", "retrieved", "told")
"""Kinds of events with lines only where their kind or an agent is chosen."""
_GOLDEN = 0.6180339887498949


class LogBook:
    """Lines of a run.

    Parameters
    ----------
    reader
        Reader of the run, to which each step is added before its lines are wanted.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._rows: OrderedDict[int, pl.DataFrame] = OrderedDict()
        self._n_rows = 0

    def of_step(self, rows: pl.DataFrame) -> tuple[list[LogLine], int]:
        """Lines of the step added last, and their number.

        Above `FRAME_LINES` lines, they are those of the schedule and all lines of some agents, evenly chosen.
        """
        self._keep(rows)
        there = self._of_step(self._reader.n_steps, None)
        pages = there.filter(pl.col("kind") == "shown")
        n_lines = len(there) - len(pages) + pages.select("agent", "value").n_unique()
        return _as_json(self._lines(_chosen(there, FRAME_LINES)).head(FRAME_LINES)), n_lines

    def _keep(self, rows: pl.DataFrame) -> None:
        """Keep the rows of the latest step, and drop the oldest where there are many."""
        self._rows[self._reader.n_steps] = rows
        self._n_rows += len(rows)
        while self._n_rows > ROWS_IN_MEMORY and len(self._rows) > 1:
            self._n_rows -= len(self._rows.popitem(last=False)[1])

    def latest(
        self,
        step: int,
        *,
        agent: int | None = None,
        kind: str | None = None,
        text: str = "",
        limit: int = 200,
        since: int = 1,
    ) -> list[LogLine]:
        """Latest lines up to a step that match, the newest first; the text may be anywhere in name and line.

        Parameters
        ----------
        since
            First step that is searched.
        """
        found: list[LogLine] = []
        for rows in self._parts(range(since, step + 1), agent, kind):
            matching = self._lines(rows)
            if text.strip():
                whole = pl.concat_str("name", pl.lit(" "), "text").str.to_lowercase()
                matching = matching.filter(whole.str.contains(text.strip().lower(), literal=True))
            found += _as_json(matching.tail(limit - len(found)).reverse())
            if len(found) >= limit:
                break
        return found

    def _parts(self, steps: range, agent: int | None, kind: str | None) -> Iterator[pl.DataFrame]:
        """Rows of all steps of an agent; or of all agents step by step, the newest first."""
        if agent is None:
            yield from (self._of_step(number, kind) for number in reversed(steps))
            return
        still = [self._reader.watching(each).filter(pl.col("agent") == agent) for each in steps]
        events = self._reader.run.events_of(agent, steps)
        rows = pl.concat([*still, events]).sort("step", "seq", maintain_order=True)
        yield rows if kind is None else rows.filter(pl.col("kind") == kind)

    def _of_step(self, step: int, kind: str | None) -> pl.DataFrame:
        still, kept = self._reader.watching(step), self._rows.get(step)
        if kept is None:
            kept = still.clear() if kind == WATCHING else self._reader.run.events(step, kind=kind)
        rows = pl.concat([still, kept]).sort("agent", "seq", maintain_order=True) if len(still) else kept
        return rows.filter(~pl.col("kind").is_in(QUIET) if kind is None else pl.col("kind") == kind)

    def _lines(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Lines with the names that agents had at the time; the schedule has none."""
        ends = [step for step, _ in self._reader.names[1:]] + [self._reader.n_steps + 1]
        parts = []
        for (first, names), end in zip(self._reader.names, ends, strict=True):
            found = lines(rows.filter(pl.col("step").is_between(first, end - 1)), names, self._reader.titles)
            agents = found["agent"]
            parts.append(found.with_columns(name=names.gather(agents.set(agents < 0, None)).fill_null("")))
        return pl.concat(parts)


def _as_json(found: pl.DataFrame) -> list[LogLine]:
    columns = found.select("step", "agent", "seq", "name", "kind", "text").iter_rows()
    return [
        LogLine(step=step, agent=agent, seq=seq, name=name, kind=kind, text=text)
        for step, agent, seq, name, kind, text in columns
    ]


def _chosen(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Rows of the schedule and of evenly chosen agents, about `most` of them."""
    if len(rows) <= most:
        return rows
    agents, counts = np.unique(rows["agent"].to_numpy(), return_counts=True)
    order = np.argsort(np.arange(len(agents)) * _GOLDEN % 1, kind="stable")  # spread evenly, however many fit
    order = np.concatenate([np.flatnonzero(agents < 0), order[agents[order] >= 0]])
    n_kept = max(1, int(np.searchsorted(np.cumsum(counts[order]), most, side="right")))
    return rows.filter(pl.col("agent").is_in(agents[order[:n_kept]].tolist()))
