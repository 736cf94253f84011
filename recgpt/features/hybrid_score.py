"""Hybrid score: a weighted sum of five candidate features from text, popularity and co-visitation.

The best weight of text depends on the catalogue, so the weights are tuned on each data set.
Suffixes: B histories, N items, F features, E embedding width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch

from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.features.co_visitation import LONG_ITEMS, SHRINKAGE, UNITS, decayed, recent_items
from recgpt.features.interaction_counts import InteractionCounts
from recgpt.features.text_similarity import pooled, quantize_rows
from recgpt.features.weight_search import Cases, averaged_weights


class HybridFeatures(NamedTuple):
    """The five features of the hybrid score, (B, N) float32 each: of every item after each history."""

    text: np.ndarray
    popularity: np.ndarray
    co_visitation: np.ndarray
    cosine_co_visitation: np.ndarray
    co_occurrence: np.ndarray


FEATURES = HybridFeatures._fields
PRIOR_WEIGHTS = (0.14, 0.06, 0.1, 0.4, 0.3)
_PRIOR_SHARE = 0.25
_TUNING_CASES = 3000
_TUNING_FLOATS = 1 << 27  # features held while the weights are searched: 512 MB, fewer cases on a large catalogue
COUNT_DAMPING = 10
LONG_DECAY = 0.9
RATE_SCALE = 300
COSINE_SCALE = 30
ROWS = 64  # histories whose features are computed at a time
_ROWS_IN_CACHE = 16  # histories whose sums of counts, in float64, are held at a time
_ROWS_OF_A_PASS = 4  # histories whose features fit into a core's cache


@dataclass(frozen=True)
class HybridIndex:
    """Inputs of the hybrid features: text embeddings and interaction counts of one catalogue.

    Attributes
    ----------
    unit_NE
        (N, E) whitened text embeddings, unit rows.
    quantized_NE
        (N, E) the same after `quantize_rows`, so that cosines are exact.
    past
        Interaction counts; later `past.append` calls change the next features.
    """

    unit_NE: np.ndarray
    quantized_NE: np.ndarray
    past: InteractionCounts

    @classmethod
    def from_sequences(cls, unit_NE: np.ndarray, sequences: Ragged, times: np.ndarray | None = None) -> Self:
        """Count `sequences`, one a user, over the catalogue with the whitened text `unit_NE`."""
        return cls(unit_NE, quantize_rows(unit_NE), InteractionCounts(len(unit_NE), sequences, times))

    def with_past(self, sequences: Ragged, times: np.ndarray | None) -> "HybridIndex":
        """Index of the same catalogue with other interactions."""
        return HybridIndex(self.unit_NE, self.quantized_NE, InteractionCounts(self.n_items, sequences, times))

    @property
    def n_items(self) -> int:
        """N, the size of the catalogue."""
        return len(self.unit_NE)

    def features(self, histories: Ragged) -> HybridFeatures:
        """(B, N) float32 for each feature; histories must not be empty."""
        past = self.past
        query_BE = quantize_rows(pooled(histories, self.unit_NE))
        text_BN = _product(query_BE, self.quantized_NE)
        popularity_N = _standardised(np.log1p(past.count_N))
        co_visitation_BN, cosine_BN, co_occurrence_BN = (np.zeros_like(text_BN) for _ in range(3))
        rate_N = 1 / (past.near_sum_N / UNITS + SHRINKAGE) / UNITS
        damping_N = 1 / np.sqrt(past.count_N + COUNT_DAMPING)
        near_damping_N = damping_N / UNITS
        damping_C = np.tile(
            damping_N, min(len(histories), _ROWS_IN_CACHE)
        )  # of the items of several histories in a row
        for start in range(0, len(histories), _ROWS_IN_CACHE):
            rows = slice(start, start + _ROWS_IN_CACHE)
            recent_BN = recent_items(histories[rows], self.n_items)
            long_BN = decayed(histories[rows], LONG_DECAY, LONG_ITEMS, self.n_items)
            # Most items were never near one of the history: logarithms are taken of the others alone.
            near_P, (rates_P, near_damped_P) = past.near.products(recent_BN, rate_N, near_damping_N)
            together_P, (taken_P,) = past.together.products(long_BN, damping_N)
            _put(co_visitation_BN[rows], near_P, np.log1p(RATE_SCALE * rates_P))
            _put(cosine_BN[rows], near_P, np.log1p(COSINE_SCALE * (near_damped_P * damping_C[near_P])))
            _put(co_occurrence_BN[rows], together_P, np.log1p(COSINE_SCALE * (taken_P * damping_C[together_P])))
        for start in range(0, len(histories), _ROWS_OF_A_PASS):
            rows = slice(start, start + _ROWS_OF_A_PASS)
            text_BN[rows] = _standardised(text_BN[rows])
        popularity_BN = np.broadcast_to(popularity_N, text_BN.shape)
        return HybridFeatures(text_BN, popularity_BN, co_visitation_BN, cosine_BN, co_occurrence_BN)


def weighted_sum(features: Sequence[np.ndarray], weights_F: np.ndarray) -> np.ndarray:
    """(B, N) float32 hybrid score: the sum of the features, each (B, N) times its weight."""
    score_BN = np.empty_like(features[0])
    for start in range(0, len(score_BN), _ROWS_OF_A_PASS):
        rows = slice(start, start + _ROWS_OF_A_PASS)
        score_BN[rows] = sum(
            np.multiply(np.float32(weight), each_BN[rows]) for weight, each_BN in zip(weights_F, features, strict=True)
        )
    return score_BN


def tuned_weights(sequences: Ragged, unit_NE: np.ndarray, *, most_cases: int = _TUNING_CASES) -> np.ndarray:
    """(F,) weights that rank the last items of `sequences` best, shrunk toward PRIOR_WEIGHTS; non-negative, sum 1.

    Only users with three items or more and a new last item count; without any, PRIOR_WEIGHTS are returned.
    """
    n_items = len(unit_NE)
    prior_F = np.array(PRIOR_WEIGHTS)
    max_cases = max(1, min(most_cases, _TUNING_FLOATS // (len(FEATURES) * n_items)))
    has_query = sequences.lengths >= 3
    starts, stops = sequences.offsets[:-1], sequences.offsets[1:]
    users = sample(np.flatnonzero(has_query), max_cases, seed=0)
    histories, targets = sequences.spans(starts[users], stops[users] - 1), sequences.values[stops[users] - 1]
    new = np.flatnonzero(~histories.contains(targets))
    if not len(new):
        return prior_F
    histories, targets = histories[new], targets[new]
    index = HybridIndex.from_sequences(unit_NE, sequences.spans(starts, stops - has_query))
    features_BFN = np.empty((len(new), len(FEATURES), n_items), dtype=np.float32)
    for start in range(0, len(new), ROWS):
        rows = slice(start, start + ROWS)
        for feature, values_BN in enumerate(index.features(histories[rows])):
            features_BFN[rows, feature] = values_BN
    excluded_BN = np.zeros((len(new), n_items), dtype=bool)
    excluded_BN[np.repeat(np.arange(len(new)), histories.lengths), histories.values] = True
    # Each feature alone is tried as well, for catalogues where a single one is enough.
    known_WF = np.concatenate([prior_F[None], np.eye(len(FEATURES))])
    found_F = averaged_weights(Cases.from_features(features_BFN, excluded_BN, targets), known_WF)
    # w = 0.25 prior + 0.75 found: a few thousand queries cannot separate good optima, and test items differ a little.
    return _PRIOR_SHARE * prior_F + (1 - _PRIOR_SHARE) * found_F


def _product(query_BE: np.ndarray, rows_NE: np.ndarray) -> np.ndarray:
    """(B, N) inner products of rows, by torch: a second thread pool (NumPy's) would spin while torch's computes."""
    return (torch.from_numpy(query_BE) @ torch.from_numpy(rows_NE).T).numpy()


def _standardised(values_N: np.ndarray) -> np.ndarray:
    """Standard score over the last axis: (x - mean) / standard deviation.

    Both are summed in float64 and then rounded: NumPy's order of summation depends on the processor, and the
    difference would be visible in float32.
    """
    precise_N = values_N.astype(np.float64)
    mean = precise_N.mean(axis=-1, keepdims=True)
    precise_N -= mean
    variance = np.einsum("...n,...n->...", precise_N, precise_N)[..., None] / values_N.shape[-1]
    spread = np.sqrt(variance).astype(np.float32)
    standard_N = values_N.astype(np.float32)
    standard_N -= mean.astype(np.float32)
    standard_N /= np.where(spread > 0, spread, np.float32(1))
    return standard_N


def _put(table_BN: np.ndarray, places_P: np.ndarray, values_P: np.ndarray) -> None:
    """Set the entries of a contiguous table at places of its flattened form."""
    table_BN.reshape(-1)[places_P] = values_P
