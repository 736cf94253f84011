"""What all training shares: the learning rate of both models, weight-decay groups, and the best weights in memory."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recgpt.training.loop import BestWeights, learning_rate, parameter_groups, step_seed


@given(total=st.integers(1, 500), warmup=st.integers(1, 500), final=st.floats(0, 1))
def test_learning_rate_rises_then_falls_to_its_final_share(total, warmup, final):
    rates = [learning_rate(step, total, peak=0.5, warmup=warmup, final=final) for step in range(total)]
    peak = rates.index(max(rates))
    assert max(rates) <= 0.5 + 1e-12
    assert all(rate > 0 for rate in rates[: peak + 1])
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates[peak:]) >= 0.5 * final - 1e-12 or warmup >= total


def test_learning_rate_starts_low_peaks_after_the_warm_up_and_ends_at_a_tenth():
    rates = [learning_rate(step, 1000, peak=0.5, warmup=50, final=0.1) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[49] == 0.5
    assert rates[999] == pytest.approx(0.05, rel=1e-3)


def test_learning_rate_that_decays_from_the_start_falls_to_zero():
    rates = [learning_rate(step, 100, peak=2.0, warmup=10, decay_from="start") for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == max(rates[8:12]) <= 2
    assert all(later < sooner for sooner, later in itertools.pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0)
    assert learning_rate(0, 100, peak=2.0, warmup=1, decay_from="start") == 2


def published_rate(step, total, lr, warmup, final):
    """The token model's schedule as it was first written."""
    if step < warmup:
        return lr * (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    return lr * (final + (1 - final) * (1 + math.cos(math.pi * done)) / 2)


def foundation_rate(step, steps, lr, warmup):
    """The foundation model's schedule as the shipped weights learned with it."""
    warm = min(1.0, (step + 1) / warmup)
    return lr * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def test_learning_rate_equals_the_schedules_of_shipped_weights_to_the_bit():
    for step in range(0, 12_000, 7):
        assert learning_rate(step, 12_000, peak=2e-3, warmup=100, decay_from="start") == foundation_rate(
            step, 12_000, 2e-3, 100
        )
        for final, warmup in ((0.1, 600), (0.3, 1), (0.0, 37)):
            ours = learning_rate(step, 12_000, peak=1e-4, warmup=warmup, final=final)
            assert ours == published_rate(step, 12_000, 1e-4, warmup, final)
        assert learning_rate(step, 12_000, peak=5e-4, shape="linear") == 5e-4 * (1 - step / 12_000)


def test_parameter_groups_decay_matrices_only():
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    matrices, vectors = parameter_groups(module, 0.1)
    assert [p.shape for p in matrices["params"]] == [(2, 3)]
    assert [p.dim() for p in vectors["params"]] == [1, 1, 1]
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)


def test_step_seed_differs_by_seed_step_and_process():
    seeds = [step_seed(*key) for key in itertools.product(range(3), repeat=3)]
    assert len(set(seeds)) == 27
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_best_weights_are_those_of_the_first_highest_figure():
    module, best = nn.Linear(1, 1), BestWeights()
    taken = []
    for figure, value in ((0.1, 1.0), (0.3, 2.0), (0.3, 3.0), (0.2, 4.0)):
        with torch.no_grad():
            module.weight.fill_(value)
        taken.append(best.offer(figure, module))
    best.restore(module)
    assert taken == [True, True, False, False]
    assert module.weight.item() == 2.0
