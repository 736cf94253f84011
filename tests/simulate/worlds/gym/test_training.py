"""Training runs: exact resumption after a kill at any moment, masks, curves, and refusals."""

import csv
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sb3_contrib", reason="the extra rl is not installed")

from training_world import StandInVecEnv, make_setting, make_world

from recgpt.errors import CheckpointError, ConfigError
from recgpt.simulate.worlds.gym.policies.trained import TrainedPolicy
from recgpt.simulate.worlds.gym.training import checkpoint, curves
from recgpt.simulate.worlds.gym.training import run as run_module
from recgpt.simulate.worlds.gym.training.run import TrainingRun
from recgpt.simulate.worlds.gym.training.settings import ALGOS, HYPERPARAMETERS, PRESETS, TrainSettings

RESULTS = ("policy.safetensors", "rewards.csv", "curve.csv")


@pytest.fixture(autouse=True)
def without_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "plot" not in request.node.name:
        monkeypatch.setattr(curves, "_plot", lambda *args: None)


class Killed(BaseException):
    """Stands for a kill: nothing is saved on the way out."""


def settings_of(algo: str, **changes: Any) -> TrainSettings:
    values = {"algo": algo, "policy": "cf", "total_timesteps": 240, "n_envs": 4, "n_steps": 5}
    values |= {"eval_every": 100, "eval_episodes": 3, "checkpoint_every": 60, "embedding_dim": 8, "seed": 3}
    return TrainSettings(**{**values, **changes})


def train(folder: Path, settings: TrainSettings, kill_at: int | None = None) -> TrainingRun:
    """Train; the environment dies in its step `kill_at`."""
    world, steps = make_world(make_setting()), 0

    class Dying(StandInVecEnv):
        def step_wait(self) -> Any:
            nonlocal steps
            if self.num_envs == settings.environments:
                steps += 1
                if steps == kill_at:
                    raise Killed
            return super().step_wait()

    dying = run_module.TrainingWorld(world.setting, lambda n: Dying(world.setting, n), "toy")
    run = TrainingRun(settings, dying, folder, quiet=True)
    run.train()
    return run


