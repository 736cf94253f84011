"""Kinds of events of a society and the meaning of their columns.

Consequences by rule are not logged: who hears of an item in a chat or a post, when somebody is free again,
the lists of the last ten items watched and heard of (`hearing.py`, `state.py`). Agent -1 is the schedule.
"""

from recgpt.simulate.clock import Clock
from recgpt.simulate.events import EventKind, EventKinds

CLOCK = Clock(seconds_per_step=5 * 3600)
"""A round takes five hours where the configuration has no other `interval`."""

SCHEDULE = -1
"""Number in the column `agent` of events of the schedule that are no agent's own."""

IS_WATCHING, ALREADY_CHATTING = "is watching", "the two are chatting already"
"""Texts of `missed`."""

_ITEM = "the item"
_SLOT = "its place on the page, from 0"
_SOURCE = "where it was met, a `Source`"
_POST = "number of the post, from 0"
_ENTRY = "its place in the schedule, from 0"
_OPINION = "opinion, -1 to 1"

KINDS = EventKinds(
    # the schedule, at the start of a round
    EventKind("intervened", "an entry of the schedule took effect", slot=_ENTRY, text="its kind and details, JSON"),
    EventKind(
        "broadcast",
        "a message reached agents; those of `told` where not all",
        item=_ITEM,
        slot=_ENTRY,
        value=_OPINION,
        text="the message",
    ),
    EventKind("told", "the agent was reached by a broadcast to some", item=_ITEM, slot=_ENTRY),
    EventKind("edited", "the agent's profile was changed", text="new values of its fields, JSON"),
    EventKind(
        "tied",
        "a tie to another agent was made",
        other="the other agent",
        place="0 friends, 1 follows",
        value="closeness, 0 to 1",
        text="what the agent is to the other",
    ),
    EventKind("untied", "a tie was removed", other="the other agent", place="0 friends, 1 follows"),
    EventKind("swapped", "another recommender serves from this round on", text="its name"),
    EventKind("removed", "a post was removed by moderation", place=_POST),
    EventKind("taken", "a person plays the agent from here on"),
    EventKind("returned", "the agent's own mind decides again"),
    # decisions of an agent
    EventKind(
        "retrieved",
        "memories were read for a decision",
        text="JSON: `ids` of the entries, and the parts of their scores: `recency, relevance, importance, score`",
    ),
    EventKind("failed", "the mind gave no decision; the agent does nothing more this round", text="why"),
    EventKind("rested", "the agent acted and chose to do nothing", text="why"),
    EventKind("entered", "the agent opened the recommender"),
    EventKind(
        "shown",
        "an item was on the page",
        item=_ITEM,
        place=_SOURCE,
        slot=_SLOT,
        value="number of the action in the session, from 1",
    ),
    EventKind("turned", "the agent went to the next page"),
    EventKind(
        "searched",
        "the agent searched",
        item="item heard of that it searched for",
        other="who it was heard from",
        place="source where it was heard of",
        text="the query",
    ),
    EventKind("watched", "the agent watched the item", item=_ITEM, place=_SOURCE, slot=_SLOT),
    EventKind("rated", "stars for what was watched", item=_ITEM, value="stars, 1 to 5"),
    EventKind("felt", "how watching felt", item=_ITEM, value="valence, -1 to 1", text="in words"),
    EventKind("left", "the agent left the recommender", text="why"),
    EventKind("went", "the agent turned to friends, posts and chats", text="why nothing came of it, if so"),
    EventKind("read", "a post was in the agent's feed", place=_POST, slot="its place in the feed, from 0"),
    EventKind("liked", "the agent liked a post", place=_POST),
    EventKind("commented", "the agent commented on a post", place=_POST, value=_OPINION, text="the comment"),
    EventKind("followed", "the agent follows another from now on", other="the other agent"),
    EventKind("muted", "the agent sees no post of another from now on", other="the other agent"),
    EventKind("chatted", "the agent began a chat", other="the friend", value="hours"),
    EventKind("missed", "the friend was busy or gone; no chat", other="the friend", text="why"),
    EventKind(
        "said",
        "one line of a chat",
        other="the listener",
        item="item named, if any",
        slot="line, from 0",
        value=_OPINION,
        text="the line; null where a scripted mind has no words",
    ),
    EventKind(
        "posted",
        "the agent posted; posts are numbered in the order of the log",
        item="item named, if any",
        place="number of the post that this reposts, if any",
        value=_OPINION,
        text="the post; null where a scripted mind has no words",
    ),
    EventKind(
        "opined",
        "the agent's opinion of an item changed by what it heard",
        item=_ITEM,
        other="from whom, if one",
        value=_OPINION,
    ),
    EventKind("thought", "a conclusion drawn from memories", text="the conclusion"),
    # questions of the schedule, at the end of a round
    EventKind(
        "answered",
        "an answer to a survey or poll",
        item=_ITEM,
        slot=_ENTRY,
        value="1 to 10, or the number of the chosen option from 0; null: failed",
        text="in words",
    ),
    EventKind("interviewed", "an answer to an interview", slot=_ENTRY, value="1; null: failed", text="the answer"),
    EventKind(
        "remembered",
        "the agent remembers a question of the schedule and its answer",
        slot=_ENTRY,
        text="question and answer",
    ),
)
