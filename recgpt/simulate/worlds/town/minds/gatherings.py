"""Gatherings that a resident keeps: its own ones, and invitations that it accepted.

gatherings_of(scene, venues, scene.day, no_show=0.3)
"""

from dataclasses import dataclass

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.minds.venues import Venues, the
from recgpt.simulate.worlds.town.residents import Fact

DAY = 1440


@dataclass(frozen=True, slots=True)
class Due:
    """A gathering of a day: start and end in minutes of the day, minutes of the walk, words."""

    fact: int
    start: int
    end: int
    place: int
    walk: int
    hosts: bool
    text: str


def gatherings_of(scene: Scene, venues: Venues, day: int, no_show: float) -> tuple[Due, ...]:
    """Gatherings of a day of the run, by start; `no_show` as in `parameters.Day`."""
    found = []
    for number in _kept(scene):
        fact = scene.setting.people.facts[number]
        start = _start(scene, fact)
        if start // DAY == day and (fact.about == scene.agent or not _misses(scene, number, no_show)):
            found.append(_due(scene, venues, number, fact, start % DAY))
    return tuple(sorted(found, key=lambda due: (due.start, due.fact)))


def _kept(scene: Scene) -> list[int]:
    """Facts of gatherings that the resident hosts or agreed to attend."""
    life, facts = scene.life, scene.setting.people.facts
    hosted = [each for each in life.facts if facts[each].kind == "gathering" and facts[each].about == scene.agent]
    agreed = [each for each, yes in life.appointments.items() if yes and facts[each].kind == "gathering"]
    return sorted({*hosted, *agreed})


def _start(scene: Scene, fact: Fact) -> int:
    """Minutes from midnight of the first day."""
    begins = scene.rules.start_time
    return fact.starts + begins.hour * 60 + begins.minute


def _misses(scene: Scene, fact: int, share: float) -> bool:
    """Whether the resident forgets it, more likely for the less conscientious."""
    drawn = rng.uniform(scene.seed, np.array([scene.agent]), step=fact, purpose="town no show")[0, 0]
    return bool(drawn < share * (1 - scene.resident.conscientiousness))


def _due(scene: Scene, venues: Venues, number: int, fact: Fact, start: int) -> Due:
    town_map = scene.setting.map
    sector = town_map.sector_of(fact.place) if fact.place >= 0 else scene.resident.home
    walk = round(venues.tiles_to(scene.tile, sector) * scene.rules.seconds_per_tick / 60)
    host = scene.setting.people.residents[fact.about].first_name if fact.about >= 0 else ""
    whose = "the gathering" if fact.about == scene.agent else f"{host}'s gathering" if host else "the gathering"
    place = fact.place if fact.place >= 0 else scene.resident.home
    text = f"{whose} at {the(town_map.places[sector].name)}"
    return Due(number, start, min(start + fact.minutes, DAY), place, walk, fact.about == scene.agent, text)
