"""A training run: rollouts and updates of the library, evaluations, checkpoints, and exact resumption.

    run = TrainingRun(settings, world, Path("runs/gym/ppo"))
    points = run.train()

The folder holds the policy (`policy.json`, `policy.safetensors`), the learning curve (`curve.csv`, `curve.png`), the
episodes of the training (`rewards.csv`), `training.json` and, until the training ends, `checkpoint/`. A killed run
goes on from its checkpoint: the same calls in the same order on the same numbers, so the weights are those of a run
without a kill, bit for bit on the same machine and number of threads.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from recgpt.bounds import read_json
from recgpt.errors import CheckpointError, ConfigError
from recgpt.files import make_folder, only_writer, write_text
from recgpt.program import PendingStop, deferred_stops
from recgpt.progress import Meter, note
from recgpt.simulate.worlds.gym.policies.base import Setting
from recgpt.simulate.worlds.gym.policies.trained import NetworkFacts, load_weights, make_network, save_network
from recgpt.simulate.worlds.gym.training.algorithms import make_algorithm
from recgpt.simulate.worlds.gym.training.checkpoint import load_checkpoint, reseed, save_checkpoint
from recgpt.simulate.worlds.gym.training.curves import point, write_curve
from recgpt.simulate.worlds.gym.training.environments import Episode, TrackedEnv
from recgpt.simulate.worlds.gym.training.settings import TrainSettings

EVALUATION_SEED = 600
"""Added to the seed of the training, as published."""
TRAINING_FILE, CHECKPOINT = "training.json", "checkpoint"
_FREE = ("total_timesteps", "tracker", "checkpoint_every", "keep_every", "model_device", "llm")
"""Settings that may change when a run goes on: none of the steps so far depends on them."""


@dataclass(frozen=True)
class TrainingWorld:
    """What is trained on.

    Attributes
    ----------
    setting
        Catalogue, users and mind.
    make_env
        Maps the number of environments to a vector environment with compact observations, `action_masks`, and an
        `engine` that has `to_arrays` and `restore`.
    fingerprint
        JSON value that tells catalogues, users and minds apart.
    """

    setting: Setting
    make_env: Callable[[int], VecEnv]
    fingerprint: Any


class TrainingRun:
    """Training of one policy into a folder.

    Parameters
    ----------
    settings
        Settings.
    world
        What it is trained on.
    folder
        Folder of the run; one with an unfinished run of the same settings is continued.
    quiet
        Whether to show no progress.
    """

    def __init__(self, settings: TrainSettings, world: TrainingWorld, folder: Path, *, quiet: bool = False) -> None:
        self.settings, self.world, self.folder, self.quiet = settings, world, folder, quiet
        self.facts = NetworkFacts.of_setting(
            world.setting, algo=settings.algo, policy=settings.policy, width=settings.embedding_dim
        )
        self._points: list[dict[str, Any]] = []
        self._episodes: list[Episode] = []  # since the last evaluation
        self._n_reward_bytes, self._saved_at = 0, 0
        self._tracker: Any = None

    def train(self) -> list[dict[str, Any]]:
        """Train to `total_timesteps`; returns the learning curve.

        Raises
        ------
        ConfigError
            The folder holds a run with other settings, or a run that is finished.
        CheckpointError
            Its checkpoint is damaged.
        """
        make_folder(self.folder)
        with only_writer(self.folder / TRAINING_FILE):
            self._begin()
            with (
                deferred_stops() as pending,
                Meter(
                    "training", self.settings.total_timesteps, done=self.algorithm.num_timesteps, disable=self.quiet
                ) as meter,
            ):
                self._learn(meter, pending)
        return self._points

    # --- beginning ---

    def _begin(self) -> None:
        """Make environments and algorithm; continue from the checkpoint if there is one."""
        settings, setting = self.settings, self.world.setting
        self._check_folder()
        self.env = TrackedEnv(self.world.make_env(settings.environments), reward_scale=settings.reward_scale)
        self._evaluation_env = self.world.make_env(settings.eval_episodes)
        torch.manual_seed(settings.seed)
        self.algorithm = make_algorithm(settings, self.env, lambda: make_network(self.facts, setting))
        self.algorithm.set_logger(Logger(folder=None, output_formats=[]))
        if settings.path_ckpt is not None:
            self._start_from(Path(settings.path_ckpt))
        if (self.folder / CHECKPOINT).is_dir():
            self._resume()
        else:
            write_text(self.folder / "rewards.csv", ",".join(Episode._fields) + "\n")
            self._n_reward_bytes = (self.folder / "rewards.csv").stat().st_size
        self._open_tracker()

    def _check_folder(self) -> None:
        """Refuse to continue a run of other settings; write those of a new one."""
        path = self.folder / TRAINING_FILE
        described = {"fingerprint": self.world.fingerprint, "settings": json.loads(self.settings.model_dump_json())}
        if path.is_file():
            stored = read_json(path, CheckpointError)
            if stored.get("fingerprint") != self.world.fingerprint:
                raise ConfigError(
                    f"{self.folder} holds a training on other items, users or minds: choose another --out"
                )
            self._check_settings(stored.get("settings", {}), described["settings"])
        write_text(path, json.dumps(described, indent=2) + "\n")

    def _check_settings(self, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
        depends_on_the_end = self.settings.algo == "dqn" or self.settings.rate_falls
        free = tuple(name for name in _FREE if name != "total_timesteps" or not depends_on_the_end)
        for name, value in wanted.items():
            if name not in free and stored.get(name) != value:
                raise ConfigError(
                    f"{self.folder} holds a training with {name}={stored.get(name)!r}, not {value!r}: choose another"
                    " --out, or the same settings to continue it"
                )

    def _start_from(self, folder: Path) -> None:
        """Take the weights of a trained policy."""
        facts = NetworkFacts.read(folder)
        facts.check(self.world.setting, folder)
        for network in _networks(self.algorithm):
            load_weights(folder, network)

    def _resume(self) -> None:
        facts = load_checkpoint(self.folder / CHECKPOINT, self.algorithm, self.env)
        self._points = facts["points"]
        self._episodes = [Episode(*each) for each in facts["episodes"]]
        self._n_reward_bytes, self._saved_at = facts["n_reward_bytes"], self.algorithm.num_timesteps
        with (self.folder / "rewards.csv").open("r+b") as file:
            file.truncate(self._n_reward_bytes)
        note(f"{self.folder}: the training goes on from step {self.algorithm.num_timesteps:,}")

    def _open_tracker(self) -> None:
        if self.settings.tracker == "none":
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "--tracker tensorboard: it is not installed: pip install 'recgpt[tensorboard]'"
            ) from error
        self._tracker = SummaryWriter(self.folder / "tensorboard", purge_step=self.algorithm.num_timesteps)

    # --- training ---

    def _learn(self, meter: Meter, pending: PendingStop) -> None:
        remaining = self.settings.total_timesteps - self.algorithm.num_timesteps
        if remaining > 0:
            callback = _BetweenRollouts(self, meter, pending)
            never: Any = None  # the library's own log
            self.algorithm.learn(remaining, callback, log_interval=never, reset_num_timesteps=False)
        self._evaluate_if_due(at_end=True)
        self._save()
        self._save_policy(self.folder)

    def between_rollouts(self, pending: PendingStop) -> None:
        """Evaluate and save where it is due, then seed the next rollout; stop if that was asked for."""
        step, settings = self.algorithm.num_timesteps, self.settings
        self._evaluate_if_due()
        if pending or step // settings.checkpoint_every > self._saved_at // settings.checkpoint_every:
            if step // settings.keep_every > self._saved_at // settings.keep_every:
                self._save_policy(self.folder / "policies" / f"step-{step:010d}")
            self._save()
        if pending:
            pending.stop()
        reseed(settings.seed, step)

    def _evaluate_if_due(self, *, at_end: bool = False) -> None:
        step, every = self.algorithm.num_timesteps, self.settings.eval_every
        last = self._points[-1]["step"] if self._points else -1
        if step == last or not (at_end or last < 0 or step // every > last // every):
            return
        self._collect_episodes()
        lengths = sum(each.episode_length for each in self._episodes)
        trained = sum(each.episode_return for each in self._episodes) / lengths if lengths else None
        returns, lengths_E = self._evaluate()
        self._points.append(point(step, returns, lengths_E, trained))
        self._episodes = []
        title = f"{self.settings.algo}, {self.settings.policy}"
        write_curve(self.folder, self._points, title)
        self._log()

    def _evaluate(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns and lengths of an episode of each evaluation environment, always the same users and draws."""
        env, policy = self._evaluation_env, self.algorithm.policy
        env.seed(self.settings.seed + EVALUATION_SEED)
        observation = env.reset()
        return_E, length_E, is_on_E = np.zeros(env.num_envs), np.zeros(env.num_envs), np.ones(env.num_envs, dtype=bool)
        while is_on_E.any():
            masks = {}
            if self.settings.algo == "maskable_ppo":
                masks = {"action_masks": np.stack(env.env_method("action_masks"))}
            action_E, _ = policy.predict(observation, deterministic=True, **masks)  # type: ignore[arg-type]
            observation, reward_E, done_E, _ = env.step(action_E)
            return_E += np.where(is_on_E, reward_E, 0)
            length_E += is_on_E
            is_on_E &= ~done_E
        return return_E, length_E

    def _log(self) -> None:
        if self._tracker is None:
            return
        numbers = {f"evaluation/{name}": value for name, value in self._points[-1].items() if name != "step"}
        for name, value in {**numbers, **self.algorithm.logger.name_to_value}.items():
            if value is not None:
                self._tracker.add_scalar(name, value, self.algorithm.num_timesteps)
        self._tracker.flush()

    # --- saving ---

    def _collect_episodes(self) -> None:
        """Append ended episodes to `rewards.csv`."""
        ended, self.env.ended = self.env.ended, []
        self._episodes += ended
        text = "".join(
            f"{e.global_step},{e.env_id},{e.reward:g},{e.episode_return:g},{e.episode_length}\n" for e in ended
        )
        with (self.folder / "rewards.csv").open("ab") as file:
            file.write(text.encode())
            self._n_reward_bytes = file.tell()

    def _save(self) -> None:
        if self.algorithm._last_obs is None:
            return
        self._collect_episodes()
        facts = {
            "points": self._points,
            "episodes": [list(each) for each in self._episodes],
            "n_reward_bytes": self._n_reward_bytes,
        }
        save_checkpoint(self.folder / CHECKPOINT, self.algorithm, self.env, facts)
        self._saved_at = self.algorithm.num_timesteps

    def _save_policy(self, folder: Path) -> None:
        make_folder(folder.parent)
        save_network(folder, self.facts, next(iter(_networks(self.algorithm))))


def _networks(algorithm: BaseAlgorithm) -> list[nn.Module]:
    """Networks of a policy, the acting one first; DQN has a target network too."""
    policy: Any = algorithm.policy
    return [policy.q_net.network, policy.q_net_target.network] if hasattr(policy, "q_net") else [policy.network]


class _BetweenRollouts(BaseCallback):
    """Calls the run before each rollout, and shows progress."""

    def __init__(self, run: TrainingRun, meter: Meter, pending: PendingStop) -> None:
        super().__init__()
        self._run, self._meter, self._pending = run, meter, pending

    def _on_rollout_start(self) -> None:
        self._run.between_rollouts(self._pending)

    def _on_step(self) -> bool:
        self._meter.update(self.training_env.num_envs)
        return True
