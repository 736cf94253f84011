"""Weight search: feature weights with a high NDCG@10 over the full catalogue, equal on every machine.

NDCG is a step function of the weights with many local optima. The very best weights depend on a handful of queries, so
a rounding error on another processor would lead a hill climb elsewhere. Therefore many weight vectors are drawn and
averaged with weights exp(NDCG / temperature), which is the mean of a Gibbs posterior (Catoni 2007, "PAC-Bayesian
supervised classification"); more are drawn near that average, and so on. One query more or less changes the average by
little, and the average is rounded to whole sixty-fourths.

Sums are exact: features are multiples of 2^-10 up to 64, weights multiples of 1/64, and float32 holds every partial sum
(below 2^24 in such units). So ranks depend neither on the processor nor on threads; ties go to the smaller item id.
Suffixes: B queries, F features, N items, L shortlisted items, W weight vectors.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recgpt.ranking import top_k

CUT_OFF = 10
STEPS = 64  # weights are multiples of 1/64
_GRID = 1024.0  # features are multiples of 1/1024
_LARGEST = 64.0  # features are clipped at +-64
_LISTED = 20  # items that each weight vector adds to the shortlist of a query
_LISTING = 12  # weight vectors of each round that add to the shortlists
_DRAWS = 256
_SPREADS = (1.5, 0.7, 0.35)  # standard deviation of the log weights drawn in each round
_ABSENT = 0.2  # share of the weights of the first round that are 0
# Over sqrt(B): a third of the standard error of the mean NDCG, whose standard deviation over queries is about .3.
_TEMPERATURE = 0.1
_GAIN = np.append(1 / np.log2(2.0 + np.arange(CUT_OFF)), 0.0)  # NDCG@10 of a target by the number of items ahead of it


@dataclass(frozen=True)
class Cases:
    """Tuning queries with their features over the full catalogue.

    Attributes
    ----------
    features_BFN
        (B, F, N) float32, multiples of 2^-10 up to 64.
    excluded_BN
        (B, N) bool, items that are not candidates.
    targets_B
        (B,) target item ids, never excluded.
    """

    features_BFN: np.ndarray
    excluded_BN: np.ndarray
    targets_B: np.ndarray

    @classmethod
    def from_features(cls, features_BFN: np.ndarray, excluded_BN: np.ndarray, targets_B: np.ndarray) -> Self:
        """Round float32 features, in place, to multiples of 2^-10 up to 64 in size."""
        features_BFN *= np.float32(_GRID)
        np.rint(features_BFN, out=features_BFN)
        np.clip(features_BFN, -_LARGEST * _GRID, _LARGEST * _GRID, out=features_BFN)
        features_BFN /= np.float32(_GRID)
        return cls(features_BFN, excluded_BN, targets_B)

    def listed(self, steps_WF: np.ndarray) -> list[np.ndarray]:
        """Shortlists: for each query, the ids of the best 20 items by any of the weight vectors, ascending.

        The shortlist is empty where no weight vector ranks the target among its best 20.
        """
        n_listed = min(_LISTED, self.features_BFN.shape[2])
        listed = []
        for features_FN, excluded_N, target in zip(self.features_BFN, self.excluded_BN, self.targets_B, strict=True):
            scores_WN = steps_WF.astype(np.float32) @ features_FN
            scores_WN[:, excluded_N] = -np.inf
            own_W1 = scores_WN[:, target, None]
            n_ahead_W = (scores_WN > own_W1).sum(axis=1) + (scores_WN[:, :target] == own_W1).sum(axis=1)
            if n_ahead_W.min() < n_listed:
                items = np.unique(top_k(scores_WN, n_listed).ids)
                listed.append(items[items >= 0])
            else:
                listed.append(np.empty(0, dtype=np.int64))
        return listed


@dataclass(frozen=True)
class Lists:
    """Feature margins of shortlisted items over the target, for queries whose target is shortlisted.

    Attributes
    ----------
    lead_FBL
        (F, B, L) feature of the item minus that of the target, for items that can be ahead of it; 0 at padding.
    bound_BL
        (B, L) an item is ahead if its weighted margin exceeds this: 0, or just below for items that win ties.
    n_cases
        Number of all queries, with or without a shortlist.
    """

    lead_FBL: np.ndarray
    bound_BL: np.ndarray
    n_cases: int

    @classmethod
    def from_cases(cls, cases: Cases, listed: list[np.ndarray]) -> Self:
        """Subtract the target's features from those of the shortlisted items of each query."""
        leads, bounds = [], []
        for case, (target, items) in enumerate(zip(cases.targets_B, listed, strict=True)):
            if not len(items):
                continue
            items = items[~cases.excluded_BN[case, items] & (items != target)]
            features_FN = cases.features_BFN[case]
            lead_FL = features_FN[:, items] - features_FN[:, target, None]
            ahead_L = (lead_FL > 0).all(axis=0)  # with any weights
            if ahead_L.sum() >= CUT_OFF:  # the target cannot be in the top 10
                continue
            rivals = (lead_FL >= 0).any(axis=0)  # weights may be 0, so one equal feature is enough for a tie
            leads.append(lead_FL[:, rivals])
            bounds.append(np.where(items[rivals] < target, -np.finfo(np.float32).tiny, 0))
        shape = (len(leads), max(map(len, bounds), default=0))
        lead_FBL = np.zeros((cases.features_BFN.shape[1], *shape), dtype=np.float32)
        bound_BL = np.zeros(shape, dtype=np.float32)
        for row, (lead_FL, bound_L) in enumerate(zip(leads, bounds, strict=True)):
            lead_FBL[:, row, : len(bound_L)] = lead_FL
            bound_BL[row, : len(bound_L)] = bound_L
        return cls(lead_FBL, bound_BL, len(cases.targets_B))

    def ndcg(self, steps_WF: np.ndarray) -> np.ndarray:
        """(W,) mean NDCG@10 of each weight vector over the shortlisted items."""
        parts = np.array_split(steps_WF, len(steps_WF) // 16 + 1)
        return np.concatenate([self._ndcg(part_WF) for part_WF in parts])

    def _ndcg(self, steps_WF: np.ndarray) -> np.ndarray:
        shape = (len(steps_WF), *self.bound_BL.shape)
        lead_WBL = (steps_WF.astype(np.float32) @ self.lead_FBL.reshape(len(self.lead_FBL), -1)).reshape(shape)
        n_ahead_WB = (lead_WBL > self.bound_BL).sum(axis=2)
        return _GAIN[np.minimum(n_ahead_WB, CUT_OFF)].sum(axis=1) / self.n_cases


def averaged_weights(cases: Cases, known_WF: np.ndarray) -> np.ndarray:
    """(F,) average of weight vectors by their NDCG@10 on `cases`; non-negative, sum 1.

    Parameters
    ----------
    cases
        Tuning queries.
    known_WF
        (W, F) weight vectors of the first round, beside those drawn at random.
    """
    rng = np.random.default_rng(0)
    n_features = known_WF.shape[1]
    drawn_WF = np.exp(rng.normal(0, _SPREADS[0], (_DRAWS, n_features)))
    drawn_WF[rng.random(drawn_WF.shape) < _ABSENT] = 0
    steps_WF = _in_steps(np.concatenate([known_WF, drawn_WF]))
    listed = cases.listed(steps_WF[:_LISTING])
    average_F = _average(Lists.from_cases(cases, listed), steps_WF)
    for spread in _SPREADS[1:]:
        near_WF = average_F * np.exp(rng.normal(0, spread, (_DRAWS, n_features)))
        steps_WF = _in_steps(np.concatenate([average_F[None], near_WF]))
        joining = cases.listed(steps_WF[:_LISTING])
        listed = [np.union1d(items, others) for items, others in zip(listed, joining, strict=True)]
        average_F = _average(Lists.from_cases(cases, listed), steps_WF)
    return average_F / average_F.sum()


def _average(lists: Lists, steps_WF: np.ndarray) -> np.ndarray:
    """(F,) average of weight vectors with weights exp(NDCG / temperature), rounded to multiples of 1/64."""
    ndcg_W = lists.ndcg(steps_WF)
    share_W = np.exp((ndcg_W - ndcg_W.max()) * lists.n_cases**0.5 / _TEMPERATURE)
    weights_WF = steps_WF / steps_WF.sum(axis=1, keepdims=True)
    return np.rint(share_W @ weights_WF / share_W.sum() * STEPS)


def _in_steps(weights_WF: np.ndarray) -> np.ndarray:
    """Weights as whole multiples of 1/64 of their sum; vectors of zeros are left out."""
    weights_WF = weights_WF[weights_WF.any(axis=1)]
    return np.rint(weights_WF / weights_WF.sum(axis=1, keepdims=True) * STEPS)
