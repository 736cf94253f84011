"""Ask at one moment: nothing that happened later, to anybody, is known."""

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.splits.base import Split, sample
from recgpt.errors import DataError


def global_time(dataset: Dataset, *, quantile: float = 0.9, max_users: int | None = None, seed: int = 0) -> Split:
    """Split at one moment T: histories before T, the target of a user is the first new item after it.

    Nothing that happened at or after T is in the past, so no recommender looks ahead. Asked are users with at least two
    events before T and, from T on, an item they had not met. An event without a time takes that of the one before it,
    else of the one after it; users without any known time are left out of the past as well. Where times contradict the
    order of a sequence, what follows an event from T on counts as from T on.

    Parameters
    ----------
    quantile
        T is this quantile of the times so completed.
    max_users
        Ask only this many users, drawn with `seed`.

    Raises
    ------
    DataError
        The data set has no times.
    """
    if dataset.interactions.timestamp is None or not (dataset.interactions.timestamp >= 0).any():
        raise DataError(f"{dataset.name} has no times, so it has no global-time split: use leave_one_out")
    user, item = dataset.interactions.user, dataset.interactions.item
    time = _with_neighbours_times(user, dataset.interactions.timestamp)
    known = time >= 0
    moment = int(np.quantile(time[known], quantile))
    after = time >= moment
    # The order given is what counts where times contradict it: what follows an event from T on is from T on, too.
    rows = np.arange(len(time))
    first_after_U = np.full(dataset.n_users, len(time))
    np.minimum.at(first_after_U, user[after], rows[after])
    after |= known & (rows > first_after_U[user])
    before = known & ~after
    past = dataset.sequences.filter(before)
    pair = pl.Series(user.astype(np.int64) * dataset.n_items + item)
    new_rows = np.flatnonzero(after)
    new_rows = new_rows[~pair.gather(new_rows).is_in(pair.filter(before).implode()).to_numpy()]
    users, first = np.unique(user[new_rows], return_index=True)
    chosen = sample(np.flatnonzero(past.lengths[users] >= 2), max_users, seed)
    return Split(
        dataset=dataset,
        protocol="global_time",
        seed=seed,
        params={"quantile": quantile, "moment": moment, "max_users": max_users},
        in_past=before,
        histories=past[users[chosen]],
        target_rows=new_rows[first[chosen]],
    )


def _with_neighbours_times(user: np.ndarray, timestamp: np.ndarray) -> np.ndarray:
    frame = pl.DataFrame({"user": user, "time": timestamp})
    known = pl.when(pl.col("time") >= 0).then(pl.col("time"))
    filled = frame.select(known.forward_fill().backward_fill().over("user").fill_null(-1))
    return filled.to_series().to_numpy()
