"""Algorithms of Stable-Baselines3 with the gym's networks, DQN with true masks, and MaskablePPO that predicts ratings.

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
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from recgpt.device import default_device
from recgpt.errors import ConfigError
from recgpt.simulate.worlds.gym.training.buffers import BitMaskRolloutBuffer, EpisodeReplayBuffer
from recgpt.simulate.worlds.gym.training.policies import (
    GymActorCriticPolicy,
    GymDQNPolicy,
    GymMaskablePolicy,
    MakeNetwork,
    batch_of,
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


class RatingPPO(MaskablePPO):
    """MaskablePPO with an auxiliary task: after each update, regress the ratings of the items shown.

    Among thousands of items a policy gradient says little: it moves the probability of the item shown. A rating says
    what the item's features are worth to the user, and so speaks about all items. Ratings hardly depend on the order
    of items, so that no later rating is part of the target. The optimizer is shared with PPO.

    Parameters
    ----------
    rating_epochs
        Passes over the ratings of a rollout; 0 for plain MaskablePPO.
    rating_learning_rate
        Learning rate of these passes.
    options
        See MaskablePPO.
    """

    def __init__(self, *args: Any, rating_epochs: int = 4, rating_learning_rate: float = 1e-3, **options: Any) -> None:
        super().__init__(*args, **options)
        self.rating_epochs, self.rating_learning_rate = rating_epochs, rating_learning_rate

    def train(self) -> None:
        """Update by PPO, then by the ratings."""
        rated = rated_steps(self.rollout_buffer)  # before the library reorders the buffer
        super().train()
        n, optimizer = len(rated["item"]), self.policy.optimizer
        for group in optimizer.param_groups:
            group["lr"] = self.rating_learning_rate
        errors: list[float] = []
        for _ in range(self.rating_epochs if n else 0):
            for rows in np.array_split(np.random.permutation(n), -(-n // (self.batch_size or n))):
                part = {name: torch.as_tensor(column[rows], device=self.device) for name, column in rated.items()}
                predicted = self.policy.network.ratings(batch_of(part), part["item"].long())  # type: ignore[operator,union-attr]
                loss = nn.functional.mse_loss(predicted, part["rating"].float())
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.policy.parameters(), 5.0)
                optimizer.step()
                errors.append(loss.item())
        if errors:
            self.logger.record("train/rating_error", float(np.mean(errors)))


def rated_steps(buffer: Any) -> dict[str, np.ndarray]:
    """Observations, items and ratings of the steps of a rollout whose rating the next observation holds.

    The last step of an episode and of the rollout is left out, and one without a rating.
    """
    seen = buffer.observations
    item_TE, count_TE = buffer.actions[..., 0].astype(np.int64), seen["count"][..., 0]
    is_rated_TE = (count_TE[1:] == count_TE[:-1] + 1) & (seen["history"][1:, :, 0] == item_TE[:-1])
    found = {name: column[:-1][is_rated_TE] for name, column in seen.items()}
    return {**found, "item": item_TE[:-1][is_rated_TE], "rating": seen["ratings"][1:, :, 0][is_rated_TE]}


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
    if settings.rate_falls:
        options["learning_rate"] = LinearSchedule(options["learning_rate"], 0.0, 1.0)
    if settings.algo == "dqn":
        options["replay_buffer_class"] = EpisodeReplayBuffer
    if settings.algo == "maskable_ppo":
        if "rating_epochs" in options:
            classes["maskable_ppo"] = RatingPPO
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
