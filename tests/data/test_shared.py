"""All shared data sets load, with the counts their manifest states; the rules of the README hold on them."""

import json

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.inspect import inspect
from recgpt.data.splits import global_time, leave_one_out, load_for, windows
from recgpt.errors import DataError


def test_every_data_set_loads_as_its_manifest_says(shared):
    loaded = 0
    for stated in json.loads((shared / "data" / "manifest.json").read_text()):
        path = shared / "data" / stated["role"] / stated["name"]
        if not (path / "interactions.parquet").is_file() or stated["name"] == "agent4rec_ml1m":
            continue
        dataset = Dataset.load(path)
        counts = (dataset.n_users, dataset.n_items, dataset.n_interactions)
        assert counts == tuple(stated[key] for key in ("users", "items", "interactions")), stated["name"]
        assert inspect(dataset)["text"]["without_any"]["items"] == 0, stated["name"]
        loaded += 1
    assert loaded >= 20


def test_a_folder_without_positions_says_what_to_do(shared):
    with pytest.raises(DataError, match=r"has no column 'position'.*recgpt data import tables"):
        Dataset.load(shared / "data" / "simulate" / "agent4rec_ml1m")


def test_leave_one_out_is_the_published_split(shared):
    dataset = Dataset.load(shared / "data" / "test" / "amazon_beauty")
    split = leave_one_out(dataset, past="train")
    published = dataset.sequences.filter(dataset.split == 0)
    np.testing.assert_array_equal(split.past.values, published.values)
    np.testing.assert_array_equal(split.targets, dataset.sequences.filter(dataset.split == 2).values)


def test_sequences_are_those_of_the_file(shared):
    path = shared / "data" / "simulate" / "movielens_small"
    dataset = Dataset.load(path)
    events = pl.read_parquet(path / "interactions.parquet").filter(pl.col("user_id") == 300).sort("position")
    sequence = dataset.sequences[int(dataset.user_map.to_dense([300])[0])]
    assert dataset.item_map.to_outside(sequence).to_list() == events["item_id"].to_list()


def test_global_time_on_steam(shared):
    dataset = Dataset.load(shared / "data" / "test" / "steam", repeats="drop")
    split = global_time(dataset)
    seen = np.zeros(dataset.n_items, dtype=bool)
    seen[split.past.values] = True
    assert 4500 < len(split) < 4750
    assert 0.15 < (~seen[split.targets]).mean() < 0.2


@pytest.mark.parametrize(
    ("name", "cases", "items"), [("amazon_office", 4_866, 3_459), ("amazon_industrial", 4_533, 3_686)]
)
def test_published_windows(shared, name, cases, items):
    dataset = load_for("windows", shared / "data" / "test" / name)
    split = windows(dataset)
    split.check_no_leak()
    assert (len(split), dataset.n_items) == (cases, items)
    assert split.histories.lengths.max() == 10
