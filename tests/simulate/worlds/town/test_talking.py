"""Talks of the scripted mind: who talks when, what passes, and that lines read well."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.life import Action, Known, Relation
from recgpt.simulate.worlds.town.minds.base import Notes, Response, Talk
from recgpt.simulate.worlds.town.minds.news import certainty, tellable
from recgpt.simulate.worlds.town.minds.talking import react, talk
from recgpt.simulate.worlds.town.minds.wording import as_said_by, as_said_to, clock, first_sentence, in_progress
from tests.simulate.worlds.town.talking_town import SETTING, Meeting, fact_about, number

PAIRS = [("Nora", "Felix"), ("Nora", "Walter"), ("Theo", "Tess"), ("Milo", "Beatrix"), ("Gordon", "Ravi")]


def talks(one: str, two: str, n: int = 25, **more) -> list[Talk]:
    meeting = Meeting()
    return [talk(*meeting.scenes(one, two, tick=3600 + 360 * k, **more), Notes()) for k in range(n)]


def words_of(made: Talk) -> str:
    return "\n".join(line.text for line in made.lines)


# --- who talks ---


def chances(one: str, two: str, prepare=lambda meeting: None, n: int = 300) -> float:
    meeting = Meeting()
    prepare(meeting)
    reactions = [react(meeting.scenes(one, two, tick=3600 + k)[0], number(two), Notes()) for k in range(n)]
    return sum(each.response is Response.TALK for each in reactions) / n


def doing(name: str, activity: int):
    def prepare(meeting: Meeting) -> None:
        meeting.lives[number(name)].action = Action(a.ACTIVITIES[activity].text, activity, -1, 0, 9000)

    return prepare


@pytest.mark.parametrize("activity", [a.SLEEPING, a.TALKING, a.SHOWERING, a.CINEMA])
def test_no_talk_with_one_who_sleeps_talks_showers_or_watches_a_film(activity):
    assert chances("Nora", "Walter", doing("Walter", activity)) == 0
    assert chances("Walter", "Nora", doing("Walter", activity)) == 0


def test_guests_talk_more_than_workers_and_friends_more_than_rivals():
    friends, strangers = chances("Nora", "Walter"), chances("Nora", "Joel")
    assert 0.2 < friends < 0.7 and 0.2 < strangers < 0.7
    assert chances("Nora", "Walter", doing("Walter", a.WORKING)) < friends / 1.5
    assert chances("Gordon", "Ravi") < chances("Gordon", "Walter")


def test_a_household_talks_less_often_than_friends_who_see_each_other_rarely():
    assert chances("Nora", "Felix") < chances("Nora", "Walter")


def test_cool_down_after_a_talk_is_shorter_for_close_ones():
    def talked(affinity: float):
        def prepare(meeting: Meeting) -> None:
            relation = Relation("friend", 0.8, affinity, n_talks=1, talked_at=3600 - 550)
            meeting.lives[number("Nora")].relations[number("Walter")] = relation

        return prepare

    assert chances("Nora", "Walter", talked(0.1), n=200) == 0
    assert chances("Nora", "Walter", talked(0.8), n=200) > 0


def test_one_waits_its_turn_at_an_object_for_one():
    meeting = Meeting()
    scene, _ = meeting.scenes("Nora", "Felix", place="Alder House")
    bed = SETTING.people.residents[number("Felix")].bed
    meeting.lives[number("Felix")].action = Action("getting dressed", a.DRESSING, bed, 0, scene.tick + 12)
    nora = meeting.lives[number("Nora")]
    nora.action, nora.left_at, nora.path = (
        Action("resting", a.RESTING, bed, scene.tick, 9000),
        scene.tick,
        nora.path * 4,
    )
    reaction = react(scene, number("Felix"), Notes())
    assert reaction.response is Response.WAIT and 1 <= reaction.minutes <= 5


# --- lines ---


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_lines_alternate_and_no_sentence_is_said_twice(one, two):
    for made in talks(one, two):
        assert all(before.speaker != after.speaker for before, after in pairwise(made.lines))
        texts = [line.text for line in made.lines]
        assert len(set(texts)) == len(texts)
        assert 2 <= len(made.lines) <= 20 and made.minutes >= 1


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_lines_are_sentences_without_open_slots(one, two):
    for made in talks(one, two):
        for line in made.lines:
            assert not re.search(r"[{}]|\bNone\b|  |\.\.|\?\.|I is\b|I has\b|you is\b| ,", line.text), line.text
            assert line.text[0].isupper() and line.text[-1] in ".!?"


def test_strangers_introduce_themselves_and_remember_each_other():
    made = talks("Theo", "Tess", 1)[0]
    assert "Theo Okafor" in words_of(made) and "Tess Lindqvist" in words_of(made)
    assert "I study film at Hazelbrook College" in words_of(made)
    assert {thought.agent for thought in made.thoughts} == {number("Theo"), number("Tess")}


def test_a_talk_depends_on_seed_tick_and_partner_alone():
    first, again, other = talks("Nora", "Walter", 1)[0], talks("Nora", "Walter", 1)[0], talks("Nora", "Betty", 1)[0]
    assert first == again != other


def test_children_address_parents():
    assert any("Dad" in words_of(made) for made in talks("Clara", "Walter", 5))


# --- facts ---


def test_own_news_passes_with_more_trust_than_hearsay():
    candidacy = fact_about("Walter", "candidacy")
    own = [each for made in talks("Walter", "Tess") for each in made.told if each.fact == candidacy]
    assert len(own) >= 8 and all(each.teller == number("Walter") and each.trust > 0.9 for each in own)
    meeting = Meeting()
    meeting.lives[number("Tess")].facts[candidacy] = Known(number("Walter"), 3000, 0.8)
    made = [talk(*meeting.scenes("Tess", "Hana", tick=3600 + 360 * k), Notes()) for k in range(40)]
    hearsay = [each for each in (told for one in made for told in one.told) if each.fact == candidacy]
    assert hearsay and all(each.trust < 0.8 for each in hearsay)
    assert any("Walter" in words_of(one) for one in made)


def test_a_fact_never_returns_to_its_source_nor_goes_to_its_subject():
    candidacy = fact_about("Walter", "candidacy")
    meeting = Meeting()
    meeting.lives[number("Tess")].facts[candidacy] = Known(number("Hana"), 3000, 0.8)
    for other in ("Hana", "Walter"):
        scene, partner = meeting.scenes("Tess", other)
        assert candidacy not in {each.fact for each in tellable(scene, partner)}


def test_secrets_pass_to_close_ones_only():
    secret = fact_about("Clara", "secret")
    meeting = Meeting()
    facts = {other: {each.fact for each in tellable(*meeting.scenes("Clara", other))} for other in ("Ravi", "Ines")}
    assert secret not in facts["Ravi"] and secret in facts["Ines"]


@pytest.mark.parametrize("name", ["Clara", "Gordon", "Beatrix", "Edda"])
def test_present_concern_does_not_give_a_secret_away(name):
    concern = as_said_by(first_sentence(SETTING.people.residents[number(name)].currently), "x")
    for made in talks(name, "Theo"):
        assert concern not in words_of(made) and "conservatory" not in words_of(made)
        assert not any(SETTING.people.facts[each.fact].kind == "secret" for each in made.told)


def test_facts_are_forgotten_the_important_ones_later():
    party, soup = (
        SETTING.people.facts[fact_about(name, kind)] for name, kind in (("Nora", "gathering"), ("Dario", "news"))
    )
    known = Known(3, 0, 0.8)
    assert certainty(known, soup, 0) == 0.8
    assert certainty(known, party, 3) > certainty(known, soup, 3) > certainty(known, soup, 8)
    assert certainty(known, soup, 8) < 0.2


# --- invitations ---


def test_the_host_invites_and_answers_have_reasons():
    party = fact_about("Nora", "gathering")
    found = [
        each
        for name in ("Betty", "Walter", "Theo", "Joel")
        for made in talks("Nora", name)
        for each in made.invitations
    ]
    invited = [each for each in found if each.fact == party]
    assert len(invited) > 30 and all(each.host == number("Nora") and each.reason for each in invited)
    assert 0.25 < sum(each.accepted for each in invited) / len(invited) < 0.95


def test_work_at_that_time_is_a_reason_to_decline():
    made = talks("Nora", "Silvia", 30)  # the bar is open from 16:00
    answers = [each for one in made for each in one.invitations if each.fact == fact_about("Nora", "gathering")]
    assert answers and sum(each.accepted for each in answers) < len(answers) / 2
    assert any("work" in each.reason for each in answers)


def test_nobody_is_invited_twice_to_the_same_gathering():
    meeting = Meeting()
    party = fact_about("Nora", "gathering")
    meeting.lives[number("Betty")].appointments[party] = False
    made = [talk(*meeting.scenes("Nora", "Betty", tick=3600 + 360 * k), Notes()) for k in range(20)]
    assert not any(each.fact == party for one in made for each in one.invitations)


# --- forms of words ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ana Sole is baking her cakes", "I'm baking my cakes"),
        ("Ana Sole has run her cafe for nine years", "I have run my cafe for nine years"),
        ("Ana Sole tries her luck and hopes that she wins", "I try my luck and hope that I win"),
        ("Ana was a pilot and now lives with her son", "I was a pilot and now live with my son"),
        ("The fair begins", "The fair begins"),
    ],
)
def test_sentences_in_the_first_person(text, said):
    assert as_said_by(text, "Ana Sole") == said


def test_sentences_in_the_second_person_and_in_progress():
    assert as_said_to("Ana Sole is running for the council", "Ana Sole") == "you're running for the council"
    assert in_progress("Ana Sole gives a party") == "Ana Sole is giving a party"
    assert in_progress("Ana Sole owns a cafe") == "Ana Sole owns a cafe"


def test_clock():
    assert [clock(each) for each in (0, 450, 720, 1020)] == ["midnight", "7:30 am", "noon", "5 pm"]


def test_relation_of_strangers_grows_with_talks():
    from recgpt.simulate.worlds.town.relations import after_talk

    relation = Relation()
    for k in range(4):
        relation = after_talk(relation, minutes=5, tick=1000 * k)
    assert relation.label == "acquaintance" and relation.n_talks == 4 and relation.talked_at == 3000
    assert 0.4 < relation.familiarity < 0.6
    assert after_talk(replace(relation, affinity=0.6, familiarity=0.7), minutes=5, tick=1).label == "friend"
