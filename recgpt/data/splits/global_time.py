"""Global-time split: training interactions before one moment T, targets from T on, for all users alike."""

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.splits.base import Split, sample
from recgpt.errors import DataError


def global_time(dataset: Dataset, *, quantile: float = 0.9, max_users: int | None = None, seed: int = 0) -> Split:
    """Global-time split at T: histories before T; the target of a user is the first new item from T on.

    Nothing at or after T is in the past, so no recommender looks ahead. Users with at least two events before T and a
    new item from T on have a query. An event without a time takes the time of the event before it, else of the event
    after it; users without any known time are left out of the past as well. Where times contradict the order of a
    sequence, every event that follows one from T on counts as from T on.

    Parameters
    ----------
    quantile
        Quantile of the event times (so completed) that defines T, between 0 and 1.
    max_users
        Upper limit of users with a query, drawn with `seed`; None means all.

    Raises
    ------
    DataError
        The data set has no times.
    """
    if dataset.interactions.timestamp is None or not (dataset.interactions.timestamp >= 0).any():
        raise DataError(f"{dataset.name} has no times, so it has no global-time split: use leave_one_out")
    user, item = dataset.interactions.user, dataset.interactions.item
    before, target_rows, moment = split_in_time(user, item, dataset.interactions.timestamp, quantile)
    past = dataset.sequences.filter(before)
    eligible = np.flatnonzero(past.lengths[user[target_rows]] >= 2)
    chosen = sample(eligible, max_users, seed)
    return Split(
        dataset=dataset,
        protocol="global_time",
        seed=seed,
        params={"quantile": quantile, "moment": moment, "max_users": max_users},
        in_past=before,
        histories=past[user[target_rows[chosen]]],
        target_rows=target_rows[chosen],
        n_eligible=len(eligible),
    )


def split_in_time(
    user: np.ndarray, item: np.ndarray, timestamp: np.ndarray, quantile: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Split interactions at the moment T, see `global_time`, some of whose times are known.

    Parameters
    ----------
    user, item
        (R,) dense ids, sorted by user, oldest first.
    timestamp
        (R,) Unix seconds, -1 where unknown.

    Returns
    -------
    (R,) bool, True before T; the row of each user's first new item from T on, ascending by user; T.
    """
    time = _with_neighbours_times(user, timestamp)
    known = time >= 0
    moment = int(np.quantile(time[known], quantile))
    after = time >= moment
    # The order of the sequence decides where times contradict it: every event after one from T on is from T on, too.
    rows = np.arange(len(time))
    first_after_U = np.full(int(user.max()) + 1, len(time))
    np.minimum.at(first_after_U, user[after], rows[after])
    after |= known & (rows > first_after_U[user])
    before = known & ~after
    pair = pl.Series(user.astype(np.int64) * (int(item.max()) + 1) + item)
    new_rows = np.flatnonzero(after)
    new_rows = new_rows[~pair.gather(new_rows).is_in(pair.filter(before).implode()).to_numpy()]
    _, first = np.unique(user[new_rows], return_index=True)
    return before, new_rows[first], moment


def _with_neighbours_times(user: np.ndarray, timestamp: np.ndarray) -> np.ndarray:
    frame = pl.DataFrame({"user": user, "time": timestamp})
    known = pl.when(pl.col("time") >= 0).then(pl.col("time"))
    filled = frame.select(known.forward_fill().backward_fill().over("user").fill_null(-1))
    return filled.to_series().to_numpy()
