"""Engine: golden traces; the same episodes at any number of rows, and after a snapshot; failures; memory of returns."""

import json
from pathlib import Path

import numpy as np
import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.steps import Left, Steps


@pytest.fixture(scope="module")
def golden(shared: Path):
    return json.loads((shared / "fixtures/emosim/golden.json").read_text(encoding="utf-8"))


def policy(engine: Engine, rows: np.ndarray | None = None) -> np.ndarray:
    """Items that depend on the episode alone, sometimes one that was shown before."""
    views = engine.views(rows)
    return ((views.key_E >> np.uint64(7)).astype(np.int64) + 3 * views.step_E**2) % engine.n_items


def played(engine: Engine, n_steps: int) -> list[Steps]:
    steps = []
    for _ in range(n_steps):
        steps.append(engine.decide(policy(engine)))
        engine.apply(steps[-1])
        engine.begin(np.flatnonzero(engine.left_E))
    return steps


def columns(steps: list[Steps], row: int) -> list[list[float]]:
    names = ("user_E", "item_E", "step_E", "rating_E", "reward_E", "left_E", "ema_E", "p_leave_E")
    each = [[float(getattr(step, name)[row]) for name in names] for step in steps]
    recalled = [np.nan_to_num(step.recalled_scores_Ek[row], nan=-9).tolist() for step in steps]
    return [one + [0.0 if np.isnan(x) else x for x in more] for one, more in zip(each, recalled, strict=True)]


def test_users_of_episodes_are_the_draws_of_gymnasium(golden, make_engine):
    seeds, users = zip(*golden["reset_users"]["cases"], strict=True)
    engine = make_engine(n_envs=len(seeds))
    engine.reset(seeds)
    assert engine.user_E.tolist() == list(users)


def test_golden_traces(golden, make_engine, reply_mind):
    for trace in golden["environment_traces"]["traces"]:
        setting = trace["configuration"]
        if setting["ev"] or "0-9" in trace["name"] or setting["pert"] != "none":
            continue  # 11 steps in any case, ratings off the scale, and draws of another generator: see the formulas
        arguments = setting.get("args", {})
        mind = reply_mind([step["LLM_rating"] for step in trace["steps"]])
        engine = make_engine(mind=mind, retrieval=setting["retr"], shaping=setting["shaping"], **arguments)
        engine.reset([trace["seed"]], None if trace["user"] == 402 else [trace["user"]])
        assert engine.user_E[0] == trace["user"]
        drawn = setting["shaping"] == "random_watch" or "slow" in trace["name"]
        for expected in trace["steps"]:
            step = engine.decide(np.array([expected["action"]]))
            engine.apply(step)
            items, ratings = engine.memory.latest(np.array([0]), 1)
            recalled = [[int(item), float(ratings)] for item, ratings in recalled_of(engine, step) if item >= 0]
            assert recalled == expected["retrieved"], trace["name"]
            assert [int(items[0, 0]), int(ratings[0, 0])] == expected["in_observation"]
            if expected["ema"] is not None:
                assert step.ema_E[0] == pytest.approx(expected["ema"])
                assert step.low_streak_E[0] == expected["low_streak"]
            if not drawn:
                assert step.reward_E[0] == expected["reward"], trace["name"]
                assert bool(step.terminated_E[0]) == expected["terminated"]
            engine.left_E[:] = 0  # the published environment goes on


def recalled_of(engine: Engine, step: Steps) -> list[tuple[int, float]]:
    """Recalled items with the ratings that the user had given before this step."""
    before = dict(zip(*(part[0].tolist() for part in engine_log_before(engine)), strict=True))
    return [(int(item), before.get(int(item), np.nan)) for item in step.recalled_items_Ek[0]]


