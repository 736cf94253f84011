"""Block-causal attention over packed rows, in three ways that a GPU can run; used by `gpu_training.py`.

"Bidirectional inside an item, causal across items, closed around each sequence of a row":

- a bool mask (B, 1, T, T) under SDPA.
- FlexAttention. Sequences of a row follow one another, so which 128 x 128 tiles hold a visible pair is known from the
  first and last sequence of each tile; `create_block_mask` would fill B x T x T entries every step to find out.
- flash attention over sequences laid end to end ("varlen"). It knows causal masks only, and misses the K (K - 1) / 2
  pairs of an item that look ahead. Those are computed apart and joined by their log-sum-exps; the flash backward pass,
  given the joined output and log-sum-exp, then returns exact gradients of the causal part (as in ring attention, arXiv
  2310.01889).

Shapes: B rows, S items a row, K codes an item, T = S * K, H heads, d width of a head, n tiles a row, Q = B * T
positions laid end to end, I = Q / K items.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.attention.varlen  # registers torch.ops.torch_attn
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask, create_mask, flex_attention

TILE = 128  # positions; the default of FlexAttention and of flash attention at head width 64


def dense_mask(segments_BS: Tensor, n_codes: int) -> Tensor:
    """(B, 1, T, T) bool, True = may attend."""
    s = segments_BS.shape[1]
    allowed_BSS = torch.ones(s, s, dtype=torch.bool, device=segments_BS.device).tril()
    allowed_BSS = allowed_BSS & (segments_BS.unsqueeze(2) == segments_BS.unsqueeze(1))
    return allowed_BSS.repeat_interleave(n_codes, 1).repeat_interleave(n_codes, 2).unsqueeze(1)


def packed_block_mask(segments_BS: Tensor, n_codes: int) -> BlockMask:
    """Block mask for FlexAttention: tile i attends to tile j <= i if a sequence reaches from one into the other."""
    b, s = segments_BS.shape
    tile = min(TILE, s * n_codes)
    n = s * n_codes // tile
    ascending_BS = segments_BS.masked_fill(segments_BS < 0, s)  # padding, at the end of a row, as its last sequence
    tiles_Bni = ascending_BS.view(b, n, s // n)
    reaches_Bnn = tiles_Bni[:, None, :, -1] >= tiles_Bni[:, :, None, 0]
    visible_Bnn = reaches_Bnn & torch.ones(n, n, dtype=torch.bool, device=segments_BS.device).tril()
    order_Bnn = visible_Bnn.int().argsort(dim=-1, descending=True, stable=True)
    segments_BT = ascending_BS.repeat_interleave(n_codes, 1).int()

    def may_attend(row: Tensor, _head: Tensor, q: Tensor, key: Tensor) -> Tensor:
        return (key // n_codes <= q // n_codes) & (segments_BT[row, q] == segments_BT[row, key])

    return BlockMask.from_kv_blocks(
        visible_Bnn.sum(-1, dtype=torch.int32).unsqueeze(1),
        order_Bnn.int().unsqueeze(1),
        BLOCK_SIZE=tile,
        mask_mod=may_attend,
        seq_lengths=(s * n_codes, s * n_codes),
    )


def written_out(mask: BlockMask) -> Tensor:
    """(B, 1, T, T) bool mask equal to a block mask: its rule for pairs, within its tiles."""
    tile = mask.BLOCK_SIZE[0]
    tiles = mask.to_dense().bool().repeat_interleave(tile, -1).repeat_interleave(tile, -2)
    b, _, t, _ = mask.shape
    pairs = create_mask(mask.mask_mod, b, None, t, t, device=tiles.device)
    return tiles & pairs


@dataclass(frozen=True)
class Sequences:
    """Sequences laid end to end, for flash attention; see `Batch`."""

    starts: Tensor
    longest: int
    n_codes: int


Structure = Tensor | BlockMask | Sequences


def attend(qkv_BT3Hd: Tensor, structure: Structure) -> Tensor:
    """(B, T, H, d) attention output."""
    b, t, _, h, d = qkv_BT3Hd.shape
    heads_BTHd = qkv_BT3Hd.unbind(2)
    if isinstance(structure, Sequences):
        flat = [each.reshape(b * t, h, d) for each in heads_BTHd]
        joined: Tensor = JoinedAttention.apply(*flat, structure.starts, structure.longest, structure.n_codes)
        return joined.view(b, t, h, d)
    q, k, v = (each.transpose(1, 2) for each in heads_BTHd)
    if isinstance(structure, BlockMask) and q.device.type != "cpu":
        return flex_attention(q, k, v, block_mask=structure).transpose(1, 2)
    # FlexAttention has no backward pass on a CPU; there its mask is written out.
    mask = written_out(structure) if isinstance(structure, BlockMask) else structure
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


class JoinedAttention(torch.autograd.Function):
    """Block-causal attention = causal flash attention, joined with the pairs inside an item that look ahead."""

    @staticmethod
    def forward(
        ctx: Any, q_QHd: Tensor, k_QHd: Tensor, v_QHd: Tensor, starts: Tensor, longest: int, n_codes: int
    ) -> Tensor:
        """(Q, H, d); `starts` and `longest` as in `Sequences`."""
        causal_QHd, causal_lse_QH, rng_state = causal_forward(q_QHd, k_QHd, v_QHd, starts, longest)
        scores_IHKK = ahead_scores(q_QHd, k_QHd, n_codes)
        causal_lse_IHK = by_item(causal_lse_QH.unsqueeze(-1), n_codes).squeeze(-1)
        lse_IHK = torch.logaddexp(causal_lse_IHK, scores_IHKK.logsumexp(-1))
        ahead_IHKd = mixed((scores_IHKK - lse_IHK.unsqueeze(-1)).exp(), by_item(v_QHd, n_codes).float())
        share_IHK1 = (causal_lse_IHK - lse_IHK).exp().unsqueeze(-1)
        out_QHd = end_to_end(by_item(causal_QHd, n_codes).float() * share_IHK1 + ahead_IHKd).to(q_QHd.dtype)
        lse_QH = end_to_end(lse_IHK.unsqueeze(-1)).squeeze(-1)
        ctx.save_for_backward(q_QHd, k_QHd, v_QHd, out_QHd, lse_QH, starts, rng_state)
        ctx.longest, ctx.n_codes = longest, n_codes
        return out_QHd

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients through both kinds of pairs, each from the joined log-sum-exp."""
        q_QHd, k_QHd, v_QHd, out_QHd, lse_QH, starts, rng_state = ctx.saved_tensors
        grad_QHd, n_codes, scale = grads[0].contiguous(), ctx.n_codes, q_QHd.shape[-1] ** -0.5
        dq_QHd, dk_QHd, dv_QHd = causal_backward(
            grad_QHd, q_QHd, k_QHd, v_QHd, out_QHd, lse_QH, starts, ctx.longest, rng_state
        )
        q, k, v, out, grad = (by_item(each, n_codes).float() for each in (q_QHd, k_QHd, v_QHd, out_QHd, grad_QHd))
        weights_IHKK = (ahead_scores(q_QHd, k_QHd, n_codes) - by_item(lse_QH.unsqueeze(-1), n_codes)).exp()
        d_scores_IHKK = weights_IHKK * (dots(grad, v) - (grad * out).sum(-1, keepdim=True)) * scale
        ahead = (mixed(d_scores_IHKK, k), mixed(d_scores_IHKK.mT, q), mixed(weights_IHKK.mT, grad))
        dq, dk, dv = (
            causal + end_to_end(more).to(causal.dtype)
            for causal, more in zip((dq_QHd, dk_QHd, dv_QHd), ahead, strict=True)
        )
        return dq, dk, dv, None, None, None


