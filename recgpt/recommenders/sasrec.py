"""SASRec: a causal transformer over the history, trained to rank the next item (Kang and McAuley 2018, section III).

Three differences from the paper: blocks are pre-norm; the loss is the cross-entropy over the whole catalogue at every
position in place of one sampled negative, with which SASRec equals far newer models (Klenitskiy and Vasilev 2023,
"Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?"); a running mean of the weights is used for
ranking (see `average_weights`).

Training packs histories into rows without padding; ranking batches histories of equal length. Both run on a GPU if
there is one; there, two fits with the same seed may differ by rounding.

Shapes: B rows, T items a row, D model width, H heads, N items, R predictions, M negatives.
"""

import copy
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recgpt.data.dataset import Dataset
from recgpt.data.held_out import hold_out_last
from recgpt.data.packing import PackedDataset, PackedRows
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.device import computes_bfloat16, default_device
from recgpt.errors import DataError
from recgpt.recommenders.base import PopularityIfEmpty, Supervision
from recgpt.training.epochs import seeded, train_to_best

_N_HEADS = 4
_INPUT_DROPOUT = 0.5
_DROPOUT = 0.3
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 0.1
_AVERAGING = 3
_ITEMS_PER_BATCH = 1_000  # about 128 histories of 8 items
_PATIENCE = 5
_LOGITS_IN_MEMORY = 1 << 24  # in the loss
_ITEMS_IN_MEMORY = 1 << 14  # in a pass that ranks


class SASRec(PopularityIfEmpty):
    """Items by the inner product of their embedding with the transformer's state after the last `max_items` items.

    Empty histories are ranked by popularity. Trained on all sequences except the last items of up to 2,000 users, on
    which the number of epochs is chosen; minutes for hundreds of thousands of interactions. DataError if no user has
    two different items. `observe` adds events to the counts that rank after an empty history; the weights stay.

    Parameters
    ----------
    d_model
        D, a multiple of the 4 attention heads.
    n_layers
        Number of transformer blocks.
    max_items
        Number of latest history items that are read. Training cuts longer sequences into windows.
    epochs
        Maximum; training ends after 5 epochs without a better NDCG@10 on the held-out items.
    n_negatives
        M, negatives of a batch, drawn uniformly, for catalogues of hundreds of thousands of items. None takes the whole
        catalogue.
    seed
        Seed of the weights, the batches, the dropout, the negatives and the held-out users.

    Raises
    ------
    DataError
        A size is below 1, or `d_model` is no multiple of 4.
    """

    name = "sasrec"
    supervision: Supervision = "trained"
    is_seeded = True

    def __init__(
        self,
        *,
        d_model: int = 128,
        n_layers: int = 2,
        max_items: int = 50,
        epochs: int = 40,
        n_negatives: int | None = None,
        seed: int = 0,
    ) -> None:
        sizes = {"d_model": d_model, "n_layers": n_layers, "max_items": max_items, "epochs": epochs}
        for option, value in {**sizes, "n_negatives": n_negatives}.items():
            if value is not None and value < 1:
                raise DataError(f"sasrec: {option}={value}: a number above 0 is needed")
        if d_model % _N_HEADS:
            raise DataError(
                f"sasrec: d_model={d_model} is not divisible by the {_N_HEADS} attention heads: choose a multiple"
            )
        self._options = {**sizes, "n_negatives": n_negatives, "seed": seed}

    def _fit(self, dataset: Dataset) -> None:
        options = self._options
        held_out = hold_out_last(dataset.sequences, seed=options["seed"])
        batches = _Batches(held_out.known, options["max_items"])
        with seeded(options["seed"]):
            network = self._new_network(dataset.n_items)
            averaged = copy.deepcopy(network)
            optimizer = torch.optim.AdamW(
                network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY, fused=True
            )
            steps = itertools.count(1)

            def epoch() -> Iterator[Tensor]:
                for rows in batches.shuffled():
                    loss = next_item_loss(network, rows, options["n_negatives"])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    average_weights(averaged, network, next(steps))
                    yield loss.detach()

            train_to_best(
                averaged,
                epoch,
                averaged.scores,
                held_out,
                n_items=dataset.n_items,
                name=self.name,
                n_batches=len(batches),
                max_epochs=options["epochs"],
                patience=_PATIENCE,
            )
        self._network = averaged.double()

    def _scores(self, histories: Ragged) -> np.ndarray:
        return self._network.scores(histories)

    def _arrays(self) -> dict[str, Any]:
        weights = {name: weight.float().cpu().numpy() for name, weight in self._network.state_dict().items()}
        return {**super()._arrays(), **weights}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        super()._restore(arrays, facts)
        with seeded(0):  # the initial weights are replaced; this keeps the caller's random state
            network = self._new_network(len(self._count_N))
        weights = {name: torch.from_numpy(array) for name, array in arrays.items() if name != "count_N"}
        network.load_state_dict(weights)
        self._network = network.double().eval()

    def _new_network(self, n_items: int) -> "SASRecNetwork":
        sizes = (self._options[size] for size in ("d_model", "n_layers", "max_items"))
        return SASRecNetwork(n_items, *sizes).to(default_device())


