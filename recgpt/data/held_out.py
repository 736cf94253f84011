"""The last known items of some users, held out: to choose how long to train, or to learn how to weigh what is known.

    held_out = hold_out_last(dataset.sequences, max_users=2_000, seed=0)
    held_out.known                                    # what may be trained on or counted

Suffixes: U users, C held-out cases.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.errors import DataError


@dataclass(frozen=True)
class HeldOut:
    """The known sequences less the last item of some users, who are asked for it.

    Attributes
    ----------
    known
        U sequences, all that may be trained on.
    users
        (C,) int64 places in `known` of those who are asked, ascending.
    histories
        C sequences, those of `known` whose users are asked.
    targets
        (C,) int64 the item that each history goes on with; none is in its history.
    """

    known: Ragged
    users: np.ndarray
    histories: Ragged
    targets: np.ndarray

    @classmethod
    def of(cls, sequences: Ragged, users: np.ndarray) -> Self:
        """Hold out the last items of `users` (C,), who have one each."""
        starts, stops = sequences.offsets[:-1][users], sequences.offsets[1:][users]
        kept = np.ones(len(sequences.values), dtype=bool)
        kept[stops - 1] = False
        targets = sequences.values[stops - 1].astype(np.int64)
        return cls(sequences.filter(kept), users, sequences.spans(starts, stops - 1), targets)


def users_with_novel_last_item(sequences: Ragged) -> np.ndarray:
    """(C,) int64 the users whose last item is new to them, and not their first, ascending."""
    asked = np.flatnonzero(sequences.lengths >= 2)
    starts, stops = sequences.offsets[:-1][asked], sequences.offsets[1:][asked]
    return asked[~sequences.spans(starts, stops - 1).contains(sequences.values[stops - 1])]


def hold_out_last(sequences: Ragged, *, max_users: int = 2_000, seed: int = 0) -> HeldOut:
    """Hold out the last item of up to `max_users` users, drawn among those who had not met it before.

    Raises
    ------
    DataError
        No user's last item is new to them, as where every sequence is one item long.
    """
    asked = users_with_novel_last_item(sequences)
    if not len(asked):
        raise DataError(
            f"none of {len(sequences)} users goes on to a second, different item: there is nothing to learn from"
        )
    return HeldOut.of(sequences, sample(asked, max_users, seed))
