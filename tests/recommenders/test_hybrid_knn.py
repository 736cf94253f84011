"""The five features against slow implementations of their definitions, and what `fit` may look at."""

import itertools

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.hybrid_score import FEATURES, PRIOR_WEIGHTS, HybridIndex
from recgpt.features.text_similarity import whitened_unit_rows
from recgpt.recommenders import make
from recgpt.recommenders.hybrid_knn import HybridKNN

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

    def pooled(items: list[int]) -> np.ndarray:
        total = sum(0.5**age * space[item] for age, item in enumerate(reversed(items)))
        return total / np.linalg.norm(total)

    def decayed(rates: np.ndarray, decay: float, most: int) -> np.ndarray:
        return sum(decay**age * rates[item] for age, item in enumerate(reversed(history[-most:])))

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
    damping = np.sqrt(np.outer(count + 10, count + 10))
    together = np.zeros((N_ITEMS, N_ITEMS))
    for sequence in past:
        for i, j in itertools.permutations(set(sequence[-100:]), 2):
            together[i, j] += 1
    return {
        "text": standardised(space @ pooled(history)),
        "popularity": standardised(np.log(1 + count)),
        "co_visitation": np.log(1 + 300 * decayed(rates, 0.7, 30)),
        "cosine_co_visitation": np.log(1 + 30 * decayed(visits / damping, 0.7, 30)),
        "co_occurrence": np.log(1 + 30 * decayed(together / damping, 0.9, 100)),
    }


def test_features_are_as_documented():
    rng = np.random.default_rng(2)
    past = [*sequences(), rng.integers(0, N_ITEMS // 2, 150).tolist()]  # one with repeats, longer than what counts
    asked = [[3], [5, 9, 5, 17], list(range(12)), rng.integers(0, N_ITEMS, 140).tolist()]
    index = HybridIndex.from_sequences(whitened_unit_rows(embeddings()), Ragged.from_lists(past))
    features = dict(zip(FEATURES, index.features(Ragged.from_lists(asked)), strict=True))
    for row, history in enumerate(asked):
        for name, expected in slow_features(past, history).items():
            # The cosine is of rounded text, see `_rough`.
            tolerance = 2e-3 if name == "text" else 1e-5
            np.testing.assert_allclose(features[name][row], expected, atol=tolerance, rtol=tolerance, err_msg=name)


def test_weights_are_shares_and_a_quarter_of_them_is_fixed():
    weights = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of(sequences())).weights
    assert list(weights) == list(FEATURES)
    assert sum(weights.values()) == pytest.approx(1)
    for weight, prior in zip(weights.values(), PRIOR_WEIGHTS, strict=True):
        assert weight >= prior / 4 - 1e-12


def test_the_index_that_weights_are_tuned_with_ends_before_what_is_asked(monkeypatch):
    known = sequences()
    indexed = []
    original = HybridIndex.from_sequences.__func__

    def spy(cls: type[HybridIndex], unit_NE: np.ndarray, past: Ragged) -> HybridIndex:
        indexed.append(past)
        return original(cls, unit_NE, past)

    monkeypatch.setattr(HybridIndex, "from_sequences", classmethod(spy))
    make("hybrid_knn", embeddings=embeddings()).fit(dataset_of(known))
    for_tuning, for_ranking = ([s.tolist() for s in past] for past in indexed)
    assert for_tuning == [s[:-1] if len(s) >= 3 else s for s in known]
    assert for_ranking == known


def test_the_search_trusts_what_predicts():
    # Users walk through the catalogue in order and the texts are noise: co-visitation knows all, text nothing.
    fitted = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of(sequences(200)))
    histories = [[(i - 1) % N_ITEMS, i] for i in range(0, N_ITEMS, 3)]
    assert (fitted.rank(histories, 1).ids[:, 0] == [(h[-1] + 1) % N_ITEMS for h in histories]).all()


def test_tuned_weights_without_a_tuning_user_are_the_prior():
    fitted = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of([[0, 1], [2, 3]]))
    assert fitted.weights["text"] == pytest.approx(PRIOR_WEIGHTS[0])
    assert (fitted.rank([[0]], 3).ids >= 0).all()
    single = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of([[0], [2]]))
    assert (single.rank([[0]], 3).ids >= 0).all()


def test_observing_continues_the_sequences_under_the_same_weights():
    longer = sequences()
    watcher = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of([sequence[:-1] for sequence in longer]))
    weights = watcher.weights
    users = np.arange(len(longer))[::-1]
    watcher.observe(Interactions(users, np.array([longer[user][-1] for user in users])))
    assert watcher.weights == weights
    assert [s.tolist() for s in watcher._index.past.sequences] == longer


def test_loaded_ranks_and_observes_bit_identically(tmp_path):
    fitted = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of(sequences()))
    fitted.save(tmp_path / "hybrid")
    loaded = HybridKNN.load(tmp_path / "hybrid")
    asked = [[3], [], [5, 9, 17], list(range(12))]
    assert loaded.weights == fitted.weights
    for _ in range(2):
        first, second = fitted.rank(asked, N_ITEMS), loaded.rank(asked, N_ITEMS)
        np.testing.assert_array_equal(first.ids, second.ids)
        np.testing.assert_array_equal(first.scores, second.scores)
        events = Interactions(np.array([0, 99, 0]), np.array([7, 8, 9]))
        fitted.observe(events)
        loaded.observe(events)


def test_after_an_empty_history_comes_what_is_taken_most_so_far():
    fitted = make("hybrid_knn", embeddings=embeddings()).fit(dataset_of([[0, 1], [1, 2], [1, 2, 3]]))
    assert fitted.rank([[]], 3).ids[0].tolist() == [1, 2, 0]
    fitted.observe(Interactions(np.zeros(5, dtype=np.int32), np.full(5, 3)))
    assert fitted.rank([[]], 3).ids[0].tolist() == [3, 1, 2]
