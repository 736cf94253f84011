"""Co-visitation against a slow count, and continuing sequences against counting the longer ones."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset, Interactions
from recgpt.features.co_visitation import CoVisitation
from recgpt.recommenders import make
from recgpt.recommenders.item_knn import ItemKNN

N_ITEMS = 9
sequence_lists = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=12), min_size=1, max_size=5)


def dataset_of(sequences: list[list[int]]) -> Dataset:
    users = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    events = users.explode("item_id").with_row_index("position")
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("toy", events, items)


def events_of(sequences: list[list[int]]) -> Interactions:
    user = np.repeat(np.arange(len(sequences)), [len(s) for s in sequences])
    return Interactions(user, np.array([i for s in sequences for i in s], dtype=np.int64))


def slow_counts(sequences: list[list[int]]) -> np.ndarray:
    counts = np.zeros((N_ITEMS, N_ITEMS))
    for sequence in sequences:
        for t, i in enumerate(sequence):
            for gap, j in enumerate(sequence[t + 1 : t + 6], start=1):
                if i != j:
                    counts[i, j] += 1 / gap
                    counts[j, i] += 0.5 / gap
    return counts


@given(sequence_lists)
def test_counts(sequences):
    visits = CoVisitation(N_ITEMS)
    visits.append(events_of(sequences))
    np.testing.assert_allclose(visits.counts().toarray(), slow_counts(sequences), atol=1e-12)


@given(sequence_lists, st.lists(st.integers(0, 60), max_size=4), st.randoms(use_true_random=False))
def test_appending_in_parts_and_interleaved_equals_counting_at_once(sequences, cuts, random):
    at_once, in_parts = CoVisitation(N_ITEMS), CoVisitation(N_ITEMS)
    events = events_of(sequences)
    at_once.append(events)
    # Any interleaving of the users that keeps each one's order.
    turns = events.user.tolist()
    random.shuffle(turns)
    rows = np.empty(len(turns), dtype=np.int64)
    rows[np.argsort(turns, kind="stable")] = np.arange(len(turns))
    interleaved = events.select(rows)
    for part in np.split(np.arange(len(turns)), sorted(min(cut, len(turns)) for cut in cuts)):
        in_parts.append(interleaved.select(part))
    np.testing.assert_array_equal(in_parts.counts().toarray(), at_once.counts().toarray())


@given(st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=9), min_size=1, max_size=6), sequence_lists)
def test_scores_are_as_documented(past, histories):
    counts = slow_counts(past)
    rates = counts / (counts.sum(axis=1, keepdims=True) + 5)
    item_knn = make("item_knn").fit(dataset_of(past))
    ranking = item_knn.rank(histories, N_ITEMS, exclude="nothing")
    for history, ids, scores in zip(histories, ranking.ids, ranking.scores, strict=True):
        if not history:
            taken = np.bincount([item for sequence in past for item in sequence], minlength=N_ITEMS)
            assert ids.tolist() == np.argsort(-taken, kind="stable").tolist()
            continue
        expected = sum(0.7**age * rates[item] for age, item in enumerate(reversed(history)))
        np.testing.assert_allclose(scores, expected[ids], rtol=1e-6, atol=1e-9)


def test_only_the_last_thirty_items_count():
    item_knn = make("item_knn").fit(dataset_of([[0, 1], [2, 3]]))
    ranking = item_knn.rank([[0] + [4] * 29, [0] + [4] * 30], 1)
    assert ranking.ids.ravel().tolist() == [1, 1]
    assert ranking.scores[0, 0] == pytest.approx(0.7**29 / 6)
    assert ranking.scores[1, 0] == 0


def test_observing_equals_fitting_on_the_longer_sequences():
    rng = np.random.default_rng(0)
    longer = [rng.integers(0, N_ITEMS, 14).tolist() for _ in range(4)]
    watcher = make("item_knn").fit(dataset_of([sequence[:8] for sequence in longer[:3]]))
    watcher.observe(events_of([sequence[8:] for sequence in longer[:3]] + [longer[3]]))  # user 3 is new
    refitted = make("item_knn").fit(dataset_of(longer))
    first, second = watcher.rank(longer, N_ITEMS, exclude="nothing"), refitted.rank(longer, N_ITEMS, exclude="nothing")
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)


def test_loaded_ranks_and_observes_bit_identically(tmp_path):
    rng = np.random.default_rng(1)
    longer = [rng.integers(0, N_ITEMS, 14).tolist() for _ in range(4)]
    fitted = make("item_knn").fit(dataset_of([sequence[:8] for sequence in longer]))
    fitted.save(tmp_path / "item_knn")
    loaded = ItemKNN.load(tmp_path / "item_knn")
    for _ in range(2):
        first, second = (r.rank([*longer, []], N_ITEMS, exclude="nothing") for r in (fitted, loaded))
        np.testing.assert_array_equal(first.ids, second.ids)
        np.testing.assert_array_equal(first.scores, second.scores)
        for recommender in (fitted, loaded):
            recommender.observe(events_of([sequence[8:] for sequence in longer]))
