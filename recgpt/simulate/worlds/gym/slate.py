"""Slates: k items are shown at once, and the user takes the best one, or nothing.

    env = gymnasium.make("recgpt/EmoSimSlate-v0", slate_size=5, no_choice=0.1)
    observation, reward, terminated, truncated, info = env.step([3, 14, 15, 9, 26])
    info["item"]                       # the item taken, -1 for none

Action: k items, MultiDiscrete; one that stands in a slate twice counts once. The user rates all of them and takes the
one with the highest rating, of equal ones that with the highest average, then the first in the slate; with a
probability of `no_choice` nothing, which is rewarded with 0 and not remembered. Then everything is as with one item;
observations are the same. `action_masks` repeats the mask of items for each place, as sb3-contrib's MaskablePPO has it.

Ie et al., "RecSim: A Configurable Simulation Platform for Recommender Systems" (2019), choose from slates likewise.

Shapes: k items of a slate, here.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from recgpt.config import check_number
from recgpt.errors import ConfigError, SimulationError
from recgpt.simulate.worlds.gym import draws
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.environment import EmoSimEnv
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.minds.base import Mind
from recgpt.simulate.worlds.gym.steps import Left, Steps
from recgpt.simulate.worlds.gym.vector import EmoSimVectorEnv

try:
    from gymnasium import spaces
    from gymnasium.vector.utils import batch_space
except ModuleNotFoundError as error:
    raise ConfigError("environments need gymnasium: pip install 'recgpt[rl]'") from error

SLATE_SIZE, NO_CHOICE = 5, 0.1


class SlateEngine(Engine):
    """Engine whose users choose from slates.

    Parameters
    ----------
    slate_size
        k.
    no_choice
        Probability that a user takes nothing.
    """

    def __init__(
        self,
        inputs: Inputs,
        mind: Mind,
        n_envs: int,
        *,
        users_in_order: bool = False,
        slate_size: int = SLATE_SIZE,
        no_choice: float = NO_CHOICE,
    ) -> None:
        super().__init__(inputs, mind, n_envs, users_in_order=users_in_order)
        check_number("slate_size", slate_size, at_least=1, whole=True)
        check_number("no_choice", no_choice, at_least=0, below=1)
        if slate_size > self.n_items:
            raise ConfigError(f"slate_size={slate_size}: there are {self.n_items} items, give at most as many")
        self.slate_size, self.no_choice = slate_size, no_choice

    def decide(self, item_R: np.ndarray, rows: np.ndarray | None = None) -> Steps:
        """Show a slate each; changes nothing. See `Engine`.

        Parameters
        ----------
        item_R
            (R, k) slates.
        """
        slate_Rk = np.asarray(item_R)
        row_R = np.arange(self.n_envs) if rows is None else np.asarray(rows)
        if slate_Rk.shape != (len(row_R), self.slate_size):
            raise SimulationError(
                f"an action of shape {slate_Rk.shape}: {len(row_R)} slates of {self.slate_size} items are needed"
            )
        every = super().decide(slate_Rk.ravel(), np.repeat(row_R, self.slate_size))
        places_R = self._best(every.item_E.reshape(slate_Rk.shape), every.llm_rating_E)
        at_R = np.arange(len(row_R)) * self.slate_size + places_R
        chosen = _rows(every, at_R)
        none_R = draws.uniform(self.key_E[row_R], chosen.step_E, "choose") < self.no_choice
        return self._without(chosen, none_R & ~chosen.failed_E, row_R)

    def _best(self, slate_Rk: np.ndarray, rating_Q: np.ndarray) -> np.ndarray:
        """(R,) places in the slates of what the users take."""
        rating_Rk = np.nan_to_num(rating_Q.reshape(slate_Rk.shape), nan=-np.inf)
        best_Rk = rating_Rk == rating_Rk.max(axis=1, keepdims=True)
        average_N = np.nan_to_num(self.inputs.items.average_N, nan=-np.finfo(np.float64).max)
        average_Rk = np.where(best_Rk, average_N[slate_Rk], -np.inf)
        return average_Rk.argmax(axis=1)

    def _without(self, chosen: Steps, none_R: np.ndarray, row_R: np.ndarray) -> Steps:
        """The steps, with nothing taken in some."""
        if not none_R.any():
            return chosen
        now = self.satisfaction
        over_R = chosen.step_E >= self.inputs.rules.max_episode_steps
        by_rule_R = np.where(over_R, Left.TIME_LIMIT, Left.NOT)
        nothing = {
            "item_E": -1,
            **dict.fromkeys(("llm_rating_E", "rating_E", "reward_E", "p_leave_E"), 0.0),
            "valence_E": np.float32(0),
            "arousal_E": np.float32(0),
            "ema_E": now.ema_E[row_R],
            "low_streak_E": now.low_streak_E[row_R],
            "left_E": by_rule_R.astype(np.int8),
        }
        return replace(
            chosen, **{name: np.where(none_R, value, getattr(chosen, name)) for name, value in nothing.items()}
        )


def _rows(steps: Steps, at_R: np.ndarray) -> Steps:
    """Some rows of steps."""
    chosen: dict[str, Any] = {
        name: column[at_R] if isinstance(column, np.ndarray) else [column[place] for place in at_R.tolist()]
        for name, column in vars(steps).items()
        if column is not None
    }
    return Steps(**chosen)


class EmoSimSlateEnv(EmoSimEnv):
    """One user at a time, who chooses from slates.

    Parameters
    ----------
    domain
        Domain, see `GymRules`.
    slate_size
        Items of a slate.
    no_choice
        Probability that the user takes nothing.
    settings
        See `EmoSimEnv`.
    """

    def __init__(
        self,
        domain: str = "movies",
        *,
        slate_size: int = SLATE_SIZE,
        no_choice: float = NO_CHOICE,
        **settings: Any,
    ) -> None:
        super().__init__(domain, engine_class=_engine_class(slate_size, no_choice), **settings)
        self.action_space = spaces.MultiDiscrete([self.engine.n_items] * slate_size)

    def action_masks(self) -> np.ndarray:
        """(k · N,) bool, for each place of the slate whether an item is new to the episode."""
        return np.tile(super().action_masks(), len(self.action_space.nvec))  # type: ignore[attr-defined]


class EmoSimSlateVectorEnv(EmoSimVectorEnv):
    """E users, who choose from slates.

    Parameters
    ----------
    num_envs
        E.
    domain, slate_size, no_choice
        See `EmoSimSlateEnv`.
    settings
        See `EmoSimVectorEnv`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        domain: str = "movies",
        *,
        slate_size: int = SLATE_SIZE,
        no_choice: float = NO_CHOICE,
        **settings: Any,
    ) -> None:
        super().__init__(num_envs, domain, engine_class=_engine_class(slate_size, no_choice), **settings)
        self.single_action_space = spaces.MultiDiscrete([self.engine.n_items] * slate_size)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._slate_size = slate_size

    def action_masks(self) -> np.ndarray:
        """(E, k · N) bool, see `EmoSimSlateEnv`."""
        return np.tile(super().action_masks(), (1, self._slate_size))


def _engine_class(slate_size: int, no_choice: float) -> Callable[..., Engine]:
    return partial(SlateEngine, slate_size=slate_size, no_choice=no_choice)
