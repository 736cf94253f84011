"""Every sequence in exactly one row, whole, in order; few positions wasted; rows a function of seed and epoch."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset
from recgpt.data.packing import PackedDataset, pack
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError

sequences_of_items = st.lists(st.lists(st.integers(0, 99), max_size=14), min_size=1, max_size=40).filter(
    lambda sequences: any(len(s) >= 2 for s in sequences)
)


def unpack(rows) -> list[tuple[int, ...]]:
    """The sequences found in packed rows, with every promise about ids, segments, positions and padding checked."""
    found = []
    for items, segments, positions in zip(rows.item_ids, rows.segment_ids, rows.position_ids, strict=True):
        used = items != -1
        n_used = int(used.sum())
        assert used[:n_used].all()
        assert (segments[n_used:] == -1).all()
        assert (positions[n_used:] == 0).all()
        n_segments = segments[:n_used].max() + 1
        assert (np.diff(segments[:n_used]) >= 0).all()
        for segment in range(n_segments):
            members = segments == segment
            assert positions[members].tolist() == list(range(members.sum()))
            found.append(tuple(items[members].tolist()))
    return found


@given(sequences_of_items, st.integers(2, 10), st.integers(0, 2))
def test_all_sequences_once_and_whole(sequences, row_items, epoch):
    packed = PackedDataset(Ragged.from_lists(sequences), row_items=row_items, seed=1, epoch=epoch)
    rows = packed.rows(np.arange(len(packed)))
    expected = [tuple(s[-row_items:]) for s in sequences if len(s) >= 2]
    assert sorted(unpack(rows)) == sorted(expected)
    assert rows.useful_fraction == pytest.approx(packed.useful_fraction)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=200), st.integers(12, 20))
def test_pack_is_a_partition_that_fits_and_wastes_little(lengths, row_items):
    lengths = np.array(lengths)
    rows = pack(lengths, row_items, np.random.default_rng(0))
    assert sorted(rows.values.tolist()) == list(range(len(lengths)))
    filled = np.array([lengths[row].sum() for row in rows])
    assert filled.min() > 0
    assert filled.max() <= row_items
    least = -(-int(lengths.sum()) // row_items)
    assert len(rows) <= 11 / 9 * least + 1 + np.count_nonzero(lengths > row_items // 2)


def test_rows_depend_on_seed_and_epoch_alone():
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 30, 500)
    sequences = Ragged(rng.integers(0, 1000, lengths.sum()), offsets_from_lengths(lengths))

    def row_bytes(**key: int) -> bytes:
        packed = PackedDataset(sequences, row_items=64, **key)
        return packed.rows(np.arange(len(packed))).item_ids.tobytes()

    assert row_bytes(seed=1, epoch=2) == row_bytes(seed=1, epoch=2)
    assert len({row_bytes(seed=s, epoch=e) for s in (1, 2) for e in (0, 1)}) == 4
    assert len({len(PackedDataset(sequences, row_items=64, seed=s, epoch=s)) for s in range(5)}) == 1


def test_rows_can_be_asked_for_in_any_order_and_company():
    sequences = Ragged.from_lists([[i, i + 1, i + 2] for i in range(50)])
    packed = PackedDataset(sequences, row_items=8)
    whole = packed.rows(np.arange(len(packed)))
    some = packed.rows(np.array([3, 0, 3]))
    np.testing.assert_array_equal(some.item_ids, whole.item_ids[[3, 0, 3]])
    np.testing.assert_array_equal(some.segment_ids, whole.segment_ids[[3, 0, 3]])


def test_sequences_are_not_copied_and_the_last_256_items_count():
    long = np.arange(1000)
    sequences = Ragged(long, np.array([0, 1000]))
    packed = PackedDataset(sequences)
    assert packed.sequences.values is long
    assert packed.rows(np.array([0])).item_ids[0].tolist() == list(range(744, 1000))


def test_nothing_to_predict():
    with pytest.raises(DataError, match="none of 2 sequences has 2 items"):
        PackedDataset(Ragged.from_lists([[1], []]))
    with pytest.raises(DataError, match="row_items=1"):
        PackedDataset(Ragged.from_lists([[1, 2]]), row_items=1)


@pytest.mark.parametrize("name", ["simulate/movielens_small", "test/steam", "test/amazon_beauty"])
def test_at_least_95_percent_useful_on_real_data(shared, name):
    packed = PackedDataset(Dataset.load(shared / "data" / name, repeats="drop").sequences)
    assert packed.useful_fraction >= 0.95


def test_two_million_sequences_in_seconds():
    lengths = np.minimum(1 + np.random.default_rng(0).geometric(0.1, 2_000_000), 2000)
    sequences = Ragged(np.zeros(int(lengths.sum()), dtype=np.int32), offsets_from_lengths(lengths))
    start = time.monotonic()
    packed = PackedDataset(sequences)
    assert time.monotonic() - start < 5
    assert packed.useful_fraction > 0.99
