"""A run from its configuration to its metrics: the same after a kill, at any concurrency; clear when it fails."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from recgpt.cli.runs import runs_app
from recgpt.data.dataset import Dataset
from recgpt.errors import DataError, SimulationError, StoreError
from recgpt.simulate import runner
from recgpt.simulate.agents.memory import PRESETS
from recgpt.simulate.agents.population import Population
from recgpt.simulate.runner import fork, resume, start, verify
from recgpt.simulate.store import Run, snapshots
from recgpt.simulate.world import States
from recgpt.simulate.worlds.feed import world as feed_module
from recgpt.simulate.worlds.feed.artifacts import stored_facts
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.inputs import Inputs, load_setting
from recgpt.simulate.worlds.feed.measures import measures
from recgpt.simulate.worlds.feed.spec import WORLD
from recgpt.simulate.worlds.feed.world import Feed
from tests.conftest import THOROUGH

Config = Callable[..., FeedConfig]
KILLS = 25 if THOROUGH else 8


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(runs: Path) -> None:
    """Runs of one test are not seen by another."""


def stopped_after(pages: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every feed fail when it plays a page beyond these."""
    play = Feed.play

    def stopping(feed: Feed) -> pl.DataFrame:
        rows = play(feed)
        if feed.step == pages:
            raise error
        return rows

    monkeypatch.setattr(Feed, "play", stopping)


def test_a_run_holds_all_that_its_events_speak_of(feed_config: Config) -> None:
    config = feed_config(recommender="item_knn", agents=50, pages=3)
    with start("feed", "demo", config) as run:
        assert run.finished
        assert run.manifest.config == config.model_dump(mode="json")
        assert run.metrics == json.loads(json.dumps(measures(run))), "as `recgpt runs verify` compares them"
        found = load_setting(config)
        np.testing.assert_array_equal(
            Population.from_parquet(run.artifact("population.parquet")).user_A, found.population.user_A
        )
        np.testing.assert_array_equal(stored_facts(run).count_N, found.facts.count_N)
        assert run.metrics["agents"] == 50
        run.check()


@pytest.mark.parametrize("options", [{}, {"people": "synthetic"}, {"uses_memory": False}])
def test_the_seed_decides_everything(feed_config: Config, options: dict[str, object]) -> None:
    hashes = []
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        with start("feed", name, feed_config(seed=seed, recommender="item_knn", **options)) as run:
            hashes.append(run.hash)
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("concurrency", [8, 64])
def test_the_hash_is_the_same_at_any_concurrency(
    feed_config: Config, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    monkeypatch.setattr(feed_module, "AGENTS_AT_A_TIME", 7)
    config = feed_config(recommender="item_knn", agents=60, memory="generative_agents")
    with start("feed", "one", config) as one, start("feed", "many", config, concurrency=concurrency) as many:
        assert one.hash == many.hash
        assert one.metrics == many.metrics


def test_a_run_that_is_interrupted_keeps_its_pages_and_goes_on(
    feed_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = feed_config(recommender="item_knn", agents=40, retrain_every=2, advert="all", truth_first=True)
    with start("feed", "whole", config) as run:
        whole, metrics = run.hash, run.metrics
    with monkeypatch.context() as patch:
        stopped_after(2, KeyboardInterrupt(), patch)
        with pytest.raises(KeyboardInterrupt):
            start("feed", "stopped", config)
    with Run.open("stopped", write=True) as run:
        assert (run.n_steps, run.finished) == (2, False)
        resume(run)
        assert (run.hash, run.metrics, run.finished) == (whole, metrics, True)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**16),
    pages=st.integers(2, 6),
    memory=st.sampled_from(sorted(PRESETS)),
    rows_between=st.sampled_from([0, 150, 400]),
    data=st.data(),
)
def test_states_from_snapshots_equal_a_replay(
    feed_config: Config, seed: int, pages: int, memory: str, rows_between: int, data: st.DataObject
) -> None:
    config = feed_config(agents=30, pages=pages, seed=seed, memory=memory)
    with patch.object(snapshots, "ROWS_BETWEEN", rows_between), start("feed", "demo", config, overwrite=True) as run:
        assert run.path.with_name("snapshots").exists() or rows_between
        states, replayed = States(run), WORLD.load_state(run)()
        wanted = data.draw(st.integers(0, run.n_steps))
        for rows in run.iter_steps():
            if rows["step"][0] <= wanted:
                replayed.apply(rows)
        found = states.at(wanted)
        assert found.memory.texts.embeddings.tolist() == replayed.memory.texts.embeddings.tolist()
        arrays = replayed.to_arrays()
        assert arrays.keys() == found.to_arrays().keys()
        for name, array in found.to_arrays().items():
            np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def test_damaged_snapshot_is_passed_over(feed_config: Config) -> None:
    with patch.object(snapshots, "ROWS_BETWEEN", 0), start("feed", "demo", feed_config()) as run:
        expected = States(run).at(run.n_steps).n_watched_A.tolist()
        for path in run.path.with_name("snapshots").iterdir():
            path.write_bytes(path.read_bytes()[:300])
        assert States(run).at(run.n_steps).n_watched_A.tolist() == expected


