"""Flat sequences behave like a list of lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.ragged import Ragged

lists = st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=8)


def as_lists(ragged: Ragged) -> list[list[int]]:
    return [sequence.tolist() for sequence in ragged]


@given(lists)
def test_holds_what_it_was_made_of(sequences):
    ragged = Ragged.from_lists(sequences)
    assert len(ragged) == len(sequences)
    assert as_lists(ragged) == sequences
    assert ragged.lengths.tolist() == [len(s) for s in sequences]
    assert [ragged[i].tolist() for i in range(len(ragged))] == sequences


@given(lists, st.integers(0, 7))
def test_tail_keeps_the_last_items(sequences, most):
    tail = Ragged.from_lists(sequences).tail(most)
    assert as_lists(tail) == [s[max(len(s) - most, 0) :] for s in sequences]


@given(lists, st.integers(-3, 9), st.integers(-3, 9))
def test_slices_and_index_arrays(sequences, start, stop):
    ragged = Ragged.from_lists(sequences)
    assert as_lists(ragged[start:stop]) == sequences[start:stop]
    backwards = np.arange(len(sequences))[::-1]
    assert as_lists(ragged[backwards]) == sequences[::-1]
    odd = np.arange(len(sequences)) % 2 == 1
    assert as_lists(ragged[odd]) == sequences[1::2]


@given(lists, st.data())
def test_contains_is_membership(sequences, data):
    targets = data.draw(st.lists(st.integers(0, 9), min_size=len(sequences), max_size=len(sequences)))
    found = Ragged.from_lists(sequences).contains(np.array(targets, dtype=np.int64))
    assert found.tolist() == [t in s for t, s in zip(targets, sequences, strict=True)]


@given(lists, st.integers(0, 9))
def test_filter_keeps_order_and_empty_sequences(sequences, least):
    ragged = Ragged.from_lists(sequences)
    assert as_lists(ragged.filter(ragged.values >= least)) == [[v for v in s if v >= least] for s in sequences]


def test_index_out_of_range_and_from_the_end():
    ragged = Ragged.from_lists([[1], [2, 3]])
    assert ragged[-1].tolist() == [2, 3]
    with pytest.raises(IndexError, match="sequence 2 of 2"):
        ragged[2]


def test_one_sequence_is_a_view():
    ragged = Ragged.from_lists([[1], [2, 3]])
    assert np.shares_memory(ragged[1], ragged.values)
