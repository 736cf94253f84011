"""Scripted mind of the gym: rates alike in any batch, by construction for personas, and as people do."""

import json
from dataclasses import replace

import numpy as np
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError, SimulationError
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.simulate.worlds.gym.draws import episode_keys
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import KnownTastes, Questions
from recgpt.simulate.worlds.gym.minds.fitting.compare import Summary
from recgpt.simulate.worlds.gym.minds.fitting.pasts import Rated, users_of, with_averages
from recgpt.simulate.worlds.gym.minds.parameters import Parameters
from recgpt.simulate.worlds.gym.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

FILMS, BOOKS = Scale(1, 10), Scale(1, 5)
TAGS = ("action", "comedy", "drama", "horror")


def domain(scale, name="movies"):
    """Domain that loads nothing."""
    return Domain(
        name=name,
        item_word="film",
        item_words="films",
        scale=scale,
        liked_from=8,
        load_items=None,
        load_users=None,
        user_datasets=(),
        default_users="",
        default_retrieval="none",
        default_rater="",
        likeness=(),
        raters={},
        package="",
    )


def made_items(scale, n=300, seed=0, series=0):
    """Items with random texts; item i has the tag i modulo 4, and the first `series` form one series."""
    rng = np.random.default_rng(seed)
    tag_N = np.arange(n) % 4
    unit_NE = rng.normal(size=(n, 48)) + 2 * rng.normal(size=(4, 48))[tag_N]
    unit_NE /= np.linalg.norm(unit_NE, axis=1, keepdims=True)
    words = [str(row) for row in range(n)]
    return Items(
        ids=words,
        titles=words,
        descriptions=words,
        years=words,
        tags=[(TAGS[tag],) for tag in tag_N],
        people=[()] * n,
        directors=[""] * n,
        average_N=scale.lowest + (scale.highest - scale.lowest) * rng.beta(7, 4, n),
        count_N=rng.integers(1, 500, n),
        unit_NE=unit_NE.astype(np.float32),
        collection=["saga" if row < series else "" for row in range(n)],
        part_N=np.zeros(n, dtype=np.int64),
        dataset=None,
    )


def made_users(n=60, persona="", liked=(), disliked=(), **columns):
    """Users alike but for the draws of their tastes."""
    levels = np.full(n, 2, dtype=np.int8)
    words = [f"user {row}" for row in range(n)]
    users = Users(
        ids=words,
        names=words,
        descriptions=words,
        jobs=words,
        hobbies=words,
        gender_U=np.zeros(n, dtype=np.int8),
        age_U=np.full(n, 30, dtype=np.int16),
        liked=[tuple(liked)] * n,
        disliked=[tuple(disliked)] * n,
        activity_U=levels,
        conformity_U=levels,
        diversity_U=levels,
        persona=[persona] * n,
        histories=Ragged.from_lists([[]] * n),
        ratings=np.zeros(0),
    )
    return replace(users, **columns)


def asked(user_E, item_E, seed=0, step=1, recalled=None, ratings=None):
    """Questions of single episodes."""
    user_E, item_E = np.asarray(user_E), np.asarray(item_E)
    none_E1 = np.full((len(user_E), 1), -1)
    steps_E = np.full(len(user_E), step)
    return Questions(
        user_E=user_E,
        item_E=item_E,
        step_E=steps_E,
        times_met_E=np.ones_like(user_E),
        key_E=episode_keys(np.full(len(user_E), seed), np.zeros(len(user_E)), user_E),
        recalled_items_Ek=none_E1 if recalled is None else recalled,
        recalled_ratings_Ek=np.full(none_E1.shape, np.nan) if ratings is None else ratings,
    )


def pairs(n_users, n_items):
    """All pairs of users and items."""
    return np.repeat(np.arange(n_users), n_items), np.tile(np.arange(n_items), n_users)


def mind_of(scale=FILMS, users=None, items=None, seed=0, parameters=None):
    """Mind for made-up users and items."""
    name = "movies" if scale is FILMS else "books"
    return ScriptedMind(
        domain(scale, name), items or made_items(scale), users or made_users(), seed, parameters=parameters
    )


def random_questions(mind_items, n=500, k=3, seed=1):
    """Questions with recalled items, some of them empty."""
    rng = np.random.default_rng(seed)
    recalled = rng.integers(-1, mind_items, (n, k))
    ratings = np.where(recalled >= 0, rng.integers(1, 11, (n, k)), np.nan).astype(float)
    return asked(
        rng.integers(0, 60, n),
        rng.integers(0, mind_items, n),
        step=int(rng.integers(1, 9)),
        recalled=recalled,
        ratings=ratings,
    )


