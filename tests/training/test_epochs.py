"""What is held out to choose the number of epochs, and what training to the best of them keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recgpt.data.held_out import HeldOut, hold_out_last
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.training.epochs import ndcg_of, seeded, train_to_best

N_ITEMS = 12
sequence_lists = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=8), min_size=1, max_size=12)


def asked_of(sequences: list[list[int]]) -> list[list[int]]:
    return [s for s in sequences if len(s) >= 2 and s[-1] not in s[:-1]]


@given(sequence_lists, st.integers(1, 12), st.integers(0, 3))
def test_held_out_are_last_items_that_are_new(sequences, max_users, seed):
    asked = asked_of(sequences)
    if not asked:
        with pytest.raises(DataError, match=f"none of {len(sequences)} users"):
            hold_out_last(Ragged.from_lists(sequences), max_users=max_users, seed=seed)
        return
    held_out = hold_out_last(Ragged.from_lists(sequences), max_users=max_users, seed=seed)
    cases = [[*h, t] for h, t in zip((h.tolist() for h in held_out.histories), held_out.targets.tolist(), strict=True)]
    assert len(cases) == min(max_users, len(asked))
    assert all(cases.count(case) <= asked.count(case) for case in cases)
    known = [s.tolist() for s in held_out.known]
    shortened = [[*after, before[-1]] for before, after in zip(sequences, known, strict=True) if before != after]
    assert sorted(shortened) == sorted(cases)
    assert all(after in (before, before[:-1]) for before, after in zip(sequences, known, strict=True))
    assert [known[user] for user in held_out.users] == [case[:-1] for case in cases]
    assert [sequences[user][-1] for user in held_out.users] == held_out.targets.tolist()


def test_the_draw_depends_on_the_seed_alone():
    sequences = Ragged.from_lists([[i % N_ITEMS, (i + 1) % N_ITEMS] for i in range(100)])
    first, again, other = (hold_out_last(sequences, max_users=20, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.known.values, again.known.values)
    assert first.targets.tolist() != other.targets.tolist()


@given(st.integers(0, 2**32), st.integers(2, 30))
def test_ndcg_equals_sorting_all_scores(seed, n_items):
    rng = np.random.default_rng(seed)
    cases = [rng.permutation(n_items)[: rng.integers(2, n_items + 1)].tolist() for _ in range(7)]
    scores_BN = rng.integers(0, 9, (7, n_items)).astype(np.float32)  # with ties
    histories = Ragged.from_lists([case[:-1] for case in cases])
    held_out = HeldOut(histories, np.arange(len(cases)), histories, np.array([case[-1] for case in cases]))
    expected = 0.0
    for case, scores in zip(cases, scores_BN, strict=True):
        order = [i for i in np.lexsort((np.arange(n_items), -scores)) if i not in case[:-1]]
        rank = order.index(case[-1]) + 1
        expected += 1 / np.log2(1 + rank) if rank <= 10 else 0
    assert ndcg_of(lambda _: scores_BN.copy(), held_out, n_items) == pytest.approx(expected / 7)


class Counter(nn.Module):
    """Its one weight counts the epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = nn.Parameter(torch.zeros(()))

    def epoch(self):
        assert self.training
        with torch.no_grad():
            self.epochs += 1
        yield torch.tensor(2.0)
        yield torch.tensor(4.0)


def scripted(places: list[int]):
    """Train a `Counter` whose held-out item takes the given places, one after each epoch."""
    counter = Counter()
    held_out = HeldOut(Ragged.from_lists([[0, 1]]), np.array([0]), Ragged.from_lists([[0]]), np.array([1]))

    def scores_of(_: Ragged) -> np.ndarray:
        assert not counter.training
        scores = -np.arange(N_ITEMS, dtype=np.float32)[None]
        scores[0, 1] = 0.5 - places[int(counter.epochs) - 1] - 1
        return scores

    def run(max_epochs: int, patience: int):
        return counter, train_to_best(
            counter,
            counter.epoch,
            scores_of,
            held_out,
            n_items=N_ITEMS,
            name="counter",
            n_batches=2,
            max_epochs=max_epochs,
            patience=patience,
        )

    return run


def test_the_best_epoch_is_kept_and_the_first_of_equals():
    counter, curve = scripted([4, 2, 3, 2, 5, 6])(max_epochs=6, patience=9)
    assert curve.best_epoch == 2
    assert float(counter.epochs.detach()) == 2
    assert not counter.training
    assert curve.losses == [3.0] * 6
    assert len(curve.ndcgs) == 6


def test_training_stops_when_patience_is_over():
    counter, curve = scripted([4, 2, 3, 3, 3, 1])(max_epochs=6, patience=3)
    assert len(curve.ndcgs) == 5
    assert curve.best_epoch == 2
    assert float(counter.epochs.detach()) == 2


def test_a_loss_that_is_not_finite_is_an_error():
    counter = Counter()

    def epoch():
        yield torch.tensor(float("nan"))

    held_out = HeldOut(Ragged.from_lists([[0, 1]]), np.array([0]), Ragged.from_lists([[0]]), np.array([1]))
    with pytest.raises(DataError, match=r"counter: the loss of epoch 1 is not finite"):
        train_to_best(
            counter,
            epoch,
            lambda _: np.zeros((1, N_ITEMS), dtype=np.float32),
            held_out,
            n_items=N_ITEMS,
            name="counter",
            n_batches=1,
            max_epochs=2,
            patience=1,
        )


def test_seeded_repeats_its_draws_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded(5):
            draws.append(torch.rand(3))
    assert torch.equal(*draws)
    assert torch.equal(before, torch.get_rng_state())
