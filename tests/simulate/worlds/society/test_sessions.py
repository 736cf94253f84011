"""Sessions of a played society: at most five actions, nothing shown twice, the busy never act."""

import polars as pl
import pytest

from recgpt.simulate import runner
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.spec import WORLD
from recgpt.testing.world import check_world

SCHEDULE = (
    {"kind": "broadcast", "round": 1, "item": 3, "text": "Everybody talks about it."},
    {"kind": "post", "round": 1, "item": 2, "agents": [0]},
    {"kind": "profile", "round": 2, "agents": [1], "values": {"interest": "drama"}},
    {"kind": "tie", "round": 2, "source": 0, "target": 5},
    {"kind": "rewire", "round": 2, "n": 1, "n_random": 3},
    {"kind": "random_items", "round": 1, "every": 1, "n": 2},
    {"kind": "advert", "round": 2, "item": 4},
    {"kind": "recommender", "round": 3, "name": "item_knn"},
    {"kind": "survey", "round": 3, "item": 3, "question": "How much do you like it?"},
    {"kind": "interview", "round": 3, "question": "How are you?", "n_random": 2},
    {"kind": "moderation", "round": 3, "author": 0},
)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))


def config(**changes):
    return SocietyConfig(**{"agents": 60, "rounds": 8, "recommender": "popularity", **changes})


@pytest.mark.parametrize("changes", [{}, {"watches": 3}, {"page_size": 7}, {"interval": "1h"}])
@pytest.mark.parametrize("schedule", [(), SCHEDULE[5:6]])
def test_a_session_keeps_to_its_rules(runs, changes, schedule):
    settings = config(schedule=schedule, **changes)
    with runner.start("society", "one", settings) as run:
        events = pl.concat(run.iter_steps())
    shown = events.filter(pl.col("kind") == "shown")
    assert shown["value"].max() <= settings.max_actions
    not_searched = shown.filter(pl.col("place") != int(Source.SEARCH))
    assert not_searched.select("agent", "item").is_duplicated().sum() == 0
    watched = events.filter(pl.col("kind") == "watched")
    assert watched.group_by("agent", "step").len()["len"].max() <= settings.watches


def test_the_society_keeps_to_the_protocol_of_worlds_with_every_kind_of_schedule():
    check_world(WORLD, config(agents=20, rounds=3, schedule=SCHEDULE, retrain_every=2))
