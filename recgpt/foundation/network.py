"""The network: a transformer over the history, then an MLP over each candidate's features, give one logit a candidate.

Its inputs are *relations* between items of one catalogue (`recgpt.foundation.catalogue_features`): text similarity,
co-visitation rates, counts relative to the catalogue. It reads no embedding and no item id, so the same weights apply
to any catalogue.

1. A transformer encodes the last S history items: their age, count and similarity to the latest item.
2. It gives each history item a weight for each kind of relation; a candidate's relations are summed with these weights.
3. The sums, the maximum over the history of each relation, a soft maximum of each cosine, and the candidate's own
   features go through an MLP that is modulated by features of the query. The logit is its output plus the scaled hybrid
   score.
4. If the catalogue was calibrated on its own users (`recgpt.foundation.calibration`), a linear function of the same
   sums and features is added.

Shapes: as `recgpt.foundation` defines them.
"""

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Relation(IntEnum):
    """Axis R: kinds of relation between a history item and a candidate, see `recgpt.foundation.catalogue_features`."""

    BOUGHT_AFTER = 0
    BOUGHT_BEFORE = 1
    CO_VISITED_AFTER = 2
    CO_VISITED_BEFORE = 3
    TAKEN_BY_THE_SAME = 4
    TEXT = 5
    WORDS = 6
    NEIGHBOURHOOD = 7


class HistoryFeature(IntEnum):
    """Axis P: features of a history item."""

    IS_ITEM = 0
    LOG_COUNT = 1
    IS_KNOWN = 2
    TEXT_TO_LATEST = 3
    NEIGHBOURHOOD_TO_LATEST = 4


class CandidateFeature(IntEnum):
    """Axis F: features of a candidate after a history."""

    TEXT = 0
    POPULARITY = 1
    CO_VISITATION = 2
    COSINE_CO_VISITATION = 3
    CO_OCCURRENCE = 4
    HYBRID_SCORE = 5
    LOG_COUNT = 6
    LOG_RECENT_COUNT = 7
    YEARS_AFTER_LATEST = 8
    LAST_SEEN_YEARS_AFTER_LATEST = 9
    IS_KNOWN = 10
    AGE_YEARS = 11
    SIMILAR_CO_VISITATION = 12
    SIMILAR_COSINE_CO_VISITATION = 13
    SIMILAR_CO_OCCURRENCE = 14
    POPULARITY_WEEK = 15
    POPULARITY_MONTH = 16
    POPULARITY_QUARTER = 17
    POPULARITY_TREND = 18


class QueryFeature(IntEnum):
    """Axis X: features of a query, that is of one history in one catalogue."""

    HAS_TIMES = 0
    HAS_WORDS = 1
    WEIGHT_TEXT = 2
    WEIGHT_POPULARITY = 3
    WEIGHT_CO_VISITATION = 4
    WEIGHT_COSINE_CO_VISITATION = 5
    WEIGHT_CO_OCCURRENCE = 6
    SHARE_KNOWN = 7
    LOG_EVENTS_PER_ITEM = 8
    LOG_HISTORY_LENGTH = 9
    TEXT_COHERENCE = 10
    NEIGHBOURHOOD_COHERENCE = 11
    MEAN_LOG_COUNT = 12


def _names(axis: type[IntEnum]) -> tuple[str, ...]:
    return tuple(member.name.lower() for member in axis)


RELATIONS = _names(Relation)
HISTORY_FEATURES = _names(HistoryFeature)
CANDIDATE_FEATURES = _names(CandidateFeature)
QUERY_FEATURES = _names(QueryFeature)
COSINES = ("text", "words", "neighbourhood")
"""Relations that are cosines of two items."""
FIRST_CANDIDATE_FEATURES = CANDIDATE_FEATURES[: CandidateFeature.POPULARITY_WEEK]
"""Features of checkpoints whose configuration does not name them."""
TIME_FEATURES = (
    "log_recent_count",
    "years_after_latest",
    "last_seen_years_after_latest",
    "age_years",
    "popularity_week",
    "popularity_month",
    "popularity_quarter",
    "popularity_trend",
)
"""Features of a candidate that are 0 where interactions have no times."""
_MASKED = -1e9
_SHARPNESS = 10.0  # of a soft maximum, at initialisation
_FADING = 0.36  # of its weights, -log .7: a history item counts .7 of the next one


