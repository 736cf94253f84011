"""The six features against slow implementations of their definitions, and what `fit` may look at."""

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.recommenders import hybrid_knn, make
from recgpt.recommenders.hybrid_knn import FEATURES, _Index, _Text
from recgpt.recommenders.text_knn import whitened_unit_rows

N_ITEMS, WIDTH = 40, 8


def sequences(n_users: int = 30, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [((rng.integers(0, N_ITEMS) + np.arange(rng.integers(2, 9))) % N_ITEMS).tolist() for _ in range(n_users)]


def dataset_of(sequences: list[list[int]]) -> Dataset:
    users = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    events = users.explode("item_id").with_row_index("position")
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("toy", events, items)


def embeddings() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((N_ITEMS, WIDTH)).astype(np.float32)


def slow_features(past: list[list[int]], history: list[int]) -> dict[str, np.ndarray]:
    def standardised(values: np.ndarray) -> np.ndarray:
        return (values - values.mean()) / values.std()

    def softmax_of_nearest(cosines: np.ndarray, k: int) -> np.ndarray:
        weights = np.exp((cosines - 1) / 0.05)
        weights[np.argsort(-cosines, kind="stable")[k:]] = 0
        return weights / weights.sum()

    def pooled(items: list[int]) -> np.ndarray:
        total = sum(0.5**age * space[item] for age, item in enumerate(reversed(items)))
        return total / np.linalg.norm(total)

    def decayed(rates: np.ndarray) -> np.ndarray:
        return sum(0.7**age * rates[item] for age, item in enumerate(reversed(history)))

    space = whitened_unit_rows(embeddings()).astype(np.float64)
    count = np.bincount([i for sequence in past for i in sequence], minlength=N_ITEMS)
    visits = np.zeros((N_ITEMS, N_ITEMS))
    for sequence in past:
        for t, i in enumerate(sequence):
            for gap, j in enumerate(sequence[t + 1 : t + 6], start=1):
                visits[i, j] += 1 / gap
                visits[j, i] += 0.5 / gap
    np.fill_diagonal(visits, 0)
    rates = visits / (visits.sum(axis=1, keepdims=True) + 5)
    prefixes = [(sequence[:t], sequence[t]) for sequence in past for t in range(1, len(sequence))]
    near = softmax_of_nearest(np.array([pooled(items) @ pooled(history) for items, _ in prefixes]), 200)
    went_on = np.bincount([item for _, item in prefixes], weights=near, minlength=N_ITEMS)
    neighbours = np.array([softmax_of_nearest(space @ space[i], 21) for i in range(N_ITEMS)])
    return {
        "text": standardised(space @ pooled(history)),
        "popularity": standardised(np.log(1 + count)),
        "co_visitation": np.log(1 + 300 * decayed(rates)),
        "cosine_co_visitation": np.log(1 + 30 * decayed(visits / np.sqrt(np.outer(count + 10, count + 10)))),
        "prefixes": np.log(1 + 1000 * went_on),
        "neighbours": np.log(1 + 300 * decayed(neighbours @ rates)),
    }


def test_features_are_as_documented():
    past, asked = sequences(), [[3], [5, 9, 5, 17], list(range(12))]
    index = _Index.of(_Text.of(whitened_unit_rows(embeddings())), Ragged.from_lists(past))
    features = dict(zip(FEATURES, index.features(Ragged.from_lists(asked)), strict=True))
    for row, history in enumerate(asked):
        for name, expected in slow_features(past, history).items():
            # Neighbours are found on rounded text, see `_rough`.
            tolerance = 0.03 if name in ("prefixes", "neighbours") else 1e-5
            np.testing.assert_allclose(features[name][row], expected, atol=tolerance, rtol=tolerance, err_msg=name)


def test_of_equally_near_prefixes_the_first_count():
    text = np.eye(2, dtype=np.float32)
    near = hybrid_knn._nearest(text[:1], text[[1, 0, 0, 0, 1]], 2).toarray()
    np.testing.assert_allclose(near, [[0, 0.5, 0.5, 0, 0]])
    assert hybrid_knn._nearest(text, text[:0], 5).shape == (2, 0)


def test_the_weights_do_not_depend_on_the_last_items():
    known = [sequence for sequence in sequences() if len(sequence) >= 3]  # shorter ones are not asked about
    other = [[*sequence[:-1], (sequence[-1] + 7) % N_ITEMS] for sequence in known]
    first, second = (make("hybrid_knn", embeddings=embeddings()).fit(dataset_of(s)) for s in (known, other))
    assert first.weights == second.weights
    assert sum(first.weights.values()) == pytest.approx(1)
    assert set(first.weights) == set(FEATURES)


def test_the_search_trusts_what_predicts():
    # Users walk through the catalogue in order and the texts are noise: co-visitation knows all, text nothing.
    fitted = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of(sequences(200)))
    histories = [[(i - 1) % N_ITEMS, i] for i in range(0, N_ITEMS, 3)]
    assert (fitted.rank(histories, 1).ids[:, 0] == [(h[-1] + 1) % N_ITEMS for h in histories]).all()


def test_without_a_user_to_tune_on_the_usual_weights_hold():
    fitted = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of([[0, 1], [2, 3]]))
    assert fitted.weights["text"] == pytest.approx(1 / 2.6)
    assert (fitted.rank([[0]], 3).ids >= 0).all()
    single = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of([[0], [2]]))
    assert (single.rank([[0]], 3).ids >= 0).all()


def test_only_the_latest_prefixes_are_kept_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr(hybrid_knn, "_MAX_PREFIXES", 2)
    prefixes, went_on = hybrid_knn._prefixes(Ragged.from_lists([[0, 1, 2, 3], [], [4, 5], [6]]))
    assert [p.tolist() for p in prefixes] == [[0, 1, 2], [4]]
    assert went_on.tolist() == [3, 5]


def test_observing_continues_the_sequences_under_the_same_weights():
    longer = sequences()
    watcher = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of([sequence[:-1] for sequence in longer]))
    weights = watcher.weights
    users = np.arange(len(longer))[::-1]
    watcher.observe(Interactions(users, np.array([longer[user][-1] for user in users])))
    assert watcher.weights == weights
    assert [s.tolist() for s in watcher._index.sequences] == longer