def by_item(x_QHd: Tensor, n_codes: int) -> Tensor:
    """(Q, H, d) -> (I, H, K, d)."""
    return x_QHd.unflatten(0, (-1, n_codes)).transpose(1, 2)


def end_to_end(x_IHKd: Tensor) -> Tensor:
    """(I, H, K, d) -> (Q, H, d)."""
    return x_IHKd.transpose(1, 2).flatten(0, 1)


def ahead_scores(q_QHd: Tensor, k_QHd: Tensor, n_codes: int) -> Tensor:
    """(I, H, K, K) float32 scores of an item's later codes for its earlier ones, -inf for all others."""
    q_IHKd, k_IHKd = by_item(q_QHd, n_codes).float(), by_item(k_QHd, n_codes).float()
    scores_IHKK = dots(q_IHKd, k_IHKd) * q_QHd.shape[-1] ** -0.5
    ahead_KK = torch.ones(n_codes, n_codes, dtype=torch.bool, device=q_QHd.device).triu(1)
    return scores_IHKK.masked_fill(~ahead_KK, -torch.inf)


def dots(a_Xd: Tensor, b_Yd: Tensor) -> Tensor:
    """(..., X, Y) inner products.

    Compiled, this and `mixed` are part of one kernel; as matrix products, 4 x 4 each, they would be hundreds of
    thousands of tiny ones.
    """
    return (a_Xd.unsqueeze(-2) * b_Yd.unsqueeze(-3)).sum(-1)


