"""MaskablePPO that predicts ratings: what it reads from a rollout, and that it learns what users like."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("sb3_contrib", reason="the extra rl is not installed")

from training_world import make_setting, make_world

from recgpt.simulate.worlds.gym.policies.networks import Batch
from recgpt.simulate.worlds.gym.policies.trained import NetworkFacts, load_weights, make_network
from recgpt.simulate.worlds.gym.training import algorithms, curves
from recgpt.simulate.worlds.gym.training.run import TrainingRun
from recgpt.simulate.worlds.gym.training.settings import RATING_PPO, TrainSettings


def test_ratings_come_from_the_rollout_and_predictions_improve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = make_setting()
    found: list[dict[str, Any]] = []

    def read(buffer: Any) -> dict[str, np.ndarray]:
        found.append(rated_steps(buffer))
        return found[-1]

    rated_steps = algorithms.rated_steps
    monkeypatch.setattr(algorithms, "rated_steps", read)
    monkeypatch.setattr(curves, "_plot", lambda *args: None)
    monkeypatch.setitem(RATING_PPO, "rating_learning_rate", 0.02)  # for so few updates
    settings = TrainSettings(total_timesteps=4_000, n_envs=10, n_steps=20, eval_episodes=2, embedding_dim=8, seed=1)
    TrainingRun(settings, make_world(setting), tmp_path, quiet=True).train()

    for rated in found:  # of 20 steps of 10 users, less the last of episodes of at most 8
        assert 100 < len(rated["item"]) < 190
        truth = setting.mind.rating_UN[rated["user_id"][:, 0].astype(int), rated["item"]]
        np.testing.assert_array_equal(rated["rating"], truth)
    facts = NetworkFacts.read(tmp_path)
    torch.manual_seed(1)
    trained, start = make_network(facts, setting), make_network(facts, setting)
    load_weights(tmp_path, trained)
    assert error(trained, setting) < 0.5 * error(start, setting)


@torch.no_grad()
def error(network: Any, setting: Any) -> float:
    """Mean squared error of the predicted ratings of all users and items, before an episode."""
    n_users, n_items = setting.mind.rating_UN.shape
    user, item = (
        part.flatten() for part in torch.meshgrid(torch.arange(n_users), torch.arange(n_items), indexing="ij")
    )
    features = torch.from_numpy(setting.users.features(setting.items.tag_names))[user]
    none = torch.full((len(user), 1), -1)
    predicted = network.ratings(Batch(user, features, none, torch.zeros(len(user), 1)), item).numpy()
    return float(((predicted - setting.mind.rating_UN.flatten()) ** 2).mean())
