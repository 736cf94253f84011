"""The schedule at work: rewiring, random items, adverts, targets, questions, and errors found before a run."""

import json
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from small_society import RandomMind, State, frame, setting

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.interventions import questions, start, targets
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.page_interventions import on_pages
from recgpt.simulate.worlds.society.rewiring import drawn_friends
from recgpt.simulate.worlds.society.schedule import Broadcast, Intervention
from recgpt.simulate.worlds.society.schedule_check import check_schedule
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.ties import Ties

SEED = 3


def entries(*values):
    return TypeAdapter(tuple[Intervention, ...]).validate_python(values)


def started(state, step, *values):
    rows = frame(step, *start(entries(*values), step, state, SEED))
    KINDS.check(rows)
    return rows


def never_seen(agents, items):
    return np.zeros(items.shape, dtype=bool)


# --- rewiring: the rule `correct` of the golden values ---


@given(
    groups=st.lists(st.integers(0, 2), min_size=1, max_size=25),
    n=st.integers(1, 5),
    interest=st.sampled_from(["different", "same", "any"]),
    seed=st.integers(0, 50),
)
def test_rewiring_adds_n_friends_of_the_right_interest_or_all_there_are(groups, n, interest, seed):
    group_A, rng = np.unique(groups, return_inverse=True)[1], np.random.default_rng(seed)
    n_agents = len(group_A)
    one, other = rng.integers(0, n_agents, (2, n_agents))
    old = Ties.from_edges(n_agents, np.concatenate([one, other]), np.concatenate([other, one]))
    agents = np.flatnonzero(rng.random(n_agents) < 0.7)
    draw = partial(drawn_friends, old, group_A, agents, n, interest, seed=seed, purpose="test")
    source, target = draw(step=1)
    for agent in agents.tolist():
        mine = target[source == agent].tolist()
        fits = {
            friend
            for friend in range(n_agents)
            if friend != agent
            and not old.has(np.array([agent]), np.array([friend]))[0]
            and (interest == "any" or (group_A[friend] == group_A[agent]) == (interest == "same"))
        }
        assert len(mine) == len(set(mine)) == min(n, len(fits)) and set(mine) <= fits
    again = draw(step=1)
    assert again[0].tolist() == source.tolist() and again[1].tolist() == target.tolist()


def test_rewired_friends_are_mutual_old_ties_stay_and_rounds_differ():
    state = State(made=setting(90))
    before = state.social.friends
    entry = {"kind": "rewire", "round": 1, "every": 1, "n": 2}
    rows = started(state, 1, entry)
    assert (
        rows.filter(pl.col("kind") == "tied").select("agent", "other").rows()
        != started(state, 2, entry).filter(pl.col("kind") == "tied").select("agent", "other").rows()
    )
    state.apply(rows)
    after = state.social.friends
    assert after.has(before.source_R, before.target_R).all()
    assert after.has(after.target_R.astype(np.int64), after.source_R).all()
    assert (after.degree_A - before.degree_A >= 2).all()
    new = ~before.has(after.source_R, after.target_R)
    assert (after.source_R[new] % 3 != after.target_R[new] % 3).all(), "main interests differ by number mod 3"


def test_rewiring_golden_degrees_are_bettered(repo):
    path = repo.parent / "shared" / "fixtures" / "recagent" / "golden.json"
    if not path.is_file():
        pytest.skip("the golden values are not in ../shared")
    for case in json.loads(path.read_text())["rewiring"]["cases"]:
        group_A = np.unique(list(case["interests"]), return_inverse=True)[1]
        n_agents, n = len(group_A), abs(case["k"])
        if not n:
            continue
        none = Ties.from_edges(n_agents, np.empty(0), np.empty(0))
        interest = "different" if case["k"] > 0 else "same"
        source, _ = drawn_friends(none, group_A, np.arange(n_agents), n, interest, seed=SEED, step=1, purpose="golden")
        same = (group_A[:, None] == group_A).sum(axis=1)
        candidates = n_agents - same if case["k"] > 0 else same - 1
        assert np.bincount(source, minlength=n_agents).tolist() == np.minimum(candidates, n).tolist()


# --- pages ---


@pytest.mark.parametrize("n", [1, 3, 5])
def test_random_items_fill_n_distinct_places_with_unseen_items(n):
    state = State(made=setting(40, n_items=80))
    state.viewing.watched_AB[:] %= 40
    agents, pages = np.arange(40), np.tile(np.arange(5), (40, 1)) + 20
    sources = np.zeros(pages.shape, dtype=np.int8)
    schedule = entries({"kind": "random_items", "round": 1, "n": n})
    seen = lambda agents, items: items >= 70  # noqa: E731
    filled, source_RS = on_pages(schedule, 1, state, SEED, agents, pages, sources, action=2, seen=seen)
    random = source_RS == Source.INTERVENTION
    assert (random.sum(axis=1) == n).all() and (filled[~random] == pages[~random]).all()
    assert (filled[random] < 70).all() and not np.isin(filled[random], pages).any()
    assert all(len(set(page)) == 5 for page in filled.tolist())
    for agent in agents.tolist():
        assert not set(filled[agent][random[agent]]) & set(state.viewing.histories(agents)[agent].tolist())
    if n < 5:
        assert (random.sum(axis=0) > 0).all(), "every place is filled for some agent"
    later = on_pages(schedule, 2, state, SEED, agents, pages, sources, action=1, seen=seen)[0]
    assert (later == pages).all()


