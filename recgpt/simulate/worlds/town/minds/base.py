"""The protocol of minds: a resident at a tick, and its typed decisions.

A decision at a tick may read, and nothing else: the resident's own `Life` and memory (of the end of the last block),
the setting, and the lives of the residents in `Scene.near`. So residents far from each other can be decided out of
order, with the same log. Random numbers come from `Scene.uniform`, keyed by seed, resident, tick and purpose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Protocol

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.life import Life, PlanBlock, Source
from recgpt.simulate.worlds.town.memory import TownMemory
from recgpt.simulate.worlds.town.residents import Resident
from recgpt.simulate.worlds.town.setting import Setting


@dataclass(frozen=True, slots=True)
class Scene:
    """A resident at the start of a tick.

    Attributes
    ----------
    resident
        Its profile, as edited.
    near
        Residents in sight in the same room or both outdoors, by distance, then number.
    lives
        All lives; only those of `agent` and of `near` may be read.
    memory
        Memories of all residents at the end of the last block; only the own ones may be read.
    taken
        Place that turned out to be taken or closed on arrival, for `act`; -1: none.
    """

    rules: TownRules
    setting: Setting
    seed: int
    agent: int
    tick: int
    resident: Resident
    lives: Sequence[Life]
    near: tuple[int, ...]
    memory: TownMemory
    taken: int = -1

    @property
    def life(self) -> Life:
        """Own life."""
        return self.lives[self.agent]

    @property
    def seconds(self) -> int:
        """Seconds since the start of the run."""
        return self.tick * self.rules.seconds_per_tick

    @property
    def now(self) -> datetime:
        """Simulated time."""
        return self.rules.start_time + timedelta(seconds=self.seconds)

    @property
    def minute(self) -> int:
        """Minute of the day."""
        now = self.now
        return now.hour * 60 + now.minute

    @property
    def day(self) -> int:
        """Day of the run, from 0; days begin at midnight."""
        return (self.now.date() - self.rules.start_time.date()).days

    @property
    def tile(self) -> int:
        """Tile where the resident stands."""
        return self.life.tile(self.tick)

    def uniform(self, purpose: str, n: int = 1) -> list[float]:
        """`n` random numbers in [0, 1) for this resident, tick and purpose."""
        drawn: list[float] = rng.uniform(
            self.seed, np.array([self.agent]), step=self.tick, purpose=f"town {purpose}", n=n
        )[0].tolist()
        return drawn


@dataclass(frozen=True, slots=True)
class Act:
    """The next activity.

    Attributes
    ----------
    activity
        Number in `ACTIVITIES`; -1: in free words.
    place
        Object or arena; -1: where the resident stands.
    minutes
        From now to its end, the walk included.
    other
        Resident that it is done with; -1: none.
    """

    text: str
    minutes: int
    activity: int = -1
    place: int = -1
    other: int = -1


class Response(IntEnum):
    """Reaction to a resident in sight."""

    GO_ON = 0
    TALK = 1
    WAIT = 2


@dataclass(frozen=True, slots=True)
class Reaction:
    """Reaction to another; `minutes` of waiting."""

    response: Response
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """Something in sight that is not among the last things perceived: a resident, or an object with a state.

    Attributes
    ----------
    text
        Such as `Maria Lopez is studying` or `stove is being used`.
    other, place
        The resident, or the object; -1: none.
    distance
        Euclidean, in tiles.
    """

    text: str
    other: int
    place: int
    distance: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a talk."""

    speaker: int
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """A fact that passed: `teller` to the other of the two."""

    teller: int
    fact: int
    trust: float


@dataclass(frozen=True, slots=True)
class Mention:
    """An item that `teller` recommended to the other, or advised against; opinion from -1 to 1."""

    teller: int
    item: int
    opinion: float


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation of the other to the gathering `fact` by `host`."""

    host: int
    fact: int
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Thought:
    """A conclusion of `agent`; evidence are ids of its memories."""

    agent: int
    text: str
    importance: float
    other: int = -1
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Talk:
    """A whole talk of two.

    Attributes
    ----------
    affinity
        Change of the affinity of the first and of the second to the other.
    summary
        Such as `talking about the party at the cafe`.
    """

    lines: tuple[Line, ...]
    minutes: int
    summary: str
    told: tuple[Told, ...] = ()
    mentions: tuple[Mention, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    affinity: tuple[float, float] = (0.0, 0.0)
    importance: float = 4.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """An item that a resident wants or takes, with its first source and the friend that named it."""

    item: int
    source: Source
    other: int = -1


@dataclass(frozen=True, slots=True)
class Rating:
    """Opinion on an adopted item: stars from 1 to 5; the review may be empty."""

    stars: int
    review: str = ""


@dataclass(slots=True)
class Notes:
    """What a decision leaves in the log beside its result: failures and memories read."""

    failed: list[tuple[int, str]] = field(default_factory=list)  # resident, `kind: meaning`
    retrieved: list[tuple[int, str]] = field(default_factory=list)  # resident, JSON


class Mind(Protocol):
    """Decides for all residents, one at a time; every method is a function of its arguments alone."""

    def plan_day(self, scene: Scene, notes: Notes) -> Sequence[PlanBlock]:
        """Plan of the day of `scene`, 1,440 minutes from midnight; called once a day, at the first decision."""
        ...

    def act(self, scene: Scene, notes: Notes) -> Act:
        """The next activity, when the last is over, was interrupted, or `scene.taken`."""
        ...

    def importance(self, scene: Scene, seen: Sequence[Seen], notes: Notes) -> Sequence[float]:
        """Importance of each, from 1 to 10."""
        ...

    def react(self, scene: Scene, other: int, notes: Notes) -> Reaction:
        """Reaction to a resident that was just perceived; both are awake and in no talk."""
        ...

    def talk(self, scene: Scene, partner: Scene, notes: Notes) -> Talk:
        """The whole talk with a partner, who is in `scene.near`."""
        ...

    def reflect(self, scene: Scene, notes: Notes) -> Sequence[Thought]:
        """Conclusions, when a reflection is due."""
        ...

    def browse(self, scene: Scene, items: Sequence[int], notes: Notes) -> Sequence[Chosen]:
        """Items of a page that the resident wants from now on."""
        ...

    def choose(self, scene: Scene, place: int, items: Sequence[int], notes: Notes) -> Chosen | None:
        """Item that the resident takes at a venue, of those on offer; None: nothing."""
        ...

    def rate(self, scene: Scene, item: int, notes: Notes) -> Rating:
        """Opinion on an adopted item, once the film, the meal or the first day with the book is over."""
        ...

    def estimate(self, n_agents: int, n_blocks: int) -> CostEstimate | None:
        """Expected calls and cost of so many blocks; None if no language model is called."""
        ...
