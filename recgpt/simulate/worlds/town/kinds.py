"""Kinds of events of a town and the meaning of their columns.

Decisions are logged, each at its second. What follows by rule is not: the tiles of a walk, needs, memories made of
events, relations after a talk (`state.py`). Agent -1 is the town itself.
"""

from recgpt.simulate.clock import Clock
from recgpt.simulate.events import EventKind, EventKinds
from recgpt.simulate.worlds.town.config import BLOCK_SECONDS

CLOCK = Clock(seconds_per_step=BLOCK_SECONDS)
"""A step of the log is a block of ten minutes."""
TOWN = -1
"""Number in the column `agent` of events of the town itself."""

_ITEM = "the item"
_PLACE = "the place"
_FACT = "number of the fact"
_IMPORTANCE = "importance, 1 to 10"
_ACTIVITY = "number of the activity, null for one in free words"
_OPINION = "opinion, -1 to 1"

KINDS = EventKinds(
    # the schedule, at the start of a block
    EventKind("edited", "an entry of the schedule took effect", slot="its place in the schedule", text="it, as JSON"),
    EventKind("happened", "a place got a state", place=_PLACE, value="minutes", text="the state"),
    # a resident's day
    EventKind(
        "planned",
        "an activity of the day's plan; all of them come in a row and replace the plan before",
        slot="its place in the plan, from 0",
        item=_ACTIVITY,
        place="where; null: chosen later",
        value="minutes",
        text="the activity",
    ),
    EventKind(
        "acted",
        "an activity began, with the walk to its place",
        item=_ACTIVITY,
        place=_PLACE,
        slot="tile that the resident walks to",
        other="a resident that it is done with",
        value="minutes from now to its end",
        text="the activity",
    ),
    EventKind("moved", "the resident was put on a tile (edits, imported runs)", slot="the tile"),
    EventKind("showed", "the emojis over the resident, where an imported run has its own", text="the emojis"),
    EventKind(
        "perceived",
        "something in sight was remembered",
        other="the resident that was seen",
        place="the object that was seen",
        value=_IMPORTANCE,
        text="what was seen",
    ),
    EventKind("waited", "the resident lets another go first", other="the other", value="minutes"),
    EventKind(
        "retrieved", "memories were read for a decision", text="JSON: `for`, `ids`, and the parts of their scores"
    ),
    EventKind("reflected", "a reflection was due; its conclusions follow, maybe none"),
    EventKind(
        "thought",
        "a conclusion, of a reflection or a talk",
        other="about whom",
        slot="1 of a reflection, 0 of a talk",
        value=_IMPORTANCE,
        text="the conclusion",
    ),
    EventKind("cited", "evidence of the thought before it", slot="id of the memory"),
    EventKind("failed", "the language model gave no decision; the scripted one was taken", text="kind: meaning"),
    # talks
    EventKind("talked", "a talk began; the other takes part", other="the other", value="minutes", text="its summary"),
    EventKind("said", "a line of a talk", other="the listener", slot="its place in the talk, from 0", text="the line"),
    EventKind("told", "a fact passed to another", other="the listener", item=_FACT, value="trust, 0 to 1"),
    EventKind(
        "mentioned", "an item was recommended by word of mouth", other="the listener", item=_ITEM, value=_OPINION
    ),
    EventKind("invited", "to a gathering", other="the guest", item=_FACT, value="1 accepted, 0 declined", text="why"),
    EventKind("related", "the affinity to another changed", other="the other", value="by how much"),
    # the recommender
    EventKind("offered", "page of the day, ranked by the recommender", item=_ITEM, slot="its place, from 0"),
    EventKind("shown", "an item on a page that the resident looked at", item=_ITEM, slot="its place, from 0"),
    EventKind(
        "wished",
        "the resident wants an item; the first source of an item is its first source",
        item=_ITEM,
        slot="the source, see `Source`",
        other="the friend that named it",
    ),
    EventKind(
        "adopted",
        "an item was watched, bought or eaten",
        item=_ITEM,
        place=_PLACE,
        slot="the first source",
        other="the friend",
    ),
    EventKind("rated", "an opinion on an adopted item", item=_ITEM, value="stars, 1 to 5", text="a review"),
    EventKind("turned_away", "no seat or copy was left", item=_ITEM, place=_PLACE),
)
