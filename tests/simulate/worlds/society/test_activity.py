"""Time of rounds, busy agents and who acts: golden values and properties."""

import json
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.simulate.worlds.society.activity import Activity, Busy, probabilities, scaled_lomax, who_acts
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.rounds import add_interval, date_of_round, parsed_interval

NOW = datetime(2024, 1, 1, 8)


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "fixtures/recagent/golden.json").read_text(encoding="utf-8"))


def applied(activity, *pieces, step=1):
    rows = KINDS.assemble(step, list(pieces), time=0)
    activity.apply({kind: part for (kind,), part in rows.partition_by("kind", as_dict=True).items()}, step)
    return activity


def chat(agent, other, hours):
    return KINDS.piece("chatted", np.array([agent]), other=np.array([other]), value=np.array([hours], dtype=float))


def watch(agent):
    return KINDS.piece("watched", np.array([agent]), item=np.array([0]), place=np.array([0]), slot=np.array([0]))


def test_intervals_equal_the_published_ones_but_nonsense_is_refused(golden):
    for case in golden["interval"]["parse"]:
        is_positive = case.get("value", 0) > 0 and case["text"] == case["text"].replace(" ", "")
        if is_positive:
            assert parsed_interval(case["text"]) == (case["value"], case["unit"])
        else:
            with pytest.raises(ValueError, match="no interval"):
                parsed_interval(case["text"])
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "M": "months", "y": "years"}
    for case in golden["interval"]["add"]:
        value, unit = int(case["interval"][:-1]), units[case["interval"][-1]]
        end = add_interval(datetime.fromisoformat(case["start"]), value, unit)
        assert end.isoformat() == case["end"]
        assert f"{end:%A}" == case["weekday"]


def test_clipped_days_do_not_add_up():
    months = [date_of_round(datetime(2024, 1, 31, 8), "1M", step) for step in (1, 2, 3)]
    assert [(date.month, date.day) for date in months] == [(1, 31), (2, 29), (3, 31)]


def test_events_last_as_long_as_they_should(golden):
    for case in golden["events"]["durations"]:
        hours, end = case["asked_hours"], datetime.fromisoformat(case["correct_end"])
        activity = applied(Activity(SocietyRules(interval="1s"), 2), chat(0, 1, hours))
        wanted = int((end - NOW).total_seconds())
        assert activity.until_A[0] == (wanted if wanted > 1 else 0), hours


def test_activities_follow_each_other_as_they_should(golden):
    number = {"A": 0, "B": 1, "C": 2}
    for case in golden["events"]["updates"]:
        before, asked = case["before"], case["request"]
        if "after" not in case or asked["kind"] == "idle":
            continue
        activity = Activity(SocietyRules(interval="1s"), 3)
        if before["kind"] == "posting":
            applied(activity, KINDS.piece("posted", np.array([0])))
        for partner in before["partners"] or []:
            applied(activity, chat(0, number[partner], before["hours"]))
        applied(
            activity, watch(0) if asked["kind"] == "watching" else chat(0, number[asked["partner"]], asked["hours"])
        )
        after = case["after"]
        assert Busy(int(activity.kind_A[0])).name.lower() == after["kind"], case["case"]
        assert activity.until_A[0] == (datetime.fromisoformat(after["end"]) - NOW).total_seconds(), case["case"]
        assert activity.partners(0) == [number[partner] for partner in after["partners"] or []], case["case"]


def test_probabilities_to_act_equal_the_published_ones(golden):
    for case in golden["activity"]["pareto"]:
        shares = np.asarray(case["raw"]) / max(case["raw"])
        np.testing.assert_allclose(shares, case["published"], rtol=1e-5)
        drawn = 1 - (1 + np.asarray(case["raw"])) ** -case["shape"]
        np.testing.assert_allclose(scaled_lomax(drawn, case["shape"]), case["published"], rtol=1e-4)
    for case in golden["activity"]["probability"]:
        if case["method"] == "random" and case["base"]:
            rules = SocietyRules(active_method="random", active_prob=case["base"])
            assert probabilities(rules, np.full(3, case["idle_rounds"]), 0).tolist() == [case["as_probability"]] * 3


@pytest.mark.parametrize("method", ["sample", "marginal"])
def test_one_agent_of_a_drawn_activity_always_acts_and_marginal_grows(method):
    rules = SocietyRules(active_method=method, active_prob=0.3)
    rested = probabilities(rules, np.zeros(200, dtype=int), 5)
    assert rested.max() == 1 and (rested >= 0).all()
    waited = probabilities(rules, np.full(200, 4), 5)
    np.testing.assert_allclose(waited, rested * (5 if method == "marginal" else 1))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from(["random", "sample", "marginal"]), st.floats(0.05, 1), st.integers(0, 9))
def test_the_watching_never_act_and_the_threshold_holds(seed, method, share, threshold):
    rules = SocietyRules(active_method=method, active_prob=share, active_agent_threshold=threshold)
    activity = Activity(rules, 30)
    activity.kind_A[::3] = Busy.WATCHING
    agents = who_acts(rules, activity, 2, seed)
    assert not (activity.kind_A[agents] == Busy.WATCHING).any()
    assert (np.diff(agents) > 0).all()
    unlimited = who_acts(rules.model_copy(update={"active_agent_threshold": 0}), activity, 2, seed)
    assert set(agents) <= set(unlimited)
    assert len(agents) == min(threshold or 30, len(unlimited))


def test_a_threshold_does_not_prefer_low_numbers():
    rules = SocietyRules(active_agent_threshold=10)
    chosen = np.concatenate([who_acts(rules, Activity(rules, 40), step, 0) for step in range(1, 101)])
    assert abs(chosen.mean() - 19.5) < 1.5
    assert len(np.unique(chosen)) == 40


def test_idle_rounds_return_to_0_on_acting():
    activity = Activity(SocietyRules(), 3)
    for step in (1, 2):
        applied(activity, KINDS.piece("rested", np.array([1])), step=step)
    assert activity.idle_rounds_A.tolist() == [2, 0, 2]


@pytest.mark.parametrize(("interval", "n_rounds"), [("1h", 2), ("2h", 1), ("30m", 4), ("5h", 1)])
def test_the_watching_are_free_after_two_hours_whatever_the_interval(interval, n_rounds):
    activity = applied(Activity(SocietyRules(interval=interval), 2), watch(0))
    busy = [activity.kind_A[0] == Busy.WATCHING]
    for step in range(2, n_rounds + 2):
        applied(activity, KINDS.piece("rested", np.array([1])), step=step)
        busy.append(activity.kind_A[0] == Busy.WATCHING)
    assert sum(busy) == n_rounds - 1
    assert timedelta(hours=2) >= timedelta(seconds=int(activity.until_A[0]))


def test_activities_are_restored_from_their_arrays():
    activity = applied(Activity(SocietyRules(interval="30m"), 4), watch(0), chat(1, 2, 2))
    other = Activity(SocietyRules(interval="30m"), 4)
    other.restore(activity.to_arrays())
    assert other.are_chatting(np.array([1, 2, 3]), np.array([2, 1, 1])).tolist() == [True, True, False]
    for name, array in activity.to_arrays().items():
        np.testing.assert_array_equal(array, other.to_arrays()[name])
