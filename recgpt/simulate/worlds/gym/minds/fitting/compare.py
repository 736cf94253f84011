"""Simulated against real ratings: distribution, spread between users and between items.

    compared = Summary.of(user_R, item_R, rating_R, scale)

Shapes: R ratings, V ratings of the scale.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recgpt.simulate.worlds.gym.scale import Scale

MIN_OF_USER, MIN_OF_ITEM = 10, 25
"""Ratings from which on a user's or an item's mean counts in the spreads."""


@dataclass(frozen=True)
class Summary:
    """Figures of R ratings.

    Attributes
    ----------
    mean, deviation
        Of all ratings.
    between_users, between_items
        Standard deviation of the means of users with `MIN_OF_USER` ratings, and of items with `MIN_OF_ITEM`.
    between_users_true, between_items_true
        The same without the part that the noise of the means explains: the mean over groups of variance over count.
    shares
        Share of each rating of the scale.
    """

    mean: float
    deviation: float
    between_users: float
    between_items: float
    between_users_true: float
    between_items_true: float
    shares: tuple[float, ...]

    @classmethod
    def of(cls, user_R: np.ndarray, item_R: np.ndarray, rating_R: np.ndarray, scale: Scale) -> "Summary":
        """Figures of ratings on the scale."""
        users, users_true = spread(user_R, rating_R, MIN_OF_USER)
        items, items_true = spread(item_R, rating_R, MIN_OF_ITEM)
        return cls(
            mean=float(rating_R.mean()),
            deviation=float(rating_R.std()),
            between_users=users,
            between_items=items,
            between_users_true=users_true,
            between_items_true=items_true,
            shares=tuple(float((rating_R == value).mean()) for value in scale.values),
        )

    def against(self, real: "Summary") -> dict[str, Any]:
        """These figures, their total variation to the real shares, and the ratio of each spread to the real one."""
        spreads = ("deviation", *(name for name in asdict(self) if name.startswith("between")))
        return {
            **asdict(self),
            "total_variation": total_variation(self.shares, real.shares),
            "ratios": {name: getattr(self, name) / max(getattr(real, name), 1e-9) for name in spreads},
        }


def total_variation(shares: tuple[float, ...], others: tuple[float, ...]) -> float:
    """Half the sum of the absolute differences."""
    return float(np.abs(np.array(shares) - np.array(others)).sum() / 2)


def spread(group_R: np.ndarray, rating_R: np.ndarray, min_count: int) -> tuple[float, float]:
    """Standard deviation of the means of groups with `min_count` ratings, as observed and without their noise."""
    count_G = np.bincount(group_R)
    total_G = np.bincount(group_R, weights=rating_R)
    square_G = np.bincount(group_R, weights=rating_R**2)
    kept_G = count_G >= min_count
    if kept_G.sum() < 2:
        return float("nan"), float("nan")
    count_G, mean_G = count_G[kept_G], total_G[kept_G] / count_G[kept_G]
    within_G = (square_G[kept_G] / count_G - mean_G**2) * count_G / (count_G - 1)
    observed = float(mean_G.var(ddof=1))
    return observed**0.5, max(observed - float((within_G / count_G).mean()), 0.0) ** 0.5
