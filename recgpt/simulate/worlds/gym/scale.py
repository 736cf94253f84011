"""Rating scale of a domain.

MOVIES = Scale(1, 10)
MOVIES.project(np.array([2.5, 11.0]))  # [2., 10.]
"""

from dataclasses import dataclass

import numpy as np

from recgpt.errors import SimulationError


@dataclass(frozen=True)
class Scale:
    """Ratings from `lowest` to `highest` in steps of `step`."""

    lowest: float
    highest: float
    step: float = 1.0

    def __post_init__(self) -> None:
        if not (self.step > 0 and self.lowest < self.highest):
            raise SimulationError(
                f"scale from {self.lowest} to {self.highest} in steps of {self.step}: the lowest rating has to be below"
                " the highest, and the step positive"
            )

    @property
    def values(self) -> np.ndarray:
        """All ratings of the scale, ascending."""
        return self.lowest + self.step * np.arange(round((self.highest - self.lowest) / self.step) + 1)

    def project(self, ratings: np.ndarray) -> np.ndarray:
        """Float64 ratings moved to the nearest step, halves to even, and clamped to the scale; NaN stays."""
        return np.clip(
            np.round(np.asarray(ratings, dtype=np.float64) / self.step) * self.step, self.lowest, self.highest
        )

    def unit(self, ratings: np.ndarray) -> np.ndarray:
        """Ratings as numbers from 0 (lowest) to 1 (highest)."""
        return (np.asarray(ratings, dtype=np.float64) - self.lowest) / (self.highest - self.lowest)
