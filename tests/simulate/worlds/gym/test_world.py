"""Stored runs of the gym: the contract of worlds, resumption after a kill, failures, users who leave, reports."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from recgpt.cli.app import app
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError, StoreError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.world import States, world_of
from recgpt.simulate.worlds.gym import spec
from recgpt.simulate.worlds.gym.artifacts import stored_facts, stored_items, stored_users
from recgpt.simulate.worlds.gym.config import GymConfig
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.simulate.worlds.gym.policies.base import Views
from recgpt.simulate.worlds.gym.report import html, summary_table
from recgpt.simulate.worlds.gym.spec import WORLD, kept_inputs
from recgpt.simulate.worlds.gym.world import without_known
from recgpt.testing import check_world

N_USERS, STEPS = 12, 4
HARD: dict[str, Any] = {
    "shaping": "churn_satisfaction",
    "churn_min_steps": 1,
    "churn_low_threshold": 6,
    "churn_prob_scale": 1,
    "perturbator": "greedy",
}


@pytest.fixture(autouse=True, scope="module")
def _inputs() -> Iterator[None]:
    with kept_inputs():
        yield


@pytest.fixture(autouse=True)
def _runs(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))


def config_of(**options: Any) -> GymConfig:
    return GymConfig(**{"policy": "random", "n_users": N_USERS, "steps": STEPS, **options})


class Moody:
    """A mind that fails at every third question of a user, and explains the rest."""

    name = "moody"

    def __init__(self, fails_always: bool = False) -> None:
        self.fails_always = fails_always

    def rate(self, questions: Questions) -> Ratings:
        fails = (questions.item_E + questions.user_E) % 3 == 0 if not self.fails_always else questions.item_E >= 0
        return Ratings(
            np.where(fails, np.nan, 1 + questions.item_E % 10),
            failures=["malformed: <b>no JSON</b>" if each else None for each in fails],
            explanations=[None if each else "<script>alert(1)</script> I liked it" for each in fails],
        )

    def estimate(self, n_questions: int) -> None:
        return None


@pytest.mark.parametrize(
    "options", [{"policy": "linucb"}, {"policy": "popularity", "domain": "books", **HARD, "churn_low_threshold": 3}]
)
def test_the_world_keeps_the_contract(options: dict[str, Any]) -> None:
    check_world(WORLD, config_of(steps=2, **options))


def test_episodes_do_not_depend_on_the_number_of_users() -> None:
    with runner.start("gym", "many", config_of(policy="thompson", **HARD)) as many:
        with runner.start("gym", "few", config_of(policy="thompson", n_users=5, **HARD)) as few:
            of_few = many.events().filter(pl.col("agent") < 5)
            assert of_few.equals(few.events())
        with runner.start("gym", "other", config_of(policy="thompson", seed=1, **HARD)) as other:
            assert other.hash != many.hash


def test_every_user_rates_different_items_until_it_leaves() -> None:
    with runner.start("gym", "one", config_of(steps=8, **{**HARD, "churn_low_threshold": 6})) as run:
        rated, left = run.events(kind="rated"), run.events(kind="left")
        counts = rated.group_by("agent").len().sort("agent")["len"]
        assert rated.select("agent", "item").is_unique().all()
        assert 0 < len(left) <= N_USERS
        assert (
            counts.gather(left.sort("agent")["agent"]).to_list() == left.sort("agent")["value"].cast(pl.Int64).to_list()
        )
        assert (counts.filter(~pl.Series(range(N_USERS)).is_in(left["agent"].implode())) == 8).all()
        assert len(run.events(kind="unperturbed")) > 0
        measured = run.metrics
        assert measured["metrics"]["length"]["mean"] == pytest.approx(len(rated) / N_USERS, abs=1e-6)
        assert measured["metrics"]["left"]["mean"] == pytest.approx(len(left) / N_USERS, abs=1e-6)
        assert sum(measured["left"].values()) == len(left)


def test_users_of_a_data_set_are_shown_items_that_they_have_not_rated() -> None:
    with runner.start("gym", "known", config_of(users="dataset", policy="popularity")) as run:
        inputs = spec.load_run_inputs(config_of(users="dataset")).inputs
        shown = run.events(kind="shown").select("agent", "item").iter_rows()
        assert not [item for user, item in shown if item in set(inputs.users.histories[user].tolist())]
        assert stored_users(run)["n_known"].max() > 0


def test_where_everything_is_known_it_is_allowed_again() -> None:
    allowed_EN = np.array([[True, True, False], [True, True, True]])
    none_E, nothing_EH = np.zeros(2, dtype=np.int64), np.full((2, 0), -1)
    views = Views(none_E, none_E, none_E, nothing_EH, nothing_EH, lambda: allowed_EN)
    found = without_known(views, Ragged.from_lists([[0, 1, 2], [1]]))
    assert found.allowed().tolist() == [[True, True, False], [True, False, True]]


def test_a_killed_run_resumes_and_a_fork_goes_on_the_same() -> None:
    config = config_of(policy="linucb", **HARD)
    with runner.start("gym", "whole", config) as whole:
        whole.fork("cut", 2).close()
    with Run.open("cut", write=True) as cut:
        runner.resume(cut)
        with Run.open("whole") as again:
            assert cut.hash == again.hash
            assert cut.metrics == again.metrics
        assert runner.verify(cut).n_metrics == len(cut.metrics)


def test_a_fork_with_another_policy_has_the_same_past_and_another_future() -> None:
    with runner.start("gym", "whole", config_of(policy="linucb", **HARD)) as whole:
        with runner.fork(whole, "other", 2, overrides=["policy=random"]) as other:
            runner.resume(other)
            assert other.hash_at(2) == whole.hash_at(2)
            assert other.hash != whole.hash
            runner.verify(other)
        with pytest.raises(SimulationError, match="cannot change shaping, which shaped"):
            runner.fork(whole, "another", 2, overrides=["shaping=identity"])


def test_metrics_that_do_not_follow_from_the_events_are_found() -> None:
    with runner.start("gym", "one", config_of()) as run:
        run.set_metrics({**run.metrics, "users": N_USERS + 1})
        with pytest.raises(StoreError, match=f"users is {N_USERS + 1}, from the events it is {N_USERS}"):
            runner.verify(run)


def test_failed_questions_are_counted_asked_again_and_end_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "make_mind", lambda *args, **options: Moody())
    with runner.start("gym", "moody", config_of(policy="popularity")) as run:
        failed = run.events(kind="failed")
        assert failed["text"].unique().to_list() == ["malformed: <b>no JSON</b>"]
        assert run.metrics["failed"] == len(failed) > 0
        assert run.metrics["failures"] == {"malformed": len(failed)}
        left = run.events(kind="left")
        assert set(left["text"]) == {"the mind failed"}  # the popular item comes again, and fails again
        assert (failed.group_by("agent").len()["len"] == 3).all()
        rated = run.events(kind="rated")
        assert not rated.join(failed, on=["agent", "item"], how="semi").height
        text = html(run)
        assert "<script>alert" not in text and "<b>no JSON" not in text
        assert "3 in a row" in text or "three in a row" in text
    monkeypatch.setattr(spec, "make_mind", lambda *args, **options: Moody(fails_always=True))
    with runner.start("gym", "dumb", config_of()) as run:
        assert run.n_steps == 3
        assert run.metrics["metrics"]["reward"] == {"mean": None, "low": None, "high": None, "seeds": [None]}
        assert "nothing was rated" in html(run)


def test_artifacts_describe_items_users_and_scale() -> None:
    with runner.start("gym", "books", config_of(domain="books")) as run:
        facts, items, users = stored_facts(run), stored_items(run), stored_users(run)
        assert (facts.lowest, facts.highest, facts.liked_from) == (1, 5, 4)
        assert len(items) > run.events(kind="shown")["item"].max()
        assert len(users) >= N_USERS
        assert run.metrics["ratings"]["shares"] is not None and len(run.metrics["ratings"]["shares"]) == 5


@pytest.mark.parametrize("step", [0, 2])
def test_views_hold_the_steps_so_far(step: int) -> None:
    with runner.start("gym", "one", config_of()) as run:
        seen = WORLD.view(run, step)
        assert sum(seen["agents"]["rated"]) == step * N_USERS
        assert all(len(story["steps"]) == step for story in seen["stories"])
        assert seen["finished"] == (step == STEPS)
        state = States(run).at(step)
        assert np.isfinite(state.rating_UT).sum() == step * N_USERS


def test_the_report_is_one_page_that_loads_nothing() -> None:
    with runner.start("gym", "one", config_of(**HARD)) as run:
        page = html(run)
        assert not re.search(r"""(src|href)=["'](?!#)""", page)
        for section in ("Metrics", "Item by item", "Ratings", "Exposure", "Stories", "What was run"):
            assert f"<h2>{section}</h2>" in page
        assert run.hash in page
        assert summary_table(run).row_count == 11
        run.fork("cut", 1).close()
    with Run.open("cut") as cut:
        assert "Not finished" in html(cut)
        assert "not finished: 1 of 4 items" in summary_table(cut).title