class Evidence(NamedTuple):
    """Inputs of the network for B queries and their candidates; any floating type, float16 on disk.

    Attributes
    ----------
    relations_BSMR
        (B, S, M, R) relations of history item s, 0 the latest, with candidate m; 0 without a history item.
    positions_BSP
        (B, S, P) features of the history items.
    items_BMF
        (B, M, F) features of the candidates.
    case_BX
        (B, X) features of the queries.
    allowed_BM
        (B, M) bool, False for padding.
    """

    relations_BSMR: Tensor
    positions_BSP: Tensor
    items_BMF: Tensor
    case_BX: Tensor
    allowed_BM: Tensor

    def rows(self, rows: "Tensor | slice") -> "Evidence":
        """Inputs of the queries at `rows`."""
        return Evidence(*(values[rows] for values in self))

    def without(self, *, times_B: Tensor, words_B: Tensor) -> "Evidence":
        """Set features of times and words to 0 in the queries with `times_B` and `words_B` (bool) true."""
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
        """Copy all inputs to a device."""
        return Evidence(*(values.to(device) for values in self))


def _named(names: tuple[str, ...], wanted: tuple[str, ...]) -> Tensor:
    return torch.tensor([name in wanted for name in names])


class CalibrationWeights(NamedTuple):
    """Calibration of the logits to one catalogue, linear in the MLP's inputs for a candidate.

    Attributes
    ----------
    weight_I
        (I,) float32 weights of the inputs, for candidates with interactions.
    bias
        Shift in nats for candidates with interactions.
    new
        Shift in nats for cold candidates, in place of both.
    """

    weight_I: Tensor
    bias: float
    new: float

    def shift(self, read_BMI: Tensor, items_BMF: Tensor) -> Tensor:
        """(B, M) shift of the logits: x w + bias for candidates with interactions, `new` for cold ones."""
        added_BM = (read_BMI.double() @ self.weight_I.double()).float()  # as in `_linear`
        return self.new + is_known(items_BMF) * (added_BM + self.bias - self.new)


