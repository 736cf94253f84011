"""Random choices in a row, from the counter-based numbers of `recgpt.simulate.rng`.

    draws = Draws(seed=7, purpose="names")
    draws.pick(["Ada", "Ben"]), draws.below(6), draws.share()

Each purpose has its own numbers: a change of one part of a town leaves the others as they are.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np

from recgpt.simulate import rng

T = TypeVar("T")
_AT_ONCE = 1024


class Draws:
    """Random choices for one purpose."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._shares = _shares(seed, purpose)

    def share(self) -> float:
        """Uniform in [0, 1)."""
        return next(self._shares)

    def below(self, n: int) -> int:
        """Whole number from 0 to n - 1."""
        return int(self.share() * n)

    def between(self, low: int, high: int) -> int:
        """Whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def weighted(self, choices: dict[T, float]) -> T:
        """One of the choices, by weight."""
        bounds = list(accumulate(choices.values()))
        return list(choices)[min(bisect(bounds, self.share() * bounds[-1]), len(choices) - 1)]

    def sample(self, choices: Sequence[T], n: int) -> list[T]:
        """`n` different choices, or all in a random order."""
        left = list(choices)
        for k in range(min(n, len(left))):
            j = k + self.below(len(left) - k)
            left[k], left[j] = left[j], left[k]
        return left[:n]

    def trait(self, mean: float = 0.5, spread: float = 0.18) -> float:
        """A trait from 0.02 to 0.98, rounded: the mean of three uniform numbers, scaled to a standard deviation."""
        bell = (self.share() + self.share() + self.share() - 1.5) * 2
        return round(min(max(mean + spread * bell, 0.02), 0.98), 2)


def _shares(seed: int, purpose: str) -> Iterator[float]:
    block = 0
    while True:
        yield from rng.uniform(seed, np.array([block]), step=0, purpose=f"town/{purpose}", n=_AT_ONCE)[0].tolist()
        block += 1
