"""Loss of the decoder: cross-entropy of the next item's codes, in chunks of rows to save memory."""

from typing import Any

import torch
from torch import Tensor

IGNORE = -100  # label of a position that predicts nothing
LOSS_CHUNK = 512  # rows of a chunk on a CPU: logits of 512 x 15,361 float32 take 31 MB
GPU_LOSS_CHUNK = 8_192  # rows of a chunk on a GPU, for large products: 503 MB


def next_item_labels(codes_BSK: Tensor, segments_BS: Tensor) -> Tensor:
    """Labels (B, S, K): codes of the next item of the same sequence, `IGNORE` at the last item."""
    labels_BSK = torch.full_like(codes_BSK, IGNORE)
    follows_BS = (segments_BS[:, 1:] == segments_BS[:, :-1]) & (segments_BS[:, 1:] >= 0)
    labels_BSK[:, :-1] = codes_BSK[:, 1:].masked_fill(~follows_BS.unsqueeze(-1), IGNORE)
    return labels_BSK


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy; the forward pass computes the gradient of each chunk from its probabilities."""

    @staticmethod
    def forward(ctx: Any, hidden_RD: Tensor, weight_VD: Tensor, labels_R: Tensor, dtype: torch.dtype) -> Tensor:
        with torch.autocast(hidden_RD.device.type, enabled=False):
            needs_grad = hidden_RD.requires_grad or weight_VD.requires_grad
            grad_hidden_RD = torch.empty_like(hidden_RD) if needs_grad else None
            grad_weight_VD = torch.zeros_like(weight_VD) if needs_grad else None
            total = hidden_RD.new_zeros((), dtype=torch.float32)
            rounded_VD = weight_VD.to(dtype)
            chunk = GPU_LOSS_CHUNK if hidden_RD.is_cuda else LOSS_CHUNK
            for start in range(0, len(hidden_RD), chunk):
                hidden = hidden_RD[start : start + chunk].to(dtype)
                labels = labels_R[start : start + chunk]
                log_probs = torch.log_softmax(hidden @ rounded_VD.T, 1, dtype=torch.float32)
                total -= log_probs.gather(1, labels.unsqueeze(1)).sum()
                if grad_hidden_RD is not None and grad_weight_VD is not None:
                    # d loss / d logits = softmax(logits) - onehot(label)
                    error = log_probs.exp_()
                    error[torch.arange(len(labels)), labels] -= 1
                    error = error.to(dtype)
                    grad_hidden_RD[start : start + chunk] = error @ rounded_VD
                    grad_weight_VD += error.T @ hidden
        ctx.save_for_backward(grad_hidden_RD, grad_weight_VD)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden_RD, grad_weight_VD = ctx.saved_tensors
        return grad_hidden_RD * grads[0], grad_weight_VD * grads[0], None, None


def next_code_loss(hidden_RD: Tensor, weight_VD: Tensor, labels_R: Tensor) -> Tensor:
    """Sum over R rows of the cross-entropy of the logits `hidden @ weight.T`, a float32 scalar.

    Under autocast the products run in its dtype; softmax, sums and gradients stay in float32.
    """
    device = hidden_RD.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight_VD.dtype
    return _ChunkedCrossEntropy.apply(hidden_RD, weight_VD, labels_R, dtype)
