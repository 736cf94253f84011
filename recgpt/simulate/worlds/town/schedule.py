"""The schedule of a town: edits that take effect at the start of a block.

schedule:
  - {kind: whisper, block: 49, agent: 0, text: "You want to run for mayor."}
  - {kind: whisper, block: 49, agent: 0, fact: 3}        # a fact of the town, which the resident then passes on
  - {kind: move, block: 60, agent: 4, place: "the Ville:Hobbs Cafe:cafe"}
  - {kind: traits, block: 60, agent: 4, changes: {innate: "shy", currently: "looking for work"}}
  - {kind: relation, block: 60, agent: 4, other: 5, affinity: -0.5}
  - {kind: plan, block: 60, agent: 4, start: "14:00", minutes: 90, text: "watching a film", place: "..."}
  - {kind: event, block: 60, place: "the Ville:Johnson Park:park", text: "is on fire", minutes: 30}
"""

from datetime import time
from typing import Annotated, Literal

from pydantic import Field

from recgpt.config import Config


class Entry(Config):
    """An edit, and the block at whose start it takes effect."""

    block: int = Field(ge=1, description="block, from 1")


class OfAgent(Entry):
    """An edit of one resident."""

    agent: int = Field(ge=0, description="number of the resident")


class Whisper(OfAgent):
    """A thought put into a resident's memory, and with `fact` a fact that it then knows."""

    kind: Literal["whisper"] = "whisper"
    text: str = ""
    fact: int | None = Field(default=None, ge=0, description="number of a fact of the town")


class Move(OfAgent):
    """A resident is put at another place."""

    kind: Literal["move"] = "move"
    place: str = Field(description="address of the place")


class Traits(OfAgent):
    """Texts of a resident's profile are changed."""

    kind: Literal["traits"] = "traits"
    changes: dict[Literal["innate", "learned", "currently", "lifestyle", "daily_plan_req"], str]


class Relation(OfAgent):
    """A relation of a resident to another is changed."""

    kind: Literal["relation"] = "relation"
    other: int = Field(ge=0)
    affinity: float = Field(ge=-1, le=1)


class Plan(OfAgent):
    """An activity is put into a resident's plan of today."""

    kind: Literal["plan"] = "plan"
    start: time
    minutes: int = Field(ge=10, le=1440)
    text: str
    place: str = Field(default="", description="address; empty: where the mind chooses")


class Happening(Entry):
    """An object or room gets a state that residents in sight perceive."""

    kind: Literal["event"] = "event"
    place: str = Field(description="address of the place")
    text: str
    minutes: int = Field(default=10, ge=10)


Edit = Annotated[Whisper | Move | Traits | Relation | Plan | Happening, Field(discriminator="kind")]
