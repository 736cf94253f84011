"""Films and books: made-up catalogues, data set folders, the published folder, tags and lists in strings."""

import time
from collections import Counter
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_array
from recgpt.errors import ConfigError, DataError, SimulationError
from recgpt.recommenders import REGISTRY
from recgpt.simulate.worlds.gym.domain import DOMAINS, Domain, Likeness, domain_of
from recgpt.simulate.worlds.gym.domains import books, movies
from recgpt.simulate.worlds.gym.domains.loading import Source, load_items, on_scale, top_of
from recgpt.simulate.worlds.gym.domains.texts import names_in, tag_of, tags_in, text_vectors
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.raters import general_raters
from recgpt.simulate.worlds.gym.people import Kind, Tastes
from recgpt.simulate.worlds.gym.populations import load_population
from recgpt.simulate.worlds.gym.scale import Scale

GENRES = ("action", "animation", "comedy", "documentary", "fantasy", "romance", "horror", "family")
CATEGORIES = ("fiction", "biography", "economics", "health", "philosophy", "computer", "humor", "drama")


@pytest.fixture(scope="module", params=["movies", "books"])
def made_up(request) -> tuple[str, Items]:
    return request.param, domain_of(request.param).load_items(None)


# --- made-up catalogues ---


def test_made_up_catalogues_have_tags_series_and_texts_for_every_study(made_up):
    name, items = made_up
    tags = GENRES if name == "movies" else CATEGORIES
    counts = Counter(tag for each in items.tags for tag in each)
    assert min(counts[tag] for tag in tags) >= 45
    assert len(items) == 400
    assert all(1 <= len(each) <= 3 for each in items.tags)
    parts = Counter(title for title in items.collection if title)
    assert len(parts) == (22 if name == "movies" else 20)
    assert 3 <= min(parts.values()) <= max(parts.values()) <= 6
    for title in parts:
        rows = [row for row, each in enumerate(items.collection) if each == title]
        assert items.part_N[rows].tolist() == list(range(1, len(rows) + 1))
        assert len({items.people[row] for row in rows}) == 1
        years = [int(items.years[row]) for row in rows]
        assert years == sorted(years)
    for texts in (items.ids, items.titles, items.descriptions):
        assert len(set(texts)) == 400
    assert not any("{" in text for text in (*items.titles, *items.descriptions))
    has_director = np.mean([bool(each) for each in items.directors])
    assert 0.3 < has_director < 0.37 if name == "movies" else has_director == 0


def test_made_up_averages_and_ratings_are_spread_over_the_scale(made_up):
    name, items = made_up
    scale = domain_of(name).scale
    known_N = np.isfinite(items.average_N)
    assert 0.95 < known_N.mean() < 1
    assert not items.count_N[~known_N].any()
    unit = (scale.highest - scale.lowest) / 9
    assert 0.5 * unit < items.average_N[known_N].std() < 1.2 * unit
    ratings = items.dataset.interactions.rating
    assert items.dataset.n_users == 300
    assert set(np.unique(ratings)) <= set(scale.values)
    assert 1.3 * unit < ratings.std() < 2.4 * unit
    per_user = np.diff(items.dataset.offsets)
    assert 20 <= per_user.min() <= per_user.max() <= 40


def test_made_up_texts_are_alike_within_a_series_then_within_a_tag(made_up):
    _, items = made_up
    cosine_NN = items.unit_NE @ items.unit_NE.T
    first = np.array([tags[0] for tags in items.tags])
    series = np.array(items.collection)
    apart = ~np.eye(len(items), dtype=bool)
    in_series = (series[:, None] == series) & (series != "")[:, None] & apart
    same_tag = (first[:, None] == first) & ~in_series & apart
    other = first[:, None] != first
    assert cosine_NN[in_series].mean() > cosine_NN[same_tag].mean() + 0.2 > cosine_NN[other].mean() + 0.4


def test_made_up_catalogues_are_fast_and_the_same_each_time(made_up):
    name, items = made_up
    start = time.process_time()
    again = domain_of(name).load_items(None)
    assert time.process_time() - start < 1
    assert again.titles == items.titles
    assert again.descriptions == items.descriptions
    assert again.dataset.content_sha256 == items.dataset.content_sha256
    np.testing.assert_array_equal(again.unit_NE, items.unit_NE)


