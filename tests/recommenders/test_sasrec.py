"""SASRec: what it learns, that it never looks ahead, and its losses and network against plain ones."""

from contextlib import nullcontext

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.packing import PackedDataset
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.recommenders.popularity import Popularity
from recgpt.recommenders.sasrec import (
    SASRec,
    SASRecNetwork,
    next_item_loss,
    sampled_softmax_loss,
    softmax_loss,
    windows,
)

N_ITEMS = 40
CIRCLE = np.random.default_rng(3).permutation(N_ITEMS)  # everyone walks along it, from anywhere
TINY = {"d_model": 64, "n_layers": 1, "max_items": 8, "epochs": 15}


def walk(start: int, length: int) -> list[int]:
    return CIRCLE[(start + np.arange(length)) % N_ITEMS].tolist()


def dataset_of(sequences: list[list[int]]) -> Dataset:
    users = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    events = users.explode("item_id").with_row_index("position")
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("toy", events, items)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    return dataset_of([walk(rng.integers(N_ITEMS), rng.integers(2, 8)) for _ in range(3_000)])


@pytest.fixture(scope="module")
def fitted(dataset: Dataset) -> SASRec:
    return SASRec(**TINY).fit(dataset)


def network(n_items: int = 20, max_items: int = 6) -> SASRecNetwork:
    """Two layers, 8 wide, of random weights large enough for every part to matter, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = SASRecNetwork(n_items, d_model=8, n_layers=2, max_items=max_items)
        for parameter in made.parameters():
            nn.init.normal_(parameter, std=0.5)
    return made.double().eval()


def hit_at_1(recommender: SASRec) -> float:
    cases = [walk(start, length + 1) for start in range(N_ITEMS) for length in (1, 3, 5, 7)]
    found = recommender.rank([case[:-1] for case in cases], 1).ids[:, 0]
    return float(np.mean(found == [case[-1] for case in cases]))


# --- what it learns ---


def test_learns_what_follows_what(fitted):
    assert hit_at_1(fitted) > 0.98


def test_learns_from_sampled_negatives(dataset):
    assert hit_at_1(SASRec(**TINY, n_negatives=16).fit(dataset)) > 0.98


def test_same_seed_same_fit_and_the_global_generator_is_left_alone(dataset, monkeypatch):
    monkeypatch.setattr("recgpt.recommenders.sasrec.default_device", lambda: torch.device("cpu"))
    state = torch.get_rng_state()
    options = {**TINY, "epochs": 2}
    first, again, other = (SASRec(**options, seed=seed).fit(dataset) for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    asked = [walk(start, 5) for start in range(9)]
    np.testing.assert_array_equal(first.rank(asked, 5).scores, again.rank(asked, 5).scores)
    assert not np.array_equal(first.rank(asked, 5).scores, other.rank(asked, 5).scores)


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(DataError, match="none of 2 users"):
        SASRec(**TINY).fit(dataset_of([[0], [1, 1]]))


@pytest.mark.parametrize(
    "option", [{"d_model": 30}, {"n_layers": 0}, {"max_items": 0}, {"epochs": 0}, {"n_negatives": 0}]
)
def test_options_that_cannot_be_are_named(option):
    with pytest.raises(DataError, match="{}={}".format(*next(iter(option.items())))):
        SASRec(**option)


# --- what it answers ---


def test_a_ranking_does_not_depend_on_the_batch(fitted):
    rng = np.random.default_rng(0)
    asked = [rng.integers(0, N_ITEMS, rng.integers(1, 30)).tolist() for _ in range(65)]
    together = fitted.rank(asked, N_ITEMS, exclude="nothing")
    backwards = fitted.rank(asked[::-1], N_ITEMS, exclude="nothing")
    np.testing.assert_array_equal(backwards.ids[::-1], together.ids)
    for i, history in enumerate(asked):
        alone = fitted.rank([history], N_ITEMS, exclude="nothing")
        np.testing.assert_array_equal(alone.ids[0], together.ids[i])
        np.testing.assert_allclose(alone.scores[0], together.scores[i], rtol=0, atol=1e-6)


def test_only_the_last_items_count(fitted):
    recent = walk(7, 8)
    longer, shorter = fitted.rank([[1, 2, 3, *recent], recent], 9, exclude="nothing").scores
    np.testing.assert_array_equal(longer, shorter)
    assert not np.array_equal(fitted.rank([recent[1:]], 9, exclude="nothing").scores[0], shorter)


def test_an_empty_history_is_answered_by_popularity_as_observed(dataset):
    sasrec, popularity = SASRec(**{**TINY, "epochs": 1}).fit(dataset), Popularity().fit(dataset)
    asked = [walk(2, 4)]
    before = sasrec.rank(asked, 9)
    for _ in range(2):
        np.testing.assert_array_equal(sasrec.rank([[], []], N_ITEMS).ids, popularity.rank([[], []], N_ITEMS).ids)
        events = Interactions(np.zeros(300, dtype=np.int32), np.full(300, 11, dtype=np.int32))
        sasrec.observe(events)
        popularity.observe(events)
    assert sasrec.rank([[]], 1).ids[0, 0] == 11
    np.testing.assert_array_equal(sasrec.rank(asked, 9).scores, before.scores)


def test_events_on_unknown_items_are_refused(fitted):
    with pytest.raises(DataError, match=f"event 0 is on the item id {N_ITEMS}"):
        fitted.observe(Interactions(np.zeros(1, dtype=np.int32), np.array([N_ITEMS], dtype=np.int32)))


def test_what_is_loaded_ranks_as_what_was_saved(fitted, tmp_path):
    state = torch.get_rng_state()
    fitted.save(tmp_path)
    loaded = SASRec.load(tmp_path)
    assert torch.equal(state, torch.get_rng_state())
    asked = [walk(start, start % 7) for start in range(20)]
    first, second = fitted.rank(asked, 10), loaded.rank(asked, 10)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)


# --- on a GPU ---


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_fit_on_the_gpu_ranks_as_one_on_the_cpu(dataset, monkeypatch, tmp_path):
    on_gpu = SASRec(**TINY).fit(dataset)
    on_gpu.save(tmp_path)
    monkeypatch.setattr("recgpt.recommenders.sasrec.default_device", lambda: torch.device("cpu"))
    assert hit_at_1(on_gpu) > 0.98
    assert abs(hit_at_1(on_gpu) - hit_at_1(SASRec(**TINY).fit(dataset))) < 0.02

    loaded = SASRec.load(tmp_path)  # on the CPU, the same weights rank the same
    asked = [walk(start, start % 7) for start in range(20)]
    first, second = on_gpu.rank(asked, 10), loaded.rank(asked, 10)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_allclose(first.scores, second.scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_negatives", [None, 5])
def test_all_that_the_loss_is_made_of_is_on_the_networks_device(monkeypatch, n_negatives):
    # Tensors on the device "meta" have no values, but do not mix with others.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which "meta" has not
    made = network(N_ITEMS).float().train().to("meta")
    packed = PackedDataset(Ragged.from_lists([walk(start, 5) for start in range(9)]), row_items=7)
    loss = next_item_loss(made, packed.rows(np.arange(len(packed))), n_negatives)
    loss.backward()
    assert loss.is_meta


# --- the network ---


def test_network_equals_torchs_transformer():
    ours = network()
    layer = nn.TransformerEncoderLayer(
        8, 4, 32, dropout=0, activation=lambda x: F.gelu(x, approximate="tanh"), batch_first=True, norm_first=True
    )
    theirs = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False).double().eval()
    names = {
        "attention_norm": "norm1",
        "qkv.": "self_attn.in_proj_",
        "attention_out": "self_attn.out_proj",
        "mlp_norm": "norm2",
        "mlp_in": "linear1",
        "mlp_out": "linear2",
        "blocks": "layers",
        "final_norm": "norm",
    }
    weights = {}
    for name, weight in ours.state_dict().items():
        if not name.endswith("embedding.weight"):
            for our_name, their_name in names.items():
                name = name.replace(our_name, their_name)
            weights[name] = weight
    theirs.load_state_dict(weights)
    items_BT = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    positions_T = torch.arange(5)
    x_BTD = ours.item_embedding(items_BT) * 8**0.5 + ours.position_embedding(positions_T)
    expected = theirs(
        x_BTD, mask=nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64), is_causal=True
    )
    torch.testing.assert_close(ours(items_BT, positions_T), expected)


@given(st.integers(0, 5), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_no_place_sees_what_comes_after_it(place, seed):
    rng = np.random.default_rng(seed)
    items_BT = torch.from_numpy(rng.integers(0, 20, (1, 6)))
    changed_BT = items_BT.clone()
    changed_BT[0, place] = (items_BT[0, place] + 1) % 20
    made, positions_T = network(), torch.arange(6)
    differs_T = (made(items_BT, positions_T) - made(changed_BT, positions_T)).abs().amax(2)[0] > 1e-12
    assert differs_T.tolist() == [t >= place for t in range(6)]


@given(st.lists(st.lists(st.integers(0, 19), min_size=2, max_size=7), min_size=1, max_size=9), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_loss_of_packed_rows_is_that_of_each_sequence_alone(sequences, seed):
    made = network().float()  # in eval mode: no dropout
    packed = PackedDataset(Ragged.from_lists(sequences), row_items=7, seed=seed)
    loss = next_item_loss(made, packed.rows(np.arange(len(packed))), None)
    alone = []
    for sequence in sequences:
        items_T = torch.tensor(sequence)
        hidden_TD = made(items_T[None, :-1], torch.arange(len(sequence) - 1))[0]
        alone.append(F.cross_entropy(hidden_TD @ made.item_embedding.weight.T, items_T[1:], reduction="none"))
    torch.testing.assert_close(loss, torch.cat(alone).mean(), rtol=0.02, atol=0.02)  # bfloat16, where it is native


# --- the losses ---


def loss_inputs(n_items: int = 30) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    hidden_RD = torch.randn(50, 8, generator=draws, requires_grad=True)
    weight_ND = torch.randn(n_items, 8, generator=draws, requires_grad=True)
    return hidden_RD, weight_ND, torch.randint(n_items, (50,), generator=draws)


@pytest.mark.parametrize("logits_in_memory", [1, 30 * 7, 1 << 20])
def test_softmax_loss_equals_torchs_cross_entropy(monkeypatch, logits_in_memory):
    monkeypatch.setattr("recgpt.recommenders.sasrec._LOGITS_IN_MEMORY", logits_in_memory)
    hidden_RD, weight_ND, labels_R = loss_inputs()
    ours = softmax_loss(hidden_RD, weight_ND, labels_R, torch.float32)
    theirs = F.cross_entropy(hidden_RD @ weight_ND.T, labels_R)
    torch.testing.assert_close(ours, theirs)
    for gradient, expected in zip(
        torch.autograd.grad(3 * ours, (hidden_RD, weight_ND)),
        torch.autograd.grad(3 * theirs, (hidden_RD, weight_ND)),
        strict=True,
    ):
        torch.testing.assert_close(gradient, expected)


def test_softmax_loss_in_bfloat16_is_near():
    hidden_RD, weight_ND, labels_R = loss_inputs()
    exact, fast = (softmax_loss(hidden_RD, weight_ND, labels_R, dtype) for dtype in (torch.float32, torch.bfloat16))
    assert fast.dtype == torch.float32
    torch.testing.assert_close(fast, exact, rtol=0.02, atol=0)


def test_sampled_softmax_over_every_item_once_is_the_full_one():
    hidden_RD, weight_ND, labels_R = loss_inputs()
    sampled = sampled_softmax_loss(hidden_RD, weight_ND, labels_R, torch.randperm(30))
    torch.testing.assert_close(sampled, softmax_loss(hidden_RD, weight_ND, labels_R, torch.float32))


def test_the_sampled_denominator_is_right_in_expectation():
    hidden_RD, weight_ND, labels_R = (x.detach() for x in loss_inputs())
    hidden_RD, labels_R = hidden_RD[:1], labels_R[:1]
    logits_N = (hidden_RD @ weight_ND.T)[0]
    own = logits_N[labels_R[0]]
    # exp(loss + own logit) is the denominator; its mean over all that a single draw can be is the expectation.
    losses = [sampled_softmax_loss(hidden_RD, weight_ND, labels_R, torch.tensor([item])) for item in range(30)]
    torch.testing.assert_close(torch.stack(losses).add(own).exp().mean(), logits_N.exp().sum())


# --- the training sequences ---


@given(st.lists(st.lists(st.integers(0, 9), max_size=17), max_size=6), st.integers(1, 6))
def test_windows_predict_every_item_but_the_first_once(sequences, max_items):
    cut = [window.tolist() for window in windows(Ragged.from_lists(sequences), max_items)]
    assert all(2 <= len(window) <= max_items + 1 for window in cut)
    predicted = [window[1:] for window in cut]
    expected = []
    for sequence in sequences:
        for stop in range(len(sequence), 1, -max_items):
            expected.append(sequence[max(1, stop - max_items) : stop])
    assert predicted == expected
