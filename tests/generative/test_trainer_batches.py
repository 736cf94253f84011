"""Training data of the token model: windows, packed batches, shares of processes, and the loss of a step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.packing import PackedDataset
from recgpt.data.ragged import Ragged
from recgpt.generative.loss import IGNORE
from recgpt.generative.trainer import MicroBatches, batch_tensors, mean_loss, row_shares, windows
from tests.generative.walks import CODES_NK, DATA, EMBEDDINGS_NE, HELD_OUT, MAX_ITEMS, E, K, V, model, table, walks


@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=20),
    max_items=st.integers(2, 12),
)
def test_windows_lose_nothing_and_keep_the_end_whole(lengths, max_items):
    sequences = Ragged.from_lists(np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1]))
    cut = windows(sequences, max_items)
    pieces = iter(cut)
    for sequence in sequences:
        of_this = [next(pieces) for _ in range(max(1, -(-len(sequence) // max_items)))]
        np.testing.assert_array_equal(np.concatenate(of_this[::-1]), sequence)
        assert all(len(piece) == max_items for piece in of_this[:-1]), "only the oldest window may be short"
    assert next(pieces, None) is None


def test_rows_of_real_data_are_at_least_95_percent_useful(shared):
    from recgpt.data.dataset import Dataset

    for name in ("test/steam", "pretrain/movielens_1m"):
        sequences = Dataset.load(shared / "data" / name, repeats="drop").sequences
        for max_items in (64, 256):
            rows = PackedDataset(windows(sequences, max_items), row_items=max_items)
            assert rows.useful_fraction >= 0.95, (name, max_items)


def test_a_batch_holds_each_items_codes_slices_and_successor():
    sequences = Ragged.from_lists([[3, 4, 5], [7, 8], [1, 2, 3, 4, 5, 6, 7, 8]])
    rows = PackedDataset(sequences, row_items=MAX_ITEMS)
    indices = np.arange(len(rows))
    packed, batch = rows.rows(indices), batch_tensors(table(sequences), rows, indices, V)
    for row, column in np.argwhere(packed.item_ids >= 0):
        item = packed.item_ids[row, column]
        np.testing.assert_array_equal(batch["codes_BSK"][row, column], CODES_NK[item])
        np.testing.assert_array_equal(batch["slices_BSKW"][row, column].flatten(), EMBEDDINGS_NE[item])
        follows = column + 1 < MAX_ITEMS and packed.segment_ids[row, column + 1] == packed.segment_ids[row, column]
        label = batch["labels_BSK"][row, column].numpy()
        np.testing.assert_array_equal(label, CODES_NK[item + 1] if follows else np.full(K, IGNORE))
    padding = packed.item_ids < 0
    assert padding.any()
    assert (batch["codes_BSK"].numpy()[padding] == V).all()
    assert (batch["labels_BSK"].numpy()[padding] == IGNORE).all()


class Watched(np.ndarray):
    """A table that remembers which of its rows were read."""

    def __getitem__(self, items):
        self.read.update(np.unique(items).tolist())
        return np.asarray(self)[items]


def watched(table_NX: np.ndarray) -> Watched:
    view = table_NX.view(Watched)
    view.read = set()
    return view


@given(
    n_sequences=st.integers(8, 60),
    accumulated=st.integers(1, 3),
    processes=st.integers(1, 4),
    extra=st.integers(0, 5),
    first=st.integers(0, 2),
)
def test_each_process_reads_its_own_rows_and_together_they_read_the_step_of_one(
    n_sequences, accumulated, processes, extra, first
):
    lengths = np.random.default_rng(n_sequences).integers(2, MAX_ITEMS + 1, n_sequences)
    items = np.split(np.arange(lengths.sum()), np.cumsum(lengths)[:-1])  # no item twice: who read it is known
    rows = PackedDataset(Ragged.from_lists(items), row_items=MAX_ITEMS)
    rows_per_step = min(processes * accumulated + extra, len(rows))
    steps = range(first, len(rows) // rows_per_step)
    codes_NK = np.zeros((lengths.sum(), K), np.uint16)
    read = []
    for process in range(processes):
        data = replace(table(rows.sequences), codes_NK=watched(codes_NK), embeddings_NE=np.zeros((len(codes_NK), E)))
        shares = row_shares(steps, rows_per_step, accumulated, process=process, processes=processes)
        batches = MicroBatches(data, rows, shares, V)
        assert len(batches) == len(steps) * accumulated
        for number in range(len(batches)):
            _ = batches[number] if len(shares[number]) else None
        own = rows.rows(np.concatenate([np.empty(0, int), *shares])).item_ids
        assert data.codes_NK.read - {0} == set(own[own > 0].tolist()), "0 also stands for padding"
        read.append([set(np.concatenate(shares[at : at + accumulated])) for at in range(0, len(shares), accumulated)])
    for number, step in enumerate(steps):
        of_step = [of_process[number] for of_process in read]
        assert sum(map(len, of_step)) == rows_per_step, "no row is read twice"
        assert set().union(*of_step) == set(range(step * rows_per_step, (step + 1) * rows_per_step))


def test_sequences_that_fit_are_not_copied():
    assert windows(DATA.sequences, MAX_ITEMS) is DATA.sequences


def test_last_only_scores_the_last_item_of_each_sequence():
    sequences = Ragged.from_lists([[3, 4, 5], [7, 8], [9, 10, 11, 12, 13, 14]])
    rows = PackedDataset(sequences, row_items=MAX_ITEMS)
    indices = np.arange(len(rows))
    batch = batch_tensors(table(sequences, last_only=True), rows, indices, V)
    labels_BSK = batch["labels_BSK"].numpy()
    predicted = labels_BSK[labels_BSK[..., 0] != IGNORE]
    expected = CODES_NK[[5, 8, 14]].astype(np.int64)
    np.testing.assert_array_equal(np.sort(predicted, 0), np.sort(expected, 0))


def test_the_loss_of_a_step_is_the_mean_over_what_it_predicts(trainer):
    """One step over all rows, weights unmoved: the logged loss is the held-out loss of the same rows."""
    run = trainer(lr=1e-12, epochs=1, batch_size=10**6, evaluations_per_epoch=1, valid=[DATA]).run()
    assert run.step == 1
    assert run.curve[0]["loss"] == pytest.approx(run.evaluations[0]["loss"], rel=1e-6)
    rows = PackedDataset(DATA.sequences, row_items=MAX_ITEMS)
    assert run.evaluations[0]["loss"] == pytest.approx(mean_loss(model(), DATA, rows, 3), rel=1e-6)


def test_the_held_out_loss_is_the_mean_of_the_sets(trainer):
    few = table(walks(3, seed=5))
    each = [
        trainer(lr=1e-12, epochs=1, valid=[data], out=Path(f"{i}"))._validation_loss()
        for i, data in enumerate((HELD_OUT, few))
    ]
    together = trainer(lr=1e-12, epochs=1, valid=[HELD_OUT, few])._validation_loss()
    assert together == pytest.approx(sum(each) / 2)
