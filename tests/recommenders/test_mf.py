"""Matrix factorisation: user vectors as the library computes them, two tastes told apart, the same in every batch."""

import sys

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.recommenders.mf import MF, ItemVectors

als = pytest.importorskip("implicit.cpu.als", reason="needs the extra `baselines`")

N_ITEMS = 30
HISTORIES = [[0, 3, 7], [16, 20, 16, 2], [29], list(range(8, -1, -1))]


@pytest.fixture(scope="module")
def tastes() -> Dataset:
    """Sixty users of two tastes: even users take items below 15, odd users those above; item 0 is the most popular."""
    rng = np.random.default_rng(0)
    items = np.stack([rng.permutation(15)[:8] + 15 * (user % 2) for user in range(60)])
    items[::2, 0] = 0
    users = np.repeat(np.arange(60), 8)
    events = pl.DataFrame({"user_id": users, "item_id": items.ravel(), "position": np.tile(np.arange(8), 60)})
    return Dataset.from_frames("tastes", events, pl.DataFrame({"item_id": range(N_ITEMS), "title": ["x"] * N_ITEMS}))


@pytest.fixture(scope="module", params=["als", "bpr"])
def fitted(request, tastes) -> MF:
    return MF(algorithm=request.param, factors=16).fit(tastes)


@pytest.fixture(scope="module")
def fitted_als(tastes) -> MF:
    return MF(factors=16).fit(tastes)


def decayed_rows(histories: list[list[int]]) -> sparse.csr_matrix:
    rows = np.zeros((len(histories), N_ITEMS), dtype=np.float32)
    for row, history in enumerate(histories):
        for age, item in enumerate(reversed(history)):
            rows[row, item] += 0.6**age
    return sparse.csr_matrix(rows)


def library_model(recommender: MF):
    model = als.AlternatingLeastSquares(factors=16, alpha=20.0, regularization=30.0, num_threads=1)
    model.item_factors, model.user_factors = recommender._item_NF, np.zeros((4, 16), dtype=np.float32)
    return model


def test_user_vectors_and_rankings_equal_the_library_s(fitted_als):
    model, rows = library_model(fitted_als), decayed_rows(HISTORIES)
    users = fitted_als._users(Ragged.from_lists(HISTORIES))
    np.testing.assert_allclose(users, model.recalculate_user(np.arange(4), rows), rtol=1e-3, atol=1e-5)
    ids, scores = model.recommend(np.arange(4), rows, N=5, recalculate_user=True)
    ranking = fitted_als.rank(HISTORIES, 5)
    np.testing.assert_array_equal(ranking.ids, ids)
    np.testing.assert_allclose(ranking.scores, scores, atol=1e-5)


def test_item_vectors_are_those_of_the_library(fitted_als, tastes):
    taken = sparse.csr_matrix((np.ones(480), (tastes.interactions.user, tastes.interactions.item)), dtype=np.float32)
    taken.sum_duplicates()
    model = als.AlternatingLeastSquares(factors=16, alpha=20, regularization=30, num_threads=1, random_state=0)
    model.fit(taken, show_progress=False)
    np.testing.assert_array_equal(fitted_als._item_NF, model.item_factors)


@given(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=40))
def test_a_user_vector_is_the_weighted_least_squares_solution(fitted_als, history):
    items = fitted_als._item_NF.astype(np.float64)
    wanted = np.isin(np.arange(N_ITEMS), history)
    confidence = np.where(wanted, 20 * decayed_rows([history]).toarray()[0].astype(np.float64), 1)
    root = np.sqrt(confidence)[:, None]
    rows = np.concatenate([root * items, np.sqrt(30) * np.eye(16)])
    expected = np.linalg.lstsq(rows, np.concatenate([root[:, 0] * wanted, np.zeros(16)]))[0]
    np.testing.assert_allclose(fitted_als._users(Ragged.from_lists([history]))[0], expected, rtol=1e-5, atol=1e-6)


def test_two_tastes_are_told_apart_also_for_users_never_met(fitted):
    for history, low in (([0, 3, 7], 0), ([16, 20], 15), ([29], 15)):
        ids = fitted.rank([history], 10).ids[0]
        assert ((ids >= low) & (ids < low + 15)).all()


