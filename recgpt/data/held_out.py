"""Validation within the training data: the last training item of some users, held out.

Used to choose the number of training epochs, and to fit the calibration of the foundation model.

    held_out = hold_out_last(dataset.sequences, max_users=2_000, seed=0)
    held_out.known                                    # the remaining training sequences

Suffixes: U users, C users with a held-out item.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.data.splits.global_time import split_in_time
from recgpt.errors import DataError

LATEST = 0.9  # quantile of the times from which on everything is held out


@dataclass(frozen=True)
class HeldOut:
    """Training sequences without the last item of some users, which is their target.

    Attributes
    ----------
    known
        U sequences without the held-out items.
    users
        (C,) int64, indices in `known` of the users with a held-out item, ascending.
    histories
        C sequences: `known[users]`.
    targets
        (C,) int64, the held-out item of each history; never in that history.
    times
        Times of `known.values`; None without times.
    """

    known: Ragged
    users: np.ndarray
    histories: Ragged
    targets: np.ndarray
    times: np.ndarray | None = None

    @classmethod
    def from_last_items(cls, sequences: Ragged, users: np.ndarray, times: np.ndarray | None = None) -> Self:
        """Hold out the last item of each of `users` (C,), whose sequences are not empty.

        Parameters
        ----------
        times
            Times of `sequences.values`, if there are any.
        """
        starts, stops = sequences.offsets[:-1][users], sequences.offsets[1:][users]
        kept = np.ones(len(sequences.values), dtype=bool)
        kept[stops - 1] = False
        targets = sequences.values[stops - 1].astype(np.int64)
        known_times = None if times is None else times[kept]
        return cls(sequences.filter(kept), users, sequences.spans(starts, stops - 1), targets, known_times)

    @classmethod
    def from_latest_time(cls, sequences: Ragged, times: np.ndarray, max_users: int) -> Self:
        """Hold out everything from one moment on, as the protocol `global_time`; targets are the first new items.

        Parameters
        ----------
        times
            Unix seconds of `sequences.values`, -1 where unknown; some are known.
        max_users
            Number of users with a target, sampled.
        """
        user = np.repeat(np.arange(len(sequences)), sequences.lengths)
        before, target_rows, _ = split_in_time(user, sequences.values, times, LATEST)
        known = sequences.filter(before)
        users = user[target_rows]
        chosen = sample(np.flatnonzero(known.lengths[users] >= 2), max_users, seed=0)
        targets = sequences.values[target_rows[chosen]].astype(np.int64)
        return cls(known, users[chosen], known[users[chosen]], targets, times[before])


def users_with_novel_last_item(sequences: Ragged) -> np.ndarray:
    """(C,) int64 users with two items or more whose last item is not among the earlier ones, ascending."""
    users = np.flatnonzero(sequences.lengths >= 2)
    starts, stops = sequences.offsets[:-1][users], sequences.offsets[1:][users]
    return users[~sequences.spans(starts, stops - 1).contains(sequences.values[stops - 1])]


def hold_out_last(sequences: Ragged, *, max_users: int = 2_000, seed: int = 0) -> HeldOut:
    """Hold out the last item of up to `max_users` users, drawn among users for whom it is new.

    Raises
    ------
    DataError
        No user's last item is new to them, as where every sequence is one item long.
    """
    users = users_with_novel_last_item(sequences)
    if not len(users):
        raise DataError(
            f"none of {len(sequences)} users goes on to a second, different item: there is nothing to learn from, so"
            " use longer histories"
        )
    return HeldOut.from_last_items(sequences, sample(users, max_users, seed))