def test_random_items_are_few_where_few_are_unseen():
    state = State(made=setting(6, n_items=12))
    state.viewing.watched_AB[:] = -1
    pages, sources = np.tile(np.arange(5), (6, 1)), np.zeros((6, 5), dtype=np.int8)
    schedule = entries({"kind": "random_items", "round": 1, "n": 3})
    seen = lambda agents, items: items != 7  # noqa: E731
    filled, source_RS = on_pages(schedule, 1, state, SEED, np.arange(6), pages, sources, action=1, seen=seen)
    assert (filled[source_RS == Source.INTERVENTION] == 7).all()
    assert ((source_RS == Source.INTERVENTION).sum(axis=1) == 1).all()


def test_an_advert_takes_the_first_slot_of_first_pages_of_its_agents():
    state, sources = State(), np.zeros((3, 3), dtype=np.int8)
    pages = np.array([[1, 2, 3], [1, 9, 3], [4, 5, -1]])
    schedule = entries({"kind": "advert", "round": 1, "item": 9, "agents": [0, 1]})
    agents = np.array([0, 1, 2])
    first, source_RS = on_pages(schedule, 1, state, SEED, agents, pages, sources, action=1, seen=never_seen)
    assert first.tolist() == [[9, 1, 2], [9, 1, 3], [4, 5, -1]]
    assert source_RS[:, 0].tolist() == [5, 5, 0] and (source_RS[:, 1:] == 0).all()
    assert (on_pages(schedule, 1, state, SEED, agents, pages, sources, action=2, seen=never_seen)[0] == pages).all()


# --- the other entries ---


def test_targets_are_keyed_by_entry_and_round():
    friends = setting(60).friends
    entry = Broadcast(round=1, text="", n_random=8)
    drawn = {
        (number, step): targets(entry, number, step, friends, SEED).tolist() for number in (0, 1) for step in (1, 2)
    }
    assert len({tuple(each) for each in drawn.values()}) == 4
    assert drawn[0, 1] == targets(entry, 0, 1, friends, SEED).tolist()
    best = targets(Broadcast(round=1, text="", n_best_connected=5), 0, 1, friends, SEED)
    assert friends.degree_A[best].min() >= np.sort(friends.degree_A)[-5]
    some = targets(Broadcast(round=1, text="", agents=(4, 9, 2), n_random=2), 0, 1, friends, SEED)
    assert len(some) == 2 and set(some) <= {2, 4, 9}


def test_a_broadcast_reaches_all_or_its_targets():
    state = State()
    to_all = started(state, 1, {"kind": "broadcast", "round": 1, "text": "hello", "item": 3, "opinion": 0.5})
    assert to_all["kind"].to_list() == ["intervened", "broadcast"] and len(state.hear(to_all)) == 60
    some = started(state, 1, {"kind": "broadcast", "round": 1, "text": "hello", "n_random": 4})
    assert len(state.hear(some)) == 4 and (some["agent"] >= 0).sum() == 4


def test_a_seeded_post_reaches_friends_now_and_feeds_in_the_next_round():
    state = State()
    rows = started(state, 1, {"kind": "post", "round": 1, "agents": [3], "item": 2, "text": "see it"})
    assert state.hear(rows).agent_H.tolist() == state.social.friends.of(np.array([3])).values.tolist()
    state.apply(rows)
    assert state.social.posts.text(0) == "see it" and state.social.posts.item_M.tolist() == [2]


def test_ties_are_made_and_ended_and_an_untied_agent_is_followed_no_longer():
    state = State(made=setting(4, friends=Ties.from_edges(4, [0, 1], [1, 0])))
    state.apply(frame(1, KINDS.piece("followed", np.array([2]), other=np.array([3]))))
    rows = started(
        state,
        2,
        {"kind": "tie", "round": 2, "source": 0, "target": 2, "label": "father", "closeness": 0.75},
        {"kind": "tie", "round": 2, "source": 0, "target": 1, "remove": True},
        {"kind": "tie", "round": 2, "source": 2, "target": 3, "graph": "follows", "remove": True},
        {"kind": "tie", "round": 2, "source": 1, "target": 3, "graph": "follows"},
    )
    state.apply(rows)
    friends, follows = state.social.friends, state.social.follows
    ties = zip(friends.source_R.tolist(), friends.target_R.tolist(), friends.label_R.tolist(), strict=True)
    assert [(source, target, friends.labels[label]) for source, target, label in ties] == [
        (0, 2, "father"),
        (2, 0, "friend"),
    ]
    assert friends.closeness_R.tolist() == [0.75, 0.75]
    assert list(zip(follows.source_R.tolist(), follows.target_R.tolist(), strict=True)) == [(1, 3)]


