"""Kinds of events of the feed and the meaning of their columns."""

from recgpt.simulate.clock import Clock
from recgpt.simulate.events import EventKind, EventKinds

CLOCK = Clock(seconds_per_step=3600)
"""A page takes an hour of simulated time."""

_ITEM = "the item"
_SLOT = "its place on the page, from 0"

KINDS = EventKinds(
    EventKind("shown", "an item was on the page", item=_ITEM, slot=_SLOT, value="1 for an advertisement"),
    EventKind(
        "retrieved",
        "memories were read for the decision",
        text="JSON: `ids` of the entries, maybe `valences`, as the mind used them",
    ),
    EventKind("aligned", "the item fits the agent's taste", item=_ITEM, slot=_SLOT),
    EventKind("watched", "the agent watched the item", item=_ITEM, slot=_SLOT),
    EventKind("rated", "the agent rated what it watched", item=_ITEM, slot=_SLOT, value="stars, 1 to 5"),
    EventKind("felt", "how watching felt", item=_ITEM, slot=_SLOT, value="valence, -1 to 1", text="in words"),
    EventKind("failed", "the mind gave no decision; the agent leaves", text="why"),
    EventKind("satisfied", "whether the page pleased", value="1 or 0", text="why"),
    EventKind("thought", "a conclusion drawn from memories", text="the conclusion"),
    EventKind("turned", "the agent went to the next page"),
    EventKind("exited", "the agent left the feed", value="pages seen", text="why, where it was not the agent's choice"),
    EventKind("interviewed", "the agent was interviewed at the end", value="satisfaction, 1 to 10", text="why"),
)
