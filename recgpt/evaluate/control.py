"""Shuffled-history control: order-aware recommenders should lose accuracy, order-free ones should not."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.models import Model
from recgpt.ranking import Exclude, Ranking
from recgpt.recommenders.base import Recommender


class ShuffledHistories:
    """A recommender whose input histories are shuffled; the order depends on the seed and the history alone."""

    def __init__(self, recommender: Recommender, *, seed: int = 0) -> None:
        self.name = "shuffled"  # short, for tables of 80 columns
        self.supervision = recommender.supervision
        self._recommender = recommender
        self._seed = seed

    @property
    def pretrained_model(self) -> Model | None:
        """Pre-trained model of the recommender."""
        return getattr(self._recommender, "pretrained_model", None)

    def fit(self, dataset: Dataset) -> Self:
        """Fit the recommender."""
        self._recommender.fit(dataset)
        self.supervision = self._recommender.supervision  # fitting may have changed it
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank after the shuffled histories. See `Recommender.rank`."""
        shuffled = [
            np.random.default_rng([self._seed, *map(int, history)]).permutation(history) for history in histories
        ]
        return self._recommender.rank(Ragged.from_lists(shuffled), k, exclude=exclude, candidates=candidates)

    def observe(self, events: Interactions) -> None:
        """Pass `events` to the recommender."""
        self._recommender.observe(events)
