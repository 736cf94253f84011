"""Hybrid-kNN: weighted sum of text similarity, popularity and co-visitation, with weights tuned on the data set.

No gradient step: interactions are counted, and five weights are found by a search on held-out last items. The best
weight of text depends on the catalogue, so the weights are tuned on each data set.
Shapes: B histories, N items, F features, E embedding width.
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
    - co_occurrence: log(1 + 30 x sum), over the last 100 items with weights .9^age, of the number of users with both
      items among their last 100, divided likewise.

    Standardising is over the catalogue. After an empty history items are ranked by their number of interactions.

    `fit` tunes the weights: w = .75 w_best + .25 w_prior. w_best maximises NDCG@10 over the full catalogue on the last
    items, where new to their user, of up to 3,000 users (fewer on a large catalogue), given an index of the earlier
    interactions. w_prior is fixed; without such a user w = w_prior. `observe` appends events to the sequences of their
    users; the weights stay.

    Parameters
    ----------
    embeddings
        (N, E) floats, row i for dense item i, of any norm; None takes the `embeddings.npy` of the data-set folder.

    Attributes
    ----------
    weights
        Feature -> its weight, non-negative, summing to 1; set by `fit`.
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
        """Feature -> its weight, tuned by `fit`."""
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
