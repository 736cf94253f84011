"""Readers and listeners by item: derived from the events of one step.

    heard = hearings(rows, state)      # state before the step, or with the schedule's events of the step applied

A line of a chat reaches the listener; a post all friends of its author who did not mute the author, and the agents in
whose feed it was; a broadcast the agents it was sent to. Watching, feelings and searches stay unheard.

Shapes: H hearings.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from recgpt.simulate.events import by_kind
from recgpt.simulate.worlds.society.kinds import SCHEDULE
from recgpt.simulate.worlds.society.social import CHANGES_OF_TIES, FRIENDS, SocialState, ties_after
from recgpt.simulate.worlds.society.sources import Source

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.state import SocietyState

_REACHING = ("broadcast", "told", "read", "said", "posted")


@dataclass(frozen=True)
class Hearings:
    """H hearings in the order of the log: by the event, then by the agent that hears.

    Attributes
    ----------
    agent_H
        (H,) int64 who hears.
    other_H
        (H,) int64 from whom; -1 for the schedule.
    item_H
        (H,) int64 item named; -1 for none.
    source_H
        (H,) int8 of `Source`: FRIEND, POST, FEED, INTERVENTION.
    post_H
        (H,) int64 number of the post; -1 for none.
    opinion_H
        (H,) float32 the opinion heard, from -1 to 1; NaN for none.
    event_H
        (H,) int64 row of the event in the frame of the step.
    """

    agent_H: np.ndarray
    other_H: np.ndarray
    item_H: np.ndarray
    source_H: np.ndarray
    post_H: np.ndarray
    opinion_H: np.ndarray
    event_H: np.ndarray

    def __len__(self) -> int:
        return len(self.agent_H)


def hearings(rows: pl.DataFrame, state: "SocietyState") -> Hearings:
    """Hearings of one step, in time linear in their number.

    Parameters
    ----------
    rows
        Events of the step, in the order of the log.
    state
        State before the step; or with the events of the schedule of this step applied, which makes no difference.
    """
    table = rows.with_row_index("event").filter(pl.col("kind").is_in((*_REACHING, *CHANGES_OF_TIES)))
    if not len(table):
        return _joined([])
    of_kind = by_kind(table)
    parts = []
    if "broadcast" in of_kind:
        parts.append(_of_broadcasts(of_kind["broadcast"], of_kind.get("told"), len(state.people)))
    if "said" in of_kind:
        parts.append(_of_lines(of_kind["said"]))
    if "read" in of_kind:
        parts.append(_of_feeds(of_kind["read"], state.social))
    if "posted" in of_kind and state.rules.posts_reach_friends:
        parts.append(_of_posts(of_kind, state.social))
    return _joined(parts)


def _of_broadcasts(broadcasts: pl.DataFrame, told: pl.DataFrame | None, n_agents: int) -> Hearings:
    parts = []
    for event, slot, item, opinion in broadcasts.select("event", "slot", "item", "value").iter_rows():
        chosen = np.empty(0) if told is None else told.filter(pl.col("slot") == slot)["agent"].to_numpy()
        agents = chosen if len(chosen) else np.arange(n_agents)
        opinion_of_item = np.nan if opinion is None or item is None else opinion
        parts.append(
            _hearings(agents, SCHEDULE, -1 if item is None else item, Source.INTERVENTION, -1, opinion_of_item, event)
        )
    return _joined(parts)


def _of_lines(said: pl.DataFrame) -> Hearings:
    columns = _columns(said)
    return _hearings(
        said["other"].to_numpy(), said["agent"].to_numpy(), columns["item"], Source.FRIEND, -1, *_last(columns)
    )


def _of_feeds(read: pl.DataFrame, social: SocialState) -> Hearings:
    post, posts = read["place"].to_numpy(), social.posts
    agent, event = read["agent"].to_numpy(), read["event"].to_numpy()
    return _hearings(agent, posts.author_M[post], posts.item_M[post], Source.FEED, post, posts.opinion_M[post], event)


def _of_posts(of_kind: dict[str, pl.DataFrame], social: SocialState) -> Hearings:
    posted = of_kind["posted"]
    author, columns = posted["agent"].to_numpy(), _columns(posted)
    number = social.posts.n_before(int(posted["step"][0])) + np.arange(len(posted))
    readers = ties_after(of_kind, social.friends, FRIENDS).of(author)
    of_post = np.repeat(np.arange(len(posted)), readers.lengths)
    agent = readers.values.astype(np.int64)
    if len(social.mutes):
        hears = ~social.mutes.has(agent, author[of_post])
        agent, of_post = agent[hears], of_post[hears]
    opinion, event = _last(columns)
    return _hearings(
        agent,
        author[of_post],
        columns["item"][of_post],
        Source.POST,
        number[of_post],
        opinion[of_post],
        event[of_post],
    )


def _columns(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    return {
        "item": rows["item"].fill_null(-1).to_numpy(),
        "opinion": rows["value"].fill_null(np.nan).to_numpy(),
        "event": rows["event"].to_numpy(),
    }


def _last(columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Opinions, NaN where no item is named, and events."""
    return np.where(columns["item"] >= 0, columns["opinion"], np.nan), columns["event"]


def _hearings(
    agent: np.ndarray,
    other: np.ndarray | int,
    item: np.ndarray | int,
    source: Source,
    post: np.ndarray | int,
    opinion: np.ndarray | float,
    event: np.ndarray | int,
) -> Hearings:
    n, (int_type, float_type) = len(agent), (np.int64, np.float32)

    def column(values: np.ndarray | float, dtype: type) -> np.ndarray:
        return np.broadcast_to(np.asarray(values), n).astype(dtype)

    return Hearings(
        column(agent, int_type),
        column(other, int_type),
        column(item, int_type),
        column(int(source), np.int8),
        column(post, int_type),
        column(opinion, float_type),
        column(event, int_type),
    )


def _joined(parts: list[Hearings]) -> Hearings:
    """All hearings in the order of events, hearings of one event by agent."""
    none = np.empty(0, dtype=np.int64)
    parts = parts or [_hearings(none, none, none, Source.FRIEND, none, none, none)]
    columns = [np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Hearings)]
    joined = Hearings(*columns)
    # Within a part, hearings of one event come by agent already: a stable sort by event keeps that.
    order = np.argsort(joined.event_H, kind="stable")
    return Hearings(*(column[order] for column in columns))
