"""A run goes on only with the data, the model, the agents and the versions that it was started with."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.errors import StoreError
from recgpt.models import load_model
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.store import manifest as manifest_module
from recgpt.simulate.worlds.feed import inputs as inputs_module
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.measures import Tally


@pytest.fixture
def folder(feed_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    shutil.copytree(feed_folder, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A run `demo` that stopped after its first page; the result resumes it."""
    config = FeedConfig(
        dataset=str(folder), model=str(folder / "model"), recommender="popularity", agents=20, pages=3, page_size=2
    )
    play_step, played = runner._play_step, []

    def stop_after_one(*args):
        if played:
            raise KeyboardInterrupt
        played.append(1)
        return play_step(*args)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "_play_step", stop_after_one)
        with pytest.raises(KeyboardInterrupt):
            runner.start("feed", "demo", config)

    def resume() -> None:
        with Run.open("demo", write=True) as run:
            runner.resume(run)

    return resume


def change(folder: Path, **columns: pl.Expr) -> None:
    path = folder / "interactions.parquet"
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)


def test_a_run_goes_on_with_everything_as_it_was(stopped):
    stopped()
    with Run.open("demo") as run:
        assert run.finished
        runner.verify(run)


def test_a_run_stops_where_it_is_meant_to_and_goes_on(folder):
    config = FeedConfig(
        dataset=str(folder), model=str(folder / "model"), recommender="popularity", agents=20, pages=3, page_size=2
    )
    with runner.start("feed", "whole", config) as run:
        whole = run.hash
    with runner.start("feed", "parts", config, until=0) as run:
        assert (run.n_steps, run.finished) == (0, False)
        runner.resume(run, until=2)
        assert (run.n_steps, run.finished, run.metrics) == (2, False, {})
        runner.resume(run, until=1)
        assert run.n_steps == 2
        runner.resume(run)
        assert (run.finished, run.hash) == (True, whole)


@pytest.mark.parametrize(
    "columns", [{"rating": pl.lit(1.0)}, {"timestamp": pl.col("timestamp") + 1}], ids=["ratings", "times"]
)
def test_other_ratings_or_times_are_refused(stopped, folder, columns):
    change(folder, **columns)
    with pytest.raises(StoreError, match=r"differs from the data that run demo was started with \(.*content_sha256"):
        stopped()


def test_other_weights_are_refused(stopped, folder):
    model = load_model(folder / "model")
    next(iter(model.parameters())).data.add_(1.0)
    model.save_pretrained(folder / "model")
    with pytest.raises(StoreError, match=r"differs from the data that run demo was started with \(.*model"):
        stopped()


def test_other_versions_are_refused_and_a_fork_goes_on(stopped, monkeypatch):
    monkeypatch.setattr(manifest_module, "code_version", lambda: {"recgpt": "9.9.9"})
    with pytest.raises(
        StoreError, match=r"other versions \(recgpt .*, not 9\.9\.9\).*recgpt runs fork demo NEW --at 1"
    ):
        stopped()
    with Run.open("demo") as run, run.fork("again", 1, made_with=manifest_module.versions()) as new:
        assert new.manifest.made_with["recgpt"] == "9.9.9"
        runner.resume(new)
        assert new.finished


def test_a_fork_does_not_go_on_with_other_data(stopped, folder):
    change(folder, rating=pl.lit(1.0))
    with Run.open("demo") as run, run.fork("again", 1) as new, pytest.raises(StoreError, match="content_sha256"):
        runner.resume(new)


def test_other_agents_are_refused(stopped, monkeypatch):
    artifacts_of = inputs_module.artifacts_of
    monkeypatch.setattr(
        inputs_module, "artifacts_of", lambda *args: {name: each + b" " for name, each in artifacts_of(*args).items()}
    )
    with pytest.raises(StoreError, match=r"run demo: .* would differ from the stored one"):
        stopped()


def test_the_manifest_names_the_model(stopped, folder):
    with Run.open("demo") as run:
        about = run.manifest.dataset["model"]
    assert about["path"] == str(folder / "model")
    assert about["sha256"] == load_model(folder / "model").sha256
    assert about["training_past"] == []


def test_a_limit_that_is_no_number_is_refused(stopped):
    with Run.open("demo", write=True) as run, pytest.raises(ValueError, match="max_usd=nan"):
        runner.resume(run, max_usd=float("nan"))


def test_intervals_resample_users_not_agents(folder):
    """Ten thousand agents of ten users are ten cases."""

    class Facts:
        def __len__(self) -> int:
            return 1

    tally = Tally(10_000, len(Facts()))
    user_A = np.arange(10_000) % 10
    tally.shown_A[:] = 10
    tally.watched_A[:] = user_A
    tally.is_active_A[:] = True
    of_users = runner_mean(tally, user_A)
    of_agents = runner_mean(tally, np.arange(10_000))
    assert of_users["mean"] == of_agents["mean"] == pytest.approx(0.45)
    assert of_agents["high"] - of_agents["low"] < 0.02
    assert of_users["high"] - of_users["low"] == pytest.approx(
        2 * 1.96 * np.std(np.arange(10) / 10) / np.sqrt(10), rel=0.15
    )


def runner_mean(tally: Tally, user_A: np.ndarray) -> dict[str, float]:
    from recgpt.simulate.worlds.feed import measures

    return measures._mean(tally.per_agent(10)["p_view"], user_A)


def test_the_metrics_count_the_users_of_the_agents(folder):
    config = FeedConfig(
        dataset=str(folder), model=str(folder / "model"), recommender="popularity", agents=90, pages=1, page_size=2
    )
    with runner.start("feed", "many", config) as run:
        assert run.manifest.intervals == "users"
        assert run.metrics["agents"] == 90
        assert run.metrics["users"] <= 40
        runner.verify(run)
        from recgpt.simulate.worlds.feed.report import summary_table

        assert f"90 agents of {run.metrics['users']} users" in str(summary_table(run).title)
