"""The scripted mind: what it may decide, that it decides alone, and that it does what its coefficients say."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recgpt.data.ragged import Ragged
from recgpt.errors import DataError, SimulationError
from recgpt.simulate.agents.memory import PRESETS, Kind, Memory
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.base import Decisions, Pages
from recgpt.simulate.worlds.feed.minds.parameters import Parameters
from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind, recalled

N_AGENTS, N_ITEMS, WIDTH = 60, 40, 48


def unit_rows(rng: np.random.Generator, n: int) -> np.ndarray:
    rows = rng.standard_normal((n, WIDTH))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def facts() -> ItemFacts:
    rng = np.random.default_rng(1)
    categories_NC = sparse.csr_array(np.eye(3)[rng.integers(0, 3, N_ITEMS)])
    rating_N = rng.uniform(2, 5, N_ITEMS).astype(np.float32)
    rating_N[0] = np.nan
    titles = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"Film {i}" for i in range(N_ITEMS)]})
    return ItemFacts(
        items=titles,
        n_users=50,
        count_N=rng.integers(0, 50, N_ITEMS).astype(np.float32),
        mean_rating_N=rating_N,
        unit_NE=unit_rows(rng, N_ITEMS),
        categories_NC=categories_NC,
    )


@pytest.fixture(scope="module")
def population() -> Population:
    rng = np.random.default_rng(2)
    histories = Ragged.from_lists([rng.choice(N_ITEMS, rng.integers(0, 6), replace=False) for _ in range(N_AGENTS)])
    mean_A = rng.uniform(2, 5, N_AGENTS).astype(np.float32)
    mean_A[::4] = np.nan
    classes_3A = rng.integers(1, 4, (3, N_AGENTS)).astype(np.int8)
    unknown = np.full(N_AGENTS, np.nan, dtype=np.float32)
    return Population(
        user_A=np.arange(N_AGENTS),
        activity_A=classes_3A[0],
        diversity_A=classes_3A[1],
        conformity_A=classes_3A[2],
        n_ratings_A=unknown,
        n_genres_A=unknown,
        rating_deviation_A=unknown,
        mean_rating_A=mean_A,
        histories=histories,
        ratings=np.full(len(histories.values), np.nan, dtype=np.float32),
        taste_AE=unit_rows(rng, N_AGENTS),
        tastes=[()] * N_AGENTS,
        high_rating_tendency=[""] * N_AGENTS,
        low_rating_tendency=[""] * N_AGENTS,
        made_from="a test",
    )


def pages_of(agents_A: np.ndarray, items_AS: np.ndarray, *, step: int = 1, before: int = 0) -> Pages:
    counts = [np.full(len(agents_A), before * share) for share in (4, 3, 2, 1, 2, 8)]
    return Pages(step, agents_A, items_AS, np.zeros(items_AS.shape, dtype=bool), None, *counts)


def a_memory(facts: ItemFacts, seed: int = 3) -> Memory:
    """Agents remember some items, well or badly."""
    rng = np.random.default_rng(seed)
    memory = Memory(N_AGENTS, 8, PRESETS["recgpt"], width=WIDTH)
    text_N = memory.texts.ids_of(facts.items["title"].to_list(), facts.unit_NE)
    agents, items = rng.integers(0, N_AGENTS, 200), rng.integers(0, N_ITEMS, 200)
    valence = rng.uniform(-1, 1, 200)
    memory.add(agents, Kind.EVENT, text_N[items], created=1, importance=5, valence=valence, item=items)
    return memory


def equal(left: Decisions, right: Decisions, rows: np.ndarray) -> None:
    for name in ("aligned_AS", "watched_AS", "rating_AS", "feeling_AS", "satisfied_A", "exit_A", "failed_A"):
        np.testing.assert_array_equal(getattr(left, name)[rows], getattr(right, name), err_msg=name)
    assert [left.retrieved[row] for row in rows] == list(right.retrieved)


pages_drawn = st.integers(1, 7).flatmap(
    lambda n_slots: st.lists(
        st.lists(st.integers(-1, N_ITEMS - 1), min_size=n_slots, max_size=n_slots), min_size=1, max_size=20
    )
)


@settings(max_examples=60)
@given(rows=pages_drawn, step=st.integers(1, 6), seed=st.integers(0, 1000))
def test_decisions_are_possible_ones(rows, step, seed, population, facts):
    items_AS = np.array(rows)
    pages = pages_of(np.arange(len(rows)), items_AS, step=step, before=step - 1)
    decided = ScriptedMind(population, facts, seed=seed).decide(pages, a_memory(facts))
    assert not decided.failed_A.any()
    assert not (decided.aligned_AS & (items_AS < 0)).any()
    assert not (decided.watched_AS & ~decided.aligned_AS).any()
    np.testing.assert_array_equal(np.isfinite(decided.rating_AS), decided.watched_AS)
    np.testing.assert_array_equal(np.isfinite(decided.feeling_AS), decided.watched_AS)
    assert set(np.unique(decided.rating_AS[decided.watched_AS])) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert (np.abs(decided.feeling_AS[decided.watched_AS]) <= 1).all()


@settings(max_examples=40)
@given(chosen=st.sets(st.integers(0, N_AGENTS - 1), min_size=1), seed=st.integers(0, 1000))
def test_a_decision_does_not_depend_on_who_else_is_asked(chosen, seed, population, facts):
    rng = np.random.default_rng(seed)
    pages = pages_of(np.arange(N_AGENTS), rng.integers(-1, N_ITEMS, (N_AGENTS, 5)), step=2, before=1)
    mind, rows = ScriptedMind(population, facts, seed=seed), np.array(sorted(chosen))
    equal(mind.decide(pages, a_memory(facts)), mind.decide(pages.rows(rows), a_memory(facts)), rows)
    said, said_of_some = (mind.interview(each, a_memory(facts)).satisfaction_A for each in (pages, pages.rows(rows)))
    np.testing.assert_array_equal(said[rows], said_of_some)
    assert ((said >= 1) & (said <= 10) & (said == np.round(said))).all()


def test_blocks_leave_no_trace(population, facts, monkeypatch):
    pages = pages_of(np.arange(N_AGENTS), np.random.default_rng(0).integers(-1, N_ITEMS, (N_AGENTS, 4)))
    mind = ScriptedMind(population, facts, seed=4)
    whole = mind.decide(pages, a_memory(facts))
    monkeypatch.setattr("recgpt.simulate.worlds.feed.minds.scripted._AGENTS_PER_BLOCK", 7)
    equal(whole, mind.decide(pages, a_memory(facts)), np.arange(N_AGENTS))


def test_seed_and_step_decide(population, facts):
    items_AS = np.random.default_rng(0).integers(0, N_ITEMS, (N_AGENTS, 4))
    first, again, other = (ScriptedMind(population, facts, seed=seed, uses_memory=False) for seed in (0, 0, 1))
    pages, memory = pages_of(np.arange(N_AGENTS), items_AS), a_memory(facts)
    np.testing.assert_array_equal(first.decide(pages, memory).aligned_AS, again.decide(pages, memory).aligned_AS)
    assert (first.decide(pages, memory).aligned_AS != other.decide(pages, memory).aligned_AS).any()
    later = replace(pages, step=2)
    assert (first.decide(pages, memory).aligned_AS != first.decide(later, memory).aligned_AS).any()


def test_nobody_and_empty_pages(population, facts):
    mind, memory = ScriptedMind(population, facts, seed=0), a_memory(facts)
    nobody = mind.decide(pages_of(np.empty(0, dtype=np.int64), np.empty((0, 4), dtype=np.int64)), memory)
    assert nobody.aligned_AS.shape == (0, 4) and nobody.exit_A.shape == (0,)
    decided = mind.decide(pages_of(np.arange(5), np.full((5, 4), -1)), memory)
    assert not decided.aligned_AS.any()
    assert mind.interview(pages_of(np.arange(5), np.full((5, 4), -1)), memory).satisfaction_A.shape == (5,)


def log_odds(population, facts, memory, **changed):
    mind = ScriptedMind(replace(population, **changed), facts, seed=0)
    items_AS = np.tile(np.arange(N_ITEMS), (N_AGENTS, 1))
    return mind.align_log_odds(pages_of(np.arange(N_AGENTS), items_AS), memory)


def test_what_is_like_the_history_fits_better(population, facts):
    no_history = Ragged(np.empty(0, dtype=np.int64), np.zeros(N_AGENTS + 1, dtype=np.int64))
    nothing = np.empty(0, dtype=np.float32)
    tastes_AE = np.tile(facts.unit_NE[5], (N_AGENTS, 1))
    empty = Memory(N_AGENTS, 4, PRESETS["recgpt"], width=WIDTH)
    liked, opposed = (
        log_odds(population, facts, empty, histories=no_history, ratings=nothing, taste_AE=sign * tastes_AE)[:, 5]
        for sign in (1, -1)
    )
    assert Parameters.load().preference.interest > 0
    assert (liked > opposed + 1).all()


def test_better_and_more_popular_items_are_more_alluring(population, facts):
    fitted, empty = Parameters.load(), Memory(N_AGENTS, 4, PRESETS["recgpt"], width=WIDTH)
    assert fitted.align.preference > 0
    assert fitted.align.preference * fitted.preference.quality + fitted.align.quality > 0
    better_N = facts.mean_rating_N.copy()
    better_N[5] = 5.0
    worse_N = facts.mean_rating_N.copy()
    worse_N[5] = 1.0
    better, worse = (
        log_odds(population, replace(facts, mean_rating_N=rating_N), empty)[:, 5] for rating_N in (better_N, worse_N)
    )
    assert (better > worse).all()


def test_ratings_follow_the_agents_own_mean(population, facts):
    items_AS = np.random.default_rng(0).integers(1, N_ITEMS, (N_AGENTS, 4))
    high, low = (
        ScriptedMind(
            replace(population, mean_rating_A=np.full(N_AGENTS, mean, dtype=np.float32)), facts, seed=0
        ).decide(pages_of(np.arange(N_AGENTS), items_AS), a_memory(facts))
        for mean in (4.8, 2.0)
    )
    np.testing.assert_array_equal(high.watched_AS, low.watched_AS)  # other things draw on other random numbers
    assert (high.rating_AS[high.watched_AS] >= low.rating_AS[high.watched_AS]).all()
    assert np.nanmean(high.rating_AS) > np.nanmean(low.rating_AS) + 1


def test_memories_count_as_far_as_texts_are_alike(facts):
    memory = Memory(2, 4, PRESETS["recgpt"], width=WIDTH)
    said = memory.texts.ids_of(["loved it", "hated it"], facts.unit_NE[[7, 9]])
    memory.add(np.array([0, 0]), Kind.EVENT, said, created=1, importance=5, valence=np.array([1.0, -1.0]))
    text_NE = np.round(facts.unit_NE * 2**11) / 2**11
    pages = pages_of(np.array([0, 1]), np.array([[7, 9, -1], [7, 9, -1]]), step=2)
    of_items_AS, retrieved, valence_Ak = recalled(memory, pages, text_NE.astype(np.float32))
    alike = max(float(facts.unit_NE[7] @ facts.unit_NE[9]), 0)
    np.testing.assert_allclose(of_items_AS, [[1 - alike, alike - 1, 0], [0, 0, 0]], atol=2e-3)
    assert (retrieved.ids_Ak[1] == -1).all() and (valence_Ak[1] == 0).all()


def test_what_was_retrieved_is_told(population, facts):
    mind = ScriptedMind(population, facts, seed=0)
    items_AS = np.random.default_rng(0).integers(0, N_ITEMS, (N_AGENTS, 4))
    memory = a_memory(facts)
    decided = mind.decide(pages_of(np.arange(N_AGENTS), items_AS, step=2), memory)
    if not mind.uses_memory:
        pytest.skip("the fitted memory has no effect")
    for agent, note in enumerate(decided.retrieved):
        assert (note is None) == (memory.counts()[agent] == 0)
        assert note is None or len(json.loads(note)["ids"]) == min(memory.counts()[agent], 5)


def test_tastes_of_another_width_are_refused(population, facts):
    other = replace(population, taste_AE=population.taste_AE[:, :5])
    with pytest.raises(SimulationError, match="5 wide and the items' texts 48"):
        ScriptedMind(other, facts, seed=0)


def test_damaged_parameters_are_refused(tmp_path):
    whole, path = Parameters.load().model_dump(mode="json"), tmp_path / "scripted.json"
    with pytest.raises(DataError, match="cannot be read"):
        Parameters.load(path)
    path.write_text("{")
    with pytest.raises(DataError, match="not readable JSON"):
        Parameters.load(path)
    for damage, place in (
        ({"align": {**whole["align"], "memory": "x"}}, "align.memory"),
        ({"align": {**whole["align"], "charm": 1.0}}, "align.charm"),
        ({"rating": {**whole["rating"], "thresholds": [1, 2, 3]}}, "rating.thresholds"),
        ({"rating": {**whole["rating"], "thresholds": [1, 2, 3, 3]}}, "rating do not increase"),
    ):
        path.write_text(json.dumps({**whole, **damage}))
        with pytest.raises(DataError, match=place):
            Parameters.load(path)
    path.write_text(json.dumps(whole))
    assert Parameters.load(path) == Parameters.load()