def test_states_after_a_too_large_one_are_not_copied(feed_config: Config) -> None:
    with start("feed", "demo", feed_config()) as run, patch.object(snapshots, "LARGEST_BYTES", 10):
        kept, made = snapshots.Snapshots(run), []

        def to_arrays() -> dict[str, np.ndarray]:
            made.append(1)
            return {"values": np.zeros(100)}

        for step in (1, 2):
            kept.applied(step, snapshots.ROWS_BETWEEN, to_arrays)
        assert len(made) == 1 and kept.latest(2) == (0, None)


def test_a_fork_takes_another_way_only_if_its_config_does(feed_config: Config) -> None:
    with start("feed", "parent", feed_config(pages=4)) as parent, parent.fork("child", 2) as child:
        resume(child)
        assert child.hash == parent.hash


def test_a_fork_with_another_recommender_has_the_same_past_and_another_future(feed_config: Config) -> None:
    with start("feed", "parent", feed_config(pages=4, recommender="popularity")) as parent:
        with fork(parent, "child", 2, overrides=["recommender=random", "pages=5"]) as child:
            resume(child)
            assert child.hash_at(2) == parent.hash_at(2)
            assert child.hash_at(3) != parent.hash_at(3)
            assert child.manifest.changed == {"recommender": ("popularity", "random"), "pages": (4, 5)}
            verify(child)
        with pytest.raises(SimulationError, match="cannot change page_size, which shaped"):
            fork(parent, "other", 2, overrides=["page_size=3"])


