"""Ragged array: sequences of unequal length in two flat arrays. Histories, splits and packed rows are made of it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, overload

import numpy as np

from recgpt.arguments import check_iterable
from recgpt.data.ids import dense_ids


@dataclass(frozen=True, eq=False)
class Ragged(Sequence[np.ndarray]):
    """`n` sequences of dense item ids (or of times), oldest first: sequence `i` is `values[offsets[i]:offsets[i + 1]]`.

    Parameters
    ----------
    values
        (R,) integers, all sequences end to end; may be a memory map.
    offsets
        (n + 1,) int64, rising from 0 to R.
    """

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_lists(cls, sequences: Iterable[Sequence[int] | np.ndarray], what: str = "sequence") -> "Ragged":
        """Copy any iterable of sequences into flat arrays.

        Parameters
        ----------
        what
            Name of a sequence in messages.

        Raises
        ------
        DataError
            A value is no whole number.
        """
        check_iterable(sequences, f"the list of {what} lists", "give one list of numbers for each")
        sequences = list(sequences)
        arrays: list[np.ndarray] = []
        if _are_plain(sequences):  # several times faster than one check a sequence
            with suppress(OverflowError):
                arrays = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
        arrays = arrays or [dense_ids(sequence, f"{what} {i}") for i, sequence in enumerate(sequences)]
        values = np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)
        return cls(
            values, offsets_from_lengths(np.fromiter((len(a) for a in arrays), dtype=np.int64, count=len(arrays)))
        )

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64, the length of each sequence."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: "slice | np.ndarray") -> "Ragged": ...
    def __getitem__(self, index: "int | slice | np.ndarray") -> "np.ndarray | Ragged":
        """One sequence as a view for an int; a copy of several for a slice, index array or boolean mask."""
        if isinstance(index, slice) or (isinstance(index, np.ndarray) and index.ndim):
            rows = np.arange(len(self))[index]
            return self.spans(self.offsets[rows], self.offsets[rows + 1])
        i = int(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"sequence {i} of {len(self)}")
        i %= len(self)
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        for start, stop in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            yield self.values[start:stop]

    def spans(self, starts: np.ndarray, stops: np.ndarray) -> "Ragged":
        """Copy `values[starts[i]:stops[i]]` for every i; spans may overlap and come in any order."""
        lengths = stops - starts
        offsets = offsets_from_lengths(lengths)
        positions = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Ragged(np.asarray(self.values[positions]), offsets)

    def filter(self, kept: np.ndarray) -> "Ragged":
        """Keep the values where the mask `kept` (R,) is true; sequences may become empty."""
        before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
        return Ragged(self.values[kept], before[self.offsets])

    def tail(self, max_items: int) -> "Ragged":
        """Keep the last `max_items` of each sequence."""
        stops = self.offsets[1:]
        return self.spans(np.maximum(self.offsets[:-1], stops - max_items), stops)

    def occurrences(self, targets: np.ndarray) -> np.ndarray:
        """(n,) int64, number of times that sequence i holds `targets[i]`."""
        hits = self.values == np.repeat(np.asarray(targets), self.lengths)
        before = np.concatenate([[0], np.cumsum(hits)])
        return before[self.offsets[1:]] - before[self.offsets[:-1]]

    def contains(self, targets: np.ndarray) -> np.ndarray:
        """(n,) bool, whether sequence i holds `targets[i]`."""
        return self.occurrences(targets) > 0


def joined(first: Ragged, second: Ragged) -> Ragged:
    """Sequences of the first, each followed by that of the second."""
    lengths = first.lengths + second.lengths
    offsets = offsets_from_lengths(lengths)
    place_R = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    is_first_R = place_R < np.repeat(first.lengths, lengths)
    values_R = np.empty(offsets[-1], dtype=np.result_type(first.values, second.values))
    values_R[is_first_R], values_R[~is_first_R] = first.values, second.values
    return Ragged(values_R, offsets)


def _are_plain(sequences: list[Any]) -> bool:
    """Whether all sequences are lists of Python's whole numbers, or all are signed integer arrays."""
    kinds = set(map(type, sequences))
    if kinds <= {list, tuple}:
        return {int}.issuperset(map(type, chain.from_iterable(sequences)))
    return kinds == {np.ndarray} and all(array.dtype.kind == "i" and array.ndim == 1 for array in sequences)


def offsets_from_lengths(lengths: np.ndarray) -> np.ndarray:
    """(n + 1,) int64, first index of each of `n` sequences of these lengths; the last entry is their total length."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
