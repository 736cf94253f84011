"""Random choices of many rows at once, keyed by agent, and pieces of ragged arrays.

Shapes: R rows, K options.
"""

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.simulate import rng

_SMALLEST = 2.0**-54  # 0 has no logarithm


class Draws:
    """Draws of one seed and step.

    Parameters
    ----------
    seed, step
        Seed of the run, and round.
    """

    def __init__(self, seed: int, step: int) -> None:
        self._seed, self._step = seed, step

    def uniform(self, keys_R: np.ndarray, purpose: str, n: int = 1) -> np.ndarray:
        """(R, n) float64 above 0 and below 1; a key is an agent, or a number of an agent and something else."""
        drawn_Rn = rng.uniform(self._seed, keys_R, step=self._step, purpose=purpose, n=n)
        return np.maximum(drawn_Rn, _SMALLEST, out=drawn_Rn)

    def gumbel(self, keys_R: np.ndarray, purpose: str, n: int = 1) -> np.ndarray:
        """(R, n) standard Gumbel: the largest of log weight + draw is a choice in proportion to the weights."""
        drawn: np.ndarray = -np.log(-np.log(self.uniform(keys_R, purpose, n)))
        return drawn

    def logits(self, keys_R: np.ndarray, purpose: str, n: int = 1) -> np.ndarray:
        """(R, n) standard logistic: below x with probability 1 / (1 + e^-x)."""
        drawn_Rn = self.uniform(keys_R, purpose, n)
        drawn: np.ndarray = np.log(drawn_Rn / (1 - drawn_Rn))
        return drawn

    def chosen(self, weight_RK: np.ndarray, keys_R: np.ndarray, purpose: str) -> np.ndarray:
        """(R,) the option of each row, drawn by log weights; -inf is never drawn beside others."""
        option: np.ndarray = (weight_RK + self.gumbel(keys_R, purpose, weight_RK.shape[1])).argmax(axis=1)
        return option


def best_places(rows: Ragged, value: np.ndarray) -> np.ndarray:
    """(R,) index into `rows.values` of the best value of each row, the first of equal ones; -1 for an empty row."""
    best_R = np.full(len(rows), -1, dtype=np.int64)
    filled = np.flatnonzero(rows.lengths)
    if len(filled):
        starts = rows.offsets[:-1][filled]
        most = np.maximum.reduceat(value, starts)
        places = np.flatnonzero(value == np.repeat(most, rows.lengths[filled]))
        best_R[filled] = places[np.searchsorted(places, starts)]
    return best_R


def row_numbers(rows: Ragged) -> np.ndarray:
    """Row of each value."""
    return np.repeat(np.arange(len(rows)), rows.lengths)


def values_at(rows: Ragged, places_R: np.ndarray) -> np.ndarray:
    """(R,) int64 values at these places; -1 for the place -1."""
    if not len(rows.values):
        return np.full(len(places_R), -1, dtype=np.int64)
    values: np.ndarray = np.where(places_R >= 0, rows.values[np.maximum(places_R, 0)], -1).astype(np.int64)
    return values
