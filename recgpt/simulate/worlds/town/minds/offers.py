"""Activities on offer to a resident, each with its place: the numbered choices of plans and next activities.

    offers = Offers(setting)
    offers.now(scene)[0].text                            # having breakfast, "table" in "Alder House"

A plan names sectors, a next activity objects or rooms. Homes of others, beds of others, closed venues and places that
are visibly taken are not on offer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from recgpt.simulate.llm.text import quoted
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.minds.venues import Venues
from recgpt.simulate.worlds.town.occupations import occupation_of
from recgpt.simulate.worlds.town.setting import Setting

MOST = 60
"""Offers at most, so that prompts stay short."""
_NEVER = {a.TALKING, a.WAITING, a.SLEEPING, a.WAKING, a.COMMUTING, a.HOMEWARD, a.LAYING, a.PREPARING, a.GATHERING}
_OF_WORK = {a.WORKING, a.SERVING, a.SELLING, a.TEACHING, a.CRAFTING, a.CARING, a.CLASS, a.MEETING}
_TRIFLES = {a.BATHROOM, a.TEETH, a.DRESSING, a.BEDTIME, a.WASHING_UP, a.SNACK, a.BREAK, a.PHONE}
"""Too short for a day's plan."""
_OF_CHILDREN = {a.PLAYING}
_GROWN_UP = 16
_DAY = 1440


@dataclass(frozen=True, slots=True)
class Offer:
    """An activity at a place; `words` describe it in a log, `text` in a prompt.

    Attributes
    ----------
    place
        Sector in a plan, object or room for a next activity; -1: where the resident stands.
    """

    activity: int
    place: int
    words: str
    text: str


class Offers:
    """Offers to residents of a town."""

    def __init__(self, setting: Setting) -> None:
        self.venues = Venues(setting)
        self._map = setting.map

    def of_day(self, scene: Scene) -> list[Offer]:
        """Offers for a day's plan, at sectors."""
        found = [self._at_sector(activity, sector, words) for activity, sector, words in self._gatherings(scene)]
        found += [
            self._at_sector(activity, sector, words)
            for activity, sector, words in self._candidates(scene)
            if activity not in _TRIFLES
        ]
        return _without_equals(found)

    def now(self, scene: Scene) -> list[Offer]:
        """Offers for the next activity, at objects and rooms that are open and not visibly taken."""
        venues, minute = self.venues, scene.minute
        found = []
        for activity, sector, words in [*self._gatherings(scene), *self._candidates(scene)]:
            if sector < 0:
                found.append(Offer(activity, -1, words, words))
            elif sector == scene.resident.work or venues.is_open(sector, minute):
                place = self._spot(scene, activity, sector)
                if place >= 0:
                    found.append(Offer(activity, place, words, f"{words}, {self._where(place)}"))
        return _without_equals(found)

    def minutes_of_walk(self, scene: Scene, place: int) -> int:
        """Minutes of the walk to a place, at a tile a tick."""
        if place < 0:
            return 0
        tiles = int(scene.setting.paths.distances(self._map.places[place].tiles[0])[scene.tile])
        return round(tiles * scene.rules.seconds_per_tick / 60)

    def _candidates(self, scene: Scene) -> Iterator[tuple[int, int, str]]:
        """Activities with their sectors and words: work, then home, then venues."""
        resident = scene.resident
        if resident.work >= 0:
            for task in occupation_of(resident, self._map).tasks:
                yield task.activity, self._map.sector_of(resident.work), task.text
        here = self.venues.sector_at(scene.tile)
        for number, activity in enumerate(a.ACTIVITIES):
            is_for_another_age = number in _OF_CHILDREN and resident.age >= _GROWN_UP
            if number in _NEVER or number in _OF_WORK or is_for_another_age:
                continue
            if not activity.kinds:
                yield number, here, activity.text
            for kind in activity.kinds:
                for sector in [resident.home] if kind == "home" else self.venues.nearest(kind, resident.home):
                    yield number, sector, activity.text

    def _gatherings(self, scene: Scene) -> Iterator[tuple[int, int, str]]:
        """Gatherings of today that are not over, hosted by the resident or accepted."""
        for number in scene.life.facts:
            fact = scene.setting.people.facts[number]
            hosts = fact.about == scene.agent
            ahead = fact.starts - scene.seconds // 60
            is_today = -fact.minutes < ahead < _DAY - scene.minute
            if fact.kind != "gathering" or not is_today or not (hosts or scene.life.appointments.get(number)):
                continue
            sector, name = self._map.sector_of(fact.place), self._map.places[self._map.sector_of(fact.place)].name
            if hosts:
                yield a.PREPARING, sector, f"preparing the gathering at {name}"
            yield a.GATHERING, sector, f"attending the gathering at {name}"

    def _at_sector(self, activity: int, sector: int, words: str) -> Offer:
        return Offer(activity, sector, words, f"{words}, {self._where(sector)}" if sector >= 0 else words)

    def _spot(self, scene: Scene, activity: int, sector: int) -> int:
        """Object of a sector for an activity, else its first room; -1 where all are taken, or a bed is another's."""
        objects = [each for each in self.venues.spots(activity, sector) if self._is_free(scene, each)]
        if objects:
            return objects[0]
        if self.venues.spots(activity, sector) or (a.ACTIVITIES[activity].objects and sector == scene.resident.home):
            return -1
        return self.venues.room(sector)

    def _is_free(self, scene: Scene, place: int) -> bool:
        one = self._map.places[place]
        if place == scene.taken or (one.name.startswith("bed") and place != scene.resident.bed):
            return False
        there = [other for other in scene.near if scene.lives[other].action.place == place]
        return len(there) < one.capacity

    def _where(self, place: int) -> str:
        """Quoted names of a place and its sector."""
        sector = self._map.sector_of(place)
        names = [self._map.places[each].name for each in dict.fromkeys((place, sector))]
        return " in ".join(quoted(name) for name in names)


def _without_equals(offers: list[Offer]) -> list[Offer]:
    """The offers, equal ones once, `MOST` at most."""
    return list({(each.activity, each.place, each.words): each for each in offers}.values())[:MOST]
