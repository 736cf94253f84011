"""Variants of the decoder's training step: attention, compilation, loss.

`benchmarks/gpu.py` times them. All compute the model's own loss: `Trainer.loss` of every variant agrees with
`model(**inputs).loss` (dropout off) up to rounding. `gpu_attention.py` has the attention.

The wide loss takes 8,192 rows at a time: few, large products. (`recgpt.generative.decoder` took 512 everywhere when
this was first measured; on a GPU it takes as many since.) And it pads the vocabulary: rows of 15,361 bfloat16 begin at
odd places, where matrix units cannot read 16 bytes at once.

Shapes: B rows, S items a row, K codes an item, T = S * K, D model width, V codes a slot, P >= V padded, R = rows of the
loss.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch
from gpu_attention import TILE, Sequences, Structure, attend, dense_mask, packed_block_mask
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from recgpt.benchmark.speed import flops
from recgpt.data.packing import PackedDataset
from recgpt.errors import DataError
from recgpt.generative.decoder import Block, RecGPTDecoder
from recgpt.generative.loss import IGNORE, next_code_loss
from recgpt.generative.trainer import TrainData, batch_tensors

LOSS_ROWS = 8_192  # at most, of one chunk: 8,192 x 15,424 bfloat16 is 253 MB
ALIGNED = 64  # the vocabulary is padded to a multiple of it
WEIGHT_DECAY = 0.01  # as in recgpt.generative.trainer
LEARNING_RATE = 1e-4
CLIP = 1.0


@dataclass(frozen=True)
class Variant:
    """One variant of a training step."""

    name: str
    attention: Literal["model", "dense", "flex", "varlen"]  # model: that of `RecGPTDecoder.forward`
    compiled: bool = False
    fused_optimizer: bool = False
    wide_loss: bool = False


VARIANTS = (
    Variant("dense mask, eager", "dense"),
    Variant("recgpt.generative.decoder as it is", "model"),
    Variant("flex, compiled", "flex", compiled=True),
    Variant("flex, compiled, fused AdamW", "flex", compiled=True, fused_optimizer=True),
    Variant("flex, compiled, fused AdamW, wide loss", "flex", compiled=True, fused_optimizer=True, wide_loss=True),
    Variant("varlen, compiled, fused AdamW, wide loss", "varlen", compiled=True, fused_optimizer=True, wide_loss=True),
)
REFERENCE, FASTEST = VARIANTS[0], VARIANTS[4]


# --- inputs of a step ---


@dataclass(frozen=True)
class Batch:
    """Packed rows with precomputed sizes: a size that depends on values would force the GPU to synchronise.

    Attributes
    ----------
    inputs
        Arguments of the decoder.
    predicting_R
        (R,) predicting positions in the flattened batch, padded with 0.
    targets_R
        (R,) target codes, `IGNORE` at padding.
    starts
        (sequences + 1,) int32, first position of each sequence in the flattened batch, padded with its end. Padding at
        the end of a row counts as a sequence.
    longest
        Positions of the longest sequence, rounded up to whole tiles.
    lengths
        Items of each sequence, padding not counted; for the accounts only.
    """

    inputs: dict[str, Tensor]
    predicting_R: Tensor
    targets_R: Tensor
    starts: Tensor
    longest: int
    lengths: np.ndarray

    @property
    def n_predicted(self) -> int:
        """Positions that predict a code."""
        return int((self.lengths - 1).sum()) * self.inputs["codes_BSK"].shape[-1]

    @property
    def n_useful(self) -> int:
        """Positions that hold an item."""
        return int(self.lengths.sum()) * self.inputs["codes_BSK"].shape[-1]

    def map(self, change: Any) -> "Batch":
        """Apply `change` to every tensor."""
        changed = {f.name: change(getattr(self, f.name)) for f in fields(self) if f.name.endswith("_R")}
        inputs = {name: change(value) for name, value in self.inputs.items()}
        return replace(self, inputs=inputs, starts=change(self.starts), **changed)

    def to(self, device: torch.device) -> "Batch":
        """Copy to `device`, in the background where the memory is pinned."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def without_slices(self) -> "Batch":
        """Copy without slices (nearly all bytes), for counting FLOPs."""
        return replace(self, inputs={name: x for name, x in self.inputs.items() if name != "slices_BSKW"})

    def pin_memory(self) -> "Batch":
        """Copy in pinned memory, called by `DataLoader(pin_memory=True)`."""
        return self.map(lambda tensor: tensor.pin_memory())


