"""Policy network over item embeddings: the logit of an item is the product of a state and the item's vector.

    features = item_features(items, tags)                      # (N, X), frozen
    network = ItemEmbeddingActorCritic(features, n_tags=len(tags), n_user_features=5 + len(tags), scale=domain.scale)
    network.logits(batch)                                      # (B, N)
    network.exchange(item_features(other_items, tags))         # another catalogue, the same weights

Items are known by frozen vectors of their texts, tags and averages, users by their features and by the items and
ratings of the episode: no weight belongs to an item or to a user, so both may be new, and N may change.

Shapes: as in `networks`; E text-embedding width, G tags, X features of an item, K width of the state.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.policies.networks import Batch, masked
from recgpt.simulate.worlds.gym.scale import Scale

N_FACTS = 3  # standardised shrunken average, whether it is known, standardised logarithm of the number of ratings
_BELIEF = 5.0  # ratings that weigh as much as the mean of the catalogue in the shrunken average
_AVERAGE = -N_FACTS
_STEPS_PER_UNIT = 10.0  # number of interactions whose logarithm is scaled to about 1
_PERSON = 5  # features of a user before the signs of the tags (`Users.features`)


def item_features(items: Items, tags: Sequence[str]) -> np.ndarray:
    """(N, E + G + 3) float32 features: text embedding, tags, and the facts of `N_FACTS`; unknown facts are 0."""
    place = {tag: column for column, tag in enumerate(tags)}
    tags_NG = np.zeros((len(items), len(tags)), dtype=np.float32)
    for row, item_tags in enumerate(items.tags):
        tags_NG[row, [place[tag] for tag in item_tags if tag in place]] = 1
    is_known_N = np.isfinite(items.average_N)
    count_N = _standardised(np.log1p(items.count_N), np.ones(len(items), dtype=bool))
    facts_N3 = np.stack([_shrunken(items, is_known_N), is_known_N, count_N], axis=1)
    return np.concatenate([items.unit_NE, tags_NG, facts_N3], axis=1).astype(np.float32)


def _shrunken(items: Items, is_known_N: np.ndarray) -> np.ndarray:
    """(N,) standardised averages, drawn towards their mean where few ratings stand behind them; 0 if unknown.

    An average without a count is believed.
    """
    if not is_known_N.any():
        return np.zeros(len(items))
    belief_N = np.where(items.count_N > 0, items.count_N / (items.count_N + _BELIEF), 1.0)
    above_N = np.where(is_known_N, items.average_N - items.average_N[is_known_N].mean(), 0)
    return np.where(is_known_N, _standardised(above_N * belief_N, is_known_N), 0)


def _standardised(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Values less the mean of the counted ones, over their standard deviation."""
    if not counted.any():
        return np.zeros(len(values))
    mean, deviation = values[counted].mean(), values[counted].std()
    return (values - mean) / (deviation or 1.0)


def principal_axes(unit_NE: Tensor, width: int) -> Tensor:
    """(E, K) axes of the largest variance of the items' texts, scaled so that projections have unit mean square."""
    centred_NE = unit_NE - unit_NE.mean(0)
    values_E, axes_EE = torch.linalg.eigh(centred_NE.T @ centred_NE / len(unit_NE))
    n = min(width, len(values_E))
    axes_EK = torch.zeros(unit_NE.shape[1], width)
    axes_EK[:, :n] = axes_EE[:, -n:].flip(1) / values_E[-n:].flip(0).clamp(min=1e-6).sqrt()
    # The sign of an eigenvector is arbitrary: the largest entry is positive, so that a seed gives the same weights.
    largest_K = axes_EK.abs().argmax(0, keepdim=True)
    return axes_EK * axes_EK.gather(0, largest_K).sign()


