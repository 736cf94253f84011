"""Memories of a society, made from its events."""

import pytest

from recgpt.simulate import runner
from recgpt.simulate.world import States
from recgpt.simulate.worlds.society.config import SocietyConfig

SCHEDULE = [
    {"kind": "broadcast", "round": 1, "text": "The cinema is closed."},
    {"kind": "broadcast", "round": 1, "item": 3, "text": "Everybody talks about it.", "agents": [2]},
    {"kind": "interview", "round": 2, "question": "Are you well?", "agents": [1], "is_remembered": True},
    {"kind": "interview", "round": 2, "question": "Are you ill?", "agents": [4]},
]


@pytest.fixture
def texts(tmp_path, monkeypatch):
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))

    def of(preset, agent):
        settings = {"agents": 20, "rounds": 3, "recommender": "popularity", "memory": preset, "schedule": SCHEDULE}
        with runner.start("society", preset, SocietyConfig.load(flags=settings)) as run:
            state = States(run).at(3)
            return [entry.text for entry in state.memory.entries.describe(agent)]

    return of


@pytest.mark.parametrize("preset", ["recagent", "recagent_code", "recgpt"])
def test_what_agents_heard_and_answered_is_remembered(texts, preset):
    asked = texts(preset, 1)
    assert any(text.startswith('I was asked "Are you well?" and said:') for text in asked)
    assert any("The cinema is closed." in text for text in asked)


def test_an_interview_leaves_no_memory_by_default(texts):
    assert not any("Are you ill?" in text for text in texts("recagent", 4))


def test_a_message_to_some_reaches_only_them(texts):
    assert any("Everybody talks about it." in text for text in texts("recagent", 2))


def test_what_was_watched_is_remembered_with_its_stars(texts):
    watched = [text for text in texts("recgpt", 0) if text.startswith("I watched")]
    assert all(" stars." in text for text in watched)
