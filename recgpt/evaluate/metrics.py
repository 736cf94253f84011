"""Accuracy of ranked lists, case by case: hit, recall, NDCG, MRR and MAP at a cut-off. Pure numpy.

One held-out item a case, by its place in the list (what `evaluate` uses):

    per_case(target_ranks(ids_BK, targets_B), ks=(1, 10))          # {"hit@1": (B,), "ndcg@1": (B,), ...}

Any number of relevant items a case:

    relevant_BK, n_relevant_B = relevance(ids_BK, targets)         # targets: Ragged
    ndcg(relevant_BK, n_relevant_B, k=10)                          # (B,)

Both agree where a case has one relevant item. Suffixes: B cases, K places of a ranked list, R relevant items of all
cases end to end.
"""

from collections.abc import Callable, Sequence

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.errors import DataError

MISSED = np.iinfo(np.int32).max
"""Rank of a target that is not in the ranked list: larger than any cut-off."""

_PAIRS_PER_CHUNK = 1 << 16


def target_ranks(ids_BK: np.ndarray, targets_B: np.ndarray) -> np.ndarray:
    """Find the 1-based place of each target in its ranked list.

    Parameters
    ----------
    ids_BK
        (B, K) integer array Ranked item ids, best first; -1 marks places with nothing left to rank.
    targets_B
        (B,) integer array The held-out item of each case.

    Returns
    -------
    (B,) int64 array
        1 for the first place, `MISSED` where the list does not contain the target.
    """
    found_BK = ids_BK == targets_B[:, None]
    return np.where(found_BK.any(axis=1), found_BK.argmax(axis=1) + 1, MISSED)


def hit_at(ranks_B: np.ndarray, k: int) -> np.ndarray:
    """Hit rate at `k` of each case: 1 if the target is among the first `k`, else 0. Returns (B,) float64.

    With one relevant item this is also the recall.
    """
    return (ranks_B <= k).astype(np.float64)


def ndcg_at(ranks_B: np.ndarray, k: int) -> np.ndarray:
    """NDCG at `k` of each case: 1 / log2(1 + rank) within the first `k`, else 0. Returns (B,) float64.

    With one relevant item the ideal DCG is 1 (Järvelin and Kekäläinen 2002, section 2).
    """
    return np.where(ranks_B <= k, 1.0 / np.log2(1.0 + ranks_B), 0.0)


def mrr_at(ranks_B: np.ndarray, k: int) -> np.ndarray:
    """Reciprocal rank at `k` of each case: 1 / rank within the first `k`, else 0 (Voorhees 1999). Returns (B,) float64.

    With one relevant item this is also the average precision.
    """
    return np.where(ranks_B <= k, 1.0 / ranks_B, 0.0)


METRICS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"hit": hit_at, "ndcg": ndcg_at, "mrr": mrr_at}
"""Metrics of one target a case, from its rank."""