class SASRecNetwork(nn.Module):
    """The transformer; input and output share the item embedding.

    Parameters
    ----------
    n_items, d_model, n_layers, max_items
        See `SASRec`.
    """

    def __init__(self, n_items: int, d_model: int, n_layers: int, max_items: int) -> None:
        super().__init__()
        self.item_embedding = nn.Embedding(n_items, d_model)
        self.position_embedding = nn.Embedding(max_items, d_model)
        self.blocks = nn.ModuleList(_Block(d_model) for _ in range(n_layers))
        self.final_norm = nn.LayerNorm(d_model)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, items_BT: Tensor, positions_BT: Tensor, mask_B1TT: Tensor | None = None) -> Tensor:
        """(B, T, D) states after each item, given the item and the earlier ones.

        Parameters
        ----------
        items_BT
            (B, T) int64 dense item ids.
        positions_BT
            (B, T) or (T,) int64 0-based positions within the sequence.
        mask_B1TT
            (B, 1, T, T) bool, True for allowed attention; None for causal attention.
        """
        # Scaled by sqrt(D) as in the paper's code: unscaled, item embeddings are small beside the blocks' outputs, and
        # training takes twice the epochs to a lower NDCG.
        x_BTD = self.item_embedding(items_BT) * math.sqrt(self.item_embedding.embedding_dim)
        x_BTD = F.dropout(x_BTD + self.position_embedding(positions_BT), _INPUT_DROPOUT, self.training)
        for block in self.blocks:
            x_BTD = block(x_BTD, mask_B1TT)
        return self.final_norm(x_BTD)

    @torch.no_grad()
    def scores(self, histories: Ragged) -> np.ndarray:
        """(B, N) float32 logits of the next item after B non-empty histories.

        With float64 weights they do not depend on the batch: rounding errors are below the resolution of float32.
        """
        recent = histories.tail(self.position_embedding.num_embeddings)
        weight_ND = self.item_embedding.weight
        hidden_BD = weight_ND.new_empty(len(recent), weight_ND.shape[1])
        for length in np.unique(recent.lengths):
            same = np.flatnonzero(recent.lengths == length)
            for rows in np.array_split(same, math.ceil(len(same) * length / _ITEMS_IN_MEMORY)):
                items_BT = torch.from_numpy(recent[rows].values.astype(np.int64)).view(len(rows), length)
                positions_T = torch.arange(length, device=weight_ND.device)
                hidden_BD[rows] = self(items_BT.to(weight_ND.device), positions_T)[:, -1]
        return (hidden_BD @ weight_ND.T).float().cpu().numpy()


