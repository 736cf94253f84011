"""Weights of a sum of features that maximise NDCG@10 over the full catalogue, without gradients.

The metric is a staircase with many local optima, so a coordinate search from one point sticks. Here, as in minimum
error rate training (Och 2003, sections 4 and 5), the metric itself is climbed on lists of each case's best items, from
many starts; where that ends is measured on the full catalogue, the items that are best there join the lists, and so on.
Suffixes: B cases, F features, N items, L listed items, W weight vectors.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

CUT_OFF = 10
_LISTED = 20  # best items of a case that join its list, for each weight vector
_LISTING = 12  # weight vectors that the first lists are made with
_DRAWS = 512
_STARTS = 6
_ROUNDS = 4
_NUDGES = 48
_SPREAD = 0.5  # of a nudge, in natural logarithms
_STEPS = np.array([0, 1 / 16, 1 / 8, 1 / 4, 0.4, 0.6, 0.75, 0.85, 0.93, 1.08, 1.17, 1.35, 1.7, 2.5, 4, 8, 16])
_STEPS_FROM_ZERO = 2.0 ** np.arange(-7, 1)


@dataclass(frozen=True)
class Cases:
    """Cases to tune on, with their features over the full catalogue.

    Attributes
    ----------
    features_BFN
        (B, F, N) float32.
    excluded_BN
        (B, N) bool, items that may not be recommended.
    targets_B
        (B,) item ids, none of them excluded.
    """

    features_BFN: np.ndarray
    excluded_BN: np.ndarray
    targets_B: np.ndarray

    def ranked(self, weights_WF: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Mean NDCG@10 of each weight vector, (W,), and for each case the best items by any of them.

        A case whose target is among the best by none gets no items.
        """
        n_cases, _, n_items = self.features_BFN.shape
        n_listed = min(_LISTED, n_items)
        gain_W = np.zeros(len(weights_WF))
        listed = []
        for features_FN, excluded_N, target in zip(self.features_BFN, self.excluded_BN, self.targets_B, strict=True):
            scores_WN = weights_WF.astype(np.float32) @ features_FN
            scores_WN[:, excluded_N] = -np.inf
            own_W1 = scores_WN[:, target, None]
            ahead_W = (scores_WN > own_W1).sum(axis=1) + (scores_WN[:, :target] == own_W1).sum(axis=1)
            gain_W += _gain(ahead_W)
            near_WN = scores_WN if ahead_W.min() < n_listed else scores_WN[:0]
            listed.append(torch.from_numpy(near_WN).topk(n_listed, dim=1).indices.numpy().ravel())
        return gain_W / n_cases, listed


@dataclass(frozen=True)
class _Lists:
    """What the listed items of the cases that can be hit have over the target.

    Attributes
    ----------
    lead_FBL
        Feature less that of the target, for items that can be ahead of it; padding never is.
    bound_BL
        An item is ahead where its lead is larger: 0, or just below for items that come first in a tie.
    n_cases
        How many cases there are with those that cannot be hit.
    """

    lead_FBL: np.ndarray
    bound_BL: np.ndarray
    n_cases: int

    @classmethod
    def of(cls, cases: Cases, listed: list[np.ndarray]) -> Self:
        leads, bounds = [], []
        for case, (target, items) in enumerate(zip(cases.targets_B, map(np.unique, listed), strict=True)):
            if not len(items):
                continue
            items = items[~cases.excluded_BN[case, items] & (items != target)]
            features_FN = cases.features_BFN[case]
            lead_FL = features_FN[:, items] - features_FN[:, target, None]
            if (lead_FL > 0).all(axis=0).sum() >= CUT_OFF:  # ahead whatever the weights
                continue
            rivals = (lead_FL > 0).any(axis=0) | (lead_FL == 0).all(axis=0)
            leads.append(lead_FL[:, rivals])
            bounds.append(np.where(items[rivals] < target, -np.finfo(np.float32).tiny, 0))
        shape = (len(leads), max(map(len, bounds), default=0))
        lead_FBL = np.zeros((cases.features_BFN.shape[1], *shape), dtype=np.float32)
        bound_BL = np.zeros(shape, dtype=np.float32)
        for row, (lead_FL, bound_L) in enumerate(zip(leads, bounds, strict=True)):
            lead_FBL[:, row, : len(bound_L)] = lead_FL
            bound_BL[row, : len(bound_L)] = bound_L
        return cls(lead_FBL, bound_BL, len(cases.targets_B))

    def ndcg(self, weights_WF: np.ndarray) -> np.ndarray:
        """(W,) mean NDCG@10 if there were no items but the listed."""
        n_features = len(self.lead_FBL)
        lead_WBL = (weights_WF.astype(np.float32) @ self.lead_FBL.reshape(n_features, -1)).reshape(
            len(weights_WF), *self.bound_BL.shape
        )
        return _gain((lead_WBL > self.bound_BL).sum(axis=2)).sum(axis=1) / self.n_cases


