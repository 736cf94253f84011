import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.errors import DataError
from recgpt.evaluate.protocols import SLICES, case_table, headline, refuse_negatives


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
    with pytest.raises(DataError, match=r"negatives=100.*Krichene and Rendle 2020"):
        refuse_negatives(100)
