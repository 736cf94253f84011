"""Counts of repeats against slow counts by their definitions, and as they grow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.interaction_counts import InteractionCounts
from recgpt.features.repeats import AGES, LENGTHS, SHARES, TIMES_TAKEN, OwnItems, RepeatCounts

N = 9
SEQUENCES = [
    [1, 2, 1, 1, 3, 2],
    [4],
    [],
    [5, 5, 5, 5, 5, 5],
    np.random.default_rng(0).integers(0, N, 180).tolist(),
    [7, 8],
]


def slow(sequences: list[list[int]]) -> dict[str, np.ndarray]:
    """Every interaction after a user's first, with every earlier item at risk of being taken again."""
    found = {name: np.zeros((TIMES_TAKEN, len(AGES)), int) for name in ("taken_KA", "at_risk_KA")}
    found |= {name: np.zeros((SHARES, len(LENGTHS)), int) for name in ("repeats_SL", "all_SL")}
    found["retaken_N"] = np.zeros(N, int)
    for sequence in sequences:
        for place in range(1, len(sequence)):
            earlier, item = sequence[:place], sequence[place]
            for own in set(earlier):
                age, times = earlier[::-1].index(own) + 1, min(earlier.count(own), TIMES_TAKEN)
                cell = times - 1, sum(start <= age for start in AGES) - 1
                found["at_risk_KA"][cell] += 1
                found["taken_KA"][cell] += own == item
            repeats, chances = place - len(set(earlier)), place - 1
            share = (
                next(s for s in range(11) if 10 * repeats <= s * chances) if repeats < chances or not chances else 11
            )
            cell = share, sum(start <= place for start in LENGTHS) - 1
            found["all_SL"][cell] += 1
            found["repeats_SL"][cell] += item in earlier
            found["retaken_N"][item] += item in earlier
    return found


def assert_same(counts: RepeatCounts, expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(counts, name), values, err_msg=name)


def test_counts_are_as_documented():
    assert_same(RepeatCounts.from_sequences(N, Ragged.from_lists(SEQUENCES)), slow(SEQUENCES))


@settings(max_examples=25, deadline=None)
@given(
    sequences=st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=4),
    calls=st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, N - 1)), min_size=1, max_size=5), max_size=4),
    read=st.booleans(),
)
def test_counts_grow_with_appended_events(sequences, calls, read):
    past = InteractionCounts(N, Ragged.from_lists(sequences))
    whole = [list(s) for s in sequences]
    assert past.repeats is past.repeats
    for pairs in calls:
        user, item = np.array(pairs, dtype=np.int32).T
        past.append(Interactions(user, item))
        for each, taken in pairs:
            whole.extend([] for _ in range(each + 1 - len(whole)))
            whole[each].append(taken)
        if read:
            assert_same(past.repeats, slow(whole))
    assert_same(past.repeats, slow(whole))


def test_own_items_are_distinct_with_their_age_and_number():
    own = OwnItems.from_histories(Ragged.from_lists([[3, 1, 3, 2], [5], [0, 0]]), N)
    assert [*zip(*(each.tolist() for each in own), strict=True)] == [
        (0, 1, 3, 1),
        (0, 2, 1, 1),
        (0, 3, 2, 2),
        (1, 5, 1, 1),
        (2, 0, 1, 2),
    ]


def test_probability_follows_the_share_of_the_user_and_is_that_of_the_catalogue_in_the_mean():
    faithful, curious = [[1, 2] * 10] * 300, [list(range(N))] * 300
    counts = RepeatCounts.from_sequences(N, Ragged.from_lists(faithful + curious))
    histories = Ragged.from_lists([[3, 4, 3, 4, 3, 4], [1, 2, 3, 4, 5, 6]])
    often, seldom = counts.probability(histories, OwnItems.from_histories(histories, N))
    assert often > 0.9
    assert seldom < 0.05
    assert counts.share == pytest.approx((300 * 18 + 1) / (300 * (19 + 8) + 50))


def test_hazard_is_the_share_of_those_at_risk_and_factor_that_of_the_item():
    counts = RepeatCounts.from_sequences(N, Ragged.from_lists([[1, 2, 1, 3, 1, 4, 1, 5]] * 2_000))
    own = OwnItems(np.zeros(2, int), np.array([1, 2]), np.array([2, 3]), np.array([1, 1]))
    taken, at_risk = slow([[1, 2, 1, 3, 1, 4, 1, 5]])["taken_KA"], slow([[1, 2, 1, 3, 1, 4, 1, 5]])["at_risk_KA"]
    np.testing.assert_allclose(np.exp(counts.log_hazard(own)), taken[0, [1, 2]] / at_risk[0, [1, 2]], atol=5e-3)
    factor = np.exp(counts.log_factor(np.array([1, 2]), np.array([0, 8_000, 2_000, 2_000, 2_000, 2_000, 0, 0, 0])))
    assert factor[0] == pytest.approx((3 / 4) / (3 / 8), rel=0.02)
    assert factor[1] < 0.05


def test_without_interactions_the_latest_item_is_the_likeliest_repeat():
    counts = RepeatCounts.from_sequences(N, Ragged.from_lists([]))
    own = OwnItems.from_histories(Ragged.from_lists([[1, 2, 3]]), N)
    assert np.argsort(-counts.log_hazard(own)).tolist() == [2, 1, 0]
    assert counts.share == 0.02
