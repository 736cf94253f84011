"""Buffers of training: drawn transitions are those that were added, memory at full size, masks as bits."""

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="the extra rl is not installed")

import torch
from gymnasium import spaces
from training_world import StandInVecEnv, make_setting

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.training.buffers import BitMaskRolloutBuffer, EpisodeReplayBuffer

N_STEPS = 6


def filled(n_envs: int, n_steps: int, size: int) -> tuple[EpisodeReplayBuffer, dict[tuple, tuple]]:
    """A buffer after `n_steps` of random items, and every transition by its observation."""
    env = StandInVecEnv(make_setting(), n_envs, N_STEPS)
    buffer = EpisodeReplayBuffer(size, env.observation_space, env.action_space, "cpu", n_envs)
    draws = np.random.default_rng(0)
    env.seed(0)
    before, added = env.reset(), {}
    for _ in range(n_steps):
        action_E = np.array([draws.choice(np.flatnonzero(allowed)) for allowed in env.action_masks()])
        after, reward_E, done_E, infos = env.step(action_E)
        ends = {name: column.copy() for name, column in after.items()}
        for row in np.flatnonzero(done_E):
            for name in ends:
                ends[name][row] = infos[row]["terminal_observation"][name]
        buffer.add(before, ends, action_E, reward_E, done_E, infos)
        for row in range(n_envs):
            key = tuple(before["history"][row]), int(before["user_id"][row, 0]), int(action_E[row])
            is_last = bool(done_E[row]) and not infos[row]["TimeLimit.truncated"]
            added[key] = (
                {n: c[row] for n, c in before.items()},
                {n: c[row] for n, c in ends.items()},
                reward_E[row],
                is_last,
            )
        before = after
    return buffer, added


@pytest.mark.parametrize("size", [10_000, 90])  # never full, and overwritten many times
def test_drawn_transitions_are_those_that_were_added(size: int) -> None:
    buffer, added = filled(n_envs=3, n_steps=200, size=size)
    assert buffer.size() == min(600, size)
    np.random.seed(0)
    drawn = buffer.sample(400)
    seen = set()
    for row in range(400):
        before = {name: values[row].numpy() for name, values in drawn.observations.items()}
        key = tuple(before["history"]), int(before["user_id"][0]), int(drawn.actions[row, 0])
        expected_before, expected_after, reward, is_last = added[key]
        seen.add(key)
        for name, values in expected_before.items():
            np.testing.assert_array_equal(before[name], values, err_msg=name)
            np.testing.assert_array_equal(drawn.next_observations[name][row], expected_after[name], err_msg=name)
        assert drawn.rewards[row, 0] == reward
        assert bool(drawn.dones[row, 0]) == is_last
    assert len(seen) > (200 if size > 600 else 30)


def test_quarter_of_a_million_transitions_fit_into_300_mb() -> None:
    n_items, n_users, n_history = 9_617, 600, 200
    observation = spaces.Dict(
        {
            "user": spaces.Box(-1, 1, (37,), np.float32),
            "user_id": spaces.Box(0, n_users - 1, (1,), np.int32),
            "history": spaces.Box(-1, n_items - 1, (n_history,), np.int32),
            "ratings": spaces.Box(0, 10, (n_history,), np.float32),
            "count": spaces.Box(0, n_history, (1,), np.int32),
        }
    )
    buffer = EpisodeReplayBuffer(250_000, observation, spaces.Discrete(n_items), "cpu", n_envs=64)
    assert buffer.buffer_size * buffer.n_envs >= 249_900
    assert buffer.n_bytes < 10e6
    arrays = [value for value in vars(buffer).values() if isinstance(value, np.ndarray)] + list(buffer.kept.values())
    assert sum(array.nbytes for array in arrays) == buffer.n_bytes


def test_buffer_restores_from_its_arrays() -> None:
    buffer, _ = filled(n_envs=3, n_steps=50, size=10_000)
    again = EpisodeReplayBuffer(10_000, buffer.observation_space, buffer.action_space, "cpu", 3)
    again.restore(buffer.to_arrays())
    drawn = []
    for each in (buffer, again):
        np.random.seed(1)
        drawn.append(each.sample(64))
    for name in ("history", "ratings", "count", "user"):
        assert torch.equal(drawn[0].observations[name], drawn[1].observations[name])


def test_steps_without_a_rating_are_left_out_and_pasts_refused() -> None:
    env = StandInVecEnv(make_setting(), 1, N_STEPS)
    buffer = EpisodeReplayBuffer(100, env.observation_space, env.action_space, "cpu", 1)
    observation = env.reset()
    buffer.add(observation, observation, np.array([3]), np.zeros(1), np.zeros(1), [{}])
    assert buffer.size() == 0
    begun = {**observation, "count": np.array([[2]])}
    with pytest.raises(SimulationError, match="began with a history"):
        buffer.add(begun, begun, np.array([3]), np.zeros(1), np.zeros(1), [{}])
    with pytest.raises(SimulationError, match="12 each"):
        EpisodeReplayBuffer(11, env.observation_space, env.action_space, "cpu", 1)


def test_last_item_of_a_catalogue_has_no_next_value() -> None:
    env = StandInVecEnv(make_setting(n_items=N_STEPS), 1, N_STEPS)
    buffer = EpisodeReplayBuffer(100, env.observation_space, env.action_space, "cpu", 1)
    before = {**env.reset(), "count": np.array([[0]])}
    after = {**before, "count": np.array([[N_STEPS]])}
    buffer.add(before, after, np.array([0]), np.ones(1), np.ones(1), [{"TimeLimit.truncated": True}])
    assert buffer.kept["is_last"][0, 0]


def test_masks_are_kept_as_bits() -> None:
    env = StandInVecEnv(make_setting(n_items=30), 4, N_STEPS)
    buffer = BitMaskRolloutBuffer(5, env.observation_space, env.action_space, "cpu", n_envs=4)
    draws, masks = np.random.default_rng(0), []
    observation = env.reset()
    for step in range(5):
        masks.append(draws.random((4, 30)) < 0.5)
        numbers = torch.full((4,), float(step))
        buffer.add(
            observation, np.full((4, 1), step), np.ones(4), np.zeros(4), numbers, numbers, action_masks=masks[-1]
        )
    assert buffer.bits.nbytes == 5 * 4 * 4
    buffer.compute_returns_and_advantage(torch.zeros(4), np.zeros(4))
    rows = 0
    for part in buffer.get(8):
        for action, mask in zip(part.actions, part.action_masks, strict=True):
            assert any((mask.numpy() == of_env).all() for of_env in masks[int(action)])
            rows += 1
    assert rows == 20
