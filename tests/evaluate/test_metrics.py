import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.errors import DataError
from recgpt.evaluate.metrics import MISSED, bootstrap_ci, hit_at, ndcg_at, per_case, target_ranks

# Few ids, so that lists hold duplicates, padding (-1) and hits; a list may be shorter or longer than the cut-off.
ranked_lists = st.integers(1, 8).flatmap(
    lambda width: st.lists(st.lists(st.integers(-1, 6), min_size=width, max_size=width), min_size=1, max_size=12)
)


def slow_hit(ids: list[int], target: int, k: int) -> float:
    return 1.0 if target in ids[:k] else 0.0


def slow_ndcg(ids: list[int], target: int, k: int) -> float:
    """DCG over IDCG by the textbook, with gains; only the first occurrence of the target is worth anything."""
    seen: set[int] = set()
    dcg = 0.0
    for place, item in enumerate(ids[:k]):
        gain = 1 if item == target and item not in seen else 0
        seen.add(item)
        dcg += (2**gain - 1) / math.log2(place + 2)
    ideal = (2**1 - 1) / math.log2(0 + 2)
    return dcg / ideal


@given(ranked_lists, st.data())
def test_metrics_equal_a_slow_implementation(lists, data):
    targets = [data.draw(st.integers(0, 6)) for _ in lists]
    k = data.draw(st.integers(1, 10))
    ranks = target_ranks(np.array(lists), np.array(targets))
    expected = list(zip(lists, targets, strict=True))
    np.testing.assert_allclose(hit_at(ranks, k), [slow_hit(ids, t, k) for ids, t in expected], atol=0)
    np.testing.assert_allclose(ndcg_at(ranks, k), [slow_ndcg(ids, t, k) for ids, t in expected], atol=1e-12)


@given(ranked_lists, st.data())
def test_metrics_grow_with_k_and_hit_bounds_ndcg(lists, data):
    targets = np.array([data.draw(st.integers(0, 6)) for _ in lists])
    values = per_case(target_ranks(np.array(lists), targets), range(1, 10))
    for k in range(1, 9):
        assert (values[f"hit@{k}"] <= values[f"hit@{k + 1}"]).all()
        assert (values[f"ndcg@{k}"] <= values[f"ndcg@{k + 1}"]).all()
        assert (values[f"ndcg@{k}"] <= values[f"hit@{k}"]).all()
    assert (values["ndcg@1"] == values["hit@1"]).all()


def test_ranks_are_one_based_and_missed_is_beyond_every_cut_off():
    ids = np.array([[7, 3, 5], [7, 3, 5], [3, -1, -1]])
    assert target_ranks(ids, np.array([7, 5, 9])).tolist() == [1, 3, MISSED]
    assert hit_at(np.array([MISSED]), 10**9).tolist() == [0.0]


def naive_bootstrap(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(resamples)]
    return np.quantile(means, [0.025, 0.975])


def test_interval_agrees_with_resampling_users_one_by_one():
    rng = np.random.default_rng(3)
    ranks = np.where(rng.random(400) < 0.3, rng.integers(1, 11, 400), MISSED)
    for values in per_case(ranks, (10,)).values():
        low, high = bootstrap_ci(values, np.arange(400), resamples=20_000)
        slow_low, slow_high = naive_bootstrap(values, 20_000, seed=9)
        standard_error = values.std() / 20
        assert abs(low - slow_low) < 0.08 * standard_error
        assert abs(high - slow_high) < 0.08 * standard_error


def test_interval_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        low, high = bootstrap_ci((rng.random(500) < 0.2).astype(float), np.arange(500), resamples=500, seed=trial)
        covered += low <= 0.2 <= high
    assert 0.90 <= covered / 300 <= 0.99


def test_cases_of_one_user_are_drawn_together():
    rng = np.random.default_rng(1)
    per_user = rng.random(200)
    alone = bootstrap_ci(per_user, np.arange(200))
    copied = bootstrap_ci(np.repeat(per_user, 5), np.repeat(np.arange(200), 5))
    np.testing.assert_allclose(copied, alone, rtol=0.02)  # five copies of a user tell nothing new
    as_if_independent = bootstrap_ci(np.repeat(per_user, 5), np.arange(1000))
    assert copied[1] - copied[0] > 2 * (as_if_independent[1] - as_if_independent[0])


def test_interval_is_seeded_and_holds_the_mean():
    values = (np.arange(100) % 4 == 0).astype(float)
    users = np.arange(100)
    assert bootstrap_ci(values, users, seed=1) == bootstrap_ci(values, users, seed=1)
    assert bootstrap_ci(values, users, seed=1) != bootstrap_ci(values, users, seed=2)
    low, high = bootstrap_ci(values, users)
    assert low < 0.25 < high
    narrow = bootstrap_ci(values, users, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_equal_values_give_an_interval_of_width_zero():
    assert bootstrap_ci(np.zeros(50), np.arange(50)) == (0.0, 0.0)


def test_no_cases_is_an_error():
    with pytest.raises(DataError, match="no cases"):
        bootstrap_ci(np.empty(0), np.empty(0, dtype=np.int64))


def test_a_million_users_take_seconds():
    rng = np.random.default_rng(0)
    ranks = np.where(rng.random(1_000_000) < 0.1, rng.integers(1, 11, 1_000_000), MISSED)
    started = time.perf_counter()
    for values in per_case(ranks, (1, 3, 5, 10)).values():
        bootstrap_ci(values, np.arange(1_000_000))
    assert time.perf_counter() - started < 5
