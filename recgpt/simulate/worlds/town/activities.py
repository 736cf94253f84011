"""What residents do: needs that it serves, places, emojis and the state of the object used.

ACTIVITIES[SLEEPING].emoji
"""

from dataclasses import dataclass, field

NEEDS = ("energy", "food", "hygiene", "company", "fun", "duty")
"""Needs, each from 0 (urgent) to 1 (satisfied)."""


@dataclass(frozen=True)
class Activity:
    """An activity.

    Attributes
    ----------
    text
        Present participle, such as `having breakfast`.
    emoji
        One or two emojis.
    predicate, of
        Second and third part of the triple: (resident, predicate, of).
    object_state
        State of the object used, such as `being slept in`.
    minutes
        Usual duration.
    kinds
        Kinds of sectors where it is done, best first; empty: anywhere.
    objects
        Words of names of objects that it uses, best first.
    gains
        Change of needs in an hour.
    """

    text: str
    emoji: str
    predicate: str
    of: str
    object_state: str = "being used"
    minutes: int = 30
    kinds: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    gains: dict[str, float] = field(default_factory=dict)


ACTIVITIES: tuple[Activity, ...] = (
    Activity("sleeping", "😴", "is", "sleep", "being slept in", 480, ("home",), ("bed",), {"energy": 0.14}),
    Activity("talking", "💬", "chat with", "", "being used", 10, gains={"company": 1.0}),
    Activity("waiting", "⌛", "wait for", "", "being used", 10),
)
SLEEPING, TALKING, WAITING = 0, 1, 2
