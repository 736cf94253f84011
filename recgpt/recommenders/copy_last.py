"""Copy-Last: recommend what the user took last. The control that shows how much of a score is repetition."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.ranking import Exclude, Ranking, Request
from recgpt.recommenders.base import Knows
from recgpt.recommenders.store import read_state, write_state


class CopyLast:
    """The distinct items of the history, most recent first; an item's score is minus its age in events.

    It can only repeat: nothing is ranked under `exclude="history"` and after an empty history (ids -1).
    """

    name = "copy_last"
    knows: Knows = "text"

    def fit(self, dataset: Dataset) -> Self:
        """Take the size of the catalogue; no interaction is read."""
        self._n_items = dataset.n_items
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by recency. See `Recommender.rank`."""
        request = Request.checked(histories, k, exclude, candidates, n_items=self._n_items)
        ranking = request.unranked()
        if exclude == "history":
            return ranking
        items, ends = request.histories.values, request.histories.offsets[1:]
        row = np.repeat(np.arange(len(request.histories)), request.histories.lengths)

        newest_first = (row * self._n_items + items)[::-1]
        latest = np.sort(len(items) - 1 - np.unique(newest_first, return_index=True)[1])
        if request.allowed_N is not None:
            latest = latest[request.allowed_N[items[latest]]]
        row = row[latest]
        place = np.searchsorted(row, row, side="right") - 1 - np.arange(len(row))  # 0 for the most recent of its row

        kept = place < k
        ranking.ids[row[kept], place[kept]] = items[latest[kept]]
        ranking.scores[row[kept], place[kept]] = latest[kept] - (ends[row[kept]] - 1)
        return ranking

    def observe(self, events: Interactions) -> None:
        """Ignore `events`: all that counts comes with the histories."""

    def save(self, path: str | Path) -> None:
        """Write the size of the catalogue. See `StoredRecommender.save`."""
        write_state(path, self.name, {}, {"n_items": self._n_items})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        recommender = cls()
        recommender._n_items = read_state(path, cls.name)[1]["n_items"]
        return recommender