def test_moderation_edits_swaps_and_take_overs_are_events():
    state = State()
    opinions = np.array([-0.9, 0.5, -0.8])
    state.apply(frame(1, KINDS.piece("posted", np.array([1, 2, 3]), item=np.array([4, 4, 5]), value=opinions)))
    state.apply(
        started(
            state,
            2,
            {"kind": "moderation", "round": 2, "item": 4, "below": -0.5},
            {"kind": "profile", "round": 2, "agents": [7], "values": {"interest": "westerns", "age": 50}},
            {"kind": "person", "round": 2, "until": 3, "agent": 5},
        )
    )
    assert state.social.posts.removed_M.tolist() == [True, False, False]
    assert (state.people.interest[7], state.people.age_A[7], state.people.age_A[6]) == ("westerns", 50, 30)
    assert state.setting.people.interest[7] != "westerns"
    assert np.flatnonzero(state.profiles.played_A).tolist() == [5]
    person = {"kind": "person", "round": 2, "until": 3, "agent": 5}
    assert len(started(state, 3, person)) == 0
    state.apply(started(state, 4, person))
    assert not state.profiles.played_A.any()
    swapped = started(state, 2, {"kind": "recommender", "round": 2, "name": "popularity"})
    assert swapped.filter(pl.col("kind") == "swapped")["text"].to_list() == ["popularity"]


def test_surveys_polls_and_interviews_are_answered_by_their_agents():
    schedule = entries(
        {"kind": "survey", "round": 1, "question": "How good?", "item": 3, "agents": [1, 2]},
        {"kind": "survey", "round": 1, "question": "Which?", "options": ["a", "b"], "n_random": 3},
        {"kind": "interview", "round": 1, "question": "Why?", "agents": [4]},
        {"kind": "interview", "round": 2, "question": "Why?"},
    )
    rows = frame(1, *questions(schedule, 1, State(), RandomMind(), SEED))
    KINDS.check(rows)
    answered = rows.filter(pl.col("kind") == "answered")
    assert answered.filter(pl.col("slot") == 0).select("agent", "item", "value").rows() == [(1, 3, 2), (2, 3, 3)]
    assert set(answered.filter(pl.col("slot") == 1)["value"]) <= {0, 1}
    assert rows.filter(pl.col("kind") == "interviewed").select("agent", "text").rows() == [(4, "because")]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "broadcast", "round": 9, "text": ""}, "round 9 is after the last, 5"),
        ({"kind": "broadcast", "round": 3, "until": 2, "text": ""}, "until 2 is before round 3"),
        ({"kind": "broadcast", "round": 1, "text": "", "agents": [60]}, "no agent 60, use 0 to 59"),
        ({"kind": "broadcast", "round": 1, "text": "", "agents": [-1]}, "no agent -1, use 0 to 59"),
        ({"kind": "broadcast", "round": 1, "text": "", "n_random": 61}, "n_random 61 of 60 agents"),
        ({"kind": "post", "round": 1, "item": 12}, "no item 12, use 0 to 11"),
        ({"kind": "tie", "round": 1, "source": 1, "target": 99}, "no agent 99"),
        ({"kind": "tie", "round": 1, "source": 1, "target": 1}, "give two agents"),
        ({"kind": "person", "round": 1, "agent": 60}, "no agent 60"),
        ({"kind": "profile", "round": 1, "values": {"job": "nurse"}}, "profiles have no field 'job', use name, gender"),
        ({"kind": "profile", "round": 1, "values": {"age": "old"}}, "age 'old' is no number"),
        ({"kind": "profile", "round": 1, "values": {"feature": "Watcher;Baker"}}, "unknown feature 'Baker'"),
        ({"kind": "recommender", "round": 1, "name": "popular"}, "unknown recommender 'popular': choose among"),
        ({"kind": "random_items", "round": 1, "n": 6}, "more than a page holds, 5"),
        ({"kind": "survey", "round": 1, "question": "?", "options": ["a"]}, "give two or more"),
        ({"kind": "moderation", "round": 1}, "give author, item or below"),
    ],
)
def test_an_error_of_a_schedule_is_found_before_the_run(entry, message):
    with pytest.raises(SimulationError, match="schedule entry 1") as caught:
        check_schedule(entries({"kind": "rewire", "round": 1, "n": 1}, entry), setting(), SocietyRules())
    assert message in str(caught.value) and "\n" not in str(caught.value)