@pytest.mark.parametrize(
    ("algo", "policy", "kills"),
    [
        ("a2c", "item_embedding", (7, 31)),
        ("ppo", "cf", (41,)),
        ("maskable_ppo", "item_embedding", (17, 23)),
        ("trpo", "cf_seen", (34,)),
        ("dqn", "cf", (9, 30)),
    ],
)
def test_killed_training_ends_with_equal_bits(tmp_path: Path, algo: str, policy: str, kills: tuple[int, ...]) -> None:
    settings = settings_of(algo, policy=policy)
    train(tmp_path / "whole", settings)
    for kill_at in kills:
        with pytest.raises(Killed):
            train(tmp_path / "killed", settings, kill_at)
        np.random.seed(kill_at)  # the state of no generator is carried over
    train(tmp_path / "killed", settings)
    for name in RESULTS:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_kill_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, save, calls = settings_of("a2c"), checkpoint.save_arrays, 0
    train(tmp_path / "whole", settings)

    def dying(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Killed
        save(*args)

    monkeypatch.setattr(checkpoint, "save_arrays", dying)
    with pytest.raises(Killed):
        train(tmp_path / "killed", settings)
    train(tmp_path / "killed", settings)
    for name in RESULTS:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_sigkill_of_a_process(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from test_training import settings_of, train
        train(Path(sys.argv[1]), settings_of("ppo", total_timesteps=800, checkpoint_every=100, eval_every=999))
    """)
    places = [str(Path(__file__).parent), str(Path(__file__).parents[4])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*places, os.environ.get("PYTHONPATH", "")])}

    def start(folder: Path) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", script, str(folder)], env=environment)

    whole = start(tmp_path / "whole")
    killed, checkpoint = start(tmp_path / "killed"), tmp_path / "killed" / "checkpoint"
    while killed.poll() is None and not checkpoint.is_dir():
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert start(tmp_path / "killed").wait() == 0
    assert whole.wait() == 0
    for name in RESULTS:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_finished_training_goes_on_to_more_steps(tmp_path: Path) -> None:
    train(tmp_path / "whole", settings_of("a2c", policy="item_embedding", total_timesteps=240))
    train(tmp_path / "longer", settings_of("a2c", policy="item_embedding", total_timesteps=120))
    train(tmp_path / "longer", settings_of("a2c", policy="item_embedding", total_timesteps=240))
    for name in RESULTS[:2]:
        assert (tmp_path / "longer" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.parametrize("algo", ALGOS)
def test_no_masked_item_is_shown_and_the_policy_is_readable(tmp_path: Path, algo: str) -> None:
    run = train(tmp_path, settings_of(algo, policy="item_embedding", total_timesteps=120))
    assert run.env.venv.shown_again == 0
    policy = TrainedPolicy.load(tmp_path, make_setting())
    assert policy.name == f"{algo}:item_embedding"
    assert not list(tmp_path.rglob("*.pkl")) + list(tmp_path.rglob("*.zip")) + list(tmp_path.rglob("*.pt"))


def test_curve_and_rewards_are_tables_and_a_plot(tmp_path: Path) -> None:
    points = train(tmp_path, settings_of("ppo", keep_every=100))._points
    with (tmp_path / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [point["step"] for point in points]
    for row in rows:
        assert 1 <= float(row["low"]) <= float(row["reward"]) <= float(row["high"]) <= 10
    with (tmp_path / "rewards.csv").open() as file:
        episodes = list(csv.DictReader(file))
    assert {int(row["env_id"]) for row in episodes} == {0, 1, 2, 3}
    assert all(int(row["episode_length"]) <= 8 for row in episodes)
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert list((tmp_path / "policies").iterdir())


def test_training_starts_from_other_weights(tmp_path: Path) -> None:
    train(tmp_path / "first", settings_of("a2c"))
    second = train(tmp_path / "second", settings_of("a2c", seed=4, path_ckpt=str(tmp_path / "first")))
    first = train(tmp_path / "first", settings_of("a2c"))
    assert second._points[0]["reward"] != 0
    assert first.algorithm.num_timesteps == 240


def test_other_settings_and_damage_are_refused(tmp_path: Path) -> None:
    train(tmp_path, settings_of("a2c"))
    with pytest.raises(ConfigError, match="holds a training with seed=3, not 4: choose another --out"):
        train(tmp_path, settings_of("a2c", seed=4))
    (tmp_path / "checkpoint" / "env.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="is damaged"):
        train(tmp_path, settings_of("a2c"))
    with pytest.raises(ConfigError, match="holds a training with total_timesteps=240, not 400"):  # the rate falls to it
        train(tmp_path, settings_of("a2c", total_timesteps=400))
    with pytest.raises(ConfigError, match="no device 'tpu9': choose among auto, cpu"):
        train(tmp_path / "device", settings_of("a2c", model_device="tpu9"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algo": "dqn", "policy": "cf_seen"}, "choose cf or item_embedding"),
        ({"algo": "sac"}, "a2c"),
        ({"observation": "published"}, "leave it at compact"),
        ({"algo": "dqn", "across_episodes": True}, "without across_episodes"),
    ],
)
def test_impossible_settings_say_what_is_possible(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainSettings.load(flags=changes)


def test_presets_have_all_algorithms() -> None:
    for preset in PRESETS:
        assert set(HYPERPARAMETERS[preset]) == set(ALGOS)
    published = TrainSettings(algo="a2c", preset="emosim").hyperparameters
    assert published["n_steps"] == 1000
    assert published["ent_coef"] == 0.01
    assert TrainSettings(algo="dqn", preset="suber").hyperparameters["buffer_size"] == 250_000
