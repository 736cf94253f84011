"""`recgpt simulate society` and `recgpt recagent` from the start to a report, killed, forked, exported."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.world import WORLDS

pytestmark = pytest.mark.skipif("society" not in WORLDS, reason="the world is not registered")

Recgpt = Callable[..., Any]
OPTIONS = ("--agents", 12, "--rounds", 4, "--recommender", "popularity", "--set", "mean_friends=4", "--seed", 3)


@pytest.fixture
def talk(runs: Path, run_recgpt: Recgpt) -> str:
    """A finished run."""
    done = run_recgpt("simulate", "society", "--run", "talk", *OPTIONS)
    assert done.code == 0, done.stderr
    assert "hash " in done.stdout
    return "talk"


def test_a_society_that_was_stopped_resumes_to_the_same_hash(
    talk: str, run_recgpt: Recgpt, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_step, played = runner._play_step, []

    def stop_after_two(*arguments: Any) -> str:
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(1)
        return play_step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "_play_step", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            runner.start("society", "killed", runner.world_of("society").config(**_config(talk)))
    assert run_recgpt("runs", "resume", "killed").code == 0
    with Run.open(talk) as whole, Run.open("killed") as killed:
        assert killed.hash == whole.hash


def test_forks_of_a_society(talk: str, run_recgpt: Recgpt) -> None:
    schedule = "schedule=[{kind: broadcast, round: 3, item: 1, text: New, opinion: 1}]"
    assert run_recgpt("runs", "fork", talk, "same", "--at", 2).code == 0
    told = run_recgpt("runs", "fork", talk, "other", "--at", 2, "--set", schedule)
    assert "changed: schedule" in told.stdout, told.stderr
    for each in ("same", "other"):
        assert run_recgpt("runs", "resume", each).code == 0
        assert run_recgpt("runs", "verify", each).code == 0
    with Run.open(talk) as whole, Run.open("same") as same, Run.open("other") as other:
        assert same.hash == whole.hash
        assert other.hash_at(2) == whole.hash_at(2)
        assert other.hash_at(3) != whole.hash_at(3)
        assert len(other.events(3, "broadcast")) == 1
    refused = run_recgpt("runs", "fork", talk, "late", "--at", 3, "--set", schedule)
    assert refused.code == 2
    assert "shaped the rounds that the fork shares" in refused.stderr
    refused = run_recgpt("runs", "fork", talk, "late", "--at", 3, "--set", "interval=1d")
    assert "cannot change interval" in refused.stderr


def test_an_export_has_messages_graphs_and_cascades(talk: str, run_recgpt: Recgpt, tmp_path: Path) -> None:
    done = run_recgpt("runs", "export", talk, "--out", tmp_path / "out")
    assert done.code == 0, done.stderr
    assert "messages.json" in done.stdout
    assert len(json.loads((tmp_path / "out" / "messages.json").read_text())) == 4
    assert len(pl.read_parquet(tmp_path / "out" / "friends.parquet"))
    again = run_recgpt("runs", "export", talk, "--out", tmp_path / "out")
    assert "holds a data set already" in again.stderr


def test_an_agent_answers_and_the_run_stays_as_it_is(talk: str, run_recgpt: Recgpt) -> None:
    with Run.open(talk) as run:
        before = run.hash, run.calls_summary()
    done = run_recgpt("runs", "interview", talk, "--agent", 3, "--question", "What did you watch?", "--at", 2)
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("I am ")
    assert run_recgpt("runs", "interview", talk, "--agent", 99, "--question", "Who?").code == 2
    with Run.open(talk) as run:
        assert (run.hash, run.calls_summary()) == before


def test_the_published_command_writes_its_outputs(
    runs: Path, run_recgpt: Recgpt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(
        "rec_model: Random\nround: 2\nagent_num: 8\nseed: 1\ninteraction_path: data/interaction.csv\n"
        "api_keys: [sk-secret]\nmax_retries: 100\nrec_random_k: 1\n"
    )
    done = run_recgpt("recagent", "-c", "config.yaml", "-o", "said.json", "-l", "said.log", "-n", "ours")
    assert done.code == 0, done.stderr
    assert "max_retries: " in done.stderr and "api_keys: keys in a file are not read" in done.stderr
    assert len(json.loads(Path("output/message/said.json").read_text())) == 2
    assert Path("output/log/said.log").read_text().startswith("ours - round 1 - ")
    assert pl.read_csv("data/interaction.csv").columns == ["user_id", "item_id", "rating"]
    stored = subprocess.run(["grep", "-rc", "sk-secret", str(runs), "output"], capture_output=True, text=True)
    assert stored.returncode == 1, "the key is nowhere"


def test_the_demo_runs_on_a_fresh_clone(runs: Path, run_recgpt: Recgpt) -> None:
    done = run_recgpt("recagent", "demo")
    assert done.code == 0, done.stderr
    assert "report" in done.stdout and "runs interview recagent-demo" in done.stdout


def _config(run_id: str) -> dict[str, Any]:
    with Run.open(run_id) as run:
        return run.manifest.config
