"""Satisfaction follows the stars: of the scripted mind, of people in the fit, and in the measures."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Interactions
from recgpt.simulate.runner import start
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.measures import Tally
from recgpt.simulate.worlds.feed.minds.base import Pages
from recgpt.simulate.worlds.feed.minds.fitting.visits import (
    fit_satisfaction,
    halves,
    means_by_stars,
    parts,
    visit_correlation,
)
from recgpt.simulate.worlds.feed.minds.parameters import Parameters
from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind, interview_scores
from recgpt.simulate.worlds.feed.world import Setting

FITTED = Parameters.load()
NONE_REACHED, ALL_REACHED = (100.0, 101.0, 102.0, 103.0), (-103.0, -102.0, -101.0, -100.0)


def share_pleased(setting: Setting, thresholds: tuple[float, ...]) -> tuple[float, int]:
    """Share of pages with a watched item that please where all stars are equal, and the number of these pages."""
    rating = FITTED.rating.model_copy(update={"thresholds": thresholds})
    parameters = FITTED.model_copy(update={"rating": rating})
    mind = ScriptedMind(setting.population, setting.facts, seed=0, parameters=parameters, uses_memory=False)
    agents = np.arange(len(setting.population))
    pleased = []
    for step in range(1, 61):
        items_AS = np.random.default_rng(step).integers(0, len(setting.facts), (len(agents), 4))
        none = [np.zeros(len(agents), dtype=np.int64)] * 6
        decided = mind.decide(Pages(step, agents, items_AS, np.zeros(items_AS.shape, dtype=bool), None, *none), None)
        has_stars_A = decided.watched_AS.any(axis=1)
        assert not decided.satisfied_A[~has_stars_A].any(), "a page without stars pleases nobody"
        pleased.append(decided.satisfied_A[has_stars_A])
    return float(np.concatenate(pleased).mean()), len(np.concatenate(pleased))


def test_pages_of_five_stars_please_far_more_often_than_pages_of_one_and_at_the_fitted_rate(setting: Setting) -> None:
    model = FITTED.satisfaction
    five, n_five = share_pleased(setting, ALL_REACHED)
    one, n_one = share_pleased(setting, NONE_REACHED)
    for share, n, stars in ((five, n_five, 5), (one, n_one, 1)):
        fitted = 1 / (1 + np.exp(-(model.three_stars + model.star * (stars - 3))))
        assert share == pytest.approx(fitted, abs=4 * np.sqrt(fitted * (1 - fitted) / n)), stars
    assert five > 0.7 and one < 0.15


STARS = st.lists(st.integers(1, 5), min_size=1, max_size=12)


@given(sum_=st.floats(-30, 30), drawn=st.floats(-40, 40), stars=STARS, more=STARS)
def test_a_higher_mean_of_stars_never_gives_a_lower_score(
    sum_: float, drawn: float, stars: list[int], more: list[int]
) -> None:
    means_A = np.sort([np.mean(stars), np.mean(more)])
    lower, higher = interview_scores(FITTED.interview, np.full(2, sum_), means_A, np.full(2, drawn))
    assert 1 <= lower <= higher <= 10


@pytest.mark.parametrize(
    ("stars", "least", "most"),
    [([5, 5, 5, 4, 5], 6, 10), ([5], 6, 10), ([4, 4, 4], 4, 10), ([3], 1, 10), ([1, 2], 1, 6), ([1, 1, 1], 1, 5)],
)
def test_an_interview_does_not_contradict_the_stars(stars: list[int], least: int, most: int) -> None:
    extremes = np.array([-1e3, 1e3])
    scores = interview_scores(FITTED.interview, extremes, np.full(2, np.mean(stars)), extremes)
    assert scores.tolist() == [least, most]


def test_without_stars_any_score_is_possible() -> None:
    extremes = np.array([-1e3, 1e3])
    assert interview_scores(FITTED.interview, extremes, np.full(2, np.nan), extremes).tolist() == [1, 10]


def test_interviews_of_a_run_do_not_contradict_the_stars_in_its_log(
    runs: object, feed_config: Callable[..., FeedConfig]
) -> None:
    config = feed_config(agents=200, people="synthetic", pages=5, recommender="popularity")
    with start("feed", "one", config) as run, start("feed", "two", config) as again:
        assert run.hash == again.hash
        events, found = run.events(), run.metrics["satisfaction"]
    stars = events.filter(pl.col("kind") == "rated").group_by("agent").agg(stars=pl.col("value").mean())
    said = events.filter(pl.col("kind") == "interviewed").join(stars, on="agent")
    place = 1 + (said["stars"] - 1) * 9 / 4
    assert (said["value"] - place).abs().max() <= FITTED.interview.farthest
    assert found["interview"]["n"] == len(said)
    assert found["interview"]["correlation"] == pytest.approx(np.corrcoef(said["stars"], said["value"])[0, 1], abs=1e-6)
    assert found["interview"]["correlation"] > 0.4
    assert found["page"]["correlation"] > 0.15


def test_page_satisfaction_by_hand(setting: Setting) -> None:
    kinds = {"shown": 0, "aligned": 0, "watched": 0}
    rows = [
        *((agent, kind, item, None) for agent in range(3) for kind in kinds for item in range(2)),
        *((0, "rated", item, stars) for item, stars in ((0, 5.0), (1, 4.0))),
        *((1, "rated", item, stars) for item, stars in ((0, 1.0), (1, 2.0))),
        *((agent, "satisfied", None, value) for agent, value in ((0, 1.0), (1, 0.0), (2, 1.0))),
        *((agent, "interviewed", None, value) for agent, value in ((0, 9.0), (1, 2.0), (2, 5.0))),
    ]
    table = pl.DataFrame(rows, orient="row", schema=["agent", "kind", "item", "value"]).with_columns(
        step=pl.lit(1), slot=pl.col("item"), text=pl.lit(None, dtype=pl.String)
    )
    tally = Tally(3, len(setting.facts))
    tally.add(table, setting.facts)
    found = tally.satisfaction()
    assert found["page"] == {"n": 2, "correlation": 1.0, "by_stars": [None, 0.0, None, None, 1.0]}
    assert found["interview"] == {"n": 2, "correlation": 1.0, "by_stars": [None, 2.0, None, None, 9.0]}


def test_nothing_rated_has_no_correlation(setting: Setting) -> None:
    nothing = {"n": 0, "correlation": None, "by_stars": [None] * 5}
    assert Tally(3, 3).satisfaction() == {"page": nothing, "interview": nothing}


# --- people ---


def made_up(n_users: int = 400, seed: int = 0) -> Interactions:
    """Visits of eight ratings of users who each like what they see more or less."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), 16)
    own = rng.normal(3.2, 0.8, n_users)[users]
    rating = np.clip(np.round(own + rng.normal(0, 0.7, len(users))), 1, 5)
    times = np.tile(np.r_[np.arange(8) * 60, 10_000 + np.arange(8) * 60], n_users)
    return Interactions(users.astype(np.int32), np.zeros(len(users), np.int32), times, rating.astype(np.float32))


