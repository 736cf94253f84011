"""A made-up domain and minds without models, for tests that must not depend on the domains of films and books."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import DOMAINS, Domain, Likeness
from recgpt.simulate.worlds.gym.draws import uniform
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import Mind, Questions, Ratings
from recgpt.simulate.worlds.gym.registry import check_rules
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

TAGS = ("comedy", "drama", "war")


class HashMind:
    """Rates by a hash of episode, step and item, and a little by what is recalled."""

    name = "hash"

    def __init__(self, scale: Scale, share_failed: float = 0.0) -> None:
        self.scale, self.share_failed = scale, share_failed

    def rate(self, questions: Questions) -> Ratings:
        at_E = questions.step_E * 1_000_003 + questions.item_E
        recalled_E = np.nan_to_num(questions.recalled_ratings_Ek).sum(axis=1)
        span = self.scale.highest - self.scale.lowest
        rating_E = self.scale.lowest + span * uniform(questions.key_E, at_E, "rate") + 0.1 * recalled_E
        failed_E = uniform(questions.key_E, at_E, "fail") < self.share_failed
        return Ratings(np.where(failed_E, np.nan, self.scale.project(rating_E)))

    def estimate(self, n_questions: int) -> CostEstimate | None:
        return None


class ReplyMind:
    """Gives the ratings of a list, one a call."""

    name = "replies"

    def __init__(self, ratings: list[float]) -> None:
        self.ratings, self.n_calls = list(ratings), 0

    def rate(self, questions: Questions) -> Ratings:
        self.n_calls += 1
        return Ratings(np.full(len(questions), self.ratings.pop(0)))

    def estimate(self, n_questions: int) -> CostEstimate | None:
        return None


def toy_items(n_items: int = 20, width: int = 8, seed: int = 0) -> Items:
    rng = np.random.default_rng(seed)
    unit_NE = rng.normal(size=(n_items, width))
    names = [f"Film {number}" for number in range(n_items)]
    events = pl.DataFrame(
        {"user_id": [0, 0, 1], "item_id": [0, 1, 1], "position": [0, 1, 0], "rating": [3.0, 8.0, 9.0]}
    )
    return Items(
        ids=[str(1000 + number) for number in range(n_items)],
        titles=names,
        descriptions=[f"About film {number}." for number in range(n_items)],
        years=["1999"] * n_items,
        tags=[tuple(TAGS[place] for place in range(3) if number >> place & 1) for number in range(n_items)],
        people=[(f"Person {number % 5}",) for number in range(n_items)],
        directors=["" if number % 3 else f"Director {number % 4}" for number in range(n_items)],
        average_N=rng.uniform(4, 8, n_items),
        count_N=rng.integers(1, 50, n_items),
        unit_NE=(unit_NE / np.linalg.norm(unit_NE, axis=1, keepdims=True)).astype(np.float32),
        collection=[""] * n_items,
        part_N=np.zeros(n_items, dtype=np.int64),
        dataset=Dataset.from_frames("toy", events, pl.DataFrame({"item_id": range(n_items), "title": names})),
        made_from="toy",
    )


def toy_users(n_users: int = 600) -> Users:
    rng = np.random.default_rng(1)
    texts = [f"a person with the number {number}" for number in range(n_users)]
    levels_3U = rng.integers(1, 4, (3, n_users)).astype(np.int8)
    return Users(
        ids=[str(number) for number in range(n_users)],
        names=[f"User {number}" for number in range(n_users)],
        descriptions=texts,
        jobs=["baker"] * n_users,
        hobbies=["chess"] * n_users,
        gender_U=(np.arange(n_users) % 2).astype(np.int8),
        age_U=rng.integers(4, 75, n_users).astype(np.int16),
        liked=[(TAGS[number % 3],) for number in range(n_users)],
        disliked=[()] * n_users,
        activity_U=levels_3U[0],
        conformity_U=levels_3U[1],
        diversity_U=levels_3U[2],
        persona=[""] * n_users,
        histories=Ragged.from_lists([[] for _ in range(n_users)]),
        ratings=np.empty(0),
        made_from="toy",
    )


def toy_domain(n_items: int = 20, n_users: int = 600, scale: Scale | None = None) -> Domain:
    return Domain(
        name="toy",
        item_word="film",
        item_words="films",
        scale=scale or Scale(1, 10),
        liked_from=8,
        load_items=lambda folder: toy_items(n_items),
        load_users=lambda name, items: toy_users(n_users),
        user_datasets=("toy",),
        default_users="toy",
        default_retrieval="last_3",
        default_rater="plain",
        likeness=(
            Likeness("tags", "dice"),
            Likeness("people", "dice"),
            Likeness("average_N", "vote", 10),
            Likeness("directors", "equal"),
        ),
        raters={"plain": None},
        package="",
    )


MakeInputs = Callable[..., Inputs]


@pytest.fixture
def make_inputs(monkeypatch: pytest.MonkeyPatch) -> MakeInputs:
    """Makes inputs of the made-up domain; its sizes come first, the rules as keywords."""

    def make(n_items: int = 20, n_users: int = 600, scale: Scale | None = None, **rules: object) -> Inputs:
        domain = toy_domain(n_items, n_users, scale)
        monkeypatch.setitem(DOMAINS, "toy", domain)
        checked = check_rules(GymRules(domain="toy", **rules))
        items = domain.load_items(None)
        return Inputs(checked, domain, items, domain.load_users("toy", items))

    return make


@pytest.fixture
def make_engine(make_inputs: MakeInputs) -> Callable[..., Engine]:
    """Makes an engine with the mind `HashMind`, or another."""

    def make(
        n_envs: int = 1, mind: Mind | None = None, users_in_order: bool = False, **sizes_and_rules: object
    ) -> Engine:
        inputs = make_inputs(**sizes_and_rules)
        return Engine(inputs, mind or HashMind(inputs.domain.scale), n_envs, users_in_order=users_in_order)

    return make


@pytest.fixture
def hash_mind() -> type[HashMind]:
    """Class of the mind that rates by a hash."""
    return HashMind


@pytest.fixture
def reply_mind() -> type[ReplyMind]:
    """Class of the mind that gives the ratings of a list."""
    return ReplyMind
