"""Policies: allowed items only, ties by id, no dependence on the batch, and that each does what its name says."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.draws import episode_keys
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.simulate.worlds.gym.policies import POLICIES, make_policy, policy_names
from recgpt.simulate.worlds.gym.policies.base import Setting, Views
from recgpt.simulate.worlds.gym.policies.recommenders import histories_of
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

N_ITEMS, N_USERS, N_FACTORS = 60, 12, 6
RECOMMENDERS = ("item_knn", "text_knn", "hybrid_knn", "popularity_recent", "copy_last")


class Linear:
    """A mind whose ratings are linear in the vectors of items."""

    name = "linear"

    def __init__(self, taste_UE: np.ndarray, items: Items) -> None:
        self.rating_UN = np.clip(items.average_N + 6 * taste_UE @ items.unit_NE.T, 1, 10)

    def rate(self, questions: Questions) -> Ratings:
        return Ratings(self.rating_UN[questions.user_E, questions.item_E])

    def estimate(self, n_questions: int) -> CostEstimate | None:
        return None

    def expected(self, user_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        return self.rating_UN[user_R, item_R]

    def expected_all(self, user_R: np.ndarray) -> np.ndarray:
        return self.rating_UN[user_R].astype(np.float32)


def toy_items() -> Items:
    rng = np.random.default_rng(3)
    unit_NE = rng.normal(size=(N_ITEMS, N_FACTORS))
    unit_NE = (unit_NE / np.linalg.norm(unit_NE, axis=1, keepdims=True)).astype(np.float32)
    item = np.minimum(rng.geometric(0.06, size=400) - 1, N_ITEMS - 1)
    events = pl.DataFrame({"user_id": np.arange(400) % 40, "item_id": item, "position": np.arange(400) // 40})
    events = events.with_columns(
        rating=pl.Series(rng.integers(1, 11, 400).astype(float)), timestamp=pl.Series(range(400))
    )
    table = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"Film {number}" for number in range(N_ITEMS)]})
    none = [""] * N_ITEMS
    return Items(
        ids=[str(number) for number in range(N_ITEMS)],
        titles=table["title"].to_list(),
        descriptions=none,
        years=none,
        tags=[("drama",) if number % 2 else ("comedy",) for number in range(N_ITEMS)],
        people=[()] * N_ITEMS,
        directors=none,
        average_N=np.where(np.arange(N_ITEMS) % 7 == 0, np.nan, 4 + rng.random(N_ITEMS)),
        count_N=np.bincount(item, minlength=N_ITEMS),
        unit_NE=unit_NE,
        collection=none,
        part_N=np.zeros(N_ITEMS, dtype=np.int64),
        dataset=Dataset.from_frames("toy", events, table),
    )


def toy_users(histories: list[list[int]] | None = None, ratings: list[float] | None = None) -> Users:
    none, two = [""] * N_USERS, np.full(N_USERS, 2, dtype=np.int8)
    return Users(
        ids=[str(number) for number in range(N_USERS)],
        names=none,
        descriptions=none,
        jobs=none,
        hobbies=none,
        gender_U=two,
        age_U=two.astype(np.int16),
        liked=[()] * N_USERS,
        disliked=[()] * N_USERS,
        activity_U=two,
        conformity_U=two,
        diversity_U=two,
        persona=none,
        histories=Ragged.from_lists(histories or [[] for _ in range(N_USERS)]),
        ratings=np.array(ratings or []),
    )


def toy_domain() -> Domain:
    return Domain(
        name="toy",
        item_word="film",
        item_words="films",
        scale=Scale(1, 10),
        liked_from=8,
        load_items=lambda folder: toy_items(),
        load_users=lambda name, items: toy_users(),
        user_datasets=("toy",),
        default_users="toy",
        default_retrieval="none",
        default_rater="",
        likeness=(),
        raters={},
        package="",
    )


@pytest.fixture(scope="module")
def setting() -> Setting:
    items = toy_items()
    items = replace(items, average_N=np.where(np.isnan(items.average_N), 4.0, items.average_N))
    taste_UE = np.random.default_rng(5).normal(size=(N_USERS, N_FACTORS)).astype(np.float32) / 2
    return Setting(toy_domain(), items, toy_users(), Linear(taste_UE, items), seed=0)


def views_of(items: np.ndarray, ratings: np.ndarray, *, seed: int = 0, user_E: np.ndarray | None = None) -> Views:
    """Views of episodes of these (E, H) interactions; -1 for none."""
    n_rows = len(items)
    user_E = np.arange(n_rows) % N_USERS if user_E is None else user_E
    allowed_EN = np.ones((n_rows, N_ITEMS), dtype=bool)
    rows, columns = np.nonzero(items >= 0)
    allowed_EN[rows, items[rows, columns]] = False
    return Views(
        user_E=user_E,
        step_E=1 + (items >= 0).sum(axis=1),
        key_E=episode_keys(np.full(n_rows, seed), np.zeros(n_rows), user_E),
        items_EH=items,
        ratings_EH=np.where(items >= 0, ratings, np.nan),
        allowed=lambda: allowed_EN.copy(),
    )


def some_views(n_rows: int, length: int, seed: int = 0) -> Views:
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(N_ITEMS)[:length] for _ in range(n_rows)])
    items = np.where(np.arange(length) < rng.integers(0, length + 1, n_rows)[:, None], items, -1)
    return views_of(items, rng.integers(1, 11, items.shape).astype(float), seed=seed)


def row_of(views: Views, row: int) -> Views:
    """One episode alone, without the padding of the others."""
    n_met = int((views.items_EH[row] >= 0).sum())
    chosen = slice(row, row + 1)
    return replace(
        views,
        **{name: getattr(views, name)[chosen] for name in ("user_E", "step_E", "key_E")},
        items_EH=views.items_EH[chosen, :n_met],
        ratings_EH=views.ratings_EH[chosen, :n_met],
        allowed=lambda: views.allowed()[chosen],
    )


@pytest.mark.parametrize("name", [*POLICIES, *RECOMMENDERS])
def test_a_policy_shows_allowed_items_whoever_else_is_in_the_batch(setting: Setting, name: str) -> None:
    policy, views = make_policy(name, setting), some_views(24, N_ITEMS - 1)
    items = policy.act(views)
    assert views.allowed()[np.arange(24), items].all()
    assert items.tolist() == [int(policy.act(row_of(views, row))[0]) for row in range(24)]
    policy.observe(views, items, np.full(24, np.nan))
    assert policy.act(views).tolist() == items.tolist()
    assert policy.name == name


def play(setting: Setting, name: str, n_steps: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Items and ratings (U, T) of one episode of every user."""
    policy, users = make_policy(name, setting), np.arange(N_USERS)
    items, ratings = np.empty((N_USERS, 0), dtype=np.int64), np.empty((N_USERS, 0))
    for _ in range(n_steps):
        views = views_of(items, ratings, seed=seed)
        chosen = policy.act(views)
        given = setting.mind.expected(users, chosen)
        policy.observe(views, chosen, given)
        items, ratings = np.column_stack([items, chosen]), np.column_stack([ratings, given])
    return items, ratings


