"""How much more often people of one age and gender, or of one job, took an item than everybody did.

    groups_2U = groups_of(known, users)
    lift_GN = group_lifts(groups_2U[0], known.interactions.user, known.interactions.item, count_N)

Shapes: R interactions, U users, N items, G groups.
"""

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.errors import DataError

COLUMNS = ("age", "gender", "occupation")
_PRIOR = 5.0  # interactions with an item, added to those of a group and to the expected ones


def groups_of(dataset: Dataset, users: pl.DataFrame) -> np.ndarray:
    """(2, U) int64 group of each user of a data set: by age and gender, and by job; the last one is unknown.

    Raises
    ------
    DataError
        The table lacks a column.
    """
    if missing := [name for name in ("user_id", *COLUMNS) if name not in users.columns]:
        raise DataError(f"the table of users has no column {missing[0]!r} (it has {', '.join(users.columns)}): add it")
    ids = pl.DataFrame({"user_id": dataset.user_map.ids.cast(pl.String)})
    table = users.with_columns(pl.col("user_id", *COLUMNS).cast(pl.String)).unique("user_id", keep="first")
    found = ids.join(table, on="user_id", how="left", maintain_order="left")
    labels = (found["age"] + " " + found["gender"], found["occupation"])
    return np.stack([each.fill_null("unknown").rank("dense").to_numpy().astype(np.int64) - 1 for each in labels])


def group_lifts(group_U: np.ndarray, user_R: np.ndarray, item_R: np.ndarray, count_N: np.ndarray) -> np.ndarray:
    """(G, N) float64 log of a group's interactions with an item over the expected ones, with 5 added to both."""
    n_groups, n_items = int(group_U.max()) + 1, len(count_N)
    places_R = group_U[user_R] * n_items + item_R
    count_GN = np.bincount(places_R, minlength=n_groups * n_items).reshape(n_groups, n_items)
    expected_GN = count_GN.sum(axis=1, keepdims=True) * (count_N / max(count_N.sum(), 1))
    lift_GN: np.ndarray = np.log((count_GN + _PRIOR) / (expected_GN + _PRIOR))
    return lift_GN
