import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.errors import DataError
from recgpt.evaluate.metrics import MISSED, hit_at, ndcg_at, per_case
from recgpt.evaluate.significance import bootstrap_ci, holm, paired_bootstrap


def random_ranks(rng: np.random.Generator, n: int, hit_rate: float = 0.3) -> np.ndarray:
    return np.where(rng.random(n) < hit_rate, rng.integers(1, 11, n), MISSED)


def resampled_means(values: np.ndarray, users: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The mean over cases in each resample, user by user."""
    rng = np.random.default_rng(seed)
    cases_of = [np.flatnonzero(users == user) for user in np.unique(users)]
    means = []
    for _ in range(resamples):
        drawn = np.concatenate([cases_of[i] for i in rng.integers(0, len(cases_of), len(cases_of))])
        means.append(values[drawn].mean())
    return np.array(means)


def test_interval_agrees_with_resampling_users_one_by_one():
    rng = np.random.default_rng(3)
    users = np.concatenate([np.arange(200), rng.integers(0, 200, 200)])  # one to several cases a user
    for values in per_case(random_ranks(rng, 400), (10,)).values():
        low, high = bootstrap_ci(values, users, resamples=20_000)
        slow_low, slow_high = np.quantile(resampled_means(values, users, 4_000, seed=9), [0.025, 0.975])
        standard_error = values.std() / 20
        assert abs(low - slow_low) < 0.15 * standard_error
        assert abs(high - slow_high) < 0.15 * standard_error


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


def test_equal_values_give_an_interval_of_width_zero():
    assert bootstrap_ci(np.zeros(50), np.arange(50)) == (0.0, 0.0)


def test_paired_bootstrap_agrees_with_resampling_users_one_by_one():
    rng = np.random.default_rng(5)
    users = np.concatenate([np.arange(150), rng.integers(0, 150, 100)])
    b = ndcg_at(random_ranks(rng, 250), 10)
    a = np.where(rng.random(250) < 0.8, b, ndcg_at(random_ranks(rng, 250, 0.7), 10))
    found = paired_bootstrap(a, b, users)
    assert found.n_users == 150
    assert found.difference == (a - b).mean()
    means = resampled_means(a - b, users, 4_000, seed=2)
    standard_error = means.std()
    slow_low, slow_high = np.quantile(means, [0.025, 0.975])
    assert abs(found.low - slow_low) < 0.15 * standard_error
    assert abs(found.high - slow_high) < 0.15 * standard_error
    slow_p = (1 + (np.abs(means - found.difference) >= abs(found.difference) - 1e-12).sum()) / (1 + len(means))
    assert 0.005 < slow_p < 0.5  # neither end would tell a wrong share from a right one
    assert abs(found.p_value - slow_p) < 4 * np.sqrt(slow_p * (1 - slow_p) / len(means))


def test_equal_recommenders_reject_about_5_times_in_100():
    rng = np.random.default_rng(0)
    p_values = []
    users = np.repeat(np.arange(150), 2)
    for trial in range(400):
        # Both rank as well, often the same; a user's two cases are alike, so 300 independent cases would reject more.
        shared = ndcg_at(random_ranks(rng, 150), 10)
        a, b = (np.where(rng.random(150) < 0.5, shared, ndcg_at(random_ranks(rng, 150), 10)) for _ in "ab")
        p_values.append(paired_bootstrap(a[users], b[users], users, resamples=300, seed=trial).p_value)
    for level in (0.05, 0.1, 0.5):
        share = np.mean(np.array(p_values) <= level)
        assert abs(share - level) < 3 * np.sqrt(level * (1 - level) / 400)


def test_a_clear_difference_is_found_and_has_the_smallest_p_value():
    rng = np.random.default_rng(0)
    better = hit_at(random_ranks(rng, 2000, 0.4), 10)
    worse = hit_at(random_ranks(rng, 2000, 0.3), 10)
    found = paired_bootstrap(better, worse, np.arange(2000), resamples=999)
    assert 0 < found.low < found.difference < found.high
    assert found.p_value == 1 / 1000


@given(st.integers(0, 2**32 - 1))
def test_swapping_the_recommenders_turns_the_sign_only(seed):
    rng = np.random.default_rng(seed)
    a, b = (ndcg_at(random_ranks(rng, 60), 10) for _ in "ab")
    users = rng.integers(0, 40, 60)
    there = paired_bootstrap(a, b, users, resamples=200)
    back = paired_bootstrap(b, a, users, resamples=200)
    assert there.difference == -back.difference
    assert there.p_value == back.p_value
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)


def test_identical_recommenders_do_not_differ():
    values = ndcg_at(random_ranks(np.random.default_rng(0), 500), 10)
    found = paired_bootstrap(values, values, np.arange(500))
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_difference_of_one_user_is_no_evidence():
    # Resamples that draw the user twice lie exactly as far out as the observed difference: they must count.
    a = np.zeros(50)
    a[7] = 1 / 3
    p = paired_bootstrap(a, np.zeros(50), np.arange(50)).p_value
    # The user is drawn 0 times or twice or more: 1 - P(once), with P(once) = 50 · 1/50 · (49/50)^49.
    assert p == pytest.approx(1 - (49 / 50) ** 49, abs=0.02)


# statsmodels 0.15.0: statsmodels.stats.multitest.multipletests(p_values, method="holm")[1]
HOLM = [
    ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
    ([0.2, 0.2, 0.01, 0.01, 0.6, 0.04], [0.6, 0.6, 0.06, 0.06, 0.6, 0.16]),
    ([0, 1, 0.02, 0.02, 0.02, 0.051, 0.3], [0.0, 1.0, 0.12, 0.12, 0.12, 0.153, 0.6]),
    ([0.03, 0.02, 0.025, 0.9], [0.08, 0.08, 0.08, 0.9]),
    ([0.5, 0.9, 0.7], [1.0, 1.0, 1.0]),
    ([0.0001], [0.0001]),
]


@pytest.mark.parametrize(("p_values", "adjusted"), HOLM)
def test_holm_equals_statsmodels(p_values, adjusted):
    np.testing.assert_allclose(holm(p_values), adjusted, rtol=0, atol=1e-12)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_no_correction_and_bonferroni(p_values):
    p, adjusted = np.array(p_values), holm(p_values)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, p * len(p))).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    assert (holm(p_values[::-1]) == adjusted[::-1]).all()


def test_bad_arguments_are_named():
    with pytest.raises(DataError, match="no cases"):
        bootstrap_ci(np.empty(0), np.empty(0, dtype=np.int64))
    with pytest.raises(DataError, match="no cases"):
        paired_bootstrap(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))
    with pytest.raises(DataError, match="3 values of one recommender and 2 of the other"):
        paired_bootstrap(np.zeros(3), np.zeros(2), np.arange(3))
    with pytest.raises(DataError, match="3 values for the users of 2 cases"):
        paired_bootstrap(np.zeros(3), np.zeros(3), np.arange(2))
    with pytest.raises(DataError, match="the value of case 1 is nan"):
        bootstrap_ci(np.array([0.0, np.nan]), np.arange(2))
    with pytest.raises(DataError, match=r"p_values\[1\] is 1.5"):
        holm([0.1, 1.5])
    with pytest.raises(DataError, match=r"p_values\[0\] is nan"):
        holm([np.nan, 0.1])


def test_a_million_users_take_seconds():
    rng = np.random.default_rng(0)
    users = np.arange(1_000_000)
    a, b = (per_case(random_ranks(rng, len(users), 0.1), (1, 3, 5, 10)) for _ in "ab")
    started = time.perf_counter()
    paired_bootstrap(a["ndcg@10"], b["ndcg@10"], users)
    assert time.perf_counter() - started < 2
    started = time.perf_counter()
    for values in a.values():
        bootstrap_ci(values, users)
    assert time.perf_counter() - started < 5
