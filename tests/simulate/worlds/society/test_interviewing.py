"""Interviews of agents of a stored run."""

from types import SimpleNamespace

import pytest
from llm_society import Society, stub_of

from recgpt.errors import SimulationError
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.worlds.society import interviewing
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.interviewing import interview


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A stored run, as far as an interview reads it: its state is a small society's at every step."""
    state = Society()
    monkeypatch.setattr(interviewing, "States", lambda run: SimpleNamespace(at=lambda step: state))
    manifest = SimpleNamespace(config=SocietyConfig(agents=12).model_dump())
    return SimpleNamespace(run_id="town", path=tmp_path / "town" / "run.sqlite", manifest=manifest)


def asking(stub):
    return MindOptions(mind="llm", llm={"base_urls": (stub.base_url,), "model": "stub", "key_env": None})


def test_a_scripted_agent_answers_with_facts_and_leaves_no_file(run, tmp_path):
    said = interview(run, 2, 3, "What did you watch?")
    assert said.text.startswith("I am Name 3 (#3), 30 years old, nurse. Lately I watched Film ")
    assert said.text.endswith(" friends and posted 0 times.") and said.failure is None and said.spent.calls == 0
    assert not list(tmp_path.iterdir())


def test_a_language_model_is_asked_once_and_its_call_is_kept_beside_the_run(run, stubs):
    with stub_of(stubs, lambda body, said: {"answer": "I like westerns."})() as stub:
        first = interview(run, 2, 3, "What do you like?", asking(stub))
        again = interview(run, 2, 3, "What do you like?", asking(stub))
        assert len(stub.bodies) == 1 and '"What do you like?"' in stub.bodies[0]["messages"][1]["content"]
    assert first.text == again.text == "I like westerns." and (first.spent.calls, again.spent.calls) == (1, 0)
    assert [path.name for path in run.path.parent.glob("*.sqlite")] == ["interviews.sqlite"]


def test_a_failed_reply_is_no_answer(run, stubs):
    with stub_of(stubs)() as stub:
        stub.fault = lambda user, seen: stubs.Fault(text="Error: marker")
        said = interview(run, 2, 3, "What do you like?", asking(stub))
    assert said.text is None and said.failure.startswith("not_json: ") and "marker" not in said.failure


@pytest.mark.parametrize(
    ("agent", "question", "mind", "message"),
    [
        (99, "What?", "scripted", "no agent 99: choose one from 0 to 11"),
        (-1, "What?", "scripted", "no agent -1"),
        (3, " \n", "scripted", "the question of the interview is empty"),
        (3, "What?", "person", "the mind person cannot be interviewed: choose scripted or llm"),
    ],
)
def test_wrong_values_are_named(run, agent, question, mind, message):
    with pytest.raises(SimulationError, match=message):
        interview(run, 2, agent, question, MindOptions(mind=mind))
