"""A day of the published run of three residents, as ranges that a day of ours is held to.

    figures = DayFigures(n_residents, start_time)
    for rows in run.iter_steps():
        figures.add(rows)
    held_to_ranges(figures.table(walks, n_seconds))

Counts are of the published files of days 1 and 2 of that run, for each resident and day. Published events include
events of idle objects, 478 to 762 in all: ours are not remembered, so that the others alone are compared.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.worlds.town.walks import Walk

RANGES = {
    "events": (185, 247),
    "actions": (70, 101),
    "talks": (4, 6),
    "lines": (50, 69),
    "reflections": (6, 9),
    "steps": (1224, 1720),
}
"""Least and most of a resident's day: things perceived that are not idle, activities, talks, lines of them by both
sides, reflections, tiles walked."""
_DIGITS = 4
_SECONDS_PER_DAY = 86_400


class DayFigures:
    """Counts of each resident and day, block by block.

    Parameters
    ----------
    start_time
        Simulated time of the first tick; days begin at midnight.
    """

    def __init__(self, n_residents: int, start_time: datetime) -> None:
        self.n_residents = n_residents
        self._begun = (start_time - datetime.combine(start_time.date(), time())).total_seconds()
        self._counts: dict[str, Counter[tuple[int, int]]] = {name: Counter() for name in RANGES}

    def day(self, seconds: float) -> int:
        """Day of a second of the run, from 0."""
        return int((seconds + self._begun) // _SECONDS_PER_DAY)

    def add(self, rows: pl.DataFrame) -> None:
        """Count the events of a block."""
        for second, agent, kind, other in rows.select("time", "agent", "kind", "other").iter_rows():
            day = self.day(second)
            if kind == "perceived":
                self._counts["events"][agent, day] += 1
            elif kind == "acted":
                self._counts["actions"][agent, day] += 1
            elif kind in ("talked", "said"):
                name = "talks" if kind == "talked" else "lines"
                for one in (agent, other):
                    self._counts[name][one, day] += 1
            elif kind == "reflected":
                self._counts["reflections"][agent, day] += 1

    def whole_days(self, n_seconds: int) -> range:
        """Days with every second within the first `n_seconds` of the run."""
        return range(0 if self._begun == 0 else 1, self.day(n_seconds))

    def table(self, walks: Sequence[Sequence[Walk]], n_seconds: int, seconds_per_tick: int) -> list[dict[str, int]]:
        """Counts by name of each resident and whole day, with `resident` and `day`."""
        for agent, of_agent in enumerate(walks):
            for walk in of_agent:
                self._walked(agent, walk, seconds_per_tick)
        return [
            {"resident": agent, "day": day, **{name: counts[agent, day] for name, counts in self._counts.items()}}
            for day in self.whole_days(n_seconds)
            for agent in range(self.n_residents)
        ]

    def _walked(self, agent: int, walk: Walk, seconds_per_tick: int) -> None:
        for step in range(walk.steps):
            self._counts["steps"][agent, self.day((walk.start + step) * seconds_per_tick)] += 1


def held_to_ranges(days: Sequence[dict[str, int]]) -> dict[str, Any]:
    """Means of the figures of days, held to `RANGES`, JSON values.

    Returns
    -------
    dict
        `days` : number of days of a resident. `figures` : for each of `RANGES` its `low` and `high`, the `mean`,
        `least` and `most` of the days, the share `within` the range, and `hit`: whether the mean lies in it. `missed` :
        names of the others. Without whole days `figures` and `missed` are empty.
    """
    figures = {name: _held([day[name] for day in days], low, high) for name, (low, high) in RANGES.items() if days}
    return {
        "days": len(days),
        "figures": figures,
        "missed": [name for name, figure in figures.items() if not figure["hit"]],
    }


def _held(values: Sequence[int], low: int, high: int) -> dict[str, Any]:
    counts = np.array(values)
    mean = float(counts.mean())
    return {
        "low": low,
        "high": high,
        "mean": round(mean, _DIGITS),
        "least": int(counts.min()),
        "most": int(counts.max()),
        "within": round(float(((counts >= low) & (counts <= high)).mean()), _DIGITS),
        "hit": low <= mean <= high,
    }