def test_the_made_up_past_follows_from_word_lists_alone(made_up):
    # A change here changes every figure and every stored run of a made-up catalogue.
    name, items = made_up
    assert items.dataset.interactions_sha256[:16] == {"movies": "58a0afce76da126a", "books": "4f0ed9e410ee521e"}[name]


def test_the_made_up_past_has_tastes_that_a_recommender_finds(made_up):
    past = made_up[1].dataset
    lengths = np.diff(past.offsets)
    place_R = np.arange(past.n_interactions) - np.repeat(past.offsets[:-1], lengths)
    held_out = [set(sequence[-5:].tolist()) for sequence in past.sequences]
    histories = [sequence[:-5] for sequence in past.sequences]
    known = past.select(place_R < np.repeat(lengths - 5, lengths))
    hits = {}
    for name in ("popularity", "item_knn"):
        ids_Bk = REGISTRY[name]().fit(known).rank(histories, 10).ids
        hits[name] = np.mean([len(held & set(ids.tolist())) for held, ids in zip(held_out, ids_Bk, strict=True)])
    assert hits["item_knn"] > 1.3 * hits["popularity"]


# --- domains ---


def test_domains_have_the_published_constants():
    films, volumes = movies.DOMAIN, books.DOMAIN
    assert set(DOMAINS) >= {"movies", "books"}
    assert (films.scale, films.liked_from, volumes.scale, volumes.liked_from) == (Scale(1, 10), 8, Scale(1, 5), 4)
    for domain in (films, volumes):
        assert len(domain.reference) == len(domain.scale.values)
        assert sum(domain.reference) == pytest.approx(1, abs=2e-4)
        assert domain.default_rater in domain.raters
        assert domain.default_users in domain.user_datasets == tuple(domain.kinds)


def test_reference_distribution_of_films_is_that_of_the_real_ratings(shared):
    table = pl.read_parquet(shared / "data/simulate/emosim/film_ratings.parquet")
    counts_N10 = table.select(f"n_{rating}" for rating in range(1, 11)).to_numpy().astype(float)
    shares_10 = (counts_N10 / counts_N10.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(movies.DOMAIN.reference, shares_10, atol=2e-4)


# --- scales ---


@pytest.mark.parametrize(
    ("ratings", "scale", "expected"),
    [
        ([0.5, 3.5, 5], Scale(1, 10), [1, 7, 10]),
        ([1, 3, 5], Scale(1, 5), [1, 3, 5]),
        ([0.5, 2.5], Scale(1, 5), [1, 2.5]),
        ([1, 5, 10], Scale(1, 5), [1, 2.5, 5]),
        ([0, 1], Scale(1, 10), [1, 10]),
        ([20, 80], Scale(1, 10), [2, 8]),
        ([50, 200], Scale(1, 5), [1.25, 5]),
        ([np.nan, 4], Scale(1, 10), [np.nan, 8]),
    ],
)
def test_the_top_of_a_scale_becomes_the_top_of_the_other(ratings, scale, expected):
    np.testing.assert_allclose(on_scale(np.array(ratings), scale), expected)


@given(st.lists(st.floats(0, 1000, allow_nan=False), min_size=1, max_size=20))
def test_ratings_stay_in_order_and_within_the_scale(ratings):
    moved = on_scale(np.array(ratings), Scale(1, 10))
    assert ((moved >= 1) & (moved <= 10)).all()
    order = np.argsort(ratings, kind="stable")
    assert (np.diff(moved[order]) >= 0).all()
    assert top_of(np.array(ratings)) >= max(ratings)


# --- lists in strings ---

TEXTS = st.text(alphabet="aB \\'\",[]xnu0\n\t\xa0\x85é李\u202e\U0001f600")
NAMES = st.lists(TEXTS.map(str.strip).filter(bool), unique=True)


@given(NAMES)
def test_a_python_list_of_names_is_read_back(names):
    assert names_in(str(names)) == tuple(names)


@given(TEXTS)
def test_any_text_gives_distinct_names_without_an_error(text):
    names = names_in(text)
    assert len(set(names)) == len(names)
    assert all(name == name.strip() and name for name in names)
    assert len(set(tags_in(text))) == len(tags_in(text))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("['Anne Rice']", ("Anne Rice",)),
        ("""['Flann O\\'Brien', "Flannery O'Connor"]""", ("Flann O'Brien", "Flannery O'Connor")),
        ("['Smith, John', 'Doe']", ("Smith, John", "Doe")),
        ("['']", ()),
        ("[]", ()),
        ("", ()),
        (None, ()),
        ("Tom Hanks, Tim Allen", ("Tom Hanks", "Tim Allen")),
        ("['broken, list]", ("'broken", "list")),
        ("__import__('os').system('x')", ("__import__('os').system('x')",)),
    ],
)
def test_lists_in_strings_are_parsed_and_never_evaluated(text, names):
    assert names_in(text) == names


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("(no genres listed)", ()),
        ("Adventure, Animation, Children", ("adventure", "animation", "family")),
        ("Sci-Fi|Action", ("science fiction", "action")),
        ("['Biography', 'Autobiography']", ("biography", "autobiography")),
        ("Books > Fiction > Sea  Stories", ("books", "fiction", "sea stories")),
        ("", ()),
    ],
)
def test_tags_have_one_name_each(text, tags):
    assert tags_in(text) == tags
    assert tag_of("Animated") == tag_of("animation") == "animation"


