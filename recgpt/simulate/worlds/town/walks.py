"""Walks of residents, derived from the log: where each stood at any tick.

walks = Walks(paths, starts)
for rows in run.iter_steps():
walks.add(rows, seconds_per_tick=10)
walks.ended(n_ticks)
sum(walk.steps for walk in walks.of[0])                    # tiles that resident 0 walked
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import polars as pl

from recgpt.simulate.worlds.town.paths import Paths

_STOPPING = ("talked", "waited")
_CHANGING = ("acted", "moved", *_STOPPING)


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk, and the standing at its end.

    Attributes
    ----------
    start, end
        Tick at which the resident stands on the first tile, and first tick of the next walk.
    path
        Tiles, the first one included.
    """

    start: int
    end: int
    path: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Tiles walked before the next walk began."""
        return min(self.end - self.start, len(self.path) - 1)

    def ticks_on(self, tiles: AbstractSet[int], first: int, last: int) -> int:
        """Ticks from `first` to before `last` at whose start the resident stands on one of the tiles."""
        walked = range(max(first, self.start), min(last, self.end, self.start + len(self.path)))
        on_the_way = sum(self.path[tick - self.start] in tiles for tick in walked)
        arrived = max(first, self.start + len(self.path))
        return on_the_way + (max(min(last, self.end) - arrived, 0) if self.path[-1] in tiles else 0)


class Walks:
    """Walks of all residents, block by block.

    Parameters
    ----------
    starts
        Tile of each resident at tick 0.

    Attributes
    ----------
    of
        Walks of each resident, by time.
    """

    def __init__(self, paths: Paths, starts: Sequence[int]) -> None:
        self._paths = paths
        self._open: list[tuple[int, tuple[int, ...]]] = [(0, (tile,)) for tile in starts]
        self.of: list[list[Walk]] = [[] for _ in starts]

    def add(self, rows: pl.DataFrame, *, seconds_per_tick: int) -> None:
        """Follow the events of a block."""
        changing = rows.filter(pl.col("kind").is_in(_CHANGING)).sort("time", "agent", "seq")
        for time, agent, kind, other, slot in changing.select("time", "agent", "kind", "other", "slot").iter_rows():
            tick = time // seconds_per_tick
            if kind == "moved":
                self._put(agent, tick, slot)
            elif kind == "acted":
                here = self._tile(agent, tick)
                self._begin(agent, tick, self._paths.path(here, here if slot is None else slot))
            else:
                for one in (agent, other) if kind == "talked" else (agent,):
                    self._begin(one, tick, (self._tile(one, tick),))

    def ended(self, n_ticks: int) -> None:
        """Close the last walks at a tick; nothing may be added afterwards."""
        for agent in range(len(self.of)):
            self._begin(agent, n_ticks, (self._tile(agent, n_ticks),))

    def _tile(self, agent: int, tick: int) -> int:
        start, path = self._open[agent]
        return path[min(tick - start, len(path) - 1)]

    def _put(self, agent: int, tick: int, tile: int) -> None:
        """A resident put on a tile; on a neighbouring one, as in an imported run, it is a walk of one step."""
        here = self._tile(agent, tick)
        width = self._paths.town_map.width
        apart = abs(here % width - tile % width) + abs(here // width - tile // width)
        if apart == 1:
            self._begin(agent, tick, (here, tile))
        else:
            self._begin(agent, tick, (tile,))

    def _begin(self, agent: int, tick: int, path: tuple[int, ...]) -> None:
        start, before = self._open[agent]
        self.of[agent].append(Walk(start, tick, before))
        self._open[agent] = (tick, path)
