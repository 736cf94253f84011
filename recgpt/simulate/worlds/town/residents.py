"""Residents of a town before its first tick: profiles, households, ties, facts.

Shapes: A residents.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FactKind = Literal["news", "gathering", "candidacy", "secret"]


@dataclass(frozen=True)
class Resident:
    """Profile of a resident; texts as in the published `scratch.json`, and what a scripted mind needs.

    Attributes
    ----------
    innate, learned, currently, lifestyle, daily_plan_req
        Texts of the published profile: traits, background, present concern, sleep, duty of the day.
    household
        Number of the household; its members share a home.
    home, bed, work
        Numbers of places: sector of the home, own bed, place of work or study (-1: none).
    occupation
        One of `occupations.OCCUPATIONS`, which fixes hours and tasks; empty: read from `learned`.
    wakes, sleeps
        Minutes of the day.
    extroversion, agreeableness, conscientiousness, openness
        From 0 to 1.
    interests
        Words that match topics of facts, and categories of items.
    vision_r, att_bandwidth
        Of perception, as published.
    retention
        Number of the last things perceived that are not new when they are seen again. Above the `att_bandwidth`, or
        the neighbours in a crowd would be new at each look; the published base simulations have 8.
    """

    name: str
    age: int
    innate: str
    learned: str
    currently: str
    lifestyle: str
    daily_plan_req: str
    household: int
    home: int
    bed: int
    work: int = -1
    occupation: str = ""
    wakes: int = 360
    sleeps: int = 1380
    extroversion: float = 0.5
    agreeableness: float = 0.5
    conscientiousness: float = 0.5
    openness: float = 0.5
    interests: tuple[str, ...] = ()
    vision_r: int = 8
    att_bandwidth: int = 8
    retention: int = 12

    @property
    def first_name(self) -> str:
        """First word of the name."""
        return self.name.split()[0]


@dataclass(frozen=True)
class TieOfResidents:
    """What a resident knows of another before the first tick; ties of a pair are two, one of each side.

    Attributes
    ----------
    label
        What the other is to the resident: mother, spouse, friend, colleague, neighbour, acquaintance.
    familiarity
        From 0 (a stranger) to 1.
    affinity
        From -1 to 1.
    text
        Memory of it, such as `Maria is my friend from school`.
    """

    agent: int
    other: int
    label: str
    familiarity: float
    affinity: float
    text: str = ""


@dataclass(frozen=True)
class Fact:
    """A piece of news that passes in talks: subject, matter, time and place.

    Attributes
    ----------
    about
        The resident that it is about, its source; -1: none.
    known_by
        Residents that know it before the first tick.
    text
        A whole sentence in the third person, such as `Sam Moore is running for mayor`.
    topic
        A word that interests match.
    importance
        From 1 to 10.
    place, starts, minutes
        Of a gathering: number of the place, minutes since the start of the run, duration; -1: none.
    capacity
        Guests of a gathering that fit; 0: any number.
    """

    kind: FactKind
    about: int
    known_by: tuple[int, ...]
    text: str
    topic: str
    importance: float = 5.0
    place: int = -1
    starts: int = -1
    minutes: int = 0
    capacity: int = 0


@dataclass(frozen=True)
class People:
    """The residents, their ties, the facts and thoughts that they begin with.

    Attributes
    ----------
    histories
        For each resident the sentences that enter its memory before the first tick, as thoughts.
    """

    residents: tuple[Resident, ...]
    ties: tuple[TieOfResidents, ...] = ()
    facts: tuple[Fact, ...] = ()
    histories: tuple[tuple[str, ...], ...] = field(default=())

    def __len__(self) -> int:
        return len(self.residents)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "People":
        """People from the values of `to_json`."""
        residents = tuple(Resident(**{**each, "interests": tuple(each["interests"])}) for each in values["residents"])
        ties = tuple(TieOfResidents(**each) for each in values["ties"])
        facts = tuple(Fact(**{**each, "known_by": tuple(each["known_by"])}) for each in values["facts"])
        return cls(residents, ties, facts, tuple(tuple(texts) for texts in values["histories"]))
