"""Checkpoint of a training run: everything that later steps depend on, in safetensors and JSON, as one folder.

    save_checkpoint(folder / "checkpoint", algorithm, env, facts)       # in the place of the last one, in one step
    facts = load_checkpoint(folder / "checkpoint", algorithm, env)

Random numbers of a rollout are keyed by (seed, step), see `reseed`, so there is no generator state to keep.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from stable_baselines3.common.base_class import BaseAlgorithm

from recgpt.bounds import read_json
from recgpt.errors import CheckpointError
from recgpt.files import new_folder
from recgpt.simulate.worlds.gym.training.buffers import EpisodeReplayBuffer
from recgpt.simulate.worlds.gym.training.environments import TrackedEnv
from recgpt.splitmix import GOLDEN_GAMMA, finalized

_COUNTERS = (
    "num_timesteps",
    "_n_updates",
    "_episode_num",
    "_current_progress_remaining",
    "exploration_rate",
    "_n_calls",
)
"""Numbers of an algorithm of the library that its next steps depend on; each has some of them."""


def reseed(seed: int, step: int) -> None:
    """Seed all random numbers of the next rollout and update, by the seed of the run and the steps so far."""
    key = finalized(np.array([seed], dtype=np.uint64) * GOLDEN_GAMMA + np.array([step], dtype=np.uint64))[0]
    torch.manual_seed(int(key >> np.uint64(1)))
    np.random.seed(int(key & np.uint64(0xFFFFFFFF)))


def save_checkpoint(folder: Path, algorithm: BaseAlgorithm, env: TrackedEnv, facts: dict[str, Any]) -> None:
    """Write a checkpoint between two rollouts.

    Parameters
    ----------
    facts
        JSON values to keep with it.
    """
    counters = {name: getattr(algorithm, name) for name in _COUNTERS if hasattr(algorithm, name)}
    last = {f"last.{name}": array for name, array in algorithm._last_obs.items()}  # type: ignore[union-attr]
    arrays = {**env.to_arrays(), **last, "last_episode_starts": algorithm._last_episode_starts}
    with new_folder(folder, overwrite=True, what="checkpoint") as draft:
        save_file(_contiguous(algorithm.policy.state_dict()), draft / "policy.safetensors")
        save_file(_moments(algorithm.policy.optimizer), draft / "optimizer.safetensors")
        save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()}, draft / "env.safetensors")
        if (buffer := _replay_buffer(algorithm)) is not None:
            save_arrays(buffer.to_arrays(), draft / "replay.safetensors")
        (draft / "state.json").write_text(json.dumps({"counters": counters, **facts}), encoding="utf-8")


def load_checkpoint(folder: Path, algorithm: BaseAlgorithm, env: TrackedEnv) -> dict[str, Any]:
    """Load a checkpoint into a new algorithm and environment; returns its facts.

    Raises
    ------
    CheckpointError
        A file is missing or damaged.
    """
    try:
        facts = read_json(folder / "state.json", CheckpointError)
        counters = facts.pop("counters")
        algorithm.policy.load_state_dict(load_file(folder / "policy.safetensors"))
        _restore_moments(algorithm.policy.optimizer, load_file(folder / "optimizer.safetensors"))
        arrays = load_arrays(folder / "env.safetensors")
        env.restore({name: array for name, array in arrays.items() if not name.startswith("last")})
        if (buffer := _replay_buffer(algorithm)) is not None:
            buffer.restore(load_arrays(folder / "replay.safetensors"))
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        what = " ".join(str(error).split())
        raise CheckpointError(f"{folder} is damaged ({what}): delete its run folder to train anew") from error
    prefix = "last."
    algorithm._last_obs = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
    algorithm._last_episode_starts = arrays["last_episode_starts"]
    for name, value in counters.items():
        setattr(algorithm, name, value)
    return facts


def _replay_buffer(algorithm: BaseAlgorithm) -> EpisodeReplayBuffer | None:
    return getattr(algorithm, "replay_buffer", None)


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """State of an optimizer by `number of the parameter/name`; empty before its first step."""
    state = optimizer.state_dict()["state"]
    flat = {f"{place}/{name}": torch.as_tensor(value) for place, of in state.items() for name, value in of.items()}
    return _contiguous(flat)


def _restore_moments(optimizer: torch.optim.Optimizer, flat: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in flat.items():
        place, _, name = key.partition("/")
        state.setdefault(int(place), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
