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
from recgpt.errors import DataError


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
    """

    known: Ragged
    users: np.ndarray
    histories: Ragged
    targets: np.ndarray

    @classmethod
    def from_last_items(cls, sequences: Ragged, users: np.ndarray) -> Self:
        """Hold out the last item of each of `users` (C,), whose sequences are not empty."""
        starts, stops = sequences.offsets[:-1][users], sequences.offsets[1:][users]
        kept = np.ones(len(sequences.values), dtype=bool)
        kept[stops - 1] = False
        targets = sequences.values[stops - 1].astype(np.int64)
        return cls(sequences.filter(kept), users, sequences.spans(starts, stops - 1), targets)


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
