"""Items in the day of a resident: phone, windows, venues, word of mouth, opinions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from recgpt.simulate.worlds.town import adopting
from recgpt.simulate.worlds.town.activities import CINEMA, DINING, PHONE
from recgpt.simulate.worlds.town.events import Event
from recgpt.simulate.worlds.town.life import Action, Adoption, Life, Relation, Source
from recgpt.simulate.worlds.town.minds.base import Chosen, Mind, Notes, Scene
from recgpt.simulate.worlds.town.programme import Programme
from recgpt.simulate.worlds.town.setting import Setting
from tests.simulate.worlds.town.items_town import LeisureMind, items_lives, items_scene, items_setting, leisure_mind

EVENING = 19 * 360
CINEMA_PLACE, CAFE_PLACE = 0, 4


@pytest.fixture(scope="module")
def setting() -> Setting:
    return items_setting()


def programme_of(setting: Setting) -> Programme:
    assert setting.catalogue is not None
    return setting.catalogue.programme


def visiting(place: int, activity: int) -> list[Life]:
    return [Life(path=(0,), action=Action("out", activity, place + 1, EVENING, EVENING + 600)) for _ in range(6)]


class Picks(LeisureMind):
    """Takes the first item on offer."""

    def choose(self, scene: Scene, place: int, items: Sequence[int], notes: Notes) -> Chosen | None:
        return Chosen(items[0], Source.PAGE)


PICKS = cast(Mind, Picks())


def test_a_look_at_the_phone_shows_the_page_and_makes_wishes(setting: Setting) -> None:
    wished = 0
    for agent in range(6):
        of = items_lives()
        of[agent].page = tuple(int(item) for item in programme_of(setting).in_town(0)["film"])
        events = adopting.looked_at(items_scene(setting, agent, of), leisure_mind(), Notes())
        shown = [event.item for event in events if event.kind == "shown"]
        assert shown == list(of[agent].page)
        from_page = [each for each in events if each.kind == "wished" and each.slot == Source.PAGE]
        assert {each.item for each in from_page} <= set(shown)
        wished += len(from_page)
    assert wished > 0


def test_without_pages_only_own_searches_make_wishes(setting: Setting) -> None:
    found = [
        event
        for tick in range(EVENING, EVENING + 300)
        for event in adopting.looked_at(items_scene(setting, 0, tick=tick), leisure_mind(), Notes())
    ]
    assert {(event.kind, event.slot) for event in found} == {("wished", Source.SEARCH)}
    bare = Setting(setting.map, setting.people)
    assert adopting.looked_at(items_scene(bare, 0), leisure_mind(), Notes()) == []


def test_visitors_take_what_is_on_offer_now(setting: Setting) -> None:
    of = visiting(CINEMA_PLACE, CINEMA)
    scene = items_scene(setting, 0, of)
    on_offer = [offer.item for offer in programme_of(setting).on_offer(setting.map.places[0], 0, scene.minute)]
    taken = [
        event
        for tick in range(EVENING, EVENING + 60)
        for event in adopting.at_venue(items_scene(setting, 0, of, tick), leisure_mind(), Notes(), sold={})
    ]
    assert taken
    assert {event.kind for event in taken} == {"adopted"}
    assert {event.item for event in taken} <= set(on_offer)
    assert {event.place for event in taken} == {CINEMA_PLACE}


@pytest.mark.parametrize(("place", "activity"), [(CINEMA_PLACE, PHONE), (-1, CINEMA)])
def test_other_activities_take_nothing(setting: Setting, place: int, activity: int) -> None:
    of = visiting(place, activity)
    of[0].action = replace(of[0].action, place=place)
    assert adopting.at_venue(items_scene(setting, 0, of), leisure_mind(), Notes(), sold={}) == []


def test_a_sold_out_show_turns_away_and_another_is_tried(setting: Setting) -> None:
    of = visiting(CINEMA_PLACE, CINEMA)
    scene = items_scene(setting, 0, of)
    first, second = programme_of(setting).on_offer(setting.map.places[0], 0, scene.minute)[:2]
    sold = {(CINEMA_PLACE, first.item, first.period): first.capacity}
    events = adopting.at_venue(scene, PICKS, Notes(), sold=sold)
    assert [(event.kind, event.item) for event in events] == [("turned_away", first.item), ("adopted", second.item)]
    sold = {(CINEMA_PLACE, each.item, each.period): each.capacity for each in (first, second)}
    events = adopting.at_venue(scene, PICKS, Notes(), sold=sold)
    assert [event.kind for event in events] == ["turned_away", "turned_away"]


def test_residents_in_sight_count_from_the_start_of_the_block(setting: Setting) -> None:
    of = visiting(CINEMA_PLACE, CINEMA)
    tick = EVENING + 30
    scene = items_scene(setting, 0, of, tick, near=(1,))
    show = programme_of(setting).on_offer(setting.map.places[0], 0, scene.minute)[0]
    sold = {(CINEMA_PLACE, show.item, show.period): show.capacity - 1}

    def kinds(near: tuple[int, ...]) -> list[str]:
        found = adopting.at_venue(items_scene(setting, 0, of, tick, near=near), PICKS, Notes(), sold=sold)
        return [event.kind for event in found]

    of[1].adopted[show.item] = Adoption(Source.PAGE, -1, EVENING + 10)
    assert kinds((1,)) == ["turned_away", "adopted"]
    assert kinds(()) == ["adopted"]  # out of sight: known at the start of the next block
    of[1].adopted[show.item] = Adoption(Source.PAGE, -1, EVENING - 10)
    assert kinds((1,)) == ["adopted"]  # counted in `sold` already


def test_sold_counts_by_show_and_day(setting: Setting) -> None:
    programme = programme_of(setting)
    cinema, _, cafe, _ = programme.venues
    film = programme.on_offer(cinema, 0, 19 * 60)[0]
    dish = programme.on_offer(cafe, 0, 19 * 60)[0]
    sold: adopting.Sold = {}
    for _ in range(2):
        adopting.add_sold(sold, programme, Event(EVENING, 0, "adopted", item=film.item, place=0), 0, 19 * 60)
    adopting.add_sold(sold, programme, Event(EVENING, 0, "adopted", item=dish.item, place=4), 0, 19 * 60)
    adopting.add_sold(sold, programme, Event(EVENING, 0, "adopted", item=dish.item, place=4), 1, 19 * 60)
    assert sold[0, film.item, film.period] == 2
    assert sold[4, dish.item, 0] == 1


def test_recommendations_become_wishes_with_the_friend(setting: Setting) -> None:
    of = items_lives()
    of[0].relations[3] = Relation("friend", 1.0, 1.0)
    events = [event for item in range(100) for event in adopting.heard(items_scene(setting, 0, of), 3, item, 1.0)]
    assert events
    assert {(event.kind, event.slot, event.other) for event in events} == {("wished", Source.FRIEND, 3)}


def test_opinions_are_due_after_the_film_the_meal_and_a_day_with_the_book(setting: Setting) -> None:
    assert setting.catalogue is not None
    items = {kind: setting.catalogue.kinds.index(kind) for kind in ("film", "book", "dish")}

    def rated(minutes: int) -> set[int | None]:
        of = items_lives()
        of[0].adopted = {item: Adoption(Source.PAGE, -1, EVENING) for item in items.values()}
        scene = items_scene(setting, 0, of, EVENING + 6 * minutes)
        return {event.item for event in adopting.opinions(scene, leisure_mind(), Notes())}

    assert rated(10) == set()
    assert rated(20) == {items["dish"]}
    assert rated(110) == {items["dish"], items["film"]}
    assert rated(1440) == set(items.values())


def test_walks_past_windows_make_wishes(setting: Setting) -> None:
    assert programme_of(setting).windows  # no sectors on the grids of this map: all tiles are outdoors
    of = items_lives()
    of[0].path = (8, 9, 10, 11)
    found = [
        event
        for tick in range(EVENING, EVENING + 300)
        for event in adopting.on_the_way(items_scene(setting, 0, of, tick))
    ]
    assert {(event.kind, event.slot) for event in found} == {("wished", Source.PASSING_BY)}
    assert len(found) < 200


def test_dishes_of_a_cafe_are_eaten(setting: Setting) -> None:
    of = visiting(CAFE_PLACE, DINING)
    events = adopting.at_venue(items_scene(setting, 0, of), leisure_mind(), Notes(), sold={})
    assert [event.kind for event in events] == ["adopted"]
    assert setting.catalogue is not None
    assert setting.catalogue.kinds[events[0].item or 0] == "dish"
