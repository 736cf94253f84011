"""Counts that grow event by event equal those of the whole, and both equal a slow count by the definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.interaction_counts import HALF_LIFE, UNITS, InteractionCounts

N_ITEMS = 120
COUNTS = ("near", "after", "before", "together")
YEAR = 365 * 86_400
START = 1_500_000_000


def dense(counts) -> np.ndarray:
    return np.sum([part.toarray() for part in counts.parts], axis=0)


def recent(past: InteractionCounts) -> np.ndarray:
    return past.recent_counts(np.arange(past.n_items))


def slow_counts(sequences: list[list[int]]) -> dict[str, np.ndarray]:
    counts = {name: np.zeros((N_ITEMS, N_ITEMS)) for name in COUNTS}
    for sequence in sequences:
        for place, i in enumerate(sequence):
            for gap, j in enumerate(sequence[place + 1 : place + 6], start=1):
                if i != j:
                    counts["after"][i, j] += UNITS / gap
                    counts["before"][j, i] += UNITS / gap
                    counts["near"][i, j] += UNITS / gap
                    counts["near"][j, i] += UNITS / gap / 2
        for i, j in itertools.permutations(set(sequence[-100:]), 2):
            counts["together"][i, j] += 1
    return counts


def events_of(pairs: list[tuple[int, int]], times: list[int] | None = None) -> Interactions:
    user, item = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    return Interactions(user, item, None if times is None else np.array(times, dtype=np.int64))


def assert_same(grown: InteractionCounts, whole: InteractionCounts) -> None:
    for name in COUNTS:
        np.testing.assert_array_equal(dense(getattr(grown, name)), dense(getattr(whole, name)), err_msg=name)
    for name in ("count_N", "near_sum_N", "after_sum_N", "before_sum_N", "n_timed_N"):
        np.testing.assert_array_equal(getattr(grown, name), getattr(whole, name), err_msg=name)
    for name in ("near", "after", "before"):
        np.testing.assert_array_equal(getattr(grown, f"{name}_sum_N"), dense(getattr(grown, name)).sum(axis=1))
    np.testing.assert_allclose(recent(grown), recent(whole), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(grown.recent_means(), recent(whole).mean(axis=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(grown.years(), whole.years(), rtol=0, atol=1e-9)
    assert grown.has_times == whole.has_times
    assert [s.tolist() for s in grown.sequences] == [s.tolist() for s in whole.sequences]
    if whole.times is None:
        assert grown.times is None
    else:
        np.testing.assert_array_equal(grown.times, whole.times)


class Diary:
    """The same users twice: as growing lists, and as `InteractionCounts` to which each event is appended."""

    def __init__(self, sequences: list[list[int]], times: list[list[int]] | None) -> None:
        self.sequences = [list(s) for s in sequences]
        self.times = [[-1] * len(s) for s in sequences] if times is None else [list(t) for t in times]
        self.is_timed = times is not None
        self.past = InteractionCounts(N_ITEMS, Ragged.from_lists(sequences), self._flat())

    def _flat(self) -> np.ndarray | None:
        return np.array([t for times in self.times for t in times], dtype=np.int64) if self.is_timed else None

    def append(self, pairs: list[tuple[int, int]], times: list[int] | None) -> None:
        self.past.append(events_of(pairs, times))
        self.is_timed |= times is not None
        for (user, item), time in zip(pairs, times or [-1] * len(pairs), strict=True):
            missing = user + 1 - len(self.sequences)
            self.sequences.extend([] for _ in range(missing))
            self.times.extend([] for _ in range(missing))
            self.sequences[user].append(item)
            self.times[user].append(time)

    def whole(self) -> InteractionCounts:
        return InteractionCounts(N_ITEMS, Ragged.from_lists(self.sequences), self._flat())


def walk(seed: int, length: int, n_different: int) -> list[int]:
    return np.random.default_rng(seed).integers(0, n_different, length).tolist()


ITEMS = st.integers(0, 6)
SHORT = st.lists(ITEMS, max_size=9)
LONG = st.builds(walk, st.integers(0, 9), st.integers(96, 130), st.sampled_from([4, 60, N_ITEMS]))
# Without repeats, what falls out of the last 100 is gone altogether.
DISTINCT = st.integers(97, 110).map(lambda length: list(range(length)))
TIME = st.one_of(st.just(-1), st.integers(START, START + 3 * YEAR))


def timed(pairs: list[tuple[int, int]]) -> st.SearchStrategy:
    times = st.lists(TIME, min_size=len(pairs), max_size=len(pairs))
    return st.tuples(st.just(pairs), st.one_of(st.none(), times))


CALLS = st.lists(
    st.lists(st.tuples(st.integers(0, 6), st.one_of(ITEMS, st.integers(0, 109)))).flatmap(timed), max_size=4
)


@settings(max_examples=60)
@given(
    sequences=st.lists(st.one_of(SHORT, LONG, DISTINCT), max_size=4),
    first_time=st.one_of(st.none(), st.integers(START, START + YEAR)),
    calls=CALLS,
)
def test_appending_equals_counting_all_anew(sequences, first_time, calls):
    times = None if first_time is None else [[first_time + 1000 * i for i in range(len(s))] for s in sequences]
    diary = Diary(sequences, times)
    for pairs, when in calls:
        diary.append(pairs, when)
    assert_same(diary.past, diary.whole())


@pytest.mark.parametrize("sizes", [(999, 1), (1_000, 1, 50), (1_400, 30), (300, 300, 300, 300, 300)])
def test_appending_more_than_is_counted_one_by_one(sizes):
    rng = np.random.default_rng(len(sizes))
    diary = Diary([walk(0, 130, N_ITEMS), [], [3, 4]], None)
    for size in sizes:
        users = rng.choice([0, 1, 2, 5], size, p=[0.6, 0.1, 0.1, 0.2]).tolist()
        items = rng.integers(0, N_ITEMS, size).tolist()
        times = rng.integers(START, START + YEAR, size).tolist()
        diary.append(list(zip(users, items, strict=True)), times)
        assert_same(diary.past, diary.whole())


def test_reading_in_between_changes_nothing():
    rng = np.random.default_rng(0)
    diary = Diary([list(range(105)), [5, 6, 5]], None)
    for _ in range(40):
        diary.append([(int(rng.integers(0, 4)), int(rng.integers(0, N_ITEMS))) for _ in range(3)], None)
        for name in COUNTS:
            assert len(getattr(diary.past, name).parts) <= 2
    assert_same(diary.past, diary.whole())


def test_counts_are_as_documented():
    sequences = [[0, 1, 2, 3, 4, 5, 6], [2, 2, 1, 2], [], [7], walk(3, 140, 30), list(range(115))]
    past, expected = InteractionCounts(N_ITEMS, Ragged.from_lists(sequences)), slow_counts(sequences)
    for name in COUNTS:
        np.testing.assert_allclose(dense(getattr(past, name)), expected[name], err_msg=name)
    everything = list(itertools.chain.from_iterable(sequences))
    np.testing.assert_array_equal(past.count_N, np.bincount(everything, minlength=N_ITEMS))
    assert past.times is None


def test_times_are_as_documented():
    day = 86_400
    times = [[START, START + 10 * day], [START + 40 * day, -1], [START + 400 * day]]
    past = InteractionCounts(5, Ragged.from_lists([[0, 1], [0, 1], [2]]), np.concatenate(times))
    now = START + 400 * day
    mean_N, last_N = past.years()
    expected_mean = [(START + 20 * day - now) / YEAR, (START + 10 * day - now) / YEAR, 0, 0, 0]
    expected_last = [(START + 40 * day - now) / YEAR, (START + 10 * day - now) / YEAR, 0, -20, -20]
    np.testing.assert_allclose(mean_N, expected_mean, rtol=1e-6)
    np.testing.assert_allclose(last_N, expected_last, rtol=1e-6)
    halved = [0.5 ** ((now - t) / HALF_LIFE) for t in (START, START + 40 * day, START + 10 * day)]
    np.testing.assert_allclose(recent(past)[-1], [halved[0] + halved[1], halved[2], 1, 0, 0])
    assert recent(past)[0, 1] == pytest.approx(0.5 ** (390 / 7))
    assert past.has_times


def test_without_any_known_time():
    for times in (None, np.full(3, -1)):
        past = InteractionCounts(4, Ragged.from_lists([[0, 1], [2]]), times)
        assert not past.has_times
        np.testing.assert_array_equal(recent(past), np.zeros((3, 4)))
        np.testing.assert_array_equal(past.years(), [[0] * 4, [-20] * 4])


def test_nobody_did_anything_yet():
    past = InteractionCounts(3, Ragged.from_lists([]))
    assert all(not dense(getattr(past, name)).any() for name in COUNTS)
    past.append(events_of([(1, 0), (1, 2)]))
    assert [s.tolist() for s in past.sequences] == [[], [0, 2]]
    assert dense(past.after)[0, 2] == UNITS


@pytest.fixture(params=[False, True], ids=["one part", "two parts"])
def grown(request) -> InteractionCounts:
    past = InteractionCounts(N_ITEMS, Ragged.from_lists([walk(1, 90, N_ITEMS), [4, 5, 6, 4], list(range(104))]))
    if request.param:
        past.append(events_of([(0, 3), (1, 9), (2, 110), (2, 111), (7, 4), (7, 5)]))
    assert len(past.after.parts) == 1 + request.param
    return past


def test_looked_up_is_indexing(grown):
    rng = np.random.default_rng(5)
    items_BS = rng.integers(-1, N_ITEMS, (4, 6))
    items_BS[1], items_BS[2, 3:] = -1, 4  # nothing asked, and the same item often
    candidates_BM = np.stack([rng.permutation(N_ITEMS)[:50] for _ in range(4)])
    place_BN = np.full((4, N_ITEMS + 1), -1)
    np.put_along_axis(place_BN, candidates_BM, np.arange(50)[None], axis=1)
    for name in COUNTS:
        table = np.concatenate([dense(getattr(grown, name)), np.zeros((1, N_ITEMS))])  # -1: a row of nothing
        expected_BSM = table[items_BS[..., None], candidates_BM[:, None]]
        found_BSM = getattr(grown, name).looked_up(items_BS, place_BN, 50)
        np.testing.assert_array_equal(found_BSM, expected_BSM, err_msg=name)
        assert found_BSM.dtype == np.float32


def test_products_are_those_of_dense_matrices(grown):
    rng = np.random.default_rng(2)
    weights_BN = sparse.random_array((5, N_ITEMS), density=0.1, rng=rng).tocsr()
    scales = rng.random((2, N_ITEMS))
    for name in COUNTS:
        counts = getattr(grown, name)
        places_P, products = counts.products(weights_BN, *scales)
        for product_P, scale_N in zip(products, scales, strict=True):
            product_BN = np.zeros(weights_BN.shape)
            product_BN.flat[places_P] = product_P
            np.testing.assert_allclose(product_BN, (weights_BN.toarray() * scale_N) @ dense(counts))
        np.testing.assert_allclose(counts.row_sums(), dense(counts).sum(axis=1))
