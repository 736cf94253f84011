"""Random: recommend anything. The floor that every figure stands on, and what a metric must give to chance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.ranking import Exclude, Ranking, Request, rank_by_scores
from recgpt.recommenders.base import Knows
from recgpt.recommenders.store import read_state, write_state

_MULTIPLIERS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


class Random:
    """Items in an order drawn anew for each history, from the seed and that history alone.

    So the same history gets the same list, whoever else is asked. Empty histories are a history like any other.

    Parameters
    ----------
    seed
        Of the draw.
    """

    name = "random"
    knows: Knows = "text"

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, dataset: Dataset) -> Self:
        """Take the size of the catalogue; nothing else is read."""
        self._n_items = dataset.n_items
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank at random. See `Recommender.rank`."""
        request = Request.checked(histories, k, exclude, candidates, n_items=self._n_items)
        return rank_by_scores(request, self._n_items, self._scores, if_empty_N=self._uniform(np.zeros(1, np.uint64))[0])

    def observe(self, events: Interactions) -> None:
        """Ignore `events`."""

    def save(self, path: str | Path) -> None:
        """Write the seed and the size of the catalogue. See `StoredRecommender.save`."""
        write_state(path, self.name, {}, {"seed": self._seed, "n_items": self._n_items})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        _, options = read_state(path, cls.name)
        recommender = cls(seed=options["seed"])
        recommender._n_items = options["n_items"]
        return recommender

    def _scores(self, histories: Ragged) -> np.ndarray:
        """Uniform numbers, by a counter-based generator: a hash of (seed, history) and then of the item's row."""
        key_B = np.zeros(len(histories), dtype=np.uint64)
        for row, history in enumerate(histories):
            key_B[row] = np.random.SeedSequence([1, *history.tolist()]).generate_state(1, np.uint64)[0]
        return self._uniform(key_B)

    def _uniform(self, key_B: np.ndarray) -> np.ndarray:
        """(B, N) float32 in [0, 1): the finalizer of SplitMix64 (Steele, Lea and Flood 2014, section 4)."""
        seed = np.random.SeedSequence(self._seed).generate_state(1, np.uint64)[0]
        step_N = np.arange(1, self._n_items + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits_BN = (key_B ^ seed)[:, None] + step_N
        bits_BN = (bits_BN ^ (bits_BN >> np.uint64(30))) * _MULTIPLIERS[0]
        bits_BN = (bits_BN ^ (bits_BN >> np.uint64(27))) * _MULTIPLIERS[1]
        return ((bits_BN ^ (bits_BN >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
