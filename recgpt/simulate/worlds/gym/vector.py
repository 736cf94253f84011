"""Vector environment: E users advance together as one array program, and the mind is asked once a step.

    envs = gymnasium.make_vec("recgpt/EmoSimMovies-v0", num_envs=256)
    observations, infos = envs.reset(seed=0)
    observations, rewards, terminations, truncations, infos = envs.step(items_E)

Row e of a reset with seed s is the environment `EmoSimEnv` with seed s + e, and everything is as Gymnasium's
`SyncVectorEnv` of E such environments returns it, in each mode of autoreset.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from recgpt.errors import ConfigError, SimulationError
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.environment import reset_options
from recgpt.simulate.worlds.gym.infos import chosen, columns_of, infos_of, merged
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.minds.base import Mind
from recgpt.simulate.worlds.gym.observations import Observation, observer_of
from recgpt.simulate.worlds.gym.setup import make_engine
from recgpt.simulate.worlds.gym.steps import Steps

try:
    from gymnasium import spaces
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ModuleNotFoundError as error:
    raise ConfigError("environments need gymnasium: pip install 'recgpt[rl]'") from error

Stepped = tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class EmoSimVectorEnv(VectorEnv[Observation, np.ndarray, np.ndarray]):
    """E users.

    Parameters
    ----------
    num_envs
        E.
    domain, mind, users_in_order, inputs, engine_class, settings
        See `EmoSimEnv`. In order, row e takes the users e, E + e, ...
    autoreset_mode
        What follows the end of an episode: its reset in the next step, in the same step, or by
        `reset(options={"reset_mask": mask_E})`.

    Attributes
    ----------
    engine
        The array program.
    steps
        The last step of the rows that took one, as arrays; None before the first.
    """

    def __init__(
        self,
        num_envs: int = 1,
        domain: str = "movies",
        mind: str | Mind = "scripted",
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        users_in_order: bool = False,
        inputs: Inputs | None = None,
        engine_class: Callable[..., Engine] = Engine,
        **settings: Any,
    ) -> None:
        self.engine = make_engine(
            num_envs,
            domain=domain,
            mind=mind,
            inputs=inputs,
            users_in_order=users_in_order,
            engine_class=engine_class,
            **settings,
        )
        self.inputs, self.num_envs = self.engine.inputs, num_envs
        self.autoreset_mode = _mode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self._observer = observer_of(self.inputs)
        self.single_observation_space = self._observer.space
        self.single_action_space: spaces.Space[Any] = spaces.Discrete(self.engine.n_items)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.steps: Steps | None = None
        self._all = np.arange(num_envs)
        self._ended_E = np.zeros(num_envs, dtype=bool)
        self._has_begun = False

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in each environment, or in those of a mask.

        Parameters
        ----------
        seed
            Seed of the first environment, those of the others follow; or a seed for each.
        options
            `user_id`, a number or one for each environment; `history`, pairs of item and rating; `reset_mask`, (E,)
            bool.

        Raises
        ------
        SimulationError
            The options or seeds are of another form.
        """
        super().reset(seed=seed if isinstance(seed, int) else None)
        options = dict(options or {})
        rows = self._masked(options.pop("reset_mask", None))
        users, history = reset_options(options, self.num_envs)
        users = None if users is None else users[rows]
        if seed is None and self._has_begun:
            self.engine.begin(rows, users, history=history)
        else:
            self.engine.reset(self._seeds(seed)[rows], users, rows=rows, history=history)
        self._has_begun = True
        self._ended_E[rows] = False
        return self._observer.batch(self.engine, self._all), self._begun(rows)

    def _seeds(self, seed: int | Sequence[int] | None) -> np.ndarray:
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        seeds = np.asarray([seed + row for row in range(self.num_envs)] if isinstance(seed, int) else seed)
        if seeds.shape != (self.num_envs,):
            raise SimulationError(f"{len(seeds)} seeds for {self.num_envs} environments: give a seed, or one for each")
        return seeds

    def _masked(self, mask: Any) -> np.ndarray:
        if mask is None:
            return self._all
        mask_E = np.asarray(mask)
        if mask_E.shape != (self.num_envs,) or mask_E.dtype != bool or not mask_E.any():
            raise SimulationError(f"reset_mask: ({self.num_envs},) booleans are needed, at least one of them true")
        if not self._has_begun:
            raise SimulationError("reset_mask before the first reset: reset all environments first")
        return np.flatnonzero(mask_E)

    def _begun(self, rows: np.ndarray) -> dict[str, Any]:
        return infos_of({"user_id": self.engine.user_E[rows]}, rows, self.num_envs)

    def step(self, actions: np.ndarray) -> Stepped:
        """Show an item to each user.

        Raises
        ------
        SimulationError
            There is no such item, no episode has begun, or with the mode Disabled one has ended.
        """
        if not self._has_begun:
            raise SimulationError("no episode has begun: call reset first")
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            return self._same_step(actions)
        resets = np.flatnonzero(self._ended_E) if self.autoreset_mode is AutoresetMode.NEXT_STEP else self._all[:0]
        rows = self._all if not len(resets) else np.flatnonzero(~self._ended_E)
        returned = self._returned()
        infos: dict[str, Any] = {}
        if len(rows):
            steps = self._taken(actions, rows)
            returned = self._returned(rows, steps)
            infos = infos_of(columns_of(steps), rows, self.num_envs)
        if len(resets):
            self.engine.begin(resets)
            infos = merged(infos, self._begun(resets))
        self._ended_E = returned[1] | returned[2]
        return self._observer.batch(self.engine, self._all), *returned, infos

    def _same_step(self, actions: np.ndarray) -> Stepped:
        steps = self._taken(actions, self._all)
        reward_E, terminated_E, truncated_E = self._returned(self._all, steps)
        columns, ended = columns_of(steps), np.flatnonzero(terminated_E | truncated_E)
        if not len(ended):
            infos = infos_of(columns, self._all, self.num_envs)
            return self._observer.batch(self.engine, self._all), reward_E, terminated_E, truncated_E, infos
        goes_on = np.flatnonzero(~(terminated_E | truncated_E))
        infos = self._final(columns, ended)
        if len(goes_on):
            infos = merged(infos, infos_of(chosen(columns, goes_on), goes_on, self.num_envs))
        self.engine.begin(ended)
        infos = merged(infos, self._begun(ended))
        return self._observer.batch(self.engine, self._all), reward_E, terminated_E, truncated_E, infos

    def _final(self, columns: dict[str, Any], ended: np.ndarray) -> dict[str, Any]:
        """`final_obs` and `final_info` of the episodes that ended."""
        observations = np.empty(len(ended), dtype=object)
        observations[:] = [self._observer.one(self.engine, row) for row in ended.tolist()]
        return infos_of({"final_obs": observations, "final_info": chosen(columns, ended)}, ended, self.num_envs)

    def _taken(self, actions: np.ndarray, rows: np.ndarray) -> Steps:
        """The steps of some rows, applied."""
        actions = np.asarray(actions)
        if len(actions) != self.num_envs:
            raise SimulationError(f"{len(actions)} actions for {self.num_envs} environments: give one for each")
        every = len(rows) == self.num_envs
        steps = self.engine.decide(actions if every else actions[rows], None if every else rows)
        self.engine.apply(steps, None if every else rows)
        self.steps = steps
        return steps

    def _returned(
        self, rows: np.ndarray | None = None, steps: Steps | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(E,) rewards, terminations and truncations; 0 and False for rows that took no step."""
        reward_E = np.zeros(self.num_envs)
        terminated_E, truncated_E = np.zeros((2, self.num_envs), dtype=bool)
        if steps is not None:
            reward_E[rows], terminated_E[rows], truncated_E[rows] = (
                steps.reward_E,
                steps.terminated_E,
                steps.truncated_E,
            )
        return reward_E, terminated_E, truncated_E

    def action_masks(self) -> np.ndarray:
        """(E, N) bool, whether an item is new to the episode."""
        return self.engine.allowed()


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return mode if isinstance(mode, AutoresetMode) else AutoresetMode(mode)
    except ValueError as error:
        known = ", ".join(each.value for each in AutoresetMode)
        raise ConfigError(f"autoreset_mode={mode!r}: choose among {known}") from error
