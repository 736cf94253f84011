"""Hybrid-kNN: text, popularity and co-visitation in one sum, with weights found on the data set itself.

No gradient step is made: interactions are counted, and five weights are chosen by trying them. How much to trust text
depends on the catalogue, which is why the weights are searched and not set.
Suffixes: B histories, N items, F features, E embedding width.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.hybrid_score import FEATURES, ROWS, HybridIndex, tuned_weights, weighted_sum
from recgpt.features.text_similarity import whitened_unit_rows
from recgpt.recommenders.base import RecommenderBase, Supervision, item_embeddings


class HybridKNN(RecommenderBase):
    """Items by a weighted sum of five features of the history.

    - text: cosine of the whitened text to that of the history, pooled with weights .5^age; standardised.
    - popularity: log(1 + count); standardised.
    - co_visitation: log(1 + 300 x the score of `item_knn`).
    - cosine_co_visitation: log(1 + 30 x the same sum over counts divided by sqrt(count + 10) of both items).
    - co_occurrence: log(1 + 30 x sum), over the last 100 items with weights .9^age, of how many users took both items
      among their last 100, divided likewise.

    Standardised is over the catalogue. After an empty history items are ranked by their number of interactions.

    `fit` chooses the weights. Three quarters are the weights that rank last items best, NDCG@10 over the full
    catalogue, with an index of the interactions before them: the last items of up to 3,000 users (fewer on a large
    catalogue), where new to their user. One quarter is fixed weights that serve most catalogues; where there is no such
    user, they are all. `observe` appends events to the sequences of their users, a new user begins one; the weights
    stay.

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
    supervision: Supervision = "in-context"
    needs_embeddings = True

    def __init__(self, embeddings: np.ndarray | None = None) -> None:
        self._embeddings_NE = embeddings

    def _fit(self, dataset: Dataset) -> None:
        unit_NE = whitened_unit_rows(item_embeddings(dataset, self._embeddings_NE))
        self._weights_F = tuned_weights(dataset.sequences, unit_NE)
        self._index = HybridIndex.from_sequences(unit_NE, dataset.sequences)

    @property
    def weights(self) -> dict[str, float]:
        """Feature -> its weight, as found by `fit`."""
        return dict(zip(FEATURES, self._weights_F.tolist(), strict=True))

    def _observe(self, events: Interactions) -> None:
        self._index.past.append(events)

    def _scores_if_empty(self) -> np.ndarray:
        return self._index.past.count_N

    def _arrays(self) -> dict[str, Any]:
        sequences = self._index.past.sequences
        return {
            "unit_NE": self._index.unit_NE,
            "weights_F": self._weights_F,
            "values": sequences.values,
            "offsets": sequences.offsets,
        }

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._weights_F = arrays["weights_F"]
        self._index = HybridIndex.from_sequences(arrays["unit_NE"], Ragged(arrays["values"], arrays["offsets"]))

    def _scores(self, histories: Ragged) -> np.ndarray:
        scores_BN = np.empty((len(histories), self._index.n_items), dtype=np.float32)
        for start in range(0, len(histories), ROWS):
            rows = slice(start, start + ROWS)
            scores_BN[rows] = weighted_sum(self._index.features(histories[rows]), self._weights_F)
        return scores_BN
