"""Social phase of a round: feeds and reactions, chats, posts.

    pieces = play(rules, moment, watching_A, mind, are_chatting=activity.are_chatting, recommender=recommender)

All decide on the state at the start of the round. A chat does not take place if the friend is watching, or the two
chat with each other already; if both chose each other, the lower number begins.

Shapes: A agents, R rows (one agent each), S slots of a feed, L lines of dialogues.
"""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import polars as pl

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import SimulationError
from recgpt.recommenders.base import Recommender
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.kinds import ALREADY_CHATTING, IS_WATCHING, KINDS
from recgpt.simulate.worlds.society.minds.base import (
    Company,
    Mind,
    Moment,
    Pairs,
    Reactions,
    Social,
    SocialActs,
    Texts,
)
from recgpt.simulate.worlds.society.ranker import feeds
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.ties import Ties

NO_FRIENDS = "has no friends and nothing to read"

Pieces = list[pl.DataFrame]


def play(
    rules: SocietyRules,
    moment: Moment,
    watching_A: np.ndarray,
    mind: Mind,
    *,
    are_chatting: Callable[[np.ndarray, np.ndarray], np.ndarray],
    recommender: Recommender | None = None,
) -> Pieces:
    """Pieces of the events of the agents that turned to others.

    Parameters
    ----------
    moment
        Agents that turned to others, and the state at the start of the round.
    watching_A
        (A,) bool, who is watching, including agents that began in this round.
    are_chatting
        Whether two agents chat with each other at the start of the round, for two arrays of agents.
    recommender
        Recommender of the order `recommender` of the feed.
    """
    if not len(moment):
        return []
    there = company(moment, recommender if rules.feed_ranker == "recommender" else None)
    has_feed: np.ndarray = np.any(there.feed_RS >= 0, axis=1)
    has_others = (there.friends.lengths > 0) | has_feed
    alone, there, has_feed = there.rows(~has_others), there.rows(has_others), has_feed[has_others]
    before = [KINDS.piece("went", alone.agent_R, text=[NO_FRIENDS] * len(alone))]
    if not len(there):
        return before
    reacting, failed_R = _reactions(there, has_feed, mind)
    acting = there.rows(~failed_R)
    acts = mind.socialise(acting)
    _check(acts, acting)
    went: list[str | None] = [None] * len(there)
    for row, text in zip(np.flatnonzero(~failed_R).tolist(), _reasons_for_nothing(acts), strict=True):
        went[row] = text
    return [
        *before,
        KINDS.piece("went", there.agent_R, text=went),
        _of_texts("retrieved", acting, acts.retrieved, np.ones(len(acting), dtype=bool)),
        *reacting,
        _failures(acting, acts.failed_R, acts.reasons),
        *_chats(acting, acts, watching_A, mind, are_chatting),
        _posts(acting, acts),
    ]


# --- who and what is there ---


def company(moment: Moment, recommender: Recommender | None = None) -> Company:
    """Friends, topics and feed of these agents."""
    state = moment.state
    feed_RS = feeds(state, moment.agent_R, moment.step, recommender)
    friends = closest_first(state.social.friends, moment.agent_R)
    return Company(moment.step, moment.agent_R, state, friends, topics(state, moment.agent_R), feed_RS)


def closest_first(friends: Ties, agents: np.ndarray) -> Ragged:
    """Friends of these agents by closeness, the closest first, then by number."""
    of_agents = friends.of(agents)
    closeness = Ragged(friends.closeness_R, friends.offsets)[agents].values
    row = np.repeat(np.arange(len(agents)), of_agents.lengths)
    order = np.lexsort((of_agents.values, -closeness, row))
    return Ragged(of_agents.values[order].astype(np.int64), of_agents.offsets)


def topics(state: SocietyState, agents: np.ndarray) -> Ragged:
    """Items last watched and heard of, each once: by how new they are in their list, watched before heard of."""
    viewing = state.viewing
    both_RB2 = np.stack([viewing.watched_AB[agents, ::-1], viewing.heard_AB[agents, ::-1]], axis=2)
    items_RT = both_RB2.reshape(len(agents), -1).astype(np.int64)
    order_RT = np.argsort(items_RT, axis=1, kind="stable")
    sorted_RT = np.take_along_axis(items_RT, order_RT, axis=1)
    is_first_RT = np.ones(items_RT.shape, dtype=bool)
    is_first_RT[:, 1:] = sorted_RT[:, 1:] != sorted_RT[:, :-1]
    kept_RT = np.zeros(items_RT.shape, dtype=bool)
    np.put_along_axis(kept_RT, order_RT, is_first_RT, axis=1)
    kept_RT &= items_RT >= 0
    return Ragged(items_RT[kept_RT], offsets_from_lengths(kept_RT.sum(axis=1)))