def engine_log_before(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    items, ratings = engine.memory.log(np.array([0]))
    return items[:, :-1], ratings[:, :-1]


@pytest.mark.parametrize("retrieval", ["last_3", "most_similar_2", "simple_3", "decay_emotion_4"])
@pytest.mark.parametrize("across", [False, True])
def test_a_row_is_the_same_episode_at_any_number_of_rows(make_engine, retrieval, across):
    rules = {
        "retrieval": retrieval,
        "shaping": "churn_satisfaction",
        "perturbator": "greedy",
        "n_users": 4,
        "max_episode_steps": 9,
        "across_episodes": across,
    }
    many = make_engine(n_envs=1024 if retrieval == "last_3" else 64, **rules)
    many.reset(np.arange(many.n_envs) + 5)
    steps = played(many, 40)
    assert len({int(step.left_E[row]) for step in steps for row in range(64)}) > 2
    for row in (0, 17, many.n_envs - 1):
        one = make_engine(**rules)
        one.reset([5 + row])
        assert columns(played(one, 40), 0) == columns(steps, row)


@pytest.mark.parametrize("across", [False, True])
def test_a_snapshot_goes_on_as_if_nothing_had_happened(make_engine, across):
    rules = {"n_users": 5, "max_episode_steps": 7, "across_episodes": across, "shaping": "random_watch"}
    engine = make_engine(n_envs=6, **rules)
    engine.reset(range(6))
    played(engine, 25)
    arrays = {name: array.copy() for name, array in engine.to_arrays().items()}
    assert all(array.dtype.kind in "iufb" for array in arrays.values())
    expected = played(engine, 30)
    other = make_engine(n_envs=6, **rules)
    other.restore(arrays)
    found = played(other, 30)
    for row in range(6):
        assert columns(found, row) == columns(expected, row)


def test_apply_reads_user_item_rating_and_reason_alone(make_engine):
    engine, other = (make_engine(n_envs=3, shaping="churn_satisfaction") for _ in range(2))
    engine.reset(range(3))
    other.reset(range(3))
    for _ in range(4):
        step = engine.decide(policy(engine))
        engine.apply(step)
        blank = np.full(3, np.nan)
        other.apply(
            Steps(
                **dict.fromkeys(vars(step), blank)
                | {name: getattr(step, name) for name in ("user_E", "item_E", "rating_E", "left_E")}
            )
        )
    for name, array in engine.to_arrays().items():
        np.testing.assert_array_equal(array, other.to_arrays()[name])


def test_deciding_changes_nothing(make_engine):
    engine = make_engine(n_envs=2)
    engine.reset([1, 2])
    before = engine.to_arrays()
    engine.decide(np.array([3, 4]))
    engine.questions(np.array([3, 4]))
    for name, array in engine.to_arrays().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_failed_reply_is_no_rating_and_three_in_a_row_end_the_episode(make_engine, reply_mind):
    nan = float("nan")
    engine = make_engine(mind=reply_mind([7.0, nan, nan, 6.0, nan, nan, nan]))
    engine.reset([0])
    found = []
    for item in (1, 2, 2, 2, 3, 3, 3):
        step = engine.decide(np.array([item]))
        engine.apply(step)
        found.append((int(step.step_E[0]), float(step.reward_E[0]), bool(step.failed_E[0]), int(step.left_E[0])))
    ends = [(3, 0.0, True, 0), (3, 0.0, True, 0), (3, 0.0, True, Left.MIND_FAILED)]
    assert found == [(1, 7.0, False, 0), (2, 0.0, True, 0), (2, 0.0, True, 0), (2, 6.0, False, 0), *ends]
    assert engine.memory.log(np.array([0]))[0].tolist() == [[1, 2]]
    assert engine.allowed()[0].tolist() == [item not in (1, 2) for item in range(20)]
    assert step.truncated_E[0]
    with pytest.raises(SimulationError, match="has ended"):
        engine.decide(np.array([5]))


def test_an_episode_ends_at_its_limit_and_where_nothing_is_new(make_engine):
    engine = make_engine(n_envs=2, max_episode_steps=3, n_items=5)
    engine.reset([0, 1], history=[(4, 5.0)])
    for item, last in ((0, Left.NOT), (1, Left.NOT), (2, Left.TIME_LIMIT)):
        step = engine.decide(np.array([item, item]))
        engine.apply(step)
        assert step.left_E.tolist() == [last, last]
    engine = make_engine(n_items=3)
    engine.reset([0])
    for item, last in ((0, Left.NOT), (0, Left.NOT), (1, Left.NOT), (2, Left.NOTHING_NEW)):
        step = engine.decide(np.array([item]))
        engine.apply(step)
        assert step.left_E[0] == last


def test_users_who_return_remember(make_engine):
    for across in (False, True):
        engine = make_engine(n_users=3, across_episodes=across)
        engine.reset([0], [1])
        engine.apply(engine.decide(np.array([4])))
        engine.begin(np.array([0]), [2])
        assert engine.questions(np.array([4])).times_met_E[0] == 1
        engine.begin(np.array([0]), [1])
        assert engine.questions(np.array([4])).times_met_E[0] == 1 + across
        assert engine.allowed()[0].all()


def test_users_in_order(make_engine):
    engine = make_engine(n_envs=2, n_users=5, users_in_order=True)
    engine.reset([0, 0])
    seen = [engine.user_E.tolist()]
    for _ in range(3):
        engine.begin(np.arange(2))
        seen.append(engine.user_E.tolist())
    assert seen == [[0, 1], [2, 3], [4, 0], [1, 2]]


def test_wrong_arguments_are_named(make_engine):
    engine = make_engine(n_envs=2)
    with pytest.raises(SimulationError, match="2 whole numbers from 0 to 4294967295"):
        engine.reset([0])
    with pytest.raises(SimulationError, match="users 0 to 599"):
        engine.reset([0, 1], [600, 1])
    engine.reset([0, 1])
    with pytest.raises(SimulationError, match="no item 20: choose one of the items 0 to 19"):
        engine.decide(np.array([0, 20]))
    for seeds in ([-1, 2], [0.5, 1.0], [2**70, 1]):
        with pytest.raises(SimulationError, match="2 whole numbers from 0"):
            engine.reset(seeds)
    with pytest.raises(SimulationError, match="whole numbers are needed"):
        engine.decide(np.array([0.5, 1.0]))
    step = engine.decide(np.array([0, 1]))
    engine.begin(np.arange(2))
    with pytest.raises(SimulationError, match="other users"):
        engine.apply(step)
