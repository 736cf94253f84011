"""Sequence packing: several sequences in one training row of fixed length, almost without padding.

    rows = PackedDataset(dataset.sequences, row_items=256, seed=0, epoch=3)
    batch = rows.rows(np.arange(8))           # PackedRows, (8, 256) each

The published system pads every sequence to 256 items; with 10.6 items on average 95.9 % of its positions are padding.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError

PADDING = -1
MIN_ITEMS = 2  # a shorter sequence has no next item to predict


@dataclass(frozen=True, eq=False)
class PackedRows:
    """A batch of packed rows, with several sequences each.

    Parameters
    ----------
    item_ids
        (rows, row_items) int64, dense item ids, -1 = padding (always at the end of a row).
    segment_ids
        (rows, row_items) int32, index within the row of the item's sequence, from 0; -1 = padding.
    position_ids
        (rows, row_items) int64, position of the item in its own sequence, from 0; 0 at padding.
    """

    item_ids: np.ndarray
    segment_ids: np.ndarray
    position_ids: np.ndarray

    @property
    def useful_fraction(self) -> float:
        """Share of positions that hold an item."""
        return float((self.item_ids != PADDING).mean())


class PackedDataset:
    """Packed rows of one epoch, built on demand.

    The rows depend on `sequences`, `row_items`, `seed` and `epoch` alone; their number is the same in every epoch.

    Parameters
    ----------
    sequences
        Dense item ids, may be a memory map. Each is cut to its last `row_items` items; sequences of fewer than two
        items have nothing to predict and are left out.
    row_items
        Length of a row, in items.
    seed, epoch
        Seeds of the packing order.
    """

    def __init__(self, sequences: Ragged, *, row_items: int = 256, seed: int = 0, epoch: int = 0) -> None:
        if row_items < MIN_ITEMS:
            raise DataError(f"row_items={row_items}: a row must hold at least {MIN_ITEMS} items")
        lengths = np.minimum(sequences.lengths, row_items)
        packed = np.flatnonzero(lengths >= MIN_ITEMS)
        if not len(packed):
            raise DataError(f"none of {len(sequences):,} sequences has {MIN_ITEMS} items: there is nothing to predict")
        in_rows = pack(lengths[packed], row_items, np.random.default_rng([seed, epoch]))
        self.sequences = sequences
        self.row_items = row_items
        self._sequence_ids = Ragged(packed[in_rows.values], in_rows.offsets)
        self._useful = int(lengths[packed].sum())

    def __len__(self) -> int:
        return len(self._sequence_ids)

    @property
    def n_sequences(self) -> int:
        """Number of packed sequences."""
        return len(self._sequence_ids.values)

    @property
    def useful_fraction(self) -> float:
        """Share of all positions that hold an item."""
        return self._useful / (len(self) * self.row_items)

    def n_predicted(self, indices: np.ndarray) -> int:
        """Number of predicted items in the rows at `indices`: all but the first of each sequence."""
        members = self._sequence_ids[np.asarray(indices)].values
        lengths = self.sequences.offsets[members + 1] - self.sequences.offsets[members]
        return int(np.minimum(lengths, self.row_items).sum()) - len(members)

    def rows(self, indices: np.ndarray) -> PackedRows:
        """Build the rows at `indices`, in that order."""
        members = self._sequence_ids[np.asarray(indices)]
        stops = self.sequences.offsets[members.values + 1]
        starts = np.maximum(self.sequences.offsets[members.values], stops - self.row_items)
        items = self.sequences.spans(starts, stops)

        row_of_member = np.repeat(np.arange(len(members)), members.lengths)
        segment_of_member = np.arange(len(members.values)) - members.offsets[row_of_member]
        items_before_row = items.offsets[members.offsets[:-1]]
        row = np.repeat(row_of_member, items.lengths)
        column = np.arange(len(items.values)) - items_before_row[row]

        shape = (len(members), self.row_items)
        packed = PackedRows(
            item_ids=np.full(shape, PADDING, dtype=np.int64),
            segment_ids=np.full(shape, PADDING, dtype=np.int32),
            position_ids=np.zeros(shape, dtype=np.int64),
        )
        packed.item_ids[row, column] = items.values
        packed.segment_ids[row, column] = np.repeat(segment_of_member, items.lengths)
        packed.position_ids[row, column] = np.arange(len(items.values)) - np.repeat(items.offsets[:-1], items.lengths)
        return packed


def pack(lengths: np.ndarray, row_items: int, rng: np.random.Generator) -> Ragged:
    """Pack sequences of the given lengths into rows by best-fit-decreasing.

    Sequences of equal length are assigned at random (`rng`), and so is the order of the rows.

    Returns
    -------
    Ragged
        Indices of the sequences of each row.
    """
    patterns = row_patterns(np.bincount(lengths, minlength=row_items + 1), row_items)
    slot_lengths = np.concatenate([np.tile(pattern, count) for pattern, count in patterns]).astype(np.int32)
    members = np.concatenate([np.full(count, len(pattern)) for pattern, count in patterns])
    shuffled = rng.permutation(len(lengths))
    sequence_of_slot = np.empty(len(lengths), dtype=np.int64)
    by_length = np.argsort(lengths[shuffled], kind="stable")
    sequence_of_slot[np.argsort(slot_lengths, kind="stable")] = shuffled[by_length]
    return Ragged(sequence_of_slot, offsets_from_lengths(members))[rng.permutation(len(members))]


def row_patterns(counts: np.ndarray, row_items: int) -> list[tuple[tuple[int, ...], int]]:
    """Best-fit-decreasing on the histogram of lengths: the row patterns and the number of rows of each.

    Works on lengths instead of sequences, so that millions of sequences take milliseconds (Krell et al. 2021,
    "Efficient Sequence Packing without Cross-contamination", section 3).

    Parameters
    ----------
    counts
        (row_items + 1,) number of sequences of each length.

    Returns
    -------
    list of (lengths in the row, number of such rows)
    """
    by_space: defaultdict[int, list[tuple[tuple[int, ...], int]]] = defaultdict(list)

    def add(pattern: tuple[int, ...], rows: int) -> None:
        if rows:
            by_space[row_items - sum(pattern)].append((pattern, rows))

    for length in range(row_items, 0, -1):
        left = int(counts[length])
        for space in range(length, row_items):
            open_rows = by_space.pop(space, []) if left else []
            each = space // length
            for pattern, rows in open_rows:
                full = min(rows, left // each)
                left -= full * each
                partly = left if full < rows else 0  # fewer than `each`: together they fill one more row
                left -= partly
                add(pattern + (length,) * each, full)
                add(pattern + (length,) * partly, 1 if partly else 0)
                add(pattern, rows - full - (1 if partly else 0))
        each = row_items // length
        add((length,) * each, left // each)
        add((length,) * (left % each), 1 if left % each else 0)
    return [group for groups in by_space.values() for group in groups]
