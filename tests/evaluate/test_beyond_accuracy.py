import json
import math
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError
from recgpt.evaluate import beyond_accuracy as module
from recgpt.evaluate.beyond_accuracy import (
    beyond_accuracy,
    calibration_divergence,
    category_weights,
    gini_index,
    intra_list_diversity,
    popularity_deciles,
    popularity_groups,
    users_per_item,
)

RECTOOLS = json.loads((Path(__file__).parent / "rectools_reference.json").read_text())
N_ITEMS = 12

lists_of_items = st.lists(
    st.lists(st.integers(-1, N_ITEMS - 1), min_size=4, max_size=4), min_size=1, max_size=8
)  # with empty places, doubles, and now and then nothing else
exposures = st.lists(st.integers(0, 50), min_size=1, max_size=30)


def measured(lists, k=10, past=((0, 1, 2), (0, 1), (0,)), n_items=N_ITEMS, **options):
    """`beyond_accuracy` over what `past` says."""
    past = Ragged.from_lists(past)
    counts = np.bincount(past.values, minlength=n_items)
    users = users_per_item(past, n_items)
    return beyond_accuracy(np.array(lists), k, counts_N=counts, users_N=users, n_users=len(past), **options)


@pytest.mark.parametrize("name", RECTOOLS)
def test_figures_equal_rectools(name):
    case = RECTOOLS[name]
    embeddings = np.array(case["embeddings"])
    for k in (1, 3, 5, 20):
        found = measured(case["lists"], k, case["past"], len(embeddings), embeddings_NE=embeddings)
        for metric in ("novelty", "average_popularity", "coverage"):
            assert found[metric] == pytest.approx(case["rectools"][f"{metric}@{k}"], abs=1e-9)
        per_list = np.array(case["rectools"][f"intra_list_diversity@{k}"], dtype=float)  # None, an empty list, is NaN
        np.testing.assert_allclose(
            intra_list_diversity(np.array(case["lists"])[:, :k], embeddings), per_list, rtol=0, atol=1e-9
        )
        assert found["intra_list_diversity"] == pytest.approx(np.nanmean(per_list), abs=1e-9)


@given(exposures)
def test_gini_equals_the_double_loop(exposure):
    differences = sum(abs(a - b) for a in exposure for b in exposure)
    expected = differences / (2 * len(exposure) * sum(exposure)) if sum(exposure) else 0.0
    assert gini_index(np.array(exposure)) == pytest.approx(expected, abs=1e-12)


def test_gini_runs_from_equal_to_all_for_one():
    assert gini_index(np.full(10, 7)) == 0.0
    assert gini_index(np.array([0] * 9 + [5])) == pytest.approx(0.9)  # (N - 1) / N


def slow_diversity(ids, embeddings):
    """Pair by pair."""
    items = [i for i in ids if i >= 0]
    distances = []
    for place, i in enumerate(items):
        for j in items[place + 1 :]:
            lengths = math.hypot(*embeddings[i]) * math.hypot(*embeddings[j])
            distances.append(1 - (float(np.dot(embeddings[i], embeddings[j])) / lengths if lengths else 0.0))
    return np.mean(distances) if distances else (0.0 if items else math.nan)


@given(lists_of_items, st.integers(0, 2**32 - 1))
def test_diversity_equals_going_through_the_pairs(lists, seed):
    embeddings = np.random.default_rng(seed).standard_normal((N_ITEMS, 5)).astype(np.float16)
    embeddings[3] = 0  # an item without text
    expected = [slow_diversity(ids, embeddings.astype(float)) for ids in lists]
    np.testing.assert_allclose(intra_list_diversity(np.array(lists), embeddings), expected, rtol=0, atol=1e-9)


def slow_divergence(history, ids, weights, alpha=0.01):
    """By the definitions of Steck (2018), every item of a history and of a list weighing the same."""

    def distribution(items):
        of_items = [weights[i] / weights[i].sum() for i in items if i >= 0 and weights[i].sum()]
        return np.mean(of_items, axis=0) if of_items else None

    p, q = distribution(history), distribution(ids)
    if p is None or q is None:
        return math.nan
    return sum(p[g] * math.log(p[g] / ((1 - alpha) * q[g] + alpha * p[g])) for g in range(len(p)) if p[g])


