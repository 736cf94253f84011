"""Offers of the venues of a town: films with shows and seats, copies of books, portions of dishes.

    programme = Programme.of(town_map, facts, seed=0)
    programme.on_offer(venue, day=0, minute=1170)         # items that a visitor can take now
    programme.in_town(day=0)["film"]                      # items of a kind that are on offer somewhere today

A function of seed, venue and day alone. A cinema has six films for a week, each in a room of its own with a sixth of
the seats; a show lasts two hours, and one begins every twenty minutes. A bookshop has a stock for a week, with few
copies of a title. A cafe, bar or restaurant has a menu for a day, with some portions of a dish.

Shapes: N items, M items of a kind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.town.places import Place, TownMap

KINDS = ("film", "book", "dish")
VENUES = {"cinema": "film", "bookshop": "book", "cafe": "dish", "bar": "dish", "restaurant": "dish"}
"""Kinds of sectors that offer items, and the kind of the items."""

DAYS = {"film": 7, "book": 7, "dish": 1}
"""Days that a venue keeps its films, its stock and its menu."""
N_OFFERED = {"film": 6, "book": 60, "dish": 8}
"""Items of a venue at a time."""
COPIES = 2
"""Copies of a title that a bookshop has in a week."""
SHOW_EVERY, SHOW_MINUTES = 20, 120
_HOURS = (12 * 60, 24 * 60)  # of a cinema without hours
_EARLY, _LATE = 30, 10  # minutes before and after its beginning that a show is entered
_WINDOW = 4  # tiles from which the window of a venue is seen, walls included
_FEWEST = 4  # seats of a show, portions of a dish
_POPULAR = 0.5  # weight of the log count of an item when a venue chooses what to offer


@dataclass(frozen=True, slots=True)
class Offer:
    """An item that a venue offers.

    Attributes
    ----------
    period
        Number of the show, week or day that the capacity is for.
    capacity
        Seats of the show, copies or portions.
    starts
        Minute of the day at which the show begins; -1 for books and dishes.
    """

    item: int
    period: int
    capacity: int
    starts: int = -1


@dataclass(frozen=True)
class Programme:
    """Offers of all venues of a town.

    Attributes
    ----------
    venues
        Sectors that offer items.
    seats
        Seats, or places at tables, of each venue by its number.
    windows
        Venue by tile, for the tiles outdoors that are a few steps from one; the lower number where there are two.
    items
        (M,) items of each kind, and in `log_counts` their (M,) log counts.
    """

    seed: int
    venues: tuple[Place, ...]
    seats: Mapping[int, int]
    windows: Mapping[int, int]
    items: Mapping[str, np.ndarray]
    log_counts: Mapping[str, np.ndarray]
    _stocks: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, town_map: TownMap, facts: ItemFacts, seed: int) -> Self:
        """Programme of the venues of a map with the items of a catalogue."""
        venues = tuple(place for place in town_map.places if place.level == "sector" and place.kind in VENUES)
        seats = {
            venue.number: max((town_map.places[room].capacity for room in town_map.children(venue.number)), default=0)
            for venue in venues
        }
        kind_N = facts.items["kind"].to_numpy()
        items = {kind: np.flatnonzero(kind_N == kind) for kind in KINDS}
        log_counts = {kind: np.log1p(facts.count_N[items[kind]].astype(np.float64)) for kind in KINDS}
        windows = {tile: venue.number for venue in reversed(venues) for tile in _outside(town_map, venue)}
        return cls(seed, venues, seats, windows, items, log_counts)

    def venue(self, place: int) -> Place | None:
        """The venue with that number, None where the place is none."""
        return next((venue for venue in self.venues if venue.number == place), None)

    def stock(self, venue: Place, day: int) -> tuple[int, ...]:
        """Items that a venue has on a day, popular ones more often than others."""
        kind = VENUES[venue.kind]
        key = venue.number, day // DAYS[kind]
        if key not in self._stocks:
            u_M = rng.uniform(self.seed, self.items[kind], step=key[1], purpose=f"stock of {venue.number}")[:, 0]
            # The greatest of log weight + Gumbel noise are drawn without repeats, in proportion to the weights.
            drawn_M = _POPULAR * self.log_counts[kind] - np.log(-np.log(np.clip(u_M, 1e-12, 1 - 1e-12)))
            order = np.argsort(-drawn_M, kind="stable")[: N_OFFERED[kind]]
            self._stocks[key] = tuple(self.items[kind][order].tolist())
        return self._stocks[key]

    def shows(self, venue: Place, day: int) -> list[Offer]:
        """Shows of a cinema on a day."""
        films = self.stock(venue, day)
        opens, closes = venue.hours or _HOURS
        last = (closes if closes > opens else closes + 1440) - SHOW_MINUTES
        first = -(-opens // SHOW_EVERY) * SHOW_EVERY
        seats = max(_FEWEST, self.seats[venue.number] * SHOW_EVERY // SHOW_MINUTES)
        starts = range(first, last + 1, SHOW_EVERY) if films else ()
        return [
            Offer(films[number % len(films)], day * 1440 + start, seats, start) for number, start in enumerate(starts)
        ]

    def on_offer(self, venue: Place, day: int, minute: int) -> list[Offer]:
        """Offers to a visitor at a minute of the day: shows that begin soon or have just begun, books, dishes."""
        kind = VENUES[venue.kind]
        if kind == "film":
            late = (self.shows(venue, day - 1), minute + 1440) if day else ([], 0)
            return [
                show
                for shows, now in (late, (self.shows(venue, day), minute))
                for show in shows
                if show.starts - _EARLY <= now <= show.starts + _LATE
            ]
        capacity = COPIES if kind == "book" else max(_FEWEST, self.seats[venue.number] // 2)
        period = day // DAYS[kind]
        return [Offer(item, period, capacity) for item in self.stock(venue, day)]

    def period(self, venue: Place, item: int, day: int, minute: int) -> int:
        """Period of an item taken at a minute of the day; -1: the venue did not offer it."""
        return next((offer.period for offer in self.on_offer(venue, day, minute) if offer.item == item), -1)

    def in_town(self, day: int) -> dict[str, np.ndarray]:
        """Items of each kind that some venue has on a day, ascending."""
        found: dict[str, set[int]] = {kind: set() for kind in KINDS}
        for venue in self.venues:
            found[VENUES[venue.kind]].update(self.stock(venue, day))
        return {kind: _ascending(items) for kind, items in found.items()}


def _outside(town_map: TownMap, venue: Place) -> list[int]:
    """Tiles outdoors from which the window of a venue is seen."""
    ys, xs = np.divmod(np.array(venue.tiles, dtype=np.int64), town_map.width)
    if not len(ys):
        return []
    rows = slice(max(int(ys.min()) - _WINDOW, 0), int(ys.max()) + _WINDOW + 1)
    columns = slice(max(int(xs.min()) - _WINDOW, 0), int(xs.max()) + _WINDOW + 1)
    is_outside = (town_map.sector_HW[rows, columns] < 0) & ~town_map.walls_HW[rows, columns]
    y, x = np.nonzero(is_outside)
    tiles: list[int] = ((y + rows.start) * town_map.width + x + columns.start).tolist()
    return tiles


def _ascending(items: Iterable[int]) -> np.ndarray:
    return np.array(sorted(items), dtype=np.int64)
