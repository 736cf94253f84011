"""Stable-Baselines3 policies of the gym's networks: actor-critic, maskable actor-critic and DQN.

The networks (`recgpt.simulate.worlds.gym.policies.networks`) read the compact observation; features extractors and MLPs
of the library are not used, and no (B, N) array of ratings or one-hot vectors is made.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.dqn.policies import DQNPolicy
from torch import Tensor, nn
from torch.distributions import Categorical

from recgpt.simulate.worlds.gym.policies.networks import Batch, greedy

MakeNetwork = Callable[[], nn.Module]


def batch_of(observation: dict[str, Tensor], allowed_BN: Any = None) -> Batch:
    """Compact observations as inputs of a network.

    Parameters
    ----------
    observation
        Tensors of any type, as buffers hold float32.
    allowed_BN
        (B, N) action masks; None where the history tells what may be shown.
    """
    user_B = observation["user_id"].long().flatten()
    if allowed_BN is not None:
        allowed_BN = torch.as_tensor(allowed_BN, device=user_B.device).bool().reshape(len(user_B), -1)
    return Batch(
        user_B, observation["user"].float(), observation["history"].long(), observation["ratings"].float(), allowed_BN
    )


class ByInverse(Categorical):
    """Categorical distribution that draws by the inverse of its distribution function: one number a row.

    torch's own draws N exponential numbers a row, which at 9,724 items costs more than the network. An item of
    probability 0 is never drawn, as it adds nothing to the sums.
    """

    def sample(self, sample_shape: Any = None) -> Tensor:
        """(B,) items."""
        sums_BN = self.probs.cumsum(-1)
        # 1 - u is in (0, 1]; scaled by the last sum, which rounding leaves near 1, it is reached by some item.
        drawn_B1 = (1 - torch.rand(*sums_BN.shape[:-1], 1, device=sums_BN.device)) * sums_BN[..., -1:]
        return torch.searchsorted(sums_BN, drawn_B1)[..., 0]


class MaskedCategorical(CategoricalDistribution):
    """Distribution over items, as the library's algorithms use it."""

    def proba_distribution(self, action_logits: Tensor) -> "MaskedCategorical":
        """Set the logits."""
        self.distribution = ByInverse(logits=action_logits, validate_args=False)
        return self


class _MakesNetwork:
    """Constructor of a policy of the library without the library's own layers.

    Parameters
    ----------
    make_network
        Returns the network.
    options
        See the library's policy.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        make_network: MakeNetwork,
        **options: Any,
    ) -> None:
        self._make_network = make_network
        super().__init__(observation_space, action_space, lr_schedule, net_arch=[], **options)  # type: ignore[call-arg]


class _OfNetwork(_MakesNetwork):
    """Forward passes of an actor-critic policy, by a network of the gym."""

    network: nn.Module
    action_space: spaces.Discrete

    def _build(self, lr_schedule: Schedule) -> None:
        policy: Any = self
        policy.network = self._make_network()
        policy.optimizer = policy.optimizer_class(policy.parameters(), lr=lr_schedule(1), **policy.optimizer_kwargs)

    def forward(
        self, obs: dict[str, Tensor], deterministic: bool = False, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (B,), values (B, 1) and log probabilities (B,)."""
        batch = batch_of(obs, action_masks)
        chosen = self._distribution(batch)
        actions = chosen.get_actions(deterministic=deterministic)
        return actions, self.network.values(batch)[:, None], chosen.log_prob(actions)  # type: ignore[operator]

    def evaluate_actions(
        self, obs: dict[str, Tensor], actions: Tensor, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values (B, 1), log probabilities (B,) and entropies (B,)."""
        batch = batch_of(obs, action_masks)
        chosen = self._distribution(batch)
        return self.network.values(batch)[:, None], chosen.log_prob(actions), chosen.entropy()  # type: ignore[operator]

    def get_distribution(self, obs: dict[str, Tensor], action_masks: Any = None) -> MaskedCategorical:
        """Distribution over items."""
        return self._distribution(batch_of(obs, action_masks))

    def predict_values(self, obs: dict[str, Tensor]) -> Tensor:
        """(B, 1) values."""
        return self.network.values(batch_of(obs))[:, None]  # type: ignore[operator]

    def _distribution(self, batch: Batch) -> MaskedCategorical:
        return MaskedCategorical(int(self.action_space.n)).proba_distribution(self.network.logits(batch))  # type: ignore[operator]


class GymActorCriticPolicy(_OfNetwork, ActorCriticPolicy):  # type: ignore[misc]
    """Policy of A2C, PPO and TRPO; items of the observed history are masked.

    Parameters
    ----------
    make_network
        Returns the network.
    options
        See the library's policy.
    """


class GymMaskablePolicy(_OfNetwork, MaskableActorCriticPolicy):  # type: ignore[misc]
    """Policy of MaskablePPO: what may be shown comes from the environment's `action_masks`.

    Parameters
    ----------
    make_network
        Returns the network.
    options
        See the library's policy.
    """


class GymQNetwork(BasePolicy):
    """Q network; masked items have the lowest Q, so neither actions nor training targets choose them."""

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space, network: nn.Module) -> None:
        super().__init__(observation_space, action_space)
        self.network = network

    def forward(self, obs: dict[str, Tensor]) -> Tensor:
        """(B, N) Q values."""
        return self.network.logits(batch_of(obs))  # type: ignore[operator]

    def _predict(self, observation: dict[str, Tensor], deterministic: bool = True) -> Tensor:  # type: ignore[override]
        return greedy(self(observation))


class GymDQNPolicy(_MakesNetwork, DQNPolicy):
    """Policy of DQN.

    Parameters
    ----------
    make_network
        Returns the Q network.
    options
        See the library's policy.
    """

    def make_q_net(self) -> GymQNetwork:  # type: ignore[override]
        """Q network with weights of its own."""
        return GymQNetwork(self.observation_space, self.action_space, self._make_network()).to(self.device)


def draw_allowed(items_EH: np.ndarray, n_items: int) -> np.ndarray:
    """(E,) int64 uniform draws among the items outside each history; any item where a history holds them all."""
    drawn_E = np.random.randint(n_items, size=len(items_EH))
    has_choice_E = (items_EH >= 0).sum(axis=1) < n_items
    while (again_E := has_choice_E & (items_EH == drawn_E[:, None]).any(axis=1)).any():
        drawn_E[again_E] = np.random.randint(n_items, size=int(again_E.sum()))
    return drawn_E
