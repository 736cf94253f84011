"""Facts of drawn towns: a candidacy, gatherings, news and secrets, in proportion to the residents.

facts = draw_facts(residents, ties, town_map, start_time, seed=7)
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.procedural.draws import Draws
from recgpt.simulate.worlds.town.procedural.households import RETIRES_AT, STUDIES_FROM
from recgpt.simulate.worlds.town.residents import Fact, Resident, TieOfResidents

MOST = {"gathering": 60, "news": 80, "secret": 60}
EACH = {"gathering": 40, "news": 8, "secret": 10}
"""Residents for each fact of a kind, and the most facts of it."""
_DAY = 24 * 60
_GATHERINGS: tuple[tuple[str, str, str, int, int, int], ...] = (
    ("cafe", "gives a party at {place}", "parties", 17 * 60, 180, 0),
    ("bookshop", "reads from new poems at {place}", "poetry", 17 * 60 + 30, 75, 12),
    ("bar", "plays songs at {place}", "music", 20 * 60 + 30, 90, 0),
    ("park", "invites to a game of football at {place}", "sport", 15 * 60, 90, 0),
    ("hall", "gives a talk on the history of the town at {place}", "history", 18 * 60, 90, 0),
    ("library", "leads a circle on novels at {place}", "literature", 18 * 60, 90, 10),
)
"""Kind of place, what is done there, topic, minute of the day, minutes, capacity."""
_NEWS: tuple[tuple[str, str], ...] = (
    ("has found an old map of {town}", "history"),
    ("has adopted a dog and looks for a name", "animals"),
    ("is learning to play the {instrument}", "music"),
    ("wants to open a stall for soup", "cooking"),
    ("has won a race in the next town", "sport"),
    ("looks for people to plant trees in {town}", "gardening"),
    ("has seen an actor of the new film in the street", "film"),
    ("collects signatures for a footbridge over the river", "politics"),
    ("is giving away a box of novels", "literature"),
    ("has built a telescope", "science fiction"),
)
_SECRETS: tuple[tuple[str, str], ...] = (
    ("thinks of moving away from {town}", "travel"),
    ("writes poems under another name", "poetry"),
    ("has been offered another job", "business"),
    ("is in love and has told no one", "romance"),
    ("has lost money at cards", "business"),
    ("has applied to a school of art", "art"),
)
_INSTRUMENTS = ("trumpet", "cello", "accordion", "harp", "drums", "flute")


def draw_facts(
    residents: Sequence[Resident],
    ties: Sequence[TieOfResidents],
    town_map: TownMap,
    start_time: datetime,
    seed: int,
) -> tuple[Fact, ...]:
    """Facts and who knows them before the first tick."""
    draws = Draws(seed, "facts")
    adults = [number for number, resident in enumerate(residents) if resident.age >= STUDIES_FROM]
    close: dict[int, list[int]] = defaultdict(list)
    for tie in ties:
        if tie.familiarity >= 0.7:
            close[tie.agent].append(tie.other)
    facts = [_candidacy(residents, adults, draws)]
    facts += _gatherings(residents, adults, town_map, start_time, draws)
    for kind, texts, importance in (("news", _NEWS, 4.0), ("secret", _SECRETS, 7.0)):
        for number in range(min(MOST[kind], round(len(residents) / EACH[kind]))):
            about = draws.pick(adults)
            text, topic = texts[number % len(texts)]
            filled = text.format(town=town_map.name, instrument=draws.pick(_INSTRUMENTS))
            known = tuple(sorted({about, *draws.sample(close[about], draws.below(2))}))
            sentence = f"{residents[about].name} {filled}"
            if all(fact.text != sentence for fact in facts):
                facts.append(Fact("news" if kind == "news" else "secret", about, known, sentence, topic, importance))
    return tuple(facts)


def _candidacy(residents: Sequence[Resident], adults: Sequence[int], draws: Draws) -> Fact:
    able = [number for number in adults if residents[number].age < RETIRES_AT] or list(adults)
    about = max(draws.sample(able, 8), key=lambda number: residents[number].extroversion)
    return Fact("candidacy", about, (about,), f"{residents[about].name} is running for mayor", "politics", 8.0)


def _gatherings(
    residents: Sequence[Resident], adults: Sequence[int], town_map: TownMap, start_time: datetime, draws: Draws
) -> list[Fact]:
    sectors = [place for place in town_map.places if place.level == "sector"]
    facts: list[Fact] = []
    taken: set[tuple[int, int]] = set()
    for number in range(max(1, min(MOST["gathering"], round(len(residents) / EACH["gathering"])))):
        kind, text, topic, minute, minutes, capacity = _GATHERINGS[number % len(_GATHERINGS)]
        places = [place for place in sectors if place.kind == kind]
        if not places:
            continue
        place, day = draws.pick(places), 1 if number == 0 else draws.between(0, 2)
        starts = day * _DAY + minute - (start_time.hour * 60 + start_time.minute)
        if (place.number, day) in taken or starts < 8 * 60:
            continue
        taken.add((place.number, day))
        about = draws.pick(adults)
        moment = start_time + timedelta(minutes=starts)
        until = moment + timedelta(minutes=minutes)
        when = f"on {moment:%A}, {moment:%B} {moment.day} from {moment:%H:%M} to {until:%H:%M}"
        sentence = f"{residents[about].name} {text.format(place=place.name)} {when}"
        facts.append(Fact("gathering", about, (about,), sentence, topic, 7.0, place.number, starts, minutes, capacity))
    return facts
