"""Feeds of posts: which an agent may see, and their order.

Candidates are posts of earlier rounds by friends and followed agents (the newest of each author), and for all orders
but `time` also the newest of everybody; without own, removed and read posts and without posts of muted authors. Orders:

- `time`: newest first;
- `popularity`: likes + comments + reposts;
- `hot`: `sign(s) log10 max(|s|, 1) + t / 45000`, s likes less comments against, t seconds of posting (Reddit; OASIS,
  Yang et al. 2024);
- `similarity`: cosine of the agent's taste and the item's text;
- `recommender`: rank of the posts' items by the recommender.

Equal scores: the newer post first. Posts without an item come last in the two orders by item.

Shapes: R readers, S slots of a feed, M posts, P pairs of a reader and a post.
"""

from typing import TYPE_CHECKING

import numpy as np

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.recommenders.base import Recommender
from recgpt.simulate.worlds.society.config import FeedRanker
from recgpt.simulate.worlds.society.posts import Posts
from recgpt.simulate.worlds.society.ties import distinct

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.social import SocialState
    from recgpt.simulate.worlds.society.state import SocietyState

NEWEST_OF_AUTHOR = 10  # posts of each friend and followed agent that may be in a feed
NEWEST_OF_ALL = 100  # posts of everybody that may be in a feed
SECONDS_OF_HOT = 45_000  # after so many a post needs ten times the likes
_READERS_AT_A_TIME = 4096


def feeds(state: "SocietyState", agents: np.ndarray, step: int, recommender: Recommender | None = None) -> np.ndarray:
    """(R, S) int64 numbers of posts, best first; -1 for an empty slot.

    Parameters
    ----------
    state
        State at the start of the round.
    agents
        (R,) readers.
    step
        Number of the round; its own posts are in nobody's feed yet.
    recommender
        Recommender of the order `recommender`.
    """
    size = state.rules.feed_size
    if not size or not state.social.posts.n_before(step):
        return np.full((len(agents), size), -1, dtype=np.int64)
    starts = range(0, len(agents), _READERS_AT_A_TIME)
    parts = [_feeds(state, agents[start : start + _READERS_AT_A_TIME], step, recommender) for start in starts]
    return np.concatenate(parts) if parts else np.empty((0, size), dtype=np.int64)


def _feeds(state: "SocietyState", agents: np.ndarray, step: int, recommender: Recommender | None) -> np.ndarray:
    size, n_posts = state.rules.feed_size, len(state.social.posts)
    keys = _candidates(state.social, agents, step, state.rules.feed_ranker)
    row_P, post_P = keys // n_posts, keys % n_posts
    score_P = _scores(state, agents, row_P, post_P, recommender)
    order = np.lexsort((-post_P, -score_P, row_P))
    row_P, post_P = row_P[order], post_P[order]
    slot_P = np.arange(len(row_P)) - offsets_from_lengths(np.bincount(row_P, minlength=len(agents)))[row_P]
    feed_RS = np.full((len(agents), size), -1, dtype=np.int64)
    kept = slot_P < size
    feed_RS[row_P[kept], slot_P[kept]] = post_P[kept]
    return feed_RS


def _candidates(social: "SocialState", agents: np.ndarray, step: int, ranker: FeedRanker) -> np.ndarray:
    """(P,) `row * M + post` of all pairs that may be shown, ascending."""
    posts, n_posts = social.posts, len(social.posts)
    stop = posts.n_before(step)
    by_author = _newest_posts(posts, stop, social.friends.n_agents)
    pairs = [_posts_of(social.friends.of(agents), by_author), _posts_of(social.follows.of(agents), by_author)]
    if ranker != "time":
        of_all = np.arange(max(0, stop - NEWEST_OF_ALL), stop)
        pairs.append((np.repeat(np.arange(len(agents)), len(of_all)), np.tile(of_all, len(agents))))
    row_P, post_P = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    reader_P, author_P = agents[row_P], posts.author_M[post_P]
    allowed = (reader_P != author_P) & ~posts.removed_M[post_P] & ~social.has_read(reader_P, post_P)
    if len(social.mutes):
        allowed &= ~social.mutes.has(reader_P, author_P)
    return distinct(row_P[allowed] * n_posts + post_P[allowed])


def _newest_posts(posts: Posts, stop: int, n_agents: int) -> Ragged:
    """The newest posts of each agent among posts before the number `stop`."""
    author_M = posts.author_M[:stop]
    by_author = np.argsort(author_M, kind="stable")
    return Ragged(by_author, offsets_from_lengths(np.bincount(author_M, minlength=n_agents))).tail(NEWEST_OF_AUTHOR)


def _posts_of(others: Ragged, by_author: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Rows and posts of the others of each reader."""
    row = np.repeat(np.arange(len(others)), others.lengths)
    posts = by_author[others.values]
    return np.repeat(row, posts.lengths), posts.values


def hot(score: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Hotness of posts: `sign(score) log10 max(|score|, 1) + seconds / 45000`."""
    hotness: np.ndarray = np.sign(score) * np.log10(np.maximum(np.abs(score), 1)) + seconds / SECONDS_OF_HOT
    return hotness


def _scores(
    state: "SocietyState", agents: np.ndarray, row_P: np.ndarray, post_P: np.ndarray, recommender: Recommender | None
) -> np.ndarray:
    posts, ranker = state.social.posts, state.rules.feed_ranker
    if ranker == "time":
        return posts.time_M[post_P]
    if ranker == "popularity":
        return (posts.n_likes_M + posts.n_comments_M + posts.n_reposts_M)[post_P]
    if ranker == "hot":
        return hot(posts.n_likes_M - posts.n_against_M, posts.time_M)[post_P]
    if ranker == "similarity":
        return _similarities(state, agents[row_P], posts.item_M[post_P])
    if recommender is None:
        raise ValueError("the order `recommender` needs a recommender")
    return _ranks(state, agents, row_P, posts.item_M[post_P], recommender)


def _similarities(state: "SocietyState", reader_P: np.ndarray, item_P: np.ndarray) -> np.ndarray:
    """(P,) cosines, -2 without an item."""
    taste_AE, unit_NE = state.people.population.taste_AE, state.setting.facts.unit_NE
    blocks = range(0, len(reader_P), 1 << 18)
    cosines = [
        np.einsum("pe,pe->p", taste_AE[reader_P[at : at + (1 << 18)]], unit_NE[item_P[at : at + (1 << 18)]])
        for at in blocks
    ]
    return np.where(item_P >= 0, np.concatenate([np.empty(0), *cosines]), -2)


def _ranks(
    state: "SocietyState", agents: np.ndarray, row_P: np.ndarray, item_P: np.ndarray, recommender: Recommender
) -> np.ndarray:
    """(P,) minus the rank of the item for the reader, 0 for the best."""
    items = distinct(item_P[item_P >= 0])
    worst = len(items)
    rank_RN = np.full((len(agents), worst + 1), worst)
    if worst:
        histories = state.viewing.histories(agents)
        ids_Rk = recommender.rank(histories, worst, exclude="nothing", candidates=items).ids
        row, rank = np.nonzero(ids_Rk >= 0)
        rank_RN[row, np.searchsorted(items, ids_Rk[row, rank])] = rank
    place_P = np.where(item_P >= 0, np.searchsorted(items, item_P), worst)
    return -rank_RN[row_P, place_P]
