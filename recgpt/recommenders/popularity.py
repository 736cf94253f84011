"""Popularity: recommends the items with most interactions; a non-personalised baseline.

`popularity` counts all interactions, `popularity_recent` the latest tenth.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.errors import DataError
from recgpt.ranking import Ranking, Request
from recgpt.recommenders.base import RecommenderBase, Supervision

_ROWS = 4096
_RECENT_SHARE = 0.1  # of the interactions


class Popularity(RecommenderBase):
    """Items by their number of interactions; cold items come last, by id.

    `observe` adds events to the counts.
    """

    name = "popularity"
    supervision: Supervision = "in-context"

    def _fit(self, dataset: Dataset) -> None:
        self._set_counts(np.bincount(dataset.interactions.item, minlength=dataset.n_items))

    def _observe(self, events: Interactions) -> None:
        self._set_counts(self._count_N + np.bincount(events.item, minlength=len(self._count_N)))

    def _rank(self, request: Request) -> Ranking:
        k = request.k
        order = self._order_N if request.allowed_N is None else self._order_N[request.allowed_N[self._order_N]]
        ranking = request.unranked()
        if request.exclude == "nothing":
            best = order[:k]
            ranking.ids[:, : len(best)] = best
            ranking.scores[:, : len(best)] = self._count_N[best]
            return ranking

        place_N = np.full(len(self._count_N), len(order))
        place_N[order] = np.arange(len(order))
        for start in range(0, len(request.histories), _ROWS):
            chunk = request.histories[start : start + _ROWS]
            # Without the n items of a history, the best k are among the best k + n: L places are enough.
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

    def _arrays(self) -> dict[str, Any]:
        return {"count_N": self._count_N}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._set_counts(arrays["count_N"])

    def _set_counts(self, count_N: np.ndarray) -> None:
        self._count_N = count_N
        self._order_N = np.argsort(-count_N, kind="stable")  # ties by id


class PopularityRecent(Popularity):
    """Items by their number of interactions in the latest tenth of all, by time; otherwise as `Popularity`.

    Ties, such as items without recent interactions, are ordered by the number of all interactions. `observe` adds
    events and moves the window; an event without a time gets the latest time in the data.
    """

    name = "popularity_recent"

    def _fit(self, dataset: Dataset) -> None:
        timestamp = dataset.interactions.timestamp
        if timestamp is None or not (timestamp >= 0).any():
            raise DataError(f"popularity_recent needs times, and {dataset.name} has none: use popularity")
        known = timestamp >= 0
        self._item_R, self._time_R = dataset.interactions.item[known], timestamp[known]
        self._set_recent_counts(dataset.n_items)

    def _observe(self, events: Interactions) -> None:
        time = np.full(len(events), -1) if events.timestamp is None else events.timestamp
        latest = max(self._time_R.max(), time.max(initial=-1))
        self._item_R = np.concatenate([self._item_R, events.item])
        self._time_R = np.concatenate([self._time_R, np.where(time < 0, latest, time)])
        self._set_recent_counts(len(self._count_N))

    def _arrays(self) -> dict[str, Any]:
        return {"item_R": self._item_R, "time_R": self._time_R}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._item_R, self._time_R = arrays["item_R"], arrays["time_R"]
        self._set_recent_counts(facts["n_items"])

    def _set_recent_counts(self, n_items: int) -> None:
        recent = self._time_R >= np.quantile(self._time_R, 1 - _RECENT_SHARE, method="lower")
        # score = recent count + overall count / (total + 1); the second term is below 1 and only breaks ties.
        overall_N = np.bincount(self._item_R, minlength=n_items) / (len(self._item_R) + 1)
        self._set_counts(np.bincount(self._item_R[recent], minlength=n_items) + overall_N)
