"""Significance: bootstrap intervals and paired tests over users, and Holm's correction.

    low, high = bootstrap_ci(values_B, users_B)
    result = paired_bootstrap(ndcg_of_a_B, ndcg_of_b_B, users_B)      # same queries, same order
    adjusted = holm([result.p_value, ...])                            # one p-value a comparison

A resample of the users is fully described by the number of draws of each *distinct* outcome (sum of a user's values,
number of the user's queries), and these counts follow a multinomial distribution. Drawing from it is exactly the
bootstrap, and for metrics with a dozen distinct values it costs the same for a thousand users as for a million. Where
nearly every user has a distinct outcome, as with many queries a user, drawing the users themselves is quicker.

Suffixes: B queries, U users, O distinct outcomes of a user, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recgpt.errors import DataError

_DRAWS_PER_CHUNK = 1 << 22
_USERS_AT_A_TIME = 1 << 16  # drawn users, which fit into a cache
_USERS_PER_OUTCOME = 8  # the count of one outcome takes as long to draw as about 8 users

LEVEL = 0.95  # coverage of the intervals


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two means over the same queries.

    Attributes
    ----------
    difference
        Mean of a minus mean of b.
    low, high
        Percentile bootstrap interval of the difference.
    p_value
        Two-sided p-value for the null hypothesis that the difference is 0.
    n_users
        Number of resampled users.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n_users: int


def bootstrap_ci(
    values_B: np.ndarray,
    users_B: np.ndarray,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over queries, resampling users (Efron and Tibshirani 1993, chapter 13).

    Values that are all equal give an interval of width zero.

    Parameters
    ----------
    values_B
        (B,) value of a metric for each query.
    users_B
        (B,) dense user id of each query; all queries of a user are drawn together.
    resamples, seed
        Number of bootstrap resamples, and seed of their draws.

    Returns
    -------
    (low, high)

    Raises
    ------
    DataError
        There are no queries, the lengths differ, or a value is not a finite number.
    """
    _check(values_B, users_B)
    means_R, _ = _resampled_means(values_B, users_B, resamples, seed)
    return _interval(means_R)


def paired_bootstrap(
    values_a_B: np.ndarray,
    values_b_B: np.ndarray,
    users_B: np.ndarray,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Paired bootstrap test of two recommenders on the same queries, resampling users.

    The interval is the percentile interval of the mean difference, the test the bootstrap test of Efron and Tibshirani
    (1993, section 16.4): the bootstrap distribution, shifted to mean 0, is the null distribution; the p-value is the
    share of it at least as far from 0 as the observed difference. Sakai (2006) studentises the differences; for the
    number of users in an evaluation the two agree, and this one needs the sums only. The observed sample counts as a
    resample, p = (1 + r) / (1 + R), so that p > 0 (Davison and Hinkley 1997, chapter 4). Shifting the distribution,
    instead of counting signs, gives p = 1 for equal recommenders.

    Parameters
    ----------
    values_a_B, values_b_B
        (B,) value of a metric for each query, for recommenders a and b.
    users_B
        (B,) dense user id of each query; all queries of a user are drawn together.

    Raises
    ------
    DataError
        There are no queries, the lengths differ, or a value is not a finite number.
    """
    if len(values_a_B) != len(values_b_B):
        raise DataError(
            f"{len(values_a_B)} values of one recommender and {len(values_b_B)} of the other: a paired comparison needs"
            " both on the same cases in the same order"
        )
    differences_B = values_a_B - values_b_B
    _check(differences_B, users_B)
    observed = float(differences_B.mean())
    sign = -1.0 if observed < 0 else 1.0  # the same result for (a, b) and (b, a), up to the sign
    means_R, n_users = _resampled_means(sign * differences_B, users_B, resamples, seed)
    means_R = sign * means_R
    # Differences with few distinct values often tie with the observed one: a tolerance for rounding.
    as_far_R = np.abs(means_R - observed) >= abs(observed) * (1 - 1e-9)
    low, high = _interval(means_R)
    return PairedDifference(observed, low, high, float((1 + as_far_R.sum()) / (1 + resamples)), n_users)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """P-values adjusted for the number of comparisons, by Holm's step-down procedure (Holm 1979).

    Rejecting hypotheses with adjusted p <= α bounds the family-wise error rate by α under any dependence between the
    comparisons.

    Parameters
    ----------
    p_values
        (m,) p-values of one family of comparisons, in any order.

    Returns
    -------
    (m,) float64, in the same order, at most 1.

    Raises
    ------
    DataError
        A value does not lie between 0 and 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        raise DataError(f"p_values[{outside.argmax()}] is {p[outside.argmax()]}: a p-value lies between 0 and 1")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def _resampled_means(values_B: np.ndarray, users_B: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, int]:
    """(R,) mean over queries in each resample of the users, and the number of users."""
    cases_U = np.bincount(users_B)
    seen_U = cases_U > 0
    total_U, cases_U = np.bincount(users_B, weights=values_B)[seen_U], cases_U[seen_U]
    n_users = len(cases_U)
    rng = np.random.default_rng(seed)
    # One complex number a user (total, cases): `np.unique` sorts them by both parts.
    outcomes_O, users_with_O = np.unique(total_U + 1j * cases_U, return_counts=True)
    means = []
    if len(outcomes_O) * _USERS_PER_OUTCOME > n_users:
        chunk = max(1, _USERS_AT_A_TIME // n_users)
        for start in range(0, resamples, chunk):
            drawn_RU = rng.integers(n_users, size=(min(chunk, resamples - start), n_users))
            means.append(total_U[drawn_RU].sum(axis=1) / cases_U[drawn_RU].sum(axis=1))
        return np.concatenate(means), n_users
    chunk = max(1, _DRAWS_PER_CHUNK // len(outcomes_O))
    for start in range(0, resamples, chunk):
        drawn_RO = rng.multinomial(n_users, users_with_O / n_users, size=min(chunk, resamples - start))
        means.append((drawn_RO @ outcomes_O.real) / (drawn_RO @ outcomes_O.imag))
    return np.concatenate(means), n_users


def _check(values_B: np.ndarray, users_B: np.ndarray) -> None:
    if len(values_B) == 0:
        raise DataError("bootstrap: no cases, so there is no interval; leave the empty slice out")
    if len(values_B) != len(users_B):
        raise DataError(f"bootstrap: {len(values_B)} values for the users of {len(users_B)} cases: give one for each")
    finite_B = np.isfinite(values_B)
    if not finite_B.all():
        case = int(finite_B.argmin())
        raise DataError(f"bootstrap: the value of case {case} is {values_B[case]}: leave cases without a value out")


def _interval(means_R: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(means_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
