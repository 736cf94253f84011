"""Top-k is a slow sort by (-score, -second score, id), whatever the ties; requests are refused with their reason."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.ranking import Request, first_unknown, top_k

INF = float("inf")
FEW_VALUES = st.sampled_from([-INF, -2.0, -0.0, 0.0, 0.5, 1.0, 1e30])
MANY_VALUES = st.floats(width=32, allow_nan=False, allow_subnormal=False, max_value=2.0**99)


def slow_top_k(scores_BN, k, second_BN):
    """Ids and scores by sorting whole rows in Python."""
    ids, kept = [], []
    for row, second in zip(scores_BN.tolist(), second_BN.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda i: (-row[i], -second[i], i))[:k]
        ids.append([i if row[i] > -INF else -1 for i in order])
        kept.append([row[i] for i in order])
    return ids, kept


@st.composite
def problems(draw):
    n_rows, n_items = draw(st.integers(1, 4)), draw(st.integers(1, 12))

    def table(values):
        cells = st.lists(values, min_size=n_rows * n_items, max_size=n_rows * n_items)
        return np.array(draw(cells), np.float32).reshape(n_rows, n_items)

    scores = table(draw(st.sampled_from([FEW_VALUES, MANY_VALUES])))
    return scores, table(st.sampled_from([0.0, 0.25, 1.0])), draw(st.integers(1, n_items))


@settings(max_examples=300, deadline=None)
@given(problems())
def test_equals_a_slow_sort(problem):
    scores, second, k = problem
    ranking = top_k(scores, k)
    ids, kept = slow_top_k(scores, k, np.zeros_like(scores))
    assert ranking.ids.tolist() == ids
    assert ranking.scores.tolist() == kept

    tie_broken = top_k(torch.from_numpy(scores), k, tie_break=lambda ids: torch.from_numpy(second).gather(1, ids))
    ids, kept = slow_top_k(scores, k, second)
    assert tie_broken.ids.tolist() == ids
    assert tie_broken.scores.tolist() == kept


@settings(max_examples=50, deadline=None)
@given(problems())
def test_a_row_does_not_depend_on_the_others(problem):
    scores, second, k = problem
    together = top_k(scores, k, tie_break=lambda ids: torch.from_numpy(second).gather(1, ids))
    for row in range(len(scores)):
        own = torch.from_numpy(second[row : row + 1])
        alone = top_k(scores[row : row + 1], k, tie_break=lambda ids, own=own: own.gather(1, ids))
        assert alone.ids[0].tolist() == together.ids[row].tolist()


def test_shapes_and_types():
    ranking = top_k(np.zeros((3, 5), np.float32), 2)
    assert (ranking.ids.shape, ranking.ids.dtype) == ((3, 2), np.int64)
    assert (ranking.scores.shape, ranking.scores.dtype) == ((3, 2), np.float32)
    assert top_k(np.zeros((0, 5), np.float32), 2).ids.shape == (0, 2)


def test_ties_across_the_last_place_go_to_the_smaller_id():
    scores = torch.tensor([[0.0, 2.0, 1.0, 1.0, 1.0], [3.0, 2.0, 0.0, 1.0, 4.0]])
    assert top_k(scores, 2).ids.tolist() == [[1, 2], [4, 0]]
    assert top_k(scores, 3).ids.tolist() == [[1, 2, 3], [4, 0, 1]]


def test_ties_across_the_last_place_go_to_the_larger_second_score():
    scores = torch.tensor([[0.0, 2.0, 1.0, 1.0, 1.0]])
    second = torch.tensor([[9.0, 0.0, 0.1, 0.1, 0.3]])
    assert top_k(scores, 3, tie_break=lambda ids: second.gather(1, ids)).ids.tolist() == [[1, 4, 2]]


def test_second_scores_are_asked_for_only_at_a_tie():
    def never(ids):
        raise AssertionError("no tie")

    assert top_k(torch.tensor([[1.0, 3.0, 2.0, -INF, -INF]]), 5, tie_break=never).ids.tolist() == [[1, 2, 0, -1, -1]]


def test_a_row_without_anything_to_recommend():
    ranking = top_k(np.array([[-INF, -INF, -INF], [-INF, 0.0, -INF]], np.float32), 2)
    assert ranking.ids.tolist() == [[-1, -1], [1, -1]]
    assert ranking.scores.tolist() == [[-INF, -INF], [0.0, -INF]]


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("k", [1, 3])
def test_nan_is_an_error(row, k):
    scores = np.zeros((2, 3), np.float32)
    scores[row, 1] = np.nan
    with pytest.raises(DataError, match="a score is NaN: check the embeddings and the model weights"):
        top_k(scores, k)


@pytest.mark.parametrize("k", [-1, 0])
def test_k_out_of_range(k):
    with pytest.raises(DataError, match=f"k={k} does not fit a catalogue of 3 items: ask for k between 1 and 3"):
        top_k(np.zeros((2, 3), np.float32), k)
    with pytest.raises(DataError, match=f"k={k} does not fit a catalogue of 3 items: ask for k between 1 and 3"):
        Request.checked([[0]], k, "history", None, n_items=3)


@pytest.mark.parametrize("k", [True, 2.0, "2", None])
def test_k_is_a_whole_number(k):
    with pytest.raises(DataError, match=r"k=.* is no whole number: ask for k between 1 and 3 \(a larger k is cut\)"):
        Request.checked([[0]], k, "history", None, n_items=3)


@pytest.mark.parametrize("k", [4, 10, 10**18, np.int64(7)])
def test_a_larger_k_is_cut_at_the_catalogue(k):
    assert Request.checked([[0]], k, "history", None, n_items=3).k == 3
    assert top_k(np.array([[0.5, 0.7, 0.1]], np.float32), k).ids.tolist() == [[1, 0, 2]]


# --- requests ---


def test_unknown_ids_name_the_history_and_the_range():
    with pytest.raises(DataError, match="history 2 holds the item id 7, but the catalogue has the ids 0 to 6"):
        Request.checked([[1], [], [3, 7]], 1, "history", None, n_items=7)
    with pytest.raises(DataError, match="history 0 holds the item id -1"):
        Request.checked([[-1]], 1, "nothing", None, n_items=7)
    with pytest.raises(DataError, match=r"candidates\[1\] is the item id 9, but the catalogue has the ids 0 to 6"):
        Request.checked([[1]], 1, "nothing", np.array([3, 9]), n_items=7)


def test_unknown_exclude():
    with pytest.raises(DataError, match='exclude=\'past\' is unknown: use "history" or "nothing"'):
        Request.checked([[1]], 1, "past", None, n_items=7)


def test_first_unknown():
    assert first_unknown(np.array([0, 3, 4, -1]), 4) == 2
    assert first_unknown(np.array([0, 3]), 4) is None
    assert first_unknown(np.array([], np.int64), 4) is None


HISTORIES = [[0, 2, 2], [], [1]]


@pytest.mark.parametrize(
    ("exclude", "candidates", "left"),
    [
        ("nothing", None, [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]),
        ("history", None, [[1, 3], [0, 1, 2, 3], [0, 2, 3]]),
        ("nothing", np.array([3, 1, 3]), [[1, 3], [1, 3], [1, 3]]),
        ("history", np.array([3, 1]), [[1, 3], [1, 3], [3]]),
        ("history", np.array([0]), [[], [0], [0]]),
        ("history", np.array([], np.int64), [[], [], []]),
    ],
)
@pytest.mark.parametrize("as_ragged", [False, True])
def test_what_is_left_to_recommend(exclude, candidates, left, as_ragged):
    histories = Ragged.from_lists(HISTORIES) if as_ragged else HISTORIES
    request = Request.checked(histories, 4, exclude, candidates, n_items=4)
    masked = request.mask(torch.zeros(3, 4), np.arange(3))
    assert [np.flatnonzero(row > -INF).tolist() for row in masked.numpy()] == left
    backwards = request.mask(torch.zeros(2, 4), np.array([2, 0]))  # rows of the scores may be any histories
    assert [np.flatnonzero(row > -INF).tolist() for row in backwards.numpy()] == [left[2], left[0]]


def test_masking_leaves_the_other_scores():
    request = Request.checked([[1]], 2, "history", None, n_items=3)
    ranking = top_k(request.mask(torch.tensor([[0.5, 9.0, 0.75]]), np.arange(1)), request.k)
    assert ranking.ids.tolist() == [[2, 0]]
    assert ranking.scores.tolist() == [[0.75, 0.5]]


def test_unranked_has_every_place_empty():
    ranking = Request.checked([[0], [1]], 3, "history", None, n_items=3).unranked()
    assert ranking.ids.tolist() == [[-1] * 3] * 2
    assert ranking.scores.tolist() == [[-INF] * 3] * 2


@pytest.mark.parametrize("history", [[0.5], [True], [1, 2.0], ["1"], np.array([0.5]), np.array([True]), [None]])
def test_a_fraction_or_a_truth_value_is_no_item(history):
    with pytest.raises(DataError, match="history 1 holds"):
        Request.checked([[0], history], 1, "history", None, n_items=3)
    with pytest.raises(DataError, match="candidates holds"):
        Request.checked([[0]], 1, "history", history, n_items=3)


def test_a_ragged_array_of_fractions_holds_no_items():
    with pytest.raises(DataError, match=r"a history holds 0.5"):
        Request.checked(Ragged(np.array([0.5]), np.array([0, 1])), 1, "history", None, n_items=3)
