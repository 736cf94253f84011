"""Who is asked what, and that no split tells recommenders what they are asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.data.splits import (
    PROTOCOLS,
    Split,
    cold_item,
    cold_user,
    global_time,
    held_out_users,
    leave_one_out,
    load_for,
    make_split,
    published_99_negatives,
    published_steam_style,
    second_last,
    windows,
    zero_shot,
)
from recgpt.errors import DataError

from .conftest import INTERACTIONS, ITEMS

N_ITEMS = 8


def dataset_of(sequences: list[list[int]], times: list[list[int]] | None = None) -> Dataset:
    rows = [(user, item, at) for user, s in enumerate(sequences) for at, item in enumerate(s)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "position"], orient="row")
    if times is not None:
        events = events.with_columns(timestamp=pl.Series([t for ts in times for t in ts], dtype=pl.Int64))
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("drawn", events, items)


sequences_of_items = st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=7), min_size=2, max_size=12)


@st.composite
def timed(draw) -> Dataset:
    sequences = draw(sequences_of_items)
    times = [sorted(draw(st.lists(st.integers(0, 20), min_size=len(s), max_size=len(s)))) for s in sequences]
    times = [[-1 if draw(st.integers(0, 9)) == 0 else t for t in ts] for ts in times]
    return dataset_of(sequences, times)


def as_lists(ragged) -> list[list[int]]:
    return [s.tolist() for s in ragged]


def assert_sound(split: Split, dataset: Dataset) -> None:
    assert len(split) == len(split.histories) == len(split.users) == len(split.targets)
    assert len(split.past) == dataset.n_users
    assert (np.diff(split.users) > 0).all()
    assert (split.histories.lengths >= 1).all()
    split.check_no_leak()
    for user, history, target in zip(split.users, split.histories, split.targets, strict=True):
        whole = dataset.sequences[int(user)].tolist()
        assert target in whole
        assert set(history.tolist()) <= set(whole)


@given(sequences_of_items)
def test_leave_one_out(sequences):
    dataset = dataset_of(sequences)
    asked = [u for u, s in enumerate(sequences) if len(s) >= 3]
    for past, held_back in (("train", 2), ("train+valid", 1)):
        split = leave_one_out(dataset, past=past)
        assert_sound(split, dataset)
        assert split.users.tolist() == asked
        assert as_lists(split.histories) == [sequences[u][:-1] for u in asked]
        assert split.targets.tolist() == [sequences[u][-1] for u in asked]
        assert as_lists(split.past) == [s[:-held_back] if len(s) >= 3 else s for s in sequences]


def test_leave_one_out_draws_users_by_seed():
    dataset = dataset_of([[1, 2, 3]] * 50)
    first, again, other = (leave_one_out(dataset, max_users=10, seed=s).users for s in (0, 0, 1))
    assert len(first) == 10
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(leave_one_out(dataset, max_users=10).past.values) == 100


@given(timed(), st.floats(0.1, 0.9))
def test_global_time_never_looks_ahead(dataset, quantile):
    if not (dataset.interactions.timestamp >= 0).any():
        return
    split = global_time(dataset, quantile=quantile)
    assert_sound(split, dataset)
    moment = split.params["moment"]
    assert (split.histories.lengths >= 2).all()
    assert not split.histories.contains(split.targets).any()
    assert ((split.times >= moment) | (split.times == -1)).all()
    past_events = sum(len(s) for s in split.past)
    known_after = int((dataset.interactions.timestamp >= moment).sum())
    assert past_events <= dataset.n_interactions - known_after
    for user, history in zip(split.users, split.histories, strict=True):
        assert history.tolist() == split.past[int(user)].tolist()


def test_global_time_asks_for_the_first_new_item_and_fills_times_from_neighbours():
    dataset = dataset_of(
        [[0, 1, 0, 2, 3], [4, 5, 6, 7], [1, 2]],
        [[1, 2, 10, 11, 12], [-1, 3, -1, 9], [-1, -1]],
    )
    split = global_time(dataset, quantile=0.5)
    assert split.params["moment"] == 3
    assert as_lists(split.past) == [[0, 1], [], []]
    split = global_time(dataset, quantile=0.6)
    assert 3 < split.params["moment"] <= 10
    assert as_lists(split.past) == [[0, 1], [4, 5, 6], []]
    assert split.users.tolist() == [0, 1]
    assert split.targets.tolist() == [2, 7]
    assert split.times.tolist() == [11, 9]


def test_global_time_keeps_the_order_where_times_contradict_it():
    # User 0 took item 3 last, but an earlier time is written beside it: it must not be past when 2 is asked for.
    dataset = dataset_of([[0, 1, 2, 3], [4, 5, 6]], [[1, 2, 20, 3], [1, 2, 3]])
    split = global_time(dataset, quantile=0.9)
    assert 3 < split.params["moment"] <= 20
    assert as_lists(split.past) == [[0, 1], [4, 5, 6]]
    assert split.targets.tolist() == [2]
    split.check_no_leak()


def test_global_time_needs_times():
    with pytest.raises(DataError, match="drawn has no times"):
        global_time(dataset_of([[1, 2, 3]]))


@given(sequences_of_items, st.integers(0, 3))
def test_held_out_users_are_in_no_past(sequences, seed):
    dataset = dataset_of(sequences)
    split = held_out_users(dataset, fraction=0.5, seed=seed)
    assert_sound(split, dataset)
    assert (split.past.lengths[split.users] == 0).all()
    kept = np.flatnonzero(split.past.lengths)
    assert [split.past[int(u)].tolist() for u in kept] == [sequences[u] for u in kept]
    assert as_lists(split.histories) == [sequences[u][:-1] for u in split.users]


@given(sequences_of_items, st.integers(0, 3))
def test_cold_users_have_two_to_four_items(sequences, seed):
    dataset = dataset_of(sequences)
    split = cold_user(dataset, fraction=0.5, seed=seed)
    assert_sound(split, dataset)
    assert (split.past.lengths[split.users] == 0).all()
    for user, history, target in zip(split.users, split.histories, split.targets, strict=True):
        assert 2 <= len(history) <= 4
        assert [*history.tolist(), target] == sequences[user][: len(history) + 1]


def test_cold_users_see_all_three_lengths():
    lengths = cold_user(dataset_of([[0, 1, 2, 3, 4, 5]] * 200), fraction=0.5).histories.lengths
    assert set(lengths.tolist()) == {2, 3, 4}


@given(sequences_of_items, st.integers(0, 3))
def test_cold_items_are_in_no_past_and_in_no_history(sequences, seed):
    dataset = dataset_of(sequences)
    split = cold_item(dataset, fraction=0.3, seed=seed)
    assert_sound(split, dataset)
    cold = set(split.targets.tolist())
    assert cold.isdisjoint(split.past.values.tolist())
    assert cold.isdisjoint(split.histories.values.tolist())
    n_met = len({item for s in sequences for item in s})
    assert len(cold) <= max(1, round(0.3 * n_met))
    for user, history in zip(split.users, split.histories, strict=True):
        assert split.past[int(user)].tolist() == history.tolist()


@pytest.mark.parametrize("fraction", [0, 1, 1.5])
def test_fraction_out_of_range(fraction):
    with pytest.raises(DataError, match="is not between 0 and 1"):
        held_out_users(dataset_of([[1, 2, 3]] * 4), fraction=fraction)


@pytest.mark.parametrize("make", [each for each in PROTOCOLS.values() if each not in (windows, published_99_negatives)])
def test_same_seed_same_split_and_stored_is_the_same(make, tmp_path):
    rng = np.random.default_rng(3)
    sequences = [rng.integers(0, N_ITEMS, 6).tolist() for _ in range(30)]
    dataset = dataset_of(sequences, [np.sort(rng.integers(0, 99, 6)).tolist() for _ in range(30)])
    split, again = make(dataset, seed=7), make(dataset, seed=7)
    split.save(tmp_path / "split")
    for other in (again, Split.load(tmp_path / "split", dataset)):
        assert (other.protocol, other.seed, dict(other.params)) == (split.protocol, 7, dict(split.params))
        for name in ("targets", "users", "times"):
            np.testing.assert_array_equal(getattr(other, name), getattr(split, name))
        for name in ("past", "histories"):
            assert as_lists(getattr(other, name)) == as_lists(getattr(split, name))


def test_a_split_of_another_data_set_is_refused(tmp_path):
    kept = Dataset.from_frames("small", INTERACTIONS, ITEMS)
    leave_one_out(kept).save(tmp_path)
    with pytest.raises(DataError, match=r"made on small \(repeats: keep\), which is not this small \(repeats: drop\)"):
        Split.load(tmp_path, kept.drop_repeats("drop"))
    with pytest.raises(DataError, match=r"holds no split\.json: name a folder"):
        Split.load(tmp_path / "nowhere", kept)


@given(sequences_of_items)
def test_second_last_asks_before_what_leave_one_out_asks(sequences):
    dataset = dataset_of(sequences)
    chosen_on, reported_on = second_last(dataset), leave_one_out(dataset, past="train")
    assert_sound(chosen_on, dataset)
    assert chosen_on.users.tolist() == reported_on.users.tolist()
    assert as_lists(chosen_on.past) == as_lists(reported_on.past)
    for history, target, user in zip(chosen_on.histories, chosen_on.targets, chosen_on.users, strict=True):
        assert [*history.tolist(), int(target)] == sequences[user][:-1]


@given(sequences_of_items)
def test_zero_shot_knows_no_past(sequences):
    dataset = dataset_of(sequences)
    split = zero_shot(dataset)
    assert_sound(split, dataset)
    assert len(split.past.values) == 0
    assert split.targets.tolist() == leave_one_out(dataset).targets.tolist()


def test_published_steam_style_needs_the_repeats():
    dataset = dataset_of([[1, 2, 2], [3, 3, 3]])
    assert published_steam_style(dataset).histories.contains(np.array([2, 3])).all()
    with pytest.raises(DataError, match=r"load it with repeats keep \(--repeats keep"):
        published_steam_style(dataset.drop_repeats("drop"))


def test_known_keeps_times_and_ratings_and_hides_the_rest():
    dataset = Dataset.from_frames("small", INTERACTIONS, ITEMS)
    split = leave_one_out(dataset, past="train")
    known = split.known
    assert len(known.interactions) == split.in_past.sum() == known.manifest["interactions"] < len(dataset.interactions)
    np.testing.assert_array_equal(known.interactions.timestamp, dataset.interactions.timestamp[split.in_past])
    assert known.items.equals(dataset.items)
    assert known.split is None


LEAKS = {
    "target in the past": lambda split: {"in_past": np.isin(np.arange(len(split.in_past)), split.target_rows[:1])},
    "later item in the past": lambda split: {"in_past": np.arange(len(split.in_past)) == split.target_rows[2] + 1},
    "target in the history": lambda split: {
        "histories": Ragged.from_lists([[*h.tolist(), t] for h, t in zip(split.histories, split.targets, strict=True)])
    },
}


@pytest.mark.parametrize("planted", LEAKS)
def test_a_planted_leak_is_caught(planted):
    split = second_last(dataset_of([[0, 1, 2, 3], [1, 2, 3, 4, 5], [5, 4, 3, 3]]))
    split.check_no_leak()
    with pytest.raises(DataError, match=r"second_last on drawn leaks: in case \d \(user \d, target \d\)"):
        replace(split, **LEAKS[planted](split)).check_no_leak()


def test_a_split_that_shifts_by_one_is_caught():
    dataset = dataset_of([[0, 1, 2, 3], [1, 2, 3, 4]])
    honest = leave_one_out(dataset)
    with pytest.raises(DataError, match="the past holds the target"):
        replace(honest, in_past=np.ones(8, dtype=bool)).check_no_leak()


def test_options_reach_the_protocol_and_unknown_ones_are_named():
    dataset = dataset_of([[0, 1, 2, 3]] * 5)
    assert make_split(dataset, "leave_one_out", past="train", max_users=2, seed=None).params["past"] == "train"
    with pytest.raises(DataError, match=r"cold_user has no option past .='train'.: it has fraction, seed"):
        make_split(dataset, "cold_user", past="train")
    with pytest.raises(DataError, match="unknown protocol 'leave_two_out': choose among leave_one_out, "):
        make_split(dataset, "leave_two_out")


@pytest.fixture
def published_windows(tmp_path) -> Path:
    """Two users; the full catalogue has one item more."""
    names = ["train", "train", "valid", "test", "test", "train", "valid", "test"]
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    pl.DataFrame(
        {
            "user_id": [0] * 5 + [1] * 3,
            "item_id": [1, 2, 3, 4, 1, 5, 6, 2],
            "position": [0, 1, 2, 3, 4, 0, 1, 2],
            "split": names,
        }
    ).write_parquet(tmp_path / "interactions.parquet")
    items.filter(pl.col("item_id") != 7).write_parquet(tmp_path / "items.parquet")
    items.write_parquet(tmp_path / "items_full_catalogue.parquet")
    pl.DataFrame(
        {
            "split": ["valid", "test", "test", "test"],
            "user_id": [0, 1, 0, 0],
            "history": [[1, 2], [5, 6], [1, 2, 3], [2, 3, 4]],
            "target": [3, 2, 4, 1],
        }
    ).write_parquet(tmp_path / "eval_windows.parquet")
    return tmp_path


def test_windows_are_the_published_ones(published_windows):
    dataset = load_for("windows", published_windows)
    assert dataset.n_items == N_ITEMS
    split = windows(dataset)
    split.check_no_leak()
    assert split.users.tolist() == [0, 0, 1]
    assert split.targets.tolist() == [4, 1, 2]
    assert as_lists(split.histories) == [[1, 2, 3], [2, 3, 4], [5, 6]]
    assert as_lists(split.past) == [[1, 2, 3], [5, 6]]
    assert as_lists(windows(dataset, past="train").past) == [[1, 2], [5]]
    assert set(windows(dataset, max_users=1).users.tolist()) < {0, 1}


def test_windows_that_do_not_fit_the_interactions_are_refused(published_windows):
    with pytest.raises(DataError, match="drawn has no published windows"):
        windows(dataset_of([[1, 2, 3]] * 2))
    table = pl.read_parquet(published_windows / "eval_windows.parquet")
    table.with_columns(target=pl.col("target").reverse()).write_parquet(published_windows / "eval_windows.parquet")
    with pytest.raises(DataError, match="its test windows are not the test events"):
        windows(load_for("windows", published_windows))
