"""Published networks of the gym: collaborative filtering by an embedding a user, for A2C, PPO, TRPO and DQN.

    network = CFActorCritic(n_users=600, n_items=20, width=32)
    network.logits(batch)      # (B, N), items that the episode has shown are masked
    network.values(batch)      # (B,)

Corecco et al. (2024), SUBER. These networks have weights for each user and each item, so they know neither new users
nor new items; `item_embedding` has a network that does. Only torch is needed here: `training.policies` makes
Stable-Baselines3 policies of these networks.

Shapes: B observations, N items, U users, H interactions of an observation, F features of a user, D embedding width.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

MASKED = -1e8
"""Logit or Q value of an item that may not be shown: its probability is exactly 0 in float32, and unlike with -inf the
gradient of a KL divergence has no NaN."""


class Batch(NamedTuple):
    """Observations.

    Attributes
    ----------
    user_B
        (B,) int64 rows of the users.
    features_BF
        (B, F) float32 features of the users.
    items_BH
        (B, H) int64 items of the episode, newest first; -1 for none.
    ratings_BH
        (B, H) float32 their ratings; 0 for none.
    allowed_BN
        (B, N) bool, whether an item may be shown; None where exactly the items of `items_BH` may not.
    """

    user_B: Tensor
    features_BF: Tensor
    items_BH: Tensor
    ratings_BH: Tensor
    allowed_BN: Tensor | None = None


class ActorCritic(Protocol):
    """Network of an actor-critic algorithm. A Q network has `logits` alone: its Q values."""

    def logits(self, batch: Batch) -> Tensor:
        """(B, N) float32, `MASKED` for items that may not be shown."""
        ...

    def values(self, batch: Batch) -> Tensor:
        """(B,) float32 expected returns."""
        ...


class CFActorCritic(nn.Module):
    """Collaborative filtering: logits = W u + b + c_u for a user embedding u of width D.

    The critic reads the embedding and the ratings of all N items: Linear 128, ReLU, Linear 64, ReLU, Linear 1. The bias
    c_u is the same for all items, so it changes no probability; it is kept for parity with the published network.
    """

    def __init__(self, n_users: int, n_items: int, width: int = 32) -> None:
        super().__init__()
        self.user = nn.Embedding(n_users, width)
        self.user_bias = nn.Embedding(n_users, 1)
        self.item = nn.Linear(width, n_items)
        self.value_in = RatingsLinear(width, n_items, 128)
        self.value_out = nn.Sequential(nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))

    def logits(self, batch: Batch) -> Tensor:
        """(B, N) masked logits."""
        return masked(self.item(self.user(batch.user_B)) + self.user_bias(batch.user_B), batch)

    def values(self, batch: Batch) -> Tensor:
        """(B,) expected returns."""
        return self.value_out(self.value_in(self.user(batch.user_B), batch.items_BH, batch.ratings_BH))[:, 0]


class SeenActorCritic(nn.Module):
    """SUBER's policy of TRPO: [user embedding, whether each item was seen] -> 128 -> N logits; the critic as above.

    Published with a mask in evaluation alone; here it is masked in training too.
    """

    def __init__(self, n_users: int, n_items: int, width: int = 32) -> None:
        super().__init__()
        self.user = nn.Embedding(n_users, width)
        self.item_in = RatingsLinear(width, n_items, 128)
        self.item_out = nn.Sequential(nn.ReLU(), nn.Linear(128, n_items))
        self.value_in = RatingsLinear(width, n_items, 128)
        self.value_out = nn.Sequential(nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))

    def logits(self, batch: Batch) -> Tensor:
        """(B, N) masked logits."""
        seen_BH = (batch.items_BH >= 0).float()
        return masked(self.item_out(self.item_in(self.user(batch.user_B), batch.items_BH, seen_BH)), batch)

    def values(self, batch: Batch) -> Tensor:
        """(B,) expected returns."""
        return self.value_out(self.value_in(self.user(batch.user_B), batch.items_BH, batch.ratings_BH))[:, 0]


class CFQ(nn.Module):
    """Published Q network: [user embedding, ratings of all N items] -> 64 -> ReLU -> 64 -> ReLU -> N.

    Published with Q = 0 for seen items in evaluation alone, so that a seen item wins where all Q are negative; here
    seen items are masked everywhere, in the targets of the training too.
    """

    def __init__(self, n_users: int, n_items: int, width: int = 32) -> None:
        super().__init__()
        self.user = nn.Embedding(n_users, width)
        self.q_in = RatingsLinear(width, n_items, 64)
        self.q_out = nn.Sequential(nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, n_items))

    def logits(self, batch: Batch) -> Tensor:
        """(B, N) masked Q values."""
        return masked(self.q_out(self.q_in(self.user(batch.user_B), batch.items_BH, batch.ratings_BH)), batch)


class RatingsLinear(nn.Module):
    """Linear layer of [embedding, one number for each of N items] without the (B, N) array, which is mostly zeros.

    Only the columns of the items in the history are read, so the cost does not grow with N.
    """

    def __init__(self, width: int, n_items: int, n_out: int) -> None:
        super().__init__()
        layer = nn.Linear(width + n_items, n_out)
        self.dense = nn.Linear(width, n_out)
        self.item_NO = nn.Parameter(layer.weight.detach()[:, width:].T.contiguous())
        with torch.no_grad():
            self.dense.weight.copy_(layer.weight[:, :width])
            self.dense.bias.copy_(layer.bias)

    def forward(self, user_BD: Tensor, items_BH: Tensor, numbers_BH: Tensor) -> Tensor:
        """(B, O); of an item that stands twice in a history the newest number counts."""
        counted_BH = numbers_BH * newest(items_BH)
        gathered_BHO = self.item_NO[items_BH.clamp(min=0)]
        return self.dense(user_BD) + torch.einsum("bh,bho->bo", counted_BH, gathered_BHO)


def newest(items_BH: Tensor) -> Tensor:
    """(B, H) float32: 1 for the newest mention of each item of a history (newest first), 0 for others and padding."""
    sorted_BH, order_BH = items_BH.sort(dim=1, stable=True)
    first_BH = torch.ones_like(sorted_BH, dtype=torch.bool)
    first_BH[:, 1:] = sorted_BH[:, 1:] != sorted_BH[:, :-1]
    first_BH &= sorted_BH >= 0
    return torch.zeros_like(items_BH, dtype=torch.float32).scatter_(1, order_BH, first_BH.float())


def masked(scores_BN: Tensor, batch: Batch) -> Tensor:
    """(B, N) scores with `MASKED` for items that may not be shown. `scores_BN` may be overwritten."""
    if batch.allowed_BN is not None:
        return scores_BN.masked_fill(~batch.allowed_BN, MASKED)
    row, place = (batch.items_BH >= 0).nonzero(as_tuple=True)
    return scores_BN.index_put_((row, batch.items_BH[row, place]), scores_BN.new_tensor(MASKED))


def greedy(scores_BN: Tensor) -> Tensor:
    """(B,) int64 item of the highest score, of several the first."""
    return scores_BN.argmax(dim=1)
