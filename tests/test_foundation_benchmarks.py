"""The scripts behind the foundation model's figures run in small."""

import json

import numpy as np
import pytest

from recgpt.data.dataset import Dataset
from recgpt.foundation.model import shipped


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
