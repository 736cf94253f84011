"""Drawn towns: every number of people fits, and the same seed gives the same town."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.inputs import load_inputs
from recgpt.simulate.worlds.town.occupations import OCCUPATIONS
from recgpt.simulate.worlds.town.paths import Paths
from recgpt.simulate.worlds.town.plan import compile_text, load_default_map
from recgpt.simulate.worlds.town.procedural import draw_people, draw_town
from recgpt.simulate.worlds.town.procedural.draws import Draws
from recgpt.simulate.worlds.town.procedural.households import compose, household_sizes, kin


@settings(max_examples=12, deadline=None)
@given(st.integers(3, 150), st.integers(0, 2**31))
def test_any_town_has_beds_jobs_and_ways_for_all(n, seed):
    drawn = draw_town(n, seed)  # compiled and checked: closed rooms, doors, ways, unique addresses, own beds
    town_map, people = drawn.map, drawn.people
    assert len(people) == n == len(people.histories)
    kinds = {place.kind for place in town_map.places}
    assert {"cafe", "bar", "cinema", "bookshop", "shop", "school", "library", "office", "workshop"} <= kinds
    for resident in people.residents:
        place = town_map.places[resident.work] if resident.work >= 0 else None
        assert place is None or place.kind in OCCUPATIONS[resident.occupation].kinds
        assert 0 < resident.wakes < resident.sleeps < 1440
    at_work = Counter(resident.work for resident in people.residents if resident.work >= 0)
    assert all(count <= town_map.places[work].capacity for work, count in at_work.items())
    assert any(fact.kind == "candidacy" for fact in people.facts)


@settings(max_examples=6, deadline=None)
@given(st.integers(3, 80), st.integers(0, 2**31))
def test_ties_have_two_sides_with_fitting_labels(n, seed):
    people = draw_town(n, seed).people
    opposite = {"child": {"parent"}, "parent": {"child"}, "grandparent": {"grandchild"}, "grandchild": {"grandparent"}}
    labels = {(tie.agent, tie.other): tie.label for tie in people.ties}
    assert len(labels) == len(people.ties)
    for (agent, other), label in labels.items():
        assert agent != other
        assert labels[other, agent] in opposite.get(label, {label})
    for one in people.residents:
        assert one.age >= 18 or any(one.home == other.home and other.age >= 18 for other in people.residents)


def test_the_same_seed_gives_the_same_town_and_another_one_another():
    one, again, other = draw_town(40, 5), draw_town(40, 5), draw_town(40, 6)
    assert (one.plan, one.people) == (again.plan, again.people)
    assert one.plan != other.plan
    assert one.people.residents != other.people.residents


def test_a_written_plan_gives_the_same_map():
    drawn = draw_town(30, 1)
    assert compile_text(drawn.plan).places == drawn.map.places


def test_people_of_a_thousand_are_as_in_a_town():
    people = draw_town(1_000, 7).people
    occupations = Counter(resident.occupation for resident in people.residents)
    workers = sum(count for name, count in occupations.items() if OCCUPATIONS[name].kinds) / len(people)
    assert 0.6 < workers < 0.85  # at work or at school
    assert 0.15 < (occupations["pupil"] + occupations["student"]) / len(people) < 0.35
    assert occupations["none"] / len(people) < 0.05
    assert len({resident.name for resident in people.residents}) == 1_000
    by_label = Counter(tie.label for tie in people.ties)
    assert {"spouse", "parent", "child", "sibling", "friend", "colleague", "classmate", "neighbour"} <= set(by_label)
    assert 10 < len(people.ties) / len(people) < 25
    assert {"gathering", "news", "secret", "candidacy"} == {fact.kind for fact in people.facts}


def test_every_bed_reaches_every_kind_of_place():
    town_map = draw_town(200, 3).map
    paths = Paths(town_map)
    beds = [place.tiles[0] for place in town_map.places if place.name.startswith("bed")]
    goals = {place.kind: place.tiles[0] for place in town_map.places if place.level == "object"}
    longest = [paths.distances(goal)[beds].max() for goal in goals.values()]
    assert 0 < max(longest) < 2 * (town_map.width + town_map.height)


def test_people_may_be_drawn_for_any_map_with_enough_beds():
    town_map = load_default_map()
    people = draw_people(town_map, 25, seed=2)
    assert len({resident.bed for resident in people.residents}) == 25
    with pytest.raises(SimulationError, match="Hazelbrook has 27 beds for 40 people: add beds to the plan, or choose"):
        draw_people(town_map, 40, seed=2)


@pytest.mark.parametrize("n", [2, 10_001])
def test_a_wrong_number_is_an_error(n):
    with pytest.raises(SimulationError, match="a procedural town has 3 to 10,000"):
        draw_town(n, 0)


def test_households_hold_kin_of_fitting_ages():
    draws = Draws(3, "test")
    assert sum(household_sizes(777, 3)) == 777
    for size in (1, 2, 3, 4, 5) * 40:
        members = compose(size, draws)
        assert len(members) == size and any(member.age >= 18 for member in members)
        for one in members:
            for other in members:
                if one is not other and kin(one, other) == "child":
                    assert one.age - other.age >= 18


def test_draws_are_uniform_and_bounded():
    draws = Draws(1, "test")
    shares = np.array([draws.share() for _ in range(4_000)])
    assert abs(shares.mean() - 0.5) < 0.02 and shares.min() >= 0 and shares.max() < 1
    weights = Counter(draws.weighted({"a": 3.0, "b": 1.0}) for _ in range(4_000))
    assert abs(weights["a"] / 4_000 - 0.75) < 0.03
    assert sorted(draws.sample(range(9), 20)) == list(range(9))


@pytest.mark.slow
def test_ten_thousand_people():
    drawn = draw_town(10_000, 7)
    assert len(drawn.people) == 10_000


def test_a_configuration_names_a_drawn_town_or_a_plan(tmp_path):
    drawn = load_inputs(TownConfig(town="procedural", people=12, seed=3)).setting
    assert (len(drawn.people), drawn.people) == (12, draw_town(12, 3).people)
    (tmp_path / "my.plan").write_text(draw_town(12, 3).plan)
    own = load_inputs(TownConfig(town=str(tmp_path / "my.plan"), people=5, seed=1)).setting
    assert own.map.places == drawn.map.places and len(own.people) == 5
    with pytest.raises(SimulationError, match="choose default, procedural, a plan file, or the folder"):
        load_inputs(TownConfig(town="none.plan"))
