import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.evaluate.protocols import SLICES, known_dataset, slice_cases


def dataset_of(sequences: list[list[int]], n_items: int = 10) -> Dataset:
    users = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    events = users.explode("item_id").with_row_index("position").with_columns(timestamp="position")
    items = pl.DataFrame({"item_id": range(n_items), "title": [f"item {i}" for i in range(n_items)]})
    return Dataset.from_frames("toy", events, items)


SEQUENCES = [[1, 2, 3, 1], [4, 5, 6], [7, 8], [2, 2, 2, 9, 2]]


def test_slices_tell_new_targets_from_repeated_ones():
    split = leave_one_out(dataset_of(SEQUENCES))
    assert split.users.tolist() == [0, 1, 3]
    cases = slice_cases(split)
    assert {name: places.tolist() for name, places in cases.items()} == {
        "explore": [1],
        "all": [0, 1, 2],
        "repeat": [0, 2],
    }
    assert set(cases) == set(SLICES)
    assert SLICES == {"explore": "history", "all": "nothing", "repeat": "nothing"}


def test_recommenders_know_the_past_and_the_whole_catalogue_only():
    dataset = dataset_of(SEQUENCES)
    for past, expected in (
        ("train", [[1, 2], [4], [7, 8], [2, 2, 2]]),
        ("train+valid", [[1, 2, 3], [4, 5], [7, 8], [2, 2, 2, 9]]),
    ):
        known = known_dataset(dataset, leave_one_out(dataset, past=past))
        assert [sequence.tolist() for sequence in known.sequences] == expected
        assert known.manifest["interactions"] == sum(map(len, expected))
        assert known.n_items == dataset.n_items
        assert known.items.equals(dataset.items)
        assert known.items_sha256 == dataset.items_sha256
        assert known.timestamps is None
    assert dataset.n_interactions == sum(map(len, SEQUENCES))


def test_a_planted_target_never_reaches_the_past():
    # Item 9 is every user's target and nobody's history: a recommender that knows of it has seen the answer.
    rng = np.random.default_rng(0)
    dataset = dataset_of([[*rng.integers(0, 9, 6).tolist(), 9] for _ in range(30)])
    for past in ("train", "train+valid"):
        known = known_dataset(dataset, leave_one_out(dataset, past=past, max_users=10))
        assert 9 not in known.interactions.item
