"""Algorithms of Stable-Baselines3 with the gym's networks, and DQN with true masks.

network = make_network(settings, setting)
algorithm = make_algorithm(settings, env, lambda: make_network(settings, setting))
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sb3_contrib import TRPO, MaskablePPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from recgpt.device import default_device
from recgpt.errors import ConfigError
from recgpt.simulate.worlds.gym.training.buffers import BitMaskRolloutBuffer, EpisodeReplayBuffer
from recgpt.simulate.worlds.gym.training.policies import (
    GymActorCriticPolicy,
    GymDQNPolicy,
    GymMaskablePolicy,
    MakeNetwork,
    draw_allowed,
)
from recgpt.simulate.worlds.gym.training.settings import TrainSettings


class MaskedDQN(DQN):
    """DQN that explores among the items that may be shown, each environment by its own coin."""

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        items_EH = self._last_obs["history"]  # type: ignore[index]
        explores_E = np.ones(n_envs, dtype=bool)
        if self.num_timesteps >= learning_starts:
            explores_E = np.random.random(n_envs) < self.exploration_rate
        action_E = draw_allowed(items_EH, int(self.action_space.n))  # type: ignore[attr-defined]
        if not explores_E.all():
            best_E, _ = self.policy.predict(self._last_obs, deterministic=True)  # type: ignore[arg-type]
            action_E = np.where(explores_E, action_E, best_E)
        return action_E, action_E


def device_named(name: str) -> torch.device:
    """Device of a network.

    Raises
    ------
    ConfigError
        torch has no such device.
    """
    if name == "auto":
        return default_device()
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        has = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        raise ConfigError(f"no device {name!r}: choose among {', '.join(['auto', 'cpu', *has])}") from error
    return device


def make_algorithm(settings: TrainSettings, env: VecEnv, make_network: MakeNetwork) -> BaseAlgorithm:
    """Algorithm of the settings, on an environment with compact observations.

    Parameters
    ----------
    make_network
        Returns a new network.
    """
    classes: dict[str, Callable[..., BaseAlgorithm]] = {
        "a2c": A2C,
        "ppo": PPO,
        "trpo": TRPO,
        "dqn": MaskedDQN,
        "maskable_ppo": MaskablePPO,
    }
    policies = {"dqn": GymDQNPolicy, "maskable_ppo": GymMaskablePolicy}
    options: dict[str, Any] = dict(settings.hyperparameters)
    if settings.algo == "dqn":
        options["replay_buffer_class"] = EpisodeReplayBuffer
    if settings.algo == "maskable_ppo":
        options["rollout_buffer_class"] = BitMaskRolloutBuffer
    return classes[settings.algo](
        policies.get(settings.algo, GymActorCriticPolicy),
        env,
        gamma=settings.gamma,
        seed=settings.seed,
        device=device_named(settings.model_device),
        policy_kwargs={"make_network": make_network},
        **options,
    )
