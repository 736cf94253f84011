"""Items that agents were shown, watched and heard of.

    viewing.histories(agents)                     # for the recommender
    viewing.shown_before(agents, items_Rk)

Shapes: A agents, B places of a buffer, W items watched in the run, R rows, k items.
"""

import numpy as np
import polars as pl

from recgpt.data.ragged import Ragged, joined, offsets_from_lengths
from recgpt.simulate.worlds.society.hearing import Hearings
from recgpt.simulate.worlds.society.parts import ArrayPart
from recgpt.simulate.worlds.society.ties import are_among, distinct

BUFFER = 10
"""Items that an agent keeps in mind as watched, and as heard of."""


class Viewing(ArrayPart):
    """Items shown, watched and heard of after the events so far.

    Attributes
    ----------
    watched_AB, heard_AB
        (A, B) int32 last items watched, and heard of, the newest last; -1 before the first.
    heard_from_AB, heard_source_AB
        (A, B) int32 and int8 from whom (-1: the schedule) and `Source`, for each item of `heard_AB`.
    n_shown_A
        (A,) int64 different items shown.
    """

    PREFIX = "viewing"
    ARRAYS = (
        "watched_AB",
        "heard_AB",
        "heard_from_AB",
        "heard_source_AB",
        "n_shown_A",
        "_shown_keys",
        "_watched_agent_W",
        "_watched_item_W",
    )

    def __init__(self, known: Ragged, n_items: int) -> None:
        n_agents = len(known)
        self._known = known
        self._n_items = n_items
        self.watched_AB, self.heard_AB, self.heard_from_AB = np.full((3, n_agents, BUFFER), -1, dtype=np.int32)
        self.heard_source_AB = np.full((n_agents, BUFFER), -1, dtype=np.int8)
        self.n_shown_A = np.zeros(n_agents, dtype=np.int64)
        self._shown_keys, self._watched_agent_W, self._watched_item_W = np.empty((3, 0), dtype=np.int64)

    @property
    def n_watched_A(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(A,) int64 items watched in the run."""
        return np.bincount(self._watched_agent_W, minlength=len(self.n_shown_A))

    def watched(self, agents: np.ndarray) -> Ragged:
        """Items that each of these agents watched in the run, oldest first."""
        return Ragged(self._watched_item_W, offsets_from_lengths(self.n_watched_A))[agents]

    def histories(self, agents: np.ndarray) -> Ragged:
        """Items that each of these agents took, before the run and in it, oldest first."""
        return joined(self._known[agents], self.watched(agents))

    def shown_before(self, agents: np.ndarray, items_Rk: np.ndarray) -> np.ndarray:
        """(R, k) bool, whether each agent was shown the items of its row."""
        return are_among(np.asarray(agents, dtype=np.int64)[:, None] * self._n_items + items_Rk, self._shown_keys)

    def apply(self, of_kind: dict[str, pl.DataFrame], heard: Hearings) -> None:
        """Update with the events of a step and the hearings that follow from them."""
        if "shown" in of_kind:
            shown = of_kind["shown"]
            keys = distinct(shown["agent"].to_numpy() * self._n_items + shown["item"].to_numpy())
            new = keys[~are_among(keys, self._shown_keys)]
            self._shown_keys = np.insert(self._shown_keys, np.searchsorted(self._shown_keys, new), new)
            self.n_shown_A += np.bincount(new // self._n_items, minlength=len(self.n_shown_A))
        if "watched" in of_kind:
            agents, items = (of_kind["watched"][name].to_numpy() for name in ("agent", "item"))
            push(agents, (self.watched_AB, items))
            both = np.concatenate([self._watched_agent_W, agents])
            order = np.argsort(both, kind="stable")
            self._watched_agent_W = both[order]
            self._watched_item_W = np.concatenate([self._watched_item_W, items])[order]
        named = np.flatnonzero(heard.item_H >= 0)
        if len(named):
            push(
                heard.agent_H[named],
                (self.heard_AB, heard.item_H[named]),
                (self.heard_from_AB, heard.other_H[named]),
                (self.heard_source_AB, heard.source_H[named]),
            )


def push(agents: np.ndarray, *columns: tuple[np.ndarray, np.ndarray]) -> None:
    """Append values to the buffers of agents, which drop their oldest ones.

    Parameters
    ----------
    agents
        (R,) in the order of the log; any agent any number of times.
    columns
        Pairs of a buffer (A, B), the newest value last, and (R,) new values.
    """
    order = np.argsort(agents, kind="stable")
    sorted_R = agents[order]
    first = np.flatnonzero(np.diff(sorted_R, prepend=-1))
    there, count = sorted_R[first], np.diff(first, append=len(sorted_R))
    from_end_R = np.repeat(first + count, count) - 1 - np.arange(len(sorted_R))
    for buffer_AB, values_R in columns:
        size = buffer_AB.shape[1]
        shift = np.arange(size) + count[:, None]
        rows = buffer_AB[there]
        buffer_AB[there] = np.take_along_axis(rows, np.minimum(shift, size - 1), axis=1)
        kept = from_end_R < size
        buffer_AB[sorted_R[kept], size - 1 - from_end_R[kept]] = values_R[order][kept]