# --- data set folders ---


def folder_of(path, items: dict, interactions: dict | None = None) -> str:
    table = pl.DataFrame(items)
    events = interactions or {
        "user_id": [1, 1, 2, 2, 2],
        "item_id": [1, 2, 1, 2, 3],
        "position": [0, 1, 0, 1, 2],
        "rating": [0.5, 4.0, 3.5, 5.0, 1.0],
    }
    Dataset.from_frames("small", pl.DataFrame(events), table).save(path / "small")
    return str(path / "small")


FILMS = {
    "item_id": [1, 2, 3],
    "title": ["Alien (1979)", "Godfather, The (1972)", "Heat"],
    "categories": ["Horror, Sci-Fi", "Animation", "(no genres listed)"],
    "description": ["A ship.", "A house.", "A thief."],
}


def test_a_data_set_folder_gives_items_on_the_domain_scale(tmp_path, capsys):
    items = domain_of("movies").load_items(folder_of(tmp_path, FILMS))
    assert items.titles == ["Alien", "The Godfather", "Heat"]
    assert items.years == ["1979", "1972", ""]
    assert items.tags == [("horror", "science fiction"), ("animation",), ()]
    # Known are the first ratings of each user alone: .5 and 3.5 of item 1, 5 of item 2, doubled.
    np.testing.assert_allclose(items.average_N, [4, 10, np.nan])
    assert items.count_N.tolist() == [2, 1, 0]
    assert items.dataset.n_interactions == 3
    assert "compared by shared words" in items.made_from
    assert "no embeddings.npy" in capsys.readouterr().err


def test_own_columns_of_a_catalogue_come_first(tmp_path):
    own = {
        **FILMS,
        "actors": ["['Sigourney Weaver', 'Tom Skerritt', 'John Hurt']", "Ed Asner", ""],
        "director": ["Ridley Scott", None, ""],
        "year": [1979, 2009, None],
        "vote_average": ["8.1", "0.0", None],
        "vote_count": [100, 0, None],
        "collection": ["Alien", "", None],
        "part": [1, None, None],
    }
    items = domain_of("movies").load_items(folder_of(tmp_path, own))
    assert items.people == [("Sigourney Weaver", "Tom Skerritt"), ("Ed Asner",), ()]
    assert items.directors == ["Ridley Scott", "", ""]
    assert items.titles[0] == "Alien (1979)"
    assert items.years == ["1979", "2009", ""]
    np.testing.assert_allclose(items.average_N, [8.1, np.nan, np.nan])
    assert items.count_N.tolist() == [100, 0, 0]
    assert (items.collection, items.part_N.tolist()) == (["Alien", "", ""], [1, 0, 0])


def test_embeddings_of_the_folder_are_used(tmp_path):
    folder = folder_of(tmp_path, FILMS)
    dataset = Dataset.load(folder)
    made_of = {"items_sha256": dataset.items_sha256}
    save_array(dataset.path / "embeddings.npy", np.eye(3, 4, dtype=np.float16) * 2, made_of)
    items = domain_of("movies").load_items(folder)
    np.testing.assert_array_equal(items.unit_NE, np.eye(3, 4))


def test_a_data_set_without_ratings_has_no_averages(tmp_path):
    events = {"user_id": [1, 1], "item_id": [1, 2], "position": [0, 1]}
    items = domain_of("books").load_items(folder_of(tmp_path, FILMS, events))
    assert np.isnan(items.average_N).all()
    users = domain_of("books").load_users("dataset", items)
    assert np.isnan(users.ratings).all()


