"""Evaluation of policies: metrics of episodes, intervals over users, paired comparisons.

    figures = summary([episodes_of_seed_0, episodes_of_seed_1], liked_from=8, n_items=len(items))
    figures["reward"]["mean"], figures["reward"]["low"], figures["reward"]["high"]
    compare({"random": runs, "linucb": others}, "random", "reward", liked_from=8, n_items=len(items))

Every user plays one episode of at most T items with each seed. All metrics are of a user first, and a figure is the
mean over users. Bootstrap intervals resample users, with all seeds of a user drawn together. No code is published for
MAP, MRR and personalisation: docs/gym.md defines them.

Shapes: U users, T items of an episode, K items of a list, N items, S seeds, C = U * S cases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recgpt.evaluate.beyond_accuracy import gini_index
from recgpt.evaluate.significance import bootstrap_ci, holm, paired_bootstrap
from recgpt.simulate.worlds.gym.steps import TERMINATED

TOP = 10
"""Length of the lists behind MAP, MRR and the personalised share."""

METRICS = {
    "reward": "mean of the user's ratings",
    "return": "sum of the user's rewards, after the shaping",
    "length": "items rated until the user left, or the episode ended",
    "left": "share of users who left of their own will",
    "map@10": "mean average precision of the first ten items; relevant: rated at least as liked",
    "mrr@10": "mean of 1 / place of the first relevant item",
    "personalised": "1 - share of the first ten items in common with another user, meaned over all others",
    "failed": "questions to the user without a rating",
}
"""Metrics of a user, and their meanings."""

LISTS = {
    "distinct": "different items shown",
    "coverage": "share of the catalogue shown",
    "gini": "Gini index of exposure over the catalogue",
}
"""Metrics of all lists together, and their meanings."""

_DIGITS = 6
_RESAMPLES = 1000


@dataclass(frozen=True)
class Episodes:
    """One episode of each user, with one policy and seed.

    Attributes
    ----------
    item_UT
        (U, T) integers, items rated, in order; -1 beyond the end.
    rating_UT, reward_UT
        (U, T) ratings, and rewards after the shaping; NaN beyond the end.
    n_failed_U
        (U,) questions without a rating.
    left_U
        (U,) `Left`, why an episode ended before its last item.
    """

    item_UT: np.ndarray
    rating_UT: np.ndarray
    reward_UT: np.ndarray
    n_failed_U: np.ndarray
    left_U: np.ndarray

    def __len__(self) -> int:
        return len(self.item_UT)


# --- metrics of a user ---


def average_precision(relevant_UK: np.ndarray) -> np.ndarray:
    """(U,) mean over the relevant places of a list of the precision there; 0 without any."""
    place_K = np.arange(1, relevant_UK.shape[1] + 1)
    precision_UK = relevant_UK.cumsum(axis=1) / place_K
    n_relevant_U = relevant_UK.sum(axis=1)
    return (precision_UK * relevant_UK).sum(axis=1) / np.maximum(n_relevant_U, 1)


def reciprocal_rank(relevant_UK: np.ndarray) -> np.ndarray:
    """(U,) 1 / first relevant place of a list; 0 without any."""
    if not relevant_UK.shape[1]:
        return np.zeros(len(relevant_UK))
    return np.where(relevant_UK.any(axis=1), 1 / (1 + relevant_UK.argmax(axis=1)), 0.0)


def personalised(item_UK: np.ndarray) -> np.ndarray:
    """(U,) 1 - mean over all other users of the share of a user's list in common with theirs; NaN for a single user.

    The mean over users is that over all pairs of users.

    Parameters
    ----------
    item_UK
        (U, K) lists without repeats; -1 for none.
    """
    n_users, k = item_UK.shape
    if n_users < 2 or not k:
        return np.full(n_users, np.nan)
    there_UK = item_UK >= 0
    count_N = np.bincount(item_UK[there_UK], minlength=1)
    # Users who share an item with me, me not counted, summed over my items.
    shared_U = np.where(there_UK, count_N[np.maximum(item_UK, 0)] - 1, 0).sum(axis=1)
    return 1 - shared_U / ((n_users - 1) * k)


def per_user(episodes: Episodes, liked_from: float) -> dict[str, np.ndarray]:
    """(U,) float64 of each of `METRICS`; NaN where a user has none."""
    rated_UT = ~np.isnan(episodes.rating_UT)
    length_U = rated_UT.sum(axis=1)
    relevant_UK = (episodes.rating_UT >= liked_from)[:, :TOP]
    has_any_U = length_U > 0

    def of_rated(values_U: np.ndarray) -> np.ndarray:
        return np.where(has_any_U, values_U, np.nan)

    return {
        "reward": of_rated(np.nansum(episodes.rating_UT, axis=1) / np.maximum(length_U, 1)),
        "return": np.nansum(episodes.reward_UT, axis=1),
        "length": length_U.astype(np.float64),
        "left": np.isin(episodes.left_U, TERMINATED).astype(np.float64),
        "map@10": of_rated(average_precision(relevant_UK)),
        "mrr@10": of_rated(reciprocal_rank(relevant_UK)),
        "personalised": of_rated(personalised(episodes.item_UT[:, :TOP])),
        "failed": episodes.n_failed_U.astype(np.float64),
    }


def of_lists(episodes: Episodes, n_items: int) -> dict[str, float]:
    """Each of `LISTS`."""
    shown_N = np.bincount(episodes.item_UT[episodes.item_UT >= 0], minlength=n_items)
    distinct = int((shown_N > 0).sum())
    return {"distinct": distinct, "coverage": distinct / n_items, "gini": gini_index(shown_N)}


# --- figures ---


def summary(runs: Sequence[Episodes], *, liked_from: float, n_items: int) -> dict[str, Any]:
    """Figures of one policy over its seeds, JSON values.

    Returns
    -------
    dict
        For each of `METRICS` its `mean`, the bounds `low` and `high` of the 95 % interval over users (None with a
        single user), and `seeds`, the mean with each seed. For each of `LISTS` the mean over seeds, and `seeds`.
    """
    found = [per_user(episodes, liked_from) for episodes in runs]
    lists = [of_lists(episodes, n_items) for episodes in runs]
    figures: dict[str, Any] = {}
    for name in METRICS:
        values_SU = np.stack([of_seed[name] for of_seed in found])
        seeds = [_mean(of_seed) for of_seed in values_SU]
        figures[name] = {**_interval(values_SU), "seeds": seeds}
    for name in LISTS:
        values = [of_seed[name] for of_seed in lists]
        figures[name] = {"mean": _rounded(float(np.mean(values))), "seeds": [_rounded(value) for value in values]}
    return figures


def compare(
    policies: Mapping[str, Sequence[Episodes]], baseline: str, metric: str, *, liked_from: float
) -> dict[str, dict[str, float]]:
    """Paired differences of each policy from the baseline, on the same users and seeds.

    Returns
    -------
    dict
        For each other policy the `difference` of the means, its interval `low` and `high`, the `p_value` of the paired
        bootstrap over users, and `adjusted` for the number of comparisons (Holm).
    """
    values = {
        name: np.stack([per_user(episodes, liked_from)[metric] for episodes in runs]) for name, runs in policies.items()
    }
    base_SU = values[baseline]
    found = {}
    for name, of_policy_SU in values.items():
        both_SU = np.isfinite(base_SU) & np.isfinite(of_policy_SU)
        if name == baseline or not both_SU.any():
            continue
        users_C = np.nonzero(both_SU)[1]
        tested = paired_bootstrap(of_policy_SU[both_SU], base_SU[both_SU], users_C)
        found[name] = {
            "difference": _kept(tested.difference),
            "low": _kept(tested.low),
            "high": _kept(tested.high),
            "p_value": _kept(tested.p_value),
        }
    adjusted = holm([each["p_value"] for each in found.values()])
    return {name: {**each, "adjusted": _kept(p)} for (name, each), p in zip(found.items(), adjusted, strict=True)}


def spread(episodes: Episodes) -> dict[str, float | None]:
    """Mean and spread of the ratings: standard deviations of `all`, of users' means, and of items' means.

    Items count from five ratings on; None where there are too few.
    """
    rated_UT = ~np.isnan(episodes.rating_UT)
    ratings, item = episodes.rating_UT[rated_UT], episodes.item_UT[rated_UT]
    users = np.repeat(np.arange(len(episodes)), rated_UT.sum(axis=1))
    return {
        "mean": _mean(ratings),
        "all": _deviation(ratings),
        "between_users": _deviation(_means(users, ratings, at_least=2)),
        "between_items": _deviation(_means(item, ratings, at_least=5)),
    }


def _means(group_R: np.ndarray, values_R: np.ndarray, at_least: int) -> np.ndarray:
    """Means of the groups with at least so many values."""
    n = np.bincount(group_R)
    return np.bincount(group_R, weights=values_R)[n >= at_least] / n[n >= at_least]


def _deviation(values: np.ndarray) -> float | None:
    return _kept(float(values.std())) if len(values) > 1 else None


def _interval(values_SU: np.ndarray) -> dict[str, float | None]:
    known_SU = np.isfinite(values_SU)
    users_C = np.nonzero(known_SU)[1]
    known = values_SU[known_SU]
    several = len(np.unique(users_C)) > 1
    low, high = bootstrap_ci(known, users_C, resamples=_RESAMPLES) if several else (None, None)
    return {"mean": _mean(known), "low": _rounded(low), "high": _rounded(high)}


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return _kept(float(known.mean())) if len(known) else None


def _kept(value: float) -> float:
    return round(float(value), _DIGITS)


def _rounded(value: float | None) -> float | None:
    return None if value is None else _kept(value)
