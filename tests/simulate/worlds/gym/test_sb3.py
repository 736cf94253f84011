"""Adapter to Stable-Baselines3: equal to its DummyVecEnv, and usable by its algorithms and by MaskablePPO."""

# ruff: noqa: E402
import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="the extra rl is not installed")
sb3_contrib = pytest.importorskip("sb3_contrib", reason="the extra rl is not installed")

from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from recgpt.errors import ConfigError
from recgpt.simulate.worlds.gym.environment import EmoSimEnv
from recgpt.simulate.worlds.gym.sb3 import EmoSimVecEnv

E = 5
RULES = {"max_episode_steps": 6, "shaping": "churn_satisfaction", "churn_min_steps": 2}


def test_equals_dummy_vec_env(make_inputs, hash_mind):
    inputs = make_inputs(n_users=30, **RULES)
    mind = hash_mind(inputs.domain.scale, 0.1)
    dummy = DummyVecEnv([lambda: EmoSimEnv("toy", mind, inputs=inputs)] * E)
    ours = EmoSimVecEnv(E, "toy", mind, inputs=inputs)
    for env in (dummy, ours):
        env.seed(3)
    expected, found = dummy.reset(), ours.reset()
    rng, n_ended = np.random.default_rng(0), 0
    for _ in range(30):
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])
            assert found[name].dtype == expected[name].dtype
        assert ours.reset_infos == dummy.reset_infos
        actions = rng.integers(0, 20, E)
        expected, rewards, dones, infos = dummy.step(actions)
        found, our_rewards, our_dones, our_infos = ours.step(actions)
        np.testing.assert_array_equal(our_rewards, rewards)
        np.testing.assert_array_equal(our_dones, dones)
        np.testing.assert_array_equal(ours.env_method("action_masks"), dummy.env_method("action_masks"))
        for row in np.flatnonzero(dones):
            n_ended += 1
            assert our_infos[row].keys() == infos[row].keys()
            assert our_infos[row]["TimeLimit.truncated"] == infos[row]["TimeLimit.truncated"]
            for name, array in infos[row]["terminal_observation"].items():
                np.testing.assert_array_equal(our_infos[row]["terminal_observation"][name], array)
    assert n_ended > 5


def test_algorithms_learn_on_it(make_inputs, hash_mind):
    inputs = make_inputs(max_episode_steps=5)
    env = VecMonitor(EmoSimVecEnv(4, "toy", hash_mind(inputs.domain.scale), inputs=inputs))
    A2C("MultiInputPolicy", env, seed=0, device="cpu").learn(60)
    model = sb3_contrib.MaskablePPO("MultiInputPolicy", env, n_steps=8, batch_size=16, n_epochs=1, device="cpu")
    model.learn(64)
    assert len(model.ep_info_buffer) > 0
    masks = np.stack(env.env_method("action_masks"))
    actions, _ = model.predict(env.reset(), action_masks=masks)
    assert masks[np.arange(4), actions].all()


def test_options_and_wrong_uses(make_inputs, hash_mind):
    inputs = make_inputs()
    env = EmoSimVecEnv(2, "toy", hash_mind(inputs.domain.scale), inputs=inputs)
    env.set_options([{"user_id": 4}, {"user_id": 9}])
    assert env.reset()["user_id"].tolist() == [[4], [9]]
    env.set_options([{"user_id": 4}, {}])
    with pytest.raises(ConfigError, match="for all or none"):
        env.reset()
    with pytest.raises(AttributeError, match="action_masks is the only one"):
        env.env_method("render")
    assert env.has_attr("action_masks")
    assert not env.has_attr("no_such_thing")
    with pytest.raises(ConfigError, match="use 'compact'"):
        EmoSimVecEnv(2, "toy", env.engine.mind, inputs=make_inputs(observation="published"))
