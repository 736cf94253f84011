"""The watch of the gym: figures follow the log; cards show emotions, items and terms of the reward of one user."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.watch import AgentCard, Frame, Panel
from recgpt.simulate.worlds.gym.artifacts import stored_items, stored_users
from recgpt.simulate.worlds.gym.config import GymConfig
from recgpt.simulate.worlds.gym.spec import kept_inputs
from recgpt.simulate.worlds.gym.watch import DISPLEASED, LEFT, NEUTRAL, PLEASED, WAITING, GymWatch
from recgpt.testing.world import check_watch

N_USERS, STEPS = 12, 5
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


@pytest.fixture
def run(runs: Path) -> Iterator[Run]:
    """Users who leave, ratings that are perturbed."""
    with runner.start("gym", "seen", GymConfig(policy="random", n_users=N_USERS, steps=STEPS, **HARD)) as made:
        yield made


def read(run: Run) -> tuple[GymWatch, list[Frame]]:
    watch = GymWatch(run)
    return watch, [watch.start(), *(watch.add(rows) for rows in run.iter_steps())]


def panel(card: AgentCard, title: str) -> Panel:
    return next(each for each in card["panels"] if each["title"].startswith(title))


def test_log_lines_hold_titles_and_no_json(run: Run) -> None:
    watch, frames = read(run)
    titles = stored_items(run)["title"]
    line = watch.log(len(frames) - 1, kind="recalled", limit=1)[0]
    assert "{" not in line["text"]
    assert any(f"“{title}”" in line["text"] for title in titles)


def test_figures_of_a_step_follow_from_its_events(run: Run) -> None:
    watch, frames = read(run)
    assert {figure["name"] for figure in watch.about()["figures"]} == set(frames[1]["values"])
    for step in range(1, run.n_steps + 1):
        ratings, values = run.events(step, kind="rated")["value"].to_numpy(), frames[step]["values"]
        assert values["rating"] == pytest.approx(ratings.mean(), abs=1e-6)
        assert values["pleasant"] == pytest.approx((ratings >= 7).mean(), abs=1e-6)
        assert values["unpleasant"] == pytest.approx((ratings <= 4).mean(), abs=1e-6)
    assert frames[1]["values"]["satisfaction"] == frames[1]["values"]["rating"]
    assert frames[0]["values"]["rating"] is None and frames[0]["values"]["active"] == N_USERS


def test_last_figures_are_those_of_the_run(run: Run) -> None:
    watch, frames = read(run)
    values, metrics = frames[-1]["values"], run.metrics
    assert values["coverage"] == pytest.approx(metrics["metrics"]["coverage"]["mean"], abs=1e-6)
    assert values["gini"] == pytest.approx(metrics["metrics"]["gini"]["mean"], abs=1e-6)
    assert values["distance"] == pytest.approx(metrics["ratings"]["total_variation"], abs=1e-6)
    panels = {each["title"]: each for each in watch.moment(run.n_steps)["panels"]}
    assert dict(panels["Episodes that ended, by reason"]["rows"]) == metrics["left"]
    assert dict(panels["So far"]["rows"])["mean return of a user"] == pytest.approx(
        metrics["metrics"]["return"]["mean"], abs=1e-6
    )


def test_activity_in_frames_and_on_cards_is_the_same(run: Run) -> None:
    watch, frames = read(run)
    assert set(frames[0]["activity"]) == {WAITING}
    seen = {code for frame in frames for code in frame["activity"]}
    assert LEFT in seen and seen & {PLEASED, NEUTRAL, DISPLEASED}
    for frame in frames:
        cards = [watch.agent(frame["step"], agent)["event"]["activity"] for agent in range(N_USERS)]
        assert cards == frame["activity"]


def test_card_shows_items_emotions_and_terms_of_the_reward(run: Run) -> None:
    watch, _ = read(run)
    changed = run.events(kind="unperturbed").row(0, named=True)
    agent, step = changed["agent"], changed["step"]
    card = watch.agent(step, agent)
    rated = run.events(step, kind="rated").filter(pl.col("agent") == agent).row(0, named=True)
    items = panel(card, "Items")["rows"]
    assert [row[0] for row in items] == list(range(step, 0, -1))
    assert items[0][1] == stored_items(run)["title"][rated["item"]] and items[0][4] == rated["value"]
    terms = panel(card, "Terms of the reward")["rows"][0]
    assert terms[1] == changed["value"] and terms[3] == rated["value"]
    assert terms[1] + terms[2] == pytest.approx(terms[3]) and terms[3] + terms[4] == pytest.approx(terms[5])
    assert card["name"] == stored_users(run)["names"][agent]
    assert {"likes", "age", "activity"} <= {entry["label"] for entry in card["profile"]}
    emotions = panel(card, "Emotional state by step")["rows"]
    assert emotions[-1][3] == pytest.approx(items[-1][4])  # the average begins at the first rating
    assert np.isfinite([row[3] for row in emotions]).all()


@pytest.mark.parametrize("options", [HARD, {"shaping": "exp_decay_time", "domain": "books", "retrieval": "last_3"}])
def test_live_and_replayed_show_the_same(runs: Path, options: dict[str, Any]) -> None:
    with runner.start("gym", "checked", GymConfig(policy="random", n_users=N_USERS, steps=3, **options)) as run:
        check_watch(run)
