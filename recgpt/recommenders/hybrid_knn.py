"""Hybrid-kNN: text, popularity and co-visitation in one sum, with weights found on the data set itself.

Nothing is learned by gradient: what is known is counted and looked up, and six weights are chosen by trying them.
How much to trust text depends on the catalogue, which is why the weights are searched and not set.
Suffixes: B histories, N items, F features, E embedding width, P prefixes, Q queries, M keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged, offsets_of
from recgpt.data.splits import second_last
from recgpt.recommenders.base import Knows, check_events, item_embeddings, rank_by_scores
from recgpt.recommenders.item_knn import CoVisitation, recent_items, row_rates
from recgpt.recommenders.text_knn import MAX_POOLED, cosines, pooled, whitened_unit_rows
from recgpt.recommenders.weight_search import Cases, best_weights
from recgpt.topk import Exclude, Ranking, Request

FEATURES = ("text", "popularity", "co_visitation", "cosine_co_visitation", "prefixes", "neighbours")
_USUAL_WEIGHTS = (1, 0.3, 0.5, 0.3, 0.3, 0.2)
_TUNING_CASES = 1500
_TUNING_FLOATS = 1 << 27  # features held while the weights are searched: 512 MB, fewer cases on a large catalogue
_TEMPERATURE = 0.05
_NEAREST_PREFIXES = 200
_NEAREST_ITEMS = 21  # an item and its twenty neighbours
_MAX_PREFIXES = 1 << 19
_COUNT_DAMPING = 10
_GRID = 2.0**11
_ROWS = 64  # histories whose features are computed at a time
_COSINES_IN_MEMORY = 1 << 24


class HybridKNN:
    """Items by a weighted sum of six features of the history.

    - text: cosine of the whitened text to that of the history, pooled with weights .5^age; standardised.
    - popularity: log(1 + count); standardised.
    - co_visitation: log(1 + 300 x the score of `item_knn`).
    - cosine_co_visitation: log(1 + 30 x the same sum over counts divided by sqrt(count + 10) of both items).
    - prefixes: log(1 + 1000 x share) of the 200 beginnings of known sequences whose pooled text is nearest to that of
      the history, weighted by softmax(cosine / .05), that went on with the item.
    - neighbours: log(1 + 300 x the score of `item_knn`, with each item of the history replaced by its 21 nearest in
      text, itself among them, weighted by softmax(cosine / .05)).

    Standardised is over the catalogue. Nothing is ranked after an empty history (ids -1).

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

        Chosen is what ranks second-last items best, NDCG@10 over the full catalogue, with an index of what came before
        them: up to 1,500 users' (fewer on a large catalogue), of items new to their user. Where there is no such user,
        the weights are fixed ones that serve most catalogues.

        Raises
        ------
        DataError
            If the embeddings are not one finite row an item.
        """
        text = _Text.of(whitened_unit_rows(item_embeddings(dataset, self._embeddings_NE)))
        self._weights_F = _tuned_weights(dataset, text)
        self._index = _Index.of(text, dataset.sequences)
        return self

    @property
    def weights(self) -> dict[str, float]:
        """How much each feature counts, as found by `fit`."""
        return dict(zip(FEATURES, self._weights_F.tolist(), strict=True))

    def observe(self, events: Interactions) -> None:
        """Append `events` to the sequences of their users, new users begin one, and index anew; the weights stay."""
        check_events(events, self._index.text.n_items)
        self._index = _Index.of(self._index.text, _continued(self._index.sequences, events))

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by the weighted sum. See `Recommender.rank`."""
        n_items = self._index.text.n_items
        request = Request.checked(histories, k, exclude, candidates, n_items=n_items)
        return rank_by_scores(request, n_items, self._scores)

    def _scores(self, histories: Ragged) -> np.ndarray:
        scores_BN = np.full((len(histories), self._index.text.n_items), -np.inf, dtype=np.float32)
        told = np.flatnonzero(histories.lengths)
        for rows in np.array_split(told, len(told) // _ROWS + 1):
            scores_BN[rows] = 0
            for weight, feature_BN in zip(self._weights_F, self._index.features(histories[rows]), strict=True):
                scores_BN[rows] += np.float32(weight) * feature_BN
        return scores_BN


@dataclass(frozen=True)
class _Text:
    """The catalogue's whitened text: unit rows, and each item's nearest by softmax weight."""

    unit_NE: np.ndarray
    near_NN: sparse.csr_array

    @classmethod
    def of(cls, unit_NE: np.ndarray) -> Self:
        rough_NE = _rough(unit_NE)
        return cls(unit_NE, _nearest(rough_NE, rough_NE, _NEAREST_ITEMS))

    @property
    def n_items(self) -> int:
        return len(self.unit_NE)


@dataclass(frozen=True)
class _Index:
    """What is known of the catalogue and its past, ready to compute features from."""

    text: _Text
    sequences: Ragged
    popularity_N: np.ndarray
    rates_NN: sparse.csr_array
    cosines_NN: sparse.csr_array
    prefixes_PE: np.ndarray
    went_on_PN: sparse.csr_array

    @classmethod
    def of(cls, text: _Text, sequences: Ragged) -> Self:
        n_items = text.n_items
        users = np.repeat(np.arange(len(sequences)), sequences.lengths)
        visits = CoVisitation(n_items)
        visits.append(Interactions(users, sequences.values))
        counts_NN = visits.counts()
        count_N = np.bincount(sequences.values, minlength=n_items)
        damping_NN = sparse.diags_array(1 / np.sqrt(count_N + _COUNT_DAMPING))
        prefixes, next_P = _prefixes(sequences)
        one_P, places_P = np.ones(len(next_P)), np.arange(len(next_P) + 1)
        return cls(
            text=text,
            sequences=sequences,
            popularity_N=_standardised(np.log1p(count_N)),
            rates_NN=row_rates(counts_NN),
            cosines_NN=sparse.csr_array(damping_NN @ counts_NN @ damping_NN),
            prefixes_PE=_rough(pooled(prefixes, text.unit_NE)),
            went_on_PN=sparse.csr_array((one_P, next_P, places_P), shape=(len(next_P), n_items)),
        )

    def features(self, histories: Ragged) -> list[np.ndarray]:
        """(B, N) float32 for each of `FEATURES`; no history is empty."""
        query_BE = pooled(histories, self.text.unit_NE)
        recent_BN = recent_items(histories, self.text.n_items)
        near_BP = _nearest(_rough(query_BE), self.prefixes_PE, _NEAREST_PREFIXES)
        return [
            _standardised(cosines(query_BE, self.text.unit_NE)),
            np.broadcast_to(self.popularity_N, (len(histories), self.text.n_items)),
            _log1p(300, recent_BN @ self.rates_NN),
            _log1p(30, recent_BN @ self.cosines_NN),
            _log1p(1000, near_BP @ self.went_on_PN),
            _log1p(300, recent_BN @ self.text.near_NN @ self.rates_NN),
        ]


def _tuned_weights(dataset: Dataset, text: _Text) -> np.ndarray:
    usual_F = np.array(_USUAL_WEIGHTS) / sum(_USUAL_WEIGHTS)
    max_cases = max(1, min(_TUNING_CASES, _TUNING_FLOATS // (len(FEATURES) * text.n_items)))
    split = second_last(dataset, max_users=max_cases)
    new = np.flatnonzero(~split.histories.contains(split.targets))
    if not len(new):
        return usual_F
    histories = split.histories[new]
    index = _Index.of(text, split.past)
    features_BFN = np.empty((len(new), len(FEATURES), text.n_items), dtype=np.float32)
    for rows in np.array_split(np.arange(len(new)), len(new) // _ROWS + 1):
        for feature, values_BN in enumerate(index.features(histories[rows])):
            features_BFN[rows, feature] = values_BN
    excluded_BN = np.zeros((len(new), text.n_items), dtype=bool)
    excluded_BN[np.repeat(np.arange(len(new)), histories.lengths), histories.values] = True
    # Beside the usual: each feature alone, so that no search ends below the best of them.
    known_WF = np.concatenate([usual_F[None], np.eye(len(FEATURES))])
    return best_weights(Cases(features_BFN, excluded_BN, split.targets[new]), known_WF)


def _prefixes(sequences: Ragged) -> tuple[Ragged, np.ndarray]:
    """Every beginning of a sequence and (P,) the item it went on with; the latest of each where there are too many."""
    place = np.arange(len(sequences.values)) - np.repeat(sequences.offsets[:-1], sequences.lengths)
    from_end = np.repeat(sequences.lengths, sequences.lengths) - place
    how_many = np.bincount(from_end[place > 0], minlength=int(sequences.lengths.max(initial=0)) + 1)
    latest = np.cumsum(how_many) <= _MAX_PREFIXES
    rows = np.flatnonzero((place > 0) & latest[from_end])
    return sequences.spans(rows - np.minimum(place[rows], MAX_POOLED), rows), sequences.values[rows]


def _continued(sequences: Ragged, events: Interactions) -> Ragged:
    user = np.concatenate([np.repeat(np.arange(len(sequences)), sequences.lengths), events.user])
    order = np.argsort(user, kind="stable")
    lengths = np.bincount(user, minlength=len(sequences))
    return Ragged(np.concatenate([sequences.values, events.item])[order], offsets_of(lengths))


def _nearest(query_QE: np.ndarray, key_ME: np.ndarray, k: int) -> sparse.csr_array:
    """(Q, M) softmax(cosine / .05) over the k keys nearest to each query, ties by place; 0 elsewhere."""
    if not len(key_ME):
        return sparse.csr_array((len(query_QE), 0))
    k = min(k, len(key_ME))
    columns, values, lengths = [], [], []
    for rows in np.array_split(query_QE, 1 + len(query_QE) * len(key_ME) // _COSINES_IN_MEMORY):
        cosine_QM = rows @ key_ME.T
        kth_Q = np.partition(cosine_QM, len(key_ME) - k, axis=1)[:, len(key_ME) - k]
        row, column = np.nonzero(cosine_QM >= kth_Q[:, None])
        value = cosine_QM[row, column]
        tied = value == kth_Q[row]
        spare_Q = k - np.bincount(row[~tied], minlength=len(rows))
        nth_tied = np.cumsum(tied)
        first = np.searchsorted(row, np.arange(len(rows)))
        nth_tied -= (nth_tied[first] - tied[first])[row]
        kept = ~tied | (nth_tied <= spare_Q[row])
        columns.append(column[kept])
        values.append(np.exp((value[kept].astype(np.float64) - 1) / _TEMPERATURE))
        lengths.append(np.full(len(rows), k))
    offsets = offsets_of(np.concatenate(lengths))
    value_QK = np.concatenate(values).reshape(len(query_QE), k)
    share_QK = value_QK / value_QK.sum(axis=1, keepdims=True)
    return sparse.csr_array((share_QK.ravel(), np.concatenate(columns), offsets), shape=(len(query_QE), len(key_ME)))


def _rough(unit_NE: np.ndarray) -> np.ndarray:
    """Round unit rows to multiples of 2^-11: float32 then holds every step of a cosine exactly.

    So the nearest do not depend on the batch, as with `unit_rows`, at half the cost; cosines are off by .0002.
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
