"""Outcome of one step of E episodes: everything that `info` and the log hold.

Shapes: E episodes, k items recalled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Left(IntEnum):
    """Why an episode ended; `Left.NOT` while it goes on."""

    NOT = 0
    LOW_STREAK = 1
    DISSATISFIED = 2
    SAME_ITEM = 3
    TIME_LIMIT = 4
    NOTHING_NEW = 5
    MIND_FAILED = 6


TERMINATED = (Left.LOW_STREAK, Left.DISSATISFIED, Left.SAME_ITEM)
"""Reasons of users; all others are truncations."""

_TERMINATES = np.array([reason in TERMINATED for reason in Left])

LEFT_TEXTS = (
    "",
    "low ratings in a row",
    "dissatisfied",
    "the same item again",
    "time limit",
    "nothing new to show",
    "the mind failed",
)


@dataclass(frozen=True)
class Steps:
    """Outcome of one step.

    Attributes
    ----------
    user_E, item_E, step_E
        (E,) int64 user, item shown (of a slate the one taken, -1 for none), and number of the step in its episode,
        from 1.
    llm_rating_E
        (E,) float64 rating of the mind; NaN where it failed.
    rating_E
        (E,) float64 rating after the perturbator: what user and recommender remember; NaN where the mind failed.
    reward_E
        (E,) float64 rating after the shaping; 0 where the mind failed.
    left_E
        (E,) int8 of `Left`.
    recalled_items_Ek, recalled_scores_Ek
        (E, k) items that the user recalled, best first, -1 and NaN for none.
    valence_E, arousal_E
        (E,) float32 emotion of the rating, NaN where the mind failed.
    ema_E, low_streak_E, p_leave_E
        (E,) satisfaction, low ratings in a row, and probability of leaving after this step (NaN unless the shaping is
        churn_satisfaction).
    failures, explanations, replies, prompt_hashes, tokens_E, usd_E
        See `minds.base.Ratings`.
    """

    user_E: np.ndarray
    item_E: np.ndarray
    step_E: np.ndarray
    llm_rating_E: np.ndarray
    rating_E: np.ndarray
    reward_E: np.ndarray
    left_E: np.ndarray
    recalled_items_Ek: np.ndarray
    recalled_scores_Ek: np.ndarray
    valence_E: np.ndarray
    arousal_E: np.ndarray
    ema_E: np.ndarray
    low_streak_E: np.ndarray
    p_leave_E: np.ndarray
    failures: Sequence[str | None] | None = None
    explanations: Sequence[str | None] | None = None
    replies: Sequence[str | None] | None = None
    prompt_hashes: Sequence[str | None] | None = None
    tokens_E: np.ndarray | None = None
    usd_E: np.ndarray | None = None

    @property
    def failed_E(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(E,) bool, whether the mind gave no rating."""
        return np.isnan(self.llm_rating_E)

    @property
    def terminated_E(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(E,) bool, whether the user left."""
        return _TERMINATES[self.left_E]

    @property
    def truncated_E(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(E,) bool, whether the episode was cut off."""
        return (self.left_E != Left.NOT) & ~self.terminated_E
