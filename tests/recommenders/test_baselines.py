"""What each baseline ranks, against slow implementations of its definition."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset, Interactions
from recgpt.errors import DataError
from recgpt.recommenders import make

N_ITEMS = 12


def dataset_of(sequences: list[list[int]]) -> Dataset:
    users = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    events = users.explode("item_id").with_row_index("position")
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("toy", events, items)


sequence_lists = st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=9), min_size=1, max_size=6)
excludes = st.sampled_from(["history", "nothing"])
candidate_sets = st.none() | st.lists(st.integers(0, N_ITEMS - 1)).map(lambda ids: np.array(ids, dtype=np.int64))


def allowed(history: list[int], exclude: str, candidates: np.ndarray | None) -> set[int]:
    items = set(range(N_ITEMS)) if candidates is None else set(candidates.tolist())
    return items - set(history) if exclude == "history" else items


def assert_ranks(ranking, expected: list[list[int]], k: int) -> None:
    for ids, want in zip(ranking.ids.tolist(), expected, strict=True):
        assert ids == (want + [-1] * k)[:k]


@given(sequence_lists, st.integers(1, N_ITEMS), excludes, candidate_sets)
def test_copy_last(sequences, k, exclude, candidates):
    ranking = make("copy_last").fit(dataset_of(sequences)).rank(sequences, k, exclude=exclude, candidates=candidates)
    expected = []
    for history in sequences:
        recent_first = list(dict.fromkeys(reversed(history)))
        expected.append([i for i in recent_first if i in allowed(history, exclude, candidates)])
    assert_ranks(ranking, expected, k)


def test_copy_last_scores_are_ages():
    ranking = make("copy_last").fit(dataset_of([[0]])).rank([[7, 2, 7, 4]], 4, exclude="nothing")
    assert ranking.ids.tolist() == [[4, 7, 2, -1]]
    assert ranking.scores.tolist() == [[0, -1, -2, -np.inf]]


@given(sequence_lists, sequence_lists, st.integers(1, N_ITEMS), excludes, candidate_sets)
def test_popularity(past, histories, k, exclude, candidates):
    ranking = make("popularity").fit(dataset_of(past)).rank(histories, k, exclude=exclude, candidates=candidates)
    counts = [sum(sequence.count(i) for sequence in past) for i in range(N_ITEMS)]
    by_count = sorted(range(N_ITEMS), key=lambda i: (-counts[i], i))
    expected = [[i for i in by_count if i in allowed(history, exclude, candidates)] for history in histories]
    assert_ranks(ranking, expected, k)
    shown = ranking.ids >= 0
    assert ranking.scores[shown].tolist() == [counts[i] for i in ranking.ids[shown]]


def test_popularity_observes_by_counting_on():
    popularity = make("popularity").fit(dataset_of([[1, 1, 2]]))
    popularity.observe(Interactions(np.zeros(2, dtype=np.int32), np.array([2, 2], dtype=np.int32)))
    assert popularity.rank([[]], 2).ids.tolist() == [[2, 1]]
    with pytest.raises(DataError, match=rf"event 0 is on the item id {N_ITEMS}"):
        popularity.observe(Interactions(np.zeros(1, dtype=np.int32), np.array([N_ITEMS], dtype=np.int32)))


@given(st.integers(0, 10**6), sequence_lists, st.integers(1, N_ITEMS), excludes, candidate_sets)
def test_text_knn(seed, histories, k, exclude, candidates):
    # Small whole numbers: cosines tie often, and a zero vector occurs.
    embeddings = np.random.default_rng(seed).integers(-1, 2, (N_ITEMS, 2)).astype(np.float32)
    text_knn = make("text_knn", embeddings=embeddings).fit(dataset_of([[0]]))
    ranking = text_knn.rank(histories, k, exclude=exclude, candidates=candidates)
    expected = []
    for history in histories:
        cosines = [cosine(embeddings[history[-1]], embeddings[i]) for i in range(N_ITEMS)]
        nearest = sorted(range(N_ITEMS), key=lambda i: (-round(cosines[i], 5), i))
        expected.append([i for i in nearest if i in allowed(history, exclude, candidates)])
    assert_ranks(ranking, expected, k)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / lengths) if lengths else 0.0


def test_text_knn_scores_are_cosines_and_the_same_to_the_bit_in_any_batch():
    embeddings = np.random.default_rng(0).standard_normal((N_ITEMS, 384)).astype(np.float16)
    text_knn = make("text_knn", embeddings=embeddings).fit(dataset_of([[0]]))
    histories = [[i % N_ITEMS] for i in range(100)]
    together = text_knn.rank(histories, N_ITEMS, exclude="nothing")
    for i in range(N_ITEMS):
        alone = text_knn.rank([histories[i]], N_ITEMS, exclude="nothing")
        np.testing.assert_array_equal(alone.scores[0], together.scores[i])
        exact = [cosine(embeddings[i].astype(float), embeddings[j].astype(float)) for j in alone.ids[0]]
        np.testing.assert_allclose(alone.scores[0], exact, atol=3e-7)


def test_text_knn_takes_the_embeddings_of_the_folder_by_default():
    with pytest.raises(DataError, match="made in memory"):
        make("text_knn").fit(dataset_of([[0]]))


def test_text_knn_refuses_embeddings_that_do_not_fit():
    with pytest.raises(DataError, match=rf"\(5, 3\) do not fit the {N_ITEMS} items of toy"):
        make("text_knn", embeddings=np.ones((5, 3))).fit(dataset_of([[0]]))
    damaged = np.ones((N_ITEMS, 3))
    damaged[4, 1] = np.nan
    with pytest.raises(DataError, match="item 4 holds NaN"):
        make("text_knn", embeddings=damaged).fit(dataset_of([[0]]))
