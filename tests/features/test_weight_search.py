"""The search against brute force, and that rounding, threads and processors do not change what it finds."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from recgpt.features.weight_search import STEPS, Cases, Lists, averaged_weights


def toy_features(n_cases: int, n_features: int, n_items: int, seed: int) -> Cases:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_cases, n_features, n_items)).astype(np.float32)
    targets = rng.integers(0, n_items, n_cases)
    signal = rng.exponential(1, n_features)
    features[np.arange(n_cases), :, targets] += signal.astype(np.float32)
    excluded = rng.random((n_cases, n_items)) < 0.1
    excluded[np.arange(n_cases), targets] = False
    return Cases(features, excluded, targets)


def toy_cases(n_cases: int, n_features: int, n_items: int, seed: int, noise: float = 0.0) -> Cases:
    """Of features that differ by `noise`, relative to their size, from those of the same seed without it."""
    cases = toy_features(n_cases, n_features, n_items, seed)
    jitter = np.random.default_rng([seed, 1]).normal(size=cases.features_BFN.shape)
    features = (cases.features_BFN * (1 + noise * jitter)).astype(np.float32)
    return Cases.from_features(features, cases.excluded_BN, cases.targets_B)


def ndcg(cases: Cases, steps: np.ndarray) -> np.ndarray:
    return Lists.from_cases(cases, cases.listed(steps)).ndcg(steps)


def slow_ndcg(cases: Cases, steps: np.ndarray) -> float:
    total = 0.0
    for features, excluded, target in zip(cases.features_BFN, cases.excluded_BN, cases.targets_B, strict=True):
        scores = (steps.astype(np.int64)[:, None] * np.rint(features * 1024).astype(np.int64)).sum(axis=0)
        ranked = sorted((i for i in range(len(scores)) if not excluded[i]), key=lambda i: (-scores[i], i))
        rank = ranked.index(target) + 1
        total += 1 / np.log2(rank + 1) if rank <= 10 else 0
    return total / len(cases.targets_B)


@pytest.mark.parametrize("steps", [[64, 0, 0], [0, 64, 0], [32, 16, 16]])
def test_ndcg_is_over_the_full_catalogue_with_ties_by_id(steps):
    toy = toy_features(20, 3, 60, seed=1)
    tied = Cases.from_features(toy.features_BFN.round(1), toy.excluded_BN, toy.targets_B)
    assert ndcg(tied, np.array([steps]))[0] == pytest.approx(slow_ndcg(tied, np.array(steps)), abs=1e-12)


def test_sums_of_the_largest_features_are_exact():
    features = np.array([[[-80, 70, 3.00098], [-70, 64, -0.00098], [-64, 63.999, 1.5]]], dtype=np.float32)
    cases = Cases.from_features(features, np.zeros((1, 3), dtype=bool), np.array([0]))
    assert np.abs(cases.features_BFN).max() == 64
    lists = Lists.from_cases(cases, [np.array([1, 2])])
    steps = np.array([21, 22, 23])
    in_units = np.rint(lists.lead_FBL[:, 0] * 1024).astype(np.int64)
    exact = (steps[:, None] * in_units).sum(axis=0)
    for order in itertools.permutations(range(3)):
        total = np.zeros(len(exact), dtype=np.float32)
        for feature in order:
            total += np.float32(steps[feature]) * lists.lead_FBL[feature, 0]
        np.testing.assert_array_equal(total.astype(np.float64) * 1024, exact)


@pytest.mark.parametrize("seed", range(4))
def test_hardly_anything_on_a_fine_grid_is_better(seed):
    toy = toy_cases(300, 3, 200, seed)
    found = averaged_weights(toy, np.eye(3))
    steps = np.linspace(0, 1, 21)
    grid = np.array([(a, b, 1 - a - b) for a, b in itertools.product(steps, steps) if a + b <= 1 + 1e-9]).clip(0)
    assert ndcg(toy, found[None] * STEPS)[0] >= ndcg(toy, np.rint(grid * STEPS)).max() - 0.02
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


GOLDEN = {0: [22, 5, 3, 34], 1: [3, 2, 8, 51]}


@pytest.mark.parametrize("seed", GOLDEN)
def test_golden_weights(seed):
    found = averaged_weights(toy_cases(200, 4, 300, seed), np.full((1, 4), 0.25))
    np.testing.assert_array_equal(found, np.array(GOLDEN[seed]) / sum(GOLDEN[seed]))


@pytest.mark.parametrize("seed", range(8))
def test_noise_of_a_millionth_changes_no_weight(seed):
    known = np.full((1, 4), 0.25)
    quiet, noisy = (averaged_weights(toy_cases(200, 4, 300, seed, noise), known) for noise in (0, 1e-6))
    np.testing.assert_array_equal(quiet, noisy)


FIT = """
import json, sys
import numpy as np
import polars as pl
import torch
from recgpt.data.dataset import Dataset
from recgpt.recommenders import make
torch.set_num_threads(int(sys.argv[1]))
rng = np.random.default_rng(0)
walks = [((rng.integers(0, 300) + rng.integers(1, 4, 8).cumsum()) % 300).tolist() for _ in range(400)]
events = pl.DataFrame({"user_id": range(400), "item_id": walks}).explode("item_id").with_row_index("position")
items = pl.DataFrame({"item_id": range(300), "title": [f"item {i}" for i in range(300)]})
texts = np.cos(np.arange(300)[:, None] * np.arange(1, 33) / 90) + rng.normal(0, 0.3, (300, 32))
fitted = make("hybrid_knn", embeddings=texts.astype(np.float16)).fit(Dataset.from_frames("toy", events, items))
print(json.dumps(list(fitted.weights.values())))
"""
MACHINES = [  # how BLAS, torch and NumPy compute on older processors, and on one thread
    ("1", {}),
    ("2", {"OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}),
    (
        "1",
        {
            "OPENBLAS_CORETYPE": "Nehalem",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "ATEN_CPU_CAPABILITY": "default",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
        },
    ),
]


def test_weights_fitted_on_other_processors_and_threads_are_the_same():
    found = []
    for threads, settings in MACHINES:
        command = [sys.executable, "-W", "ignore", "-c", FIT, threads]
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert found == found[:1] * len(found)
    assert sum(found[0]) == pytest.approx(1)


def test_cases_that_cannot_be_hit_leave_a_valid_answer():
    hopeless = Cases(np.ones((2, 2, 50), dtype=np.float32), np.zeros((2, 50), dtype=bool), np.array([40, 49]))
    found = averaged_weights(hopeless, np.eye(2))
    assert found.sum() == pytest.approx(1)
