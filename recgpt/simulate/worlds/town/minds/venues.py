"""Index of a town for the scripted mind: objects by activity, venues by kind, household members and staff.

venues = Venues(setting)
venues.spots(SHOWERING, home)                        # objects of a sector for an activity, best first
"""

from collections import defaultdict
from functools import cached_property

from recgpt.simulate.worlds.town.activities import ACTIVITIES
from recgpt.simulate.worlds.town.setting import Setting

_STAFF = ("storeroom", "kitchen", "office", "teachers", "laboratory", "workroom", "projection", "staff")
_POOL = "pool"
NEAREST = 3
"""Venues of a kind that a resident considers: those nearest to its home."""
_DETOUR = 1.3  # a walk along streets over the distance in columns and rows

_WITH_ARTICLE = frozenset(
    (
        "cafe",
        "shop",
        "hall",
        "works",
        "office",
        "bar",
        "inn",
        "clinic",
        "library",
        "school",
        "cinema",
        "gym",
        "pharmacy",
    )
)


class Venues:
    """Index of a town."""

    def __init__(self, setting: Setting) -> None:
        self.map = setting.map
        self.people = setting.people
        self._paths = setting.paths
        self._walks: dict[tuple[int, int], float] = {}
        self._spots: dict[tuple[tuple[str, ...], int], tuple[int, ...]] = {}
        self._nearest: dict[tuple[str, int], tuple[int, ...]] = {}

    @cached_property
    def centres(self) -> dict[int, tuple[int, int]]:
        """Column and row in the middle of each sector."""
        found = {}
        for place in self.map.places:
            if place.level == "sector":
                found[place.number] = self.map.xy(self._middle(place.number))
        return found

    @cached_property
    def by_kind(self) -> dict[str, tuple[int, ...]]:
        """Sectors of each kind, by number."""
        found: dict[str, list[int]] = defaultdict(list)
        for place in self.map.places:
            if place.level == "sector":
                found[place.kind].append(place.number)
        return {kind: tuple(numbers) for kind, numbers in found.items()}

    @cached_property
    def households(self) -> dict[int, tuple[int, ...]]:
        """Members of each household, by number."""
        found: dict[int, list[int]] = defaultdict(list)
        for number, resident in enumerate(self.people.residents):
            found[resident.household].append(number)
        return {household: tuple(members) for household, members in found.items()}

    @cached_property
    def staff(self) -> dict[int, tuple[int, ...]]:
        """Residents by the sector of their place of work or study."""
        found: dict[int, list[int]] = defaultdict(list)
        for number, resident in enumerate(self.people.residents):
            if resident.work >= 0:
                found[self.map.sector_of(resident.work)].append(number)
        return {sector: tuple(members) for sector, members in found.items()}

    def nearest(self, kind: str, home: int) -> tuple[int, ...]:
        """The `NEAREST` sectors of a kind to a home, by distance, then number."""
        key = kind, home
        if key not in self._nearest:
            x, y = self.centres[home]
            far = {
                each: abs(self.centres[each][0] - x) + abs(self.centres[each][1] - y)
                for each in self.by_kind.get(kind, ())
            }
            self._nearest[key] = tuple(sorted(far, key=lambda each: (far[each], each))[:NEAREST])
        return self._nearest[key]

    def spots(self, activity: int, sector: int) -> tuple[int, ...]:
        """Objects of a sector that an activity uses, best words first; empty: none fits."""
        return self.spots_for(ACTIVITIES[activity].objects, sector)

    def spots_for(self, words: tuple[str, ...], sector: int) -> tuple[int, ...]:
        """Objects of a sector whose names hold the words, best words first."""
        key = words, sector
        if key not in self._spots:
            objects = [each for arena in self.map.children(sector) for each in self.map.children(arena)]
            named = {each: self.map.places[each].name.lower() for each in objects}
            ranked = [each for word in words for each in objects if word in named[each].split() or word == named[each]]
            ranked += [each for word in words for each in objects if word in named[each]]
            ranked.sort(key=lambda each: _POOL in named[each] and _POOL not in words)  # no seats at a pool table
            self._spots[key] = tuple(dict.fromkeys(ranked))
        return self._spots[key]

    def for_guests(self, spots: tuple[int, ...]) -> tuple[int, ...]:
        """Spots in rooms that guests enter."""
        return tuple(each for each in spots if not self._is_for_staff(self.map.places[each].parent))

    def _is_for_staff(self, room: int) -> bool:
        name = self.map.places[room].name.lower()
        return any(word in name for word in _STAFF)

    def best_of(self, spots: tuple[int, ...]) -> tuple[int, ...]:
        """The first spots of one name."""
        name = self.map.places[spots[0]].name.rstrip("0123456789 ") if spots else ""
        return tuple(each for each in spots if self.map.places[each].name.startswith(name))

    def room(self, sector: int, words: tuple[str, ...] = ()) -> int:
        """First arena of a sector, or the one whose name holds a word; the sector itself if it has no arena."""
        arenas = self.map.children(sector)
        named = (each for word in words for each in arenas if word in self.map.places[each].name.lower())
        return next(named, arenas[0] if arenas else sector)

    def is_open(self, place: int, minute: int) -> bool:
        """Whether a place and all that hold it are open."""
        while place >= 0:
            if not self.map.places[place].is_open(minute % 1440):
                return False
            place = self.map.places[place].parent
        return True

    def sector_at(self, tile: int) -> int:
        """Sector of a tile, -1 for none."""
        return int(self.map.sector_HW.flat[tile])

    def tiles_between(self, sector: int, other: int) -> float:
        """Tiles of the walk from the middle of a sector to that of another."""
        key = sector, other
        if key not in self._walks:
            start, goal = (self._middle(each) for each in key)
            self._walks[key] = len(self._paths.path(start, goal)) - 1.0
        return self._walks[key]

    def tiles_to(self, tile: int, sector: int) -> float:
        """Tiles of the walk from a tile to the middle of a sector; outdoors an estimate."""
        here = self.sector_at(tile)
        if here >= 0:
            return self.tiles_between(here, sector)
        (x, y), (to_x, to_y) = self.map.xy(tile), self.centres[sector]
        return _DETOUR * (abs(to_x - x) + abs(to_y - y))

    def tiles_of_walk(self, tile: int, place: int) -> int:
        """Tiles of the walk from a tile to the middle of a place."""
        return len(self._paths.path(tile, self._middle(place))) - 1

    def _middle(self, place: int) -> int:
        tiles = self.map.places[place].tiles
        return tiles[len(tiles) // 2]


def the(name: str) -> str:
    """A name of a place with its article: `the Lantern Cafe`, `the Orpheum`, but `The Heron`, `Papermill Books`."""
    words = name.split()
    bare = words[0].lower() == "the" or (len(words) > 1 and words[-1].lower() not in _WITH_ARTICLE)
    return name if bare else f"the {name}"
