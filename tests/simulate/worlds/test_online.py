"""A recommender that is live in a world: what it observes, and another one in its place."""

from typing import Any

import numpy as np
import polars as pl

from recgpt.recommenders.item_knn import ItemKNN
from recgpt.recommenders.popularity import Popularity
from recgpt.simulate.events import EventKind, EventKinds
from recgpt.simulate.worlds.online import LiveRecommender

KINDS = EventKinds(
    EventKind("watched", "watched", item="item"), EventKind("rated", "stars", item="item", value="stars")
)


def a_step(step: int) -> pl.DataFrame:
    agents, items = np.array([0, 3]), np.array([step, 5])
    stars = KINDS.piece("rated", agents[:1], item=items[:1], value=np.array([4.0]))
    return KINDS.assemble(step, [KINDS.piece("watched", agents, item=items), stars], time=step * 60)


def test_another_recommender_is_fitted_on_what_was_known_and_watched(setting: Any) -> None:
    live = LiveRecommender(Popularity().fit(setting.known), setting.known, setting.population)
    for step in (1, 2):
        live.observe(a_step(step), seconds=60 * step)
    swapped = ItemKNN()
    live.replace(swapped)
    assert live.recommender is swapped
    known_now = live.known_now()
    assert known_now.n_interactions == setting.known.n_interactions + 4
    assert known_now.sequences[int(live.user_A[0])].tolist()[-2:] == [1, 2]
    afresh = ItemKNN().fit(known_now)
    histories = [known_now.sequences[int(user)].tolist() for user in live.user_A]
    np.testing.assert_array_equal(live.recommender.rank(histories, 5).ids, afresh.rank(histories, 5).ids)


def test_a_step_without_a_watch_teaches_nothing(setting: Any) -> None:
    live = LiveRecommender(Popularity().fit(setting.known), setting.known, setting.population)
    live.observe(a_step(1).filter(pl.col("kind") == "rated"), seconds=60)
    assert live.known_now().n_interactions == setting.known.n_interactions
