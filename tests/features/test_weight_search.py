"""The search against brute force, where brute force can go."""

import itertools

import numpy as np
import pytest

from recgpt.features.weight_search import Cases, best_weights


def cases(n_cases: int, n_features: int, n_items: int, seed: int) -> Cases:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_cases, n_features, n_items)).round(1).astype(np.float32)
    targets = rng.integers(0, n_items, n_cases)
    signal = rng.exponential(1, n_features)
    features[np.arange(n_cases), :, targets] += signal.astype(np.float32)
    excluded = rng.random((n_cases, n_items)) < 0.1
    excluded[np.arange(n_cases), targets] = False
    return Cases(features, excluded, targets)


def slow_ndcg(cases: Cases, weights: np.ndarray) -> float:
    total = 0.0
    for features, excluded, target in zip(cases.features_BFN, cases.excluded_BN, cases.targets_B, strict=True):
        scores = weights.astype(np.float32) @ features
        ranked = sorted((i for i in range(len(scores)) if not excluded[i]), key=lambda i: (-scores[i], i))
        rank = ranked.index(target) + 1
        total += 1 / np.log2(rank + 1) if rank <= 10 else 0
    return total / len(cases.targets_B)


@pytest.mark.parametrize("weights", [[1, 0, 0], [0, 1, 0], [0.5, 0.25, 0.25]])
def test_ndcg_is_over_the_full_catalogue_with_ties_by_id(weights):
    toy = cases(20, 3, 60, seed=1)
    assert toy.ranked(np.array([weights]))[0][0] == pytest.approx(slow_ndcg(toy, np.array(weights)))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_on_a_fine_grid_is_better(seed):
    toy = cases(60, 3, 200, seed)
    found = best_weights(toy, np.eye(3))
    steps = np.linspace(0, 1, 21)
    grid = np.array([(a, b, 1 - a - b) for a, b in itertools.product(steps, steps) if a + b <= 1 + 1e-9]).clip(0)
    assert toy.ranked(found[None])[0][0] >= toy.ranked(grid)[0].max() - 1e-9
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


def test_deterministic_and_at_least_as_good_as_where_it_starts():
    toy = cases(30, 4, 100, seed=9)
    known = np.array([[0.1, 0.2, 0.3, 0.4]])
    found = best_weights(toy, known)
    np.testing.assert_array_equal(best_weights(toy, known), found)
    assert toy.ranked(found[None])[0][0] >= toy.ranked(known)[0][0]


def test_cases_that_cannot_be_hit_leave_a_valid_answer():
    hopeless = Cases(np.ones((2, 2, 50), dtype=np.float32), np.zeros((2, 50), dtype=bool), np.array([40, 49]))
    found = best_weights(hopeless, np.eye(2))
    assert found.sum() == pytest.approx(1)
