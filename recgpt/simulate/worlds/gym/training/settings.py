"""Settings of a training run, and the published hyperparameters as presets.

TrainSettings(algo="ppo", preset="suber").hyperparameters
"""

from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from recgpt.config import MAX_SEED
from recgpt.simulate.worlds.gym.config import GymSettings

Algo = Literal["a2c", "ppo", "trpo", "dqn", "maskable_ppo"]
PolicyName = Literal["cf", "cf_seen", "item_embedding", "recgpt"]
PresetName = Literal["recgpt", "suber", "emosim"]
ALGOS, POLICIES, PRESETS = get_args(Algo), get_args(PolicyName), get_args(PresetName)

_PPO = {"learning_rate": 3e-4, "n_steps": 2048, "batch_size": 64}
_SUBER: dict[str, dict[str, Any]] = {
    "a2c": {"learning_rate": 7e-4, "n_steps": 5},
    "ppo": {**_PPO, "n_epochs": 10},
    "trpo": {"learning_rate": 1e-3, "n_steps": 2048, "batch_size": 128},
    "dqn": {"learning_rate": 1e-4, "buffer_size": 250_000},
}
_EMOSIM: dict[str, dict[str, Any]] = {
    "a2c": {
        "learning_rate": 3e-4,
        "n_steps": 1000,
        "ent_coef": 0.01,
        "vf_coef": 0.25,
        "max_grad_norm": 0.5,
        "normalize_advantage": True,
    },
    "ppo": {**_PPO, "n_epochs": 4},
    "trpo": {**_PPO},
    "dqn": {"learning_rate": 1e-4, "buffer_size": 50_000},
}
_ON_POLICY = {"n_steps": 16, "gae_lambda": 0.0}  # a rating follows from the item shown: later ones only add noise
_OURS: dict[str, dict[str, Any]] = {
    "a2c": {
        **_ON_POLICY,
        "learning_rate": 3e-4,
        "ent_coef": 0.002,
        "normalize_advantage": True,
        "use_rms_prop": False,
    },
    "ppo": {**_ON_POLICY, "learning_rate": 3e-4, "batch_size": 512, "n_epochs": 8, "ent_coef": 0.002},
    "trpo": {**_ON_POLICY, "learning_rate": 1e-3, "batch_size": 512, "target_kl": 0.02},
    "dqn": {
        "learning_rate": 1e-3,
        "buffer_size": 250_000,
        "learning_starts": 2_000,
        "batch_size": 256,
        "train_freq": 4,
        "gradient_steps": 4,
        "target_update_interval": 2_000,
    },
}
HYPERPARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    preset: {**table, "maskable_ppo": table["ppo"]}
    for preset, table in (("recgpt", _OURS), ("suber", _SUBER), ("emosim", _EMOSIM))
}
"""Preset -> algorithm -> arguments of the class of Stable-Baselines3; what is missing has its default.

suber: Corecco et al. (2024), in their code the library's defaults; emosim: the fork; recgpt: ours, for many
environments at once.
"""
CF_LEARNING_RATE = 0.03
"""Of ours for the networks with a weight for each user and item, each of which a few transitions train: large at first,
and falling to 0 at the end (`TrainSettings.rate_falls`)."""
RATING_PPO: dict[str, Any] = {
    "n_steps": 40,
    "batch_size": 512,
    "n_epochs": 1,
    "learning_rate": 3e-5,
    "ent_coef": 0.0,
    "target_kl": 0.01,
    "rating_epochs": 4,
    "rating_learning_rate": 1e-3,
}
"""Of ours for MaskablePPO with `item_embedding`: small steps of the policy gradient, and regression of the ratings."""
N_ENVS = {"recgpt": 64, "suber": 1, "emosim": 1}
"""Preset -> environments at once."""