# --- reactions ---


def _reactions(there: Company, has_feed: np.ndarray, mind: Mind) -> tuple[Pieces, np.ndarray]:
    """Pieces of posts read and the reactions to them, and (R,) bool of rows whose decision failed."""
    failed_R = np.zeros(len(there), dtype=bool)
    if not has_feed.any():
        return [], failed_R
    readers = there.rows(has_feed)
    decided = mind.react(readers)
    failed_R[has_feed] = decided.failed_R
    row, slot = np.nonzero(readers.feed_RS >= 0)
    read = KINDS.piece("read", readers.agent_R[row], place=readers.feed_RS[row, slot], slot=slot)
    return [read, _failures(readers, decided.failed_R, decided.reasons), *_reaction_pieces(readers, decided)], failed_R


def _reaction_pieces(readers: Company, decided: Reactions) -> Pieces:
    posts, social = readers.state.social.posts, readers.state.social
    open_RS = (readers.feed_RS >= 0) & ~decided.failed_R[:, None]

    def chosen(mask_RS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        row, slot = np.nonzero(mask_RS & open_RS)
        return readers.agent_R[row], readers.feed_RS[row, slot]

    def met(mask_RS: np.ndarray, already: Ties) -> tuple[np.ndarray, np.ndarray]:
        """Agents and authors, each pair once, without ties that exist."""
        agent, post = chosen(mask_RS)
        author = posts.author_M[post].astype(np.int64)
        first = np.sort(np.unique(agent * already.n_agents + author, return_index=True)[1])
        agent, author = agent[first], author[first]
        is_new = ~already.has(agent, author)
        return agent[is_new], author[is_new]

    comments = decided.comments or [[None] * open_RS.shape[1]] * len(readers)
    said_RS = np.array([[text is not None for text in row] for row in comments], dtype=bool).reshape(open_RS.shape)
    said_RS |= np.isfinite(decided.comment_opinion_RS)
    row, slot = np.nonzero(said_RS & open_RS)
    texts = [comments[r][s] for r, s in zip(row.tolist(), slot.tolist(), strict=True)]
    liker, liked = chosen(decided.like_RS)
    follower, followed = met(decided.follow_RS & ~decided.mute_RS, social.follows)
    muter, muted = met(decided.mute_RS, social.mutes)
    reposter, reposted = chosen(decided.repost_RS)
    return [
        KINDS.piece("liked", liker, place=liked),
        KINDS.piece(
            "commented",
            readers.agent_R[row],
            place=readers.feed_RS[row, slot],
            value=decided.comment_opinion_RS[row, slot],
            text=texts,
        ),
        KINDS.piece("followed", follower, other=followed),
        KINDS.piece("muted", muter, other=muted),
        _with_nulls(
            KINDS.piece(
                "posted", reposter, item=posts.item_M[reposted], place=reposted, value=posts.opinion_M[reposted]
            )
        ),
    ]


# --- chats and posts ---


def _chats(
    acting: Company,
    acts: SocialActs,
    watching_A: np.ndarray,
    mind: Mind,
    are_chatting: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Pieces:
    rows = np.flatnonzero((acts.action_R == Social.CHAT) & ~acts.failed_R)
    if not len(rows):
        return []
    agent, friend = acting.agent_R[rows], acts.friend_R[rows]
    is_watching = watching_A[friend]
    already = are_chatting(agent, friend) | (_chose_each_other(agent, friend, watching_A.size) & (agent > friend))
    misses = is_watching | already
    why = np.where(is_watching, IS_WATCHING, ALREADY_CHATTING)[misses].tolist()
    missed = KINDS.piece("missed", agent[misses], other=friend[misses], text=why)
    return [missed, *_talks(acting.rows(rows[~misses]), friend[~misses], _rows_of(acts, rows[~misses]), mind)]


def _chose_each_other(agent: np.ndarray, friend: np.ndarray, n_agents: int) -> np.ndarray:
    chosen_A = np.full(n_agents, -1, dtype=np.int64)
    chosen_A[agent] = friend
    mutual: np.ndarray = chosen_A[friend] == agent
    return mutual


def _talks(began: Company, friend: np.ndarray, acts: SocialActs, mind: Mind) -> Pieces:
    if not len(began):
        return []
    partner_topics = topics(began.state, friend)
    pairs = Pairs(began.step, began.agent_R, began.state, friend, acts.item_R, began.topics, partner_topics)
    talk = mind.talk(pairs)
    took_place = ~talk.failed_R
    lines = took_place[talk.row_L]
    row = talk.row_L[lines]
    first, second = began.agent_R[row], friend[row]
    by_partner = talk.by_partner_L[lines]
    number = np.arange(len(row)) - np.searchsorted(row, row)
    texts = None if talk.texts is None else [talk.texts[line] for line in np.flatnonzero(lines).tolist()]
    return [
        _failures(began, talk.failed_R, talk.reasons),
        KINDS.piece("chatted", began.agent_R[took_place], other=friend[took_place], value=acts.hours_R[took_place]),
        _with_nulls(
            KINDS.piece(
                "said",
                np.where(by_partner, second, first),
                other=np.where(by_partner, first, second),
                item=talk.item_L[lines],
                slot=number,
                value=talk.opinion_L[lines],
                text=texts or [None] * len(row),
            )
        ),
    ]


def _posts(acting: Company, acts: SocialActs) -> pl.DataFrame:
    rows = np.flatnonzero((acts.action_R == Social.POST) & ~acts.failed_R)
    texts = [None if acts.texts is None else acts.texts[row] for row in rows.tolist()]
    return _with_nulls(
        KINDS.piece("posted", acting.agent_R[rows], item=acts.item_R[rows], value=acts.opinion_R[rows], text=texts)
    )


# --- pieces ---


def _check(acts: SocialActs, acting: Company) -> None:
    """Check that only friends are chatted with.

    Raises
    ------
    SimulationError
        A mind chose an agent that was not offered.
    """
    chats = (acts.action_R == Social.CHAT) & ~acts.failed_R
    wrong = np.flatnonzero(chats & ~acting.friends.contains(acts.friend_R))
    if len(wrong):
        agent, friend = int(acting.agent_R[wrong[0]]), int(acts.friend_R[wrong[0]])
        raise SimulationError(f"agent {agent} chats with {friend}, no friend: a mind may choose offered ones only")


def _reasons_for_nothing(acts: SocialActs) -> list[str | None]:
    reasons = acts.reasons or [None] * len(acts.action_R)
    nothing = ((acts.action_R == Social.NOTHING) & ~acts.failed_R).tolist()
    return [reason if is_nothing else None for reason, is_nothing in zip(reasons, nothing, strict=True)]


def _failures(moment: Moment, failed_R: np.ndarray, reasons: Texts | None) -> pl.DataFrame:
    rows = np.flatnonzero(failed_R)
    texts = [None if reasons is None else reasons[row] for row in rows.tolist()]
    return KINDS.piece("failed", moment.agent_R[rows], text=texts)


def _of_texts(kind: str, moment: Moment, texts: Texts | None, chosen: np.ndarray) -> pl.DataFrame:
    """Rows of a kind for chosen agents with a text."""
    texts = [None] * len(moment) if texts is None else texts
    rows = [row for row in np.flatnonzero(chosen).tolist() if texts[row] is not None]
    return KINDS.piece(kind, moment.agent_R[rows], text=[texts[row] for row in rows])


def _rows_of(acts: SocialActs, rows: np.ndarray) -> SocialActs:
    arrays = {name: getattr(acts, name)[rows] for name in _ACT_ARRAYS}
    return replace(acts, **arrays, texts=None, reasons=None, retrieved=None)


_ACT_ARRAYS = tuple(each.name for each in fields(SocialActs) if each.name.endswith("_R"))


def _with_nulls(piece: pl.DataFrame) -> pl.DataFrame:
    """The piece with null for the item -1."""
    return piece.with_columns(pl.col("item").replace(-1, None))
