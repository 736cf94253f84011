"""Co-visitation counts: item pairs that are near in users' sequences, or that occur in the same sequence.

Suffixes: B histories, N items in the catalogue, U users, W window of the last items of a user.
"""

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged, offsets_from_lengths

NEAR = 5  # largest gap, in positions, between two items that count as near
UNITS = 120  # 1/gap and half of it are whole multiples of 1/120, so their sums are exact in any order
SHRINKAGE = 5  # added to the row sum of counts: rates of rare items are small
_DECAY = 0.7
_MAX_ITEMS = 30
LONG_ITEMS = 100


def decayed(histories: Ragged, decay: float, max_items: int, n_items: int) -> sparse.csr_array:
    """(B, N) weights of the last `max_items` items of each history: decay^age, age 0 for the last; repeats add up."""
    recent = histories.tail(max_items)
    age = np.repeat(recent.offsets[1:], recent.lengths) - 1 - np.arange(len(recent.values))
    # Items stay in the order of the history, so that sums over a row never depend on the rows beside it.
    return sparse.csr_array((decay**age, recent.values, recent.offsets), shape=(len(recent), n_items))


class CoVisitation:
    """Co-visitation matrix C: C[i, j] += 1/gap for j after i in a sequence, 1/(2 gap) for j before i.

    Pairs are at most 5 positions apart in the sequence of one user; an item is not its own neighbour.

    Parameters
    ----------
    n_items
        Size of the catalogue, N.

    Attributes
    ----------
    units_NN
        (N, N) C in units of 1/120.
    recent_UW
        (U, 5) int64, the last items of each user, -1 before the first.
    """

    def __init__(self, n_items: int) -> None:
        self.units_NN = sparse.csr_array((n_items, n_items))
        self.recent_UW = np.empty((0, NEAR), dtype=np.int64)

    def append(self, events: Interactions) -> None:
        """Append `events` to the sequences of their users; new users begin a sequence.

        The counts equal those of the longer sequences to the last bit, however the events are divided into calls.
        """
        self._admit(events.user)
        users = np.unique(events.user)
        user = np.concatenate([np.repeat(users, NEAR), events.user])
        item = np.concatenate([self.recent_UW[users].ravel(), events.item])
        is_new = np.arange(len(user)) >= len(users) * NEAR
        order = np.argsort(user, kind="stable")
        order = order[item[order] >= 0]
        self._count(user[order], item[order], is_new[order])
        self._remember(users, Ragged(item[order], offsets_from_lengths(np.bincount(user[order])[users])))

    def counts(self) -> sparse.csr_array:
        """(N, N) C, float64."""
        return self.units_NN / UNITS

    def _admit(self, user: np.ndarray) -> None:
        n_new = int(user.max(initial=-1)) + 1 - len(self.recent_UW)
        if n_new > 0:
            self.recent_UW = np.pad(self.recent_UW, ((0, n_new), (0, 0)), constant_values=-1)

    def _count(self, user: np.ndarray, item: np.ndarray, is_new: np.ndarray) -> None:
        before, after, forward = near_pairs(user, item, is_new)
        places = (np.concatenate([before, after]), np.concatenate([after, before]))
        added_NN = sparse.coo_array((np.concatenate([forward, forward / 2]), places), shape=self.units_NN.shape)
        self.units_NN = self.units_NN + added_NN.tocsr()

    def _remember(self, users: np.ndarray, sequences: Ragged) -> None:
        place_UW = sequences.offsets[1:, None] - np.arange(NEAR, 0, -1)
        known_UW = place_UW >= sequences.offsets[:-1, None]
        self.recent_UW[users] = np.where(known_UW, sequences.values[np.where(known_UW, place_UW, 0)], -1)


def near_pairs(user: np.ndarray, item: np.ndarray, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of items up to 5 positions apart in one sequence: earlier item, later item, 120/gap.

    Parameters
    ----------
    user, item
        (R,) events, user by user.
    counted
        (R,) bool, whether an event counts as the later item of a pair.
    """
    earlier, later, units = [], [], []
    for gap in range(1, NEAR + 1):
        pair = (user[gap:] == user[:-gap]) & (item[gap:] != item[:-gap]) & counted[gap:]
        earlier.append(item[:-gap][pair])
        later.append(item[gap:][pair])
        units.append(np.full(len(earlier[-1]), UNITS / gap))
    return np.concatenate(earlier), np.concatenate(later), np.concatenate(units)


def row_rates(counts_NN: sparse.csr_array) -> sparse.csr_array:
    """Divide each row by (its sum + 5): the rates of rarely seen items shrink toward 0."""
    return sparse.diags_array(1 / (counts_NN.sum(axis=1) + SHRINKAGE)) @ counts_NN


def recent_items(histories: Ragged, n_items: int) -> sparse.csr_array:
    """(B, N) weights .7^age of each history's last 30 items."""
    return decayed(histories, _DECAY, _MAX_ITEMS, n_items)


def together(sequences: Ragged, n_items: int) -> sparse.csr_array:
    """(N, N) number of users with both items among their last 100; zero diagonal."""
    latest = sequences.tail(LONG_ITEMS)
    taken_UN = sparse.csr_array(
        (np.ones(len(latest.values)), latest.values.astype(np.int32), latest.offsets.astype(np.int32)),
        shape=(len(latest), n_items),
    )
    taken_UN.sum_duplicates()
    taken_UN.data[:] = 1
    together_NN = (taken_UN.T @ taken_UN).tocsr()
    together_NN.setdiag(0)
    together_NN.eliminate_zeros()
    return together_NN
