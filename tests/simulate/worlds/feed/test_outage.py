"""Outages of the language model, agents that failed, and how a run goes on afterwards."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import polars as pl
import pytest

from recgpt.errors import LLMError, SimulationError, StoreError
from recgpt.simulate.experiments import run_experiment
from recgpt.simulate.llm.budget import BudgetExceeded
from recgpt.simulate.llm.failures import Outage, allowed_failures
from recgpt.simulate.overview import failure_lines, first_failed_step, n_failed, overview
from recgpt.simulate.runner import fork_failed, resume, start, verify
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.report import html

N_AGENTS = 12
MakeConfig = Callable[..., FeedConfig]


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff of milliseconds."""
    monkeypatch.setattr("recgpt.simulate.llm.client.MAX_BACKOFF_S", 0.002)


@pytest.fixture
def stub(mind_stub: type) -> Iterator[Any]:
    with mind_stub() as serving:
        yield serving


@pytest.fixture
def llm_config(feed_config: MakeConfig, stub: Any, runs: Path) -> MakeConfig:
    def make(llm: dict[str, Any] | None = None, **options: Any) -> FeedConfig:
        reached = {"base_urls": [stub.base_url], "model": "stub", "key_env": None, **(llm or {})}
        return feed_config(**{"mind": "llm", "agents": N_AGENTS, "pages": 3, "llm": reached, **options})

    return make


class Failing:
    """Faults of a server while it is down; of some messages only."""

    def __init__(self, module: Any, *, when: Callable[[str], bool] = lambda user: True, **fault: Any) -> None:
        self.down = True
        self._fault, self._when = module.Fault(**fault), when

    def __call__(self, user: str, seen: int) -> Any:
        return self._fault if self.down and self._when(user) else None


def whole(config: FeedConfig) -> str:
    with start("feed", "whole", config) as run:
        assert not n_failed(run)
        return run.hash


