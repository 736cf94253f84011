"""The network: a transformer over the history, and an MLP over each candidate's relations to it, give one logit.

What carries over from one catalogue to the next is not where a text lies in some space, nor a code, but *relations*:
how near two texts are, how often one item follows another, how both compare with the rest of their catalogue. These
are its only inputs (`recgpt.foundation.catalogue_features`), so it applies to any catalogue.

1. A transformer reads the last S items of the history: how far back, how well known, how like the latest.
2. For each kind of relation it weighs the items of the history; a candidate's relations are summed with these weights.
3. A candidate's sums, the strongest relation of each kind and its own features go through an MLP that the history and
   the catalogue modulate; its output is added to the scaled hybrid score. The result is a logit.
4. Where the catalogue was calibrated on its own users (`recgpt.foundation.calibration`), a linear function of the same
   sums and features is added.

Shapes: B queries, M candidates, S history items, R kinds of relation, P features of a history item, F of a candidate,
X of the query, G attention patterns, D width of the transformer, H of the MLP, I inputs of the MLP for a candidate.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RELATIONS = (
    "bought_after",
    "bought_before",
    "co_visited_after",
    "co_visited_before",
    "taken_by_the_same",
    "text",
    "words",
    "neighbourhood",
)
"""The R kinds of relation between a history item and a candidate, see `recgpt.foundation.catalogue_features`."""

HISTORY_FEATURES = ("is_item", "log_count", "is_known", "text_to_latest", "neighbourhood_to_latest")
CANDIDATE_FEATURES = (
    "text",
    "popularity",
    "co_visitation",
    "cosine_co_visitation",
    "co_occurrence",
    "blend",
    "log_count",
    "log_recent_count",
    "years_after_latest",
    "last_seen_years_after_latest",
    "is_known",
    "age_years",
    "similar_co_visitation",
    "similar_cosine_co_visitation",
    "similar_co_occurrence",
)
QUERY_FEATURES = (
    "has_times",
    "has_words",
    "weight_text",
    "weight_popularity",
    "weight_co_visitation",
    "weight_cosine_co_visitation",
    "weight_co_occurrence",
    "share_known",
    "log_events_per_item",
    "log_history_length",
    "text_coherence",
    "neighbourhood_coherence",
    "mean_log_count",
)
TIME_FEATURES = ("log_recent_count", "years_after_latest", "last_seen_years_after_latest", "age_years")
"""Features of a candidate that are 0 where interactions have no times."""
BLEND = CANDIDATE_FEATURES.index("blend")
IS_KNOWN = CANDIDATE_FEATURES.index("is_known")
_MASKED = -1e9


class Evidence(NamedTuple):
    """Features of B queries and their candidates; any floating type, float16 on disk.

    Attributes
    ----------
    relations_BSMR
        Of history item s, 0 the latest, with candidate m; 0 where there is no history item.
    positions_BSP
        `HISTORY_FEATURES`.
    items_BMF
        `CANDIDATE_FEATURES`.
    case_BX
        `QUERY_FEATURES`.
    allowed_BM
        Bool, whether candidate m is one.
    """

    relations_BSMR: Tensor
    positions_BSP: Tensor
    items_BMF: Tensor
    case_BX: Tensor
    allowed_BM: Tensor

    def rows(self, rows: "Tensor | slice") -> "Evidence":
        """The queries at `rows`."""
        return Evidence(*(values[rows] for values in self))

    def without(self, *, times_B: Tensor, words_B: Tensor) -> "Evidence":
        """Hide times and words in the queries where `times_B` and `words_B` (bool) are true."""
        hidden_BX = times_B[:, None] & _named(QUERY_FEATURES, ("has_times",))
        hidden_BX = hidden_BX | words_B[:, None] & _named(QUERY_FEATURES, ("has_words",))
        hidden_BF = times_B[:, None] & _named(CANDIDATE_FEATURES, TIME_FEATURES)
        hidden_BR = words_B[:, None] & _named(RELATIONS, ("words",))
        return self._replace(
            relations_BSMR=self.relations_BSMR.masked_fill(hidden_BR[:, None, None], 0),
            items_BMF=self.items_BMF.masked_fill(hidden_BF[:, None], 0),
            case_BX=self.case_BX.masked_fill(hidden_BX, 0),
        )

    def to(self, device: torch.device) -> "Evidence":
        """The same on another device."""
        return Evidence(*(values.to(device) for values in self))


def _named(names: tuple[str, ...], wanted: tuple[str, ...]) -> Tensor:
    return torch.tensor([name in wanted for name in names])


class LocalWeights(NamedTuple):
    """Calibration of the logits to one catalogue, linear in the inputs for a candidate.

    Attributes
    ----------
    weight_I
        float32, for the sums, the strongest relations and the features of a candidate with interactions.
    bias
        Added for such a candidate.
    new
        Added for a cold candidate, without interactions, in place of both.
    """

    weight_I: Tensor
    bias: float
    new: float

    def shift(self, read_BMI: Tensor) -> Tensor:
        """(B, M) shift of the logits."""
        return self.new + is_known(read_BMI) * (read_BMI @ self.weight_I + self.bias - self.new)


def is_known(read_BMI: Tensor) -> Tensor:
    """(B, M) 1 for candidates with interactions, 0 for cold ones, from the inputs that `EvidenceDecoder.read` gives."""
    return read_BMI[..., IS_KNOWN - len(CANDIDATE_FEATURES)]  # the candidate's features are the last of the inputs


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network; the relations and features that it reads are part of its weights."""

    history_items: int = 12  # S
    d_model: int = 32  # D
    n_layers: int = 1
    n_heads: int = 4
    patterns: int = 2  # G, ways to spread attention over the history for each relation
    hidden: int = 64  # H
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class EvidenceDecoder(nn.Module):
    """One logit a candidate from `Evidence`; it does not depend on the other candidates.

    At initialisation the logit is 1.5 x the standardised hybrid score, so that training starts from that ranking.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        n_relations, width, hidden = len(RELATIONS), config.d_model, config.hidden
        self.age = nn.Parameter(0.1 * torch.randn(config.history_items, width))
        self.position_in = nn.Linear(len(HISTORY_FEATURES), width)
        self.blocks = nn.ModuleList(Block(width, config.n_heads, config.dropout) for _ in range(config.n_layers))
        self.attention = nn.Linear(width, config.patterns * n_relations)
        steepness_G = torch.linspace(-0.2, 0.5, config.patterns)
        self.steepness = nn.Parameter(steepness_G.repeat_interleave(n_relations))
        self.case_in = nn.Linear(len(QUERY_FEATURES) + width, hidden)
        self.item_in = nn.Linear((config.patterns + 1) * n_relations + len(CANDIDATE_FEATURES), hidden)  # I of them
        self.modulation = nn.Linear(hidden, hidden)
        self.item_hidden = nn.Linear(hidden, hidden)
        self.item_out = nn.Linear(hidden, 1)
        self.blend_scale = nn.Parameter(torch.tensor(1.5))
        self.drop = nn.Dropout(config.dropout)
        with torch.no_grad():
            self.attention.weight.mul_(0.1)
            self.attention.bias.fill_(0.54)  # softplus(.54) = 1
            for layer in (self.modulation, self.item_out):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, evidence: Evidence, local: LocalWeights | None = None) -> Tensor:
        """(B, M) logits, shifted by `local`; -1e9 where there is no candidate."""
        logits_BM, read_BMI = self.read(evidence)
        if local is None:
            return logits_BM
        return (logits_BM + local.shift(read_BMI)).masked_fill(~evidence.allowed_BM, _MASKED)

    def read(self, evidence: Evidence) -> tuple[Tensor, Tensor]:
        """(B, M) logits before calibration, and (B, M, I) their inputs.

        The inputs: G x R relations summed over the history, the R strongest of each kind, the F features.
        """
        relations_BSMR, positions_BSP, items_BMF, case_BX = (values.float() for values in evidence[:4])
        n_cases, n_items = items_BMF.shape[:2]
        is_item_BS = positions_BSP[..., 0] > 0
        states_BSD = self._read_history(positions_BSP, is_item_BS)
        weights_BSGR = self._weights(states_BSD, is_item_BS)
        summed_BMGR = torch.einsum("bsgr,bsmr->bmgr", weights_BSGR, relations_BSMR)
        strongest_BMR = relations_BSMR.amax(1)
        read_BMI = torch.cat([summed_BMGR.reshape(n_cases, n_items, -1), strongest_BMR, items_BMF], -1)
        n_read_B1 = is_item_BS.sum(1, keepdim=True).clamp(min=1)
        history_BD = (states_BSD * is_item_BS[..., None]).sum(1) / n_read_B1
        case_BH = self.case_in(torch.cat([case_BX, history_BD], -1))
        hidden_BMH = self.drop(F.gelu(self.item_in(read_BMI) + case_BH[:, None]))
        scale_BH = 1 + self.modulation(F.gelu(case_BH))
        hidden_BMH = F.gelu(self.item_hidden(hidden_BMH) * scale_BH[:, None])
        logits_BM = self.item_out(hidden_BMH)[..., 0] + self.blend_scale * items_BMF[..., BLEND]
        return logits_BM.masked_fill(~evidence.allowed_BM, _MASKED), read_BMI

    def _read_history(self, positions_BSP: Tensor, is_item_BS: Tensor) -> Tensor:
        states_BSD = self.position_in(positions_BSP) + self.age
        # An empty history has nothing to attend to: its first place stands for it, and counts for nothing below.
        seen_BS = is_item_BS.clone()
        seen_BS[:, 0] = True
        for block in self.blocks:
            states_BSD = block(states_BSD, seen_BS)
        return states_BSD

    def _weights(self, states_BSD: Tensor, is_item_BS: Tensor) -> Tensor:
        """(B, S, G, R): weight of history item s, softplus(attention) x exp(-age x softplus(steepness))."""
        age_S1 = torch.arange(is_item_BS.shape[1], device=states_BSD.device)[:, None]
        fading_SC = torch.exp(-age_S1 * F.softplus(self.steepness))
        weights_BSC = F.softplus(self.attention(states_BSD)) * fading_SC * is_item_BS[..., None]
        return weights_BSC.unflatten(-1, (self.config.patterns, len(RELATIONS)))


class Block(nn.Module):
    """Pre-norm transformer block over the items of a history, each of which sees all (Vaswani et al. 2017)."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 2 * width)
        self.mlp_out = nn.Linear(2 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x_BSD: Tensor, seen_BS: Tensor) -> Tensor:
        """(B, S, D) -> (B, S, D); positions that are not seen are masked."""
        n_cases, length, width = x_BSD.shape
        qkv = self.qkv(self.attention_norm(x_BSD)).view(n_cases, length, 3, self.n_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=seen_BS[:, None, None])
        attended = attended.transpose(1, 2).reshape(n_cases, length, width)
        x_BSD = x_BSD + self.drop(self.attention_out(attended))
        return x_BSD + self.drop(self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x_BSD)))))
