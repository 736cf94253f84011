"""Protocol of policies: from the views of E episodes to an item for each.

    policy = make_policy("linucb", setting)
    items_E = policy.act(views)
    policy.observe(views, items_E, ratings_E)

Shapes: E episodes, H interactions of an observation, N items.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import Mind
from recgpt.simulate.worlds.gym.users import Users


@dataclass(frozen=True)
class Setting:
    """Catalogue and users of a policy. `mind` is for the policy `oracle` alone."""

    domain: Domain
    items: Items
    users: Users
    mind: Mind
    seed: int
    model: str | None = None


@dataclass(frozen=True)
class Views:
    """E episodes as a policy sees them.

    Attributes
    ----------
    user_E
        (E,) int64 users.
    step_E
        (E,) int64 number of the next interaction, from 1.
    key_E
        (E,) uint64 keys of the episodes, for random numbers (`draws`).
    items_EH, ratings_EH
        (E, H) int64 and float64 interactions of the episode, oldest first; -1 and NaN beyond them. H is the longest of
        the episodes.
    allowed
        Returns (E, N) bool, whether an item may be shown: it is new to the episode.
    """

    user_E: np.ndarray
    step_E: np.ndarray
    key_E: np.ndarray
    items_EH: np.ndarray
    ratings_EH: np.ndarray
    allowed: Callable[[], np.ndarray]

    def __len__(self) -> int:
        return len(self.user_E)


class Policy(Protocol):
    """Recommender of one item a step."""

    name: str

    def act(self, views: Views) -> np.ndarray:
        """(E,) int64 the item to show to each user, among the allowed ones."""
        ...

    def observe(self, views: Views, item_E: np.ndarray, rating_E: np.ndarray) -> None:
        """Learn from the ratings of the items; NaN where no rating came."""
        ...