def per_case(ranks_B: np.ndarray, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """Every metric of `METRICS` at every cut-off, by name (`hit@10`), one value a case."""
    return {f"{name}@{k}": metric(ranks_B, k) for k in ks for name, metric in METRICS.items()}


def relevance(ids_BK: np.ndarray, targets: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Mark which places of each ranked list hold a relevant item.

    Parameters
    ----------
    ids_BK
        (B, K) integer array Ranked item ids, best first; -1 marks an empty place, which keeps its rank and is never
        relevant. Of an item that a list holds more than once, only the first occurrence counts.
    targets
        B sets of relevant items Double items of a case count once; a case may have none.

    Returns
    -------
    relevant_BK
        (B, K) bool
    n_relevant_B
        (B,) int64 How many different items are relevant, in the list or not.

    Raises
    ------
    DataError
        The number of cases differs, or a target is negative.
    """
    if len(targets) != len(ids_BK):
        raise DataError(f"{len(ids_BK)} ranked lists for {len(targets)} sets of targets: give one set for each list")
    if len(targets.values) and targets.values.min() < 0:
        negative = int(targets.values.argmin())
        of_case = int(np.searchsorted(targets.offsets, negative, side="right")) - 1
        raise DataError(
            f"case {of_case} has the target {targets.values[negative]}: targets are item ids, 0 or larger;"
            " leave a case's set empty if nothing is relevant"
        )
    case_R, target_R = distinct_pairs(targets)
    relevant_BK = np.zeros(ids_BK.shape, dtype=bool)
    for start in range(0, len(case_R), _PAIRS_PER_CHUNK):
        case, target = case_R[start : start + _PAIRS_PER_CHUNK], target_R[start : start + _PAIRS_PER_CHUNK]
        ranks = target_ranks(ids_BK[case], target)
        found = ranks < MISSED
        relevant_BK[case[found], ranks[found] - 1] = True
    return relevant_BK, np.bincount(case_R, minlength=len(ids_BK))


def distinct_pairs(sequences: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Sequence and value of every different item id of every sequence, in rising order: two (R,) int64 arrays."""
    n_ids = int(sequences.values.max(initial=0)) + 1
    # Sorted here, because the hash table of `np.unique` is many times slower on tens of millions of different keys.
    keys = np.sort(np.repeat(np.arange(len(sequences)) * n_ids, sequences.lengths) + sequences.values)
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return keys // n_ids, keys % n_ids


def hit(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """Hit rate at `k` of each case: 1 if any of the first `k` is relevant, else 0. Returns (B,) float64."""
    return np.where(_first(relevant_BK, k).any(axis=1), 1.0, 0.0)


def recall(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """Recall at `k` of each case: the share of its relevant items among the first `k`. Returns (B,) float64.

    0 where nothing is relevant. The divisor is the number of relevant items even if it exceeds `k`.
    """
    return _ratio(_first(relevant_BK, k).sum(axis=1), n_relevant_B)


def ndcg(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """NDCG at `k` of each case, binary gains: DCG / ideal DCG (Järvelin and Kekäläinen 2002). Returns (B,) float64.

    A relevant item at rank r gains 1 / log2(1 + r). The ideal list starts with min(k, number of relevant items)
    relevant ones, also where the ranked list is shorter than that. 0 where nothing is relevant.
    """
    relevant_Bk = _first(relevant_BK, k)
    n_places = relevant_Bk.shape[1]
    n_ideal_B = np.minimum(n_relevant_B, k)
    discounts = 1.0 / np.log2(1.0 + np.arange(1, max(n_places, int(n_ideal_B.max(initial=0))) + 1))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    return _ratio((relevant_Bk * discounts[:n_places]).sum(axis=1), ideal[n_ideal_B])


def mrr(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """Reciprocal rank at `k` of each case: 1 / rank of the first relevant item (Voorhees 1999). Returns (B,) float64.

    0 where none of the first `k` is relevant.
    """
    relevant_Bk = _first(relevant_BK, k)
    return np.where(relevant_Bk.any(axis=1), 1.0 / (relevant_Bk.argmax(axis=1) + 1), 0.0)


def average_precision(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """Average precision at `k` of each case; its mean is MAP (Manning et al. 2008, section 8.4). Returns (B,) float64.

    The precision at the rank of each relevant item among the first `k`, summed and divided by the number of relevant
    items, as trec_eval, ranx and RecTools do; some libraries divide by min(k, number of relevant items). 0 where
    nothing is relevant.
    """
    relevant_Bk = _first(relevant_BK, k)
    precision_Bk = relevant_Bk.cumsum(axis=1) / np.arange(1, relevant_Bk.shape[1] + 1)
    return _ratio((relevant_Bk * precision_Bk).sum(axis=1), n_relevant_B)


SET_METRICS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "hit": hit,
    "recall": recall,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
}
"""Metrics of any number of relevant items a case, from `relevance`."""


def per_case_of_sets(ids_BK: np.ndarray, targets: Ragged, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """Every metric of `SET_METRICS` at every cut-off, by name (`map@10`), one value a case. See `relevance`."""
    relevant_BK, n_relevant_B = relevance(ids_BK, targets)
    return {f"{name}@{k}": metric(relevant_BK, n_relevant_B, k) for k in ks for name, metric in SET_METRICS.items()}


def _first(relevant_BK: np.ndarray, k: int) -> np.ndarray:
    """The first `k` places; all where the lists are shorter."""
    if k < 1:
        raise DataError(f"k={k}: cut-offs start at 1")
    return relevant_BK[:, :k]


def _ratio(part_B: np.ndarray, whole_B: np.ndarray) -> np.ndarray:
    """Ratio of part to whole, 0 where the whole is 0."""
    return np.divide(part_B, whole_B, out=np.zeros(len(part_B)), where=whole_B > 0)
