"""Hybrid-kNN: text, popularity and co-visitation in one sum, with weights found on the data set itself.

Nothing is learned by gradient: what is known is counted, and five weights are chosen by trying them. How much to trust
text depends on the catalogue, which is why the weights are searched and not set.
Suffixes: B histories, N items, F features, E embedding width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged, offsets_of
from recgpt.data.splits import leave_one_out
from recgpt.recommenders.base import Knows, check_events, decayed, item_embeddings, rank_by_scores
from recgpt.recommenders.item_knn import CoVisitation, recent_items, row_rates
from recgpt.recommenders.store import read_state, write_state
from recgpt.recommenders.text_knn import pooled, whitened_unit_rows
from recgpt.recommenders.weight_search import Cases, best_weights
from recgpt.topk import Exclude, Ranking, Request

FEATURES = ("text", "popularity", "co_visitation", "cosine_co_visitation", "co_occurrence")
_USUAL_WEIGHTS = (0.14, 0.06, 0.1, 0.4, 0.3)
_USUAL_SHARE = 0.25
_TUNING_CASES = 3000
_TUNING_FLOATS = 1 << 27  # features held while the weights are searched: 512 MB, fewer cases on a large catalogue
_COUNT_DAMPING = 10
_LONG_DECAY = 0.9
_LONG_ITEMS = 100
_GRID = 2.0**11
_ROWS = 64  # histories whose features are computed at a time


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
    weights : feature -> its weight, non-negative, summing to 1; there after `fit`.
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
        self._weights_F = _tuned_weights(dataset, unit_NE)
        self._index = _Index.of(unit_NE, dataset.sequences)
        return self

    @property
    def weights(self) -> dict[str, float]:
        """How much each feature counts, as found by `fit`."""
        return dict(zip(FEATURES, self._weights_F.tolist(), strict=True))

    def observe(self, events: Interactions) -> None:
        """Append `events` to the sequences of their users, new users begin one, and index anew; the weights stay."""
        check_events(events, self._index.n_items)
        self._index = _Index.of(self._index.unit_NE, _continued(self._index.sequences, events))

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
        return rank_by_scores(request, n_items, self._scores, if_empty_N=self._index.count_N)

    def save(self, path: str | Path) -> None:
        """Write the whitened text, the weights and the sequences. See `StoredRecommender.save`."""
        sequences = self._index.sequences
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
        recommender._index = _Index.of(arrays["unit_NE"], Ragged(arrays["values"], arrays["offsets"]))
        return recommender

    def _scores(self, histories: Ragged) -> np.ndarray:
        scores_BN = np.zeros((len(histories), self._index.n_items), dtype=np.float32)
        for start in range(0, len(histories), _ROWS):
            rows = slice(start, start + _ROWS)
            for weight, feature_BN in zip(self._weights_F, self._index.features(histories[rows]), strict=True):
                scores_BN[rows] += np.float32(weight) * feature_BN
        return scores_BN


@dataclass(frozen=True)
class _Index:
    """What is known of the catalogue and its past, ready to compute features from."""

    unit_NE: np.ndarray
    rough_NE: np.ndarray
    sequences: Ragged
    count_N: np.ndarray
    popularity_N: np.ndarray
    rates_NN: sparse.csr_array
    cosines_NN: sparse.csr_array
    together_NN: sparse.csr_array

    @classmethod
    def of(cls, unit_NE: np.ndarray, sequences: Ragged) -> Self:
        n_items = len(unit_NE)
        users = np.repeat(np.arange(len(sequences)), sequences.lengths)
        visits = CoVisitation(n_items)
        visits.append(Interactions(users, sequences.values))
        counts_NN = visits.counts()
        count_N = np.bincount(sequences.values, minlength=n_items)
        damping_NN = sparse.diags_array(1 / np.sqrt(count_N + _COUNT_DAMPING))
        return cls(
            unit_NE=unit_NE,
            rough_NE=_rough(unit_NE),
            sequences=sequences,
            count_N=count_N,
            popularity_N=_standardised(np.log1p(count_N)),
            rates_NN=row_rates(counts_NN),
            cosines_NN=sparse.csr_array(damping_NN @ counts_NN @ damping_NN),
            together_NN=sparse.csr_array(damping_NN @ _together(sequences, n_items) @ damping_NN),
        )

    @property
    def n_items(self) -> int:
        return len(self.unit_NE)

    def features(self, histories: Ragged) -> list[np.ndarray]:
        """(B, N) float32 for each of `FEATURES`; no history is empty."""
        query_BE = _rough(pooled(histories, self.unit_NE))
        recent_BN = recent_items(histories, self.n_items)
        long_BN = decayed(histories, _LONG_DECAY, _LONG_ITEMS, self.n_items)
        return [
            _standardised(query_BE @ self.rough_NE.T),
            np.broadcast_to(self.popularity_N, (len(histories), self.n_items)),
            _log1p(300, recent_BN @ self.rates_NN),
            _log1p(30, recent_BN @ self.cosines_NN),
            _log1p(30, long_BN @ self.together_NN),
        ]


def _tuned_weights(dataset: Dataset, unit_NE: np.ndarray) -> np.ndarray:
    n_items = len(unit_NE)
    usual_F = np.array(_USUAL_WEIGHTS)
    max_cases = max(1, min(_TUNING_CASES, _TUNING_FLOATS // (len(FEATURES) * n_items)))
    split = leave_one_out(dataset, past="train+valid", max_users=max_cases)
    new = np.flatnonzero(~split.histories.contains(split.targets))
    if not len(new):
        return usual_F
    histories = split.histories[new]
    index = _Index.of(unit_NE, split.past)
    features_BFN = np.empty((len(new), len(FEATURES), n_items), dtype=np.float32)
    for start in range(0, len(new), _ROWS):
        rows = slice(start, start + _ROWS)
        for feature, values_BN in enumerate(index.features(histories[rows])):
            features_BFN[rows, feature] = values_BN
    excluded_BN = np.zeros((len(new), n_items), dtype=bool)
    excluded_BN[np.repeat(np.arange(len(new)), histories.lengths), histories.values] = True
    # Beside the usual: each feature alone, so that no search ends below the best of them.
    known_WF = np.concatenate([usual_F[None], np.eye(len(FEATURES))])
    found_F = best_weights(Cases(features_BFN, excluded_BN, split.targets[new]), known_WF)
    # A few thousand cases cannot tell good optima apart, and the next items are not quite like the last.
    return _USUAL_SHARE * usual_F + (1 - _USUAL_SHARE) * found_F


def _together(sequences: Ragged, n_items: int) -> sparse.csr_array:
    """(N, N) how many users have both items among their last 100; zero diagonal."""
    latest = sequences.tail(_LONG_ITEMS)
    taken_UN = sparse.csr_array(
        (np.ones(len(latest.values)), latest.values, latest.offsets), shape=(len(latest), n_items)
    )
    taken_UN.sum_duplicates()
    taken_UN.data[:] = 1
    together_NN = (taken_UN.T @ taken_UN).tocsr()
    together_NN.setdiag(0)
    together_NN.eliminate_zeros()
    return together_NN


def _continued(sequences: Ragged, events: Interactions) -> Ragged:
    user = np.concatenate([np.repeat(np.arange(len(sequences)), sequences.lengths), events.user])
    order = np.argsort(user, kind="stable")
    lengths = np.bincount(user, minlength=len(sequences))
    return Ragged(np.concatenate([sequences.values, events.item])[order], offsets_of(lengths))


def _rough(unit_NE: np.ndarray) -> np.ndarray:
    """Round unit rows to multiples of 2^-11: float32 then holds every step of a cosine exactly.

    So cosines do not depend on the batch, as with `unit_rows`, at half the cost; they are off by .0002.
    """
    return np.round(unit_NE * _GRID) / _GRID


def _standardised(values_N: np.ndarray) -> np.ndarray:
    """Less the mean over the last axis, divided by the standard deviation."""
    spread = values_N.std(axis=-1, keepdims=True)
    return ((values_N - values_N.mean(axis=-1, keepdims=True)) / np.where(spread > 0, spread, 1)).astype(np.float32)


def _log1p(scale: float, scores_BN: sparse.csr_array) -> np.ndarray:
    """(B, N) float32 log(1 + scale x score) of a product, which holds no place twice."""
    logs = np.log1p(scale * scores_BN.data).astype(np.float32)
    return sparse.csr_array((logs, scores_BN.indices, scores_BN.indptr), shape=scores_BN.shape).toarray()
