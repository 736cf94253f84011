"""Dense head of the generative model: scores items by text beside their codes, as codes keep a part of it only.

    score(item) = code_weight * sum of its code logits + scale * cosine(query, item) + gate * nearest(item)
    query = unit(sum over p of gate_p * pool_p + query_weight * W hidden),  item = unit(row + V row)
    nearest(item) = log(sum over history rows of fading^age * exp(sharpness * cosine(row, item))) / sharpness

Rows are whitened text embeddings of unit length (`FSQTokenizer.catalogue_rows`). A pool is the mean of the history's
rows with weights decay^age, of unit length; decay 0 is the last item alone. The gates read only how alike the pools
are and how long the history is, so that what they learn holds in other catalogues: some want the last item, some the
whole history. A mean is close to no item where a history has several subjects; the log-sum-exp, a soft maximum over
its items, is high for what is like any of them; a gate of its own weighs it. W and V start at zero. What hidden states
and codes learn of catalogues holds in others in part only: their weights (1 and 0 in training) are chosen on validation
data sets.

Shapes: as `recgpt.generative` defines them; besides, P pools.
"""

import itertools
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recgpt.data.ragged import Ragged
from recgpt.features.co_visitation import decayed

DECAYS = (0.0, 0.5, 0.8, 0.95)
PAIRS = tuple(itertools.combinations(range(len(DECAYS)), 2))
START_SCALE = 20.0
START_NEAREST, START_SHARPNESS, START_FADING = 10.0, 10.0, 0.7
_GATE_WIDTH = 16
_GATE_SPEED = 10.0  # gates have few weights: at the learning rate of the others they would hardly move
_MOST_LOG = 3.0
_NEVER = -1e4  # logit of a place without an item
MOST_NEAREST = 32  # history items that the soft maximum reads
_CHUNK = 16_384  # items projected at once