def test_a_visit_ends_with_half_an_hour_of_silence_and_with_its_user() -> None:
    users = np.array([0] * 5 + [1] * 4, dtype=np.int32)
    times = np.array([0, 60, 120, 3000, 3060, 3070, 3080, 3090, 3100])
    events = Interactions(users, users, times, np.arange(1, 10, dtype=np.float32))
    users_V, parts_V4 = parts(events, 2, 4)
    assert users_V.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(parts_V4, [[1, 2, 3, np.nan], [4, 5, np.nan, np.nan], [6, 7, 8, 9]])
    without_times = parts(replace(events, timestamp=None), 2, 4)
    np.testing.assert_array_equal(without_times[1], [[1, 2, 3, 4], [6, 7, 8, 9]])


def test_halves_have_every_rating_once() -> None:
    table = np.array([[1.0, 2, 4, 8, 16], [32, 64, np.nan, np.nan, np.nan]])
    first, second = halves(table, seed=3)
    np.testing.assert_allclose(first * [2, 1] + second * [3, 1], [31, 96])


def test_people_who_give_more_stars_are_pleased_more_often() -> None:
    model, report = fit_satisfaction(made_up(), seed=0)
    assert model.star > 1
    assert report["correlation"] > 0.3 and report["log_loss"] < report["log_loss_of_constant"]
    shares = [share for share in report["by_stars"] if share is not None]
    assert shares == sorted(shares)
    again, _ = fit_satisfaction(made_up(), seed=0)
    assert again == model


def test_the_halves_of_visits_agree_as_far_as_users_differ() -> None:
    found = visit_correlation(made_up(4000), seed=0)
    expected = 0.8**2 / (0.8**2 + 0.7**2 / 4)  # halves of four ratings
    assert found["held_out"] == pytest.approx(expected, abs=0.08) == found["fitted"]


def test_means_by_stars() -> None:
    found = means_by_stars(np.array([1.0, 2.5, 2.6, 5.0]), np.array([0, 1, 0, 1]))
    assert found == [0.0, None, 0.5, None, 1.0]


def test_shipped_agents_follow_stars_as_people_do() -> None:
    stars = FITTED.report["stars"]
    page, interview = stars["page"], stars["interview"]
    assert page["simulated"]["correlation"] == pytest.approx(page["people"]["correlation"], abs=0.08)
    assert interview["simulated"]["correlation"] == pytest.approx(interview["people"]["correlation"], abs=0.05)
    for of in (page["simulated"], interview["simulated"]):
        assert of["by_stars"] == sorted(of["by_stars"])
    np.testing.assert_allclose(page["simulated"]["by_stars"][2:], page["people"]["by_stars"][2:], atol=0.1)