def test_a_rating_does_not_depend_on_the_other_questions():
    mind, questions = mind_of(items=made_items(FILMS, series=40)), random_questions(300)
    together = mind.rate(questions).rating_E
    alone = [mind.rate(questions.rows(slice(row, row + 1))).rating_E[0] for row in range(len(questions))]
    assert together.tolist() == alone
    shuffled = np.random.default_rng(2).permutation(len(questions))
    assert mind.rate(questions.rows(shuffled)).rating_E.tolist() == together[shuffled].tolist()


def test_equal_seeds_give_equal_ratings_and_others_do_not():
    questions = random_questions(300)
    first = mind_of(seed=3).rate(questions).rating_E
    assert first.tolist() == mind_of(seed=3).rate(questions).rating_E.tolist()
    assert (first != mind_of(seed=4).rate(questions).rating_E).any()
    later = replace(questions, step_E=questions.step_E + 1)
    assert (first != mind_of(seed=3).rate(later).rating_E).any()


@pytest.mark.parametrize("scale", [FILMS, BOOKS, Scale(0, 5, 0.5), Scale(1, 7)])
def test_ratings_are_on_the_scale_and_use_most_of_it(scale):
    rating_E = mind_of(scale, items=made_items(scale)).rate(asked(*pairs(60, 300))).rating_E
    assert set(rating_E.tolist()) <= set(scale.values.tolist())
    assert len(set(rating_E.tolist())) >= len(scale.values) - 1


@pytest.mark.parametrize(
    ("scale", "loved", "others"),
    [(FILMS, {8.0, 9.0, 10.0}, {1.0, 2.0, 3.0, 4.0, 5.0}), (BOOKS, {5.0}, {1.0, 2.0, 3.0})],
)
def test_personas_rate_by_construction(scale, loved, others):
    user_E, item_E = pairs(6, 300)
    items = made_items(scale)

    def ratings(persona, liked=()):
        mind = mind_of(scale, made_users(6, persona, liked), items)
        expected = mind.expected(user_E, item_E)
        assert np.allclose(mind.expected_all(np.arange(6)).ravel(), expected)
        return mind.rate(asked(user_E, item_E)).rating_E, expected

    assert {scale.highest} == set(ratings("always_high")[0]) == set(ratings("always_high")[1])
    assert {scale.lowest} == set(ratings("always_low")[0]) == set(ratings("always_low")[1])
    given, expected = ratings("lover", ("horror", "no such tag"))
    likes_E = item_E % 4 == 3
    assert set(given[likes_E]) == loved
    assert set(given[~likes_E]) == others
    assert np.allclose(expected[likes_E], np.mean(list(loved)))
    assert np.allclose(expected[~likes_E], np.mean(list(others)))


def test_personas_beside_other_users():
    users = replace(made_users(4), persona=["", "always_low", "lover", ""], liked=[(), (), ("action",), ()])
    plain_mind, mind = mind_of(users=made_users(4)), mind_of(users=users)
    questions = asked(*pairs(4, 300))
    plain, mixed = plain_mind.rate(questions).rating_E, mind.rate(questions).rating_E
    ordinary = np.isin(questions.user_E, [0, 3])
    assert plain[ordinary].tolist() == mixed[ordinary].tolist()
    assert (mixed[questions.user_E == 1] == 1).all()
    with pytest.raises(SimulationError, match="always_high, always_low, lover"):
        mind_of(users=made_users(2, persona="grumpy"))


def test_liked_tags_raise_ratings_and_disliked_ones_lower_them():
    def mean_of_horror(**tags):
        mind = mind_of(users=made_users(60, **tags))
        user_E, item_E = pairs(60, 300)
        horror_E = item_E % 4 == 3
        return mind.rate(asked(user_E[horror_E], item_E[horror_E])).rating_E.mean()

    disliked, neutral, liked = mean_of_horror(disliked=["horror"]), mean_of_horror(), mean_of_horror(liked=["horror"])
    assert disliked + 0.5 < neutral < liked - 0.5


def test_conformity_says_how_far_averages_are_followed():
    items = made_items(FILMS, n=1000)

    def slope(level):
        levels = np.full(60, level, dtype=np.int8)
        mind = mind_of(users=made_users(60, conformity_U=levels), items=items)
        return np.polyfit(items.average_N, mind.expected_all(np.arange(60)).mean(axis=0), 1)[0]

    assert slope(1) > slope(2) + 0.2 > slope(3) + 0.4


def test_expected_ratings_are_the_means_of_ratings_and_the_same_for_all_items():
    mind = mind_of()
    assert isinstance(mind, KnownTastes)
    user_R, item_R = pairs(60, 300)
    expected = mind.expected(user_R, item_R)
    assert mind.expected_all(np.arange(60)).ravel().tolist() == expected.astype(np.float32).tolist()
    assert mind.expected_all(np.array([7])).tolist() == mind.expected_all(np.arange(60))[7:8].tolist()
    drawn = np.stack([mind.rate(asked(user_R, item_R, seed=seed)).rating_E for seed in range(40)])
    assert np.corrcoef(expected, drawn.mean(axis=0))[0, 1] > 0.95
    assert abs(expected.mean() - drawn.mean()) < 0.02


