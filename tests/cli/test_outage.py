"""Commands that call a language model, when its server is down or says nothing of use."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recgpt import models
from recgpt.foundation.model import FoundationModel
from recgpt.simulate.store import Run

Recgpt = Callable[..., Any]


@pytest.fixture(autouse=True)
def _small_and_quick(feed_folder: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "shipped", lambda: FoundationModel.from_pretrained(feed_folder / "model"))
    monkeypatch.setattr("recgpt.simulate.llm.client.MAX_BACKOFF_S", 0.002)


@pytest.fixture
def commands(feed_folder: Path, stub: Any) -> dict[str, list[Any]]:
    """Each command that calls a language model."""
    reached = ["--base-url", stub.base_url, "--llm-model", "m", "--key-env", ""]
    settings = {"base_url": stub.base_url, "llm_model": "m", "key_env": "", "agents": 6}
    sets = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    agent4rec = ["agent4rec", "--dataset", feed_folder, "--modeltype", "Pop", "--mind", "llm", *reached]
    return {
        "feed": [
            *("simulate", "feed", "--dataset", feed_folder, "--recommender", "popularity", "--agents", 6),
            *("--mind", "llm", "--run", "demo", *reached),
        ],
        "agent4rec": [*agent4rec, "--simulation_name", "demo", "--n_avatars", 6],
        "taste alignment of agent4rec": [*agent4rec, "--val_users", 6, "--val_ratio", 9],
        "taste-alignment": ["experiment", "taste-alignment", "--dataset", feed_folder, *sets, "--set", "ratios=9"],
        "adverts": ["experiment", "adverts", "--dataset", feed_folder, *sets, "--set", "recommender=popularity"],
        "injection": [
            "experiment",
            "injection",
            "--dataset",
            feed_folder,
            *sets,
            *("--set", "recommender=popularity", "--set", "hostile=2"),
        ],
    }


@pytest.mark.parametrize(
    "name", ["feed", "agent4rec", "taste alignment of agent4rec", "taste-alignment", "adverts", "injection"]
)
def test_an_outage_is_no_result(
    name: str, commands: dict[str, list[Any]], run_recgpt: Recgpt, stub: Any, stubs: ModuleType, tmp_path: Path
) -> None:
    stub.fault = lambda user, seen: stubs.Fault(status=503)
    command = commands[name] + (["--out", tmp_path / "out"] if commands[name][0] == "experiment" else [])
    done = run_recgpt(*command)
    assert done.code == 2 and "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "server_error (a status of 5xx" in last and "status 503" in last
    goes_on = "recgpt runs resume demo" if name in ("feed", "agent4rec") else "run the same command again"
    assert goes_on in last
    assert not (tmp_path / "out").exists()


def test_agents_that_all_fail_are_a_result_that_is_told_by_kind(
    commands: dict[str, list[Any]], run_recgpt: Recgpt, stub: Any, stubs: ModuleType
) -> None:
    stub.fault = lambda user, seen: stubs.Fault(text="I like \u202efilms")
    done = run_recgpt(*commands["feed"])
    assert done.code == 1
    assert "failed: 6 of 6 agents\n  6 not_json (the reply is not JSON), for example: “I like films”" in done.stdout
    assert "recgpt runs resume demo --retry-failed" in done.stdout
    shown = run_recgpt("runs", "show", "demo").stdout
    for words in (
        "finished: 1 page stored",
        "6, 6 failed",
        "6 not_json (the reply is not JSON)",
        "12 calls, 12 failed",
    ):
        assert words in shown
    assert "{" not in shown, "no JSON"
    assert json.loads(run_recgpt("runs", "show", "demo", "--json").stdout)["calls"]["failures"] == {"not_json": 12}
    again = run_recgpt("runs", "resume", "demo", "--retry-failed")
    assert again.code == 1 and "demo-retry1" in again.stdout
    with Run.open("demo-retry1") as run:
        assert run.manifest.forked_from == "demo@0" and run.calls_summary()["n"] == 12


def test_a_limit_of_failures_can_be_given(
    commands: dict[str, list[Any]], run_recgpt: Recgpt, stub: Any, stubs: ModuleType
) -> None:
    stub.fault = lambda user, seen: stubs.Fault(status=503)
    assert run_recgpt(*commands["feed"], "--max-failed", 5).code == 2
    resumed = run_recgpt("runs", "resume", "demo", "--max-failed", 6)
    assert resumed.code == 1 and "6 server_error" in resumed.stdout


def test_a_missing_key_leaves_the_id_free(commands: dict[str, list[Any]], run_recgpt: Recgpt, runs: Path) -> None:
    done = run_recgpt(*commands["feed"], "--key-env", "NO_SUCH_KEY")
    assert done.code == 2 and "NO_SUCH_KEY" in done.stderr and not (runs / "demo").exists()