def is_known(items_BMF: Tensor) -> Tensor:
    """(B, M) 1 for candidates with interactions, 0 for cold ones."""
    return items_BMF[..., CandidateFeature.IS_KNOWN].float()


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network, and its inputs: features of a candidate, and relations with a soft maximum."""

    history_items: int = 12  # S
    d_model: int = 32  # D
    n_layers: int = 1
    n_heads: int = 4
    patterns: int = 2  # G, ways to spread attention over the history for each relation
    hidden: int = 64  # H
    dropout: float = 0.1
    candidate_features: tuple[str, ...] = CANDIDATE_FEATURES
    soft_maxima: tuple[str, ...] = COSINES  # Q of the relations

    @property
    def least_parameters(self) -> int:
        """Lower bound of the number of parameters: attention and MLP of the layers, and the hidden layer."""
        return self.n_layers * 4 * self.d_model**2 + self.history_items * self.d_model + self.hidden

    def to_dict(self) -> dict[str, Any]:
        """Sizes by name, for JSON."""
        return asdict(self)


class FoundationNetwork(nn.Module):
    """One logit a candidate from `Evidence`, independent of the other candidates.

    At initialisation the logit is 1.5 x the standardised hybrid score, so that training starts from its ranking.
    """

    columns_F: Tensor
    cosines_Q: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        columns = [CANDIDATE_FEATURES.index(name) for name in config.candidate_features]
        self.register_buffer("columns_F", torch.tensor(columns), persistent=False)
        cosines = [RELATIONS.index(name) for name in config.soft_maxima]
        self.register_buffer("cosines_Q", torch.tensor(cosines, dtype=torch.int64), persistent=False)
        n_relations, width, hidden = len(RELATIONS), config.d_model, config.hidden
        self.age = nn.Parameter(0.1 * torch.randn(config.history_items, width))
        self.position_in = nn.Linear(len(HISTORY_FEATURES), width)
        self.blocks = nn.ModuleList(Block(width, config.n_heads, config.dropout) for _ in range(config.n_layers))
        self.attention = nn.Linear(width, config.patterns * n_relations)
        steepness_G = torch.linspace(-0.2, 0.5, config.patterns)
        self.steepness = nn.Parameter(steepness_G.repeat_interleave(n_relations))
        if cosines:
            self.sharpness = nn.Parameter(torch.full((len(cosines),), _SHARPNESS).log())
            self.fading = nn.Parameter(torch.full((len(cosines),), _FADING).log())
        self.case_in = nn.Linear(len(QUERY_FEATURES) + width, hidden)
        n_inputs = (config.patterns + 1) * n_relations + len(config.candidate_features) + len(cosines)  # I
        self.item_in = nn.Linear(n_inputs, hidden)
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

    def forward(self, evidence: Evidence, calibration: CalibrationWeights | None = None) -> Tensor:
        """(B, M) logits, shifted by `calibration`; -1e9 for padding."""
        logits_BM, read_BMI = self.read(evidence)
        if calibration is None:
            return logits_BM
        return (logits_BM + calibration.shift(read_BMI, evidence.items_BMF)).masked_fill(~evidence.allowed_BM, _MASKED)

    def read(self, evidence: Evidence) -> tuple[Tensor, Tensor]:
        """(B, M) logits before calibration, and (B, M, I) their inputs.

        The inputs, in this order: G x R weighted sums over the history, R maxima over the history, the features in
        `config.candidate_features`, and the soft maxima of the relations in `config.soft_maxima`.
        """
        relations_BSMR, positions_BSP, items_BMF, case_BX = (values.float() for values in evidence[:4])
        n_cases, n_items = items_BMF.shape[:2]
        is_item_BS = positions_BSP[..., HistoryFeature.IS_ITEM] > 0
        states_BSD = self._read_history(positions_BSP, is_item_BS)
        weights_BSGR = self._weights(states_BSD, is_item_BS)
        summed_BMGR = torch.einsum("bsgr,bsmr->bmgr", weights_BSGR, relations_BSMR)
        strongest_BMR = relations_BSMR.amax(1)
        own_BMF = items_BMF[..., self.columns_F]
        read = [summed_BMGR.reshape(n_cases, n_items, -1), strongest_BMR, own_BMF]
        if self.config.soft_maxima:
            read.append(self._soft_maxima(relations_BSMR[..., self.cosines_Q], is_item_BS))
        read_BMI = torch.cat(read, -1)
        n_read_B1 = is_item_BS.sum(1, keepdim=True).clamp(min=1)
        history_BD = (states_BSD * is_item_BS[..., None]).sum(1) / n_read_B1
        case_BH = _linear(self.case_in, torch.cat([case_BX, history_BD], -1))
        hidden_BMH = self.drop(F.gelu(_linear(self.item_in, read_BMI) + case_BH[:, None]))
        scale_BH = 1 + _linear(self.modulation, F.gelu(case_BH))
        hidden_BMH = F.gelu(_linear(self.item_hidden, hidden_BMH) * scale_BH[:, None])
        added_BM = _linear(self.item_out, hidden_BMH)[..., 0]
        logits_BM = added_BM + self.blend_scale * items_BMF[..., CandidateFeature.HYBRID_SCORE]
        return logits_BM.masked_fill(~evidence.allowed_BM, _MASKED), read_BMI

    def _read_history(self, positions_BSP: Tensor, is_item_BS: Tensor) -> Tensor:
        states_BSD = _linear(self.position_in, positions_BSP) + self.age
        # Softmax over no item is NaN: an empty history attends to its first, padded place, which the sums leave out.
        seen_BS = is_item_BS.clone()
        seen_BS[:, 0] = True
        for block in self.blocks:
            states_BSD = block(states_BSD, seen_BS)
        return states_BSD

    def _weights(self, states_BSD: Tensor, is_item_BS: Tensor) -> Tensor:
        """(B, S, G, R): weight of history item s, softplus(attention) x exp(-age x softplus(steepness))."""
        age_S1 = torch.arange(is_item_BS.shape[1], device=states_BSD.device)[:, None]
        fading_SC = torch.exp(-age_S1 * F.softplus(self.steepness))
        weights_BSC = F.softplus(_linear(self.attention, states_BSD)) * fading_SC * is_item_BS[..., None]
        return weights_BSC.unflatten(-1, (self.config.patterns, len(RELATIONS)))

    def _soft_maxima(self, cosines_BSMQ: Tensor, is_item_BS: Tensor) -> Tensor:
        """(B, M, Q) soft maxima over the history: log(1 + sum over s of w_s exp(c x cosine)) / c, w fading by age."""
        age_S1 = torch.arange(is_item_BS.shape[1], device=is_item_BS.device)[:, None]
        sharpness_Q = self.sharpness.exp()
        weights_BSQ = torch.exp(-age_S1 * self.fading.exp()) * is_item_BS[..., None]
        sums_BMQ = (weights_BSQ[:, :, None] * torch.exp(sharpness_Q * cosines_BSMQ)).sum(1)
        return torch.log1p(sums_BMQ) / sharpness_Q


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """Linear layer; outside training in float64, then rounded.

    The order in which a matrix product is summed depends on the number of its rows. In float32 the logits of a history
    would depend on the others of its batch, and so would the order of items with almost equal logits.
    """
    if layer.training:
        return F.linear(x, layer.weight, layer.bias)
    return F.linear(x.double(), layer.weight.double(), layer.bias.double()).float()


class Block(nn.Module):
    """Pre-norm transformer block with full attention over the items of a history (Vaswani et al. 2017)."""

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
        """(B, S, D) -> (B, S, D); places with `seen_BS` false are masked."""
        n_cases, length, width = x_BSD.shape
        qkv = _linear(self.qkv, self.attention_norm(x_BSD)).view(n_cases, length, 3, self.n_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).to(torch.float32 if self.training else torch.float64)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=seen_BS[:, None, None]).float()
        attended = attended.transpose(1, 2).reshape(n_cases, length, width)
        x_BSD = x_BSD + self.drop(_linear(self.attention_out, attended))
        return x_BSD + self.drop(_linear(self.mlp_out, F.gelu(_linear(self.mlp_in, self.mlp_norm(x_BSD)))))
