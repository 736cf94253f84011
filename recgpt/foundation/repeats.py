"""Scores of history items, where they may be recommended: log-odds of a repeat against items new to the user.

The network is trained on targets new to their user, so its logits say little of repeats. These are counted
(`recgpt.features.repeats`): the probability p that the next interaction is a repeat, and a hazard and a factor for each
item. Given a repeat, item j has the probability softmax(w . (log hazard, log factor, logit)). The weights w are fitted
to the last items of users, where these are repeats, by Newton steps with a ridge toward fixed weights. New items share
1 - p. A part of it belongs to items that the shortlist lacks, so the share of new last items on it is counted, too.

Shapes: as `recgpt.foundation` defines them; besides, Q held-out repeats, W weights.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recgpt.data.held_out import HeldOut, users_with_novel_last_item
from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.features.interaction_counts import InteractionCounts
from recgpt.features.repeats import OwnItems
from recgpt.foundation.catalogue_features import CatalogueFeatures, shortlist_candidates
from recgpt.foundation.network import CalibrationWeights, FoundationNetwork

MAX_USERS = 1_000  # with a repeat, and as many with a new last item
MIN_USERS = 20
PRIOR_WEIGHTS = (0.7, 1.0, 0.35)
_RIDGE = 5.0  # in queries
_NEWTON_STEPS = 8
_LEAST_LISTED = 0.05
_ROWS = 32


class RepeatWeights(NamedTuple):
    """Weights of one catalogue.

    Attributes
    ----------
    weight_W
        (3,) float64 weights of log hazard, log factor and logit.
    listed
        Share of new last items on the shortlist.
    """

    weight_W: np.ndarray = np.array(PRIOR_WEIGHTS)
    listed: float = 1.0

    def log_weights(
        self, past: InteractionCounts, own: OwnItems, candidates_BM: np.ndarray, logits_BM: Tensor, is_own_BM: Tensor
    ) -> Tensor:
        """(B, M) float64 w . (log hazard, log factor, logit) of candidates in their history; -inf for the others."""
        hazard, factor, logit = self.weight_W
        counted_P = hazard * past.repeats.log_hazard(own) + factor * past.repeats.log_factor(own.item, past.count_N)
        rows_R, columns_R = np.nonzero(is_own_BM.numpy())
        keys_P = own.case * past.n_items + own.item
        place_R = np.searchsorted(keys_P, rows_R * past.n_items + candidates_BM[rows_R, columns_R])
        found_BM = torch.full(logits_BM.shape, -torch.inf, dtype=torch.float64)
        found_BM[rows_R, columns_R] = (
            torch.from_numpy(counted_P[place_R]) + logit * logits_BM[rows_R, columns_R].double()
        )
        return found_BM

    def scores(
        self,
        past: InteractionCounts,
        histories: Ragged,
        ranked: tuple[np.ndarray, Tensor, Tensor],
        whole: tuple[np.ndarray, Tensor, Tensor],
    ) -> Tensor:
        """(B, M) logits in which items of the history have their score.

        Parameters
        ----------
        ranked
            (B, M) candidates, their logits, and whether they are in the history.
        whole
            The same without a restriction of the candidates: probabilities are of the whole catalogue.
        """
        own = OwnItems.from_histories(histories, past.n_items)
        probability_B = torch.from_numpy(past.repeats.probability(histories, own))
        among_B1 = self.log_weights(past, own, *whole).logsumexp(1, keepdim=True)
        new_B1 = whole[1].double().masked_fill(whole[2], -torch.inf).logsumexp(1, keepdim=True)
        new_B1 = torch.where(new_B1.isfinite(), new_B1, 0.0)
        shift_B1 = new_B1 + torch.logit(probability_B)[:, None] - math.log(self.listed) - among_B1
        _, logits_BM, is_own_BM = ranked
        return torch.where(is_own_BM, (self.log_weights(past, own, *ranked) + shift_B1).float(), logits_BM)


def fit_repeats(
    network: FoundationNetwork,
    calibration: CalibrationWeights | None,
    features: CatalogueFeatures,
    *,
    shortlist: int,
) -> RepeatWeights:
    """Fit the weights on the last items of a catalogue's users; without repeats, the prior weights.

    Up to 1,000 users whose last item is a repeat, and as many for whom it is new, are held out; the other interactions
    are counted anew.
    """
    sequences, times = features.past.sequences, features.past.times
    new = users_with_novel_last_item(sequences)
    again = np.setdiff1d(np.flatnonzero(sequences.lengths >= 2), new)
    if len(again) < MIN_USERS:
        return RepeatWeights()
    users = np.sort(np.concatenate([sample(each, MAX_USERS, 0) for each in (again, new)]))
    held_out = HeldOut.from_last_items(sequences, users, times)
    known = features.hybrid_index.with_past(held_out.known, held_out.times)
    before = CatalogueFeatures(
        known, features.weights_F, features.neighbourhood_NZ, features.cold_items, features.words_NW
    )
    is_again = held_out.histories.contains(held_out.targets)
    examples = _examples(network, calibration, before, held_out, np.flatnonzero(is_again))
    listed = _listed(before, held_out, np.flatnonzero(~is_again), shortlist)
    return RepeatWeights(newton(examples), listed)


def newton(examples: list[tuple[np.ndarray, int]]) -> np.ndarray:
    """(W,) weights of the most likely choices, with a ridge of 5 queries toward `PRIOR_WEIGHTS`.

    Parameters
    ----------
    examples
        For each choice the (M, W) features of the alternatives, and the row of the chosen one.
    """
    prior_W = np.array(PRIOR_WEIGHTS)
    weight_W = prior_W.copy()
    for _ in range(_NEWTON_STEPS):
        gradient_W, fisher_WW = -_RIDGE * (weight_W - prior_W), _RIDGE * np.eye(len(prior_W))
        for features_MW, chosen in examples:
            score_M = features_MW @ weight_W
            likely_M = np.exp(score_M - score_M.max())
            likely_M /= likely_M.sum()
            mean_W = likely_M @ features_MW
            gradient_W += features_MW[chosen] - mean_W
            fisher_WW += (features_MW * likely_M[:, None]).T @ features_MW - np.outer(mean_W, mean_W)
        weight_W = weight_W + np.linalg.solve(fisher_WW, gradient_W)
    return weight_W


@torch.no_grad()
def _examples(
    network: FoundationNetwork,
    calibration: CalibrationWeights | None,
    features: CatalogueFeatures,
    held_out: HeldOut,
    cases_Q: np.ndarray,
) -> list[tuple[np.ndarray, int]]:
    """Log hazard, log factor and logit of each history's items, and the place of its target."""
    past, examples = features.past, []
    for start in range(0, len(cases_Q), _ROWS):
        rows = cases_Q[start : start + _ROWS]
        histories = held_out.histories[rows]
        own = OwnItems.from_histories(histories, past.n_items)
        offsets = np.searchsorted(own.case, np.arange(len(rows) + 1))
        own_BM = np.full((len(rows), int(np.diff(offsets).max())), -1, dtype=np.int64)
        own_BM[own.case, np.arange(len(own.case)) - offsets[own.case]] = own.item
        evidence = features.evidence(histories, own_BM, features.hybrid_scores(histories), network.config.history_items)
        logits_BM = network(evidence, calibration).double().numpy()
        counted = past.repeats.log_hazard(own), past.repeats.log_factor(own.item, past.count_N)
        for row, target in enumerate(held_out.targets[rows]):
            mine = slice(offsets[row], offsets[row + 1])
            logits_M = logits_BM[row, : offsets[row + 1] - offsets[row]]
            features_MW = np.stack([counted[0][mine], counted[1][mine], logits_M], axis=1)
            examples.append((features_MW, int(np.searchsorted(own.item[mine], target))))
    return examples


def _listed(features: CatalogueFeatures, held_out: HeldOut, cases: np.ndarray, shortlist: int) -> float:
    """Share of the targets on the shortlist, at least .05; 1 without a target."""
    found = 0
    for start in range(0, len(cases), _ROWS):
        rows = cases[start : start + _ROWS]
        histories = held_out.histories[rows]
        listed_BM = shortlist_candidates(histories, features.hybrid_scores(histories), shortlist, features.past.count_N)
        found += int((listed_BM == held_out.targets[rows, None]).any(axis=1).sum())
    return max(found / len(cases), _LEAST_LISTED) if len(cases) else 1.0
