"""Days of the scripted mind in the default town: plans, hours, beds, homes, manners."""

import pytest
from days_played import PlayedDays, default_setting

from recgpt.simulate.worlds.town.activities import ACTIVITIES, CINEMA, DINING, SLEEPING

DAY = 1440


@pytest.fixture(scope="module")
def town():
    return default_setting()


@pytest.fixture(scope="module")
def played(town):
    return PlayedDays(town, days=2, seed=3).play()


def test_each_plan_has_1440_minutes_and_known_activities_and_places(played):
    assert len(played.plans) == 50
    for plan in played.plans.values():
        assert sum(block.minutes for block in plan) == DAY
        assert all(block.minutes > 0 and block.text and 0 <= block.activity < len(ACTIVITIES) for block in plan)
        assert plan[0].activity == SLEEPING or plan[-1].activity != SLEEPING, "who is up at midnight sleeps later"


def test_activities_follow_each_other_and_last_from_a_minute_to_an_hour_but_for_sleep_and_films(played):
    for each in played.acted:
        assert each.act.minutes >= 1
        assert each.act.minutes <= 60 or each.act.activity in (SLEEPING, CINEMA, DINING), each.act


def test_everybody_sleeps_in_the_own_bed(played, town):
    slept = [each for each in played.acted if each.act.activity == SLEEPING]
    assert {each.agent for each in slept} == set(range(25))
    for each in slept:
        assert each.act.place == town.people.residents[each.agent].bed
    beds = [resident.bed for resident in town.people.residents]
    assert len(set(beds)) == len(beds)


def test_homes_of_others_are_not_entered(played, town):
    for each in played.acted:
        if each.act.place >= 0 and town.map.places[each.act.place].owner >= 0:
            assert town.map.sector_of(each.act.place) == town.people.residents[each.agent].home, each.act


def test_closed_places_are_not_visited(played, town):
    for each in played.acted:
        if each.act.place < 0:
            continue
        sector = town.map.places[town.map.sector_of(each.act.place)]
        resident = town.people.residents[each.agent]
        at_work = resident.work >= 0 and sector.number == town.map.sector_of(resident.work)
        arrives = (each.tick + each.steps) // 6 % DAY
        assert at_work or sector.is_open(arrives), (resident.name, each.act, arrives)


def test_the_same_seed_gives_the_same_days_and_another_one_others(town, played):
    again = PlayedDays(town, days=2, seed=3).play()
    assert again.acted == played.acted
    assert PlayedDays(town, days=1, seed=4).play().acted[:100] != played.acted[:100]
