"""Environments: both checkers without a warning, info, options, rendering, and every value of every flag."""

# ruff: noqa: E402
import csv
import importlib
import itertools
import json
import sys
import warnings

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="the extra rl is not installed")
sb3_checker = pytest.importorskip("stable_baselines3.common.env_checker", reason="the extra rl is not installed")

from gymnasium.utils.env_checker import check_env

import recgpt.simulate.worlds.gym.registration  # noqa: F401
from recgpt.errors import ConfigError, SimulationError
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.environment import EmoSimEnv
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.registration import IDS, SLATE_ID
from recgpt.simulate.worlds.gym.registry import PERTURBATORS, RETRIEVALS, SHAPINGS, check_rules
from recgpt.simulate.worlds.gym.vector import EmoSimVectorEnv

RETRIEVED = [name.replace("_K", "_3") for name in RETRIEVALS]
INFO_KEYS = {
    *(
        "user_id",
        "item",
        "llm_rating",
        "rating",
        "raw_reward",
        "reward",
        "retrieved",
        "emotion",
        "ema",
        "low_streak",
        "p_leave",
    ),
    *("left_because", "failed", "tokens", "usd", "explanation"),
}


@pytest.fixture(scope="module")
def loaded() -> dict[str, Inputs]:
    """Inputs of each domain, read once."""
    return {domain: load_inputs(GymRules(domain=domain)) for domain in IDS}


def with_rules(inputs: Inputs, **rules: object) -> Inputs:
    return Inputs(check_rules(inputs.rules.model_copy(update=rules)), inputs.domain, inputs.items, inputs.users)


@pytest.mark.parametrize("domain", IDS)
def test_both_checkers_are_silent_for_every_shaping_and_retrieval(loaded, domain):
    mind = make_mind(MindOptions(), loaded[domain])
    for shaping, retrieval in itertools.product(SHAPINGS, RETRIEVED):
        env = EmoSimEnv(domain, mind, inputs=with_rules(loaded[domain], shaping=shaping, retrieval=retrieval))
        env.spec = gymnasium.spec(IDS[domain])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(env, skip_render_check=True, skip_close_check=True)
            sb3_checker.check_env(env)


