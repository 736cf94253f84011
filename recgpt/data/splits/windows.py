"""Published evaluation windows: a file that lists every history and target, for example of MiniOneRec's data sets.

`eval_windows.parquet` beside the interactions has the columns `split, user_id, history, target`; the `split` column of
the interactions marks the training part. The catalogue is `items_full_catalogue.parquet` where that exists.
"""

from pathlib import Path

import numpy as np
import polars as pl

from recgpt.data import schema
from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import Split, sample
from recgpt.data.splits.leave_one_out import Past
from recgpt.errors import DataError

FILE = "eval_windows.parquet"
FULL_CATALOGUE = "items_full_catalogue.parquet"


def windows(dataset: Dataset, *, past: Past = "train+valid", max_users: int | None = None, seed: int = 0) -> Split:
    """Published test windows (history, target) of a data set, several a user, ranked over its whole catalogue.

    Parameters
    ----------
    past
        `train`: the part that the published split column calls so; `train+valid`: all but its test part.
    max_users
        Upper limit of users whose windows are kept, drawn with `seed`; None means all.

    Raises
    ------
    DataError
        The data set has no windows or no published split, or the windows differ from its test events.
    """
    if dataset.path is None or not (Path(dataset.path) / FILE).is_file() or dataset.split is None:
        raise DataError(
            f"{dataset.name} has no published windows ({FILE} and a split column): use leave_one_out or global_time"
        )
    where = str(Path(dataset.path) / FILE)
    table = schema.scan_table(Path(dataset.path) / FILE)
    cases = table.filter(pl.col("split") == "test").select("user_id", "history", "target").collect()
    cases = cases.with_columns(user=dataset.user_map.to_dense(cases["user_id"])).sort("user", maintain_order=True)
    users, targets = cases["user"].to_numpy(), dataset.item_map.to_dense(cases["target"].rename("item_id"))
    test_rows = np.flatnonzero(dataset.split == schema.SPLIT_NAMES.index("test"))
    flat = dataset.interactions
    if not (np.array_equal(flat.user[test_rows], users) and np.array_equal(flat.item[test_rows], targets)):
        raise DataError(
            f"{where}: its test windows are not the test events of the interactions: load the data set with repeats "
            "keep (--repeats keep), or restore the file"
        )
    history = dataset.item_map.to_dense(cases["history"].explode().rename("item_id"))
    lengths = cases["history"].list.len().to_numpy()
    histories = Ragged.from_lists(np.split(history, np.cumsum(lengths)[:-1]))
    chosen = np.isin(users, sample(np.unique(users), max_users, seed))
    last_known = {"train": ("train",), "train+valid": ("train", "valid")}[past]
    return Split(
        dataset=dataset,
        protocol="windows",
        seed=seed,
        params={"past": past, "max_users": max_users},
        in_past=np.isin(dataset.split, [schema.SPLIT_NAMES.index(name) for name in last_known]),
        histories=histories[np.flatnonzero(chosen)],
        target_rows=test_rows[chosen],
        n_eligible=len(np.unique(users)),
    )