def test_bandits_learn_a_users_taste_and_the_oracle_bounds_all(setting: Setting) -> None:
    mean = {name: play(setting, name, 20)[1].mean() for name in POLICIES}
    assert mean["oracle"] == max(mean.values())
    for bandit in ("linucb", "thompson"):
        assert mean[bandit] > mean["average"] + 0.5
        assert mean[bandit] > mean["random"] + 0.5


def test_the_oracle_shows_each_user_the_best_items_in_order(setting: Setting) -> None:
    items, ratings = play(setting, "oracle", 3)
    best = np.argsort(-setting.mind.rating_UN.astype(np.float32), axis=1, kind="stable")[:, :3]
    assert items.tolist() == best.tolist()
    assert (np.diff(ratings, axis=1) <= 0).all()


def test_the_oracle_needs_a_mind_that_knows_its_ratings(setting: Setting) -> None:
    class Blind:
        name = "blind"

    with pytest.raises(SimulationError, match="mind 'blind'"):
        make_policy("oracle", replace(setting, mind=Blind()))


def test_draws_follow_the_episode_key_and_cover_the_catalogue(setting: Setting) -> None:
    none = np.full((2_000, 0), -1)
    views = replace(views_of(none, none * 1.0), key_E=episode_keys(np.arange(2_000), np.zeros(2_000), np.zeros(2_000)))
    items = make_policy("random", setting).act(views)
    assert len(np.unique(items)) == N_ITEMS
    assert make_policy("random", setting).act(views).tolist() == items.tolist()
    first, second = (play(setting, "thompson", 5, seed)[0] for seed in (0, 1))
    assert (first != second).any()


def test_orders_are_those_of_counts_and_averages_with_ties_by_id(setting: Setting) -> None:
    counts = np.bincount(setting.items.dataset.interactions.item, minlength=N_ITEMS)
    assert play(setting, "popularity", 5)[0][0].tolist() == np.argsort(-counts, kind="stable")[:5].tolist()
    once = replace(setting, items=replace(setting.items, average_N=np.full(N_ITEMS, np.nan)))
    assert play(once, "average", 3)[0][0].tolist() == [0, 1, 2]
    rare = setting.items.average_N.copy()
    rare[[40, 41]] = 10, 8
    few = np.full(N_ITEMS, 10)
    few[[40, 41]] = 1, 200  # one enthusiast against many
    shrunk = replace(setting, items=replace(setting.items, average_N=rare, count_N=few))
    assert play(shrunk, "average", 2)[0][0].tolist() == [41, 40]


def test_histories_hold_what_was_liked_before_and_now_or_all_where_nothing_was() -> None:
    users = toy_users([[1, 2, 3], [4], *[[] for _ in range(N_USERS - 2)]], [9.0, 3.0, 8.0, 2.0])
    items = np.array([[10, 11], [12, -1], [13, 14], [-1, -1]])
    ratings = np.array([[7.0, 10.0], [5.0, np.nan], [np.nan, 6.0], [np.nan, np.nan]])
    found = histories_of(np.arange(4), items, ratings, users, liked_from=8)
    assert [each.tolist() for each in found] == [[1, 3, 11], [4, 12], [14], []]


def test_unknown_names_list_the_known_ones(setting: Setting) -> None:
    assert {"random", "oracle", "linucb", "hybrid_knn", "recgpt"} <= set(policy_names())
    with pytest.raises(SimulationError, match=r"no policy 'linUCB': choose among random, .*, thompson, .*recgpt"):
        make_policy("linUCB", setting)