@given(lists_of_items, st.data())
def test_calibration_equals_a_slow_implementation(lists, data):
    histories = [data.draw(st.lists(st.integers(0, N_ITEMS - 1), max_size=5)) for _ in lists]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(0, 3, (N_ITEMS, 4)) * rng.random((N_ITEMS, 4))  # some items have no category
    expected = [slow_divergence(h, ids, weights) for h, ids in zip(histories, lists, strict=True)]
    for categories in (weights, sparse.csr_array(weights)):
        found = calibration_divergence(np.array(lists), Ragged.from_lists(histories), categories)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_calibration_is_zero_for_the_history_itself_and_grows_as_categories_go_missing():
    categories = np.eye(3)[[0, 0, 1, 1, 2, 2]]
    histories = Ragged.from_lists([[0, 1, 2, 4]] * 3)
    lists = np.array([[1, 0, 3, 5], [0, 0, 2, 2], [0, 0, 0, 0]])
    divergence = calibration_divergence(lists, histories, categories)
    assert divergence[0] == pytest.approx(0, abs=1e-12)
    assert 0 < divergence[1] < divergence[2]
    assert divergence[2] == pytest.approx(0.5 * math.log(0.5 / 0.995) + 2 * 0.25 * math.log(1 / 0.01))


def test_figures_do_not_depend_on_the_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    lists, categories = rng.integers(-1, N_ITEMS, (60, 5)), rng.random((N_ITEMS, 6)) < 0.4
    options = {
        "embeddings_NE": rng.standard_normal((N_ITEMS, 8)),
        "categories_NC": categories,
        "histories": Ragged.from_lists([rng.integers(0, N_ITEMS, n % 4) for n in range(60)]),
    }
    whole = measured(lists, **options)
    monkeypatch.setattr(module, "_PLACES_PER_CHUNK", 17)
    monkeypatch.setattr(module, "_CELLS_PER_CHUNK", 19)
    in_chunks = measured(lists, **options)
    assert in_chunks.keys() == whole.keys()
    for name, figure in in_chunks.items():
        assert figure == pytest.approx(whole[name], abs=1e-12)


def test_figures_of_a_case_worked_out_by_hand():
    # Items 0 to 2 were taken 3, 2 and 1 times, by three users; items 3 to 11 never. Two of three lists hold anything.
    found = measured([[0, 1, -1, 2], [3, -1, 0, 9], [-1, -1, -1, 9]], k=3)
    assert found["coverage"] == 3 / 12
    assert found["cold_share"] == 1 / 4
    assert found["average_popularity"] == pytest.approx(((3 + 2) / 2 + (0 + 3) / 2) / 2)
    assert found["novelty"] == pytest.approx((math.log2(3 / 2) / 2 + math.log2(3) / 2) / 2)
    # The deciles of twelve items: 0 and 1 in the first, 2 in the second, 3 in the third, 4 in the fourth, ...
    assert found["popularity_deciles"] == pytest.approx([3 / 4, 0, 1 / 4, 0, 0, 0, 0, 0, 0, 0])
    assert found["intra_list_diversity"] is None
    assert found["category_calibration"] is None
    assert found["popularity_calibration"] is None


def test_novelty_counts_users_and_popularity_interactions():
    found = measured([[0]], past=[[0, 0, 0, 0], [0], [1], [2]])
    assert found["novelty"] == pytest.approx(math.log2(4 / 2))
    assert found["average_popularity"] == 5


@given(st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=9), max_size=9))
def test_users_per_item_equals_counting_sets(sequences):
    expected = [sum(item in sequence for sequence in sequences) for item in range(N_ITEMS)]
    assert users_per_item(Ragged.from_lists(sequences), N_ITEMS).tolist() == expected


@given(st.lists(st.integers(0, 5), min_size=1, max_size=45))
def test_deciles_are_even_and_ordered_by_count_then_id(counts):
    deciles = popularity_deciles(np.array(counts))
    order = sorted(range(len(counts)), key=lambda item: (-counts[item], item))
    assert (np.diff(deciles[order]) >= 0).all()
    sizes = np.bincount(deciles, minlength=10)
    assert len(sizes) == 10
    assert sizes.max() - sizes.min() <= 1


def test_popularity_groups_split_the_interactions_in_20_60_20():
    counts = np.array([0, 1, 10, 5, 4, 1, 4, 0, 5])  # 30: the head is item 2, the tail starts after 24
    groups = popularity_groups(counts)
    assert groups.sum(axis=1).tolist() == [1] * 9
    assert np.flatnonzero(groups[:, 0]).tolist() == [2]
    assert np.flatnonzero(groups[:, 1]).tolist() == [3, 4, 8]
    assert np.flatnonzero(groups[:, 2]).tolist() == [0, 1, 5, 6, 7]
    assert popularity_groups(np.zeros(3, dtype=int))[:, 2].tolist() == [1, 1, 1]


def test_categories_are_read_at_every_separator():
    texts = ["Action, Comedy", "", "Books > Poetry , ", "Action | Action, RPG"]
    weights = category_weights(pl.DataFrame({"categories": texts}))
    assert weights.toarray().tolist() == [  # Action, Books, Comedy, Poetry, RPG
        [1, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 1, 0, 1, 0],
        [1, 0, 0, 0, 1],
    ]