class TrainSettings(GymSettings):
    """Environment, users and training."""

    algo: Algo = Field(default="maskable_ppo", description="algorithm: a2c, ppo, trpo, dqn or maskable_ppo")
    policy: PolicyName = Field(
        default="item_embedding",
        description="network: cf (a weight for each user and item, published), cf_seen (SUBER's TRPO), item_embedding"
        " (texts, also for new items and users), recgpt (item_embedding that starts from RecGPT's ranking)",
    )
    preset: PresetName = Field(
        default="recgpt", description="hyperparameters: recgpt (ours), suber or emosim (published)"
    )
    total_timesteps: int = Field(
        default=100_000, ge=1, le=10**10, description="steps of training, all environments together"
    )
    n_envs: int | None = Field(
        default=None, ge=1, le=65_536, description="environments at once; by default 64, in the published presets 1"
    )
    n_steps: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="steps of each environment before an update; by default the preset's",
    )
    learning_rate: float | None = Field(default=None, gt=0, le=10, description="learning rate; by default the preset's")
    gamma: float = Field(default=0.975, ge=0, le=1, description="discount of later rewards")
    embedding_dim: int = Field(default=32, ge=1, le=4096, description="width of user and item vectors")
    model_device: str = Field(default="auto", description="device of the network: auto, cpu, cuda, cuda:0 ...")
    model: str | None = Field(
        default=None, description="foundation model of --policy recgpt; by default the shipped one"
    )
    seed: int = Field(default=42, ge=0, le=MAX_SEED, description="seed of all random numbers")
    eval_every: int = Field(default=10_000, ge=1, description="steps between two evaluations")
    eval_episodes: int = Field(
        default=10, ge=1, le=100_000, description="episodes of an evaluation, greedy, seed + 600"
    )
    checkpoint_every: int = Field(default=50_000, ge=1, description="steps between two checkpoints")
    keep_every: int = Field(default=200_000, ge=1, description="steps between two copies of the policy that are kept")
    path_ckpt: str | None = Field(
        default=None, description="folder of a trained policy whose weights the training starts from"
    )
    tracker: Literal["none", "tensorboard"] = Field(default="none", description="also log to TensorBoard")

    @model_validator(mode="after")
    def _fits(self) -> "TrainSettings":
        if self.algo == "dqn" and self.policy in ("cf_seen", "recgpt"):
            raise ValueError(f"algo dqn has no policy {self.policy}: choose cf or item_embedding")
        if self.observation != "compact":
            raise ValueError("observation published cannot be trained on: leave it at compact")
        if self.algo == "dqn" and self.across_episodes:
            raise ValueError(
                "algo dqn replays whole episodes: train with another algorithm, or without across_episodes"
            )
        return self

    @property
    def environments(self) -> int:
        """E."""
        return self.n_envs or N_ENVS[self.preset]

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Arguments of the algorithm's class."""
        found = dict(HYPERPARAMETERS[self.preset][self.algo])
        if self.n_steps is not None and self.algo != "dqn":
            found["n_steps"] = self.n_steps
        if self.rate_falls:
            found["learning_rate"] = CF_LEARNING_RATE
        if self.predicts_ratings:
            found |= RATING_PPO if self.n_steps is None else {**RATING_PPO, "n_steps": self.n_steps}
        if self.learning_rate is not None:
            found["learning_rate"] = self.learning_rate
        rollout = found.get("n_steps", 0) * self.environments
        if rollout and "batch_size" in found:
            found["batch_size"] = min(found["batch_size"], rollout)
        return found

    @property
    def rate_falls(self) -> bool:
        """Whether the learning rate falls linearly to 0 at `total_timesteps`, which then cannot change."""
        tables = self.policy in ("cf", "cf_seen") and self.algo != "dqn"
        return self.preset == "recgpt" and tables and self.learning_rate is None

    @property
    def predicts_ratings(self) -> bool:
        """Whether the training also regresses ratings."""
        return self.preset == "recgpt" and self.algo == "maskable_ppo" and self.policy == "item_embedding"

    @property
    def reward_scale(self) -> float:
        """Factor of the rewards that the algorithm sees: 1 as published; ours brings returns to about the scale."""
        return 1 - self.gamma if self.preset == "recgpt" and self.gamma < 1 else 1.0
