"""People drawn for a map: households in its homes, jobs at its places, names, traits, ties, memories and facts.

    people = draw_people(town_map, 25, seed=7)

Homes are filled in the order of their households, each up to its beds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.occupations import OCCUPATIONS
from recgpt.simulate.worlds.town.people import beds_of, check_people
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.procedural.draws import Draws
from recgpt.simulate.worlds.town.procedural.households import Member, compose
from recgpt.simulate.worlds.town.procedural.jobs import Job, assign
from recgpt.simulate.worlds.town.procedural.news import draw_facts
from recgpt.simulate.worlds.town.procedural.texts import Sketch, Texts
from recgpt.simulate.worlds.town.procedural.ties import draw_ties
from recgpt.simulate.worlds.town.procedural.words import FIRST_NAMES, INTERESTS, LAST_NAMES
from recgpt.simulate.worlds.town.residents import People, Resident

TRAITS = ("extroversion", "agreeableness", "conscientiousness", "openness")
_LATEST_WAKING, _EARLIEST_WAKING = 9 * 60, 4 * 60 + 30


class _Bed(NamedTuple):
    """A bed and the home that it is in."""

    home: int
    bed: int


def draw_people(town_map: TownMap, n: int, seed: int, *, start_time: datetime | None = None) -> People:
    """`n` people on a map with homes.

    Parameters
    ----------
    start_time
        Of the run. None: the default of `TownRules`.

    Raises
    ------
    SimulationError
        The map has too few beds.
    """
    groups = _filled_homes(town_map, n)
    draws = Draws(seed, "households")
    names = _Names(seed)
    members: list[Member] = []
    beds: list[_Bed] = []
    called: list[str] = []
    for group in groups:
        household = compose(len(group), draws)
        members += household
        beds += group
        called += names.household(household)
    jobs = assign(members, town_map, Draws(seed, "jobs"))
    sketches = _sketches(members, beds, jobs, called, seed)
    residents = _residents(sketches, beds, town_map, seed)
    ties = draw_ties(residents, members, town_map, seed)
    facts = draw_facts(residents, ties, town_map, start_time or TownRules().start_time, seed)
    people = People(residents, ties, facts, _histories(sketches, town_map, seed))
    check_people(people, town_map)
    return people


def _filled_homes(town_map: TownMap, n: int) -> list[list[_Bed]]:
    homes = [place for place in town_map.places if place.level == "sector" and place.kind == "home"]
    groups, left = [], n
    for home in sorted(homes, key=lambda place: (place.owner, place.number)):
        group = [_Bed(home.number, bed) for bed in beds_of(town_map, home.number)[:left]]
        left -= len(group)
        groups += [group] if group else []
    if left:
        raise SimulationError(
            f"{town_map.name} has {n - left} beds for {n} people: add beds to the plan, or choose people={n - left}"
        )
    return groups


# --- names ---


class _Names:
    """Names that no two people share."""

    def __init__(self, seed: int) -> None:
        self._draws, self._used = Draws(seed, "names"), set[str]()

    def household(self, members: Sequence[Member]) -> list[str]:
        """Names of a household, one family name but for housemates."""
        family = self._draws.pick(LAST_NAMES)
        found: list[str] = []
        for member in members:
            last = self._draws.pick(LAST_NAMES) if member.role == "housemate" else family
            found.append(self._free(last, {name.split()[0] for name in found}))
        return found

    def _free(self, last: str, firsts: set[str]) -> str:
        while True:
            first = self._draws.pick(FIRST_NAMES)
            if f"{first} {last}" not in self._used and first not in firsts:
                self._used.add(f"{first} {last}")
                return f"{first} {last}"
            last = last if self._draws.share() < 0.9 else self._draws.pick(LAST_NAMES)


# --- residents ---


def _sketches(
    members: Sequence[Member], beds: Sequence[_Bed], jobs: Sequence[Job], names: Sequence[str], seed: int
) -> list[Sketch]:
    draws, sketches = Draws(seed, "traits"), []
    for member, bed, (occupation, work), name in zip(members, beds, jobs, names, strict=True):
        traits = {trait: draws.trait() for trait in TRAITS}
        interests: list[str] = []
        while len(interests) < 3 + (traits["openness"] > 0.5):
            drawn = draws.weighted(INTERESTS)
            interests += [drawn] if drawn not in interests else []
        wakes, sleeps = _sleep(member, occupation, traits["conscientiousness"], draws)
        sketches.append(Sketch(name, member.age, bed.home, occupation, work, wakes, sleeps, traits, tuple(interests)))
    return sketches


def _sleep(member: Member, occupation: str, conscientiousness: float, draws: Draws) -> tuple[int, int]:
    """Minutes of the day of waking and of going to bed: an hour or more before work, seven to nine hours of sleep."""
    known = OCCUPATIONS[occupation]
    begins, ends = known.hours if known.tasks else (9 * 60, 17 * 60)
    wakes = begins - 60 - 5 * draws.between(0, 9) - round(30 * (conscientiousness - 0.5))
    wakes = min(max(wakes, _EARLIEST_WAKING), _LATEST_WAKING)
    hours = 9.5 if member.age < 13 else 8.5 if member.age < 18 else 8.0 if member.age < 66 else 7.5
    sleeps = wakes + 24 * 60 - round(60 * hours) - 5 * draws.between(0, 6)
    sleeps = max(sleeps, ends + 60)
    return 5 * (wakes // 5), min(5 * (sleeps // 5), 24 * 60 - 5)


def _residents(sketches: Sequence[Sketch], beds: Sequence[_Bed], town_map: TownMap, seed: int) -> tuple[Resident, ...]:
    draws, texts = Draws(seed, "texts"), Texts(town_map)
    return tuple(
        _resident(sketch, bed, town_map, texts.profile(sketch, draws))
        for sketch, bed in zip(sketches, beds, strict=True)
    )


def _resident(sketch: Sketch, bed: _Bed, town_map: TownMap, profile: dict[str, str]) -> Resident:
    values: dict[str, Any] = {**profile, **sketch.traits}
    return Resident(
        name=sketch.name,
        age=sketch.age,
        household=town_map.places[bed.home].owner,
        home=bed.home,
        bed=bed.bed,
        work=sketch.work,
        occupation=sketch.occupation,
        wakes=sketch.wakes,
        sleeps=sketch.sleeps,
        interests=sketch.interests,
        **values,
    )


def _histories(sketches: Sequence[Sketch], town_map: TownMap, seed: int) -> tuple[tuple[str, ...], ...]:
    draws, texts = Draws(seed, "histories"), Texts(town_map)
    return tuple(texts.memories(sketch, draws) for sketch in sketches)