@pytest.mark.parametrize("texts", [["", ""], ["Books", "Books"], ["Books", ""]])
def test_a_catalogue_of_one_category_has_none(texts):
    assert category_weights(pl.DataFrame({"categories": texts})) is None


def test_empty_lists_have_no_figures():
    embeddings, categories = np.eye(N_ITEMS), np.eye(N_ITEMS)
    for lists in ([[-1, -1, -1]] * 2, [[-1, -1, 4]] * 2):
        found = measured(
            lists,
            k=2,
            embeddings_NE=embeddings,
            categories_NC=categories,
            histories=Ragged.from_lists([[1], [2]]),
        )
        assert set(found.values()) == {None}


@given(lists_of_items, st.integers(1, 6), st.data())
def test_figures_are_within_their_bounds_and_json(lists, k, data):
    histories = Ragged.from_lists([data.draw(st.lists(st.integers(0, N_ITEMS - 1), max_size=4)) for _ in lists])
    categories = np.tile(np.eye(3), (4, 1))
    embeddings = np.random.default_rng(0).standard_normal((N_ITEMS, 4))
    found = measured(lists, k, embeddings_NE=embeddings, categories_NC=categories, histories=histories)
    json.dumps(found, allow_nan=False)
    if found["coverage"] is None:
        assert set(found.values()) == {None}
        return
    assert 0 < found["coverage"] <= 1
    assert 0 <= found["gini"] < 1
    assert 0 <= found["novelty"] <= math.log2(3) + 1e-12
    assert 0 <= found["cold_share"] <= 1
    assert -1e-9 <= found["intra_list_diversity"] <= 2
    assert sum(found["popularity_deciles"]) == pytest.approx(1)
    for name in ("category_calibration", "popularity_calibration"):
        assert found[name] is None or -1e-12 <= found[name] <= -math.log(0.01) + 1e-12


def test_bad_arguments_are_named():
    counts = np.array([2, 1, 0])
    good = {"counts_N": counts, "users_N": counts, "n_users": 2}
    with pytest.raises(DataError, match="k=0"):
        beyond_accuracy(np.array([[0]]), 0, **good)
    with pytest.raises(DataError, match="list 1 holds the item id 3, but the catalogue has the ids 0 to 2"):
        beyond_accuracy(np.array([[0], [3]]), 1, **good)
    with pytest.raises(DataError, match="list 0 holds the item id -2"):
        beyond_accuracy(np.array([[-2]]), 1, **good)
    with pytest.raises(DataError, match="users_N has 2 items and counts_N 3"):
        beyond_accuracy(np.array([[0]]), 1, **{**good, "users_N": counts[:2]})
    with pytest.raises(DataError, match="n_users=1, but an item was taken by 2 users"):
        beyond_accuracy(np.array([[0]]), 1, **{**good, "n_users": 1})
    with pytest.raises(DataError, match="embeddings_NE has 2 items and counts_N 3"):
        beyond_accuracy(np.array([[0]]), 1, **good, embeddings_NE=np.eye(2))
    with pytest.raises(DataError, match="the embedding of item 1 is not finite"):
        beyond_accuracy(np.array([[0, 1]]), 2, **good, embeddings_NE=np.array([[0.0], [np.nan], [np.nan]]))
    with pytest.raises(DataError, match="1 lists for 2 histories"):
        beyond_accuracy(np.array([[0]]), 1, **good, histories=Ragged.from_lists([[0], [1]]))
    with pytest.raises(DataError, match="categories_NC has 2 items and counts_N 3"):
        beyond_accuracy(np.array([[0]]), 1, **good, histories=Ragged.from_lists([[0]]), categories_NC=np.eye(2))
    with pytest.raises(DataError, match="negative"):
        beyond_accuracy(np.array([[0]]), 1, **good, histories=Ragged.from_lists([[0]]), categories_NC=-np.eye(3))


@pytest.mark.slow
def test_a_quarter_of_a_million_users_take_seconds():
    rng = np.random.default_rng(0)
    n_users, n_items = 250_000, 5_000
    lengths = rng.integers(1, 10, n_users)
    past = Ragged(rng.integers(0, n_items, lengths.sum()), offsets_from_lengths(lengths))
    lists = rng.integers(0, n_items, (n_users, 20))
    counts, users = np.bincount(past.values, minlength=n_items), users_per_item(past, n_items)
    seconds = {}
    for name, options in {
        "counts": {},
        "diversity": {"embeddings_NE": rng.standard_normal((n_items, 64)).astype(np.float16)},
        "calibration": {"histories": past, "categories_NC": rng.random((n_items, 20)) < 0.1},
    }.items():
        started = time.perf_counter()
        beyond_accuracy(lists, 20, counts_N=counts, users_N=users, n_users=n_users, **options)
        seconds[name] = time.perf_counter() - started
    print(", ".join(f"{name}: {s:.1f} s" for name, s in seconds.items()))
    assert sum(seconds.values()) < 15
