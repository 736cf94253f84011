"""Residents of our own town, Hazelbrook, read from `towns/default_people.json` and placed on a map.

    people = load_people(town_map, n=25)
    people.residents[0].name                             # Nora Whitlock, who gives the party

The file names homes, places of work and of gatherings by sector; beds are dealt in the order of the file. A smaller
town has the first residents of the file, without ties, memories and facts about absent ones.

Shapes: A residents.
"""

from datetime import datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import Field

from recgpt.bounds import parse_json
from recgpt.config import Config
from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.places import Place, TownMap
from recgpt.simulate.worlds.town.residents import Fact, FactKind, People, Resident, TieOfResidents

Share = Annotated[float, Field(ge=0, le=1)]
Affinity = Annotated[float, Field(ge=-1, le=1)]
Texts = tuple[str, ...]


class _Profile(Config):
    """A resident in the file; texts, traits and interests as in `Resident`."""

    name: str = Field(min_length=1)
    age: int = Field(ge=0, le=120)
    home: str
    work: str
    occupation: str
    wakes: time
    sleeps: time
    extroversion: Share
    agreeableness: Share
    conscientiousness: Share
    openness: Share
    innate: str
    learned: str
    currently: str
    lifestyle: str
    daily_plan_req: str
    interests: Texts
    history: Texts


class _Tie(Config):
    """What two residents are to each other: labels, affinities and texts of the first, then of the second."""

    pair: tuple[str, str]
    labels: tuple[str, str]
    familiarity: Share
    affinity: tuple[Affinity, Affinity]
    texts: tuple[str, str]


class _News(Config):
    """A fact in the file; `{day}` in its text stands for the day of `starts`, such as `day 1 17:00`."""

    kind: FactKind
    about: str
    known_by: Texts
    text: str
    topic: str
    importance: float = Field(ge=1, le=10)
    place: str = ""
    starts: str = Field(default="", pattern=r"^(day \d+ \d\d:\d\d)?$")
    minutes: int = Field(default=0, ge=0)
    capacity: int = Field(default=0, ge=0)


class _PeopleFile(Config):
    """The whole file."""

    residents: tuple[_Profile, ...]
    ties: tuple[_Tie, ...]
    facts: tuple[_News, ...]


@cache
def _file() -> _PeopleFile:
    text = files("recgpt.simulate.worlds.town").joinpath("towns", "default_people.json").read_text(encoding="utf-8")
    return _PeopleFile.model_validate(parse_json(text, "towns/default_people.json"))


def load_people(town_map: TownMap, n: int = 25, *, start_time: datetime | None = None) -> People:
    """The first `n` residents of Hazelbrook, at home on a map that has its sectors.

    Parameters
    ----------
    start_time
        Of the run; gatherings that began before it are left out. None: the default of `TownRules`.

    Raises
    ------
    SimulationError
        There are fewer residents, or the map lacks a home, a bed, a place of work or of a gathering.
    """
    read = _file()
    if not 1 <= n <= len(read.residents):
        raise SimulationError(
            f"the default town has {len(read.residents)} residents, not {n}: choose 1 to {len(read.residents)}, or the"
            " town procedural for more"
        )
    profiles = read.residents[:n]
    numbers = {profile.name: number for number, profile in enumerate(profiles)}
    absent = tuple(profile.name for profile in read.residents[n:])
    people = People(
        _placed(profiles, town_map),
        _ties(read.ties, numbers),
        _facts(read.facts, numbers, town_map, start_time or TownRules().start_time),
        tuple(_without(absent, profile.history) for profile in profiles),
    )
    check_people(people, town_map)
    return people


def _placed(profiles: tuple[_Profile, ...], town_map: TownMap) -> tuple[Resident, ...]:
    dealt: dict[int, int] = {}
    residents = []
    for profile in profiles:
        home = _sector(town_map, profile.home)
        beds, place = beds_of(town_map, home), dealt.get(home, 0)
        if place >= len(beds):
            raise SimulationError(
                f"{profile.home} has no bed for {profile.name}, only {len(beds)}: add one to the plan of the map"
            )
        dealt[home] = place + 1
        fields = profile.model_dump(exclude={"home", "work", "history", "wakes", "sleeps"})
        residents.append(
            Resident(
                **fields,
                household=town_map.places[home].owner,
                home=home,
                bed=beds[place],
                work=_sector(town_map, profile.work) if profile.work else -1,
                wakes=_minute(profile.wakes),
                sleeps=_minute(profile.sleeps),
            )
        )
    return tuple(residents)


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _sector(town_map: TownMap, name: str) -> int:
    return town_map.place_of(f"{town_map.name}:{name}")