FAULTS = {
    "429": {"status": 429},
    "HTML": {"body": "<html>gateway</html>"},
    "hang": {"hang": True},
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_outage_stops_the_run_without_storing_the_step(
    name: str, llm_config: MakeConfig, stub: Any, stub_module: Any
) -> None:
    llm = {"timeout_s": 0.4} if name == "hang" else {}
    expected = whole(llm_config())
    stub.fault = Failing(stub_module, **FAULTS[name])
    with pytest.raises(Outage, match=r"0 pages of run demo|run demo is empty") as raised:
        start("feed", "demo", llm_config(llm))
    kind = {"429": "rate_limited", "hang": "timeout"}.get(name, "server_error")
    assert f"{kind} (" in str(raised.value)
    assert "To continue: recgpt runs resume demo" in str(raised.value)
    with Run.open("demo", write=True) as run:
        assert (run.n_steps, run.finished) == (0, False)
        stub.fault.down = False
        resume(run)
        assert run.hash == expected and verify(run).n_steps == run.n_steps


@pytest.mark.parametrize("purpose", ["page", "interview"])
def test_an_outage_in_the_middle_repeats_no_reply(
    purpose: str, llm_config: MakeConfig, stub: Any, stub_module: Any
) -> None:
    """Also where only the interviews at the end of a page fail."""

    def is_down(user: str) -> bool:
        return "This is page 2" in user if purpose == "page" else "This is page" not in user

    expected = whole(llm_config())
    asked = {user: count for user, count in stub.seen.items() if not is_down(user)}
    assert 0 < len(asked) < len(stub.seen)
    stub.seen.clear()
    stub.fault = Failing(stub_module, status=429, when=is_down)
    with pytest.raises(Outage):
        start("feed", "demo", llm_config())
    with Run.open("demo", write=True) as run:
        assert run.n_steps < 3
        stub.fault.down = False
        resume(run)
        assert run.hash == expected
    assert {user: count for user, count in stub.seen.items() if not is_down(user)} == asked


def test_failures_up_to_the_limit_are_decisions(llm_config: MakeConfig, stub: Any, stub_module: Any) -> None:
    """With the same server the log is the same at any concurrency."""
    stub.fault = Failing(
        stub_module, status=503, when=lambda user: "This is page" in user and crc32(user.encode()) % 4 == 0
    )
    hashes = set()
    for concurrency in (1, 16):
        with start("feed", f"at-{concurrency}", llm_config({"max_failed": 0.9, "concurrency": concurrency})) as run:
            assert 0 < n_failed(run) < N_AGENTS
            assert {text.partition(":")[0] for text in run.events(kind="failed")["text"]} == {"server_error"}
            hashes.add(run.hash)
    assert len(hashes) == 1
    with pytest.raises(Outage, match=r"0\.05 allows 0"):
        start("feed", "strict", llm_config())
    with Run.open("strict", write=True) as run:
        resume(run, max_failed=N_AGENTS)
        assert run.hash in hashes


@pytest.mark.parametrize(
    ("limit", "n_questions", "allowed"),
    [(0, 5, 0), (0.05, 19, 0), (0.05, 20, 1), (0.05, 100, 5), (0.29, 100, 29), (1, 100, 1), (7, 100, 7), (1e300, 9, 9)],
)
def test_a_limit_below_one_is_a_share(limit: float, n_questions: int, allowed: int) -> None:
    assert allowed_failures(limit, n_questions) == allowed
    assert allowed_failures(None, n_questions) == n_questions


def test_agents_that_failed_are_asked_again_in_a_fork(
    llm_config: MakeConfig, stub: Any, stub_module: Any, runs: Path
) -> None:
    """The fork's log is that of a run in which nothing failed but the attempt; the run itself stays."""
    spoilt = [user for user in _messages(stub, llm_config()) if "This is page 2" in user][:3]
    stub.fault = Failing(stub_module, text="I like films", when=lambda user: user in spoilt)
    with start("feed", "demo", llm_config()) as run:
        before, reasons = run.hash, failure_lines(run)
        assert (n_failed(run), first_failed_step(run)) == (3, 2)
        assert reasons == ["3 not_json (the reply is not JSON), for example: “I like films”"]
        assert fork_failed(run) == fork_failed(run) == "demo-retry1", "one fork, however often it is asked for"
    stub.seen.clear()
    with Run.open("demo-retry1", write=True) as fork:
        assert fork.n_steps == 1 and fork.manifest.forked_from == "demo@1"
        resume(fork)  # the server is as bad as before
        assert n_failed(fork) == 3 and fork.hash == before
        assert sum(stub.seen.values()) == 6, "each was asked twice more, and nobody else"
        assert fork_failed(fork) == "demo-retry2"
    stub.fault.down = False
    hashes = set()
    for attempt in range(2):
        with Run.open("demo-retry2", write=True) as fork:
            if attempt:
                run_id = "again"
                fork.fork(run_id, 1).close()
        with Run.open("again" if attempt else "demo-retry2", write=True) as fork:
            resume(fork)
            assert n_failed(fork) == 0 and verify(fork).n_metrics
            hashes.add(fork.hash)
            with pytest.raises(SimulationError, match="nothing to retry"):
                fork_failed(fork)
    assert len(hashes) == 1, "the same replies make the same log"
    with Run.open("demo") as run:
        assert run.hash == before


def _messages(stub: Any, config: FeedConfig) -> list[str]:
    start("feed", "plain", config).close()
    found = sorted(stub.seen)
    stub.seen.clear()
    return found


# --- ids that a failed start must not block ---


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"llm": {"key_env": "NO_SUCH_KEY"}}, LLMError),
        ({"llm": {"max_usd": 1.0}}, LLMError),
        ({"llm": {"base_urls": ["nowhere"]}}, LLMError),
        ({"mind": "replay"}, SimulationError),
        ({"mind": "replay", "replayed": "nobody"}, StoreError),
    ],
)
def test_a_missing_option_creates_nothing(
    options: dict[str, Any], error: type[Exception], llm_config: MakeConfig, runs: Path
) -> None:
    with pytest.raises(error):
        start("feed", "demo", llm_config(**options))
    assert not run_path("demo").exists()
    start("feed", "demo", llm_config()).close()


@pytest.mark.parametrize("status", [401, 404, 302, 400])
def test_a_run_without_any_reply_is_replaced(status: int, llm_config: MakeConfig, stub: Any, stub_module: Any) -> None:
    stub.fault = Failing(stub_module, status=status)
    with pytest.raises(LLMError, match="run demo is empty and can be started anew"):
        start("feed", "demo", llm_config())
    stub.fault.down = False
    with start("feed", "demo", llm_config({"model": "another"}, pages=1)) as run:
        assert run.finished and run.manifest.config["llm"]["model"] == "another"


