"""A training on the real engine with made-up films that is killed and goes on ends with equal bits."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sb3_contrib", reason="the extra rl is not installed")

from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.minds.base import Mind
from recgpt.simulate.worlds.gym.sb3 import EmoSimVecEnv
from recgpt.simulate.worlds.gym.training import curves
from recgpt.simulate.worlds.gym.training.run import TrainingRun
from recgpt.simulate.worlds.gym.training.settings import TrainSettings
from recgpt.simulate.worlds.gym.training.worlds import make_world

RESULTS = ("policy.safetensors", "rewards.csv", "curve.csv")
RULES: dict[str, Any] = {"shaping": "churn_satisfaction", "perturbator": "gaussian", "max_episode_steps": 9}
N_ENVS = 4


@pytest.fixture(autouse=True)
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "_plot", lambda *args: None)


@pytest.fixture(scope="module")
def films() -> tuple[Inputs, Mind]:
    inputs = load_inputs(GymRules(**RULES))
    return inputs, make_mind(TrainSettings(), inputs)


class Killed(BaseException):
    """Stands for a kill: nothing is saved on the way out."""


def train(
    folder: Path, settings: TrainSettings, films: tuple[Inputs, Mind], monkeypatch: Any, kill_at: int | None = None
) -> TrainingRun:
    """Train; the environment dies in its step `kill_at`."""
    steps, step_wait = 0, EmoSimVecEnv.step_wait

    def dying(env: EmoSimVecEnv) -> Any:
        nonlocal steps
        steps += env.num_envs == N_ENVS
        if steps == kill_at:
            raise Killed
        return step_wait(env)

    with monkeypatch.context() as patch:
        patch.setattr(EmoSimVecEnv, "step_wait", dying)
        run = TrainingRun(settings, make_world(settings, *films), folder, quiet=True)
        run.train()
    return run


@pytest.mark.parametrize(
    ("algo", "policy"),
    [
        ("maskable_ppo", "item_embedding"),
        ("maskable_ppo", "cf"),
        ("dqn", "item_embedding"),
        ("dqn", "cf"),
        pytest.param("maskable_ppo", "recgpt", marks=pytest.mark.slow),
    ],
)
def test_killed_training_on_the_real_engine_ends_with_equal_bits(
    tmp_path: Path, monkeypatch: Any, films: tuple[Inputs, Mind], algo: str, policy: str
) -> None:
    settings = TrainSettings(
        algo=algo,
        policy=policy,
        n_envs=N_ENVS,
        n_steps=None if algo == "dqn" else 10,
        total_timesteps=320,
        checkpoint_every=80,
        eval_every=160,
        eval_episodes=3,
        embedding_dim=8,
        seed=5,
        **RULES,
    )
    whole = train(tmp_path / "whole", settings, films, monkeypatch)
    for kill_at in (33, 29):  # in the middle of an episode, after the first checkpoints
        with pytest.raises(Killed):
            train(tmp_path / "killed", settings, films, monkeypatch, kill_at)
        assert (tmp_path / "killed" / "checkpoint").is_dir()
    again = train(tmp_path / "killed", settings, films, monkeypatch)
    assert again.algorithm.num_timesteps == whole.algorithm.num_timesteps == 320
    for name in RESULTS:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
