"""Popularity: recommend what most people took. The control that shows how much of a score is fashion.

`popularity` counts everything, `popularity_recent` what happened lately: fashions pass.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.ranking import Exclude, Ranking, Request
from recgpt.recommenders.base import Knows, check_events
from recgpt.recommenders.store import read_state, write_state

_ROWS = 4096
_RECENT = 0.1  # of the interactions


class Popularity:
    """Items by their number of interactions in what it was fitted on; items nobody took come last, by id."""

    name = "popularity"
    knows: Knows = "context"

    def fit(self, dataset: Dataset) -> Self:
        """Count the interactions of each item."""
        self._set_counts(np.bincount(dataset.interactions.item, minlength=dataset.n_items))
        return self

    def observe(self, events: Interactions) -> None:
        """Add `events` to the counts."""
        check_events(events, len(self._count_N))
        self._set_counts(self._count_N + np.bincount(events.item, minlength=len(self._count_N)))

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by count. See `Recommender.rank`."""
        request = Request.checked(histories, k, exclude, candidates, n_items=len(self._count_N))
        order = self._order_N if request.allowed_N is None else self._order_N[request.allowed_N[self._order_N]]
        ranking = request.unranked()
        if exclude == "nothing":
            best = order[:k]
            ranking.ids[:, : len(best)] = best
            ranking.scores[:, : len(best)] = self._count_N[best]
            return ranking

        place_N = np.full(len(self._count_N), len(order))
        place_N[order] = np.arange(len(order))
        for start in range(0, len(request.histories), _ROWS):
            chunk = request.histories[start : start + _ROWS]
            # The best k that a history of n items leaves are among the best k + n: L places are enough.
            n_places = min(len(order), k + int(chunk.lengths.max()))
            row, place = np.repeat(np.arange(len(chunk)), chunk.lengths), place_N[chunk.values]
            near = place < n_places
            free_BL = np.ones((len(chunk), n_places), dtype=bool)
            free_BL[row[near], place[near]] = False
            nth_BL = free_BL.cumsum(axis=1) - 1
            row, place = np.nonzero(free_BL & (nth_BL < k))
            column, best = nth_BL[row, place], order[place]
            ranking.ids[start + row, column] = best
            ranking.scores[start + row, column] = self._count_N[best]
        return ranking

    def save(self, path: str | Path) -> None:
        """Write the counts. See `StoredRecommender.save`."""
        write_state(path, self.name, {"count_N": self._count_N}, {})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        arrays, _ = read_state(path, cls.name)
        recommender = cls()
        recommender._set_counts(arrays["count_N"])
        return recommender

    def _set_counts(self, count_N: np.ndarray) -> None:
        self._count_N = count_N
        self._order_N = np.argsort(-count_N, kind="stable")  # ties by id


class PopularityRecent(Popularity):
    """Items by their number of interactions among the latest tenth of all, by time; otherwise as `Popularity`.

    Items with equal numbers, such as those nobody took lately, are in the order of all their interactions.
    """

    name = "popularity_recent"

    def fit(self, dataset: Dataset) -> Self:
        """Count the interactions of each item.

        Raises
        ------
        DataError
            No interaction has a time.
        """
        timestamp = dataset.interactions.timestamp
        if timestamp is None or not (timestamp >= 0).any():
            raise DataError(f"popularity_recent needs times, and {dataset.name} has none: use popularity")
        known = timestamp >= 0
        self._item_R, self._time_R = dataset.interactions.item[known], timestamp[known]
        self._set_recent_counts(dataset.n_items)
        return self

    def observe(self, events: Interactions) -> None:
        """Add `events`, which moves the window on; an event without a time happens at the latest time known."""
        check_events(events, len(self._count_N))
        time = np.full(len(events), -1) if events.timestamp is None else events.timestamp
        latest = max(self._time_R.max(), time.max(initial=-1))
        self._item_R = np.concatenate([self._item_R, events.item])
        self._time_R = np.concatenate([self._time_R, np.where(time < 0, latest, time)])
        self._set_recent_counts(len(self._count_N))

    def save(self, path: str | Path) -> None:
        """Write the events and their times. See `StoredRecommender.save`."""
        arrays = {"item_R": self._item_R, "time_R": self._time_R}
        write_state(path, self.name, arrays, {"n_items": len(self._count_N)})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        arrays, options = read_state(path, cls.name)
        recommender = cls()
        recommender._item_R, recommender._time_R = arrays["item_R"], arrays["time_R"]
        recommender._set_recent_counts(options["n_items"])
        return recommender

    def _set_recent_counts(self, n_items: int) -> None:
        recent = self._time_R >= np.quantile(self._time_R, 1 - _RECENT, method="lower")
        of_all_N = np.bincount(self._item_R, minlength=n_items) / (len(self._item_R) + 1)
        self._set_counts(np.bincount(self._item_R[recent], minlength=n_items) + of_all_N)
