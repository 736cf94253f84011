"""Single activities of the scripted mind: gatherings kept, manners, free words, occupations, interrupted blocks."""

from dataclasses import replace

import pytest
from days_played import PlayedDays, default_setting, with_people

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town import goals
from recgpt.simulate.worlds.town.life import Action, PlanBlock
from recgpt.simulate.worlds.town.minds.base import Notes
from recgpt.simulate.worlds.town.minds.routines import MORNING, filled, stretched
from recgpt.simulate.worlds.town.minds.shifts import shift_on
from recgpt.simulate.worlds.town.minds.venues import Venues, the
from recgpt.simulate.worlds.town.occupations import OCCUPATIONS

NORA, WALTER, FELIX, LEILA, EDDA = 0, 2, 4, 19, 20  # cafe owner, printer, barista, two retired


@pytest.fixture
def town():
    """The default town before its first day."""
    return PlayedDays(default_setting(), seed=1)


def act_at(town, agent, hour, *plan, taken=-1, place=None):
    """The next activity at an hour, with a plan and, if given, standing at a place."""
    life = town.lives[agent]
    tick = round(hour * 360)
    life.plan, life.plan_day = plan, 0
    if place is not None:
        life.path, life.left_at = (town.map.places[place].tiles[0],), 0
    return town.mind.act(town.scene(agent, tick, taken), Notes())


def plan_of(activity, place, *, start=480, minutes=60):
    rest = PlanBlock("resting", 1440 - start - minutes, a.RESTING, place)
    return PlanBlock("sleeping", start, a.SLEEPING, place), PlanBlock("doing it", minutes, activity, place), rest


def place(town, address):
    return town.map.place_of(f"Hazelbrook:{address}")


def gathering(town):
    facts = town.setting.people.facts
    return next(k for k, fact in enumerate(facts) if fact.kind == "gathering" and 0 <= fact.starts < 1440)


def test_an_accepted_gathering_is_attended_even_by_who_had_other_plans(town):
    number = gathering(town)
    fact = town.setting.people.facts[number]
    careful = replace(town.setting.people.residents[LEILA], conscientiousness=1.0)
    residents = tuple(careful if k == LEILA else each for k, each in enumerate(town.setting.people.residents))
    town.setting = with_people(town.setting, residents=residents)
    town.lives[LEILA].appointments[number] = True
    act = act_at(town, LEILA, fact.starts / 60 - 0.01, *plan_of(a.RESTING, careful.home, start=60, minutes=1300))
    assert act.activity in (a.GATHERING, a.UNDERWAY)
    assert town.map.sector_of(act.place) == town.map.sector_of(fact.place)
    town.lives[LEILA].appointments[number] = False
    act = act_at(town, LEILA, fact.starts / 60, *plan_of(a.RESTING, careful.home, start=60, minutes=1300))
    assert act.activity not in (a.GATHERING, a.UNDERWAY) or town.map.sector_of(act.place) != fact.place


def guest_at(town, spot, hour):
    """Edda, at a gathering that she agreed to, standing at an object since a quarter of an hour."""
    life, tick = town.lives[EDDA], round(hour * 360)
    life.appointments[gathering(town)] = True
    life.action = Action("attending the reading", a.GATHERING, spot, tick - 90, tick)
    life.path, life.left_at = (town.map.places[spot].tiles[0],), 0
    return tick


def test_a_gathering_keeps_its_place_open_to_its_guests(town):
    books = place(town, "Papermill Books")
    seat = Venues(town.setting).spots(a.GATHERING, books)[0]
    assert not town.map.places[books].is_open(19 * 60 + 5)
    tick = guest_at(town, seat, 19 + 5 / 60)
    assert goals.is_free(town.scene(EDDA, tick))
    town.lives[EDDA].action = replace(town.lives[EDDA].action, activity=a.BOOKSHOP)
    assert not goals.is_free(town.scene(EDDA, tick))


def test_a_guest_keeps_its_seat(town):
    books = place(town, "Papermill Books")
    plan = plan_of(a.RESTING, town.setting.people.residents[EDDA].home, start=60, minutes=1300)
    for spot in Venues(town.setting).for_guests(Venues(town.setting).spots(a.GATHERING, books)):
        guest_at(town, spot, 18.75)
        assert act_at(town, EDDA, 18.75, *plan).place == spot
    assert act_at(town, EDDA, 18.75, *plan, taken=spot).place not in (spot, -1)