class ItemEmbeddingActorCritic(nn.Module):
    """Logits = state . item vectors + a linear function of the items' features.

    1. An item's vector is a projection of its features, at first the principal axes of the texts.
       The function of an item's features starts as its shrunken average.
    2. The history is the mean of its items' vectors, the mean weighted by the centred ratings, the newest item, and the
       mean rating; they and the user's features give the state by an MLP, plus a linear path from the weighted mean.
    3. A learned weight times the agreement of the user's liked and disliked tags with those of the items is added.
    4. The critic reads the same inputs, without a gradient into the projection.

    Parameters
    ----------
    features_NX
        (N, X) float32 features of the items, see `item_features`.
    n_tags
        G, the number of tags among them.
    n_user_features
        F, the width of the users' features, whose last G are the signs of the tags.
    scale
        Scale of the ratings.
    width
        K, the width of state and item vectors.
    """

    keeps_items: bool = True
    """Whether item vectors are kept while the weights cannot change: in evaluation mode."""
    start: float = 1.5
    """Weight of averages and of agreeing tags before the training: it begins among items that are worth showing."""

    def __init__(
        self, features_NX: np.ndarray, *, n_tags: int, n_user_features: int, scale: Scale, width: int = 32
    ) -> None:
        super().__init__()
        self.n_tags, self.scale = n_tags, scale
        self.features_NX: Tensor
        self.register_buffer("features_NX", torch.from_numpy(features_NX), persistent=False)
        n_text = features_NX.shape[1] - n_tags - N_FACTS
        self.project = nn.Linear(features_NX.shape[1], width, bias=False)
        self.item_bias = nn.Linear(features_NX.shape[1], 1, bias=False)
        self.tag_weight = nn.Parameter(torch.tensor(self.start))
        n_inputs = n_user_features + 3 * width + 3 + self.n_context
        state_out = nn.Linear(128, width)
        self.state = nn.Sequential(nn.Linear(n_inputs, 128), nn.ReLU(), state_out)
        self.taste = nn.Linear(width, width, bias=False)
        self.value_net = nn.Sequential(
            nn.Linear(n_inputs, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1)
        )
        with torch.no_grad():
            self.project.weight.mul_(0.1)
            self.project.weight[:, :n_text] = principal_axes(self.features_NX[:, :n_text], width).T
            self.item_bias.weight.zero_()
            self.item_bias.weight[0, _AVERAGE] = self.start
            state_out.weight.mul_(0.1)
            self.taste.weight.copy_(torch.eye(width) * 0.1 * self.start)
        self._cached: Tensor | None = None

    @property
    def n_context(self) -> int:
        """Number of further inputs of the state; none here."""
        return 0

    def exchange(self, features_NX: np.ndarray) -> None:
        """Take another catalogue, with the same tags and text encoder."""
        self.features_NX = torch.from_numpy(features_NX).to(self.features_NX.device)
        self._cached = None

    def train(self, mode: bool = True) -> "ItemEmbeddingActorCritic":
        """Set the mode; what evaluation keeps of the items is made anew, as training changes the weights."""
        self._cached = None
        return super().train(mode)

    def logits(self, batch: Batch) -> Tensor:
        """(B, N) masked logits."""
        items_NK, state_BK = self._read(batch)
        logits_BN = state_BK @ items_NK[:, :-1].T + items_NK[:, -1]
        if self.n_tags:
            tags_NG = self.features_NX[:, -self.n_tags - N_FACTS : -N_FACTS]
            logits_BN = torch.addmm(logits_BN, self.tag_weight * batch.features_BF[:, _PERSON:], tags_NG.T)
        return masked(self.with_prior(logits_BN, batch), batch)

    def values(self, batch: Batch) -> Tensor:
        """(B,) expected returns."""
        return self.value_net(self._inputs(batch, self._items()[:, :-1].detach()))[:, 0]

    def with_prior(self, logits_BN: Tensor, batch: Batch) -> Tensor:
        """(B, N) logits with what another model knows; none here."""
        return logits_BN

    def context(self, batch: Batch) -> Tensor | None:
        """(B, n_context) further inputs of the state; none here."""
        return None

    def _read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(N, K + 1) item vectors with their biases, and (B, K) scaled states."""
        items_NK = self._items()
        inputs_BI = self._inputs(batch, items_NK[:, :-1])
        width = self.taste.in_features
        weighted_BK = inputs_BI[:, width : 2 * width]
        return items_NK, (self.state(inputs_BI) + self.taste(weighted_BK)) / width**0.5

    def _items(self) -> Tensor:
        """(N, K + 1) item vectors and, in the last column, biases."""
        if self._cached is not None:
            return self._cached
        weight_JX = torch.cat([self.project.weight, self.item_bias.weight])
        items_NK = F.linear(self.features_NX, weight_JX)
        if self.keeps_items and not self.training and not torch.is_grad_enabled():
            self._cached = items_NK
        return items_NK

    def _inputs(self, batch: Batch, items_NK: Tensor) -> Tensor:
        """(B, I) inputs of state and critic: history, then user."""
        is_item_BH = (batch.items_BH >= 0).float()
        n_B1 = is_item_BH.sum(1, keepdim=True)
        half = (self.scale.highest - self.scale.lowest) / 2
        centred_BH = (batch.ratings_BH - self.scale.lowest - half) / half * is_item_BH
        vectors_BHK = items_NK[batch.items_BH.clamp(min=0)]
        share_BH = is_item_BH / n_B1.clamp(min=1)
        weights_B2H = torch.stack([share_BH, centred_BH / n_B1.clamp(min=1)], dim=1)
        pooled_B2K = weights_B2H @ vectors_BHK
        newest_BK = vectors_BHK[:, 0] * centred_BH[:, :1]
        numbers_B3 = torch.cat(
            [(centred_BH * share_BH).sum(1, keepdim=True), torch.log1p(n_B1 / _STEPS_PER_UNIT), (n_B1 > 0).float()], 1
        )
        parts = [pooled_B2K.flatten(1), newest_BK, numbers_B3, batch.features_BF]
        context_BC = self.context(batch)
        return torch.cat(parts if context_BC is None else [*parts, context_BC], dim=1)


class ItemEmbeddingQ(ItemEmbeddingActorCritic):
    """The same network as a Q network: Q = value of the state + advantage of the item (Wang et al. 2016)."""

    keeps_items = False  # the library changes the target network in evaluation mode
    start = 0.05  # of the size of scaled rewards

    def with_prior(self, logits_BN: Tensor, batch: Batch) -> Tensor:
        """(B, N) Q values."""
        return super().with_prior(logits_BN, batch) + self.values(batch)[:, None]