class _Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.attention_out = nn.Linear(d_model, d_model)
        self.mlp_norm = nn.LayerNorm(d_model)
        self.mlp_in = nn.Linear(d_model, 4 * d_model)
        self.mlp_out = nn.Linear(4 * d_model, d_model)

    def forward(self, x_BTD: Tensor, mask_B1TT: Tensor | None) -> Tensor:
        b, t, d = x_BTD.shape
        qkv_BTD = self.qkv(self.attention_norm(x_BTD)).view(b, t, 3, _N_HEADS, d // _N_HEADS)
        # In float32: on a CPU the backward pass of fused attention takes three times as long in bfloat16.
        q_BHTd, k_BHTd, v_BHTd = qkv_BTD.to(x_BTD.dtype).permute(2, 0, 3, 1, 4)
        with torch.autocast(x_BTD.device.type, enabled=False):
            attended = F.scaled_dot_product_attention(
                q_BHTd, k_BHTd, v_BHTd, attn_mask=mask_B1TT, is_causal=mask_B1TT is None
            )
        attended = self.attention_out(attended.transpose(1, 2).reshape(b, t, d))
        x_BTD = x_BTD + F.dropout(attended, _DROPOUT, self.training)
        hidden = self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x_BTD)), approximate="tanh"))
        return x_BTD + F.dropout(hidden, _DROPOUT, self.training)


@torch.no_grad()
def average_weights(averaged: nn.Module, network: nn.Module, step: int) -> None:
    """Update `averaged`, the polynomial-decay average of the weights of the steps 1 to `step`.

    mean_t = (1 - c) mean_{t-1} + c w_t with c = (1 + 3) / (t + 3) (Shamir and Zhang 2013). It replaces a learning-rate
    schedule and needs no number of steps in advance, as its window is a constant share of the steps so far.
    """
    share = (1 + _AVERAGING) / (step + _AVERAGING)
    for mean, weight in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(weight, share)


class _Batches:
    """Batches of the training sequences, packed into rows of `max_items` inputs and the target after the last."""

    def __init__(self, sequences: Ragged, max_items: int) -> None:
        self._samples = windows(sequences, max_items)
        self._row_items = max_items + 1
        n_rows = len(PackedDataset(self._samples, row_items=self._row_items))  # in every epoch
        self._n_batches = math.ceil(n_rows * max_items / _ITEMS_PER_BATCH)

    def __len__(self) -> int:
        return self._n_batches

    def shuffled(self) -> Iterator[PackedRows]:
        """Batches of one epoch in random order, by torch's global generator."""
        rows = PackedDataset(self._samples, row_items=self._row_items, seed=int(torch.randint(1 << 31, ())))
        for batch in np.array_split(np.arange(len(rows)), self._n_batches):
            yield rows.rows(batch)


