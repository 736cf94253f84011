"""Policies without a model of the user: random, the most popular item, the best average.

    policy = PopularityPolicy(setting)
    policy.act(views)                     # (E,) items

Shapes: E episodes, N items.
"""

import numpy as np

from recgpt.simulate.worlds.gym.draws import uniform
from recgpt.simulate.worlds.gym.policies.base import Setting, Views
from recgpt.simulate.worlds.gym.policies.choice import best_allowed, nth_allowed

PSEUDO_RATINGS = 5
"""Ratings at the mean of all items that an average is shrunk with, so that one enthusiast does not make the best."""


class Unlearning:
    """Base of policies whose choices follow from the views alone: `observe` changes nothing."""

    def observe(self, views: Views, item_E: np.ndarray, rating_E: np.ndarray) -> None:
        """Change nothing."""


class RandomPolicy(Unlearning):
    """An item drawn among the allowed ones, all with the same probability."""

    name = "random"

    def __init__(self, setting: Setting) -> None:
        """Nothing of the setting is needed: draws are keyed by the episode and its step."""

    def act(self, views: Views) -> np.ndarray:
        """(E,) int64 the item to show to each user."""
        return nth_allowed(uniform(views.key_E, views.step_E, "policy random"), views.allowed())


class FixedOrder(Unlearning):
    """The best allowed item of an order that is the same for all users."""

    name: str
    _score_N: np.ndarray

    def act(self, views: Views) -> np.ndarray:
        """(E,) int64 the item to show to each user."""
        return best_allowed(self._score_N[None], views.allowed())


class PopularityPolicy(FixedOrder):
    """The item with most interactions in the catalogue's past."""

    name = "popularity"

    def __init__(self, setting: Setting) -> None:
        past = setting.items.dataset.interactions
        self._score_N = np.bincount(past.item, minlength=len(setting.items)).astype(np.float64)


class AveragePolicy(FixedOrder):
    """The item with the best average rating, shrunk with `PSEUDO_RATINGS` where the number of ratings is known."""

    name = "average"

    def __init__(self, setting: Setting) -> None:
        self._score_N = shrunk_averages(setting)


def shrunk_averages(setting: Setting) -> np.ndarray:
    """(N,) float64 average ratings, shrunk toward their mean; that mean where an item has no average.

    An average without a number of ratings is taken as it is.
    """
    average_N, count_N = setting.items.average_N, setting.items.count_N
    known_N = np.isfinite(average_N)
    if not known_N.any():
        return np.full(len(average_N), (setting.domain.scale.lowest + setting.domain.scale.highest) / 2)
    weights = np.where(count_N > 0, count_N, 1)[known_N]
    mean = float(np.average(average_N[known_N], weights=weights))
    shrunk_N = (count_N * np.where(known_N, average_N, mean) + PSEUDO_RATINGS * mean) / (count_N + PSEUDO_RATINGS)
    return np.where(known_N & (count_N == 0), average_N, shrunk_N)
