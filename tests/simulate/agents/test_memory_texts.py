"""Texts of memories: each kept once, with embeddings whose cosines are exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.errors import SimulationError
from recgpt.simulate.agents.memory_texts import StringTable, Texts, grid_rows, hashed_words

VECTORS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)


def test_texts_are_kept_once_with_their_first_embedding():
    texts = Texts(3)
    assert texts.ids_of(["b", "a", "b"], VECTORS[[0, 1, 2]]).tolist() == [0, 1, 0]
    assert texts.ids_of(["a", "c"], VECTORS[[2, 2]]).tolist() == [1, 2]
    assert len(texts) == 3 and texts[2] == "c"
    np.testing.assert_array_equal(texts.embeddings, VECTORS[[0, 1, 2]])


def test_texts_that_could_not_be_embedded_are_not_kept():
    texts = Texts(2)
    with pytest.raises(SimulationError, match="NaN or infinity"):
        texts.ids_of(["a", "b"], np.array([[1.0, 0], [np.nan, 1]]))
    assert len(texts) == 0
    assert texts.ids_of(["b"], np.array([[0.0, 1]])).tolist() == [0]


def test_hashed_words_are_alike_as_far_as_they_share_words():
    rows = grid_rows(hashed_words(["I loved Heat", "i LOVED heat!", "I loved Babe", "A dull evening"], 256))
    cosines = rows @ rows[0]
    assert cosines[0] == cosines[1] == pytest.approx(1, abs=1e-3)
    assert cosines[1] > cosines[2] > cosines[3]


@given(st.integers(0, 2**32 - 1))
def test_cosines_of_grid_rows_are_the_same_in_any_order(seed):
    first, second = grid_rows(np.random.default_rng(seed).standard_normal((2, 384)))
    exact = float(first.astype(np.float64) @ second.astype(np.float64))
    order = np.random.default_rng(seed).permutation(384)
    assert float(np.float32(0) + np.cumsum(first[order] * second[order], dtype=np.float32)[-1]) == exact


@given(st.lists(st.text()))
def test_string_table_from_arrays_equals_the_one_it_was_made_from(strings):
    table = StringTable()
    numbers = [table.number(string) for string in strings]
    twin = StringTable.from_arrays(table.to_arrays())
    assert len(twin) == len(table) == len(set(strings))
    assert [twin.number(string) for string in strings] == numbers


def test_texts_from_arrays_keep_embeddings_to_the_last_bit_and_grow():
    texts = Texts(32)
    texts.ids_of(["I loved Heat", "A dull evening"])
    twin = Texts.from_arrays(texts.to_arrays())
    assert twin.ids_of(["A dull evening", "new"]).tolist() == [1, 2]
    np.testing.assert_array_equal(twin.embeddings[:2], texts.embeddings, strict=True)
