"""Reimplementation of the published training and prediction on our weights, as the reference of the speed benchmark.

Training pads every sequence on the right to 1,024 positions, materialises all attention scores and the terms of GELU,
computes the logits of every position over 15,361 codes, and uses AdamW in float32, batch 40. Prediction pads a batch of
48 users on the left, to the longest history among them, and searches a trie in Python: each beam of each user masks,
normalises and sorts the whole vocabulary, and all grown beams are copied before twenty are kept.
`recgpt.generative.beam` finds the same items with less work. Left out: 35 k unused rows of the published token
embedding.

Shapes: B rows, S items, K codes an item, T = S * K positions, V codes a slot, D width, H heads, W slice width, N items.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.data.ragged import Ragged
from recgpt.generative.beam import BRANCHES, FIRST_WIDTH, KEPT, LOST, TEMPERATURE
from recgpt.generative.catalogue import GenerativeCatalogue
from recgpt.generative.decoder import Block, RecGPTDecoder
from recgpt.generative.loss import IGNORE

PREDICT_BATCH = 48  # --test_batch_size of the published README
TRAIN_BATCH = 40  # --batch_size
MICRO_BATCH = 5  # rows whose scores and logits are in memory together: 40 of 1,024 positions need about 40 GB
LR = 1e-4
TOPS = (1, 3, 5)
FORBIDDEN = -1e7  # log-probability of a code outside the trie


# --- the network ---


def left_padded(histories: Ragged, n_items: int) -> np.ndarray:
    """(B, n_items) catalogue rows, each history at the end of its row, -1 before it."""
    items_BS = np.full((len(histories), n_items), -1)
    for row, history in zip(items_BS, histories, strict=True):
        row[n_items - len(history) :] = history
    return items_BS


def right_padded(histories: Ragged, n_items: int) -> np.ndarray:
    """(B, n_items) catalogue rows, each history at the start of its row, -1 after it."""
    items_BS = np.full((len(histories), n_items), -1)
    for row, history in zip(items_BS, histories, strict=True):
        row[: len(history)] = history
    return items_BS


def hidden_states(model: RecGPTDecoder, codes_NK: Tensor, embeddings_NE: np.ndarray, items_BS: np.ndarray) -> Tensor:
    """(B, T, D) after the final norm; positions are counted from the start of the row, padding included."""
    b, s = items_BS.shape
    k, config = model.config.n_codes, model.config
    real_BS = torch.from_numpy(items_BS >= 0)
    rows_BS = np.maximum(items_BS, 0)
    codes_BT = codes_NK.long()[torch.from_numpy(rows_BS)].masked_fill(~real_BS.unsqueeze(-1), config.codebook_size)
    codes_BT = codes_BT.view(b, s * k)
    embeddings_BSE = torch.from_numpy(np.asarray(embeddings_NE[rows_BS], dtype=np.float32))
    real_BT = real_BS.repeat_interleave(k, 1)

    tokens_BTD = model.token_norm(model.token_embedding(codes_BT)) * real_BT.unsqueeze(-1)
    slices_BTW = embeddings_BSE.view(b, s * k, config.slice_dim)
    tokens_BTD = tokens_BTD + model.dense_norm(model.dense_projection(slices_BTW)) * real_BT.unsqueeze(-1)
    x_BTD = tokens_BTD + model.position_embedding(torch.arange(s * k))
    x_BTD = F.dropout(x_BTD, config.dropout, model.training)

    item_T = torch.arange(s).repeat_interleave(k)
    causal_TT = item_T <= item_T.unsqueeze(1)
    padding_B11T = torch.where(real_BT, 0.0, torch.finfo(torch.float32).min).view(b, 1, 1, s * k)
    for block in model.blocks:
        assert isinstance(block, Block)  # noqa: S101 - for mypy: a ModuleList is untyped
        x_BTD = _block(block, x_BTD, causal_TT, padding_B11T)
    return model.final_norm(x_BTD)


def _block(block: Block, x_BTD: Tensor, causal_TT: Tensor, padding_B11T: Tensor) -> Tensor:
    """Transformer block with materialised (B, H, T, T) attention scores, step by step as published."""
    b, t, d = x_BTD.shape
    qkv_BTD = block.qkv(block.attention_norm(x_BTD)).view(b, t, 3, block.n_heads, d // block.n_heads)
    q_BHTd, k_BHTd, v_BHTd = qkv_BTD.permute(2, 0, 3, 1, 4)
    scores_BHTT = q_BHTd @ k_BHTd.transpose(-1, -2) / (d // block.n_heads) ** 0.5
    scores_BHTT = torch.where(causal_TT, scores_BHTT, torch.finfo(scores_BHTT.dtype).min) + padding_B11T
    weights_BHTT = F.dropout(scores_BHTT.softmax(-1), block.dropout, block.training)
    attended_BTD = (weights_BHTT @ v_BHTd).transpose(1, 2).reshape(b, t, d)
    x_BTD = x_BTD + F.dropout(block.attention_out(attended_BTD), block.dropout, block.training)
    hidden_BTD = block.mlp_out(_gelu(block.mlp_in(block.mlp_norm(x_BTD))))
    return x_BTD + F.dropout(hidden_BTD, block.dropout, block.training)


def _gelu(x: Tensor) -> Tensor:
    """GPT-2's GELU (tanh approximation), each step in an array of its own."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


