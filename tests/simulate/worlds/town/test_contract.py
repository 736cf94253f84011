"""The town keeps the rules of all worlds: log, states, concurrency, kills, metrics, view and watch."""

from datetime import datetime

from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.spec import WORLD
from recgpt.testing import check_world


def test_town_keeps_the_contract_of_worlds():
    check_world(
        WORLD, TownConfig(hours=1, people=4, start_time=datetime(2023, 2, 13, 12), recommender="popularity", seed=3)
    )