def test_a_run_with_replies_or_steps_is_kept(llm_config: MakeConfig, stub: Any) -> None:
    with pytest.raises(BudgetExceeded, match=r"recgpt runs resume demo with a higher --max-calls or --max-usd"):
        start("feed", "demo", llm_config({"max_calls": 5}))
    with pytest.raises(StoreError, match="run demo exists already"):
        start("feed", "demo", llm_config())


# --- what a run keeps and shows ---


def test_the_dialect_is_in_the_manifest_and_survives_forks(llm_config: MakeConfig, stub: Any, stub_module: Any) -> None:
    words = json.dumps({"error": {"message": "seed is not supported"}})
    rejecting = stub_module.Fault(status=400, body=words)
    stub.fault = lambda user, seen: rejecting if "seed" in stub.bodies[-1] else None
    with start("feed", "demo", llm_config({"concurrency": 1})) as run:
        (name, dialect), *_ = run.manifest.dialects.items()
        assert name == f"stub at {stub.base_url}" and dialect.left_out == ["seed"]
        assert run.calls_summary()["failures"] == {"rejected": 1}
        with run.fork("fork", 0) as fork:
            n_calls = len(stub.bodies)
            resume(fork)
            assert (fork.hash, len(stub.bodies)) == (run.hash, n_calls)


def test_a_key_in_replies_is_in_no_file_of_the_run(
    mind_stub: type, stub_module: Any, feed_config: MakeConfig, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-fake-0123456789abcdef"
    monkeypatch.setenv("FILM_API_KEY", key)
    with mind_stub(key=key) as stub:
        plain = stub.body_of

        def echoing(fault: Any, user: str, raw: bytes) -> str:
            escaped = "".join(f"\\\\u{ord(character):04x}" for character in key)
            return plain(fault, user, raw).replace("It moved me", f"{key} or {escaped} moved me")

        stub.body_of = echoing
        llm = {"base_urls": [stub.base_url], "model": "stub", "key_env": "FILM_API_KEY"}
        with start("feed", "demo", feed_config(mind="llm", agents=6, pages=2, llm=llm)) as run:
            assert run.events(kind="satisfied")["text"].str.contains("FILM_API_KEY").any()
            page = html(run)
    assert key not in page
    for path in (runs / "demo").rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes()
    with sqlite3.connect(runs / "demo" / "run.sqlite") as file:
        texts = [str(row) for row in file.execute("SELECT reply FROM llm_calls")]
    assert texts and not [text for text in texts if "u0073" in text.lower()]


def test_a_run_whose_agents_all_failed_says_why_there_is_nothing_to_plot(
    llm_config: MakeConfig, stub: Any, stub_module: Any
) -> None:
    stub.fault = Failing(stub_module, text="I like films", when=lambda user: "This is page" in user)
    with start("feed", "demo", llm_config()) as run:
        page = html(run)
        facts = overview(run)
    assert "Nothing to plot:</b> 12 of 12 agents failed: 12 not_json" in page
    assert "Shares by page are not plotted" in page and "This run has no ratings" in page
    assert facts["agents"] == ["12, 12 failed"]
    assert facts["state"] == ["finished: 1 page stored"]
    assert facts["to go on"][0].startswith("recgpt runs resume demo --retry-failed")


def test_an_outage_ends_an_experiment(
    stub: Any, stub_module: Any, feed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.fault = Failing(stub_module, status=429)
    options = {"agents": 6, "ratios": (1,), "candidates": 2, "model": str(feed_folder / "model")}
    reached = {"base_url": stub.base_url, "llm_model": "stub", "key_env": ""}
    with pytest.raises(Outage, match="rate_limited"):
        run_experiment("taste-alignment", feed_folder, None, {**options, **reached})
    stub.fault = Failing(stub_module, text="I like films", when=lambda user: sum(user.encode()) % 2 == 0)
    result = run_experiment("taste-alignment", feed_folder, None, {**options, **reached})
    assert sum(result.details["agents failed"].values()) > 0
    assert any("no valid answer" in limit for limit in result.limits)
    assert isinstance(result.rows, list) and pl.DataFrame([{"who": row["who"]} for row in result.rows]).height
