"""Item-kNN: recommend what was taken near the items of the history. Counting, and hard to beat.

Co-visitation is directional: what followed an item counts twice as much as what came before it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged, offsets_of
from recgpt.recommenders.base import Knows, check_events, decayed, rank_by_scores
from recgpt.recommenders.store import read_state, write_state
from recgpt.topk import Exclude, Ranking, Request

_WINDOW = 5
_UNITS = 120  # 1/gap and half of it are whole multiples of 1/120: their sums are exact, in whatever order they come
_SHRINKAGE = 5
_DECAY = 0.7
_MAX_ITEMS = 30


class CoVisitation:
    """How often items are taken near each other: C[i, j] += 1/gap for j after i, half of that for j before i.

    Counted over pairs within 5 places of one user's sequence; an item is not its own neighbour.

    Parameters
    ----------
    n_items : N, the size of the catalogue.

    Attributes
    ----------
    units_NN : C in units of 1/120.
    recent_UW : (U, 5) int64, the last items of each user, -1 before the first.
    """

    def __init__(self, n_items: int) -> None:
        self.units_NN = sparse.csr_array((n_items, n_items))
        self.recent_UW = np.empty((0, _WINDOW), dtype=np.int64)

    def append(self, events: Interactions) -> None:
        """Continue the sequences of the users in `events`; users not met so far begin one.

        The counts are then those of the longer sequences to the last bit, however the events were divided into calls.
        """
        self._admit(events.user)
        users = np.unique(events.user)
        user = np.concatenate([np.repeat(users, _WINDOW), events.user])
        item = np.concatenate([self.recent_UW[users].ravel(), events.item])
        is_new = np.arange(len(user)) >= len(users) * _WINDOW
        order = np.argsort(user, kind="stable")
        order = order[item[order] >= 0]
        self._count(user[order], item[order], is_new[order])
        self._remember(users, Ragged(item[order], offsets_of(np.bincount(user[order])[users])))

    def counts(self) -> sparse.csr_array:
        """(N, N) C, float64."""
        return self.units_NN / _UNITS

    def _admit(self, user: np.ndarray) -> None:
        n_new = int(user.max(initial=-1)) + 1 - len(self.recent_UW)
        if n_new > 0:
            self.recent_UW = np.pad(self.recent_UW, ((0, n_new), (0, 0)), constant_values=-1)

    def _count(self, user: np.ndarray, item: np.ndarray, is_new: np.ndarray) -> None:
        earlier, later, units = [], [], []
        for gap in range(1, _WINDOW + 1):
            pair = (user[gap:] == user[:-gap]) & (item[gap:] != item[:-gap]) & is_new[gap:]
            earlier.append(item[:-gap][pair])
            later.append(item[gap:][pair])
            units.append(np.full(len(earlier[-1]), _UNITS / gap))
        before, after, forward = np.concatenate(earlier), np.concatenate(later), np.concatenate(units)
        places = (np.concatenate([before, after]), np.concatenate([after, before]))
        added_NN = sparse.coo_array((np.concatenate([forward, forward / 2]), places), shape=self.units_NN.shape)
        self.units_NN = self.units_NN + added_NN.tocsr()

    def _remember(self, users: np.ndarray, sequences: Ragged) -> None:
        place_UW = sequences.offsets[1:, None] - np.arange(_WINDOW, 0, -1)
        known_UW = place_UW >= sequences.offsets[:-1, None]
        self.recent_UW[users] = np.where(known_UW, sequences.values[np.where(known_UW, place_UW, 0)], -1)


class ItemKNN:
    """Items by their co-visitation with the history's last 30 items, each with weight .7^age.

    Co-visitation is `CoVisitation` with each row divided by (its sum + 5). Items without any have score 0 and come
    last, by id. After an empty history items are ranked by their number of interactions.
    """

    name = "item_knn"
    knows: Knows = "context"

    def fit(self, dataset: Dataset) -> Self:
        """Count the interactions: seconds for hundreds of thousands of them."""
        self._visits = CoVisitation(dataset.n_items)
        self._count_N = np.zeros(dataset.n_items, dtype=np.int64)
        self.observe(dataset.interactions)
        return self

    def observe(self, events: Interactions) -> None:
        """Append `events` to the sequences of their users and count them; new users begin a sequence.

        The same as to fit on the longer sequences.
        """
        check_events(events, len(self._count_N))
        self._visits.append(events)
        self._count_N = self._count_N + np.bincount(events.item, minlength=len(self._count_N))
        self._rates_NN = row_rates(self._visits.counts())

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by co-visitation. See `Recommender.rank`."""
        n_items = len(self._count_N)
        request = Request.checked(histories, k, exclude, candidates, n_items=n_items)
        return rank_by_scores(request, n_items, self._scores, if_empty_N=self._count_N)

    def save(self, path: str | Path) -> None:
        """Write the counts and each user's last items. See `StoredRecommender.save`."""
        arrays = {
            "units_NN": self._visits.units_NN,
            "recent_UW": self._visits.recent_UW,
            "count_N": self._count_N,
        }
        write_state(path, self.name, arrays, {})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        arrays, _ = read_state(path, cls.name)
        recommender = cls()
        recommender._count_N = arrays["count_N"]
        recommender._visits = CoVisitation(len(recommender._count_N))
        recommender._visits.units_NN, recommender._visits.recent_UW = arrays["units_NN"], arrays["recent_UW"]
        recommender._rates_NN = row_rates(recommender._visits.counts())
        return recommender

    def _scores(self, histories: Ragged) -> np.ndarray:
        return (recent_items(histories, len(self._count_N)) @ self._rates_NN).astype(np.float32).toarray()


def row_rates(counts_NN: sparse.csr_array) -> sparse.csr_array:
    """Divide each row by (its sum + 5), so that an item seen once does not speak as loud as one seen often."""
    return sparse.diags_array(1 / (counts_NN.sum(axis=1) + _SHRINKAGE)) @ counts_NN


def recent_items(histories: Ragged, n_items: int) -> sparse.csr_array:
    """(B, N) weights .7^age of each history's last 30 items."""
    return decayed(histories, _DECAY, _MAX_ITEMS, n_items)
