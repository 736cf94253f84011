"""Feeds of posts: candidates and each order, against slow loops."""

import json
import math

import numpy as np
import pytest
from small_society import RandomMind, State, frame, moment, nobody_chats, setting

from recgpt.recommenders.base import Ranking
from recgpt.simulate.worlds.society import ranker, socialising
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.ties import Ties

RANKERS = ("time", "popularity", "hot", "similarity", "recommender")


class ByNumber:
    """Ranks items by number, the highest first."""

    def rank(self, histories, k, *, exclude, candidates):
        ids = np.tile(np.sort(candidates)[::-1][:k], (len(histories), 1))
        return Ranking(ids, -np.arange(ids.shape[1], dtype=np.float32) * np.ones((len(ids), 1), np.float32))


def lived(feed_ranker, n_rounds=4):
    """A state after some rounds of a random mind, with likes, comments, mutes, follows and removed posts."""
    state = State(SocietyRules(feed_ranker=feed_ranker, feed_size=4), setting(40))
    nobody = np.zeros(40, dtype=bool)
    for step in range(1, n_rounds + 1):
        pieces = socialising.play(
            state.rules,
            moment(state, step),
            nobody,
            RandomMind(step),
            are_chatting=nobody_chats,
            recommender=ByNumber(),
        )
        state.apply(frame(step, *pieces))
    state.apply(frame(n_rounds + 1, KINDS.piece("removed", np.array([-1, -1]), place=np.array([0, 5]))))
    return state


def score(state, reader, post):
    posts = state.social.posts
    likes, comments = int(posts.n_likes_M[post]), int(posts.n_comments_M[post])
    item = int(posts.item_M[post])
    if state.rules.feed_ranker == "time":
        return int(posts.time_M[post])
    if state.rules.feed_ranker == "popularity":
        return likes + comments + int(posts.n_reposts_M[post])
    if state.rules.feed_ranker == "hot":
        balance = likes - int(posts.n_against_M[post])
        sign = (balance > 0) - (balance < 0)
        return sign * math.log10(max(abs(balance), 1)) + int(posts.time_M[post]) / 45_000
    if item < 0:
        return -math.inf
    if state.rules.feed_ranker == "similarity":
        return float(state.people.population.taste_AE[reader] @ state.setting.facts.unit_NE[item])
    return item  # `ByNumber`


@pytest.mark.parametrize("feed_ranker", RANKERS)
def test_a_feed_is_ordered_by_its_formula_and_holds_nothing_forbidden(feed_ranker):
    state = lived(feed_ranker)
    social, posts = state.social, state.social.posts
    friends, follows, mutes = (
        set(zip(ties.source_R.tolist(), ties.target_R.tolist(), strict=True))
        for ties in (social.friends, social.follows, social.mutes)
    )
    feeds = ranker.feeds(state, np.arange(40), 6, ByNumber())
    assert (feeds >= 0).any()
    for reader in range(40):
        allowed = []
        for post in range(len(posts)):
            author = int(posts.author_M[post])
            newer = (posts.author_M[post + 1 :] == author).sum()
            near = (reader, author) in friends | follows and newer < ranker.NEWEST_OF_AUTHOR
            recent = feed_ranker != "time" and post >= len(posts) - ranker.NEWEST_OF_ALL
            fine = author != reader and not posts.removed_M[post] and (reader, author) not in mutes
            read = social.has_read(np.array([reader]), np.array([post]))[0]
            if (near or recent) and fine and not read:
                allowed.append((-score(state, reader, post), -post))
        expected = [-post for _, post in sorted(allowed)][:4]
        assert [post for post in feeds[reader].tolist() if post >= 0] == expected


def test_no_post_is_read_twice_and_no_post_of_its_own_round():
    state = lived("hot", n_rounds=3)
    first = ranker.feeds(state, np.arange(40), 6)
    row, slot = np.nonzero(first >= 0)
    state.apply(frame(6, KINDS.piece("read", row, place=first[row, slot], slot=slot)))
    second = ranker.feeds(state, np.arange(40), 7)
    assert not any(set(one) & set(other) - {-1} for one, other in zip(first.tolist(), second.tolist(), strict=True))
    state.apply(frame(7, KINDS.piece("posted", np.arange(40))))
    assert ranker.feeds(state, np.arange(40), 7).max() == second.max() < len(state.social.posts) - 40


