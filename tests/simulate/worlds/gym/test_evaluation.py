"""Metrics of policies: the golden values, their definitions on random lists, intervals, paired comparisons."""

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.simulate.worlds.gym.artifacts import Facts
from recgpt.simulate.worlds.gym.evaluation import (
    METRICS,
    Episodes,
    average_precision,
    compare,
    of_lists,
    per_user,
    personalised,
    reciprocal_rank,
    spread,
    summary,
)
from recgpt.simulate.worlds.gym.measures import gym_measures
from recgpt.simulate.worlds.gym.steps import Left

GOLDEN = Path(__file__).parents[4] / "../shared/fixtures/emosim/golden.json"


def golden(entry: str) -> list[dict]:
    if not GOLDEN.is_file():
        pytest.skip(f"no {GOLDEN.name} beside this checkout")
    return json.loads(GOLDEN.read_text())[entry]["cases"]


def episodes_of(ratings: np.ndarray, items: np.ndarray | None = None, left: list[int] | None = None) -> Episodes:
    """Episodes of these (U, T) ratings, NaN beyond the end; rewards are half of them."""
    ratings = np.asarray(ratings, dtype=np.float64)
    there = ~np.isnan(ratings)
    items = np.arange(ratings.size).reshape(ratings.shape) if items is None else np.asarray(items)
    left_U = np.array(left or [Left.NOT] * len(ratings), dtype=np.int8)
    return Episodes(np.where(there, items, -1), ratings, ratings / 2, np.zeros(len(ratings), dtype=np.int64), left_U)


def test_ranking_metrics_have_the_golden_values() -> None:
    for case in golden("ranking_metrics"):
        ratings = np.array(case["ratings"], dtype=np.float64)
        relevant = (ratings >= case["liked_from"])[:, : case["k"]]
        np.testing.assert_allclose(average_precision(relevant), case["ap"], atol=1e-11, err_msg=case["name"])
        np.testing.assert_allclose(reciprocal_rank(relevant), case["rr"], atol=1e-11, err_msg=case["name"])
        if case["k"] == 10:
            figures = summary([episodes_of(ratings[:, :10])], liked_from=case["liked_from"], n_items=ratings.size)
            for name, expected in (("map@10", "map"), ("mrr@10", "mrr"), ("reward", "average_reward")):
                assert figures[name]["mean"] == pytest.approx(case[expected], abs=1e-6), (case["name"], name)


def test_personalisation_has_the_golden_values() -> None:
    for case in golden("personalisation"):
        lists = np.array(case["lists"])[:, : case["k"]]
        found = personalised(lists)
        if case["personalised"] is None:
            assert np.isnan(found).all()
        else:
            assert found.mean() == pytest.approx(case["personalised"], abs=1e-11), case["name"]
        distinct = of_lists(episodes_of(np.ones(lists.shape), lists), 1000)["distinct"]
        assert distinct / lists.size == pytest.approx(case["distinct_share"], abs=1e-11), case["name"]