def test_recent_items_weigh_more(fitted):
    for history, low in (([0, 1, 2, 3, 20, 21], 15), ([20, 21, 22, 23, 0, 1], 0)):
        first = fitted.rank([history], 1).ids[0, 0]
        assert low <= first < low + 15


def test_a_seed_gives_one_model_on_any_number_of_threads(fitted, tastes):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        again = MF(algorithm=fitted._algorithm, factors=16).fit(tastes)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(again._item_NF, fitted._item_NF)
    np.testing.assert_array_equal(again.rank(HISTORIES, 9).scores, fitted.rank(HISTORIES, 9).scores)
    other = MF(algorithm=fitted._algorithm, factors=16, seed=1).fit(tastes)
    assert (other._item_NF != fitted._item_NF).any()


def test_scores_are_the_same_to_the_last_bit_in_every_batch(fitted):
    rng = np.random.default_rng(2)
    asked = [rng.integers(0, N_ITEMS, rng.integers(1, 40)).tolist() for _ in range(33)]
    together = fitted.rank(asked, N_ITEMS, exclude="nothing")
    for i, history in enumerate(asked):
        alone = fitted.rank([history], N_ITEMS, exclude="nothing")
        np.testing.assert_array_equal(alone.ids[0], together.ids[i])
        np.testing.assert_array_equal(alone.scores[0], together.scores[i])


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 9), st.sampled_from([1e-20, 1.0, 1e20]))
def test_products_are_exact_whatever_their_neighbours(seed, n_items, n_queries, size):
    rng = np.random.default_rng(seed)
    vectors, queries = size * rng.standard_normal((n_items, 7)), rng.standard_normal((n_queries, 7))
    together = ItemVectors.from_vectors(vectors).products(queries)
    lengths = np.linalg.norm(queries, axis=1, keepdims=True) * np.linalg.norm(vectors, axis=1).max()
    np.testing.assert_array_less(
        np.abs(together - queries @ vectors.T), 1e-6 * np.broadcast_to(lengths, together.shape)
    )
    alone = np.concatenate([ItemVectors.from_vectors(vectors).products(query[None]) for query in queries])
    np.testing.assert_array_equal(alone, together)


def test_items_without_a_vector_score_zero():
    np.testing.assert_array_equal(ItemVectors.from_vectors(np.zeros((2, 3))).products(np.ones((1, 3))), [[0, 0]])


def test_empty_histories_get_what_is_popular_now(fitted, tastes):
    assert fitted.rank([[]], 1).ids[0, 0] == 0
    watcher = MF(algorithm=fitted._algorithm, factors=16).fit(tastes)
    watcher.observe(Interactions(np.zeros(99, dtype=np.int32), np.full(99, 25, dtype=np.int32)))
    assert watcher.rank([[]], 1).ids[0, 0] == 25
    np.testing.assert_array_equal(watcher.rank(HISTORIES, 9).scores, fitted.rank(HISTORIES, 9).scores)
    with pytest.raises(DataError, match=rf"event 0 is on the item id {N_ITEMS}"):
        watcher.observe(Interactions(np.zeros(1, dtype=np.int32), np.array([N_ITEMS], dtype=np.int32)))


def test_what_was_saved_ranks_the_same_without_the_library(fitted, tmp_path, monkeypatch):
    fitted.save(tmp_path)
    for module in ("implicit", "implicit.cpu.als", "implicit.cpu.bpr"):
        monkeypatch.setitem(sys.modules, module, None)
    loaded, asked = MF.load(tmp_path), [[], *HISTORIES]
    np.testing.assert_array_equal(loaded.rank(asked, 9).ids, fitted.rank(asked, 9).ids)
    np.testing.assert_array_equal(loaded.rank(asked, 9).scores, fitted.rank(asked, 9).scores)


@pytest.mark.parametrize("algorithm", ["als", "bpr"])
def test_a_missing_library_is_named_with_the_remedy(algorithm, tastes, monkeypatch):
    monkeypatch.setitem(sys.modules, f"implicit.cpu.{algorithm}", None)
    with pytest.raises(DataError, match=r"library implicit.*pip install 'recgpt\[baselines\]'"):
        MF(algorithm=algorithm).fit(tastes)


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(DataError, match="'svd'"):
        MF(algorithm="svd")
