"""Vector environment: equal to Gymnasium's SyncVectorEnv in every mode of autoreset; one call of the mind a step."""

# ruff: noqa: E402
from typing import Any

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="the extra rl is not installed")

from gymnasium.vector import AutoresetMode, SyncVectorEnv

from recgpt.errors import ConfigError, SimulationError
from recgpt.simulate.worlds.gym.environment import EmoSimEnv
from recgpt.simulate.worlds.gym.vector import EmoSimVectorEnv

E = 6
RULES = {"max_episode_steps": 6, "shaping": "churn_satisfaction", "retrieval": "decay_emotion_2", "churn_min_steps": 2}


def same(one: Any, other: Any, where: str = "") -> None:
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            same(one[name], other[name], f"{where}/{name}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        if one.dtype == object:
            for place, (a, b) in enumerate(zip(one, other, strict=True)):
                same(a, b, f"{where}[{place}]")
        else:
            np.testing.assert_array_equal(one, other, where)
    elif isinstance(one, tuple):
        for a, b in zip(one, other, strict=True):
            same(a, b, where)
    else:
        assert one == other, where


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("observation", ["compact", "published"])
def test_equals_sync_vector_env(make_inputs, hash_mind, mode, observation):
    inputs = make_inputs(observation=observation, n_users=30, **RULES)
    mind = hash_mind(inputs.domain.scale, 0.1)
    sync = SyncVectorEnv([lambda: EmoSimEnv("toy", mind, inputs=inputs)] * E, autoreset_mode=mode)
    ours = EmoSimVectorEnv(E, "toy", mind, inputs=inputs, autoreset_mode=mode)
    assert ours.observation_space == sync.observation_space
    assert (ours.action_space, ours.metadata["autoreset_mode"]) == (sync.action_space, mode)
    same(ours.reset(seed=3), sync.reset(seed=3))
    rng = np.random.default_rng(0)
    n_ended = 0
    for _ in range(25):
        actions = rng.integers(0, 20, E)
        expected, found = sync.step(actions), ours.step(actions)
        same(found, expected)
        ended = found[2] | found[3]
        n_ended += ended.sum()
        if mode is AutoresetMode.DISABLED and ended.any():
            same(ours.reset(options={"reset_mask": ended}), sync.reset(options={"reset_mask": ended}))
    assert n_ended > 5
    same(ours.reset(), sync.reset())
    same(ours.reset(seed=[9, 8, 7, 6, 5, 4]), sync.reset(seed=[9, 8, 7, 6, 5, 4]))
    options = {"user_id": 2, "history": [(3, 7.0)]}
    same(ours.reset(options=options), sync.reset(options=options))
    assert ours.observation_space.contains(ours.reset()[0])


def test_one_call_of_the_mind_a_step(make_inputs, reply_mind):
    mind = reply_mind([5.0] * 4)
    env = EmoSimVectorEnv(300, "toy", mind, inputs=make_inputs())
    env.reset(seed=0)
    for _ in range(4):
        env.step(env.action_space.sample())
    assert mind.n_calls == 4


def test_a_vector_environment_is_made_by_its_id():
    import recgpt.simulate.worlds.gym.registration  # noqa: F401

    envs = gymnasium.make_vec("recgpt/EmoSimMovies-v0", num_envs=3, retrieval="none", max_episode_steps=2)
    envs.reset(seed=0)
    envs.step(np.array([1, 2, 3]))
    *_, truncations, _ = envs.step(np.array([4, 5, 6]))
    assert truncations.all()
    assert envs.unwrapped.action_masks().shape == (3, envs.single_action_space.n)


def test_wrong_arguments_are_named(make_inputs, hash_mind):
    inputs = make_inputs()
    mind = hash_mind(inputs.domain.scale)
    env = EmoSimVectorEnv(2, "toy", mind, inputs=inputs, autoreset_mode="Disabled")
    with pytest.raises(SimulationError, match="call reset first"):
        env.step(np.zeros(2, int))
    with pytest.raises(SimulationError, match="before the first reset"):
        env.reset(options={"reset_mask": np.array([True, False])})
    env.reset(seed=0)
    with pytest.raises(SimulationError, match="3 actions for 2 environments"):
        env.step(np.zeros(3, int))
    with pytest.raises(SimulationError, match="3 seeds for 2 environments"):
        env.reset(seed=[1, 2, 3])
    for mask in (np.array([False, False]), np.array([1, 0]), np.array([True])):
        with pytest.raises(SimulationError, match=r"reset_mask: \(2,\) booleans"):
            env.reset(options={"reset_mask": mask})
    with pytest.raises(ConfigError, match="choose among NextStep, SameStep, Disabled"):
        EmoSimVectorEnv(2, "toy", mind, inputs=inputs, autoreset_mode="never")
