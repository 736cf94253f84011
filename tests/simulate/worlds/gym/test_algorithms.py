"""`recgpt gym train` and the published training modules run a few dozen steps, with all their flags."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("sb3_contrib", reason="the extra rl is not installed")

from recgpt.cli.app import app
from recgpt.errors import ConfigError, StorageError
from recgpt.simulate.worlds.gym.training import curves

TINY = tuple("--total-timesteps 24 --n-envs 4 --n-steps 3 --eval-episodes 2 --max-episode-steps 4".split())  # noqa: SIM905
FLAGS = """
    --llm-model scripted --llm-rater 0Shot_cotlite_our --items-retrieval decay_emotion_3 --perturbator greedy
    --reward-shaping churn_satisfaction --churn-ema-alpha .1 --churn-low-threshold 4 --churn-low-streak-threshold 2
    --churn-min-steps 2 --churn-prob-scale .3 --churn-ema-min-samples 1 --churn-recovery-bonus 0
    --decay-time-lambda .15 --emotion-bonus .2 --consider-arousal --valence-positive-threshold 7
    --valence-negative-threshold 4 --arousal-high-threshold 8 --arousal-low-threshold 3 --seed 1 --gamma .9
    --embedding-dim 8 --model-device cpu
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "_plot", lambda *args: None)


def command(module: str) -> Callable[..., str]:
    """Runs the command of a module; returns its output, or raises its error."""
    one = typer.Typer()
    one.command()(importlib.import_module(f"algorithms.{module}").COMMAND)
    return lambda *arguments: run(one, *arguments)


def run(of: typer.Typer, *arguments: str) -> str:
    done = CliRunner().invoke(of, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("algo", ["A2C", "PPO", "TRPO", "DQN"])
def test_modules_of_films_train_and_go_on(algo: str) -> None:
    train = command(f"movies.CF_train_{algo}")
    assert "reward an item" in train(*TINY, *(FLAGS.split() if algo == "A2C" else ()))
    assert Path(f"tmp/movies/CF_{algo}/policy.safetensors").is_file()
    if algo == "A2C":
        assert "steps" in train(*TINY, *FLAGS.split(), "--path-ckpt", "tmp/movies/CF_A2C")
        assert Path("tmp/movies/CF_A2C-continued/policy.safetensors").is_file()
        with pytest.raises(ConfigError, match="give one of them"):
            train(*TINY, "--path-ckpt", "tmp/movies/CF_A2C", "--resume-from", "tmp/movies/CF_A2C")


def test_books_and_their_analysis() -> None:
    command("books.CF_train_A2C")(*TINY)
    done = command("books.analysis")(
        "--path", "tmp/books/CF_A2C/policy.safetensors", "--logs-path", "log.csv", "--steps", "2"
    )
    rows = Path("log.csv").read_text().splitlines()
    assert rows[0] == "user_id,user_name,time,movie_id,rating"
    assert len(rows) == 1 + 2 * 600
    assert "reward: " in done
    assert "map@10: " in done


def test_short_training_with_random_ratings() -> None:
    done = command("train_recommender")(*TINY[:6], "--algo", "a2c", "--offline-random-rater", "--save-path", "random")
    assert "a2c, item_embedding, 24 steps" in done


def test_command_trains_and_deletes_only_trainings() -> None:
    train = ("gym", "train", *TINY, "--out", "run")
    assert "policy, curve.png" in run(app, *train)
    with pytest.raises(ConfigError, match="holds a training with seed=42, not 7"):
        run(app, *train, "--seed", "7")
    run(app, *train, "--seed", "7", "--overwrite")
    Path("other").mkdir()
    with pytest.raises(StorageError, match="--overwrite does not delete it"):
        run(app, *train[:-1], "other", "--overwrite")


@pytest.mark.parametrize(
    ("flag", "value", "right"),
    [("--algo", "sac", "maskable_ppo"), ("--policy", "mlp", "item_embedding"), ("--preset", "ours", "suber")],
)
def test_wrong_names_list_the_right_ones(flag: str, value: str, right: str) -> None:
    done = CliRunner().invoke(app, ["gym", "train", "--out", "run", flag, value])
    assert done.exit_code == 2
    assert right in done.output
