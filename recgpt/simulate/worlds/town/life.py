"""What a resident is doing and knows at a tick: the part of the state that decisions read and events change.

`state.py` changes it by each event, in the order of ticks and residents.
"""

from copy import copy
from dataclasses import dataclass, field
from enum import IntEnum

from recgpt.simulate.worlds.town.activities import NEEDS, SLEEPING


class Source(IntEnum):
    """Where a resident met an item first."""

    PAGE = 0
    FRIEND = 1
    SEARCH = 2
    PASSING_BY = 3


@dataclass(frozen=True, slots=True)
class Action:
    """An activity in progress.

    Attributes
    ----------
    activity
        Number in `ACTIVITIES`; -1: in free words.
    place
        Number of the place; -1: none.
    start, end
        Tick at which it began, and first tick after it; the walk there is part of it.
    other
        Partner of a talk, resident that is waited for; -1: none.
    """

    text: str
    activity: int
    place: int
    start: int
    end: int
    other: int = -1


@dataclass(frozen=True, slots=True)
class PlanBlock:
    """An activity of a day's plan; `place` -1: chosen when it begins."""

    text: str
    minutes: int
    activity: int = -1
    place: int = -1


@dataclass(frozen=True, slots=True)
class Relation:
    """What another is to a resident."""

    label: str = "stranger"
    familiarity: float = 0.0
    affinity: float = 0.0
    n_talks: int = 0
    talked_at: int = -1  # tick at which the last talk ended


@dataclass(frozen=True, slots=True)
class Known:
    """A fact that a resident knows: from whom (-1: from the start, or a whisper), since which tick, how surely."""

    source: int
    tick: int
    trust: float


@dataclass(frozen=True, slots=True)
class Wish:
    """An item that a resident wants, with its first source."""

    source: Source
    other: int
    tick: int


@dataclass(frozen=True, slots=True)
class Adoption:
    """An item that a resident adopted: its first source, the last tick at which it was taken; `stars` 0: not rated."""

    source: Source
    other: int
    tick: int
    stars: float = 0.0


@dataclass(slots=True)
class Life:
    """A resident at a tick.

    Attributes
    ----------
    path, left_at
        Tiles of the walk, its start included, and the tick at which the resident stood on the first one.
    plan, plan_day
        Activities of the day, 1,440 minutes in all, and its day (0: the first); -1: no plan yet.
    needs, needs_at
        See `NEEDS`; as they were at that tick.
    appointments
        Gatherings (facts) that the resident was invited to: whether it accepted.
    page
        Items that the recommender offered at the last barrier, best first.
    heard
        Items that others recommended: pairs of resident and opinion, in order.
    recent
        Texts of the last things perceived, `retention` at most.
    emoji
        Own emojis of an imported run; None: of the activity.
    """

    path: tuple[int, ...]
    action: Action
    left_at: int = 0
    plan: tuple[PlanBlock, ...] = ()
    plan_day: int = -1
    needs: tuple[float, ...] = (0.8,) * len(NEEDS)
    needs_at: int = 0
    relations: dict[int, Relation] = field(default_factory=dict)
    facts: dict[int, Known] = field(default_factory=dict)
    appointments: dict[int, bool] = field(default_factory=dict)
    page: tuple[int, ...] = ()
    heard: dict[int, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    wishes: dict[int, Wish] = field(default_factory=dict)
    adopted: dict[int, Adoption] = field(default_factory=dict)
    recent: tuple[str, ...] = ()
    emoji: str | None = None

    def tile(self, tick: int) -> int:
        """Tile at the start of a tick."""
        return self.path[min(max(tick - self.left_at, 0), len(self.path) - 1)]

    def walks(self, tick: int) -> bool:
        """Whether the resident moves in this tick."""
        return tick - self.left_at < len(self.path) - 1

    @property
    def arrives(self) -> int:
        """Tick at whose start the resident stands at the end of its walk."""
        return self.left_at + len(self.path) - 1

    @property
    def sleeps(self) -> bool:
        """Whether the resident is asleep."""
        return self.action.activity == SLEEPING

    def relation(self, other: int) -> Relation:
        """What another is to this resident; a stranger by default, not stored."""
        return self.relations.get(other, STRANGER)

    def copy(self) -> "Life":
        """The same life, which changes on its own from here on."""
        copied = copy(self)
        for name in ("relations", "facts", "appointments", "heard", "wishes", "adopted"):
            setattr(copied, name, dict(getattr(self, name)))
        return copied


STRANGER = Relation()
"""Relation to a resident never met."""