def mixed(weights_XY: Tensor, b_Yd: Tensor) -> Tensor:
    """(..., X, d) weighted sums of rows."""
    return (weights_XY.unsqueeze(-1) * b_Yd.unsqueeze(-3)).sum(-2)


def causal_forward(
    q_QHd: Tensor, k_QHd: Tensor, v_QHd: Tensor, starts: Tensor, longest: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Causal attention inside each sequence, its log-sum-exp (Q, H) float32, and a state for the backward pass.

    The public `varlen_attn` gives no backward pass from a log-sum-exp other than its own, so its operators are called.
    On a CPU, which has none, the scores are written out.
    """
    if q_QHd.device.type == "cpu":
        scores_HQQ = causal_scores(q_QHd, k_QHd, starts)
        out_HQd = scores_HQQ.softmax(-1).to(v_QHd.dtype) @ v_QHd.transpose(0, 1)
        return out_HQd.transpose(0, 1), scores_HQQ.logsumexp(-1).T, q_QHd.new_empty(0)
    out_QHd, lse_HQ, rng_state = torch.ops.torch_attn._varlen_attn(
        q_QHd, k_QHd, v_QHd, starts, starts, longest, longest, is_causal=True
    )
    return out_QHd, lse_HQ.T, rng_state


def causal_backward(
    grad_QHd: Tensor,
    q_QHd: Tensor,
    k_QHd: Tensor,
    v_QHd: Tensor,
    out_QHd: Tensor,
    lse_QH: Tensor,
    starts: Tensor,
    longest: int,
    rng_state: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k, v through the causal pairs of a softmax whose output and log-sum-exp are given."""
    if q_QHd.device.type == "cpu":
        weights_HQQ = (causal_scores(q_QHd, k_QHd, starts) - lse_QH.T.unsqueeze(-1)).exp()
        grad, q, k, v, out = (each.transpose(0, 1).float() for each in (grad_QHd, q_QHd, k_QHd, v_QHd, out_QHd))
        d_scores_HQQ = weights_HQQ * (grad @ v.transpose(-1, -2) - (grad * out).sum(-1, keepdim=True))
        d_scores_HQQ = d_scores_HQQ * q_QHd.shape[-1] ** -0.5
        found = (d_scores_HQQ @ k, d_scores_HQQ.transpose(-1, -2) @ q, weights_HQQ.transpose(-1, -2) @ grad)
        dq_QHd, dk_QHd, dv_QHd = (each.transpose(0, 1).to(q_QHd.dtype) for each in found)
        return dq_QHd, dk_QHd, dv_QHd
    lse_HQ = lse_QH.T.contiguous()
    found = torch.ops.torch_attn._varlen_attn_backward(
        grad_QHd, q_QHd, k_QHd, v_QHd, out_QHd, lse_HQ, starts, starts, longest, longest, True, rng_state
    )
    return found


def causal_scores(q_QHd: Tensor, k_QHd: Tensor, starts: Tensor) -> Tensor:
    """(H, Q, Q) float32 scores, -inf outside the own sequence and ahead."""
    place = torch.arange(len(q_QHd), device=q_QHd.device)
    sequence = torch.bucketize(place, starts.long(), right=True)
    visible = (sequence.unsqueeze(1) == sequence) & (place.unsqueeze(1) >= place)
    scores_HQQ = (q_QHd.transpose(0, 1) @ k_QHd.permute(1, 2, 0)).float() * q_QHd.shape[-1] ** -0.5
    return scores_HQQ.masked_fill(~visible, -torch.inf)