def test_memories_pull_ratings():
    mind = mind_of(items=made_items(FILMS, series=3))
    users = np.arange(60)

    def mean_after(rating, recalled_item):
        recalled = np.full((60, 1), recalled_item)
        questions = [
            asked(users, np.zeros(60, dtype=int), step=step, recalled=recalled, ratings=np.full((60, 1), rating, float))
            for step in range(40)
        ]
        return np.mean([mind.rate(each).rating_E.mean() for each in questions])

    in_series, similar = [mean_after(10, 1) - mean_after(1, 1), mean_after(10, 4) - mean_after(1, 4)]
    assert in_series > similar > 0.1


def test_memories_can_be_left_out():
    items, questions = made_items(FILMS, series=3), random_questions(300)
    forgetful = ScriptedMind(domain(FILMS), items, made_users(), 0, uses_memory=False).rate(questions).rating_E
    empty = replace(questions, recalled_items_Ek=np.full_like(questions.recalled_items_Ek, -1))
    assert forgetful.tolist() == mind_of(items=items).rate(empty).rating_E.tolist()
    assert (forgetful != mind_of(items=items).rate(questions).rating_E).any()


def test_a_past_makes_a_taste():
    items = made_items(FILMS)
    horror = [row for row in range(300) if row % 4 == 3]
    action = [row for row in range(300) if row % 4 == 0]
    past = [horror[:40] + action[:40]] * 60
    ratings = np.tile(np.repeat([10.0, 3.0], 40), 60)
    mind = mind_of(users=made_users(60, histories=Ragged.from_lists(past), ratings=ratings), items=items)
    rates = [mind.rate(asked(*pairs_of(60, chosen[40:]))).rating_E.mean() for chosen in (horror, action)]
    assert rates[0] > rates[1] + 1.5


def pairs_of(n_users, items):
    """All pairs of users and some items."""
    return np.repeat(np.arange(n_users), len(items)), np.tile(items, n_users)


@pytest.mark.parametrize("name", ["movies", "books"])
def test_shipped_parameters(name):
    parameters = Parameters.load(name)
    assert len(parameters.thresholds) == {"movies": 9, "books": 4}[name]
    assert (np.diff(parameters.thresholds_on(Scale(0, 20))) > 0).all()
    assert Parameters.load("recipes") == Parameters.load("movies")


def test_damaged_parameters_are_refused(tmp_path):
    (tmp_path / "p.json").write_text('{"thresholds": [1]}')
    with pytest.raises(DataError, match=r"p\.json is no parameters file: average"):
        Parameters.load(path=tmp_path / "p.json")


def test_the_stored_calibration_meets_its_targets(repo):
    report = json.loads((repo / "benchmarks/results/gym/calibration.json").read_text(encoding="utf-8"))
    rows, people = report["films"]["held_out"]["rows"], report["films"]["people"]
    assert rows["scripted"]["total_variation"] <= 0.10
    for row in (rows["scripted"], people["as_watched"]):
        assert all(abs(ratio - 1) <= 0.10 for ratio in row["ratios"].values())
    assert report["books"]["total_variation"] <= 0.10
    for name in ("films", "books"):
        written = Parameters.load("movies" if name == "films" else name)
        assert report[name]["parameters"] == json.loads(written.model_dump_json(exclude={"report"}))


def test_shipped_parameters_rate_as_people_do(shared):
    folder = shared / "data" / "simulate" / "movielens_small"
    films = domain_of("movies").load_items(str(folder))
    events = Dataset.load(folder, repeats="drop").interactions
    offsets = np.concatenate([[0], np.cumsum(np.bincount(events.user))])
    rated = Rated(events.item.astype(np.int64), FILMS.project(events.rating * 2.0), offsets)
    past, later = rated.halves()
    mind = ScriptedMind(domain_of("movies"), with_averages(films, past), users_of(past), seed=1)
    rating_R = mind.rate(asked(later.user_R, later.item_R)).rating_E
    real = Summary.of(later.user_R, later.item_R, later.rating_R, FILMS)
    own = Summary.of(later.user_R, later.item_R, rating_R, FILMS).against(real)
    assert own["total_variation"] <= 0.10
    assert abs(own["mean"] - real.mean) < 0.15
    assert all(0.9 < own["ratios"][name] < 1.1 for name in ("deviation", "between_users", "between_items"))
    assert np.corrcoef(mind.expected(later.user_R, later.item_R), later.rating_R)[0, 1] > 0.4
