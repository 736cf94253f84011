"""Ranking metrics from the place of the one held-out target, and bootstrap intervals. Pure numpy.

Suffixes: B cases, K places of a ranked list.
"""

from collections.abc import Callable, Sequence

import numpy as np

from recgpt.errors import DataError

MISSED = np.iinfo(np.int32).max
"""Rank of a target that is not in the ranked list: larger than any cut-off."""

_DRAWS_PER_CHUNK = 1 << 22


def target_ranks(ids_BK: np.ndarray, targets_B: np.ndarray) -> np.ndarray:
    """Find the 1-based place of each target in its ranked list.

    Parameters
    ----------
    ids_BK : (B, K) integer array
        Ranked item ids, best first; -1 marks places with nothing left to rank.
    targets_B : (B,) integer array
        The held-out item of each case.

    Returns
    -------
    (B,) int64 array
        1 for the first place, `MISSED` where the list does not contain the target.
    """
    found_BK = ids_BK == targets_B[:, None]
    return np.where(found_BK.any(axis=1), found_BK.argmax(axis=1) + 1, MISSED)


def hit_at(ranks_B: np.ndarray, k: int) -> np.ndarray:
    """Hit rate at `k` of each case: 1 if the target is among the first `k`, else 0. Returns (B,) float64."""
    return (ranks_B <= k).astype(np.float64)


def ndcg_at(ranks_B: np.ndarray, k: int) -> np.ndarray:
    """NDCG at `k` of each case: 1 / log2(1 + rank) within the first `k`, else 0. Returns (B,) float64.

    With one relevant item the ideal DCG is 1 (Järvelin and Kekäläinen 2002, section 2).
    """
    return np.where(ranks_B <= k, 1.0 / np.log2(1.0 + ranks_B), 0.0)


METRICS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"hit": hit_at, "ndcg": ndcg_at}


def per_case(ranks_B: np.ndarray, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """Every metric at every cut-off, by name (`hit@10`), one value a case."""
    return {f"{name}@{k}": metric(ranks_B, k) for k in ks for name, metric in METRICS.items()}


def bootstrap_ci(
    values_B: np.ndarray,
    users_B: np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over cases, resampling users (Efron and Tibshirani 1993, chapter 13).

    A resample of the users is fully described by how often each *distinct* outcome was drawn, and those counts follow
    one multinomial distribution. Drawing it is exactly the bootstrap, and for metrics with a dozen distinct values it
    costs the same for a thousand users as for a million. Values that are all equal give an interval of width zero.

    Parameters
    ----------
    values_B : (B,) float array
        A metric's value for each case.
    users_B : (B,) integer array
        Dense user of each case; all cases of a user are drawn together.
    level : float
        Coverage, 0.95 for a 95 % interval.

    Returns
    -------
    (low, high)

    Raises
    ------
    DataError
        If there are no cases.
    """
    if len(values_B) == 0:
        raise DataError("bootstrap_ci: no cases, so there is no interval; leave the empty slice out")
    cases_of_user = np.bincount(users_B)
    seen = cases_of_user > 0
    total_of_user = np.bincount(users_B, weights=values_B)[seen]
    # One complex number a user (total, cases): `np.unique` sorts them by both parts.
    outcomes, users_with = np.unique(total_of_user + 1j * cases_of_user[seen], return_counts=True)
    n_users = int(seen.sum())
    rng = np.random.default_rng(seed)
    chunk = max(1, _DRAWS_PER_CHUNK // len(outcomes))
    means = []
    for start in range(0, resamples, chunk):
        drawn = rng.multinomial(n_users, users_with / n_users, size=min(chunk, resamples - start))
        means.append((drawn @ outcomes.real) / (drawn @ outcomes.imag))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
