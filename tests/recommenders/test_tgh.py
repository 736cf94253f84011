"""TGH against its formulas, item by item, and the filling of places against a slow one."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset
from recgpt.recommenders import make
from recgpt.recommenders.tgh import PLACES, in_order

N_ITEMS = 12
sequence_lists = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=9), min_size=1, max_size=6)
EMBEDDINGS = np.random.default_rng(0).standard_normal((N_ITEMS, 8))
UNIT = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)


def dataset_of(sequences: list[list[int]]) -> Dataset:
    users = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    events = users.explode("item_id").drop_nulls().with_row_index("position")
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("toy", events, items)


def slow_order(past: list[list[int]], history: list[int], last_items: int) -> list[int]:
    """The list by the definition: breadth first along the transitions, then the places one by one."""
    count = np.zeros((N_ITEMS, N_ITEMS))
    for sequence in past:
        for first, second in itertools.pairwise(sequence):
            count[first, second] += first != second
    parts = []
    for age, hops, places in PLACES[last_items]:
        if age >= len(history):
            continue
        source = history[-1 - age]
        hop_of = {source: 0}
        for hop in range(1, hops + 1):
            at_last = [item for item, its in hop_of.items() if its == hop - 1]
            for item in np.flatnonzero(count[at_last].sum(axis=0)).tolist():
                hop_of.setdefault(item, hop)
        log = np.log1p(count[source])
        bonus = 0.5 * log / log.max() if hops == 1 and log.max() else np.zeros(N_ITEMS)
        score = UNIT @ UNIT[source] + bonus
        ring = sorted((item for item, its in hop_of.items() if its == hops), key=lambda item: -score[item])
        parts.append((ring, places))
    order: list[int] = []
    left: list[int] = []
    for ring, places in parts:
        ring = [item for item in ring if item not in order]
        left = [item for item in left if item not in order]
        lacking = places - sum(item not in history for item in ring)
        while lacking > 0 and left:
            lacking -= left[0] not in history
            places -= left[0] not in history
            order.append(left.pop(0))
        while places > 0 and ring:
            places -= ring[0] not in history
            order.append(ring.pop(0))
        left += ring
    rest = sorted(range(N_ITEMS), key=lambda item: -(UNIT @ UNIT[history[-1]])[item])
    return list(dict.fromkeys([*order, *left, *rest]))


@pytest.mark.parametrize("last_items", [1, 2])
@given(past=sequence_lists, history=st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=5))
def test_lists_are_as_documented(last_items, past, history):
    if not any(past):
        past = [[0, 1]]
    tgh = make("tgh", embeddings=EMBEDDINGS, last_items=last_items).fit(dataset_of(past))
    expected = slow_order(past, history, last_items)
    assert tgh.rank([history], N_ITEMS, exclude="nothing").ids[0].tolist() == expected
    new = [item for item in expected if item not in history]
    assert tgh.rank([history], N_ITEMS).ids[0, : len(new)].tolist() == new


def test_places_of_a_small_ring_go_to_what_earlier_rings_left():
    is_new = np.ones(20, dtype=bool)
    first, second, third = np.arange(8), np.array([8]), np.array([9, 10])
    assert in_order([(first, 3), (second, 2), (third, 1)], is_new) == [0, 1, 2, 3, 8, 9, 4, 5, 6, 7, 10]
    is_new[1] = False
    assert in_order([(first, 3), (second, 1)], is_new) == [0, 1, 2, 3, 8, 4, 5, 6, 7], "a known item takes no place"
