"""Residents of a town from the personas of a published simulation and a history.

    people = people_of(cast, town_map, history=[("Maria Lopez", "You and Klaus Mueller are close friends")])
    people.residents[0].wakes                  # 360, from "awakes up around 6am"

The published profiles are texts; hours of sleep, place of work, traits and ties are read from them by the rules of
this file, facts by those of `news`.

Shapes: A residents.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from recgpt.errors import DataError
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.published.fields import Fields, minute_of
from recgpt.simulate.worlds.town.published.news import facts_of
from recgpt.simulate.worlds.town.published.personas import Persona
from recgpt.simulate.worlds.town.residents import People, Resident, TieOfResidents

_TRAITS: dict[str, dict[str, float]] = {
    "extroversion": dict.fromkeys(("friendly", "outgoing", "enthusiastic", "hospitable", "cheerful", "loud"), 0.8)
    | dict.fromkeys(("shy", "quiet", "reserved", "reflective", "introverted"), 0.25),
    "agreeableness": dict.fromkeys(("kind", "helpful", "patient", "generous", "warm", "nurturing", "caring"), 0.8)
    | dict.fromkeys(("rude", "aggressive", "toxic", "competitive"), 0.2),
    "conscientiousness": dict.fromkeys(("organized", "reliable", "hardworking", "dedicated", "determined"), 0.8)
    | dict.fromkeys(("careless", "lazy", "chaotic"), 0.2),
    "openness": dict.fromkeys(("curious", "imaginative", "inquisitive", "open-minded", "creative"), 0.8)
    | dict.fromkeys(("conservative", "pragmatic"), 0.3),
}
"""Words of `innate` and the traits that they stand for."""
_TOPICS = {
    "politics": ("politic", "election", "mayor"),
    "party": ("party", "welcome", "entertain"),
    "art": ("art ", "artist", "artw", "paint", "photograph", "animation", "exhibition"),
    "music": ("music", "guitar", "composition"),
    "books": ("book", "novel", "writ", "literature", "poe", "read"),
    "science": ("physics", "chemistry", "math", "research", "sociology"),
    "sports": ("athlete", "competition", "sport"),
    "film": ("film", "series", "comed", "actor"),
}
_LABELS: tuple[tuple[str, float, float], ...] = (
    *(("husband", 1.0, 0.8), ("wife", 1.0, 0.8), ("mother", 1.0, 0.7), ("father", 1.0, 0.7), ("son", 1.0, 0.8)),
    *(("daughter", 1.0, 0.8), ("close friend", 0.9, 0.7), ("crush", 0.7, 0.9), ("friend", 0.7, 0.5)),
    *(("housemate", 0.8, 0.4), ("classmate", 0.5, 0.3), ("dormmate", 0.6, 0.3), ("colleague", 0.6, 0.3)),
    *(("neighbor", 0.5, 0.2), ("customer", 0.3, 0.2), ("professor", 0.4, 0.3), ("bartender", 0.3, 0.2)),
)
"""Words of a history: label of the tie, its familiarity and affinity."""
_DISLIKES = re.compile(r"don't (really )?(like|find)|do not like|rather not|annoying|coward|rude|strained|aggressive")


def people_of(
    cast: Mapping[str, Persona], town_map: TownMap, start: datetime, history: Sequence[tuple[str, str]] = ()
) -> People:
    """Residents in the order of acting.

    Parameters
    ----------
    cast
        Personas by name.
    start
        Time of the first tick.
    history
        Name and sentence of each entry.

    Raises
    ------
    DataError
        A persona lives in no room of the map.
    """
    names = list(cast)
    told = [tuple(text for name, text in history if name == each) for each in names]
    homes = [_home(persona, town_map) for persona in cast.values()]
    households = {home: number for number, home in enumerate(dict.fromkeys(home for home, _ in homes))}
    taken: set[int] = set()
    residents = []
    for persona, (home, room), sentences in zip(cast.values(), homes, told, strict=True):
        bed = _bed(room, town_map, taken)
        residents.append(_resident(persona, town_map, home, bed, households[home], sentences))
    ties = tuple(tie for agent, sentences in enumerate(told) for text in sentences for tie in _ties(agent, text, names))
    return People(
        tuple(residents),
        _strongest(ties),
        facts_of(residents, tuple(cast.values()), town_map, start, told),
        tuple(told),
    )


def _home(persona: Persona, town_map: TownMap) -> tuple[int, int]:
    """Sector and room where a persona lives."""
    area = persona.scratch["living_area"]
    where = f"{persona.name}: living_area"
    try:
        room = next(place.number for place in town_map.places if town_map.address(place.number) == area)
    except StopIteration:
        rooms = [town_map.address(place.number) for place in town_map.places if place.level == "arena"]
        raise DataError(f"{where}={area!r} is no room of {town_map.name}: choose among {', '.join(rooms)}") from None
    return town_map.sector_of(room), room


def _bed(room: int, town_map: TownMap, taken: set[int]) -> int:
    """A free bed of a room, else a shared one, else its first object, else the room."""
    objects = town_map.children(room)
    beds = [each for each in objects if "bed" in town_map.places[each].name.split()] or list(objects) or [room]
    bed = next((each for each in beds if each not in taken), beds[0])
    taken.add(bed)
    return bed


def _resident(
    persona: Persona, town_map: TownMap, home: int, bed: int, household: int, sentences: Sequence[str]
) -> Resident:
    fields = Fields(persona.scratch, persona.name)
    innate, learned, lifestyle = (fields.text(key) for key in ("innate", "learned", "lifestyle"))
    currently, duty = fields.text("currently"), fields.text("daily_plan_req")
    words = " ".join((learned, currently, duty, *sentences)).lower()
    sleeps, _, wakes = lifestyle.partition("awake")
    return Resident(
        name=persona.name,
        age=fields.whole("age", 0, 150),
        innate=innate,
        learned=learned,
        currently=currently,
        lifestyle=lifestyle,
        daily_plan_req=duty,
        household=household,
        home=home,
        bed=bed,
        work=_work((learned, duty), town_map, home),
        wakes=minute_of(wakes, 360),
        sleeps=minute_of(sleeps, 1380),
        extroversion=_trait("extroversion", innate),
        agreeableness=_trait("agreeableness", innate),
        conscientiousness=_trait("conscientiousness", innate),
        openness=_trait("openness", innate),
        interests=tuple(topic for topic, stems in _TOPICS.items() if _begins_a_word(stems, words)),
        vision_r=fields.whole("vision_r", 0, 1000),
        att_bandwidth=fields.whole("att_bandwidth", 0, 1000),
        retention=fields.whole("retention", 0, 1000),
    )


def _trait(trait: str, innate: str) -> float:
    """Mean of the words that stand for a trait; .5 without any."""
    values = [_TRAITS[trait][low] for word in innate.split(",") if (low := word.strip().lower()) in _TRAITS[trait]]
    return sum(values) / len(values) if values else 0.5


def _work(texts: Sequence[str], town_map: TownMap, home: int) -> int:
    """First sector outside of the home that the background names, else the duty of the day; -1: none."""
    sectors = [place for place in town_map.places if place.level == "sector" and place.number != home]
    for text in texts:
        low = text.lower().replace("willow market", "willows market")  # as the shipped profiles spell it
        named = [(low.find(place.name.lower()), place.number) for place in sectors if place.name.lower() in low]
        if named:
            return min(named)[1]
    return -1


def _ties(agent: int, text: str, names: Sequence[str]) -> list[TieOfResidents]:
    """Ties to all others that a sentence names."""
    others = [other for other, name in enumerate(names) if other != agent and name in text]
    low = text.lower()
    label, familiarity, affinity = next(
        (each for each in _LABELS if _begins_a_word((each[0],), low)), ("acquaintance", 0.4, 0.1)
    )
    if _DISLIKES.search(low):
        affinity = -0.5
    return [TieOfResidents(agent, other, label, familiarity, affinity, text) for other in others]


def _begins_a_word(stems: Sequence[str], text: str) -> bool:
    """Whether a word of a text begins with one of the stems."""
    return any(re.search(rf"\b{stem}", text) for stem in stems)


def _strongest(ties: Sequence[TieOfResidents]) -> tuple[TieOfResidents, ...]:
    """One tie a pair and direction: the most familiar, with the affinity of a dislike if a sentence has one."""
    found: dict[tuple[int, int], TieOfResidents] = {}
    for tie in ties:
        known = found.setdefault((tie.agent, tie.other), tie)
        best = max(known, tie, key=lambda each: each.familiarity)
        worst = min(known.affinity, tie.affinity)
        found[tie.agent, tie.other] = replace(best, affinity=worst if worst < 0 else best.affinity)
    return tuple(found[pair] for pair in sorted(found))