@pytest.mark.parametrize(
    ("balance", "seconds", "hotness"), [(0, 0, 0), (100, 0, 2), (-100, 45_000, -1), (1, 90_000, 2), (-1, 0, 0)]
)
def test_hot_values(balance, seconds, hotness):
    assert ranker.hot(np.array(balance), np.array(seconds)) == pytest.approx(hotness)


def test_follows_grow_from_feeds():
    state = lived("popularity", n_rounds=2)
    assert len(state.social.follows) > 0
    before = len(state.social.follows)
    state.apply(frame(3, KINDS.piece("followed", np.array([1]), other=np.array([39]))))
    assert len(state.social.follows) >= before


def test_a_repost_knows_its_parent_and_root():
    state = State(made=setting(4))
    state.apply(frame(1, KINDS.piece("posted", np.array([0]), item=np.array([3]), text=["see it"])))
    state.apply(frame(2, KINDS.piece("posted", np.array([1]), item=np.array([3]), place=np.array([0]))))
    state.apply(frame(3, KINDS.piece("posted", np.array([2]), item=np.array([3]), place=np.array([1]))))
    posts = state.social.posts
    assert (posts.parent_M.tolist(), posts.root_M.tolist()) == ([-1, 0, 1], [0, 0, 0])
    assert posts.n_reposts_M.tolist() == [1, 1, 0] and posts.text(2) == "see it"


def test_own_stars_have_the_last_word_in_opinions():
    state = State()
    rated = KINDS.piece("rated", np.array([2, 3]), item=np.array([5, 5]), value=np.array([5.0, 2.0]))
    opined = KINDS.piece("opined", np.array([2, 4]), item=np.array([5, 5]), value=np.array([-0.5, 0.25]))
    state.apply(frame(1, rated, opined))
    opinions = state.social.opinions.of(np.array([2, 3, 4, 5]), np.array([5, 5, 5, 5]))
    np.testing.assert_allclose(opinions, [1, -0.5, 0.25, np.nan])


def test_density_as_in_the_golden_values(repo):
    path = repo.parent / "shared" / "fixtures" / "recagent" / "golden.json"
    if not path.is_file():
        pytest.skip("the golden values are not in ../shared")
    for case in json.loads(path.read_text())["entropy"]["density"]["cases"]:
        n_agents, n_pairs = case["agents"], case["rows"] // 2
        one, other = np.triu_indices(n_agents, 1)
        one, other = one[:n_pairs], other[:n_pairs]
        ties = Ties.from_edges(n_agents, np.concatenate([one, other]), np.concatenate([other, one]))
        assert ties.density == pytest.approx(case["correct"], abs=1e-6)


def test_density_counts_each_tie_once():
    assert Ties.from_edges(5, [0, 1], [1, 0]).density == 0.1
    assert Ties.from_edges(1, [], []).density == 0


def test_added_and_removed_ties_against_a_dictionary():
    rng = np.random.default_rng(0)
    ties, edges = Ties.from_edges(6, [], []), {}
    for _ in range(40):
        source, target = rng.integers(0, 6, (2, 5))
        if rng.random() < 0.6:
            closeness = rng.random(5).astype(np.float32)
            labels = rng.choice(["friend", "sister"], 5).tolist()
            ties = ties.with_added(source, target, closeness, labels)
            edges |= {
                (s, t): (c, label)
                for s, t, c, label in zip(source.tolist(), target.tolist(), closeness.tolist(), labels, strict=True)
                if s != t
            }
        else:
            ties = ties.without(source, target)
            for edge in zip(source.tolist(), target.tolist(), strict=True):
                edges.pop(edge, None)
        keys = list(zip(ties.source_R.tolist(), ties.target_R.tolist(), strict=True))
        values = [(c, ties.labels[n]) for c, n in zip(ties.closeness_R.tolist(), ties.label_R.tolist(), strict=True)]
        assert keys == sorted(edges) and dict(zip(keys, values, strict=True)) == edges
        assert ties.offsets.tolist() == np.searchsorted(ties.source_R, np.arange(7)).tolist()