def test_another_data_set_in_the_place_of_the_old_one_is_refused(
    feed_config: Config, feed_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "films"
    shutil.copytree(feed_folder, folder)
    with monkeypatch.context() as patch:
        stopped_after(1, KeyboardInterrupt(), patch)
        with pytest.raises(KeyboardInterrupt):
            start("feed", "demo", feed_config(dataset=str(folder)))
    embeddings = np.load(folder / "embeddings.npy")
    np.save(folder / "embeddings.npy", embeddings[::-1])
    with Run.open("demo", write=True) as run, pytest.raises((StoreError, DataError), match="films"):
        resume(run)
    np.save(folder / "embeddings.npy", embeddings)
    events = Dataset.load(folder)
    events.select(np.arange(events.n_interactions) != 5).save(folder, overwrite=True)
    with (
        Run.open("demo", write=True) as run,
        pytest.raises(StoreError, match="differs from the data that run demo was started with"),
    ):
        resume(run)


def test_held_out_is_what_the_person_took_and_the_agent_does_not_know(feed_config: Config, feed_folder: Path) -> None:
    found = load_setting(feed_config(agents=50))
    whole = Dataset.load(feed_folder)
    outside = found.known.user_map.to_outside(found.population.user_A)
    for user, known, held_out in zip(outside, found.population.histories, found.held_out, strict=True):
        taken = whole.sequences[int(whole.user_map.to_dense([user])[0])].tolist()
        assert held_out.tolist() == [item for item in taken if item not in known.tolist()]
        assert len(held_out)


def test_agents_without_any_page_are_reported_and_stop_nothing(feed_config: Config) -> None:
    """Drawn people have no history, and this recommender ranks nothing without one."""
    with start("feed", "demo", feed_config(recommender="copy_last", people="synthetic")) as run:
        assert run.counts_by_kind() == {"exited": 20, "interviewed": 20}
        assert run.metrics["items"]["exposures"] == 0
        assert run.metrics["corrected"]["p_view"]["mean"] is None


def test_what_cannot_be_is_said_before_a_run_is_made(feed_config: Config, runs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown recommender 'best'"):
        start("feed", "demo", feed_config(recommender="best"))
    with pytest.raises(SimulationError, match="these agents have no held-out items"):
        start("feed", "demo", feed_config(people="synthetic", truth_first=True))
    with pytest.raises(DataError, match="nowhere"):
        start("feed", "demo", feed_config(dataset=str(tmp_path / "nowhere")))
    with pytest.raises(ValueError, match="unknown memory 'elephant': one of agent4rec, "):
        feed_config(memory="elephant")
    assert not runs.exists()


def test_an_id_that_is_taken_is_left_alone(feed_config: Config) -> None:
    with start("feed", "demo", feed_config(seed=1)) as run:
        kept = run.hash
    with pytest.raises(StoreError, match="exists already"):
        start("feed", "demo", feed_config(seed=2))
    with Run.open("demo") as run:
        assert run.hash == kept
    with start("feed", "demo", feed_config(seed=2), overwrite=True) as run:
        assert run.hash != kept


def test_a_full_disk_is_named_and_the_run_goes_on_later(feed_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is told that its file may have no more pages, which is what it finds where a disk is full."""
    config = feed_config(agents=40)
    with start("feed", "whole", config) as run:
        whole = run.hash

    keep = runner._keep

    def on_a_small_disk(run: Run, inputs: Inputs) -> None:
        keep(run, inputs)
        n_pages = run._connection.execute("PRAGMA page_count").fetchone()[0]
        run._connection.execute(f"PRAGMA max_page_count = {n_pages + 6}")

    with monkeypatch.context() as patch:
        patch.setattr(runner, "_keep", on_a_small_disk)
        with pytest.raises(StoreError, match="the disk is full"):
            start("feed", "small", config)
    with Run.open("small", write=True) as run:
        assert not run.finished
        run.check()
        resume(run)
        assert run.hash == whole


def test_a_folder_that_cannot_be_written_is_named(feed_config: Config, runs: Path) -> None:
    runs.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"demo/run\.sqlite cannot be written"):
        start("feed", "demo", feed_config())


# --- real processes ---


def recgpt_child(*arguments: object) -> subprocess.Popen[str]:
    """`recgpt ARGUMENTS` in a process group of its own."""
    command = [sys.executable, "-m", "recgpt.cli.main", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def wait_for_pages(runs: Path, run_id: str, pages: int, child: subprocess.Popen[str]) -> None:
    """Until so many pages are in the log."""
    path, until = runs / run_id / "run.sqlite", time.monotonic() + 200
    while time.monotonic() < until:
        assert child.poll() is None, child.communicate()
        if path.is_file():
            with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as connection:
                if connection.execute("SELECT count(*) FROM steps").fetchone()[0] >= pages:
                    return
        time.sleep(0.01)
    raise AssertionError(f"no {pages} pages in time")


@pytest.mark.slow
def test_kill_9_at_random_moments_and_resume_end_in_the_same_log(repo: Path, feed_folder: Path) -> None:
    options = {
        "model": str(feed_folder / "model"),
        "agents": 300,
        "pages": 6,
        "retrain_every": 2,
        "memory": "generative_agents",
    }
    script = [sys.executable, str(repo / "benchmarks" / "kill_and_resume.py"), str(feed_folder)]
    done = subprocess.run(
        [*script, "--kills", str(KILLS), "--set", json.dumps(options)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["equal"]
    assert found["kills"] == KILLS


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_no_reply_is_paid_for_twice(
    feed_folder: Path, feed_config: Config, runs: Path, stub_module, mind_stub, sent: int
) -> None:
    """A child that asks a language model is stopped; what it had asked and got is not asked again."""
    options = {"recommender": "item_knn", "agents": 12, "pages": 4, "mind": "llm"}
    with mind_stub() as stub:
        llm = {"base_urls": [stub.base_url], "model": "stub", "key_env": None, "concurrency": 64}
        with start("feed", "whole", feed_config(**options, llm=llm)) as whole:
            expected, asked = (whole.hash, whole.metrics), sum(stub.seen.values())
            assert whole.calls_summary()["n"] == asked
    arguments = [
        *("simulate", "feed", "--dataset", feed_folder, "--recommender", "item_knn", "--model", feed_folder / "model"),
        *("--agents", 12, "--pages", 4, "--mind", "llm", "--llm-model", "stub", "--key-env", "", "--concurrency", 3),
    ]
    with mind_stub() as stub:
        stub.fault = lambda user, seen: stub_module.Fault(delay_s=0.03)
        child = recgpt_child(*arguments, "--base-url", stub.base_url, "--run", "stopped")
        wait_for_pages(runs, "stopped", 1, child)
        time.sleep(0.1)
        os.kill(child.pid, sent)
        output = child.communicate(timeout=200)
        if sent == signal.SIGINT:
            assert child.returncode == 130, output
            assert "To continue: recgpt runs resume stopped" in output[1]
        with Run.open("stopped") as run:
            assert 1 <= run.n_steps < 4
            so_far = run.calls_summary()
            answered = so_far["n"] - so_far["failed"]
        before = sum(stub.seen.values())
        assert answered <= before <= answered + 3, "at most what was under way"
        stub.fault = lambda user, seen: None
        done = CliRunner().invoke(runs_app, ["resume", "stopped"])
        assert done.exit_code == 0, done.output
        assert sum(stub.seen.values()) - before == asked - answered
    with Run.open("stopped") as run:
        assert (run.hash, run.metrics) == expected