def beds_of(town_map: TownMap, home: int) -> tuple[int, ...]:
    """Beds in a home, in the order of their numbers."""
    rooms = town_map.children(home)
    objects = [town_map.places[number] for room in rooms for number in town_map.children(room)]
    return tuple(sorted(place.number for place in objects if is_bed(place)))


def is_bed(place: Place) -> bool:
    """Whether a place is an object to sleep in: `bed`, `bed 2`, `Nora's bed`, not `flower bed`."""
    words = place.name.lower().split()
    return place.level == "object" and "bed" in words and "flower" not in words


def _ties(ties: tuple[_Tie, ...], numbers: dict[str, int]) -> tuple[TieOfResidents, ...]:
    found = []
    for tie in ties:
        if not all(name in numbers for name in tie.pair):
            continue
        first, second = (numbers[name] for name in tie.pair)
        for agent, other, side in ((first, second, 0), (second, first, 1)):
            found.append(
                TieOfResidents(agent, other, tie.labels[side], tie.familiarity, tie.affinity[side], tie.texts[side])
            )
    return tuple(sorted(found, key=lambda tie: (tie.agent, tie.other)))


def _facts(
    news: tuple[_News, ...], numbers: dict[str, int], town_map: TownMap, start_time: datetime
) -> tuple[Fact, ...]:
    facts = []
    for each in news:
        known_by = tuple(sorted(numbers[name] for name in each.known_by if name in numbers))
        starts, day = _moment(each.starts, start_time)
        if each.about not in numbers or not known_by or (each.starts and starts < 0):
            continue
        facts.append(
            Fact(
                each.kind,
                numbers[each.about],
                known_by,
                each.text.replace("{day}", day),
                each.topic,
                each.importance,
                place=_sector(town_map, each.place) if each.place else -1,
                starts=starts,
                minutes=each.minutes,
                capacity=each.capacity,
            )
        )
    return tuple(facts)


def _moment(starts: str, start_time: datetime) -> tuple[int, str]:
    """Minutes from the start of the run to `day 1 17:00`, and the name of that day; -1 and an empty name for none."""
    if not starts:
        return -1, ""
    _, day, clock = starts.split()
    hour, minute = (int(part) for part in clock.split(":"))
    midnight = start_time.replace(hour=0, minute=0)
    moment = midnight + timedelta(days=int(day), hours=hour, minutes=minute)
    return int((moment - start_time).total_seconds()) // 60, f"{moment:%A}, {moment:%B} {moment.day}"


def _without(absent: tuple[str, ...], texts: Texts) -> Texts:
    return tuple(text for text in texts if not any(name in text for name in absent))


def check_people(people: People, town_map: TownMap) -> None:
    """Raise if residents, ties or facts do not fit the map or each other.

    Raises
    ------
    SimulationError
        Names what does not fit, and the resident.
    """
    names = [resident.name for resident in people.residents]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SimulationError(f"two residents are called {twice!r}: give each a name of its own")
    taken: dict[int, str] = {}
    for resident in people.residents:
        _check_resident(resident, town_map, taken)
        taken[resident.bed] = resident.name
    for tie in people.ties:
        if tie.agent == tie.other or not all(0 <= number < len(people) for number in (tie.agent, tie.other)):
            raise SimulationError(f"a tie of resident {tie.agent} to {tie.other}: residents are 0 to {len(people) - 1}")
    for fact in people.facts:
        if fact.kind == "gathering" and (fact.place < 0 or fact.starts < 0 or fact.minutes <= 0):
            raise SimulationError(f"the gathering {fact.text!r} needs a place, a start and a duration")


def _check_resident(resident: Resident, town_map: TownMap, taken: dict[int, str]) -> None:
    bed, home = town_map.places[resident.bed], town_map.places[resident.home]
    if town_map.sector_of(bed.number) != home.number:
        raise SimulationError(
            f"the bed of {resident.name}, {town_map.address(bed.number)}, is not in its home {home.name}"
        )
    if bed.capacity <= 1 and bed.number in taken:
        raise SimulationError(
            f"{resident.name} and {taken[bed.number]} have the same bed, {town_map.address(bed.number)}: each needs one"
        )
    if home.owner != resident.household or home.owner < 0:
        raise SimulationError(
            f"{home.name}, home of {resident.name}, belongs to household {home.owner}, not to {resident.household}"
        )
