"""Slates: the best item is taken, ties by average; nothing with its probability; the same at any number of rows."""

# ruff: noqa: E402
import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="the extra rl is not installed")

from gymnasium.vector import SyncVectorEnv

from recgpt.errors import ConfigError, SimulationError
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.simulate.worlds.gym.slate import EmoSimSlateEnv, EmoSimSlateVectorEnv


class ByItem:
    """Rates item i with the i-th number."""

    name = "by item"

    def __init__(self, ratings: list[float]) -> None:
        self.ratings = np.array(ratings)

    def rate(self, questions: Questions) -> Ratings:
        return Ratings(self.ratings[questions.item_E], explanations=[f"item {item}" for item in questions.item_E])

    def estimate(self, n_questions: int) -> None:
        return None


def test_the_best_item_is_taken_ties_by_average_then_by_place(make_inputs):
    inputs = make_inputs(n_items=4)
    inputs.items.average_N[:] = [5, 6, np.nan, 6]
    env = EmoSimSlateEnv("toy", mind=ByItem([7, 7, 9, 7]), inputs=inputs, slate_size=3, no_choice=0)
    for slate, item in (([0, 2, 1], 2), ([0, 1, 3], 1), ([3, 1, 0], 3), ([1, 1, 0], 1)):
        env.reset(seed=0)
        observation, reward, *_, info = env.step(slate)
        assert (info["item"], reward, info["explanation"]) == (item, 9 if item == 2 else 7, f"item {item}")
        assert observation["history"][:2].tolist() == [item, -1]
        assert env.action_masks().reshape(3, 4).tolist() == [[other != item for other in range(4)]] * 3


def test_failed_replies_do_not_hide_the_others(make_inputs):
    nan = float("nan")
    env = EmoSimSlateEnv("toy", mind=ByItem([nan, 3, nan]), inputs=make_inputs(n_items=3), slate_size=2, no_choice=0)
    env.reset(seed=0)
    assert env.step([0, 1])[-1]["item"] == 1
    *_, info = env.step([0, 2])
    assert info["failed"]
    assert env.engine.step_E.tolist() == [1]


def test_nothing_is_taken_with_its_probability(make_inputs, hash_mind):
    inputs = make_inputs(max_episode_steps=4, shaping="churn_satisfaction")
    env = EmoSimSlateVectorEnv(
        2000, "toy", mind=hash_mind(inputs.domain.scale), inputs=inputs, slate_size=2, no_choice=0.25
    )
    env.reset(seed=0)
    observations, rewards, _, _, infos = env.step(env.action_space.sample())
    none = infos["item"] < 0
    assert none.mean() == pytest.approx(0.25, abs=0.03)
    assert (rewards[none] == 0).all()
    assert (observations["count"][:, 0] == ~none).all()
    assert not infos["failed"].any()
    for _ in range(3):
        *_, terminations, truncations, _ = env.step(env.action_space.sample())
    assert (terminations | truncations).all()


def test_equals_sync_vector_env(make_inputs, hash_mind):
    inputs = make_inputs(max_episode_steps=5)
    mind = hash_mind(inputs.domain.scale, 0.2)
    sync = SyncVectorEnv([lambda: EmoSimSlateEnv("toy", mind=mind, inputs=inputs)] * 4)
    ours = EmoSimSlateVectorEnv(4, "toy", mind=mind, inputs=inputs)
    assert ours.action_space == sync.action_space
    sync.reset(seed=1)
    ours.reset(seed=1)
    ours.action_space.seed(0)
    for _ in range(20):
        slates = ours.action_space.sample()
        expected, found = sync.step(slates), ours.step(slates)
        np.testing.assert_array_equal(found[0]["history"], expected[0]["history"])
        for place in (1, 2, 3):
            np.testing.assert_array_equal(found[place], expected[place])
        np.testing.assert_array_equal(found[4].get("item"), expected[4].get("item"))
    assert ours.action_masks().shape == (4, 100)


def test_wrong_slates_are_refused(make_inputs, hash_mind):
    inputs = make_inputs()
    arguments = {"mind": hash_mind(inputs.domain.scale), "inputs": inputs}
    for wrong in ({"slate_size": 0}, {"slate_size": 21}, {"no_choice": 1.0}, {"no_choice": -0.1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            EmoSimSlateEnv("toy", **arguments, **wrong)
    env = EmoSimSlateEnv("toy", **arguments)
    env.reset(seed=0)
    with pytest.raises(SimulationError, match="1 slates of 5 items"):
        env.step([1, 2])
    with pytest.raises(SimulationError, match="no item 20"):
        env.step([1, 2, 3, 4, 20])
