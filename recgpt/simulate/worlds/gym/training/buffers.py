"""Buffers that stay small with many items: episodes as sequences for DQN, action masks as bits for MaskablePPO.

    EpisodeReplayBuffer(250_000, observation_space, action_space, n_envs=8)     # 8 MB at 9,617 items; published 38 GB

An observation of the gym is the interactions of its episode, so the buffer keeps one interaction a transition and puts
histories together when they are drawn.

Shapes: as in `recgpt.simulate.worlds.gym.training`; C transitions kept of each environment.
"""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableDictRolloutBufferSamples
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from recgpt.errors import SimulationError

_COLUMNS = {
    "item": np.int32,
    "rating": np.float32,
    "reward": np.float32,
    "user": np.int32,
    "step": np.int32,
    "is_last": np.bool_,
}
"""What is kept of a transition: item, remembered rating, reward, user, number of interactions before it, and whether no
later reward counts (the user left, or nothing is left to show)."""


class EpisodeReplayBuffer(ReplayBuffer):
    """Replay buffer that keeps a transition in 21 bytes, for any number of items and length of history.

    A transition is drawn as long as the beginning of its episode is kept. Steps without a rating (a language model that
    failed) are not experience and are left out.

    Parameters
    ----------
    buffer_size
        Transitions kept, of all environments together.
    observation_space
        Compact observation of the gym.
    action_space
        Items.
    device
        Device of the drawn tensors.
    n_envs
        E.
    optimize_memory_usage
        Of the library's own buffer; without effect.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
    ) -> None:
        # The library's own __init__ would allocate dense observations.
        BaseBuffer.__init__(self, max(buffer_size // n_envs, 1), observation_space, action_space, device, n_envs=n_envs)
        shape = (self.n_envs, self.buffer_size)
        self.kept: dict[str, np.ndarray] = {name: np.zeros(shape, dtype=kind) for name, kind in _COLUMNS.items()}
        self.n_added_E = np.zeros(n_envs, dtype=np.int64)
        users = int(observation_space["user_id"].high.max()) + 1  # type: ignore[index]
        self.features_UF = np.zeros((users, *observation_space["user"].shape), dtype=np.float32)  # type: ignore[index]
        self.n_history = observation_space["history"].shape[0]  # type: ignore[index]
        if self.buffer_size < 2 * self.n_history:
            raise SimulationError(
                f"a replay buffer of {buffer_size:,} transitions for {n_envs} environments holds no whole episode"
                f" of {self.n_history} steps: {2 * self.n_history * n_envs:,} are needed, {2 * self.n_history} each"
            )

    @property
    def n_bytes(self) -> int:
        """Memory of all arrays."""
        return sum(column.nbytes for column in self.kept.values()) + self.features_UF.nbytes + self.n_added_E.nbytes

    def add(  # type: ignore[override]
        self,
        obs: dict[str, np.ndarray],
        next_obs: dict[str, np.ndarray],
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Keep a transition of each environment.

        Raises
        ------
        SimulationError
            An episode began with a history, which cannot be replayed.
        """
        before_E, after_E = (each["count"].reshape(-1).astype(np.int64) for each in (obs, next_obs))
        user_E = obs["user_id"].reshape(-1)
        self.features_UF[user_E] = obs["user"]
        place_E = (self.n_added_E - 1) % self.buffer_size
        rows = np.arange(self.n_envs)
        follows_E = (self.n_added_E > 0) & (self.kept["step"][rows, place_E] + 1 == before_E)
        if (~follows_E & (before_E > 0)).any():
            raise SimulationError(
                "an episode began with a history, which DQN cannot replay: begin without, or train PPO"
            )
        rated_E = after_E > before_E
        timed_out_E = np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos])
        is_last_E = (done.astype(bool) & ~timed_out_E) | (after_E >= self.action_space.n)  # type: ignore[attr-defined]
        new = {
            "item": np.asarray(action).reshape(-1),
            "rating": next_obs["ratings"][:, 0],
            "reward": reward,
            "user": user_E,
            "step": before_E,
            "is_last": is_last_E,
        }
        rows, place_E = rows[rated_E], (self.n_added_E % self.buffer_size)[rated_E]
        for name, column in new.items():
            self.kept[name][rows, place_E] = column[rated_E]
        self.n_added_E[rows] += 1

    def size(self) -> int:
        """Transitions kept, of all environments."""
        return int(np.minimum(self.n_added_E, self.buffer_size).sum())

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """Uniform draws among the transitions whose episodes are kept from their beginning."""
        environment_B, number_B = self._drawn(batch_size)
        place_B = number_B % self.buffer_size
        column = {name: kept[environment_B, place_B] for name, kept in self.kept.items()}
        before = self._observations(environment_B, number_B, column["step"], column["user"])
        after = self._observations(environment_B, number_B + 1, column["step"] + 1, column["user"])
        numbers = (column["item"].astype(np.int64), column["is_last"].astype(np.float32), column["reward"])
        actions_B1, dones_B1, rewards_B1 = (self.to_torch(each[:, None]) for each in numbers)
        return ReplayBufferSamples(before, actions_B1, after, dones_B1, rewards_B1)  # type: ignore[arg-type]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All that is kept; of a buffer that is not full yet, the part in use."""
        used = int(min(self.n_added_E.max(), self.buffer_size))
        columns = {name: np.ascontiguousarray(column[:, :used]) for name, column in self.kept.items()}
        return {**columns, "n_added_E": self.n_added_E, "features_UF": self.features_UF}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`."""
        self.n_added_E[:], self.features_UF[:] = arrays["n_added_E"], arrays["features_UF"]
        for name, column in self.kept.items():
            column[:, : arrays[name].shape[1]] = arrays[name]

    def _drawn(self, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,) environments and (B,) numbers of transitions, whose whole episodes are kept."""
        size_E = np.minimum(self.n_added_E, self.buffer_size)
        ends_E = np.cumsum(size_E)
        environment_B, number_B = np.zeros(batch_size, dtype=np.int64), np.zeros(batch_size, dtype=np.int64)
        missing_B = np.ones(batch_size, dtype=bool)
        while missing_B.any():
            drawn = np.random.randint(ends_E[-1], size=int(missing_B.sum()))
            environment = np.searchsorted(ends_E, drawn, side="right")
            oldest = self.n_added_E[environment] - size_E[environment]
            number = oldest + drawn - (ends_E - size_E)[environment]
            environment_B[missing_B], number_B[missing_B] = environment, number
            step = self.kept["step"][environment, number % self.buffer_size]
            missing_B[missing_B.nonzero()[0]] = number - step < oldest
        return environment_B, number_B

    def _observations(
        self, environment_B: np.ndarray, number_B: np.ndarray, count_B: np.ndarray, user_B: np.ndarray
    ) -> dict[str, torch.Tensor]:
        """Observations before the transitions `number_B`, after `count_B` interactions."""
        back_H = np.arange(1, self.n_history + 1)
        is_item_BH = back_H <= count_B[:, None]
        place_BH = (number_B[:, None] - back_H) % self.buffer_size
        items_BH = np.where(is_item_BH, self.kept["item"][environment_B[:, None], place_BH], -1)
        ratings_BH = np.where(is_item_BH, self.kept["rating"][environment_B[:, None], place_BH], np.float32(0))
        found = {
            "user": self.features_UF[user_B],
            "user_id": user_B[:, None],
            "history": items_BH,
            "ratings": ratings_BH,
            "count": count_B[:, None],
        }
        return {name: self.to_torch(values) for name, values in found.items()}


class BitMaskRolloutBuffer(MaskableDictRolloutBuffer):
    """Rollout buffer of MaskablePPO that keeps action masks as bits: 1.2 kB a step at 9,724 items, not 39 kB."""

    bits: np.ndarray

    def reset(self) -> None:
        """Empty the buffer."""
        super(MaskableDictRolloutBuffer, self).reset()  # without the dense masks
        self.mask_dims = int(self.action_space.n)  # type: ignore[attr-defined]
        self.bits = np.zeros((self.buffer_size, self.n_envs, -(-self.mask_dims // 8)), dtype=np.uint8)
        self.action_masks = self.bits  # reordered by the library together with the observations

    def add(self, *args: Any, action_masks: np.ndarray | None = None, **options: Any) -> None:
        """Add a step of each environment, with (E, N) masks."""
        if action_masks is not None:
            self.bits[self.pos] = np.packbits(np.asarray(action_masks, dtype=bool).reshape(self.n_envs, -1), axis=1)
        super().add(*args, **options)

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> MaskableDictRolloutBufferSamples:  # type: ignore[override]
        packed = self.action_masks[batch_inds]
        allowed_BN = np.unpackbits(packed, axis=1, count=self.mask_dims).astype(bool)
        numbers = (self.actions, self.values, self.log_probs, self.advantages, self.returns)
        actions, values, log_probs, advantages, returns = (self.to_torch(each[batch_inds]) for each in numbers)
        observations = {name: self.to_torch(values[batch_inds]) for name, values in self.observations.items()}
        return MaskableDictRolloutBufferSamples(
            observations,
            actions,
            values.flatten(),
            log_probs.flatten(),
            advantages.flatten(),
            returns.flatten(),
            torch.from_numpy(allowed_BN).to(self.device),
        )
