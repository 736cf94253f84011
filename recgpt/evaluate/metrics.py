"""Accuracy metrics of ranked lists, one value a query: hit rate, recall, NDCG, MRR and MAP at a cut-off.

With one target a query, from its rank (used by `evaluate`):

    per_case(target_ranks(ids_BK, targets_B), ks=(1, 10))          # {"hit@1": (B,), "ndcg@1": (B,), ...}

With any number of relevant items a query:

    relevant_BK, n_relevant_B = relevance(ids_BK, targets)         # targets: Ragged
    ndcg(relevant_BK, n_relevant_B, k=10)                          # (B,)

Both agree for queries with one relevant item. Suffixes: B queries, K places of a ranked list, R (query, relevant item)
pairs of all queries.
"""

from collections.abc import Callable, Sequence

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.errors import DataError

MISSED = np.iinfo(np.int32).max
"""Rank of a target that is not in the ranked list: larger than any cut-off."""

_PAIRS_PER_CHUNK = 1 << 16


def target_ranks(ids_BK: np.ndarray, targets_B: np.ndarray) -> np.ndarray:
    """1-based rank of each target in its ranked list.

    Parameters
    ----------
    ids_BK
        (B, K) integers, ranked item ids, best first; -1 at empty places.
    targets_B
        (B,) integers, target item of each query.

    Returns
    -------
    (B,) int64, 1 for the first place, `MISSED` for a target outside the list.
    """
    found_BK = ids_BK == targets_B[:, None]
    return np.where(found_BK.any(axis=1), found_BK.argmax(axis=1) + 1, MISSED)


def hit_at(ranks_B: np.ndarray, k: int) -> np.ndarray:
    """Hit rate at `k` of each query: 1 if the target is among the first `k`, else 0. Returns (B,) float64.

    With one relevant item this is also the recall.
    """
    return (ranks_B <= k).astype(np.float64)


def ndcg_at(ranks_B: np.ndarray, k: int) -> np.ndarray:
    """NDCG at `k` of each query: 1 / log2(1 + rank) within the first `k`, else 0. Returns (B,) float64.

    With one relevant item the ideal DCG is 1 (Järvelin and Kekäläinen 2002, section 2).
    """
    return np.where(ranks_B <= k, 1.0 / np.log2(1.0 + ranks_B), 0.0)


def mrr_at(ranks_B: np.ndarray, k: int) -> np.ndarray:
    """Reciprocal rank at `k` of each query: 1 / rank within the first `k`, else 0 (Voorhees 1999). (B,) float64.

    With one relevant item this is also the average precision.
    """
    return np.where(ranks_B <= k, 1.0 / ranks_B, 0.0)


METRICS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"hit": hit_at, "ndcg": ndcg_at, "mrr": mrr_at}
"""Metrics of one target a query, from its rank."""


def per_case(ranks_B: np.ndarray, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """Every metric of `METRICS` at every cut-off, by name (`hit@10`), one value a query."""
    return {f"{name}@{k}": metric(ranks_B, k) for k in ks for name, metric in METRICS.items()}


def relevance(ids_BK: np.ndarray, targets: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Relevance of each place of each ranked list.

    Parameters
    ----------
    ids_BK
        (B, K) integers, ranked item ids, best first; -1 marks an empty place, which keeps its rank and is never
        relevant. Only the first occurrence of an item in a list counts.
    targets
        Relevant items of each query, B sequences; double items count once, and a sequence may be empty.

    Returns
    -------
    relevant_BK
        (B, K) bool.
    n_relevant_B
        (B,) int64, number of different relevant items, in the list or not.

    Raises
    ------
    DataError
        The numbers of lists and sets of targets differ, or a target is negative.
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
    """Distinct (sequence, item id) pairs in ascending order, as two (R,) int64 arrays."""
    n_ids = int(sequences.values.max(initial=0)) + 1
    # Sorted by hand, because the hash table of `np.unique` is many times slower on tens of millions of keys.
    keys = np.sort(np.repeat(np.arange(len(sequences)) * n_ids, sequences.lengths) + sequences.values)
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return keys // n_ids, keys % n_ids


def hit(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """Hit rate at `k` of each query: 1 if any of the first `k` is relevant, else 0. Returns (B,) float64."""
    return np.where(_first(relevant_BK, k).any(axis=1), 1.0, 0.0)


def recall(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """Recall at `k` of each query: the share of its relevant items among the first `k`. Returns (B,) float64.

    0 without relevant items. The divisor is the number of relevant items even if it exceeds `k`.
    """
    return _ratio(_first(relevant_BK, k).sum(axis=1), n_relevant_B)


def ndcg(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """NDCG at `k` of each query, binary gains: DCG / ideal DCG (Järvelin and Kekäläinen 2002). Returns (B,) float64.

    A relevant item at rank r gains 1 / log2(1 + r). The ideal list starts with min(k, number of relevant items)
    relevant ones, also where the ranked list is shorter than that. 0 without relevant items.
    """
    relevant_Bk = _first(relevant_BK, k)
    n_places = relevant_Bk.shape[1]
    n_ideal_B = np.minimum(n_relevant_B, k)
    discounts = 1.0 / np.log2(1.0 + np.arange(1, max(n_places, int(n_ideal_B.max(initial=0))) + 1))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    return _ratio((relevant_Bk * discounts[:n_places]).sum(axis=1), ideal[n_ideal_B])


def mrr(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """Reciprocal rank at `k` of each query: 1 / rank of the first relevant item (Voorhees 1999). Returns (B,) float64.

    0 where none of the first `k` is relevant.
    """
    relevant_Bk = _first(relevant_BK, k)
    return np.where(relevant_Bk.any(axis=1), 1.0 / (relevant_Bk.argmax(axis=1) + 1), 0.0)


def average_precision(relevant_BK: np.ndarray, n_relevant_B: np.ndarray, k: int) -> np.ndarray:
    """Average precision at `k` of each query; its mean is MAP (Manning et al. 2008, section 8.4). Returns (B,) float64.

    The precision at the rank of each relevant item among the first `k`, summed and divided by the number of relevant
    items, as trec_eval, ranx and RecTools do; some libraries divide by min(k, number of relevant items). 0 without
    relevant items.
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
"""Metrics of any number of relevant items a query, from `relevance`."""


def per_case_of_sets(ids_BK: np.ndarray, targets: Ragged, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """Every metric of `SET_METRICS` at every cut-off, by name (`map@10`), one value a query. See `relevance`."""
    relevant_BK, n_relevant_B = relevance(ids_BK, targets)
    return {f"{name}@{k}": metric(relevant_BK, n_relevant_B, k) for k in ks for name, metric in SET_METRICS.items()}


def _first(relevant_BK: np.ndarray, k: int) -> np.ndarray:
    """(B, k) first `k` places; all places of shorter lists."""
    if k < 1:
        raise DataError(f"k={k}: cut-offs start at 1")
    return relevant_BK[:, :k]


def _ratio(part_B: np.ndarray, whole_B: np.ndarray) -> np.ndarray:
    """Ratio of part to whole, 0 where the whole is 0."""
    return np.divide(part_B, whole_B, out=np.zeros(len(part_B)), where=whole_B > 0)
