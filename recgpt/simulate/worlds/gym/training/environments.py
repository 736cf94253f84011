"""Environments as training sees them: rewards scaled for the algorithm, episodes counted, state as arrays.

env = TrackedEnv(venv, reward_scale=0.025)
"""

from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn


class Episode(NamedTuple):
    """An ended episode, with rewards as the environment gave them."""

    global_step: int
    env_id: int
    reward: float
    episode_return: float
    episode_length: int


class TrackedEnv(VecEnvWrapper):
    """Vector environment of the gym, with its statistics.

    Attributes
    ----------
    ended
        Episodes that ended since the list was last emptied.
    """

    def __init__(self, venv: VecEnv, *, reward_scale: float = 1.0) -> None:
        super().__init__(venv)
        self.reward_scale = reward_scale
        self.ended: list[Episode] = []
        self._n_steps = 0
        self._return_E, self._length_E = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=np.int64)

    def reset(self) -> Any:
        """Begin an episode in every environment."""
        self._return_E[:], self._length_E[:] = 0, 0
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Step; rewards are scaled."""
        observation, reward_E, done_E, infos = self.venv.step_wait()
        self._n_steps += self.num_envs
        self._return_E += reward_E
        self._length_E += 1
        for row in np.flatnonzero(done_E):
            total, length = float(self._return_E[row]), int(self._length_E[row])
            self.ended.append(Episode(self._n_steps, int(row), float(reward_E[row]), total, length))
            self._return_E[row], self._length_E[row] = 0, 0
        return observation, (reward_E * self.reward_scale).astype(np.float32), done_E, infos

    def to_arrays(self) -> dict[str, np.ndarray]:
        """State of the environments and of the statistics."""
        inner = {f"engine.{name}": array for name, array in self.venv.unwrapped.engine.to_arrays().items()}  # type: ignore[attr-defined]
        return {**inner, "return_E": self._return_E, "length_E": self._length_E, "n_steps": np.array([self._n_steps])}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`."""
        inner = {name.removeprefix("engine."): array for name, array in arrays.items() if name.startswith("engine.")}
        self.venv.unwrapped.engine.restore(inner)  # type: ignore[attr-defined]
        self._return_E[:], self._length_E[:] = arrays["return_E"], arrays["length_E"]
        self._n_steps, self.ended = int(arrays["n_steps"][0]), []
