"""Protocol of a society's minds: moments go in, typed decisions come out; only offered numbers come back.

A mind decides for many agents at once, and a decision never depends on the other rows. Random numbers are keyed by
(seed, agent, step, purpose). Minds read `moment.state` and never change it.

Shapes: R rows (one agent each), S slots of a page or feed, L lines of all dialogues.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.simulate.llm.budget import CostEstimate

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.hearing import Hearings
    from recgpt.simulate.worlds.society.state import SocietyState

Texts = Sequence[str | None]


class Choice(IntEnum):
    """First decision of an agent that acts."""

    NOTHING = 0
    RECOMMENDER = 1
    SOCIAL = 2


class Action(IntEnum):
    """Action on a page of the recommender or of search results."""

    LEAVE = 0
    WATCH = 1
    NEXT = 2
    SEARCH = 3


class Social(IntEnum):
    """Social action."""

    NOTHING = 0
    CHAT = 1
    POST = 2


@dataclass(frozen=True)
class Moment:
    """Agents that decide, and the state in which they do.

    Attributes
    ----------
    step
        Number of the round, from 1.
    agent_R
        (R,) int64, ascending.
    state
        State at the start of the round, after its interventions.
    """

    step: int
    agent_R: np.ndarray
    state: "SocietyState"

    def __len__(self) -> int:
        return len(self.agent_R)

    def rows(self, chosen: np.ndarray) -> Self:
        """The same for some of the rows, given by an index array or mask."""
        places = np.arange(len(self))[chosen]
        parts = {}
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            if isinstance(value, np.ndarray | Ragged):
                parts[name] = value[places]
            elif isinstance(value, list | tuple):
                parts[name] = [value[place] for place in places.tolist()]
            else:
                parts[name] = value
        return type(self)(**parts)


@dataclass(frozen=True)
class Choices:
    """First decisions.

    Attributes
    ----------
    choice_R
        (R,) int8 of `Choice`.
    failed_R
        (R,) bool, the mind gave no decision.
    reasons
        Why; of a failure its kind and meaning. None for none.
    retrieved
        JSON of the memories read: `ids`, and maybe `recency, relevance, importance, score`; None for none.
    thoughts
        Conclusions of the agents that reflected; None for none.
    """

    choice_R: np.ndarray
    failed_R: np.ndarray
    reasons: Texts | None = None
    retrieved: Texts | None = None
    thoughts: Texts | None = None


@dataclass(frozen=True)
class Pages(Moment):
    """Pages of agents in the recommender.

    Attributes
    ----------
    items_RS
        (R, S) int64 items; -1 for an empty slot.
    source_RS
        (R, S) int8 of `Source`: RECOMMENDER, SEARCH, or INTERVENTION for adverts and random items.
    action_R
        (R,) int64 number of this action in the session, from 1.
    query
        R texts that the agent searched for in this session; None without a search.
    watched_R
        (R,) int64 items watched in this session so far.
    """

    items_RS: np.ndarray
    source_RS: np.ndarray
    action_R: np.ndarray
    query: Texts
    watched_R: np.ndarray


@dataclass(frozen=True)
class Browsing:
    """Actions on pages.

    Attributes
    ----------
    action_R
        (R,) int8 of `Action`.
    slot_R
        (R,) int64 slot watched; -1 otherwise.
    stars_R, feeling_R
        (R,) float32 stars from 1 to 5, and valence from -1 to 1, of the watched items; NaN for none.
    search_item_R
        (R,) int64 item heard of that is searched for, by its title; -1 for none or for a query in own words.
    queries
        Queries in own words; None where there is none.
    feeling_texts, reasons, retrieved, failed_R
        As in `Choices`.
    """

    action_R: np.ndarray
    slot_R: np.ndarray
    stars_R: np.ndarray
    feeling_R: np.ndarray
    search_item_R: np.ndarray
    failed_R: np.ndarray
    queries: Texts | None = None
    feeling_texts: Texts | None = None
    reasons: Texts | None = None
    retrieved: Texts | None = None


@dataclass(frozen=True)
class Company(Moment):
    """Agents that turned to others.

    Attributes
    ----------
    friends
        R sequences of agents that may be chatted with: friends, by closeness, the closest first.
    topics
        R sequences of items that may be talked or posted about: last watched and heard of, the newest first.
    feed_RS
        (R, S) int64 numbers of the posts in the feed, best first; -1 for an empty slot.
    """

    friends: Ragged
    topics: Ragged
    feed_RS: np.ndarray


@dataclass(frozen=True)
class Reactions:
    """Reactions to the posts of feeds; all arrays (R, S).

    Attributes
    ----------
    like_RS, repost_RS, follow_RS, mute_RS
        bool; follow and mute are of the author.
    comments
        R sequences of S comments; None where there is none.
    comment_opinion_RS
        float32 opinion in a comment; NaN without one.
    failed_R, reasons
        As in `Choices`.
    """

    like_RS: np.ndarray
    repost_RS: np.ndarray
    follow_RS: np.ndarray
    mute_RS: np.ndarray
    comment_opinion_RS: np.ndarray
    failed_R: np.ndarray
    comments: Sequence[Texts] | None = None
    reasons: Texts | None = None


@dataclass(frozen=True)
class SocialActs:
    """Social actions.

    Attributes
    ----------
    action_R
        (R,) int8 of `Social`.
    friend_R
        (R,) int64 agent to chat with; -1 otherwise.
    hours_R
        (R,) float32 length of the chat, .5, 1 or 2.
    item_R
        (R,) int64 item that the chat begins with, or that the post is about; -1 for none.
    opinion_R
        (R,) float32 opinion of it in the post, from -1 to 1.
    texts
        Texts of posts; None where there is none.
    reasons, retrieved, failed_R
        As in `Choices`.
    """

    action_R: np.ndarray
    friend_R: np.ndarray
    hours_R: np.ndarray
    item_R: np.ndarray
    opinion_R: np.ndarray
    failed_R: np.ndarray
    texts: Texts | None = None
    reasons: Texts | None = None
    retrieved: Texts | None = None


@dataclass(frozen=True)
class Pairs(Moment):
    """Chats that take place; `agent_R` began them.

    Attributes
    ----------
    partner_R
        (R,) int64 the friend.
    item_R
        (R,) int64 item that the first speaker wants to talk about; -1 for none.
    topics, partner_topics
        R sequences of items that either side knows of and may name.
    """

    partner_R: np.ndarray
    item_R: np.ndarray
    topics: Ragged
    partner_topics: Ragged


@dataclass(frozen=True)
class Dialogues:
    """Lines of all dialogues, in order.

    Attributes
    ----------
    row_L
        (L,) int64 row of `Pairs`, ascending.
    by_partner_L
        (L,) bool, whether the partner speaks.
    item_L
        (L,) int64 item named; -1 for none.
    opinion_L
        (L,) float32 opinion of it, from -1 to 1.
    failed_R, reasons
        (R,) of rows without a dialogue, see `Choices`.
    texts
        L lines; None where there are no words.
    """

    row_L: np.ndarray
    by_partner_L: np.ndarray
    item_L: np.ndarray
    opinion_L: np.ndarray
    failed_R: np.ndarray
    texts: Texts | None = None
    reasons: Texts | None = None


@dataclass(frozen=True)
class Opinions:
    """Opinions that changed, one row each, sorted by agent; `other_O` is -1 where several persons changed it."""

    agent_O: np.ndarray
    item_O: np.ndarray
    other_O: np.ndarray
    opinion_O: np.ndarray


@dataclass(frozen=True)
class Questions(Moment):
    """Surveys, polls and interviews.

    Attributes
    ----------
    question
        The question, the same for all rows.
    item
        Item that it is about; -1 for none.
    options
        Answers of a poll; empty: from 1 to 10 (a survey), or in words where `in_words`.
    in_words
        Whether it is an interview.
    """

    question: str
    item: int
    options: tuple[str, ...]
    in_words: bool


@dataclass(frozen=True)
class Answers:
    """Answers to one question.

    Attributes
    ----------
    value_R
        (R,) float32 from 1 to 10, or numbers of options from 0, or 1 for an interview; NaN where failed.
    texts
        R texts; None where there are no words.
    failures
        Kind and meaning of each failure; None for a valid answer.
    """

    value_R: np.ndarray
    texts: Texts | None = None
    failures: Texts | None = None


@dataclass(frozen=True)
class Line:
    """One line of a chat in progress: its speaker, the item named (-1 for none), the opinion of it (or NaN), words."""

    by_partner: bool
    item: int
    opinion: float
    text: str | None


class Mind(Protocol):
    """Decides for agents."""

    name: str

    def choose(self, moment: Moment) -> Choices:
        """First decision: the recommender, others, or nothing."""
        ...

    def browse(self, pages: Pages) -> Browsing:
        """Action on a page."""
        ...

    def react(self, company: Company) -> Reactions:
        """Reactions to the feed; called for agents with a feed."""
        ...

    def socialise(self, company: Company) -> SocialActs:
        """Social action; called after `react`, for all agents that turned to others."""
        ...

    def talk(self, pairs: Pairs) -> Dialogues:
        """Dialogues of chats that take place."""
        ...

    def opine(self, moment: Moment, heard: "Hearings") -> Opinions:
        """Opinions changed by items heard of in this round; `moment.agent_R` are the agents that heard of something."""
        ...

    def answer(self, questions: Questions) -> Answers:
        """Answers to surveys, polls and interviews."""
        ...

    def estimate(self, n_agents: int, n_rounds: int) -> CostEstimate | None:
        """Calls of a language model for so many rounds; None for a mind that makes no calls."""
        ...


@runtime_checkable
class Replier(Protocol):
    """A mind that can answer a line of a chat; others give their lines as a whole, without the lines of a person."""

    def reply(self, pairs: Pairs, so_far: Sequence[Line]) -> Line | None:
        """The partner's next line in the one chat of `pairs`; None where it ends the chat."""
        ...
