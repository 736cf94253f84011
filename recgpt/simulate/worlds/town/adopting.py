"""Items in the day of a resident: the page on the phone, windows, venues, word of mouth, opinions afterwards.

    events = looked_at(scene, mind, notes)            # on the phone: `shown` and `wished`
    events = at_venue(scene, mind, notes, sold=sold)       # `adopted` or `turned_away`

Each function decides for one resident at a tick and returns its events. Seats, copies and portions are counted from
the items taken at the venue before the block, and by residents in sight since: events elsewhere in the meantime
decide nothing here, so that residents far from each other can be decided out of order.
"""

from collections.abc import Iterable, Mapping

from recgpt.simulate.worlds.town.activities import BOOKSHOP, CINEMA, COFFEE, DINING, DRINKS
from recgpt.simulate.worlds.town.events import Event
from recgpt.simulate.worlds.town.life import Source
from recgpt.simulate.worlds.town.minds import leisure
from recgpt.simulate.worlds.town.minds.base import Chosen, Mind, Notes, Scene
from recgpt.simulate.worlds.town.places import Place
from recgpt.simulate.worlds.town.programme import Offer, Programme

VISITS = (CINEMA, BOOKSHOP, DINING, COFFEE, DRINKS)
"""Activities in which a resident takes an item of the venue."""
Sold = dict[tuple[int, int, int], int]
"""Items taken by venue, item and period, see `Offer`."""
_RATED_AFTER = {"film": 100, "book": 1440, "dish": 15}  # minutes
_SERVED_FOR = {"film": 150, "book": 60, "dish": 90}  # minutes after an item in which no other of its kind is taken
_TRIES = 2  # items wanted at a venue, the first of them being sold out


# --- wishes ---


def looked_at(scene: Scene, mind: Mind, notes: Notes) -> list[Event]:
    """Events of a look at the phone: the page of the day, wishes, and a search of its own."""
    if scene.setting.catalogue is None:
        return []
    page = list(scene.life.page)
    shown = [Event(scene.tick, scene.agent, "shown", item=item, slot=slot) for slot, item in enumerate(page)]
    wanted = list(mind.browse(scene, page, notes)) if page else []
    found = leisure.search(scene)
    if found is not None and found.item not in {each.item for each in wanted}:
        wanted.append(found)
    return shown + _wished(scene, wanted)


def on_the_way(scene: Scene) -> list[Event]:
    """Events of a walk that has just ended: items seen in the windows of the venues passed."""
    catalogue, town_map = scene.setting.catalogue, scene.setting.map
    if catalogue is None:
        return []
    goal = int(town_map.sector_HW.flat[scene.tile])
    windows = catalogue.programme.windows
    passed = {windows[tile] for tile in scene.life.path if tile in windows} - {goal}
    wanted: dict[int, Chosen] = {}
    for venue in catalogue.programme.venues:
        if venue.number in passed:
            items = catalogue.programme.stock(venue, scene.day)
            wanted |= {each.item: each for each in leisure.noticed(scene, items, venue.number)}
    return _wished(scene, wanted.values())


def heard(scene: Scene, teller: int, item: int, opinion: float) -> list[Event]:
    """Events of a recommendation that the resident has just heard."""
    if not leisure.persuaded(scene, teller, item, opinion):
        return []
    return _wished(scene, [Chosen(item, Source.FRIEND, teller)])


def _wished(scene: Scene, chosen: Iterable[Chosen]) -> list[Event]:
    return [
        Event(
            scene.tick,
            scene.agent,
            "wished",
            item=each.item,
            slot=int(each.source),
            other=each.other if each.other >= 0 else None,
        )
        for each in chosen
    ]


# --- at a venue ---


def at_venue(scene: Scene, mind: Mind, notes: Notes, *, sold: Mapping[tuple[int, int, int], int]) -> list[Event]:
    """Events of a resident that has just arrived: the item that it takes, and items that were sold out.

    Parameters
    ----------
    sold
        Counts at the start of the block.
    """
    venue = _venue(scene)
    if venue is None or scene.setting.catalogue is None:
        return []
    events: list[Event] = []
    offers = scene.setting.catalogue.programme.on_offer(venue, scene.day, scene.minute)
    if offers and _is_served(scene, scene.setting.catalogue.kinds[offers[0].item]):
        return []
    for _ in range(_TRIES):
        chosen = mind.choose(scene, venue.number, [offer.item for offer in offers], notes) if offers else None
        if chosen is None:
            break
        offer = next(each for each in offers if each.item == chosen.item)
        if _left(scene, venue, offer, sold) > 0:
            source, other = int(chosen.source), chosen.other if chosen.other >= 0 else None
            events.append(Event(scene.tick, scene.agent, "adopted", other, offer.item, venue.number, source))
            break
        events.append(Event(scene.tick, scene.agent, "turned_away", item=offer.item, place=venue.number))
        offers = [each for each in offers if each.item != offer.item]
    return events


def add_sold(sold: Sold, programme: Programme, event: Event, day: int, minute: int) -> None:
    """Count an `adopted` event."""
    venue = programme.venue(-1 if event.place is None else event.place)
    item = -1 if event.item is None else event.item
    if venue is not None:
        key = venue.number, item, programme.period(venue, item, day, minute)
        sold[key] = sold.get(key, 0) + 1


def _venue(scene: Scene) -> Place | None:
    """Venue at which the resident takes an item now; None elsewhere."""
    action, catalogue = scene.life.action, scene.setting.catalogue
    if action.activity not in VISITS or action.place < 0 or catalogue is None:
        return None
    return catalogue.programme.venue(scene.setting.map.sector_of(action.place))


def _is_served(scene: Scene, kind: str) -> bool:
    """Whether the resident took an item of this kind a moment ago, and is back after a talk."""
    if scene.setting.catalogue is None:
        return False
    kinds, since = scene.setting.catalogue.kinds, scene.tick - _SERVED_FOR[kind] * 60 / scene.rules.seconds_per_tick
    return any(kinds[item] == kind and taken.tick > since for item, taken in scene.life.adopted.items())


def _left(scene: Scene, venue: Place, offer: Offer, sold: Mapping[tuple[int, int, int], int]) -> int:
    """Seats, copies or portions left, as the resident sees them."""
    begins = scene.tick - scene.tick % scene.rules.ticks_per_block
    since = sum(
        taken is not None and taken.tick >= begins
        for taken in (scene.lives[other].adopted.get(offer.item) for other in scene.near)
    )
    return offer.capacity - sold.get((venue.number, offer.item, offer.period), 0) - since


# --- afterwards ---


def opinions(scene: Scene, mind: Mind, notes: Notes) -> list[Event]:
    """Events of opinions that are due: after the film, the meal, or a day with the book."""
    catalogue = scene.setting.catalogue
    if catalogue is None:
        return []
    events = []
    for item, adoption in scene.life.adopted.items():
        minutes = (scene.tick - adoption.tick) * scene.rules.seconds_per_tick / 60
        if not adoption.stars and minutes >= _RATED_AFTER[catalogue.kinds[item]]:
            rating = mind.rate(scene, item, notes)
            stars, review = float(rating.stars), rating.review or None
            events.append(Event(scene.tick, scene.agent, "rated", item=item, value=stars, text=review))
    return events