# --- training ---


class PublishedTraining:
    """Steps of the published training loop.

    Parameters
    ----------
    model
        Decoder, trained in place.
    codes_NK
        (N, K) integer codes of the items.
    embeddings_NE
        (N, E) float text embeddings.
    row_items
        Length of a padded row in items, 256 as published.
    """

    def __init__(
        self, model: RecGPTDecoder, codes_NK: Tensor, embeddings_NE: np.ndarray, *, row_items: int = 256
    ) -> None:
        self.model = model
        self.codes_NK = codes_NK
        self.embeddings_NE = embeddings_NE
        self.row_items = row_items
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=LR)

    def loss(self, sequences: Ragged, n_predicted: int) -> Tensor:
        """Sum of the cross-entropies of all next codes, divided by `n_predicted` (of the whole batch)."""
        k = self.model.config.n_codes
        items_BS = right_padded(sequences, self.row_items)
        hidden_BTD = hidden_states(self.model, self.codes_NK, self.embeddings_NE, items_BS)
        real_BS1 = torch.from_numpy(items_BS >= 0).unsqueeze(-1)
        labels_BSK = self.codes_NK.long()[torch.from_numpy(np.maximum(items_BS, 0))].masked_fill(~real_BS1, IGNORE)
        labels_BT = labels_BSK.flatten(1)
        logits_BTV = self.model.head(hidden_BTD)
        shifted_BTV, labels_BT = logits_BTV[:, :-k].contiguous(), labels_BT[:, k:].contiguous()
        total = F.cross_entropy(
            shifted_BTV.view(-1, shifted_BTV.shape[-1]), labels_BT.view(-1), ignore_index=IGNORE, reduction="sum"
        )
        return total / n_predicted

    def step(self, sequences: Ragged) -> float:
        """One optimizer step over a batch, `MICRO_BATCH` rows at a time; returns the mean loss a predicted code."""
        self.model.train()
        self.optimizer.zero_grad()
        n_predicted = predicted_codes(sequences, self.model.config.n_codes)
        total = 0.0
        for start in range(0, len(sequences), MICRO_BATCH):
            loss = self.loss(sequences[start : start + MICRO_BATCH], n_predicted)
            loss.backward()
            total += loss.item()
        self.optimizer.step()
        return total

    @torch.no_grad()
    def mean_loss(self, sequences: Ragged) -> float:
        """Mean loss a predicted code of a batch, without dropout and without a step."""
        self.model.eval()
        n_predicted = predicted_codes(sequences, self.model.config.n_codes)
        starts = range(0, len(sequences), MICRO_BATCH)
        return sum(self.loss(sequences[start : start + MICRO_BATCH], n_predicted).item() for start in starts)


