"""Protocol of the gym's minds: questions go in, ratings come out.

A mind rates for many users at once. A rating never depends on the other questions of the call.

Shapes: E questions of a call, k items recalled, R rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from recgpt.simulate.llm.budget import CostEstimate


@dataclass(frozen=True)
class Questions:
    """An item each for E users to rate.

    Attributes
    ----------
    user_E, item_E
        (E,) int64 rows of the users and of the items.
    step_E
        (E,) int64 number of the interaction in its episode, from 1.
    times_met_E
        (E,) int64 how often the user has met the item, this time included.
    key_E
        (E,) uint64 keys of the episodes for random numbers, see `draws`.
    recalled_items_Ek
        (E, k) int64 items that the user recalls, the best match first; -1 for none.
    recalled_ratings_Ek
        (E, k) float64 what the user gave them; NaN for none.
    """

    user_E: np.ndarray
    item_E: np.ndarray
    step_E: np.ndarray
    times_met_E: np.ndarray
    key_E: np.ndarray
    recalled_items_Ek: np.ndarray
    recalled_ratings_Ek: np.ndarray

    def __len__(self) -> int:
        return len(self.user_E)

    def rows(self, chosen: slice | np.ndarray) -> "Questions":
        """Some of the questions."""
        return Questions(**{name: column[chosen] for name, column in vars(self).items()})


@dataclass(frozen=True)
class Ratings:
    """Answers to E questions.

    Attributes
    ----------
    rating_E
        (E,) float64 on the domain's scale; NaN where the mind failed.
    failures, explanations, replies, prompt_hashes
        Texts, None for none: why the mind failed, why the user rated so, the language model's reply and the SHA-256 of
        its prompt. None as a whole for minds without any.
    tokens_E, usd_E
        (E,) cost of each answer; None for minds without cost.
    """

    rating_E: np.ndarray
    failures: Sequence[str | None] | None = None
    explanations: Sequence[str | None] | None = None
    replies: Sequence[str | None] | None = None
    prompt_hashes: Sequence[str | None] | None = None
    tokens_E: np.ndarray | None = None
    usd_E: np.ndarray | None = None


class Mind(Protocol):
    """Rates for users."""

    name: str

    def rate(self, questions: Questions) -> Ratings:
        """Ratings of the users."""
        ...

    def estimate(self, n_questions: int) -> CostEstimate | None:
        """Expected calls and cost of a language model; None for a mind that makes no calls."""
        ...


@runtime_checkable
class KnownTastes(Protocol):
    """Mind that can tell a rating without its noise: what the policy `oracle` maximises."""

    def expected(self, user_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        """(R,) float64 ratings of users for items without noise and without memory of the episode."""
        ...

    def expected_all(self, user_R: np.ndarray) -> np.ndarray:
        """(R, N) float32 the same for all items."""
        ...
