"""The recommender of a town: barriers, pages, observation."""

from datetime import datetime, time

import polars as pl
import pytest

from recgpt.errors import DataError
from recgpt.simulate.worlds.town.block import Block
from recgpt.simulate.worlds.town.config import TownConfig, TownRules
from recgpt.simulate.worlds.town.events import Event, to_rows
from recgpt.simulate.worlds.town.inputs import load_inputs
from recgpt.simulate.worlds.town.minds import make_mind
from recgpt.simulate.worlds.town.out_of_order import OutOfOrder
from recgpt.simulate.worlds.town.recommending import TownRecommender, fitted, is_barrier
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.world import Town
from tests.simulate.worlds.town.items_town import items_setting


@pytest.fixture(scope="module")
def setting() -> Setting:
    return items_setting()


def recommender_of(setting: Setting, name: str = "item_knn", **rules: int) -> TownRecommender:
    assert setting.catalogue is not None
    return TownRecommender(fitted(name, setting.catalogue), setting.catalogue, TownRules(**rules))


def rows_of(*events: Event) -> pl.DataFrame:
    return to_rows(events, step=1, seconds_per_tick=10)


def test_barriers_are_at_the_start_and_once_a_day() -> None:
    rules = TownRules()
    assert [block for block in range(1, 300) if is_barrier(rules, block)] == [1, 25, 169]
    late = TownRules(start_time=datetime(2023, 2, 13, 7), observes_at=time(7, 5))
    assert [block for block in range(1, 300) if is_barrier(late, block)] == [1, 145, 289]


def test_a_page_has_each_kind_in_turn_of_what_is_on_offer(setting: Setting) -> None:
    assert setting.catalogue is not None
    events = recommender_of(setting, page_size=9).offers(1440, day=0)
    in_town = setting.catalogue.programme.in_town(0)
    for agent in range(6):
        page = [event for event in events if event.agent == agent]
        assert [event.slot for event in page] == list(range(9))
        assert [setting.catalogue.kinds[event.item or 0] for event in page] == ["film", "book", "dish"] * 3
        for event in page:
            assert event.item in in_town[setting.catalogue.kinds[event.item or 0]]
    assert len({tuple(event.item for event in events if event.agent == agent) for agent in range(6)}) > 1


def test_the_recommender_observes_at_barriers_only_and_in_the_order_of_time(setting: Setting) -> None:
    assert setting.catalogue is not None
    film, other = setting.catalogue.programme.in_town(0)["film"][:2].tolist()
    adopted = [Event(7000, 1, "adopted", item=film), Event(6900, 2, "adopted", item=other)]
    live = recommender_of(setting)
    before = live.offers(8640, day=1)
    live.collect(rows_of(*adopted))
    assert live.offers(8640, day=1) == before
    live.observe(seconds=86_400)
    after = live.offers(8640, day=1)
    assert film not in [event.item for event in after if event.agent == 1]
    same = recommender_of(setting)
    same.collect(rows_of(*reversed(adopted)))
    same.observe(seconds=86_400)
    assert same.offers(8640, day=1) == after


def test_dishes_are_recommended_again(setting: Setting) -> None:
    assert setting.catalogue is not None
    dishes = setting.catalogue.programme.in_town(1)["dish"]
    live = recommender_of(setting, page_size=100)
    live.collect(rows_of(*(Event(7000, 0, "adopted", item=int(dish)) for dish in dishes)))
    live.observe(seconds=86_400)
    items = {event.item for event in live.offers(8640, day=1) if event.agent == 0}
    assert set(dishes.tolist()) & items


@pytest.mark.parametrize("name", ["random", "popularity", "text_knn"])
def test_any_registered_recommender_ranks(setting: Setting, name: str) -> None:
    assert recommender_of(setting, name).offers(0, day=0)


def test_unknown_recommenders_are_refused(setting: Setting) -> None:
    assert setting.catalogue is not None
    with pytest.raises(DataError, match="unknown recommender 'nope'"):
        fitted("nope", setting.catalogue)


def test_a_town_with_pages_goes_on_from_its_log_and_out_of_order_as_it_would_have() -> None:
    config = TownConfig(
        people=6, recommender="item_knn", start_time=datetime(2023, 2, 13, 11), observes_at=time(14), hours=24, seed=2
    )
    inputs = load_inputs(config)

    def town() -> Town:
        mind = make_mind(config, inputs.setting, config.rules(), seed=2, run=None)
        assert inputs.setting.catalogue is not None
        live = TownRecommender(fitted("item_knn", inputs.setting.catalogue), inputs.setting.catalogue, config.rules())
        return Town(config.rules(), inputs.setting, mind, recommender=live, seed=2)

    whole, kinds = town(), set()
    log = []
    for _ in range(20):
        log.append(whole.play())
        whole.apply(log[-1])
        kinds |= set(log[-1]["kind"])
    assert {"offered", "shown", "wished", "adopted", "rated"} <= kinds
    resumed = town()
    for rows in log[:15]:
        resumed.apply(rows)
    for rows in log[15:]:  # the barrier at 14:00 is in block 19
        assert resumed.play().equals(rows)
        again = OutOfOrder(Block(resumed.state, resumed.mind, (), resumed.offers()), n_workers=4).play()
        assert to_rows(again, step=resumed.step + 1, seconds_per_tick=10).equals(rows)
        resumed.apply(rows)
    assert "offered" in set(log[18]["kind"])
