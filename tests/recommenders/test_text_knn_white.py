"""Whitened, pooled Text-kNN against its definition."""

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.errors import DataError
from recgpt.features.whitening import whiten
from recgpt.recommenders import load, make

N_ITEMS, WIDTH = 30, 6


def dataset() -> Dataset:
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("toy", pl.DataFrame({"user_id": [0], "item_id": [0], "position": [0]}), items)


def crowded() -> np.ndarray:
    """Embeddings in a narrow cone, as texts of one catalogue are."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((N_ITEMS, WIDTH)) * [1, 0.5, 0.3, 0.2, 0.1, 0.1] + [3, 0, 0, 0, 0, 1]).astype(
        np.float32
    )


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_whitening_by_the_formula():
    embeddings = crowded()
    centred = unit(embeddings.astype(np.float64))
    centred = centred - centred.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(centred.T, bias=True))
    expected = centred @ axes @ np.diag((values + 0.001 * values.mean()) ** -0.25) @ axes.T
    np.testing.assert_allclose(whiten(embeddings), expected, atol=1e-9)


def test_whitening_evens_the_directions_out_and_centres_them():
    def unevenness(rows: np.ndarray) -> float:
        values = np.linalg.eigvalsh(np.cov(rows.T, bias=True))
        return values.max() / values.min()

    whitened = whiten(crowded())
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-12)
    assert unevenness(whitened) == pytest.approx(unevenness(unit(crowded())) ** 0.5, rel=0.05)


def test_whitening_of_one_text_for_all_items_is_zero():
    np.testing.assert_allclose(whiten(np.ones((5, 3))), 0, atol=1e-12)


def test_scores_are_cosines_to_the_pooled_history():
    space = unit(whiten(crowded()))
    ranking = make("text_knn_white", embeddings=crowded()).fit(dataset()).rank([[4, 9, 2]], N_ITEMS, exclude="nothing")
    expected = space @ unit(0.25 * space[4] + 0.5 * space[9] + space[2])
    np.testing.assert_allclose(ranking.scores[0], expected[ranking.ids[0]], atol=1e-6)


def test_one_item_histories_are_ranked_by_the_cosine_of_the_whitened_texts():
    space = unit(whiten(crowded()))
    ranking = make("text_knn_white", embeddings=crowded()).fit(dataset()).rank([[7]], N_ITEMS - 1)
    assert ranking.ids[0].tolist() == [i for i in np.argsort(-(space @ space[7])) if i != 7]


def test_damaged_embeddings_are_named():
    damaged = crowded()
    damaged[4, 1] = np.inf
    with pytest.raises(DataError, match="item 4 holds NaN or infinity"):
        make("text_knn_white", embeddings=damaged).fit(dataset())


@pytest.mark.parametrize("name", ["text_knn", "text_knn_white"])
def test_loaded_ranks_bit_identically_and_nothing_after_an_empty_history(name, tmp_path):
    fitted = make(name, embeddings=crowded()).fit(dataset())
    fitted.save(tmp_path / name)
    loaded = load(tmp_path / name)
    first, second = (r.rank([[4, 9], [], [2]], N_ITEMS - 2) for r in (fitted, loaded))
    assert (first.ids[1] == -1).all()
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)
