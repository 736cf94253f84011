"""Reflections of the scripted mind: conclusions with evidence, merged, counted, never repeated; and importance."""

import numpy as np

from recgpt.simulate.agents.memory import Kind
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.life import Action, Known, Relation
from recgpt.simulate.worlds.town.minds.base import Notes, Seen, Thought
from recgpt.simulate.worlds.town.minds.importance import importance_of
from recgpt.simulate.worlds.town.minds.reflecting import MOST, reflect
from tests.simulate.worlds.town.talking_town import Meeting, fact_about, number

NORA = number("Nora")


def remember(meeting: Meeting, texts: list[str], other: int, kind: Kind = Kind.EVENT) -> None:
    agents, others = np.full(len(texts), NORA), np.full(len(texts), other)
    meeting.memory.entries.add(agents, kind, texts, created=1.0, importance=3.0, other=others)


def conclusions(meeting: Meeting, *, keep: bool = False) -> list[Thought]:
    found = reflect(meeting.scenes("Nora", "Felix")[0], Notes())
    if keep and found:
        texts = [thought.text for thought in found]
        meeting.memory.entries.add(np.full(len(texts), NORA), Kind.THOUGHT, texts, created=2.0, importance=5.0)
    return found


def test_without_experience_there_is_nothing_to_conclude():
    assert conclusions(Meeting()) == []


def test_residents_in_sight_are_merged_into_one_conclusion_with_evidence():
    meeting = Meeting()
    for name in ("Walter", "Theo"):
        remember(meeting, [f"{name} is having coffee at table {k}" for k in range(9)], number(name))
    found = conclusions(meeting)
    assert [thought.text for thought in found] == ["I often see Walter Finch and Theo Okafor."]
    assert found[0].evidence and all(isinstance(each, int) for each in found[0].evidence)


def test_no_conclusion_comes_twice_and_counts_go_on():
    meeting = Meeting()
    walter = number("Walter")
    meeting.lives[NORA].relations[walter] = Relation("friend", 0.7, 0.6, n_talks=2)
    remember(meeting, [f"I was talking about work with Walter Finch, {k}" for k in range(2)], walter, Kind.CHAT)
    assert "I have talked with Walter Finch twice, and I like that." in {
        each.text for each in conclusions(meeting, keep=True)
    }
    assert conclusions(meeting) == []
    remember(meeting, [f"I was talking about the day with Walter Finch, {k}" for k in range(3)], walter, Kind.CHAT)
    assert [each.text for each in conclusions(meeting)] == [
        "I have talked with Walter Finch five times, and I like that."
    ]


def test_stance_on_a_candidacy_depends_on_the_relation():
    meeting = Meeting()
    candidacy, walter = fact_about("Walter", "candidacy"), number("Walter")
    meeting.lives[NORA].facts[candidacy] = Known(walter, 100, 0.9)
    assert any("I would vote for Walter Finch" in each.text for each in conclusions(meeting))
    meeting.lives[NORA].relations[walter] = Relation("acquaintance", 0.3, -0.2)
    assert any("don't know yet what to think" in each.text for each in conclusions(meeting))


def test_a_reflection_has_few_conclusions():
    meeting = Meeting()
    for other in range(1, 20):
        meeting.lives[NORA].relations[other] = Relation("acquaintance", 0.3, 0.1, n_talks=2)
        remember(meeting, [f"I talked with {other}, {k}" for k in range(2)], other, Kind.CHAT)
    assert len(conclusions(meeting)) == MOST


def test_importance_is_greater_for_close_ones_gatherings_and_alarms():
    meeting = Meeting()
    scene, _ = meeting.scenes("Nora", "Walter")
    sights = [
        Seen("table is being used", -1, 3, 1.0),
        Seen("Joel Amsel is having coffee", number("Joel"), -1, 1.0),
        Seen("Walter Finch is having coffee", number("Walter"), -1, 1.0),
        Seen("stove is on fire", -1, 4, 1.0),
    ]
    table, stranger, friend, fire = importance_of(scene, sights, Notes())
    assert 1 <= table < stranger < friend < fire <= 10
    meeting.lives[number("Walter")].action = Action("attending a gathering", a.GATHERING, -1, 0, 9)
    assert importance_of(scene, sights, Notes())[2] > friend
