"""The 25 residents of our own town: complete, consistent with each other, and sensible as smaller towns."""

import re
from datetime import datetime

import pytest
from small_town import BEDS, PUBLIC, hazelbrook, map_in_a_row

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.occupations import OCCUPATIONS
from recgpt.simulate.worlds.town.people import beds_of, load_people
from recgpt.simulate.worlds.town.residents import People


@pytest.fixture(scope="module")
def town_map():
    return hazelbrook()


@pytest.fixture(scope="module")
def people(town_map):
    return load_people(town_map)


def test_everybody_has_a_bed_of_their_own_at_home_and_lives_with_the_household(people, town_map):
    assert len(people) == 25
    assert len({resident.bed for resident in people.residents}) == 25
    for resident in people.residents:
        assert resident.bed in beds_of(town_map, resident.home)
        assert town_map.places[resident.home].owner == resident.household
    assert {town_map.places[resident.home].name for resident in people.residents} == set(BEDS)


def test_profiles_are_whole_and_name_no_other_resident(people):
    for resident in people.residents:
        texts = [resident.learned, resident.currently, resident.lifestyle, resident.daily_plan_req]
        assert all(text.startswith(resident.name) and text.endswith(".") for text in texts)
        others = [other.name for other in people.residents if other != resident]
        assert not any(name in text for name in others for text in texts)
        assert len(resident.interests) >= 3
        assert len(resident.innate.split(", ")) == 3
        assert 240 <= resident.wakes < 600
        asleep = (resident.wakes - resident.sleeps) % 1440
        assert 6 * 60 <= asleep <= 11 * 60, resident.name


def test_work_is_at_a_place_of_the_occupations_kind(people, town_map):
    for resident in people.residents:
        occupation = OCCUPATIONS[resident.occupation]
        if resident.work >= 0 and resident.name != "Dario Marchetti":  # a cook at a bar
            assert town_map.places[resident.work].kind in occupation.kinds, resident.name


def test_texts_about_sleep_agree_with_the_minutes(people):
    for resident in people.residents:
        clock = re.search(r"gets up around (\d+):(\d+)", resident.lifestyle)
        assert clock, resident.lifestyle
        assert int(clock[1]) * 60 + int(clock[2]) == resident.wakes


def test_ties_are_of_both_sides_and_include_all_of_a_household(people):
    pairs = {(tie.agent, tie.other) for tie in people.ties}
    assert len(pairs) == len(people.ties)
    assert pairs == {(other, agent) for agent, other in pairs}
    for a, first in enumerate(people.residents):
        for b, second in enumerate(people.residents):
            assert a == b or first.household != second.household or (a, b) in pairs, (first.name, second.name)
    assert all(tie.text.endswith(".") for tie in people.ties)


def test_facts_have_their_source_among_those_in_the_know(people):
    kinds = [fact.kind for fact in people.facts]
    assert kinds.count("gathering") == 3
    assert kinds.count("candidacy") == 1
    assert {"news", "secret"} <= set(kinds)
    for fact in people.facts:
        assert fact.about in fact.known_by
        assert "{" not in fact.text
        assert people.residents[fact.about].name in fact.text


def test_party_is_the_next_day_at_five_and_known_by_its_host_alone(people, town_map):
    party = people.facts[0]
    assert party.known_by == (0,)
    assert (party.starts, party.minutes) == (1440 + 17 * 60, 180)
    assert town_map.places[party.place].name == "Lantern Cafe"
    assert "Tuesday, February 14" in party.text


def test_candidacy_is_known_by_one_resident(people):
    candidacy = next(fact for fact in people.facts if fact.kind == "candidacy")
    assert candidacy.known_by == (candidacy.about,)


def test_gatherings_follow_the_start_of_the_run(town_map):
    later = load_people(town_map, start_time=datetime(2024, 6, 1, 20, 0))
    texts = [fact.text for fact in later.facts if fact.kind == "gathering"]
    assert not any("Papermill" in text for text in texts), "the reading was over before the run began"
    party = later.facts[0]
    assert party.starts == 21 * 60
    assert "Sunday, June 2" in party.text


@pytest.mark.parametrize("n", [1, 3, 7, 18])
def test_smaller_town_names_nobody_who_is_absent(people, town_map, n):
    small = load_people(town_map, n)
    assert small.residents == people.residents[:n]
    assert len(small.histories) == n
    absent = [resident.name for resident in people.residents[n:]]
    texts = [text for texts in small.histories for text in texts] + [fact.text for fact in small.facts]
    assert not any(name in text for name in absent for text in texts)
    assert all(len(texts) >= 2 for texts in small.histories)
    assert all(max(tie.agent, tie.other) < n for tie in small.ties)
    assert all(max((fact.about, *fact.known_by)) < n for fact in small.facts)


def test_three_residents_know_each_other_and_have_a_party_and_a_candidacy(town_map):
    three = load_people(town_map, 3)
    assert {fact.kind for fact in three.facts} >= {"gathering", "candidacy"}
    assert three.facts[0].about == 0
    assert len(three.ties) == 6


def test_people_survive_json(people):
    assert People.from_json(people.to_json()) == people


def test_more_residents_than_the_file_has_are_refused(town_map):
    with pytest.raises(SimulationError, match=r"has 25 residents, not 26.*procedural"):
        load_people(town_map, 26)


def test_map_without_beds_enough_is_refused():
    sectors = [(home, "home", ["bed 1"]) for home in BEDS] + [(sector, kind, []) for sector, kind in PUBLIC.items()]
    with pytest.raises(SimulationError, match="Cedar House has no bed for Ines Finch, only 1"):
        load_people(map_in_a_row(sectors))


def test_map_without_a_place_of_work_is_refused():
    sectors = [(home, "home", ["bed", "bed", "bed"]) for home in BEDS]
    with pytest.raises(SimulationError, match="no place 'Hazelbrook:Lantern Cafe'"):
        load_people(map_in_a_row(sectors))
