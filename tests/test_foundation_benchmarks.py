"""The scripts behind the foundation model's figures run in small."""

import importlib.util
import json
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
import torch

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


def script(name: str) -> ModuleType:
    """A script of `benchmarks` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_simulated_users_take_an_item_once_after_its_release_and_alike_with_the_same_seed():
    made = script("synthetic_domains")
    unit_NE = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    unit_NE /= np.linalg.norm(unit_NE, axis=1, keepdims=True)

    def events(seed: int) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        return made.simulated(unit_NE, made.World.drawn(300, rng), 200, rng)

    found = events(1)
    assert found.equals(events(1)) and not found.equals(events(2))
    assert not found.select("user_id", "item_id").is_duplicated().any()
    assert found["item_id"].is_between(0, 299).all()
    assert found.group_by("user_id").len()["len"].min() >= 3
    by_user = found.sort("user_id", "position").group_by("user_id", maintain_order=True)
    assert all(times["timestamp"].is_sorted() for _, times in by_user)


def test_episodes_of_a_pool_are_drawn_by_weight_kind_and_share_of_simulated_ones():
    pool_of = script("foundation_pool")
    names = ["amazon_books", "amazon_phones", "boardgames", "simulated_boardgames_0"]
    pool = [pool_of.Learned(name, weight, None) for name, weight in zip(names, (1.0, 1.0, 2.0, 5.0), strict=True)]
    plain = pool_of.drawn_weights(pool_of.Row("plain", simulated=0.3), pool)
    np.testing.assert_allclose(plain, [0.175, 0.175, 0.35, 0.3])
    by_kind = pool_of.drawn_weights(pool_of.Row("kinds", by_kind=True), pool[:3])
    np.testing.assert_allclose(by_kind, np.array([1, 1, 2 * 2**0.5]) / (2 + 2 * 2**0.5))


def test_an_in_context_head_changes_nothing_before_it_learns_and_then_reads_labels(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    torch.manual_seed(0)
    head = script("in_context_head").Head(n_inputs=5, width=8, n_heads=2)
    asked_XJ, read_YJ, label_Y2 = torch.randn(3, 6), torch.randn(4, 6), torch.eye(2).repeat(2, 1)
    assert (head(asked_XJ, read_YJ, label_Y2) == 0).all()
    torch.nn.init.normal_(head.out.weight)
    assert not torch.allclose(head(asked_XJ, read_YJ, label_Y2), head(asked_XJ, read_YJ, 1 - label_Y2))
    alone = torch.cat([head(each[None], read_YJ, label_Y2) for each in asked_XJ])
    torch.testing.assert_close(alone, head(asked_XJ, read_YJ, label_Y2))


def test_difference_covariance_is_the_mean_over_successive_items():
    text_metric = script("text_metric")
    unit_NE = np.random.default_rng(0).normal(size=(9, 4))
    sequences = [[0, 3, 3, 1], [], [5, 0], [2], [3, 0, 8]]
    differences = [unit_NE[a] - unit_NE[b] for each in sequences for a, b in pairwise(each) if a != b]
    counts_NN = text_metric.pair_counts(Ragged.from_lists(sequences), 9)
    found_EE = text_metric.difference_covariance(unit_NE, counts_NN)
    np.testing.assert_allclose(found_EE, np.mean([np.outer(each, each) for each in differences], axis=0), atol=1e-6)