def best_weights(cases: Cases, known_WF: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """(F,) non-negative weights, summing to 1, whose NDCG@10 on `cases` is the best found.

    Parameters
    ----------
    known_WF
        Weight vectors to start from, beside those drawn at random; the result is at least as good as each.
    seed
        Of the draws.
    """
    rng = np.random.default_rng(seed)
    drawn_WF = np.exp(rng.normal(0, 1.5, (_DRAWS, known_WF.shape[1])))
    drawn_WF[rng.random(drawn_WF.shape) < 0.2] = 0
    drawn_WF = _scaled(np.concatenate([known_WF, drawn_WF[drawn_WF.any(axis=1)]]))

    tried_WF = drawn_WF[: max(_LISTING, len(known_WF))]
    ndcg_W, listed = cases.ranked(tried_WF)
    starts_WF = drawn_WF
    for _ in range(_ROUNDS):
        lists = _Lists.of(cases, listed)
        on_lists_W = np.concatenate([lists.ndcg(part) for part in np.array_split(starts_WF, len(starts_WF) // 32 + 1)])
        starts_WF = starts_WF[np.argsort(-on_lists_W, kind="stable")[:_STARTS]]
        ends_WF = np.stack([_climb(lists, start_F, rng) for start_F in starts_WF])
        ends_ndcg_W, joining = cases.ranked(ends_WF)
        improved = ends_ndcg_W.max() > ndcg_W.max()
        tried_WF, ndcg_W = np.concatenate([tried_WF, ends_WF]), np.concatenate([ndcg_W, ends_ndcg_W])
        if not improved:
            break
        listed = [np.concatenate(both) for both in zip(listed, joining, strict=True)]
        starts_WF = np.concatenate([ends_WF, drawn_WF])
    return tried_WF[ndcg_W.argmax()]


def _climb(lists: _Lists, weights_F: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coordinate ascent that, where no coordinate helps, tries steps in random directions before it gives up."""
    best, before = lists.ndcg(weights_F[None])[0], -1.0
    while best > before:
        before = best
        for feature in range(len(weights_F)):
            best, weights_F = _better(lists, best, weights_F, _along(weights_F, feature))
        if best == before:
            nudged_WF = weights_F * np.exp(rng.normal(0, _SPREAD, (_NUDGES, len(weights_F))))
            best, weights_F = _better(lists, best, weights_F, nudged_WF)
    return _scaled(weights_F[None])[0]


def _better(lists: _Lists, best: float, weights_F: np.ndarray, tried_WF: np.ndarray) -> tuple[float, np.ndarray]:
    ndcg_W = lists.ndcg(tried_WF)
    first = ndcg_W.argmax()
    return (ndcg_W[first], tried_WF[first]) if ndcg_W[first] > best else (best, weights_F)


def _along(weights_F: np.ndarray, feature: int) -> np.ndarray:
    """The weight vectors that differ from `weights_F` by a step in one coordinate."""
    own = weights_F[feature]
    steps = own * _STEPS if own > 0 else weights_F.max() * _STEPS_FROM_ZERO
    tried_WF = np.repeat(weights_F[None], len(steps), axis=0)
    tried_WF[:, feature] = steps
    return tried_WF[tried_WF.any(axis=1)]


def _scaled(weights_WF: np.ndarray) -> np.ndarray:
    return weights_WF / weights_WF.sum(axis=1, keepdims=True)


def _gain(ahead: np.ndarray) -> np.ndarray:
    """NDCG@10 of one target with so many items ahead of it."""
    return np.where(ahead < CUT_OFF, 1 / np.log2(2.0 + ahead), 0.0)