@pytest.mark.parametrize("name", [*IDS.values(), SLATE_ID])
def test_both_checkers_are_silent_for_every_id_with_all_render_modes(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(name).unwrapped
        check_env(env)
        sb3_checker.check_env(env, skip_render_check=False)


@pytest.mark.parametrize(("name", "action"), [(IDS["movies"], 1), (SLATE_ID, [1, 2, 3, 4, 5])])
@pytest.mark.parametrize(("arguments", "limit"), [({}, 200), ({"max_episode_steps": 205}, 205)])
def test_gymnasiums_make_limits_episodes(name, action, arguments, limit):
    env = gymnasium.make(name, retrieval="none", shaping="identity", disable_env_checker=True, **arguments)
    assert env.spec.max_episode_steps == limit
    env.reset(seed=0)
    over = [any(env.step(action)[2:4]) for _ in range(limit)]
    assert over == [False] * (limit - 1) + [True]


def test_loaded_inputs_keep_their_limit(make_inputs, hash_mind):
    inputs = make_inputs(max_episode_steps=2, shaping="identity")
    env = gymnasium.make(IDS["movies"], mind=hash_mind(inputs.domain.scale), inputs=inputs, domain="toy")
    env.reset(seed=0)
    assert [env.step(item)[3] for item in (1, 2)] == [False, True]


def test_info_has_all_keys_and_observations_are_in_their_space(make_inputs, hash_mind):
    inputs = make_inputs(shaping="churn_satisfaction", retrieval="decay_emotion_2")
    env = EmoSimEnv("toy", hash_mind(inputs.domain.scale), inputs=inputs)
    observation, info = env.reset(seed=5)
    assert info == {"user_id": 402}
    assert env.user["id"] == "402"
    for count in range(1, 4):
        assert observation in env.observation_space
        observation, reward, *_, info = env.step(count)
        assert info.keys() == INFO_KEYS
        assert info["rating"] == info["raw_reward"] == info["reward"] == reward
        assert observation["count"] == [count]
        assert observation["history"][:count].tolist() == list(range(count, 0, -1))
        assert not env.action_masks()[1 : count + 1].any()
    assert info["retrieved"]["items"].shape == (2,)
    assert info["retrieved"]["items"][0] >= 0


def test_published_observation(make_inputs, hash_mind):
    inputs = make_inputs(observation="published")
    env = EmoSimEnv("toy", hash_mind(inputs.domain.scale), inputs=inputs)
    observation, _ = env.reset(seed=0, options={"user_id": 7, "history": [(3, 8)]})
    assert observation in env.observation_space
    assert set(observation) == {
        *("user_id", "user_name", "user_gender", "user_age", "user_description", "items_interact"),
        *(f"user_{name}_level" for name in ("activity", "conformity", "diversity")),
    }
    assert [pair.tolist() for pair in observation["items_interact"]] == [[3, 8]]
    env.reset(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*spec.*")
        check_env(env)


def test_golden_observations_of_the_wrapper(shared, make_inputs, hash_mind):
    golden = json.loads((shared / "fixtures/emosim/golden.json").read_text(encoding="utf-8"))
    inputs = make_inputs()
    env = EmoSimEnv("toy", hash_mind(inputs.domain.scale), inputs=inputs)
    for case in golden["sb3_observation"]["cases"]:
        options = {"user_id": case["user"], "history": case["interactions"]}
        observation, _ = env.reset(seed=0, options=options)
        there = observation["history"] >= 0
        latest = dict(zip(observation["history"][there][::-1], observation["ratings"][there][::-1], strict=True))
        cut = {str(item): int(rating) for item, rating in sorted(latest.items()) if int(rating)}
        assert cut == case["nonzero"]
        assert sorted(latest) == case["masked_correct"]
        assert observation["user_id"] == [case["user"]]
        assert np.flatnonzero(~env.action_masks()).tolist() == case["masked_correct"]


def test_options_and_names_that_do_not_exist_are_refused(make_inputs, hash_mind):
    inputs = make_inputs()
    env = EmoSimEnv("toy", hash_mind(inputs.domain.scale), inputs=inputs)
    with pytest.raises(SimulationError, match="call reset first"):
        env.step(0)
    with pytest.raises(SimulationError, match="no option 'user'"):
        env.reset(options={"user": 3})
    with pytest.raises(SimulationError, match="pairs of item and rating"):
        env.reset(options={"history": [3]})
    with pytest.raises(SimulationError, match="users 0 to 599"):
        env.reset(options={"user_id": 600})
    with pytest.raises(ConfigError, match="choose among human, csv, ansi"):
        EmoSimEnv(render_mode="rgb_array")
    with pytest.raises(ConfigError, match=r"no setting 'retrieve'.*retrieval"):
        EmoSimEnv(retrieve="last_3")
    with pytest.raises(ConfigError, match="unknown mind"):
        EmoSimEnv("movies", "oracle", inputs=inputs)


@pytest.mark.parametrize("module", ["environment", "vector", "sb3", "slate", "observations", "registration"])
def test_the_remedy_for_missing_libraries_is_named(monkeypatch, module):
    path = f"recgpt.simulate.worlds.gym.{module}"
    importlib.import_module(path)
    for name in ("gymnasium", "stable_baselines3.common.vec_env"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, path)
    with pytest.raises(ConfigError, match=r"pip install 'recgpt\[rl\]'"):
        importlib.import_module(path)


def test_render_modes_lose_no_step(make_inputs, hash_mind, tmp_path, capsys):
    inputs = make_inputs(max_episode_steps=3)
    mind = hash_mind(inputs.domain.scale)
    env = EmoSimEnv("toy", mind, inputs=inputs, render_mode="csv", render_csv=tmp_path / "new/render.csv")
    for seed in range(2):
        env.reset(seed=seed)
        for item in range(3):
            env.step(item)
    with (tmp_path / "new/render.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["time"], row["item_id"]) for row in rows] == [(str(n + 1), str(1000 + n)) for n in (0, 1, 2)] * 2
    assert rows[0]["user_name"] == f"User {rows[0]['user_id']}"
    assert all(1 <= float(row["rating"]) <= 10 for row in rows)
    env = EmoSimEnv("toy", mind, inputs=inputs, render_mode="ansi")
    env.reset(seed=0)
    assert env.render().startswith("User 510: User 510, ")
    env.step(4)
    assert "Film 4" in env.render()
    assert "rating" in env.render()
    EmoSimEnv("toy", mind, inputs=inputs, render_mode="human").reset(seed=0)
    assert "User 510" in capsys.readouterr().out


@pytest.mark.parametrize("domain", IDS)
def test_every_value_of_every_flag_runs_an_episode(loaded, domain):
    values: dict[str, list[object]] = {
        "retrieval": [*RETRIEVED, "last_1", "decay_emotion_7"],
        "perturbator": list(PERTURBATORS),
        "shaping": list(SHAPINGS),
        "observation": ["compact", "published"],
        "consider_arousal": [True],
        "across_episodes": [True],
        "decay_time_lambda": [0.0, 3.0],
        "emotion_bonus": [0.0, 1.0],
        "valence_positive_threshold": [4.5],
        "valence_negative_threshold": [1.0],
        "arousal_high_threshold": [4.5],
        "arousal_low_threshold": [1.0],
        "churn_ema_alpha": [1.0],
        "churn_low_threshold": [5.0],
        "churn_low_streak_threshold": [1],
        "churn_min_steps": [1],
        "churn_prob_scale": [2.0],
        "churn_ema_min_samples": [3],
        "churn_recovery_bonus": [1.0],
        "max_episode_steps": [2],
        "history_length": [1, 200],
    }
    mind, found = make_mind(MindOptions(), loaded[domain]), domain_of(domain)
    values["rater"] = list(found.raters)
    assert values.keys() | {"domain", "items", "users"} == GymRules.model_fields.keys()
    for name, each in values.items():
        for value in each:
            rules = {name: value} | ({"shaping": "churn_satisfaction"} if name.startswith("churn") else {})
            three_steps(EmoSimEnv(domain, mind, inputs=with_rules(loaded[domain], **rules)))
    for users in found.user_datasets:
        three_steps(EmoSimEnv(domain, users=users))


@pytest.mark.parametrize("domain", IDS)
def test_the_published_catalogue_runs_an_episode(domain, shared):
    three_steps(EmoSimEnv(domain, items=str(shared / "data/simulate/emosim")))


def three_steps(env: EmoSimEnv) -> None:
    observation, _ = env.reset(seed=3)
    for item in (5, 6, 5):
        assert observation in env.observation_space
        observation, reward, terminated, truncated, info = env.step(item)
        assert np.isfinite(reward)
        if terminated or truncated:
            assert info["left_because"]
            observation, _ = env.reset()


def test_a_masked_item_is_never_chosen(make_inputs, hash_mind):
    inputs = make_inputs(n_items=60, max_episode_steps=40)
    env = EmoSimVectorEnv(500, "toy", hash_mind(inputs.domain.scale), inputs=inputs, autoreset_mode="SameStep")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(200):  # 100,000 steps
        masks = env.action_masks()
        items = np.where(masks, rng.random(masks.shape), -1).argmax(axis=1)
        env.step(items)
        assert (env.engine.memory.met_EM <= 1).all()
