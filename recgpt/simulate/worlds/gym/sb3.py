"""Adapter to Stable-Baselines3: E users as one `VecEnv`.

    from stable_baselines3 import A2C
    A2C("MultiInputPolicy", EmoSimVecEnv(64, "movies"), gamma=0.975).learn(10_000)

Episodes begin anew in the step that ends them, as Stable-Baselines3 has it: the info of that row then holds
`terminal_observation` and `TimeLimit.truncated`, beside all infos of the step. Other rows get an empty info, since a
thousand dictionaries a step would cost more than the users: `steps` holds everything as arrays. sb3-contrib's
MaskablePPO gets `action_masks`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from recgpt.errors import ConfigError
from recgpt.simulate.worlds.gym.environment import reset_options
from recgpt.simulate.worlds.gym.infos import info_of
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.minds.base import Mind
from recgpt.simulate.worlds.gym.observations import Observation, observer_of
from recgpt.simulate.worlds.gym.setup import make_engine
from recgpt.simulate.worlds.gym.steps import Steps

try:
    from gymnasium import spaces
    from stable_baselines3.common.vec_env import VecEnv
except ModuleNotFoundError as error:
    raise ConfigError("training needs gymnasium and stable-baselines3: pip install 'recgpt[rl]'") from error

Stepped = tuple[Observation, np.ndarray, np.ndarray, list[dict[str, Any]]]
Indices = int | Iterable[int] | None


class EmoSimVecEnv(VecEnv):
    """E users.

    Parameters
    ----------
    num_envs
        E.
    domain, mind, users_in_order, inputs, settings
        See `EmoSimVectorEnv`.

    Attributes
    ----------
    engine
        The array program.
    steps
        The last step, as arrays; None before the first.
    """

    def __init__(
        self,
        num_envs: int,
        domain: str = "movies",
        mind: str | Mind = "scripted",
        *,
        users_in_order: bool = False,
        inputs: Inputs | None = None,
        **settings: Any,
    ) -> None:
        self.engine = make_engine(
            num_envs, domain=domain, mind=mind, inputs=inputs, users_in_order=users_in_order, **settings
        )
        self.inputs = self.engine.inputs
        if self.inputs.rules.observation != "compact":
            raise ConfigError("observation='published': Stable-Baselines3 cannot read it, use 'compact'")
        self.render_mode = None
        self.steps: Steps | None = None
        self._observer = observer_of(self.inputs)
        self._all = np.arange(num_envs)
        self._actions: np.ndarray | None = None
        self._has_begun = False
        super().__init__(num_envs, self._observer.space, spaces.Discrete(self.engine.n_items))

    def reset(self) -> Observation:
        """Begin an episode for each user, with the seeds of `seed` and the options of `set_options` where set."""
        users, history = self._given()
        if self._seeds[0] is None and self._has_begun:
            self.engine.begin(self._all, users, history=history)
        else:
            if self._seeds[0] is None:
                self.seed(int(np.random.default_rng().integers(2**31)))
            self.engine.reset([int(seed) for seed in self._seeds if seed is not None], users, history=history)
        self._has_begun = True
        self.reset_infos = [{"user_id": user} for user in self.engine.user_E.tolist()]
        self._reset_seeds()
        self._reset_options()
        return self._observer.batch(self.engine, self._all)

    def _given(self) -> tuple[np.ndarray | None, list[tuple[int, float]]]:
        """Users and history of `set_options`; the history is that of the first row."""
        users = [reset_options(options, 1)[0] for options in self._options]
        given = [user for user in users if user is not None]
        if given and len(given) < self.num_envs:
            raise ConfigError("user_id in the options of some environments only: give it for all or none")
        return np.concatenate(given) if given else None, reset_options(self._options[0], 1)[1]

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> Stepped:
        """Show an item to each user, and begin the next episodes of those whose episode ends."""
        steps = self.engine.decide(np.asarray(self._actions))
        self.engine.apply(steps)
        self.steps = steps
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        dones_E = steps.left_E != 0
        ended = np.flatnonzero(dones_E)
        for row in ended.tolist():
            infos[row] = info_of(steps, row) | {
                "terminal_observation": self._observer.one(self.engine, row),
                "TimeLimit.truncated": bool(steps.truncated_E[row]),
            }
        self.engine.begin(ended)
        for row in ended.tolist():
            self.reset_infos[row] = {"user_id": int(self.engine.user_E[row])}
        return self._observer.batch(self.engine, self._all), steps.reward_E.astype(np.float32), dones_E, infos

    def action_masks(self) -> np.ndarray:
        """(E, N) bool, whether an item is new to the episode."""
        return self.engine.allowed()

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute of this adapter, once for each of the environments."""
        found = getattr(self, attr_name)
        return [found for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of this adapter."""
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of this adapter: `action_masks` gives a row for each environment.

        Raises
        ------
        AttributeError
            It has another name: the environments are no objects of their own.
        """
        if method_name != "action_masks":
            raise AttributeError(f"no method {method_name!r} of single environments: action_masks is the only one")
        masks_EN = self.action_masks()
        return [masks_EN[index] for index in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Indices = None) -> list[bool]:
        """False for each: there is nothing to wrap."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """No images."""
        return [None] * self.num_envs