def test_commands_of_runs_know_the_gym() -> None:
    with runner.start("gym", "one", config_of()) as run:
        run.fork("cut", 2).close()
    call = CliRunner().invoke
    assert "gym" in call(app, ["runs", "list"]).output
    shown = call(app, ["runs", "show", "one"]).output
    assert f"agents      {N_USERS}" in shown and "average rating" in shown
    assert json.loads(call(app, ["runs", "show", "one", "--json"]).output)["metrics"]["users"] == N_USERS
    resumed = call(app, ["runs", "resume", "cut"])
    assert resumed.exit_code == 0 and "report.html" in resumed.output
    assert f"{STEPS} steps verified" in call(app, ["runs", "verify", "cut"]).output
    assert "report.html" in call(app, ["runs", "report", "one"]).output
    played = call(app, ["simulate", "world", "gym", "--run", "two", "--set", "n_users=3", "--set", "steps=2"])
    assert played.exit_code == 0 and "average rating" in played.output


def test_other_inputs_are_refused_when_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with runner.start("gym", "one", config_of()) as run:
        run.fork("cut", 1).close()
    loaded = spec.load_inputs

    def others(rules: Any) -> Any:
        found = loaded(rules)
        return replace(found, users=replace(found.users, ids=[f"{each}!" for each in found.users.ids]))

    with kept_inputs():
        monkeypatch.setattr(spec, "load_inputs", others)
        with Run.open("cut", write=True) as cut, pytest.raises(StoreError, match="users_sha256"):
            runner.resume(cut)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "linUCB"}, "no policy 'linUCB': choose among random"),
        ({"n_users": 100_000}, r"n_users=100000: there are \d+ users"),
        ({"shaping": "none"}, "no shaping 'none': choose among identity"),
        ({"policy": "oracle", "mind": "replay"}, "."),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        runner.start("gym", "one", config_of(**options))


def test_the_world_is_registered() -> None:
    assert world_of("gym") is WORLD
