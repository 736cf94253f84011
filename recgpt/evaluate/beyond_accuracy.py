"""Beyond-accuracy metrics of recommendation lists: coverage, concentration, novelty, diversity, calibration.

    counts_N = np.bincount(past.values, minlength=n_items)
    report = beyond_accuracy(ids_BK, 10, counts_N=counts_N, users_N=users_per_item(past, n_items), n_users=len(past))

Empty places of a list (-1) are ignored; an item twice in a list counts twice. Means are over the lists for which a
metric is defined; a metric that is undefined for every list is None.
Suffixes: B lists, K places of a list and k of them up to the cut-off, N items in the catalogue, E text-embedding width,
C categories.
"""

import re

import numpy as np
import polars as pl
from scipy import sparse

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError
from recgpt.evaluate.metrics import distinct_pairs

DECILES = 10
SMOOTHING = 0.01
"""α of Steck (2018): share of the history's distribution mixed into that of the list, so that the KL is finite."""

_PLACES_PER_CHUNK = 1 << 17
_CELLS_PER_CHUNK = 1 << 22
_SEPARATORS = re.compile(r"[,>|]")


def beyond_accuracy(
    ids_BK: np.ndarray,
    k: int,
    *,
    counts_N: np.ndarray,
    users_N: np.ndarray,
    n_users: int,
    embeddings_NE: np.ndarray | None = None,
    categories_NC: np.ndarray | sparse.csr_array | None = None,
    histories: Ragged | None = None,
) -> dict[str, float | list[float] | None]:
    """All metrics of this module, over the first `k` places of the lists of one recommender.

    Parameters
    ----------
    ids_BK
        (B, K) integers, ranked item ids, best first; -1 at empty places.
    k
        Cut-off; more than K means all places.
    counts_N
        (N,) integers, training interactions of each item.
    users_N
        (N,) integers, users with each item in the past, see `users_per_item`; equal to `counts_N` without repeats.
    n_users
        Number of users with training interactions.
    embeddings_NE
        (N, E) floats, text embeddings of any length; None leaves `intra_list_diversity` out.
    categories_NC
        (N, C) dense or sparse weights of each category in each item, see `category_weights`; None leaves
        `category_calibration` out.
    histories
        History of each list's user, B sequences; None leaves both calibrations out.

    Returns
    -------
    dict
        `coverage`: share of catalogue items that are in at least one list (Ge et al. 2010).
        `gini`: see `gini_index`.
        `novelty`: mean inverse user frequency, see `self_information`.
        `average_popularity`: mean training interactions of the recommended items (ARP; Yin et al. 2012).
        `popularity_deciles`: share of the places in each of `popularity_deciles`, the most popular tenth first.
        `cold_share`: share of the places with a cold item (no interaction in the past).
        `intra_list_diversity`: see `intra_list_diversity`.
        `category_calibration`, `popularity_calibration`: `calibration_divergence` over the categories, and over
        `popularity_groups`.
        Each is None where it is left out or undefined; all are None where every list is empty.

    Raises
    ------
    DataError
        `k` is smaller than 1, an id is outside the catalogue, the arrays differ in N, or an embedding is not finite.
    """
    n_items = len(counts_N)
    _check(ids_BK, k, n_items)
    for name, array in {"users_N": users_N, "embeddings_NE": embeddings_NE, "categories_NC": categories_NC}.items():
        if array is not None and array.shape[0] != n_items:
            raise DataError(f"{name} has {array.shape[0]} items and counts_N {n_items}: give all for one catalogue")
    if n_users < max(1, users_N.max()):
        raise DataError(
            f"n_users={n_users}, but an item was taken by {users_N.max()} users: users_N counts users, not interactions"
        )
    ids_Bk = ids_BK[:, :k]
    shown = ids_Bk[ids_Bk >= 0]
    exposure_N = np.bincount(shown, minlength=n_items)
    in_decile = np.bincount(popularity_deciles(counts_N), weights=exposure_N, minlength=DECILES)
    found: dict[str, float | list[float] | None] = {
        "coverage": float((exposure_N > 0).mean()),
        "gini": gini_index(exposure_N),
        "novelty": _mean_of_defined(_list_means(self_information(users_N, n_users), ids_Bk)),
        "average_popularity": _mean_of_defined(_list_means(counts_N, ids_Bk)),
        "popularity_deciles": (in_decile / max(len(shown), 1)).tolist(),
        "cold_share": float(exposure_N[counts_N == 0].sum() / max(len(shown), 1)),
        "intra_list_diversity": None,
        "category_calibration": None,
        "popularity_calibration": None,
    }
    if not len(shown):
        return dict.fromkeys(found)
    if embeddings_NE is not None:
        found["intra_list_diversity"] = _mean_of_defined(intra_list_diversity(ids_Bk, embeddings_NE))
    if histories is not None:
        groups_NC = popularity_groups(counts_N)
        found["popularity_calibration"] = _mean_of_defined(calibration_divergence(ids_Bk, histories, groups_NC))
        if categories_NC is not None:
            found["category_calibration"] = _mean_of_defined(calibration_divergence(ids_Bk, histories, categories_NC))
    return found


