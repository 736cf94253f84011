"""The scripts behind the foundation model's figures run in small."""

import importlib.util
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.foundation.model import shipped

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_density_sweep_runs_in_small(run_script, tiny_minilm, tmp_path):
    dataset = Dataset.load(tiny_minilm.data)
    assert dataset.embeddings().shape[1] == shipped().config.text_encoder["dim"]
    out = tmp_path / "sweep.json"
    done = run_script("benchmarks/density_sweep.py", tiny_minilm.data, "--max_users", 20, "--json", out)
    assert done.code == 0, done.stderr
    (found,) = json.loads(out.read_text())["sets"]
    assert set(found["figures"]) >= {"hybrid_knn", "recgpt_text", "recgpt"}
    for points in found["figures"].values():
        assert [point["share"] for point in points] == [0, 0.01, 0.03, 0.1, 0.3, 1]
        assert all(0 <= point["ndcg@10"] <= 1 and np.isfinite(point["ci95"]).all() for point in points)
    assert out.with_suffix(".png").stat().st_size > 0


@pytest.mark.slow
def test_local_weights_are_measured_in_small(run_script, tiny_minilm, tmp_path):
    out = tmp_path / "local.json"
    done = run_script("benchmarks/local_weights.py", tiny_minilm.data, "--json", out)
    assert done.code == 0, done.stderr
    (found,) = json.loads(out.read_text())["sets"]
    assert found["kept"] is False, "a few users tell nothing surely"
    assert found["with"] == found["without"]


@pytest.mark.slow
def test_text_metrics_are_measured_in_small(run_script, tiny_minilm, tmp_path):
    out = tmp_path / "text.json"
    done = run_script("benchmarks/text_metric.py", tiny_minilm.data, "--protocol", "cold_item", "--json", out)
    assert done.code == 0, done.stderr
    (found,) = json.loads(out.read_text())["sets"]
    assert set(found["ndcg@10"]) >= {"raw", "whitened", "own 1/4", "own 1/2", "joint"}
    assert all(0 <= value <= 1 for value in found["ndcg@10"].values())


def test_difference_covariance_is_the_mean_over_successive_items():
    spec = importlib.util.spec_from_file_location("text_metric", ROOT / "benchmarks/text_metric.py")
    text_metric = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(text_metric)
    unit_NE = np.random.default_rng(0).normal(size=(9, 4))
    sequences = [[0, 3, 3, 1], [], [5, 0], [2], [3, 0, 8]]
    differences = [unit_NE[a] - unit_NE[b] for each in sequences for a, b in pairwise(each) if a != b]
    counts_NN = text_metric.pair_counts(Ragged.from_lists(sequences), 9)
    found_EE = text_metric.difference_covariance(unit_NE, counts_NN)
    np.testing.assert_allclose(found_EE, np.mean([np.outer(each, each) for each in differences], axis=0), atol=1e-6)
