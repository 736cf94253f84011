"""Popularity: recommend what most people took. The control that shows how much of a score is fashion."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.recommenders.base import Knows, check_events
from recgpt.topk import Exclude, Ranking, Request

_ROWS = 4096


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

    def _set_counts(self, count_N: np.ndarray) -> None:
        self._count_N = count_N
        self._order_N = np.argsort(-count_N, kind="stable")  # ties by id
