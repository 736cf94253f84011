"""State of a run: the items, ratings and rewards of every user. It is a function of the events.

    state = GymState(n_users=600, n_items=10)
    for rows in run.iter_steps():
        state.apply(rows)

Shapes: U users, T items of an episode at most, E users of one step.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from recgpt.simulate.events import by_kind
from recgpt.simulate.worlds.gym.evaluation import Episodes
from recgpt.simulate.worlds.gym.steps import LEFT_TEXTS, Left

_ARRAYS = ("item_UT", "rating_UT", "reward_UT", "n_rated_U", "n_failed_U", "left_U")


@dataclass(frozen=True)
class Outcome:
    """Events of one step as arrays.

    Attributes
    ----------
    user_E, item_E
        (E,) int64 users in ascending order, and the item shown to each.
    rating_E, reward_E
        (E,) float64, NaN where the mind failed.
    left_E
        (E,) int8 of `Left`.
    """

    user_E: np.ndarray
    item_E: np.ndarray
    rating_E: np.ndarray
    reward_E: np.ndarray
    left_E: np.ndarray

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "Outcome":
        """Read the rows of one step."""
        of_kind = by_kind(rows)
        none = rows.clear()
        shown = of_kind.get("shown", none)
        user_E = shown["agent"].to_numpy()

        def column(kind: str, values: pl.Series, otherwise: np.ndarray) -> np.ndarray:
            filled = otherwise.copy()
            filled[np.searchsorted(user_E, of_kind.get(kind, none)["agent"].to_numpy())] = values.to_numpy()
            return filled

        def value(kind: str, otherwise: np.ndarray) -> np.ndarray:
            return column(kind, of_kind.get(kind, none)["value"], otherwise)

        rating_E = value("rated", np.full(len(user_E), np.nan))
        reasons = pl.Series([LEFT_TEXTS.index(text) for text in of_kind.get("left", none)["text"]], dtype=pl.Int8)
        left_E = column("left", reasons, np.full(len(user_E), Left.NOT, dtype=np.int8))
        return cls(user_E, shown["item"].to_numpy(), rating_E, value("rewarded", rating_E), left_E)


class GymState:
    """State of all users after the events so far.

    Attributes
    ----------
    item_UT
        (U, T) int32 items rated, in order; -1 beyond `n_rated_U`.
    rating_UT, reward_UT
        (U, T) float64 ratings, and rewards after the shaping; NaN beyond.
    n_rated_U, n_failed_U
        (U,) int64 numbers of ratings, and of questions that the mind did not answer.
    left_U
        (U,) int8 of `Left`.
    """

    def __init__(self, n_users: int, n_items: int) -> None:
        self.item_UT = np.full((n_users, n_items), -1, dtype=np.int32)
        self.rating_UT = np.full((n_users, n_items), np.nan)
        self.reward_UT = np.full((n_users, n_items), np.nan)
        self.n_rated_U = np.zeros(n_users, dtype=np.int64)
        self.n_failed_U = np.zeros(n_users, dtype=np.int64)
        self.left_U = np.full(n_users, Left.NOT, dtype=np.int8)

    @property
    def active_U(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(U,) bool, whether the user is to be shown another item."""
        return (self.left_U == Left.NOT) & (self.n_rated_U < self.item_UT.shape[1])

    @property
    def episodes(self) -> Episodes:
        """The episodes so far, for `recgpt.simulate.worlds.gym.evaluation`."""
        return Episodes(self.item_UT, self.rating_UT, self.reward_UT, self.n_failed_U, self.left_U)

    def apply(self, rows: pl.DataFrame) -> None:
        """Update the state with the events of one step."""
        found = Outcome.of(rows)
        rated_E = ~np.isnan(found.rating_E)
        user = found.user_E[rated_E]
        place = self.n_rated_U[user]
        self.item_UT[user, place] = found.item_E[rated_E]
        self.rating_UT[user, place] = found.rating_E[rated_E]
        self.reward_UT[user, place] = found.reward_E[rated_E]
        self.n_rated_U[user] += 1
        self.n_failed_U[found.user_E[~rated_E]] += 1
        self.left_U[found.user_E] = found.left_E

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as arrays."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`."""
        for name in _ARRAYS:
            getattr(self, name)[...] = arrays[name]
