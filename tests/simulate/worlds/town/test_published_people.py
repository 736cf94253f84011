"""Residents read from the shipped profiles and histories, and the map that is found beside them."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from recgpt.errors import DataError
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.published.people import people_of
from recgpt.simulate.worlds.town.published.personas import Persona
from recgpt.simulate.worlds.town.published.sources import find_map, read_source, read_town
from recgpt.simulate.worlds.town.residents import People
from tests.simulate.worlds.town.small_town import map_in_a_row

START = datetime(2023, 2, 13)


@pytest.fixture(scope="module")
def ville(shared: Path) -> tuple[TownMap, People]:
    folder = shared / "data" / "simulate" / "smallville"
    history = folder / "the_ville" / "agent_history_init_n25.csv"
    return read_town(folder / "storage" / "base_the_ville_n25", history=history)


def test_the_shipped_profiles_become_residents(ville: tuple[TownMap, People]) -> None:
    town_map, people = ville
    by_name = {resident.name: resident for resident in people.residents}
    isabella, hailey = by_name["Isabella Rodriguez"], by_name["Hailey Johnson"]
    assert (isabella.wakes, isabella.sleeps) == (6 * 60, 23 * 60)
    assert (hailey.wakes, hailey.sleeps) == (10 * 60, 2 * 60)
    assert town_map.address(isabella.work) == "the Ville:Hobbs Cafe"
    assert town_map.address(isabella.bed) == "the Ville:Isabella Rodriguez's apartment:main room:bed"
    assert by_name["Mei Lin"].household == by_name["Eddy Lin"].household
    assert by_name["Carlos Gomez"].agreeableness < 0.3 < isabella.extroversion
    homes = [place for place in town_map.places if place.level == "sector" and place.owner >= 0]
    assert len({place.owner for place in homes}) == len(homes)


def test_the_candidacy_and_the_party_are_facts(ville: tuple[TownMap, People]) -> None:
    town_map, people = ville
    facts = {fact.kind: fact for fact in people.facts}
    party, candidacy = facts["gathering"], facts["candidacy"]
    assert people.residents[party.about].name == "Isabella Rodriguez"
    assert (town_map.address(party.place), party.starts) == ("the Ville:Hobbs Cafe", (24 + 17) * 60)
    assert [people.residents[agent].name for agent in candidacy.known_by] == ["Sam Moore", "Jennifer Moore"]


def test_histories_are_thoughts_and_ties(ville: tuple[TownMap, People]) -> None:
    _, people = ville
    names = [resident.name for resident in people.residents]
    assert sum(map(len, people.histories)) == 248
    labels = {(names[tie.agent], names[tie.other]): tie for tie in people.ties}
    assert labels["Mei Lin", "John Lin"].label == "husband"
    assert labels["Abigail Chen", "Hailey Johnson"].label == "housemate"
    assert labels["Giorgio Rossi", "Carlos Gomez"].affinity < 0
    assert len(labels) == len(people.ties)


def _persona(**scratch: object) -> Persona:
    values = {
        **{"name": "Ann Lee", "age": 30, "innate": "kind", "learned": "Ann Lee is a baker.", "currently": ""},
        **{"lifestyle": "Ann goes to bed around 17:30pm, wakes when she likes", "daily_plan_req": ""},
        **{"living_area": "Row:Home:main room", "vision_r": 8, "att_bandwidth": 8, "retention": 8},
    }
    return Persona("Ann Lee", {**values, **scratch}, {}, (), None, {})


def test_odd_texts_have_defaults() -> None:
    town_map = map_in_a_row([("Home", "home", ["bed", "desk"])], name="Row")
    found = people_of({"Ann Lee": _persona()}, town_map, START).residents[0]
    assert (found.wakes, found.sleeps, found.work) == (360, 17 * 60 + 30, -1)


def test_a_second_resident_of_a_room_shares_its_bed() -> None:
    town_map = map_in_a_row([("Home", "home", ["bed", "desk"])], name="Row")
    bo = replace(_persona(name="Bo Ray"), name="Bo Ray")
    people = people_of({"Ann Lee": _persona(), "Bo Ray": bo}, town_map, START)
    assert [town_map.places[each.bed].name for each in people.residents] == ["bed", "bed"]


def test_a_hostile_profile_takes_no_time() -> None:
    town_map = map_in_a_row([("Home", "home", ["bed"])], name="Row")
    text = "having a " * 9000 + "party at x with " * 500
    assert not people_of({"Ann Lee": _persona(currently=text)}, town_map, START).facts


def test_an_unknown_home_lists_the_rooms() -> None:
    town_map = map_in_a_row([("Home", "home", ["bed"])], name="Row")
    with pytest.raises(DataError, match="no room of Row: choose among Row:Home:main room"):
        people_of({"Ann Lee": _persona(living_area="Row:Elsewhere:room")}, town_map, START)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a simulation"):
        read_source(tmp_path)
    with pytest.raises(DataError, match="--map-folder"):
        find_map(tmp_path / "storage" / "x")
