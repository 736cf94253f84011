"""Texts of drawn people: traits, background, concern, sleep, duty and memories.

fields = texts_of(sketch, town_map, draws)           # innate, learned, currently, lifestyle, daily_plan_req
sentences = history_of(sketch, town_map, draws)
"""

from dataclasses import dataclass

from recgpt.simulate.worlds.town.occupations import OCCUPATIONS
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.procedural.draws import Draws
from recgpt.simulate.worlds.town.procedural.words import TRAITS


@dataclass(frozen=True)
class Sketch:
    """What texts are made from: a person's name, age, home, job, sleep, traits and interests."""

    name: str
    age: int
    home: int
    occupation: str
    work: int
    wakes: int
    sleeps: int
    traits: dict[str, float]
    interests: tuple[str, ...]


_CONCERNS = (
    "{name} wants to spend more time on {first}, and looks for people who like it too.",
    "{name} thinks about learning more of {first} this year.",
    "{name} would like to get to know more people in {town}.",
    "{name} saves for a journey and talks about {first} with everybody.",
    "{name} is putting the flat in order and wants evenings with {second} again.",
    "{name} would like to sleep better and to walk more, and is curious about new {second}.",
)
_PASTS = (
    "{name} moved to {town} {years} years ago.",
    "{name} was born in {town} and knows every street of it.",
    "{name} came to {town} as a child.",
    "{name} has lived in {town} for {years} years.",
)
_MEMORIES = (
    "{name} spent most of last weekend on {first}.",
    "{name} once won a small prize in {first}.",
    "{name} keeps a notebook about {second}.",
    "{name} was at {park} last Sunday and met nobody.",
    "{name} likes {cafe} best in the morning.",
    "{name} promised to lend somebody a book about {second}.",
    "{name} still thinks of the storm that took the roof of {hall}.",
    "{name} has been meaning to go to {cinema} for weeks.",
)
_MENTIONED = ("park", "cafe", "hall", "cinema")
_AT_HOME = {"retired": "is retired", "none": "is looking for work", "homemaker": "keeps house"}


class Texts:
    """Texts of the people of a map."""

    def __init__(self, town_map: TownMap) -> None:
        self._map = town_map
        sectors = [place for place in town_map.places if place.level == "sector"]
        self._named = {kind: [place.name for place in sectors if place.kind == kind] for kind in _MENTIONED}
        self._memories = [
            text for text in _MEMORIES if all(self._named[kind] for kind in _MENTIONED if f"{{{kind}}}" in text)
        ]

    def profile(self, sketch: Sketch, draws: Draws) -> dict[str, str]:
        """Texts of the published profile."""
        name, filled = sketch.name, self._filled(sketch, draws)
        past, liked = draws.pick(_PASTS).format(**filled), " and ".join(sketch.interests[:2])
        return {
            "innate": ", ".join(_innate(sketch.traits, draws)),
            "learned": f"{name} {self._job(sketch)}. {past} {name} likes {liked}.",
            "currently": draws.pick(_CONCERNS).format(**filled),
            "lifestyle": f"{name} gets up around {clock(sketch.wakes)} and goes to bed around {clock(sketch.sleeps)}.",
            "daily_plan_req": self._duty(sketch) or f"{name} has the day free in {self._map.name}.",
        }

    def memories(self, sketch: Sketch, draws: Draws) -> tuple[str, ...]:
        """Sentences of a person's memory before the first tick."""
        filled = self._filled(sketch, draws)
        return tuple(text.format(**filled) for text in draws.sample(self._memories, 3))

    def _filled(self, sketch: Sketch, draws: Draws) -> dict[str, str]:
        years = draws.between(2, max(2, min(sketch.age - 17, 40)))
        return {
            **{"name": sketch.name, "town": self._map.name, "years": str(years)},
            **{"first": sketch.interests[0], "second": sketch.interests[-1]},
            **{kind: draws.pick(named) if named else "" for kind, named in self._named.items()},
        }

    def _job(self, sketch: Sketch) -> str:
        if sketch.occupation in _AT_HOME:
            return _AT_HOME[sketch.occupation]
        where = f" at {self._map.places[sketch.work].name}" if sketch.work >= 0 else " and works at home"
        article = "an" if sketch.occupation[0] in "aeiou" else "a"
        return f"is {article} {sketch.occupation}{where}"

    def _duty(self, sketch: Sketch) -> str:
        occupation = OCCUPATIONS[sketch.occupation]
        if not occupation.tasks:
            return ""
        where = self._map.places[sketch.work].name if sketch.work >= 0 else "home"
        opens, closes = (clock(minute) for minute in occupation.hours)
        return f"{sketch.name} is at {where} as {sketch.occupation} from {opens} to {closes}."


def clock(minute: int) -> str:
    """Time of day such as 6:30."""
    return f"{minute // 60 % 24}:{minute % 60:02d}"


def _innate(traits: dict[str, float], draws: Draws) -> list[str]:
    """Words of the three most marked traits."""
    marked = sorted(traits, key=lambda trait: -abs(traits[trait] - 0.5))[:3]
    return [draws.pick(TRAITS[trait][traits[trait] >= 0.5]) for trait in marked]
