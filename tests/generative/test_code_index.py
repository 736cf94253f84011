"""`CodeIndex.top_k` against scoring, masking and sorting everything."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.errors import DataError
from recgpt.generative import code_index
from recgpt.generative.code_index import BLOCK, CodeIndex, Postings, log_normalisers
from recgpt.ranking import Request

V, K = 12, 3


def by_hand(logits_VKB, codes_NK, request, second_BN=None):
    """Ids and scores of the k best: by score, then second score, then id."""
    ids, scores = [], []
    for user, history in enumerate(request.histories):
        of_items = [sum(logits_VKB[code, slot, user] for slot, code in enumerate(codes)) for codes in codes_NK]
        forbidden = set(history.tolist()) if request.exclude == "history" else set()
        if request.allowed_N is not None:
            forbidden |= set(np.flatnonzero(~request.allowed_N))
        second = np.zeros(len(codes_NK)) if second_BN is None else second_BN[user]
        left = [item for item in range(len(codes_NK)) if item not in forbidden]
        best = sorted(left, key=lambda item: (-of_items[item], -second[item], item))[: request.k]
        ids.append(best + [-1] * (request.k - len(best)))
        scores.append([of_items[item] for item in best] + [-np.inf] * (request.k - len(best)))
    return np.array(ids), np.array(scores, dtype=np.float32)


@settings(max_examples=60, deadline=None)
@given(
    n_items=st.integers(1, 9 * BLOCK),
    n_users=st.integers(1, 4),
    k=st.integers(1, 6),
    distinct=st.sampled_from([1, 2, 50]),
    exclude=st.sampled_from(["history", "nothing"]),
    some_only=st.booleans(),
    with_second=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_top_k_equals_sorting_everything(n_items, n_users, k, distinct, exclude, some_only, with_second, seed):
    rng = np.random.default_rng(seed)
    k = min(k, n_items)
    codes_NK = rng.integers(0, min(V, distinct), (n_items, K))  # few codes: ties within and across blocks
    logits_VKB = rng.integers(-3, 3, (V, K, n_users)).astype(np.float32)
    histories = [rng.integers(0, n_items, rng.integers(0, 8)).tolist() for _ in range(n_users)]
    candidates = rng.permutation(n_items)[: rng.integers(1, n_items + 1)] if some_only else None
    request = Request.checked(histories, k, exclude, candidates, n_items=n_items)
    second_BN = rng.integers(0, 3, (n_users, n_items)).astype(np.float32) if with_second else None

    def tie_break(logits, ids_BC):
        assert logits.shape[-1] == len(ids_BC) == n_users
        return torch.from_numpy(second_BN).gather(1, ids_BC.clamp(max=n_items - 1))

    index = CodeIndex(torch.from_numpy(codes_NK.astype(np.int32)))
    found = index.top_k(torch.from_numpy(logits_VKB), request, np.arange(n_users), tie_break if with_second else None)
    ids, scores = by_hand(logits_VKB, codes_NK, request, second_BN)
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_array_equal(found.scores, scores)


@settings(max_examples=60, deadline=None)
@given(
    n_items=st.integers(1, 400),
    k=st.integers(1, 6),
    coarse=st.booleans(),
    exclude=st.sampled_from(["history", "nothing"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_pruning_equals_brute_force(n_items, k, coarse, exclude, seed):
    rng = np.random.default_rng(seed)
    codes_NK = rng.integers(0, 40, (n_items, K)).astype(np.int32)
    logits_VKB = rng.standard_normal((45, K, 3)).astype(np.float32) * rng.choice([0.1, 1, 10])
    if coarse:
        logits_VKB = logits_VKB.round()
    histories = [rng.integers(0, n_items, rng.integers(0, 8)).tolist() for _ in range(3)]
    request = Request.checked(histories, min(k, n_items), exclude, None, n_items=n_items)
    asked = torch.from_numpy(logits_VKB), request, np.arange(3)
    index = CodeIndex(torch.from_numpy(codes_NK))
    brute = index.top_k(*asked)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PRUNED_ITEMS": 1, "FIRST_CODES": 2, "MOST_ITEMS": 2.0}.items():
            patch.setattr(code_index, name, value)
        pruned = index.top_k(*asked)
    np.testing.assert_array_equal(pruned.ids, brute.ids)
    np.testing.assert_array_equal(pruned.scores, brute.scores)


def test_pruning_leaves_most_items_unscored():
    rng = np.random.default_rng(0)
    codes_NK = torch.from_numpy(rng.integers(0, 2000, (100_000, 4)).astype(np.int32))
    logits_VK = torch.from_numpy(3 * rng.standard_normal((2000, 4)).astype(np.float32))
    ids, scores = Postings(codes_NK).candidates(logits_VK, 10, np.empty(0, np.int64))
    of_all = CodeIndex(codes_NK).scores(logits_VK.unsqueeze(2))[:, 0]
    assert set(of_all.topk(10).indices.tolist()) <= set(ids.tolist())
    assert (of_all[ids] == scores).all()


def test_normalisers_turn_scores_into_log_probabilities(monkeypatch):
    monkeypatch.setitem(code_index.CHUNK, "cpu", 70)
    logits_VKB = 40 * torch.randn(50, K, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_normalisers(logits_VKB), logits_VKB.logsumexp(0).sum(0))


def test_chunks_change_nothing(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    index = CodeIndex(torch.randint(V, (5000, K), generator=generator, dtype=torch.int32))
    logits_VKB = torch.randn(V, K, 3, generator=generator)
    request = Request.checked([[1, 4999], [640], []], 5, "history", None, n_items=5000)
    whole = index.top_k(logits_VKB, request, np.arange(3))
    monkeypatch.setitem(code_index.CHUNK, "cpu", 3 * 2 * BLOCK)
    in_chunks = index.top_k(logits_VKB, request, np.arange(3))
    np.testing.assert_array_equal(in_chunks.ids, whole.ids)
    np.testing.assert_array_equal(in_chunks.scores, whole.scores)


def test_a_catalogue_of_equals_is_ranked_by_id_a_few_users_at_a_time(monkeypatch):
    monkeypatch.setattr(code_index, "SCORES_IN_MEMORY", 2 * 5000)
    index = CodeIndex(torch.zeros(5000, K, dtype=torch.int32))
    request = Request.checked([[0]] * 5, 3, "history", None, n_items=5000)
    assert index.top_k(torch.ones(V, K, 5), request, np.arange(5)).ids.tolist() == [[1, 2, 3]] * 5


@pytest.mark.parametrize("pruned_from", [1, 1 << 20])
def test_nan_is_refused(monkeypatch, pruned_from):
    monkeypatch.setattr(code_index, "PRUNED_ITEMS", pruned_from)
    index = CodeIndex(torch.randint(V, (5000, K), dtype=torch.int32))
    logits_VKB = torch.zeros(V, K, 1)
    logits_VKB[3, 1] = torch.nan
    request = Request.checked([[]], 3, "nothing", None, n_items=5000)
    with pytest.raises(DataError, match="NaN"):
        index.top_k(logits_VKB, request, np.arange(1))
