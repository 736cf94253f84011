"""RecGPT in a policy: the untrained network ranks as the recommender does, and a training runs on made-up films."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sb3_contrib", reason="the extra rl is not installed")

from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.inputs import load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.policies import make_policy
from recgpt.simulate.worlds.gym.policies.base import Setting, Views
from recgpt.simulate.worlds.gym.policies.trained import NetworkFacts, TrainedPolicy, make_network, save_network
from recgpt.simulate.worlds.gym.setup import make_engine
from recgpt.simulate.worlds.gym.training import curves
from recgpt.simulate.worlds.gym.training.run import TrainingRun
from recgpt.simulate.worlds.gym.training.settings import TrainSettings
from recgpt.simulate.worlds.gym.training.worlds import make_world

N_ENVS = 6


@pytest.fixture(scope="module")
def setting() -> Setting:
    inputs = load_inputs(GymRules())
    return Setting(inputs.domain, inputs.items, inputs.users, make_mind(TrainSettings(), inputs), 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    settings = TrainSettings(
        algo="a2c", policy="recgpt", total_timesteps=60, n_envs=N_ENVS, n_steps=5, eval_episodes=2, max_episode_steps=6
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, "_plot", lambda *args: None)
        TrainingRun(settings, make_world(settings), folder, quiet=True).train()
    return folder


def episode_of(policy, other, n_steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Items of two policies in the same episodes, which show those of the first."""
    engine = make_engine(N_ENVS)
    engine.reset(np.arange(N_ENVS))
    found = []
    for _ in range(n_steps):
        views: Views = engine.views()
        item_E = policy.act(views)
        found.append((item_E, other.act(views)))
        engine.apply(engine.decide(item_E))
    return found


def test_before_the_training_the_policy_shows_what_recgpt_recommends(tmp_path: Path, setting: Setting) -> None:
    facts = NetworkFacts.of_setting(setting, algo="maskable_ppo", policy="recgpt", width=8)
    save_network(tmp_path, facts, make_network(facts, setting))
    for item_E, expected_E in episode_of(TrainedPolicy.load(tmp_path, setting), make_policy("recgpt", setting), 5):
        assert item_E.tolist() == expected_E.tolist()


def test_a_trained_folder_is_a_policy_that_differs_from_its_start(trained: Path, setting: Setting) -> None:
    policy = make_policy(str(trained), setting)
    assert policy.name == "a2c:recgpt"
    facts = NetworkFacts.read(trained)
    start, learned = make_network(facts, setting), policy._network
    assert not np.allclose(start.weights.weight.detach(), learned.weights.weight.detach())
    assert start.list_weight.item() != learned.list_weight.item()
    for item_E, _ in episode_of(policy, policy, 3):
        assert ((item_E >= 0) & (item_E < len(setting.items))).all()
