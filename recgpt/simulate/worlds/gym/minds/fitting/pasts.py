"""Users of a data set, split into the ratings that a mind may know and the later ones that it has to predict.

    past, later = rated.halves()

Shapes: U users, R ratings known, T ratings to predict.
"""

from dataclasses import dataclass, replace

import numpy as np

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.users import Users


@dataclass(frozen=True)
class Rated:
    """Ratings by user, oldest first: user u has the rows from `offsets[u]` to `offsets[u + 1]`.

    Attributes
    ----------
    item_R, rating_R
        (R,) rows of items, and ratings on the domain's scale.
    offsets
        (U + 1,) int64.
    """

    item_R: np.ndarray
    rating_R: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def user_R(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(R,) int64 users."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def select(self, user_U: np.ndarray) -> "Rated":
        """Ratings of some users, in that order."""
        rows = np.concatenate([np.arange(self.offsets[user], self.offsets[user + 1]) for user in user_U])
        lengths = np.diff(self.offsets)[user_U]
        return Rated(self.item_R[rows], self.rating_R[rows], offsets_from_lengths(lengths))

    def halves(self) -> tuple["Rated", "Rated"]:
        """The earlier half of each user's ratings, rounded up, and the later one."""
        lengths = np.diff(self.offsets)
        place_R = np.arange(len(self.item_R)) - np.repeat(self.offsets[:-1], lengths)
        earlier_R = place_R < np.repeat((lengths + 1) // 2, lengths)
        first = offsets_from_lengths((lengths + 1) // 2)
        return (
            Rated(self.item_R[earlier_R], self.rating_R[earlier_R], first),
            Rated(self.item_R[~earlier_R], self.rating_R[~earlier_R], self.offsets - first),
        )


def users_of(past: Rated) -> Users:
    """Users who are known by their past alone, of middle traits."""
    n_users = len(past)
    level_U, empty = np.full(n_users, 2, dtype=np.int8), [""] * n_users
    return Users(
        ids=[str(user) for user in range(n_users)],
        names=empty,
        descriptions=empty,
        jobs=empty,
        hobbies=empty,
        gender_U=np.zeros(n_users, dtype=np.int8),
        age_U=np.zeros(n_users, dtype=np.int16),
        liked=[()] * n_users,
        disliked=[()] * n_users,
        activity_U=level_U,
        conformity_U=level_U,
        diversity_U=level_U,
        persona=empty,
        histories=Ragged(past.item_R, past.offsets),
        ratings=past.rating_R,
    )


def with_averages(items: Items, *parts: Rated) -> Items:
    """The items with averages and counts of these ratings alone, so that nothing to predict is among them."""
    item_R = np.concatenate([part.item_R for part in parts])
    rating_R = np.concatenate([part.rating_R for part in parts])
    count_N = np.bincount(item_R, minlength=len(items))
    total_N = np.bincount(item_R, weights=rating_R, minlength=len(items))
    average_N = np.where(count_N > 0, total_N / np.maximum(count_N, 1), np.nan)
    return replace(items, average_N=average_N, count_N=count_N)
