"""Text, popularity and co-visitation as five features of a history, and how much each of them should count.

How much to trust text depends on the catalogue, which is why the weights are searched and not set.
Suffixes: B histories, N items, F features, E embedding width.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged, offsets_of
from recgpt.data.splits import leave_one_out
from recgpt.evidence.counts import LONG_ITEMS, CoVisitation, decayed, recent_items, row_rates, together
from recgpt.evidence.texts import pooled
from recgpt.evidence.weight_search import Cases, best_weights

FEATURES = ("text", "popularity", "co_visitation", "cosine_co_visitation", "co_occurrence")
USUAL_WEIGHTS = (0.14, 0.06, 0.1, 0.4, 0.3)
_USUAL_SHARE = 0.25
_TUNING_CASES = 3000
_TUNING_FLOATS = 1 << 27  # features held while the weights are searched: 512 MB, fewer cases on a large catalogue
_COUNT_DAMPING = 10
_LONG_DECAY = 0.9
_GRID = 2.0**11
ROWS = 64  # histories whose features are computed at a time


@dataclass(frozen=True)
class Blend:
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
        """Count `sequences`, one a user, over the catalogue with the whitened text `unit_NE`."""
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
            together_NN=sparse.csr_array(damping_NN @ together(sequences, n_items) @ damping_NN),
        )

    @property
    def n_items(self) -> int:
        """N, the size of the catalogue."""
        return len(self.unit_NE)

    def features(self, histories: Ragged) -> list[np.ndarray]:
        """(B, N) float32 for each of `FEATURES`; no history is empty."""
        query_BE = _rough(pooled(histories, self.unit_NE))
        recent_BN = recent_items(histories, self.n_items)
        long_BN = decayed(histories, _LONG_DECAY, LONG_ITEMS, self.n_items)
        return [
            _standardised(query_BE @ self.rough_NE.T),
            np.broadcast_to(self.popularity_N, (len(histories), self.n_items)),
            _log1p(300, recent_BN @ self.rates_NN),
            _log1p(30, recent_BN @ self.cosines_NN),
            _log1p(30, long_BN @ self.together_NN),
        ]


def tuned_weights(dataset: Dataset, unit_NE: np.ndarray) -> np.ndarray:
    """(F,) non-negative weights, summing to 1: those that rank last items of `dataset` best, drawn to the usual ones.

    The usual weights alone where no user's last item is new to them.
    """
    n_items = len(unit_NE)
    usual_F = np.array(USUAL_WEIGHTS)
    max_cases = max(1, min(_TUNING_CASES, _TUNING_FLOATS // (len(FEATURES) * n_items)))
    split = leave_one_out(dataset, past="train+valid", max_users=max_cases)
    new = np.flatnonzero(~split.histories.contains(split.targets))
    if not len(new):
        return usual_F
    histories = split.histories[new]
    index = Blend.of(unit_NE, split.past)
    features_BFN = np.empty((len(new), len(FEATURES), n_items), dtype=np.float32)
    for start in range(0, len(new), ROWS):
        rows = slice(start, start + ROWS)
        for feature, values_BN in enumerate(index.features(histories[rows])):
            features_BFN[rows, feature] = values_BN
    excluded_BN = np.zeros((len(new), n_items), dtype=bool)
    excluded_BN[np.repeat(np.arange(len(new)), histories.lengths), histories.values] = True
    # Beside the usual: each feature alone, so that no search ends below the best of them.
    known_WF = np.concatenate([usual_F[None], np.eye(len(FEATURES))])
    found_F = best_weights(Cases(features_BFN, excluded_BN, split.targets[new]), known_WF)
    # A few thousand cases cannot tell good optima apart, and the next items are not quite like the last.
    return _USUAL_SHARE * usual_F + (1 - _USUAL_SHARE) * found_F


def continued(sequences: Ragged, events: Interactions) -> Ragged:
    """Append `events` to the sequences of their users; new users begin one."""
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