def test_gatherings_are_in_the_plan_of_their_host(town):
    number = gathering(town)
    fact = town.setting.people.facts[number]
    plan = town.mind.plan_day(town.scene(fact.about, 0), Notes())
    starts = {sum(block.minutes for block in plan[:k]): block for k, block in enumerate(plan)}
    kept = [(start, block) for start, block in starts.items() if block.activity == a.GATHERING]
    assert kept and all(start <= fact.starts <= start + block.minutes for start, block in kept[:1])
    assert any(block.activity == a.PREPARING for block in plan)


def test_a_resident_waits_or_does_something_else_where_the_shower_is_taken(town):
    home = town.setting.people.residents[LEILA].home
    shower = next(each for each in town.mind._days._venues.spots(a.SHOWERING, home))
    plan = plan_of(a.WAKING, home, minutes=28)
    town.lives[LEILA].action = Action("taking a shower", a.SHOWERING, shower, 0, 0)
    acts = {
        act_at(town, LEILA, 8 + minute / 60, *plan, taken=shower, place=shower).activity for minute in range(10, 27)
    }
    assert a.WAITING in acts and a.SHOWERING not in acts


def test_a_closed_venue_is_given_up(town):
    cafe = place(town, "Lantern Cafe")
    act = act_at(town, LEILA, 21, *plan_of(a.COFFEE, cafe, start=1260), taken=cafe, place=cafe)
    assert act.place < 0 or town.map.sector_of(act.place) != cafe


def test_planned_words_find_their_activity_and_place(town):
    block = PlanBlock("watching a film with Ana", 90)
    plan = (PlanBlock("sleeping", 840, a.SLEEPING), block, PlanBlock("resting", 510, a.RESTING))
    act = act_at(town, LEILA, 14, *plan)
    assert act.activity == a.CINEMA and act.text == block.text
    assert town.map.places[act.place].kind == "cinema"
    odd = act_at(town, LEILA, 14, plan[0], replace(block, text="counting clouds"), plan[2])
    assert (odd.activity, odd.place, odd.minutes) == (-1, -1, 60)


def test_after_an_interruption_the_plan_goes_on_at_its_time(town):
    work = place(town, "Print Works")
    plan = plan_of(a.CRAFTING, work, minutes=240)
    whole = act_at(town, WALTER, 9, *plan, place=work)
    later = act_at(town, WALTER, 9 + (whole.minutes - 3) / 60, *plan, place=work)
    assert later.text == whole.text and later.minutes == 3, "the rest of the same part"
    assert act_at(town, WALTER, 9 + whole.minutes / 60, *plan, place=work).text != whole.text


def test_tasks_belong_to_the_occupation(town):
    work = place(town, "Lantern Cafe")
    plan = plan_of(a.SERVING, work, minutes=480)
    texts = {act_at(town, FELIX, 8 + k / 6, *plan, place=work).text for k in range(48)}
    assert len(texts & {task.text for task in OCCUPATIONS["barista"].tasks}) >= 5


def test_shifts_follow_texts_weekdays_and_opening_hours(town):
    venues = Venues(town.setting)
    walter = town.setting.people.residents[WALTER]
    assert shift_on(venues, WALTER, walter, 0) == (480, 1020)
    assert shift_on(venues, WALTER, walter, 6) is None
    silvia = town.setting.people.residents[8]
    assert shift_on(venues, 8, silvia, 0) == (960, 1440), "from 16:00 to midnight"
    untold = replace(town.setting.people.residents[NORA], daily_plan_req="")
    opens, closes = town.map.places[untold.work].hours
    start, end = shift_on(venues, NORA, untold, 0)
    assert opens - 10 <= start < end <= closes + 10


@pytest.mark.parametrize("minutes", [1, 4, 11, 28, 50, 240])
def test_parts_fill_their_block(minutes):
    for parts in (filled(MORNING, minutes, [0.0, 0.5, 0.99]), stretched(MORNING, minutes)):
        assert sum(part.minutes for part in parts) == minutes
        assert all(part.minutes > 0 for part in parts)


def test_names_have_their_articles():
    assert [the(name) for name in ("Lantern Cafe", "The Heron", "Papermill Books", "Orpheum")] == [
        *("the Lantern Cafe", "The Heron", "Papermill Books", "the Orpheum")
    ]