def predicted_codes(sequences: Ragged, n_codes: int) -> int:
    """Number of predicted codes of a batch: K for every item but the first of each sequence."""
    return int((sequences.lengths - 1).sum()) * n_codes


# --- prediction ---


def logits(catalogue: GenerativeCatalogue, items_BS: np.ndarray) -> Tensor:
    """(B, K, V + 1) logits of the next item, cut from the logits of all positions."""
    model = catalogue.model
    hidden_BTD = hidden_states(model, catalogue.codes_NK, catalogue.embeddings_NE, items_BS)
    return model.head(hidden_BTD)[:, -model.config.n_codes :].clone()


class Trie:
    """Trie of item codes as nested Python dicts, walked by the published decoding for every beam.

    Items with equal codes share a leaf (the published trie keeps the last of them only).
    """

    def __init__(self, codes_NK: Tensor) -> None:
        self.n_items, self.n_codes = codes_NK.shape
        self.root: dict[int, dict] = {}
        self.leaves: dict[tuple[int, ...], list[int]] = {}
        for item, codes in enumerate(codes_NK.tolist()):
            node = self.root
            for code in codes:
                node = node.setdefault(code, {})
            self.leaves.setdefault(tuple(codes), []).append(item)

    def after(self, prefix: list[int]) -> list[int]:
        """Codes that may follow `prefix`; empty if no item has this prefix."""
        node = self.root
        for code in prefix:
            if code not in node:
                return []
            node = node[code]
        return list(node)


def decoding(logits_BKV: Tensor, trie: Trie) -> Tensor:
    """(B, N) scores by beam search over the whole vocabulary, in loops over beams and users."""
    n_users = len(logits_BKV)
    beams = [(torch.empty(n_users, 0, dtype=torch.long), torch.zeros(n_users))]
    for slot in range(trie.n_codes):
        grown = []
        for prefixes_BP, scores_B in beams:
            log_probs_BV = (logits_BKV[:, slot] / TEMPERATURE).log_softmax(-1)
            for user in range(n_users):
                forbidden_V = torch.ones_like(log_probs_BV[user]).bool()
                forbidden_V[trie.after(prefixes_BP[user].tolist())] = False
                log_probs_BV[user] = log_probs_BV[user].masked_fill(forbidden_V, FORBIDDEN)
            best = log_probs_BV.topk(BRANCHES if slot else FIRST_WIDTH)
            for values_B, codes_B in zip(best.values.T, best.indices.T, strict=True):
                grown.append((torch.cat((prefixes_BP, codes_B.unsqueeze(1)), 1), scores_B + values_B))
        by_user = []
        for user in range(n_users):
            of_user = [(prefixes_BP[user], scores_B[user]) for prefixes_BP, scores_B in grown]
            by_user.append(sorted(of_user, key=lambda beam: beam[1], reverse=True))
        copied = [
            (torch.stack([prefix for prefix, _ in beam]), torch.stack([score for _, score in beam]))
            for beam in zip(*by_user, strict=True)
        ]
        beams = copied[:KEPT]
    scores_BN = torch.full((n_users, trie.n_items), LOST)
    for prefixes_BP, scores_B in beams:
        for user in range(n_users):
            scores_BN[user, trie.leaves.get(tuple(prefixes_BP[user].tolist()), [])] = scores_B[user]
    return scores_BN


def predict(catalogue: GenerativeCatalogue, histories: Ragged, trie: Trie, n_items: int | None = None) -> None:
    """Rank users in batches, with rows of `n_items` items (by default of the longest history of the batch)."""
    for start in range(0, len(histories), PREDICT_BATCH):
        batch = histories[start : start + PREDICT_BATCH]
        logits_BKV = logits(catalogue, left_padded(batch, n_items or int(batch.lengths.max())))
        scores_BN = decoding(logits_BKV, trie)
        for k in TOPS:
            scores_BN.topk(min(k, trie.n_items))
