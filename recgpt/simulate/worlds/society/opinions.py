"""Opinions of agents on items: sparse, sorted by agent and item.

Shapes: A agents, N items, V opinions.
"""

from dataclasses import dataclass

import numpy as np

from recgpt.simulate.agents.population import Population


@dataclass(frozen=True)
class Opinions:
    """Opinions from -1 to 1; of several on one item the newest counts.

    Attributes
    ----------
    n_items
        N.
    before_keys, before_values
        Opinions before the first round, from the ratings of the past; never changed, no part of snapshots.
    key_V, value_V
        (V,) `agent * N + item`, ascending, and float32 opinion, of the run.
    """

    n_items: int
    before_keys: np.ndarray
    before_values: np.ndarray
    key_V: np.ndarray
    value_V: np.ndarray

    @classmethod
    def of_population(cls, population: Population, n_items: int) -> "Opinions":
        """Opinions that follow from ratings before the run, `(stars - 3) / 2`."""
        agents = np.repeat(np.arange(len(population)), population.histories.lengths)
        rated = np.isfinite(population.ratings)
        keys = agents[rated] * n_items + population.histories.values[rated]
        values = np.clip(of_stars(population.ratings[rated]), -1, 1)
        none = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        return cls(n_items, *_newest(keys, values), *none)

    def of(self, agents: np.ndarray, items: np.ndarray) -> np.ndarray:
        """float32 opinions of agents on items, arrays of one shape; NaN for none."""
        keys = np.asarray(agents, dtype=np.int64) * self.n_items + items
        before = _looked_up(keys, self.before_keys, self.before_values)
        now = _looked_up(keys, self.key_V, self.value_V)
        return np.where(np.isnan(now), before, now)

    def with_changes(self, agents: np.ndarray, items: np.ndarray, values: np.ndarray) -> "Opinions":
        """The opinions after these changes, in their order."""
        if not len(agents):
            return self
        keys = np.asarray(agents, dtype=np.int64) * self.n_items + items
        merged = _newest(
            np.concatenate([self.key_V, keys]), np.concatenate([self.value_V, np.asarray(values, dtype=np.float32)])
        )
        return Opinions(self.n_items, self.before_keys, self.before_values, *merged)

    def to_arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Numeric arrays of the opinions of the run, named with a prefix."""
        return {f"{prefix}_key_V": self.key_V, f"{prefix}_value_V": self.value_V}

    def restored(self, arrays: dict[str, np.ndarray], prefix: str) -> "Opinions":
        """The opinions with those of the run from the arrays of `to_arrays`."""
        run = arrays[f"{prefix}_key_V"], arrays[f"{prefix}_value_V"]
        return Opinions(self.n_items, self.before_keys, self.before_values, *run)


def of_stars(stars: np.ndarray) -> np.ndarray:
    """Opinion that follows from stars: -1 for 1 star, 1 for 5."""
    return (stars - 3) / 2


def _newest(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending keys without repetition, and the last value of each."""
    unique, first = np.unique(keys[::-1], return_index=True)
    return unique, values[::-1][first].astype(np.float32)


def _looked_up(keys: np.ndarray, ascending: np.ndarray, values: np.ndarray) -> np.ndarray:
    if not len(ascending):
        return np.full(keys.shape, np.nan, dtype=np.float32)
    place = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return np.where(ascending[place] == keys, values[place], np.float32(np.nan))
