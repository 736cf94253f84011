"""Measures of what residents adopt, on made-up logs."""

from dataclasses import replace

import numpy as np
import pytest

from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.events import Event, to_rows
from recgpt.simulate.worlds.town.item_measures import ItemTally
from recgpt.simulate.worlds.town.life import Source
from recgpt.simulate.worlds.town.residents import TieOfResidents
from recgpt.simulate.worlds.town.setting import Setting
from tests.simulate.worlds.town.items_town import items_setting

PAGE, FRIEND, SEARCH, PASSING = (int(source) for source in Source)


@pytest.fixture(scope="module")
def setting() -> Setting:
    return items_setting()


def tally_of(setting: Setting, *blocks: list[Event]) -> ItemTally:
    tally = ItemTally(setting, TownRules())
    for number, events in enumerate(blocks, 1):
        tally.add(to_rows(sorted(events, key=lambda event: event.tick), step=number, seconds_per_tick=10))
    return tally


def adopted(tick: int, agent: int, item: int, source: int, other: int | None = None, place: int = 0) -> Event:
    return Event(tick, agent, "adopted", item=item, slot=source, other=other, place=place)


def items(setting: Setting, kind: str) -> list[int]:
    assert setting.catalogue is not None
    found: list[int] = setting.catalogue.programme.in_town(0)[kind].tolist()
    return found


def test_an_empty_log_has_measures(setting: Setting) -> None:
    found = tally_of(setting, []).measures()
    assert found["adopted"] == 0
    assert found["stars"] is None
    assert found["first_source"] == dict.fromkeys(("page", "friend", "search", "passing_by"))
    assert found["cascades"]["trees"] == 0


def test_a_chain_of_friends_is_one_cascade(setting: Setting) -> None:
    film, other = items(setting, "film")[:2]
    chain = [
        adopted(10, 0, film, PAGE),
        adopted(20, 1, film, FRIEND, 0),
        adopted(30, 2, film, FRIEND, 1),
        adopted(40, 3, film, FRIEND, 0),
        adopted(50, 4, other, FRIEND, 0),  # the friend adopted another film: a root
    ]
    tally = tally_of(setting, chain)
    found = tally.measures()
    assert found["cascades"] == {"trees": 1, "size": 4, "depth": 2, "largest": 4, "deepest": 2, "in_trees": 0.8}
    assert found["first_source"] == {"page": 0.2, "friend": 0.8, "search": 0, "passing_by": 0}
    way = tally.way(film)
    assert [(each["agent"], each["parent"]) for each in way["adopters"]] == [(0, -1), (1, 0), (2, 1), (3, 0)]
    assert (way["size"], way["depth"], way["kind"]) == (4, 2, "film")


def test_a_friend_that_adopts_later_is_no_parent(setting: Setting) -> None:
    film = items(setting, "film")[0]
    tally = tally_of(setting, [adopted(10, 1, film, FRIEND, 0), adopted(20, 0, film, PAGE)])
    assert tally.measures()["cascades"]["trees"] == 0
    assert [each["parent"] for each in tally.way(film)["adopters"]] == [-1, -1]


def test_dishes_eaten_again_are_visits_and_one_adoption(setting: Setting) -> None:
    dish = items(setting, "dish")[0]
    tally = tally_of(setting, [adopted(10, 0, dish, PASSING, place=4)], [adopted(70, 0, dish, PASSING, place=4)])
    found = tally.measures()
    assert (found["adopted"], found["visits"]) == (1, 2)
    assert found["venues"]["cafe"] == {"visitors": 2, "turned_away": 0}
    assert found["curve"] == [1]


def test_turned_away_stars_and_exposure(setting: Setting) -> None:
    film, other = items(setting, "film")[:2]
    events = [
        Event(1, 0, "shown", item=film, slot=0),
        Event(1, 0, "shown", item=other, slot=1),
        Event(2, 0, "turned_away", item=other, place=0),
        adopted(2, 0, film, PAGE),
        Event(3, 0, "rated", item=film, value=4.0),
        Event(3, 0, "mentioned", item=film, other=1, value=0.5),
        Event(3, 1, "wished", item=film, slot=FRIEND, other=0),
    ]
    tally = tally_of(setting, events)
    found = tally.measures()
    assert found["turned_away"] == 0.5
    assert found["venues"]["cinema"] == {"visitors": 1, "turned_away": 1}
    assert found["stars"] == found["stars_by_kind"]["film"] == 4
    assert (found["mentions"], found["wishes"]["friend"]) == (1, 1)
    assert setting.catalogue is not None
    n_on_offer = sum(len(each) for each in setting.catalogue.programme.in_town(0).values())
    assert found["exposure"]["coverage"] == pytest.approx(2 / n_on_offer, abs=1e-4)
    assert 0.9 < found["exposure"]["gini"] < 1
    assert [event["kind"] for event in tally.way(film)["events"]] == ["adopted", "rated", "mentioned", "wished"]


def test_drift_is_larger_for_other_tastes(setting: Setting) -> None:
    assert setting.catalogue is not None
    unit_NE, past = setting.catalogue.facts.unit_NE, setting.catalogue.population.histories[0]
    books = np.array(items(setting, "book"))
    near = books[np.argsort(-(unit_NE[books] @ unit_NE[past].mean(axis=0)))]
    drift = [
        tally_of(setting, [adopted(1, 0, int(item), PAGE) for item in chosen]).measures()["drift"]
        for chosen in (near[:5], near[-5:])
    ]
    assert 0 < drift[0] < drift[1] < 1


def test_likeness_is_the_mean_cosine_of_friends_and_of_others(setting: Setting) -> None:
    ties = tuple(TieOfResidents(*pair, "friend", 1.0, 0.8) for pair in ((0, 1), (1, 0)))
    with_ties = replace(setting, people=replace(setting.people, ties=ties))
    film, other, third = items(setting, "film")[:3]
    taken = [(0, film), (0, other), (1, film), (2, other), (2, third)]
    found = tally_of(with_ties, [adopted(tick, agent, item, PAGE) for tick, (agent, item) in enumerate(taken)])
    assert found.measures()["likeness"] == {
        "friends": pytest.approx(1 / 2**0.5, abs=1e-4),
        "others": pytest.approx((1 / 2 + 0) / 2, abs=1e-4),
    }
