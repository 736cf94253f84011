"""`recgpt runs interview`: options and refusals; answers are tested with the world."""

from collections.abc import Callable
from typing import Any

import pytest

from recgpt.simulate.llm.budget import Spent
from recgpt.simulate.store import Manifest, Run
from recgpt.simulate.worlds.society import interviewing
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.kinds import KINDS

Recgpt = Callable[..., Any]


@pytest.fixture
def asked(runs: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A run `talk` without rounds; the questions that reach the world."""
    about = {"config": SocietyConfig().model_dump(mode="json"), "seed": 0, "made_with": {}, "dataset": {}}
    manifest = Manifest(run="talk", world="society", kinds=KINDS.to_dict(), repeatable="always", **about)
    Run.create("talk", manifest).close()
    questions: list[tuple[Any, ...]] = []

    def ask(run: Run, *question: Any) -> interviewing.Interviewed:
        questions.append(question)
        failure = "cut_off: too long" if "fail" in question[2] else None
        return interviewing.Interviewed(None if failure else "Heat.", failure, spent=Spent(calls=1, tokens=20, usd=0.5))

    monkeypatch.setattr(interviewing, "interview", ask)
    return questions


def test_the_mind_of_the_run_answers_by_default(asked: list[tuple[Any, ...]], run_recgpt: Recgpt) -> None:
    done = run_recgpt("runs", "interview", "talk", "--agent", 3, "--question", "Which film?")
    assert (done.code, done.stdout.strip()) == (0, "Heat.")
    step, agent, question, options = asked[0]
    assert (step, agent, question, options.mind) == (0, 3, "Which film?", "scripted")


def test_a_language_model_can_answer(asked: list[tuple[Any, ...]], run_recgpt: Recgpt) -> None:
    server = ("--mind", "llm", "--base-url", "http://127.0.0.1:1/v1", "--llm-model", "small", "--key-env", "")
    done = run_recgpt("runs", "interview", "talk", "--agent", 3, "--question", "Which?", "--at", 0, *server, "--json")
    assert '"answer": "Heat."' in done.stdout
    assert "1 calls, 20 tokens, $0.5000" in done.stderr
    options = asked[0][3]
    assert (options.mind, options.llm.model, options.llm.key_env) == ("llm", "small", None)
    assert options.llm.base_urls == ("http://127.0.0.1:1/v1",)


def test_a_failure_is_no_answer(asked: list[tuple[Any, ...]], run_recgpt: Recgpt) -> None:
    done = run_recgpt("runs", "interview", "talk", "--agent", 3, "--question", "fail")
    assert done.code != 0
    assert "agent 3 gave no answer: cut_off: too long" in done.stderr