def users_per_item(sequences: Ragged, n_items: int) -> np.ndarray:
    """Number of users (sequences) with each item; repeats of a user count once. Returns (N,) int64."""
    _, items = distinct_pairs(sequences)
    return np.bincount(items, minlength=n_items)


def self_information(users_N: np.ndarray, n_users: int) -> np.ndarray:
    """Self-information of each item in bits: -log2(share of users who took it). Returns (N,) float64.

    Its mean over a list is the list's novelty (Zhou et al. 2010; mean inverse user frequency in RecTools). An item
    without users counts as taken by one user, as in RecTools.
    """
    return np.log2(n_users / np.maximum(users_N, 1))


def gini_index(exposure_N: np.ndarray) -> float:
    """Gini index of exposure over the catalogue: 0 if equal, towards 1 if one item has all of it.

    Half the mean absolute difference of two items' exposure, relative to the mean exposure (Fleder and Hosanagar 2009).
    Items without exposure count; the index is 0 without any exposure.
    """
    n_items, total = len(exposure_N), exposure_N.sum()
    if total == 0:
        return 0.0
    # G = sum_i (2i - N - 1) x_(i) / (N sum_i x_i), for exposures x_(1) <= ... <= x_(N)
    weights = 2.0 * np.arange(1, n_items + 1) - n_items - 1
    return float(np.sort(exposure_N) @ weights / (n_items * total))


def popularity_deciles(counts_N: np.ndarray) -> np.ndarray:
    """Popularity decile of each item: 0 for the most popular tenth of the catalogue, 9 for the least. (N,) int64.

    Ties go by id, the smaller first. The sizes of deciles differ by one item at most.
    """
    decile_N = np.empty(len(counts_N), dtype=np.int64)
    decile_N[_by_count(counts_N)] = np.arange(len(counts_N)) * DECILES // len(counts_N)
    return decile_N


def popularity_groups(counts_N: np.ndarray) -> np.ndarray:
    """Head, middle and tail as one-hot categories: (N, 3) float64.

    From the most popular item down, ties by id, the head holds the first 20 % of the interactions, the tail the last
    20 %, the middle the rest (Abdollahpouri et al. 2021, "User-centered evaluation of popularity bias"). The item that
    crosses a border belongs to the more popular group; items without interactions belong to the tail.
    """
    order = _by_count(counts_N)
    total = int(counts_N.sum())
    before = np.cumsum(counts_N[order]) - counts_N[order]
    group_N = np.empty(len(counts_N), dtype=np.int64)
    group_N[order] = np.where(5 * before >= 4 * total, 2, np.where(5 * before >= total, 1, 0))
    return np.eye(3)[group_N]


def category_weights(items: pl.DataFrame) -> sparse.csr_array | None:
    """Category matrix from the `categories` column of a catalogue: (N, C), 1 where an item is in a category.

    Every name between `,`, `>` or `|` is a category, every level of a path too. None with fewer than two categories.
    """
    column = {name: place for place, name in enumerate(category_names(items))}
    if len(column) < 2:
        return None
    columns = Ragged.from_lists([sorted(column[name] for name in _names(text)) for text in items["categories"]])
    shape = (len(items), len(column))
    return sparse.csr_array((np.ones(len(columns.values)), columns.values, columns.offsets), shape=shape)


