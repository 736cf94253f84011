"""Policy network over item embeddings: the logit of an item is its predicted rating, times a sharpness.

    features = item_features(items, tags)                      # (N, X), frozen
    network = ItemEmbeddingActorCritic(features, n_tags=len(tags), n_user_features=5 + len(tags), scale=domain.scale)
    network.logits(batch)                                      # (B, N)
    network.ratings(batch, item_B)                             # (B,) predicted ratings of one item each
    network.exchange(item_features(other_items, tags))         # another catalogue, the same weights

Items are known by frozen vectors of their texts, tags and averages, users by their features and by the items and
ratings of the episode: no weight belongs to an item or to a user, so both may be new, and N may change.

Shapes: as in `networks`; E text-embedding width, G tags, X features of an item, J = G + 3 its tags and facts, K width
of the state.
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
    """Predicted ratings by a bilinear model of user and item; the logits are these ratings times `sharpness`.

    rating = level + bias of the item + weights of the user · tags and facts of the item + state · vector of the item

    1. The user's weights are a linear function of the user's features. At first only two entries are not zero: all
       users like high averages, and each the tags that the user says to like.
    2. An item's vector is a projection of its features, at first the principal axes of the texts.
    3. The state adapts to the user within an episode: it is a learned matrix times the mean vector of the items shown,
       weighted by surprise, the rating less the rating predicted without the episode.
    4. The critic reads state, mean surprise and the user's features, without a gradient into the rest.

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
    sharpness: float = 5.0
    """Logit of a point: an item is shown e^5 times as often as one whose predicted rating is a point lower."""
    start: float = 1.0
    """Factor of the first weights: 1 begins among items that are worth showing, 0 with equal ones."""

    def __init__(
        self, features_NX: np.ndarray, *, n_tags: int, n_user_features: int, scale: Scale, width: int = 32
    ) -> None:
        super().__init__()
        self.n_facts = n_tags + N_FACTS
        self.features_NX: Tensor
        self.register_buffer("features_NX", torch.from_numpy(features_NX), persistent=False)
        length = scale.highest - scale.lowest
        start = (
            self.start * length / 30
        )  # points for a standard deviation of averages, and for a tag that the user likes
        self.project = nn.Linear(features_NX.shape[1], width, bias=False)
        self.item_bias = nn.Linear(features_NX.shape[1], 1, bias=False)
        self.weights = nn.Linear(n_user_features, self.n_facts)
        self.taste = nn.Linear(width, width, bias=False)
        self.level = nn.Parameter(torch.tensor(scale.lowest + length * 2 / 3))
        self.level_taste = nn.Parameter(torch.tensor(0.5))
        self.doubt = nn.Parameter(torch.tensor(5.0))
        self.context_state = nn.Linear(self.n_context, width, bias=False) if self.n_context else None
        self.value_net = nn.Sequential(
            nn.Linear(n_user_features + width + 3, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1)
        )
        n_text = features_NX.shape[1] - self.n_facts
        with torch.no_grad():
            self.project.weight.mul_(0.1)
            self.project.weight[:, :n_text] = principal_axes(self.features_NX[:, :n_text], width).T
            self.item_bias.weight.zero_()
            self.weights.weight.zero_()
            self.weights.bias.zero_()
            self.weights.weight[range(n_tags), range(_PERSON, _PERSON + n_tags)] = start
            self.weights.bias[_AVERAGE] = start
            self.taste.weight.copy_(self.start * torch.eye(width) * 0.05 / width**0.5)
            if self.context_state is not None:
                self.context_state.weight.zero_()
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
        items_NK, weights_BJ = self._items(), self.weights(batch.features_BF)
        state_BK, _ = self._read(batch, items_NK, weights_BJ)
        facts_NJ = self.features_NX[:, -self.n_facts :]
        users_BC = torch.cat([state_BK, torch.ones_like(state_BK[:, :1]), weights_BJ], dim=1)
        points_BN = users_BC @ torch.cat([items_NK, facts_NJ], dim=1).T
        return masked(self.with_prior(self.sharpness * points_BN, batch), batch)

    def ratings(self, batch: Batch, item_B: Tensor) -> Tensor:
        """(B,) predicted ratings of one item each."""
        items_NK, weights_BJ = self._items(), self.weights(batch.features_BF)
        state_BK, surprise_B = self._read(batch, items_NK, weights_BJ)
        facts_BJ = self.features_NX[item_B, -self.n_facts :]
        points_B = (items_NK[item_B, :-1] * state_BK).sum(1) + items_NK[item_B, -1] + (weights_BJ * facts_BJ).sum(1)
        return points_B + self.level + self.level_taste * surprise_B

    def values(self, batch: Batch) -> Tensor:
        """(B,) expected returns."""
        with torch.no_grad():
            state_BK, surprise_B = self._read(batch, self._items(), self.weights(batch.features_BF))
        n_B1 = (batch.items_BH >= 0).float().sum(1, keepdim=True)
        numbers_B3 = torch.cat([surprise_B[:, None], torch.log1p(n_B1 / _STEPS_PER_UNIT), (n_B1 > 0).float()], dim=1)
        return self.value_net(torch.cat([state_BK, numbers_B3, batch.features_BF], dim=1))[:, 0]

    def with_prior(self, logits_BN: Tensor, batch: Batch) -> Tensor:
        """(B, N) logits with what another model knows; none here."""
        return logits_BN

    def context(self, batch: Batch) -> Tensor | None:
        """(B, n_context) further inputs of the state; none here."""
        return None

    def _read(self, batch: Batch, items_NK: Tensor, weights_BJ: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K) states, and (B,) mean surprise of the episode, drawn towards 0 where it is short."""
        is_item_BH = (batch.items_BH >= 0).float()
        place_BH = batch.items_BH.clamp(min=0)
        vectors_BHK = items_NK[place_BH]
        facts_BHJ = self.features_NX[place_BH, -self.n_facts :]
        expected_BH = self.level + vectors_BHK[:, :, -1] + torch.einsum("bhj,bj->bh", facts_BHJ, weights_BJ)
        surprise_BH = (batch.ratings_BH - expected_BH) * is_item_BH
        surprise_BH = surprise_BH / (is_item_BH.sum(1, keepdim=True) + self.doubt.clamp(min=1))
        state_BK = self.taste(torch.einsum("bh,bhk->bk", surprise_BH, vectors_BHK[:, :, :-1]))
        context_BC = self.context(batch)
        if self.context_state is not None and context_BC is not None:
            state_BK = state_BK + self.context_state(context_BC)
        return state_BK, surprise_BH.sum(1)

    def _items(self) -> Tensor:
        """(N, K + 1) item vectors and, in the last column, biases."""
        if self._cached is not None:
            return self._cached
        weight_JX = torch.cat([self.project.weight, self.item_bias.weight])
        items_NK = F.linear(self.features_NX, weight_JX)
        if self.keeps_items and not self.training and not torch.is_grad_enabled():
            self._cached = items_NK
        return items_NK


class ItemEmbeddingQ(ItemEmbeddingActorCritic):
    """The same network as a Q network: Q = value of the state + advantage of the item (Wang et al. 2016)."""

    keeps_items = False  # the library changes the target network in evaluation mode
    sharpness = 0.15  # of the size of scaled rewards

    def with_prior(self, logits_BN: Tensor, batch: Batch) -> Tensor:
        """(B, N) Q values."""
        return super().with_prior(logits_BN, batch) + self.values(batch)[:, None]
