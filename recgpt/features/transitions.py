"""Transition graph of a catalogue: which item came directly after which in users' sequences.

Shapes: B queries, N items, U users.
"""

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged


class Transitions:
    """Number of times that item j came directly after item i in a user's sequence.

    Attributes
    ----------
    count_NN
        (N, N) counts; zero diagonal.
    last_U
        (U,) int64 last item of each user, -1 before the first.
    """

    def __init__(self, n_items: int) -> None:
        self.count_NN = sparse.csr_array((n_items, n_items), dtype=np.float64)
        self.last_U = np.empty(0, dtype=np.int64)

    def append(self, events: Interactions) -> None:
        """Append `events` to the sequences of their users."""
        n_new = int(events.user.max(initial=-1)) + 1 - len(self.last_U)
        if n_new > 0:
            self.last_U = np.pad(self.last_U, (0, n_new), constant_values=-1)
        users = np.unique(events.user)
        user = np.concatenate([users, events.user])
        item = np.concatenate([self.last_U[users], events.item]).astype(np.int64)
        order = np.argsort(user, kind="stable")
        user, item = user[order], item[order]
        follows = (user[1:] == user[:-1]) & (item[:-1] >= 0) & (item[1:] != item[:-1])
        pairs = (item[:-1][follows], item[1:][follows])
        added_NN = sparse.coo_array((np.ones(len(pairs[0])), pairs), shape=self.count_NN.shape)
        self.count_NN = self.count_NN + added_NN.tocsr()
        self.last_U[users] = item[np.append(user[1:] != user[:-1], True)] if len(users) else item


def rings(sources_B: np.ndarray, edges_NN: sparse.csr_array, hops: int) -> list[sparse.csr_array]:
    """(B, N) matrices, nonzero for the items at exactly 1, 2, ... `hops` transitions from each source."""
    shape = (len(sources_B), edges_NN.shape[0])
    ring = sparse.csr_array((np.ones(shape[0]), sources_B, np.arange(shape[0] + 1)), shape=shape)
    seen, found = ring, []
    for _ in range(hops):
        reached = (ring @ edges_NN).astype(bool).astype(np.float64)
        ring = (reached - reached.multiply(seen)).tocsr()
        ring.eliminate_zeros()
        ring.sort_indices()
        seen = seen + ring
        found.append(ring)
    return found


def transitions(sequences: Ragged, n_items: int) -> sparse.csr_array:
    """(N, N) number of times that item j came directly after item i in a sequence; zero diagonal."""
    counted = Transitions(n_items)
    user = np.repeat(np.arange(len(sequences)), sequences.lengths)
    counted.append(Interactions(user, sequences.values))
    return counted.count_NN


def steps_between(sources_B: np.ndarray, targets_B: np.ndarray, count_NN: sparse.csr_array) -> np.ndarray:
    """(B,) 1 or 2, the transitions from a source to its target; 3 if there are more, or no way."""
    edges_NN = count_NN.astype(bool).astype(np.float64)
    from_BN, to_BN = edges_NN[sources_B], edges_NN.T.tocsr()[targets_B]
    here = np.arange(len(sources_B))
    target_BN = sparse.csr_array((np.ones(len(here)), (here, targets_B)), shape=from_BN.shape)
    direct_B = from_BN.multiply(target_BN).sum(axis=1) > 0
    over_another_B = from_BN.multiply(to_BN).sum(axis=1) > 0
    return np.where(direct_B, 1, np.where(over_another_B, 2, 3))
