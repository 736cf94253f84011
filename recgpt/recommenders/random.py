"""Random: recommends the catalogue in random order; the lower bound of all metrics."""

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.recommenders.base import RecommenderBase, Supervision
from recgpt.splitmix import GOLDEN_GAMMA, finalized


class Random(RecommenderBase):
    """Items in an order drawn for each history, from the seed and that history alone.

    The same history therefore has the same ranking in every batch. Empty histories are ranked like any other. `observe`
    ignores events.

    Parameters
    ----------
    seed
        Seed of the random order.
    """

    name = "random"
    supervision: Supervision = "zero-shot"
    is_seeded = True

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._options = {"seed": seed}

    def _fit(self, dataset: Dataset) -> None:
        """Nothing to fit: the base class keeps the size of the catalogue."""

    def _scores_if_empty(self) -> np.ndarray:
        return self._uniform(np.zeros(1, np.uint64))[0]

    def _scores(self, histories: Ragged) -> np.ndarray:
        """Uniform numbers from a counter-based generator with key (seed, history) and the item's row as counter."""
        key_B = np.zeros(len(histories), dtype=np.uint64)
        for row, history in enumerate(histories):
            key_B[row] = np.random.SeedSequence([1, *history.tolist()]).generate_state(1, np.uint64)[0]
        return self._uniform(key_B)

    def _uniform(self, key_B: np.ndarray) -> np.ndarray:
        """(B, N) float32 in [0, 1): the finalizer of SplitMix64 (Steele, Lea and Flood 2014, section 4)."""
        seed = np.random.SeedSequence(self._seed).generate_state(1, np.uint64)[0]
        step_N = np.arange(1, self.n_items + 1, dtype=np.uint64) * GOLDEN_GAMMA
        bits_BN = finalized((key_B ^ seed)[:, None] + step_N)
        return (bits_BN >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