@settings(max_examples=50)
@given(n_users=st.integers(2, 7), k=st.integers(1, 6), seed=st.integers(0, 2**16))
def test_personalised_is_the_mean_over_pairs(n_users: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists = np.stack([rng.permutation(9)[:k] for _ in range(n_users)])
    lists = np.where(np.arange(k) < rng.integers(0, k + 1, n_users)[:, None], lists, -1)
    sets = [set(row[row >= 0].tolist()) for row in lists]
    pairs = [len(one & other) / k for one, other in itertools.combinations(sets, 2)]
    assert personalised(lists).mean() == pytest.approx(1 - np.mean(pairs))


@settings(max_examples=50)
@given(bits=st.lists(st.booleans(), min_size=1, max_size=12))
def test_precision_and_rank_follow_their_definitions(bits: list[bool]) -> None:
    relevant = [place for place, bit in enumerate(bits, start=1) if bit]
    precision = [sum(bits[:place]) / place for place in relevant]
    assert average_precision(np.array([bits]))[0] == pytest.approx(np.mean(precision) if precision else 0)
    assert reciprocal_rank(np.array([bits]))[0] == pytest.approx(1 / relevant[0] if relevant else 0)


def test_users_who_left_count_with_what_they_rated() -> None:
    ratings = np.array([[8, 6, np.nan], [2, np.nan, np.nan], [np.nan] * 3])
    found = per_user(episodes_of(ratings, left=[Left.NOT, Left.LOW_STREAK, Left.MIND_FAILED]), liked_from=8)
    assert set(found) == set(METRICS)
    np.testing.assert_array_equal(found["reward"], [7, 2, np.nan])
    np.testing.assert_array_equal(found["return"], [7, 1, 0])
    np.testing.assert_array_equal(found["length"], [2, 1, 0])
    np.testing.assert_array_equal(found["left"], [0, 1, 0])
    np.testing.assert_array_equal(found["map@10"], [1, 0, np.nan])


def test_a_figure_is_the_mean_over_users_and_its_interval_covers_it() -> None:
    rng = np.random.default_rng(0)
    runs = [episodes_of(rng.integers(1, 11, (40, 10)).astype(float)) for _ in range(5)]
    figures = summary(runs, liked_from=8, n_items=400)
    reward = figures["reward"]
    assert reward["mean"] == pytest.approx(np.mean([run.rating_UT for run in runs]), abs=1e-6)
    assert reward["low"] < reward["mean"] < reward["high"]
    assert reward["seeds"] == pytest.approx([run.rating_UT.mean() for run in runs], abs=1e-6)
    assert figures["coverage"]["mean"] == 1
    alone = summary([episodes_of(np.array([[5.0] * 10]))], liked_from=8, n_items=10)
    assert alone["personalised"]["mean"] is None
    assert alone["reward"] == {"mean": 5.0, "low": None, "high": None, "seeds": [5.0]}
    json.dumps(figures, allow_nan=False)


def test_a_paired_comparison_finds_what_users_mask() -> None:
    rng = np.random.default_rng(1)
    of_user = rng.normal(6, 2, (60, 1))

    def runs(shift: float) -> list[Episodes]:
        return [episodes_of(of_user + shift + rng.normal(0, 0.3, (60, 10))) for _ in range(3)]

    policies = {"base": runs(0), "better": runs(0.2), "same": runs(0)}
    found = compare(policies, "base", "reward", liked_from=8)
    assert set(found) == {"better", "same"}
    assert found["better"]["low"] > 0
    assert found["better"]["adjusted"] < 0.01
    assert found["better"]["difference"] == pytest.approx(0.2, abs=0.05)
    assert found["same"]["low"] < 0 < found["same"]["high"]
    unpaired = summary(policies["better"], liked_from=8, n_items=600)["reward"]
    assert unpaired["high"] - unpaired["low"] > 5 * (found["better"]["high"] - found["better"]["low"])


def test_spread_separates_users_from_items() -> None:
    users, items = np.arange(20)[:, None], np.tile(np.arange(10), (20, 1))
    of_users = spread(episodes_of(3 + (users % 2) + 0.0 * items, items))
    assert of_users == {"mean": 3.5, "all": 0.5, "between_users": 0.5, "between_items": 0.0}
    of_items = spread(episodes_of(3 + items % 2 + 0.0 * users, items))
    assert of_items["between_items"] == 0.5
    assert of_items["between_users"] == 0


def test_measures_of_a_run_count_who_left_and_compare_with_real_ratings() -> None:
    facts = Facts("toy", "film", "films", 1, 5, 1, 4, [0, 0, 0.5, 0.5, 0], "", "")
    ratings = np.array([[3, 4, 3], [4, 1, np.nan], [np.nan] * 3])
    episodes = episodes_of(ratings, left=[Left.TIME_LIMIT, Left.DISSATISFIED, Left.MIND_FAILED])
    found = gym_measures(episodes, Counter(timeout=3), facts, 9)
    assert found["left"] == {"time limit": 1, "dissatisfied": 1, "the mind failed": 1}
    assert [(each["users"], each["rating"], each["left"]) for each in found["by_step"]] == [
        (2, 3.5, 0),
        (2, 2.5, 1),
        (1, 3, 0),
    ]
    assert found["ratings"]["shares"] == [0.2, 0, 0.4, 0.4, 0]
    assert found["ratings"]["total_variation"] == pytest.approx(0.2)
    nothing = gym_measures(episodes_of(np.full((2, 3), np.nan)), Counter(), facts, 9)
    assert nothing["ratings"]["shares"] is None
    assert nothing["metrics"]["reward"]["mean"] is None
    json.dumps([found, nothing], allow_nan=False)
