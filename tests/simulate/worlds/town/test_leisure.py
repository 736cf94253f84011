"""Scripted decisions about films, books and dishes."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.life import Adoption, Life, Relation, Source, Wish
from recgpt.simulate.worlds.town.minds import leisure
from recgpt.simulate.worlds.town.setting import Setting
from tests.simulate.worlds.town.items_town import items_lives, items_scene, items_setting

HOUR = 360  # ticks


@pytest.fixture(scope="module")
def setting() -> Setting:
    return items_setting()


def films(setting: Setting) -> list[int]:
    assert setting.catalogue is not None
    return [item for item in range(len(setting.catalogue)) if setting.catalogue.kinds[item] == "film"]


def test_residents_wish_for_what_fits_their_taste(setting: Setting) -> None:
    assert setting.catalogue is not None
    items = films(setting)
    wished, shown = [], []
    for tick in range(200):
        page = items[tick : tick + 10]
        now = items_scene(setting, 0, tick=24 * HOUR * tick)
        odds = leisure.log_odds(now, page)
        chosen = leisure.browse(now, page)
        assert {each.source for each in chosen} <= {Source.PAGE}
        wished += [odds[page.index(each.item)] for each in chosen]
        shown += odds.tolist()
    assert 0.05 < len(wished) / len(shown) < 0.4
    assert np.mean(wished) > np.mean(shown) + 0.5


def test_a_decision_is_a_function_of_its_items_scene(setting: Setting) -> None:
    items = films(setting)[:10]
    assert leisure.browse(items_scene(setting, 1), items) == leisure.browse(items_scene(setting, 1), items)
    assert leisure.choose(items_scene(setting, 1), 0, items) == leisure.choose(items_scene(setting, 1), 0, items)


def test_wishes_and_company_decide_at_a_venue(setting: Setting) -> None:
    items = films(setting)[:6]
    wanted = items[4]

    def share(of: list[Life], near: tuple[int, ...] = ()) -> float:
        found = [leisure.choose(items_scene(setting, 0, of, tick, near=near), 0, items) for tick in range(6000, 6300)]
        return float(np.mean([each is not None and each.item == wanted for each in found]))

    alone, wishing, together = items_lives(), items_lives(), items_lives()
    wishing[0].wishes[wanted] = Wish(Source.FRIEND, 5, 5900)
    together[0].relations[1] = Relation("friend", 1.0, 0.8)
    together[1].adopted[wanted] = Adoption(Source.PAGE, -1, 5990)
    assert share(wishing) > share(alone) + 0.1
    assert share(together, near=(1,)) > share(together) + 0.05


def test_the_first_source_stays_with_the_choice(setting: Setting) -> None:
    items = films(setting)[:1]
    own = items_lives()
    own[0].wishes[items[0]] = Wish(Source.FRIEND, 5, 100)
    found = [leisure.choose(items_scene(setting, 0, own, tick), 0, items) for tick in range(100, 140)]
    assert {(each.source, each.other) for each in found if each} == {(Source.FRIEND, 5)}
    found = [leisure.choose(items_scene(setting, 0, None, tick), 0, items) for tick in range(100, 300)]
    assert {(each.source, each.other) for each in found if each} == {(Source.PASSING_BY, -1)}


def test_films_are_seen_once_and_dishes_eaten_again(setting: Setting) -> None:
    assert setting.catalogue is not None
    film, dish = films(setting)[0], setting.catalogue.kinds.index("dish")
    own = items_lives()
    own[0].adopted = {item: Adoption(Source.PAGE, -1, 0, 5.0) for item in (film, dish)}
    assert all(leisure.choose(items_scene(setting, 0, own, tick), 0, [film]) is None for tick in range(6000, 6050))
    assert any(leisure.choose(items_scene(setting, 0, own, tick), 0, [dish]) for tick in range(6000, 6050))


def test_stars_follow_taste_and_have_words(setting: Setting) -> None:
    assert setting.catalogue is not None
    items = films(setting)
    odds = leisure.log_odds(items_scene(setting, 0), items)
    best, worst = (np.argsort(odds)[part] for part in (slice(-60, None), slice(60)))
    stars = [[leisure.rate(items_scene(setting, 0), items[place]).stars for place in part] for part in (best, worst)]
    assert np.mean(stars[0]) > np.mean(stars[1]) + 0.3
    given = leisure.rate(items_scene(setting, 0), items[0])
    assert given.review in leisure.REVIEWS[given.stars]


def test_recommendations_of_friends_persuade_more_than_of_strangers(setting: Setting) -> None:
    items = films(setting)[:200]
    of = items_lives()
    of[0].relations[1] = Relation("friend", 1.0, 0.9)
    now = items_scene(setting, 0, of)
    friend, stranger, warned = (
        np.mean([leisure.persuaded(now, teller, item, opinion) for item in items])
        for teller, opinion in ((1, 1.0), (2, 1.0), (1, -1.0))
    )
    assert friend > stranger + 0.1
    assert warned == 0


def test_opinions_heard_change_what_fits(setting: Setting) -> None:
    item = films(setting)[0]
    praised, warned = items_lives(), items_lives()
    for each, opinion in ((praised, 1.0), (warned, -1.0)):
        each[0].relations[1] = Relation("friend", 1.0, 0.9)
        each[0].heard[item] = ((1, opinion),)
    odds = [leisure.log_odds(items_scene(setting, 0, of), [item])[0] for of in (praised, items_lives(), warned)]
    assert odds[0] > odds[1] > odds[2]


def test_feelings_about_similar_items_change_what_fits(setting: Setting) -> None:
    assert setting.catalogue is not None
    seen = films(setting)[0]
    unit_NE = setting.catalogue.facts.unit_NE
    similar = int(np.argsort(-(unit_NE @ unit_NE[seen]))[1])
    liked, hated = items_lives(), items_lives()
    liked[0].adopted[seen] = Adoption(Source.PAGE, -1, 0, 5.0)
    hated[0].adopted[seen] = Adoption(Source.PAGE, -1, 0, 1.0)
    odds = [leisure.log_odds(items_scene(setting, 0, of), [similar])[0] for of in (liked, hated)]
    assert odds[0] > odds[1]


def test_strong_opinions_are_mentioned_once_and_not_without_word_of_mouth(setting: Setting) -> None:
    liked, dull = films(setting)[:2]
    of = items_lives()
    of[0].adopted = {liked: Adoption(Source.PAGE, -1, 6000, 5.0), dull: Adoption(Source.PAGE, -1, 6000, 3.0)}

    def told(of: list[Life], **more: Any) -> Counter[tuple[int, float]]:
        pairs = [
            (items_scene(setting, 0, of, tick, **more), items_scene(setting, 1, of, tick)) for tick in range(6400, 6500)
        ]
        return Counter((each.item, each.opinion) for pair in pairs for each in leisure.mentions(*pair))

    assert set(told(of)) == {(liked, 1.0)}
    assert 30 < told(of)[liked, 1.0] < 80
    assert not told(of, rules=TownRules(word_of_mouth=False))
    of[1].heard[liked] = ((0, 1.0),)
    assert not told(of)


def test_own_search_and_windows_are_rare_and_have_their_source(setting: Setting) -> None:
    assert setting.catalogue is not None
    searched = [leisure.search(items_scene(setting, 0, tick=tick)) for tick in range(400)]
    assert 0.01 < np.mean([each is not None for each in searched]) < 0.3
    assert {each.source for each in searched if each} == {Source.SEARCH}
    cinema = setting.catalogue.programme.venues[0]
    stock = setting.catalogue.programme.stock(cinema, 0)
    noticed = [each for tick in range(400) for each in leisure.noticed(items_scene(setting, 0, tick=tick), stock)]
    assert 0.005 < len(noticed) / 400 < 0.3
    assert {each.source for each in noticed} == {Source.PASSING_BY}


def test_wishes_attract_to_venues_and_money_keeps_away(setting: Setting) -> None:
    assert setting.catalogue is not None
    on_show = setting.catalogue.programme.stock(setting.catalogue.programme.venues[0], 0)[0]
    wishing, spent = items_lives(), items_lives()
    wishing[0].wishes[on_show] = Wish(Source.PAGE, -1, 0)
    spent[0].adopted = {item: Adoption(Source.PAGE, -1, 6000) for item in films(setting)[:2]}
    plain = leisure.wants(items_scene(setting, 0))
    assert set(plain) == {"cinema", "bookshop", "cafe", "bar"}
    assert leisure.wants(items_scene(setting, 0, wishing))["cinema"] > 2 * plain["cinema"]
    assert leisure.wants(items_scene(setting, 0, spent))["bookshop"] < plain["bookshop"]
    assert leisure.wants(items_scene(Setting(setting.map, setting.people), 0)) == {}