def category_names(items: pl.DataFrame) -> list[str]:
    """Names of the columns of `category_weights`, in order."""
    return sorted(set().union(*map(_names, items["categories"])))


def _names(categories: str) -> set[str]:
    return {name for part in _SEPARATORS.split(categories) if (name := part.strip())}


def mean_entropy(agents: np.ndarray, items: np.ndarray, genres_NC: sparse.csr_array) -> float | None:
    """Mean over agents of the entropy in bits of the genres of their items; items without a genre do not count.

    Parameters
    ----------
    agents, items
        Agent and item of each time that an item was shown.
    """
    return float(entropies(agents, items, genres_NC)[1].mean()) if len(agents) else None


def entropies(groups: np.ndarray, items: np.ndarray, genres_NC: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Distinct groups, ascending, and the entropy in bits of the genres of the items of each."""
    distinct, row = np.unique(groups, return_inverse=True)
    shape = (len(distinct), genres_NC.shape[0])
    counts = sparse.csr_array((np.ones(len(row)), (row, items)), shape=shape) @ (genres_NC > 0).astype(float)
    counts = sparse.coo_array(counts)
    total = np.bincount(counts.row, counts.data, minlength=len(distinct))
    share = counts.data / total[counts.row]
    known = share > 0
    bits: np.ndarray = np.bincount(counts.row[known], -share[known] * np.log2(share[known]), minlength=len(distinct))
    return distinct, bits


def intra_list_diversity(ids_Bk: np.ndarray, embeddings_NE: np.ndarray) -> np.ndarray:
    """Intra-list diversity: mean 1 - cosine over the pairs of items of each list (Ziegler et al. 2005). (B,) float64.

    0 for a list of one item, as in RecTools; NaN for an empty list. An embedding of length 0 has cosine 0 with every
    other.

    Raises
    ------
    DataError
        An embedding of a listed item is not finite.
    """
    diversity_B = np.full(len(ids_Bk), np.nan)
    n_lists = max(1, _PLACES_PER_CHUNK // max(1, ids_Bk.shape[1]))
    for start in range(0, len(ids_Bk), n_lists):
        filled_Bk = ids_Bk[start : start + n_lists] >= 0
        used, column = np.unique(ids_Bk[start : start + n_lists][filled_Bk], return_inverse=True)
        unit_UE = _unit_rows(embeddings_NE, used)
        n_filled = filled_Bk.sum(axis=1)
        lists_BU = sparse.csr_array(
            (np.ones(len(column)), column, offsets_from_lengths(n_filled)), shape=(len(filled_Bk), len(used))
        )
        # |sum_i u_i|^2 = sum_ij cos(u_i, u_j) for unit vectors u_i; the terms i = j are subtracted.
        cosines = ((lists_BU @ unit_UE) ** 2).sum(axis=1) - lists_BU @ (unit_UE**2).sum(axis=1)
        mean_cosine = np.divide(cosines, n_filled * (n_filled - 1), out=np.ones(len(n_filled)), where=n_filled > 1)
        diversity_B[start : start + n_lists] = np.where(n_filled > 0, 1.0 - mean_cosine, np.nan)
    return diversity_B


def calibration_divergence(
    ids_Bk: np.ndarray, histories: Ragged, categories_NC: np.ndarray | sparse.csr_array
) -> np.ndarray:
    """Calibration: KL divergence of each list's categories from its history's (Steck 2018, section 3). (B,) float64.

    KL(p || (1 - α) q + α p), where p is the mean category distribution of the history's items, q that of the list's,
    and α is `SMOOTHING`: 0 where they agree, larger the more of the history's categories the list lacks. The weights of
    an item are normalised to sum 1; items without a category are ignored. NaN where the history or the list has no item
    with a category.

    Raises
    ------
    DataError
        The numbers of lists and histories differ, or a weight is negative or not finite.
    """
    if len(histories) != len(ids_Bk):
        raise DataError(f"{len(ids_Bk)} lists for {len(histories)} histories: give the history of each list")
    weights_NC = sparse.csr_array(categories_NC, dtype=np.float64)
    if not (np.isfinite(weights_NC.data).all() and (weights_NC.data >= 0).all()):
        raise DataError("categories_NC holds a weight that is negative or not finite: give weights of 0 or more")
    of_item_N = weights_NC.sum(axis=1)
    weights_NC = sparse.diags_array(1.0 / np.where(of_item_N > 0, of_item_N, 1.0)) @ weights_NC
    divergence_B = np.empty(len(ids_Bk))
    n_lists = max(1, _CELLS_PER_CHUNK // weights_NC.shape[1])
    for start in range(0, len(ids_Bk), n_lists):
        rows = slice(start, start + n_lists)
        filled_Bk = ids_Bk[rows] >= 0
        shown = Ragged(ids_Bk[rows][filled_Bk], offsets_from_lengths(filled_Bk.sum(axis=1)))
        p_BC, has_p = _category_distribution(histories[rows], weights_NC)
        q_BC, has_q = _category_distribution(shown, weights_NC)
        # KL = sum_c p_c log(p_c / mixed_c): only categories of the history (p_c > 0) contribute.
        p = p_BC.tocoo()
        mixed = (1 - SMOOTHING) * q_BC.toarray()[p.row, p.col] + SMOOTHING * p.data
        divergence = np.bincount(p.row, weights=p.data * np.log(p.data / mixed), minlength=len(shown))
        divergence_B[rows] = np.where(has_p & has_q, divergence, np.nan)
    return divergence_B


def _category_distribution(items: Ragged, weights_NC: sparse.csr_array) -> tuple[sparse.csr_array, np.ndarray]:
    """(B, C) category distribution of each sequence, rows sum to 1; (B,) bool, whether it has any category."""
    shape = (len(items), weights_NC.shape[0])
    total_BC = sparse.csr_array((np.ones(len(items.values)), items.values, items.offsets), shape=shape) @ weights_NC
    total_BC.eliminate_zeros()
    mass_B = total_BC.sum(axis=1)
    has_any = mass_B > 0
    return sparse.csr_array(sparse.diags_array(1.0 / np.where(has_any, mass_B, 1.0)) @ total_BC), has_any


def _unit_rows(embeddings_NE: np.ndarray, rows: np.ndarray) -> np.ndarray:
    rows_UE = embeddings_NE[rows].astype(np.float64)
    length_U = np.linalg.norm(rows_UE, axis=1)
    if not np.isfinite(length_U).all():
        raise DataError(
            f"the embedding of item {rows[~np.isfinite(length_U)][0]} is not finite: encode the texts again"
        )
    return rows_UE / np.where(length_U > 0, length_U, 1.0)[:, None]


def _by_count(counts_N: np.ndarray) -> np.ndarray:
    """Item ids, the most popular first, ties by id."""
    return np.argsort(-counts_N, kind="stable")


def _list_means(values_N: np.ndarray, ids_Bk: np.ndarray) -> np.ndarray:
    """(B,) mean of `values_N` over each list; NaN for an empty list."""
    filled_Bk = ids_Bk >= 0
    n_filled = filled_Bk.sum(axis=1)
    total_B = np.where(filled_Bk, values_N[ids_Bk], 0.0).sum(axis=1)
    return np.divide(total_B, n_filled, out=np.full(len(ids_Bk), np.nan), where=n_filled > 0)


def _mean_of_defined(values_B: np.ndarray) -> float | None:
    defined = values_B[~np.isnan(values_B)]
    return float(defined.mean()) if len(defined) else None


def _check(ids_BK: np.ndarray, k: int, n_items: int) -> None:
    if k < 1:
        raise DataError(f"k={k}: cut-offs start at 1")
    outside_BK = (ids_BK < -1) | (ids_BK >= n_items)
    if outside_BK.any():
        case = int(outside_BK.any(axis=1).argmax())
        item = ids_BK[case][outside_BK[case]][0]
        raise DataError(f"list {case} holds the item id {item}, but the catalogue has the ids 0 to {n_items - 1}")