class DenseHead(nn.Module):
    """Projections of the last item's hidden states (K * D) and of item rows into one space of width E, and gates."""

    def __init__(self, hidden_width: int, embedding_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_width, embedding_dim, bias=False)
        self.item = nn.Linear(embedding_dim, embedding_dim, bias=False)
        self.gate_in = nn.Linear(len(PAIRS) + 1, _GATE_WIDTH)
        self.gate_out = nn.Linear(_GATE_WIDTH, len(DECAYS) + 1)
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.sharpness = nn.Parameter(torch.zeros(()))
        self.fading = nn.Parameter(torch.zeros(()))
        self.dropout = dropout

    @torch.no_grad()
    def reset(self) -> None:
        """Start as the cosine with the mean of the pools, and the soft maximum of the cosines with the history."""
        for weight in (self.query.weight, self.item.weight, self.gate_out.weight, self.gate_out.bias):
            nn.init.zeros_(weight)
        nn.init.normal_(self.gate_in.weight, std=0.5)
        self.log_scale.fill_(math.log(START_SCALE))
        self.sharpness.zero_()
        self.fading.zero_()

    def gates(self, pools_BPE: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P) weights of the pools, which sum to 1, and (B,) weight of the soft maximum."""
        alike_BP = torch.stack([(pools_BPE[:, one] * pools_BPE[:, other]).sum(-1) for one, other in PAIRS], -1)
        features_BF = torch.cat([alike_BP, lengths_B.float().log()[:, None] / 2 - 1], -1)
        with torch.autocast(pools_BPE.device.type, enabled=False):
            hidden_BG = torch.tanh(self.gate_in(features_BF.float()))
            gates_BG = _GATE_SPEED * self.gate_out(hidden_BG)
            return gates_BG[:, :-1].softmax(-1), START_NEAREST * _factor(gates_BG[:, -1])

    def queries(self, hidden_BKD: Tensor, pools_BPE: Tensor, weights_BP: Tensor, query_weight: float = 1.0) -> Tensor:
        """(B, E) queries of length `scale`; `weights_BP` are the first of `gates`."""
        pooled_BE = (weights_BP[..., None] * pools_BPE).sum(1)
        hidden_BX = F.dropout(hidden_BKD.flatten(-2), self.dropout, self.training)
        return self.log_scale.exp() * F.normalize(pooled_BE + query_weight * self.query(hidden_BX).float(), dim=-1)

    def items(self, rows_NE: Tensor) -> Tensor:
        """(N, E) items of unit length."""
        return F.normalize(rows_NE + self.item(rows_NE).float(), dim=-1)

    def nearest(self, rows_BSE: Tensor, items_NE: Tensor, real_BS: Tensor) -> Tensor:
        """(B, S, N) soft maximum over the history up to each position.

        Parameters
        ----------
        rows_BSE
            (B, S, E) whitened rows of the history items, oldest first, unit length.
        items_NE
            (N, E) output of `items`.
        real_BS
            (B, S) bool, whether there is an item.
        """
        sharpness, log_fading = self._soft_maximum()
        logits_BSN = sharpness * (rows_BSE @ items_NE.T).float()
        logits_BSN = logits_BSN.masked_fill(~real_BS[..., None], _NEVER)
        sums = [logits_BSN[:, 0]]
        for position in range(1, logits_BSN.shape[1]):
            sums.append(torch.logaddexp(sums[-1] + log_fading, logits_BSN[:, position]))
        return torch.stack(sums, 1) / sharpness

    def nearest_to_last(self, rows_SE: Tensor, items_NE: Tensor) -> Tensor:
        """(N,) `nearest` at the last position of one history."""
        sharpness, log_fading = self._soft_maximum()
        age_S1 = torch.arange(len(rows_SE) - 1, -1, -1, device=rows_SE.device)[:, None]
        return torch.logsumexp(sharpness * (rows_SE @ items_NE.T).float() + age_S1 * log_fading, 0) / sharpness

    def _soft_maximum(self) -> tuple[Tensor, Tensor]:
        """Sharpness, and the logarithm of the fading: near 0 the soft maximum is over all items alike."""
        sharpness = START_SHARPNESS * _factor(_GATE_SPEED * self.sharpness.float())
        return sharpness, math.log(START_FADING) * _factor(_GATE_SPEED * self.fading.float())


def _factor(log: Tensor) -> Tensor:
    """Its exponential, from about 1/20 to 20."""
    return log.clamp(-_MOST_LOG, _MOST_LOG).exp()


class DenseIndex:
    """Items of a catalogue as the dense head sees them.

    Parameters
    ----------
    rows_NE
        (N, E) whitened rows of unit length.
    query_weight
        Weight of hidden states in the query.
    """

    @torch.inference_mode()
    def __init__(self, head: DenseHead, rows_NE: np.ndarray, query_weight: float = 1.0) -> None:
        self._head = head
        self._query_weight = query_weight
        self._rows_NE = np.asarray(rows_NE, dtype=np.float32)
        device = head.log_scale.device
        chunks = (self._rows_NE[start : start + _CHUNK] for start in range(0, len(rows_NE), _CHUNK))
        self._items_NE = torch.cat([head.items(torch.from_numpy(rows).to(device)) for rows in chunks])

    @torch.inference_mode()
    def scores(self, hidden_BKD: Tensor, histories: Ragged) -> Tensor:
        """(B, N) scaled cosines of all items after histories with these states."""
        longest = max(1, int(histories.lengths.max(initial=1)))
        pools = [decayed(histories, decay, longest, len(self._rows_NE)) @ self._rows_NE for decay in DECAYS]
        pools_BPE = F.normalize(torch.from_numpy(np.stack(pools, axis=1)).float(), dim=-1).to(hidden_BKD.device)
        lengths_B = torch.from_numpy(histories.lengths).to(hidden_BKD.device)
        weights_BP, nearest_B = self._head.gates(pools_BPE, lengths_B)
        cosines_BN = self._head.queries(hidden_BKD, pools_BPE, weights_BP, self._query_weight) @ self._items_NE.T
        return cosines_BN + nearest_B[:, None] * self._nearest(histories)

    def _nearest(self, histories: Ragged) -> Tensor:
        """(B, N) soft maxima over the last items of each history."""
        bounds = zip(histories.offsets[:-1], histories.offsets[1:], strict=True)
        rows = (torch.from_numpy(self._rows_NE[histories.values[start:stop][-MOST_NEAREST:]]) for start, stop in bounds)
        found = [self._head.nearest_to_last(rows_SE.to(self._items_NE.device), self._items_NE) for rows_SE in rows]
        return torch.stack(found)


def pools_of_prefixes(rows_BSE: Tensor) -> Tensor:
    """(B, S, P, E) pools of the rows up to each position."""
    s = rows_BSE.shape[1]
    age_SS = torch.arange(s, device=rows_BSE.device)[:, None] - torch.arange(s, device=rows_BSE.device)
    past_SS = age_SS >= 0
    weights_PSS = torch.stack([torch.where(past_SS, decay ** age_SS.clamp_min(0).float(), 0.0) for decay in DECAYS])
    pools_PBSE = [weights_SS @ rows_BSE for weights_SS in weights_PSS]
    return F.normalize(torch.stack(pools_PBSE, dim=2), dim=-1)
