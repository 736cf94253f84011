import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.data.splits import leave_one_out, published_99_negatives
from recgpt.data.splits.negatives import drawn_candidates
from recgpt.errors import DataError
from recgpt.evaluate import evaluate
from recgpt.evaluate.lists import StoredLists
from recgpt.evaluate.protocols import SLICES, case_table, headline, refuse_negatives
from recgpt.features.transitions import steps_between, transitions
from recgpt.recommenders import make


def dataset_of(sequences: list[list[int]], n_items: int = 10) -> Dataset:
    users = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    events = users.explode("item_id").with_row_index("position").with_columns(timestamp="position")
    items = pl.DataFrame({"item_id": range(n_items), "title": [f"item {i}" for i in range(n_items)]})
    return Dataset.from_frames("toy", events, items)


SEQUENCES = [[1, 2, 3, 1], [4, 5, 6], [7, 8], [2, 2, 2, 9, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 0]]


def test_slices_are_what_they_say():
    split = leave_one_out(dataset_of(SEQUENCES))
    assert split.users.tolist() == [0, 1, 3, 4]
    cases = case_table(split)
    assert {name: np.flatnonzero(each.holds(cases).to_numpy()).tolist() for name, each in SLICES.items()} == {
        "explore": [1, 3],
        "all": [0, 1, 2, 3],
        "repeat": [0, 2],
        "head": [],  # the two most popular of ten items are 2 and 1, which are only ever repeated here
        "tail": [1],
        "unseen": [3],
        "short": [1],
        "long": [3],
        "one_step": [1],
        "two_steps": [],
        "far": [3],
    }


def test_the_table_of_cases_speaks_in_outside_ids():
    cases = case_table(leave_one_out(dataset_of(SEQUENCES)))
    assert cases["user"].to_list() == [0, 1, 3, 4]
    assert cases["target"].to_list() == [1, 6, 2, 0]
    assert cases["history_items"].to_list() == [3, 2, 4, 12]
    assert cases["target_count"].to_list() == [3, 1, 6, 0]
    assert cases["popularity"].to_list() == ["head", "tail", "head", "unseen"]


def test_the_headline_is_explore_but_where_repeats_are_the_point():
    assert headline("leave_one_out") == headline("global_time") == "explore"
    assert headline("published_steam_style") == "all"


def test_sampled_metrics_are_refused_with_the_reason():
    refuse_negatives(None)
    with pytest.raises(DataError, match=r"negatives=100.*Krichene and Rendle 2020.*published_99_negatives"):
        refuse_negatives(100)


@given(st.lists(st.lists(st.integers(0, 6), max_size=7), min_size=1, max_size=4))
def test_steps_between_items_are_those_of_a_slow_search(sequences):
    followers = {item: set() for item in range(7)}
    for sequence in sequences:
        for first, second in itertools.pairwise(sequence):
            followers[first] |= {second} - {first}
    pairs = np.array([(first, second) for first in range(7) for second in range(7) if first != second]).T
    found = steps_between(*pairs, transitions(Ragged.from_lists(sequences), 7))
    for first, second, steps in zip(*pairs.tolist(), found.tolist(), strict=True):
        two = any(second in followers[over] for over in followers[first])
        assert steps == (1 if second in followers[first] else 2 if two else 3)


def many_items() -> Dataset:
    rng = np.random.default_rng(0)
    return dataset_of([rng.choice(150, 6, replace=False).tolist() for _ in range(30)], n_items=150)


def test_99_items_are_drawn_by_user_and_seed_alone():
    dataset = many_items()
    split = published_99_negatives(dataset)
    drawn_BC = drawn_candidates(split)
    assert drawn_BC.shape == (30, 100)
    for user, target, drawn in zip(split.users, split.targets, drawn_BC, strict=True):
        others = set(drawn.tolist()) - {int(target)}
        assert len(others) == 99
        assert not others & set(dataset.sequences[user].tolist())
        assert (np.diff(drawn) > 0).all(), "the place says nothing"
    part = published_99_negatives(dataset, max_users=8)
    np.testing.assert_array_equal(drawn_candidates(part), drawn_BC[np.isin(split.users, part.users)])
    assert not np.array_equal(drawn_candidates(published_99_negatives(dataset, seed=1)), drawn_BC)
    assert np.isin(np.arange(150), drawn_BC).all()
    assert drawn_candidates(leave_one_out(dataset)) is None
    with pytest.raises(DataError, match="10 items and a user with 13: 99 others cannot be drawn"):
        published_99_negatives(dataset_of(SEQUENCES))


def test_a_target_is_ranked_among_its_own_100_items():
    split = published_99_negatives(many_items())
    report = evaluate(split, [make("popularity"), make("item_knn")], ks=(1, 10, 100), progress=False)
    count_N = np.bincount(split.past.values, minlength=150)
    for target, drawn, rank in zip(
        split.targets, drawn_candidates(split), report.cases["popularity/history"], strict=True
    ):
        better = (count_N[drawn] > count_N[target]) | ((count_N[drawn] == count_N[target]) & (drawn < target))
        assert rank == better.sum() + 1
    assert "the target and 99 drawn items ranked" in report.title
    assert "SAMPLED" in report.markdown()
    with pytest.raises(DataError, match="leave --lists out"):
        evaluate(split, [], lists=[StoredLists("theirs", split.users, split.targets, {})])
