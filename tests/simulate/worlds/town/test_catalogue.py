"""The catalogue of a town: kinds, pasts, tastes, and the programme of its venues."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.errors import DataError
from recgpt.recommenders import make
from recgpt.simulate.worlds.town.catalogue import TownCatalogue, load_catalogue
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.programme import COPIES, KINDS, Programme
from recgpt.simulate.worlds.town.tastes import TAKEN
from tests.simulate.worlds.town.items_town import items_map, items_people


@pytest.fixture(scope="module")
def catalogue() -> TownCatalogue:
    return load_catalogue(TownConfig(seed=1), items_people(), items_map())


def test_one_catalogue_has_films_books_and_dishes(catalogue: TownCatalogue) -> None:
    assert {kind: catalogue.kinds.count(kind) for kind in KINDS} == {"film": 400, "book": 400, "dish": 36}
    assert catalogue.known is not None
    assert catalogue.known.n_items == len(catalogue)
    assert len(set(catalogue.known.items["item_id"])) == len(catalogue)


def test_residents_have_a_past_of_each_kind_that_follows_their_interests(catalogue: TownCatalogue) -> None:
    tags = catalogue.facts.items["categories"].to_list()
    of_fantasy, others = [], []
    for agent, history in enumerate(catalogue.population.histories):
        kinds = [catalogue.kinds[item] for item in history.tolist()]
        assert {kind: kinds.count(kind) for kind in KINDS} == TAKEN
        share = np.mean(["fantasy" in tags[item] for item in history.tolist() if catalogue.kinds[item] != "dish"])
        (of_fantasy if agent % 3 == 0 else others).append(share)
    assert np.mean(of_fantasy) > np.mean(others) + 0.2


def test_a_recommender_is_fitted_on_residents_too(catalogue: TownCatalogue) -> None:
    assert catalogue.known is not None
    users = catalogue.population.user_A
    for user, history in zip(users.tolist(), catalogue.population.histories, strict=True):
        assert catalogue.known.sequences[user].tolist() == history.tolist()
    recommender = make("item_knn").fit(catalogue.known)
    ranking = recommender.rank([history.tolist() for history in catalogue.population.histories], 5)
    assert (ranking.ids >= 0).all()


def test_seed_decides_pasts_and_programme() -> None:
    one, same, other = (load_catalogue(TownConfig(seed=seed), items_people(), items_map()) for seed in (1, 1, 2))
    assert one.population.histories.values.tolist() == same.population.histories.values.tolist()
    assert one.population.histories.values.tolist() != other.population.histories.values.tolist()
    bookshop = one.programme.venues[1]
    assert one.programme.stock(bookshop, 0) == same.programme.stock(bookshop, 0)
    assert one.programme.stock(bookshop, 0) != other.programme.stock(bookshop, 0)


def test_pasts_do_not_depend_on_the_number_of_residents(catalogue: TownCatalogue) -> None:
    fewer = load_catalogue(TownConfig(seed=1), items_people(2), items_map())
    assert fewer.population.histories[1].tolist() == catalogue.population.histories[1].tolist()


def test_programme_changes_by_week_and_day(catalogue: TownCatalogue) -> None:
    cinema, bookshop, cafe, bar = catalogue.programme.venues
    stock = catalogue.programme.stock
    for venue in (cinema, bookshop):
        assert stock(venue, 0) == stock(venue, 6) != stock(venue, 7)
    assert stock(cafe, 0) != stock(cafe, 1)
    assert stock(cafe, 0) != stock(bar, 0)
    for venue, kind in ((cinema, "film"), (bookshop, "book"), (cafe, "dish")):
        assert {catalogue.kinds[item] for item in stock(venue, 3)} == {kind}
        assert set(stock(venue, 3)) <= set(catalogue.programme.in_town(3)[kind].tolist())


def test_a_show_is_entered_shortly_before_and_after_its_beginning(catalogue: TownCatalogue) -> None:
    programme = catalogue.programme
    cinema = programme.venues[0]
    shows = programme.shows(cinema, 0)
    assert [show.starts for show in shows] == list(range(12 * 60, 22 * 60 + 1, 20))
    assert {show.capacity for show in shows} == {6}  # a sixth of 40: six films are on at a time
    starts = [show.starts for show in programme.on_offer(cinema, 0, 19 * 60 + 5)]
    assert starts == [19 * 60, 19 * 60 + 20]
    assert not programme.on_offer(cinema, 0, 8 * 60)
    item = programme.on_offer(cinema, 0, 19 * 60 + 5)[0].item
    assert programme.period(cinema, item, 0, 19 * 60 + 5) == 19 * 60
    assert programme.period(cinema, item, 0, 8 * 60) == -1


def test_a_night_cinema_shows_past_midnight() -> None:
    town_map = items_map()
    night = replace(town_map.places[0], hours=(20 * 60, 3 * 60))
    night_map = replace(town_map, places=(night, *town_map.places[1:]))
    programme = load_catalogue(TownConfig(seed=1), items_people(), night_map).programme
    assert [show.starts for show in programme.on_offer(programme.venues[0], 1, 0)] == [24 * 60, 24 * 60 + 20]


def test_books_have_few_copies(catalogue: TownCatalogue) -> None:
    bookshop = catalogue.programme.venues[1]
    assert {offer.capacity for offer in catalogue.programme.on_offer(bookshop, 2, 600)} == {COPIES}


def test_programme_of_a_town_without_venues_is_empty(catalogue: TownCatalogue) -> None:
    programme = Programme.of(replace(items_map(), places=()), catalogue.facts, 0)
    assert all(not len(items) for items in programme.in_town(0).values())


@pytest.mark.parametrize("kind", ["film", "book"])
def test_a_data_set_gives_one_kind(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    pl.DataFrame(
        {"item_id": [7, 8, 9], "title": ["One", "Two", "Three"], "categories": ["crime", "crime", "war"]}
    ).write_parquet(folder / "items.parquet")
    events = pl.DataFrame({"user_id": [1, 1, 2, 2], "item_id": [7, 8, 8, 9], "position": [0, 1, 0, 1]})
    events.write_parquet(folder / "interactions.parquet")
    config = TownConfig(seed=1, dataset=str(folder), dataset_kind=kind)
    found = load_catalogue(config, items_people(), items_map())
    of_kind = [title for title, each in zip(found.titles, found.kinds, strict=True) if each == kind]
    assert of_kind == ["One", "Two", "Three"]
    assert found.kinds.count("dish") == 36
    assert found.known is not None
    assert found.known.interactions.rating is not None
    assert found.known.interactions.timestamp is None  # the data set has no times


def test_a_folder_without_items_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no catalogue: name a data set folder"):
        load_catalogue(TownConfig(dataset=str(tmp_path)), items_people(), items_map())


def test_artifacts_are_whole(catalogue: TownCatalogue) -> None:
    files = catalogue.artifacts()
    assert set(files) == {"population.parquet", "items.parquet", "facts.npz", "offers.json"}
    assert json.loads(files["offers.json"]) == {"seed": 1}
