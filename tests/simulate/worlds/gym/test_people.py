"""Generated people, their files, and users by name: shares, determinism, columns, round trips, published files."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from recgpt.errors import DataError, SimulationError
from recgpt.simulate.worlds.gym import people_words as words
from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.domains.books import KINDS as BOOK_KINDS
from recgpt.simulate.worlds.gym.domains.movies import KINDS as MOVIE_KINDS
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.people import draw_people, titles_by_tag, users_of
from recgpt.simulate.worlds.gym.people_shares import named_shares, shares_of
from recgpt.simulate.worlds.gym.user_files import levels_path, read_users, write_users

PUBLISHED = {
    "users_movies.csv": MOVIE_KINDS["sampled_genres"],
    "users_movies_basic.csv": MOVIE_KINDS["basic"],
    "users_movies_detailed.csv": MOVIE_KINDS["detailed"],
    "users_books.csv": BOOK_KINDS["detailed"],
}


@pytest.fixture(scope="module")
def films() -> Items:
    return domain_of("movies").load_items(None)


@pytest.fixture
def no_published_folder(monkeypatch):
    monkeypatch.delenv("RECGPT_EMOSIM", raising=False)


@pytest.mark.parametrize("kind", [MOVIE_KINDS["sampled_genres"], BOOK_KINDS["sampled"]])
def test_shares_of_20_000_people_are_the_published_ones(kind):
    n = 20_000
    shares = shares_of(draw_people(n, kind.tastes, seed=3), kind.tastes)
    for what in ("age", "gender", "activity", "conformity", "diversity"):
        found = [share for share in shares if share.fact == what]
        observed, expected = [share.share * n for share in found], [share.target * n for share in found]
        assert sum(expected) == pytest.approx(n)
        assert stats.chisquare(observed, expected).pvalue > 0.001, what
    for share in shares:
        error = np.sqrt(share.target * (1 - share.target) / n)
        assert abs(share.share - share.target) < 4 * error, share


def test_shares_of_named_tags_sum_to_the_expected_number_of_names():
    chances = {"a": 0.9, "b": 0.5, "c": 0.5}
    # With at most one name, somebody has one unless nothing is liked: 1 - .1 * .5 * .5.
    assert sum(named_shares(chances, 1).values()) == pytest.approx(1 - 0.1 * 0.25)
    assert named_shares(chances, 3) == pytest.approx(chances)


def test_first_people_are_the_same_however_many_there_are():
    tastes = MOVIE_KINDS["sampled_genres"].tastes
    assert draw_people(30, tastes, seed=5)[:7] == draw_people(7, tastes, seed=5)
    assert draw_people(7, tastes, seed=6) != draw_people(7, tastes, seed=5)


def test_occupations_follow_from_ages():
    people = draw_people(500, MOVIE_KINDS["basic"].tastes, seed=0)
    assert {person.age for person in people} <= set(range(4, 75)) - {14}
    for person in people:
        if person.age < 16:
            assert person.job == "schoolchild"
        elif person.age < 25:
            assert person.job in ("student", "apprentice")
        assert (person.job == "retired") == (person.age > 60)


def test_a_description_is_a_predicate_that_tells_what_was_drawn(films):
    tastes = MOVIE_KINDS["sampled_genres"].tastes
    people = draw_people(300, tastes, seed=0, titles=titles_by_tag(films))
    for person in people:
        assert person.description[0].islower()
        assert person.description.endswith(".")
        assert "{" not in person.description
        for named in (*person.liked, *person.disliked, *person.favourites, person.hobby):
            assert named in person.description
        assert not set(person.liked) & set(person.disliked)
    with_favourites = np.mean([bool(person.favourites) for person in people])
    assert 0.4 < with_favourites < 0.6
    assert len({person.description for person in people}) == len(people)


def test_no_description_contradicts_itself():
    tags = {tag for kinds in (MOVIE_KINDS, BOOK_KINDS) for kind in kinds.values() for tag in kind.tastes.likes}
    assert not set(words.CHARACTERS) & set(words.MORE_CHARACTERS)
    for reason in words.REASONS:
        assert not [tag for tag in tags if tag in reason], reason
    assert not {"suspense", "laughs", "adventure"} & set(" ".join(words.REASONS).split())


@pytest.mark.parametrize(("kinds", "name"), [(MOVIE_KINDS, each) for each in MOVIE_KINDS] + [(BOOK_KINDS, "detailed")])
def test_a_written_file_is_read_as_the_same_users(tmp_path, kinds, name):
    people = draw_people(40, kinds[name].tastes, seed=1)
    write_users(people, kinds[name].tastes, tmp_path / "people.csv")
    read, drawn = read_users(tmp_path / "people.csv"), users_of(people)
    for column in ("names", "descriptions", "jobs", "hobbies", "liked", "disliked", "ids"):
        assert getattr(read, column) == getattr(drawn, column)
    for column in ("gender_U", "age_U", "activity_U", "conformity_U", "diversity_U"):
        np.testing.assert_array_equal(getattr(read, column), getattr(drawn, column))


def test_names_of_all_alphabets_and_quotes_survive_a_round_trip(tmp_path):
    kind = MOVIE_KINDS["detailed"]
    person = replace(
        draw_people(1, kind.tastes, seed=0)[0],
        name='Beyoncé "B" O’Brien, 李雷',
        description="a reader of\nmany lines, 'quotes' and \"more\"",
        liked=("children's films", 'so-called "art"', "a, b"),
    )
    write_users([person], kind.tastes, tmp_path / "people.csv")
    users = read_users(tmp_path / "people.csv")
    assert users.names == [person.name]
    assert users.descriptions == [person.description]
    assert users.liked == [("children's films", 'so-called "art"', "a, b")]


def test_personas_may_be_given_in_a_column_of_their_own(tmp_path):
    (tmp_path / "p.csv").write_text(
        "name,gender,description,age,job,hobby,tags_liked,tags_disliked,persona\n"
        "Ada,F,a fan of horror,30,cook,chess,['horror'],[],lover\nBo,M,a plain man,40,cook,chess,[],[],\n"
    )
    assert read_users(tmp_path / "p.csv").persona == ["lover", ""]


def test_traits_without_a_file_are_drawn_and_the_same_each_time(tmp_path):
    write_users(draw_people(50, BOOK_KINDS["sampled"].tastes, seed=9), BOOK_KINDS["sampled"].tastes, tmp_path / "p.csv")
    levels_path(tmp_path / "p.csv").unlink()
    first, second = read_users(tmp_path / "p.csv"), read_users(tmp_path / "p.csv")
    np.testing.assert_array_equal(first.activity_U, second.activity_U)
    assert set(first.activity_U) == {1, 2, 3}
    assert "drawn" in first.made_from


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"gender": "X"}, "row 2: gender is 'X': choose among M, F"),
        ({"age": "old"}, "row 2: age is 'old': a whole number from 0 to 200"),
        ({"age": "201"}, "row 2: age is '201'"),
        ({"name": " "}, "row 2: name is empty"),
    ],
)
def test_a_wrong_value_is_named_with_its_row(tmp_path, row, message):
    right = {"name": "A B", "gender": "F", "description": "a cook", "age": "30", "job": "cook", "hobby": "chess"}
    path = tmp_path / "people.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, right)
        writer.writeheader()
        writer.writerows([right, {**right, **row}])
    with pytest.raises(DataError, match=message):
        read_users(path)


def test_files_that_are_no_users_are_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "header.csv").write_text("name,gender,description,age,job,hobby\n")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    for name, message in (
        ("missing", "does not exist"),
        ("empty", "is no CSV file"),
        ("other", "has no column 'name'"),
        ("header", "holds no users"),
        ("binary", "is no CSV file|has no column"),
    ):
        with pytest.raises(DataError, match=message):
            read_users(tmp_path / f"{name}.csv")
    people = draw_people(3, BOOK_KINDS["sampled"].tastes, seed=0)
    write_users(people, BOOK_KINDS["sampled"].tastes, tmp_path / "people.csv")
    levels_path(tmp_path / "people.csv").write_text("user,activity_level,conformity_level,diversity_level\n0,1,2,3\n")
    with pytest.raises(DataError, match=r"has 1 rows and people.csv 3"):
        read_users(tmp_path / "people.csv")


@pytest.mark.parametrize("name", ["movies", "books"])
def test_every_named_user_data_set_has_600_users(no_published_folder, name):
    domain = domain_of(name)
    items = domain.load_items(None)
    for kind in domain.user_datasets:
        users = domain.load_users(kind, items)
        assert len(users) == 600
        assert set(users.persona) == {""}
        assert users.features(items.tag_names).shape == (600, 5 + len(items.tag_names))
        if kind != "basic":
            # Stated tastes are tags of the made-up catalogue.
            assert (np.abs(users.tag_signs(items.tag_names)).sum(axis=1) > 0).mean() > 0.95


def test_users_of_the_data_set_have_its_histories_ratings_and_tastes(films):
    users = domain_of("movies").load_users("dataset", films)
    known = films.dataset
    assert len(users) == known.n_users
    np.testing.assert_array_equal(users.histories.values, known.interactions.item)
    assert users.ratings.min() >= 1
    assert users.ratings.max() <= 10
    signs_UG = users.tag_signs(films.tag_names)
    user_R = np.repeat(np.arange(len(users)), users.histories.lengths)
    has_tag_NG = np.array([[tag in tags for tag in films.tag_names] for tags in films.tags])
    sign_R = (signs_UG[user_R] * has_tag_NG[users.histories.values]).sum(axis=1)
    assert users.ratings[sign_R > 0].mean() > users.ratings[sign_R < 0].mean() + 1
    assert set(users.activity_U) == set(users.conformity_U) == {1, 2, 3}


def test_unknown_users_are_refused_with_the_known_names(films):
    message = "no users 'nobody': choose among detailed, basic, sampled_genres, dataset"
    with pytest.raises(SimulationError, match=message):
        domain_of("movies").load_users("nobody", films)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_are_read_whole_and_have_the_columns_of_ours(shared, name):
    path = shared / "data/simulate/emosim" / name
    users = read_users(path)
    assert len(users) == 600
    assert all(text[0].islower() or not text[0].isalpha() for text in users.descriptions) or name != "users_movies.csv"
    with path.open(newline="", encoding="utf-8") as file:
        assert tuple(next(csv.reader(file))) == PUBLISHED[name].tastes.columns


def test_published_users_are_those_of_the_domain_where_the_folder_has_them(shared, monkeypatch, films):
    folder = str(shared / "data/simulate/emosim")
    monkeypatch.setenv("RECGPT_EMOSIM", folder)
    users = domain_of("movies").load_users("basic", films)
    assert {"Juan Pérez", "Tomás Rodríguez"} <= set(users.names)
    books = domain_of("books")
    users = books.load_users("detailed", books.load_items(folder))
    assert users.conformity_U[:3].tolist() == [2, 3, 3]
    assert users.activity_U[:3].tolist() == [2, 2, 3]
    assert all(len(liked) <= 4 and liked for liked in users.liked)