def test_folders_without_a_catalogue_are_refused(tmp_path):
    films = domain_of("movies")
    with pytest.raises(DataError, match="holds no catalogue: a data set folder with"):
        films.load_items(str(tmp_path))
    pl.DataFrame(FILMS).write_parquet(tmp_path / "items.parquet")
    with pytest.raises(DataError, match=r"interactions.parquet does not exist"):
        films.load_items(str(tmp_path))
    bad = {**FILMS, "vote_average": ["8.1", "high", None]}
    with pytest.raises(DataError, match="vote_average holds 'high'"):
        films.load_items(folder_of(tmp_path, bad))
    with pytest.raises(SimulationError, match="games has no made-up catalogue: name a data set folder with --items"):
        load_items(None, Source("games", Scale(1, 10)))


def test_items_without_any_text_have_a_zero_vector():
    table = pl.DataFrame({"title": ["", "Up", "Up again"], "description": ["", "", ""]})
    unit_NE = text_vectors(table, [(), ("animation",), ("animation",)])
    assert not unit_NE[0].any()
    np.testing.assert_allclose(np.linalg.norm(unit_NE[1:], axis=1), 1, atol=1e-6)


def test_a_third_domain_is_a_few_lines(tmp_path):
    scale = Scale(0, 4, step=0.5)
    kinds = {"cooks": Kind(Tastes({"horror": 0.5, "animation": 0.5}, most=1, items="recipes"))}
    domain = Domain(
        name="recipes",
        item_word="recipe",
        item_words="recipes",
        scale=scale,
        liked_from=3,
        load_items=partial(load_items, source=Source("recipes", scale)),
        load_users=partial(load_population, kinds=kinds, scale=scale, items_word="recipes"),
        user_datasets=tuple(kinds),
        default_users="cooks",
        default_retrieval="last_3",
        default_rater="0Shot_cotlite_our",
        likeness=(Likeness("tags", "dice"),),
        raters=general_raters(0, 4),
        package="recgpt.simulate.worlds.gym.domains",
        kinds=kinds,
    )
    items = domain.load_items(folder_of(tmp_path, FILMS))
    np.testing.assert_allclose(items.average_N, [1.6, 4, np.nan])
    assert len(domain.load_users("cooks", items)) == 600
    users = domain.load_users("dataset", items)
    assert set(users.ratings) <= set(scale.values)


# --- the published folder ---


def test_published_films_and_books_are_read(shared):
    folder = str(shared / "data/simulate/emosim")
    films, volumes = domain_of("movies").load_items(folder), domain_of("books").load_items(folder)
    assert (len(films), len(volumes)) == (264, 395)
    assert films.titles[0] == "The Roundup: No Way Out"
    assert films.tags[0] == ("crime", "action")
    assert films.people[0] == ("Ma Dong-seok", "Lee Jun-hyuk")
    assert films.years[0] == "2023"
    assert np.isnan(films.average_N[1])  # no votes
    assert len({each for each in films.collection if each}) == 22
    assert len({each for each in volumes.collection if each}) == 20
    earthsea = [row for row, each in enumerate(volumes.collection) if "Tehanu" in volumes.titles[row]]
    assert volumes.part_N[earthsea].tolist() == [4]
    assert volumes.people[earthsea[0]] == ("Ursula K. Le Guin",)
    assert volumes.average_N[earthsea[0]] == pytest.approx(4.02)
    assert films.dataset.n_users == volumes.dataset.n_users == 300
    assert min(len(each) for each in volumes.ids) >= 1


def test_movielens_small_is_read_whole(shared, monkeypatch):
    monkeypatch.delenv("RECGPT_EMOSIM", raising=False)
    items = domain_of("movies").load_items(str(shared / "data/simulate/movielens_small"))
    assert len(items) == 9_724
    assert (items.titles[0], items.years[0]) == ("Toy Story", "1995")
    assert items.tags[0] == ("adventure", "animation", "family", "comedy", "fantasy")
    assert "(no genres listed)" not in items.tag_names
    assert 6 < np.nanmean(items.average_N) < 7.5


def test_a_domain_that_a_file_names_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "hostile_domain.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="hostile_domain:DOMAIN stands in a file"):
        domain_of("hostile_domain:DOMAIN")
