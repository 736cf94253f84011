"""Provenance: which targets a training past holds, whatever the data set is called and whatever was merged."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.process import keep_active, merge
from recgpt.data.provenance import packed, targets_in, training_past, unpacked
from recgpt.data.splits import cold_item, global_time, held_out_users, leave_one_out, second_last, zero_shot
from recgpt.errors import DataError


def data(seed: int, n_users: int = 30, n_items: int = 20) -> Dataset:
    """Users with sequences of one to eight items, with repeats."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, n_users)
    n = int(lengths.sum())
    events = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(n_users), lengths),
            "item_id": rng.integers(0, n_items, n),
            "position": np.concatenate([np.arange(length) for length in lengths]),
            "timestamp": rng.integers(10**9, 2 * 10**9, n),
        }
    )
    titles = [f"Item {seed} {number}" for number in range(n_items)]
    return Dataset.from_frames(f"data{seed}", events, pl.DataFrame({"item_id": range(n_items), "title": titles}))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"set{seed}" for seed in range(3)]
    for seed, path in enumerate(paths):
        data(seed).save(path)
    return paths


def held(record: dict, split) -> list[bool] | None:
    found = targets_in(record, split.dataset, split.target_rows)
    return None if found is None else found.tolist()


def test_everything_trained_on_holds_every_target(folders):
    dataset = Dataset.load(folders[0], repeats="drop")
    for split in (leave_one_out(dataset), global_time(dataset), cold_item(dataset), zero_shot(dataset)):
        assert len(split)
        assert held(training_past(dataset), split) == [True] * len(split)


@pytest.mark.parametrize("past", ["train", "train+valid"])
def test_the_past_of_leave_one_out_holds_none_of_its_targets(folders, past):
    dataset = Dataset.load(folders[0], repeats="drop")
    record = training_past(leave_one_out(dataset, past=past).known)
    assert record["protocol"] == "leave_one_out"
    assert record["past"] == past
    assert record["seed"] == 0
    assert record["targets_sha256"] == leave_one_out(dataset, past=past).targets_sha256
    assert not any(held(record, leave_one_out(dataset)))
    assert not any(held(record, zero_shot(dataset)))
    assert all(held(record, second_last(dataset))) == (past == "train+valid")


def test_the_moment_of_a_split_in_time_is_recorded(folders):
    dataset = Dataset.load(folders[0], repeats="drop")
    split = global_time(dataset)
    record = training_past(split.known)
    assert record["moment"] == split.params["moment"]
    assert not any(held(record, split))


def test_targets_of_users_trained_on_and_of_users_held_out(folders):
    dataset = Dataset.load(folders[0], repeats="drop")
    kept_apart = held_out_users(dataset, fraction=0.5, seed=3)
    split = leave_one_out(dataset)
    withheld = np.isin(split.users, kept_apart.users)
    assert withheld.any()
    assert not withheld.all()
    assert held(training_past(kept_apart.known), split) == (~withheld).tolist()


def test_rules_for_repeats_are_followed_event_by_event(folders):
    raw, dropped = Dataset.load(folders[0]), Dataset.load(folders[0], repeats="drop")
    pairs = pl.Series(raw.interactions.user * 1_000 + raw.interactions.item)
    first = np.flatnonzero(pairs.is_first_distinct().to_numpy())
    split = leave_one_out(raw)
    trained = np.isin(split.target_rows, first)
    assert trained.any()
    assert not trained.all()
    assert held(training_past(dropped), split) == trained.tolist()


def test_a_copy_under_another_name_is_the_same_data_set(folders, tmp_path):
    record = training_past(Dataset.load(folders[0], repeats="drop"))
    shutil.copytree(folders[0], tmp_path / "mine")
    (tmp_path / "mine" / "manifest.json").unlink()
    assert all(held(record, leave_one_out(Dataset.load(tmp_path / "mine", repeats="drop"))))
    assert held(record, leave_one_out(Dataset.load(folders[1]))) is None


@pytest.mark.parametrize("repeats", ["keep", "drop"])
def test_a_part_of_a_merged_data_set(folders, tmp_path, repeats):
    merge(folders[:2], tmp_path / "both", repeats=repeats)
    merge([tmp_path / "both", folders[2]], tmp_path / "all", repeats=repeats)
    merged = Dataset.load(tmp_path / "all", repeats="drop")
    for folder in folders:
        split = leave_one_out(Dataset.load(folder, repeats="drop"))
        assert held(training_past(merged), split) == [True] * len(split)
        assert held(training_past(leave_one_out(merged).known), split) == [False] * len(split)
    kept_apart = held_out_users(merged, fraction=0.4, seed=1)
    split = leave_one_out(Dataset.load(folders[1], repeats="drop"))
    first = Dataset.load(folders[0]).n_users
    withheld = np.isin(split.users + first, kept_apart.users)
    assert withheld.any()
    assert not withheld.all()
    assert held(training_past(kept_apart.known), split) == (~withheld).tolist()


def test_the_whole_of_which_a_part_was_trained_on(folders, tmp_path):
    merge(folders, tmp_path / "all")
    part = Dataset.load(folders[1])
    split = leave_one_out(Dataset.load(tmp_path / "all"))
    of_part = (split.users >= 30) & (split.users < 60)
    assert of_part.any()
    assert held(training_past(part), split) == of_part.tolist()


def test_a_filtered_copy_remembers_its_source(folders, tmp_path):
    dataset = Dataset.load(folders[0])
    active = keep_active(dataset, user_records=5, keep_cold_items=False)
    active.save(tmp_path / "active")
    trained = Dataset.load(tmp_path / "active")
    split = leave_one_out(dataset)
    outside = dataset.user_map.to_outside(split.users)
    assert held(training_past(trained), split) == outside.is_in(active.user_map.ids.implode()).to_list()


def test_masks_are_exact_and_bounded():
    rows = np.array([0, 7, 8, 99])
    assert np.flatnonzero(unpacked(packed(rows, 100), 100, "x")).tolist() == rows.tolist()
    for text in ("", "!!", packed(rows, 1_000), packed(np.arange(10**7), 10**7)):
        with pytest.raises(DataError, match=r"x: the rows of a source of the data set are damaged"):
            unpacked(text, 100, "x")
