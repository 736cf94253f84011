"""The decoder's labels, and its loss in chunks against cross entropy over all logits at once."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recgpt.generative import loss as loss_module
from recgpt.generative.loss import IGNORE, next_code_loss, next_item_labels


def assert_close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual.detach()), np.asarray(expected), atol=tolerance, rtol=tolerance)


def test_labels_of_packed_rows_are_the_next_items_codes_of_the_same_sequence():
    codes = torch.arange(12).view(1, 6, 2)
    segments = torch.tensor([[0, 0, 1, 1, 1, -1]])
    i = IGNORE
    assert next_item_labels(codes, segments).tolist() == [[[2, 3], [i, i], [6, 7], [8, 9], [i, i], [i, i]]]
    assert next_item_labels(codes[:, :1], segments[:, :1]).tolist() == [[[i, i]]]
    assert (next_item_labels(codes, torch.full((1, 6), -1)) == i).all()


@pytest.mark.parametrize("n_rows", [0, 1, 7, 50])
def test_chunked_loss_of_any_length_equals_cross_entropy(monkeypatch, n_rows):
    monkeypatch.setattr(loss_module, "LOSS_CHUNK", 7)
    torch.manual_seed(0)
    hidden, weight = torch.randn(n_rows, 16, requires_grad=True), torch.randn(31, 16, requires_grad=True)
    labels = torch.randint(31, (n_rows,))
    loss = next_code_loss(hidden, weight, labels)
    expected = F.cross_entropy(hidden @ weight.T, labels, reduction="sum")
    assert_close(loss, expected.detach())
    gradients = torch.autograd.grad(3 * loss, (hidden, weight))
    for gradient, other in zip(gradients, torch.autograd.grad(3 * expected, (hidden, weight)), strict=True):
        assert_close(gradient, other, 1e-4)


def test_chunked_loss_under_autocast_is_near_the_exact_one(monkeypatch):
    monkeypatch.setattr(loss_module, "LOSS_CHUNK", 7)
    torch.manual_seed(0)
    hidden, weight = torch.randn(50, 16, requires_grad=True), torch.randn(31, 16, requires_grad=True)
    labels = torch.randint(31, (50,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = next_code_loss(hidden, weight, labels)
        expected = F.cross_entropy(F.linear(hidden, weight).float(), labels, reduction="sum")
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-2)
    exact = F.cross_entropy(hidden @ weight.T, labels, reduction="sum")
    gradients = torch.autograd.grad(loss, (hidden, weight))
    for gradient, other in zip(gradients, torch.autograd.grad(exact, (hidden, weight)), strict=True):
        assert gradient.dtype == torch.float32
        assert (gradient - other).norm() < 0.02 * other.norm()


def test_chunked_loss_never_holds_the_logits_of_all_rows(monkeypatch):
    monkeypatch.setattr(loss_module, "LOSS_CHUNK", 8)
    largest = 0
    log_softmax = torch.log_softmax

    def watched(logits, *args, **kwargs):
        nonlocal largest
        largest = max(largest, len(logits))
        return log_softmax(logits, *args, **kwargs)

    monkeypatch.setattr(torch, "log_softmax", watched)
    hidden = torch.randn(100, 4, requires_grad=True)
    next_code_loss(hidden, torch.randn(9, 4), torch.zeros(100, dtype=torch.long)).backward()
    assert 0 < largest <= 8


def test_chunked_loss_without_gradients_equals_cross_entropy():
    hidden, weight, labels = torch.randn(9, 4), torch.randn(5, 4), torch.randint(5, (9,))
    with torch.no_grad():
        loss = next_code_loss(hidden, weight, labels)
    assert_close(loss, F.cross_entropy(hidden @ weight.T, labels, reduction="sum"))
