"""Hybrid-kNN: text, popularity and co-visitation in one sum, with weights found on the data set itself.

Nothing is learned by gradient: what is known is counted, and five weights are chosen by trying them. How much to trust
text depends on the catalogue, which is why the weights are searched and not set.
Suffixes: B histories, N items, F features, E embedding width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.hybrid_score import FEATURES, ROWS, Blend, tuned_weights, weighted_sum
from recgpt.features.text_similarity import whitened_unit_rows
from recgpt.ranking import Exclude, Ranking, Request, rank_by_scores
from recgpt.recommenders.base import Knows, check_events, item_embeddings
from recgpt.recommenders.store import read_state, write_state


class HybridKNN:
    """Items by a weighted sum of five features of the history.

    - text: cosine of the whitened text to that of the history, pooled with weights .5^age; standardised.
    - popularity: log(1 + count); standardised.
    - co_visitation: log(1 + 300 x the score of `item_knn`).
    - cosine_co_visitation: log(1 + 30 x the same sum over counts divided by sqrt(count + 10) of both items).
    - co_occurrence: log(1 + 30 x sum), over the last 100 items with weights .9^age, of how many users took both items
      among their last 100, divided likewise.

    Standardised is over the catalogue. After an empty history items are ranked by their number of interactions.

    Parameters
    ----------
    embeddings
        (N, E) floats, row i for dense item i, of any length; None takes the `embeddings.npy` of the data-set folder.

    Attributes
    ----------
    weights
        Feature -> its weight, non-negative, summing to 1; there after `fit`.
    """

    name = "hybrid_knn"
    knows: Knows = "context"

    def __init__(self, embeddings: np.ndarray | None = None) -> None:
        self._embeddings_NE = embeddings

    def fit(self, dataset: Dataset) -> Self:
        """Index what is known and choose the weights.

        Three quarters are the weights that rank last items best, NDCG@10 over the full catalogue, with an index of what
        came before them: up to 3,000 users' (fewer on a large catalogue), of items new to their user. One quarter is
        fixed weights that serve most catalogues; where there is no such user, they are all.

        Raises
        ------
        DataError
            If the embeddings are not one finite row an item.
        """
        unit_NE = whitened_unit_rows(item_embeddings(dataset, self._embeddings_NE))
        self._weights_F = tuned_weights(dataset.sequences, unit_NE)
        self._index = Blend.of(unit_NE, dataset.sequences)
        return self

    @property
    def weights(self) -> dict[str, float]:
        """How much each feature counts, as found by `fit`."""
        return dict(zip(FEATURES, self._weights_F.tolist(), strict=True))

    def observe(self, events: Interactions) -> None:
        """Append `events` to the sequences of their users, new users begin one; the weights stay."""
        check_events(events, self._index.n_items)
        self._index.past.append(events)

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by the weighted sum. See `Recommender.rank`."""
        n_items = self._index.n_items
        request = Request.checked(histories, k, exclude, candidates, n_items=n_items)
        return rank_by_scores(request, n_items, self._scores, if_empty_N=self._index.past.count_N)

    def save(self, path: str | Path) -> None:
        """Write the whitened text, the weights and the sequences. See `StoredRecommender.save`."""
        sequences = self._index.past.sequences
        arrays = {
            "unit_NE": self._index.unit_NE,
            "weights_F": self._weights_F,
            "values": sequences.values,
            "offsets": sequences.offsets,
        }
        write_state(path, self.name, arrays, {})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote and index it anew. See `StoredRecommender.load`."""
        arrays, _ = read_state(path, cls.name)
        recommender = cls()
        recommender._weights_F = arrays["weights_F"]
        recommender._index = Blend.of(arrays["unit_NE"], Ragged(arrays["values"], arrays["offsets"]))
        return recommender

    def _scores(self, histories: Ragged) -> np.ndarray:
        scores_BN = np.empty((len(histories), self._index.n_items), dtype=np.float32)
        for start in range(0, len(histories), ROWS):
            rows = slice(start, start + ROWS)
            scores_BN[rows] = weighted_sum(self._index.features(histories[rows]), self._weights_F)
        return scores_BN