class Batches(Dataset[Batch]):
    """The batches of one epoch, all of the same shapes, so that nothing is compiled twice."""

    def __init__(self, data: TrainData, *, row_items: int, rows_per_step: int, codebook_size: int, seed: int) -> None:
        self.data = data
        self.rows = PackedDataset(data.sequences, row_items=row_items, seed=seed)
        if len(self.rows) < rows_per_step:
            raise DataError(
                f"{len(self.rows)} packed rows are less than one step of {rows_per_step}: use more histories"
            )
        self.rows_per_step = rows_per_step
        self.codebook_size = codebook_size
        n_codes = data.codes_NK.shape[1]
        predicted = [self.rows.n_predicted(self._rows_of(step)) for step in range(len(self))]
        self.predictions = max(predicted) * n_codes
        # The first item of every sequence is not predicted, and every row has at most one run of padding.
        self.sequences = rows_per_step * (row_items + 1) - min(predicted)
        self.longest = -(-n_codes * int(np.minimum(data.sequences.lengths, row_items).max()) // TILE) * TILE

    def __len__(self) -> int:
        return len(self.rows) // self.rows_per_step

    def _rows_of(self, step: int) -> np.ndarray:
        return np.arange(step * self.rows_per_step, (step + 1) * self.rows_per_step)

    def __getitem__(self, step: int) -> Batch:
        inputs = batch_tensors(self.data, self.rows, self._rows_of(step), self.codebook_size)
        segments_BS = inputs["segments_BS"].numpy()
        b, s, k = inputs["codes_BSK"].shape
        labels_Q = inputs["labels_BSK"].reshape(-1)
        predicting_R = (labels_Q != IGNORE).nonzero().squeeze(1)
        targets_R = labels_Q[predicting_R]
        filler = padded_rows(self.predictions) - len(predicting_R)

        begins_BS = np.ones((b, s), dtype=bool)
        begins_BS[:, 1:] = segments_BS[:, 1:] != segments_BS[:, :-1]
        starts = np.flatnonzero(begins_BS)
        sizes = np.diff(np.append(starts, b * s))
        filled = np.full(self.sequences + 1, b * s * k, dtype=np.int32)
        filled[: len(starts)] = starts * k
        return Batch(
            inputs=inputs,
            predicting_R=F.pad(predicting_R, (0, filler)),
            targets_R=F.pad(targets_R, (0, filler), value=IGNORE),
            starts=torch.from_numpy(filled),
            longest=self.longest,
            lengths=sizes[segments_BS.reshape(-1)[starts] >= 0],
        )


def padded_rows(rows: int) -> int:
    """`rows` rounded up to whole chunks of the loss, all of one size, of whole tiles."""
    chunks = -(-rows // LOSS_ROWS)
    return -(-rows // (chunks * TILE)) * chunks * TILE


# --- the model, cut where it is compiled ---


def block_pass(block: Block, x_BTD: Tensor, structure: Structure) -> Tensor:
    """`Block.forward` with the attention of any variant."""
    b, t, d = x_BTD.shape
    qkv = block.qkv(block.attention_norm(x_BTD)).view(b, t, 3, block.n_heads, d // block.n_heads)
    attended = block.attention_out(attend(qkv, structure).reshape(b, t, d))
    x_BTD = x_BTD + F.dropout(attended, block.dropout, block.training)
    hidden = block.mlp_out(F.gelu(block.mlp_in(block.mlp_norm(x_BTD)), approximate="tanh"))
    return x_BTD + F.dropout(hidden, block.dropout, block.training)


def predicting_states(norm: nn.Module, x_BTD: Tensor, predicting_R: Tensor) -> Tensor:
    """(R, D) final states of the positions that predict."""
    return norm(x_BTD.flatten(0, 1).index_select(0, predicting_R))


def loss_chunk(hidden_RD: Tensor, weight_PD: Tensor, targets_R: Tensor, vocabulary: int) -> tuple[Tensor, ...]:
    """Summed cross-entropy of a chunk and its gradients; the weight has P >= `vocabulary` rows, the rest is padding."""
    logits_RP = (hidden_RD @ weight_PD.T).float()
    column_P = torch.arange(len(weight_PD), device=hidden_RD.device)
    logits_RP = torch.where(column_P < vocabulary, logits_RP, -torch.inf)
    lse_R1 = logits_RP.logsumexp(1, keepdim=True)
    counts_R1 = (targets_R != IGNORE).unsqueeze(1)
    target_R1 = targets_R.clamp(min=0).unsqueeze(1)
    loss = ((lse_R1 - logits_RP.gather(1, target_R1)) * counts_R1).sum()
    error_RP = (((logits_RP - lse_R1).exp() - (column_P == target_R1).float()) * counts_R1).to(weight_PD.dtype)
    return loss, error_RP @ weight_PD, error_RP.T @ hidden_RD


class WideCrossEntropy(torch.autograd.Function):
    """`recgpt.generative.loss.next_code_loss` in large chunks, over a padded vocabulary."""

    @staticmethod
    def forward(
        ctx: Any, hidden_RD: Tensor, weight_VD: Tensor, targets_R: Tensor, dtype: torch.dtype, chunk: Any
    ) -> Tensor:
        """Summed loss; `chunk` is `loss_chunk`, compiled or not, and computes in `dtype`."""
        vocabulary = len(weight_VD)
        with torch.autocast(hidden_RD.device.type, enabled=False):
            hidden_RD = hidden_RD.to(dtype)
            weight_PD = F.pad(weight_VD.to(dtype), (0, 0, 0, -vocabulary % ALIGNED))
            rows = len(hidden_RD) // -(-len(hidden_RD) // LOSS_ROWS)
            total = hidden_RD.new_zeros((), dtype=torch.float32)
            grad_weight_PD = torch.zeros_like(weight_PD, dtype=torch.float32)
            grad_hidden_RD = torch.empty_like(hidden_RD)
            for start in range(0, len(hidden_RD), rows):
                part = slice(start, start + rows)
                loss, grad_hidden_RD[part], grad_weight = chunk(hidden_RD[part], weight_PD, targets_R[part], vocabulary)
                total += loss
                grad_weight_PD += grad_weight
        ctx.save_for_backward(grad_hidden_RD, grad_weight_PD[:vocabulary])
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients that forward has found."""
        grad_hidden_RD, grad_weight_VD = ctx.saved_tensors
        return grad_hidden_RD * grads[0], grad_weight_VD * grads[0], None, None, None


class Trainer:
    """Training steps of one variant: autocast to `dtype`, gradient clipped, AdamW as in training."""

    def __init__(self, model: RecGPTDecoder, variant: Variant, dtype: torch.dtype) -> None:
        self.model = model
        self.variant = variant
        self.dtype = dtype
        matrices = [p for p in model.parameters() if p.dim() > 1]
        vectors = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
        # False would take parameters one at a time; None takes them together where the device can.
        self.optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=variant.fused_optimizer or None)
        if variant.compiled:
            torch._dynamo.reset()  # graphs of the variant before do not count against the limit of recompilations
        self._embed = self._compiled(type(model)._embed)
        self._block = self._compiled(block_pass)
        self._states = self._compiled(predicting_states)
        self._chunk = self._compiled(loss_chunk)

    def _compiled(self, part: Any) -> Any:
        if not self.variant.compiled:
            return part
        # On a CPU the parts are only traced: that each is one graph, made once, is what carries over to a GPU.
        backend = "inductor" if self.model.device.type == "cuda" else "eager"
        return torch.compile(part, fullgraph=True, dynamic=False, backend=backend)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy (nats) a predicted code."""
        inputs, model = batch.inputs, self.model
        with torch.autocast(model.device.type, self.dtype, enabled=self.dtype != torch.float32):
            if self.variant.attention == "model":
                loss: Tensor = model(**inputs, loss_normaliser=batch.n_predicted).loss
                return loss
            structure = self.structure(batch)
            x_BTD = self._embed(model, inputs["codes_BSK"], inputs["slices_BSKW"], inputs["positions_BS"], None)
            for block in model.blocks:
                x_BTD = self._block(block, x_BTD, structure)
            hidden_RD = self._states(model.final_norm, x_BTD, batch.predicting_R)
            if self.variant.wide_loss:
                total = WideCrossEntropy.apply(hidden_RD, model.head.weight, batch.targets_R, self.dtype, self._chunk)
            else:
                total = next_code_loss(
                    hidden_RD[: batch.n_predicted], model.head.weight, batch.targets_R[: batch.n_predicted]
                )
            return total / batch.n_predicted

    def structure(self, batch: Batch) -> Structure:
        """Attention structure: mask, block mask or sequence bounds of the batch."""
        segments_BS, n_codes = batch.inputs["segments_BS"], self.model.config.n_codes
        if self.variant.attention == "varlen":
            return Sequences(batch.starts, batch.longest, n_codes)
        return (packed_block_mask if self.variant.attention == "flex" else dense_mask)(segments_BS, n_codes)

    def step(self, batch: Batch) -> Tensor:
        """One optimizer step; returns the loss without synchronising."""
        loss = self.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


# --- accounts ---


def useful_flops(model: RecGPTDecoder, batches: Iterable[Batch]) -> int:
    """Useful FLOPs of a step on each batch."""
    return sum(flops.useful_training(model.config, batch.lengths) for batch in batches)


def hardware_flops(model: RecGPTDecoder, variant: Variant, batches: Iterable[Batch]) -> int:
    """All FLOPs of the variant, including padding, padded chunks and whole tiles of attention."""
    config, total = model.config, 0
    for batch in batches:
        pairs, rows, padding = attended_pairs(variant, batch), batch.n_predicted, 0
        if variant.wide_loss:
            rows, padding = len(batch.targets_R), -config.vocab_size % ALIGNED
        total += flops.training(config, batch.inputs["codes_BSK"].numel(), pairs, rows)
        total += (
            2 * config.d_model * (config.n_layers * pairs + 3 * padding * rows)
        )  # scores again in the backward pass
    return total


def attended_pairs(variant: Variant, batch: Batch) -> int:
    """Number of (query, key) pairs whose score the variant computes; for `model`, as on a GPU."""
    segments_BS, k = batch.inputs["segments_BS"], batch.inputs["codes_BSK"].shape[-1]
    b, s = segments_BS.shape
    if variant.attention == "dense":
        return b * (s * k) ** 2
    if variant.attention == "varlen":
        tiles: np.ndarray = -(-np.diff(batch.starts.cpu().numpy().astype(np.int64)) // TILE)
        return int((tiles * (tiles + 1) // 2).sum()) * TILE**2 + b * s * k * k
    mask = packed_block_mask(segments_BS, k)
    return int(mask.kv_num_blocks.sum()) * mask.BLOCK_SIZE[0] ** 2