def windows(sequences: Ragged, max_items: int) -> Ragged:
    """Cut sequences, from their end, into windows of at most `max_items` + 1 items that overlap by one item.

    Every item but the first of a sequence is thereby a target exactly once; sequences of one item have no window.
    """
    sequences = sequences[sequences.lengths >= 2]
    n_windows = -(-(sequences.lengths - 1) // max_items)
    owner = np.repeat(np.arange(len(sequences)), n_windows)
    from_end = np.arange(len(owner)) - np.repeat(offsets_from_lengths(n_windows)[:-1], n_windows)
    stops = sequences.offsets[owner + 1] - from_end * max_items
    return sequences.spans(np.maximum(sequences.offsets[owner], stops - max_items - 1), stops)


def next_item_loss(network: SASRecNetwork, rows: PackedRows, n_negatives: int | None) -> Tensor:
    """Mean cross-entropy of the next item over all positions of packed sequences with a next item; see `SASRec`."""
    items_BS, segments_BS = torch.from_numpy(rows.item_ids), torch.from_numpy(rows.segment_ids)
    followed_BT = (segments_BS[:, 1:] == segments_BS[:, :-1]) & (segments_BS[:, 1:] >= 0)
    segments_BT, positions_BT = segments_BS[:, :-1], torch.from_numpy(rows.position_ids[:, :-1])
    causal_TT = torch.ones(segments_BT.shape[1], segments_BT.shape[1], dtype=torch.bool).tril()
    mask_B1TT = (causal_TT & (segments_BT.unsqueeze(2) == segments_BT.unsqueeze(1))).unsqueeze(1)
    labels_R = items_BS[:, 1:][followed_BT]
    places_R = followed_BT.flatten().nonzero().squeeze(1)  # on the CPU: `nonzero` on a GPU would synchronise

    weight_ND = network.item_embedding.weight
    device = weight_ND.device
    items_BT, positions_BT, mask_B1TT, labels_R, places_R = (
        x.to(device, non_blocking=True)
        for x in (items_BS[:, :-1].clamp(min=0), positions_BT, mask_B1TT, labels_R, places_R)
    )
    fast = computes_bfloat16(device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast):
        hidden_RD = network(items_BT, positions_BT, mask_B1TT).flatten(0, 1)[places_R]
        if n_negatives is not None:
            negatives_M = torch.randint(len(weight_ND), (n_negatives,), device=device)
            return sampled_softmax_loss(hidden_RD, weight_ND, labels_R, negatives_M)
    return softmax_loss(hidden_RD, weight_ND, labels_R, torch.bfloat16 if fast else torch.float32)


def softmax_loss(hidden_RD: Tensor, weight_ND: Tensor, labels_R: Tensor, dtype: torch.dtype) -> Tensor:
    """Mean cross-entropy of the logits `hidden @ weight.T`, a float32 scalar, computed in chunks of rows.

    The R x N logits would not fit into memory. Products are in `dtype`, sums in float32.
    """
    loss: Tensor = _SummedCrossEntropy.apply(hidden_RD, weight_ND, labels_R, dtype)
    return loss / len(labels_R)


class _SummedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy; the forward pass computes the gradient of each chunk from its probabilities."""

    @staticmethod
    def forward(ctx: Any, hidden_RD: Tensor, weight_ND: Tensor, labels_R: Tensor, dtype: torch.dtype) -> Tensor:
        grad_hidden_RD = torch.empty_like(hidden_RD)
        grad_weight_ND = torch.zeros_like(weight_ND)
        total = weight_ND.new_zeros(())
        fast_hidden_RD, fast_weight_ND = hidden_RD.to(dtype), weight_ND.to(dtype)
        n_rows = max(1, _LOGITS_IN_MEMORY // len(weight_ND))
        for start in range(0, len(labels_R), n_rows):
            chunk = slice(start, start + n_rows)
            own = torch.arange(len(labels_R[chunk]), device=labels_R.device), labels_R[chunk]
            error_RN = torch.softmax(fast_hidden_RD[chunk] @ fast_weight_ND.T, 1)
            total -= error_RN[own].float().clamp(min=torch.finfo(torch.float32).tiny).log().sum()
            error_RN[own] -= 1
            grad_hidden_RD[chunk] = error_RN @ fast_weight_ND
            grad_weight_ND += error_RN.T @ fast_hidden_RD[chunk]
        ctx.save_for_backward(grad_hidden_RD, grad_weight_ND)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden_RD, grad_weight_ND = ctx.saved_tensors
        return grad_hidden_RD * grads[0], grad_weight_ND * grads[0], None, None


def sampled_softmax_loss(hidden_RD: Tensor, weight_ND: Tensor, labels_R: Tensor, negatives_M: Tensor) -> Tensor:
    """Mean cross-entropy of the label against M uniformly sampled negatives, shared by all R predictions.

    log(N / M) is added to the logits of the negatives, so that the softmax's denominator is unbiased (Bengio and
    Senécal 2008; "logQ correction"). Draws of the label itself are masked.
    """
    logits_RM = (hidden_RD @ weight_ND[negatives_M].T).float() + math.log(len(weight_ND) / len(negatives_M))
    logits_RM = logits_RM.masked_fill(negatives_M == labels_R.unsqueeze(1), -torch.inf)
    own_R1 = (hidden_RD * weight_ND[labels_R]).sum(1, keepdim=True)
    return F.cross_entropy(torch.cat((own_R1.float(), logits_RM), 1), torch.zeros_like(labels_R))
