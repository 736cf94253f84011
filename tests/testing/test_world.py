"""`check_world` passes the feed and names the rule that a broken world breaks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recgpt.simulate.world import WORLDS
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.spec import WORLD
from recgpt.simulate.worlds.feed.world import Feed
from recgpt.testing import ContractError, check_world


@pytest.fixture
def config(feed_folder: Path) -> FeedConfig:
    return FeedConfig(
        dataset=str(feed_folder),
        model=str(feed_folder / "model"),
        recommender="popularity",
        agents=12,
        pages=3,
        memory="generative_agents",
    )


def broken(change: Callable[[Feed, pl.DataFrame], pl.DataFrame]) -> Any:
    """The feed, whose events pass through `change`."""

    class Broken(Feed):
        def play(self) -> pl.DataFrame:
            return change(self, super().play())

    def make_world(*arguments: Any) -> Feed:
        world = WORLD.make_world(*arguments)
        world.__class__ = Broken
        return world

    return replace(WORLD, make_world=make_world)


def test_feed_keeps_the_rules(config: FeedConfig) -> None:
    check_world(WORLD, config)
    assert WORLDS["feed"] == "recgpt.simulate.worlds.feed.spec:WORLD"


def draw_globally(feed: Feed, rows: pl.DataFrame) -> pl.DataFrame:
    np.random.random()
    return rows


def count_calls(feed: Feed, rows: pl.DataFrame) -> pl.DataFrame:
    feed.calls = getattr(feed, "calls", 0) + 1
    return rows.with_columns(value=pl.lit(float(feed.calls)))


def change_state(feed: Feed, rows: pl.DataFrame) -> pl.DataFrame:
    feed.state.n_liked_A += 1
    return rows


def new_kind(feed: Feed, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(kind=pl.lit("danced"))


def time_back(feed: Feed, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(time=pl.lit(100 - feed.step, pl.Int64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (draw_globally, "a draw was made outside"),
        (count_calls, "playing it twice gives different events"),
        (change_state, "the state before and after play differ in 'n_liked_A'"),
        (new_kind, "unknown kind of event 'danced'"),
        (time_back, "the time goes back"),
    ],
)
def test_broken_rule_is_named(config: FeedConfig, change: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_world(broken(change), config)


def test_view_with_an_array_is_no_plain_json(config: FeedConfig) -> None:
    with pytest.raises(ContractError, match="the view is no plain JSON"):
        check_world(replace(WORLD, view=lambda run, step: {"agents": np.arange(3)}), config)
