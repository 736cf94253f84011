"""Histories of thousands of items: memory grows with their length, not with its square."""

import numpy as np

from recgpt.foundation.catalogue import FoundationCatalogue
from recgpt.foundation.model import FoundationModel
from tests.hostile import cheaply

N, LONG = 6_000, 5_000


def catalogue(feed_folder) -> FoundationCatalogue:
    rng = np.random.default_rng(0)
    model = FoundationModel.from_pretrained(feed_folder / "model")
    return model.index(
        [f"item {number}" for number in range(N)], embeddings=rng.standard_normal((N, 16)).astype(np.float16)
    )


def test_sixteen_long_histories_are_ranked_in_little_memory(feed_folder):
    rng = np.random.default_rng(1)
    indexed = catalogue(feed_folder)
    long = [rng.permutation(N)[:LONG].tolist() for _ in range(16)]
    histories = [[1, 2], *long, [3], []]
    with cheaply(seconds=60):
        together = indexed.recommend(histories, 5, exclude="nothing")
    for row in (0, 1, len(histories) - 2):
        alone = indexed.recommend([histories[row]], 5, exclude="nothing")
        assert alone.ids[0].tolist() == together.ids[row].tolist()
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-5, atol=1e-5)
