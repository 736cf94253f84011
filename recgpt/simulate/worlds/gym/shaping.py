"""Reward shaping: the reward of an agent, and whether the user leaves.

    reward_E = exp_decay_time(rating_E, times_met_E, gap_E, scale)
    satisfaction = satisfaction.after(rating_E, alpha=0.2, threshold=4.0)

`times_met` counts this meeting of user and item; `gap` is the number of interactions since the last one.
"""

from dataclasses import dataclass

import numpy as np

from recgpt.simulate.worlds.gym.scale import Scale

KEPT = 0.1
"""q of the published shapings: the share of a rating that is left when an item is met again at once."""


def kept_share(times_met_E: np.ndarray, gap_E: np.ndarray, q: float = KEPT) -> np.ndarray:
    """(E,) q^(times met / gap); 1 at the first meeting."""
    again_E = times_met_E > 1
    return np.where(again_E, q ** (times_met_E / np.where(again_E, gap_E, 1)), 1.0)


def exp_decay_time(
    rating_E: np.ndarray, times_met_E: np.ndarray, gap_E: np.ndarray, scale: Scale, q: float = KEPT
) -> np.ndarray:
    """(E,) ratings, less for items met often and lately: rounded down to a step of the scale, and clamped to it."""
    less_E = np.floor(rating_E * kept_share(times_met_E, gap_E, q) / scale.step) * scale.step
    return np.where(times_met_E > 1, np.clip(less_E, scale.lowest, scale.highest), rating_E)


def random_watch(
    rating_E: np.ndarray, times_met_E: np.ndarray, gap_E: np.ndarray, uniform_E: np.ndarray, q: float = KEPT
) -> np.ndarray:
    """(E,) ratings, or 0 for an item met before, more likely if it was met often and lately."""
    return np.where((times_met_E > 1) & (uniform_E >= kept_share(times_met_E, gap_E, q)), 0.0, rating_E)


def same_film_terminate(rating_E: np.ndarray, times_met_E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E,) ratings, 0 for an item met before; and whether the user leaves for that reason."""
    again_E = times_met_E > 1
    return np.where(again_E, 0.0, rating_E), again_E


@dataclass(frozen=True)
class Satisfaction:
    """Satisfaction of E users in their episodes.

    Attributes
    ----------
    ema_E
        (E,) float64 exponential moving average of ratings; 0 before the first.
    n_E
        (E,) int64 ratings so far.
    low_streak_E, high_streak_E
        (E,) int64 latest ratings in a row up to the threshold, and above it.
    """

    ema_E: np.ndarray
    n_E: np.ndarray
    low_streak_E: np.ndarray
    high_streak_E: np.ndarray

    @classmethod
    def fresh(cls, n_rows: int) -> "Satisfaction":
        """Satisfaction before the first rating."""
        zeros_3E = np.zeros((3, n_rows), dtype=np.int64)
        return cls(np.zeros(n_rows), *zeros_3E)

    def after(self, rating_E: np.ndarray, *, alpha: float, threshold: float) -> "Satisfaction":
        """Satisfaction after one more rating; unchanged where it is NaN."""
        rated_E = ~np.isnan(rating_E)
        moved_E = np.where(self.n_E == 0, rating_E, alpha * rating_E + (1 - alpha) * self.ema_E)
        low_E, high_E = rating_E <= threshold, rating_E > threshold
        return Satisfaction(
            np.where(rated_E, moved_E, self.ema_E),
            self.n_E + rated_E,
            np.where(rated_E, np.where(low_E, self.low_streak_E + 1, 0), self.low_streak_E),
            np.where(rated_E, np.where(high_E, self.high_streak_E + 1, 0), self.high_streak_E),
        )


@dataclass(frozen=True)
class Churn:
    """Parameters of `churn_satisfaction`, see `GymRules`."""

    low_threshold: float
    low_streak_threshold: int = 2
    min_steps: int = 5
    prob_scale: float = 0.3
    ema_min_samples: int = 1
    recovery_bonus: float = 0.0

    def p_leave(self, rating_E: np.ndarray, now: Satisfaction) -> np.ndarray:
        """(E,) probability that a user leaves after this rating: 1 after enough low ones in a row.

        Parameters
        ----------
        now
            Satisfaction after the rating.
        """
        level_E = np.where(now.n_E >= self.ema_min_samples, now.ema_E, rating_E)
        p_E = 1 - np.exp(-self.prob_scale * np.maximum(0, self.low_threshold - level_E))
        if self.recovery_bonus > 0:
            p_E = np.where(now.high_streak_E >= 2, np.maximum(0, p_E - self.recovery_bonus), p_E)
        p_E = np.where(self.at_streak(now), 1.0, p_E)
        return np.where((now.n_E >= self.min_steps) & ~np.isnan(rating_E), p_E, 0.0)

    def at_streak(self, now: Satisfaction) -> np.ndarray:
        """(E,) bool, whether a user had enough low ratings in a row to leave."""
        return (now.low_streak_E >= self.low_streak_threshold) & (now.n_E >= self.min_steps)
