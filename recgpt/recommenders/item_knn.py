"""Item-kNN: recommend what was taken near the items of the history. Counting, and hard to beat.

Co-visitation is directional: what followed an item counts twice as much as what came before it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.co_visitation import CoVisitation, recent_items, row_rates
from recgpt.ranking import Exclude, Ranking, Request, rank_by_scores
from recgpt.recommenders.base import Knows, check_events
from recgpt.recommenders.store import read_state, write_state


class ItemKNN:
    """Items by their co-visitation with the history's last 30 items, each with weight .7^age.

    Co-visitation is `CoVisitation` with each row divided by (its sum + 5). Items without any have score 0 and come
    last, by id. After an empty history items are ranked by their number of interactions.
    """

    name = "item_knn"
    knows: Knows = "context"

    def fit(self, dataset: Dataset) -> Self:
        """Count the interactions: seconds for hundreds of thousands of them."""
        self._visits = CoVisitation(dataset.n_items)
        self._count_N = np.zeros(dataset.n_items, dtype=np.int64)
        self.observe(dataset.interactions)
        return self

    def observe(self, events: Interactions) -> None:
        """Append `events` to the sequences of their users and count them; new users begin a sequence.

        The same as to fit on the longer sequences.
        """
        check_events(events, len(self._count_N))
        self._visits.append(events)
        self._count_N = self._count_N + np.bincount(events.item, minlength=len(self._count_N))
        self._rates_NN = row_rates(self._visits.counts())

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by co-visitation. See `Recommender.rank`."""
        n_items = len(self._count_N)
        request = Request.checked(histories, k, exclude, candidates, n_items=n_items)
        return rank_by_scores(request, n_items, self._scores, if_empty_N=self._count_N)

    def save(self, path: str | Path) -> None:
        """Write the counts and each user's last items. See `StoredRecommender.save`."""
        arrays = {
            "units_NN": self._visits.units_NN,
            "recent_UW": self._visits.recent_UW,
            "count_N": self._count_N,
        }
        write_state(path, self.name, arrays, {})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        arrays, _ = read_state(path, cls.name)
        recommender = cls()
        recommender._count_N = arrays["count_N"]
        recommender._visits = CoVisitation(len(recommender._count_N))
        recommender._visits.units_NN, recommender._visits.recent_UW = arrays["units_NN"], arrays["recent_UW"]
        recommender._rates_NN = row_rates(recommender._visits.counts())
        return recommender

    def _scores(self, histories: Ragged) -> np.ndarray:
        return (recent_items(histories, len(self._count_N)) @ self._rates_NN).astype(np.float32).toarray()
