"""Populations: who is drawn, what is known of them, what they say, and that nothing held out is among it."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError, SimulationError
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import (
    Distributions,
    agent4rec,
    from_agent4rec,
    from_dataset,
    known_part,
    synthetic,
    taste_vectors,
)
from recgpt.simulate.agents.traits import traits_of
from recgpt.simulate.items import ItemFacts

N_ITEMS = 24
GENRES = ["Drama", "Comedy", "War", "Horror"]


def dataset_of(n_users=30, *, split=False, ratings=True, categories=True, seed=0) -> Dataset:
    """Users who each like the genre of their number and rate the next one low; items 0, 4, 8, ... are Drama."""
    generator = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        loved = [item for item in range(N_ITEMS) if item % 4 == user % 4]
        loathed = [item for item in range(N_ITEMS) if item % 4 == (user + 1) % 4][:4]
        items = generator.permutation([*loved, *loathed])
        for position, item in enumerate(items.tolist()):
            rating = 5.0 if item % 4 == user % 4 else 1.0
            rows.append((100 + user, item, position, rating, "train" if position % 2 == 0 else "test"))
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "position", "rating", "split"], orient="row")
    events = events.drop([] if split else ["split"]).drop([] if ratings else ["rating"])
    items = {"item_id": range(N_ITEMS), "title": [f"Film {item}" for item in range(N_ITEMS)]}
    if categories:
        items["categories"] = [GENRES[item % 4] for item in range(N_ITEMS)]
    return Dataset.from_frames("films", events, pl.DataFrame(items))


def facts_of(dataset: Dataset, width: int = 8) -> ItemFacts:
    embeddings = np.random.default_rng(7).standard_normal((dataset.n_items, width)).astype(np.float32)
    return ItemFacts.of(known_part(dataset), embeddings)


def same(first: Population, second: Population, n_agents: int | None = None) -> bool:
    """Whether the first agents are the same in everything."""
    count = len(first) if n_agents is None else n_agents
    profiles = all(
        first.profile(agent).model_dump_json() == second.profile(agent).model_dump_json() for agent in range(count)
    )
    histories = all(first.histories[agent].tolist() == second.histories[agent].tolist() for agent in range(count))
    return profiles and histories and np.array_equal(first.taste_AE[:count], second.taste_AE[:count])


# --- what is known ---


def test_the_known_part_is_the_train_split_where_there_is_one():
    dataset = dataset_of(split=True)
    known = known_part(dataset)
    assert (known.split == 0).all() and known.n_interactions == dataset.n_interactions // 2
    assert known.n_items == dataset.n_items


@pytest.mark.parametrize(("length", "n_known"), [(1, 1), (2, 1), (4, 3), (5, 4), (10, 8)])
def test_else_it_is_the_first_four_fifths_of_each_sequence(length, n_known):
    events = pl.DataFrame({"user_id": [3] * length, "item_id": range(length), "position": range(length)})
    items = pl.DataFrame({"item_id": range(12), "title": ["t"] * 12})
    assert known_part(Dataset.from_frames("one", events, items)).sequences[0].tolist() == list(range(n_known))


# --- agents from a data set ---


def test_agents_are_distinct_users_until_all_are_drawn():
    dataset = dataset_of(30)
    facts = facts_of(dataset)
    few = from_dataset(dataset, facts, n_agents=20, seed=1)
    assert len(set(few.user_A.tolist())) == 20
    many = from_dataset(dataset, facts, n_agents=75, seed=1)
    assert sorted(np.bincount(many.user_A).tolist()) == [2] * 15 + [3] * 15
    assert same(few, many, 20)
    assert few.user_A.tolist() != from_dataset(dataset, facts, n_agents=20, seed=2).user_A.tolist()


def test_agents_have_the_known_history_of_their_user_and_nothing_else():
    dataset = dataset_of(split=True)
    population = from_dataset(dataset, facts_of(dataset), n_agents=30, seed=0)
    for agent, user in enumerate(population.user_A):
        assert population.histories[agent].tolist() == dataset.sequences[user][::2].tolist()
    ratings = Ragged(population.ratings, population.histories.offsets)
    assert population.mean_rating_A == pytest.approx([np.mean(of_agent) for of_agent in ratings])
    traits = traits_of(known_part(dataset))
    np.testing.assert_array_equal(population.rating_deviation_A, traits.rating_deviation_U[population.user_A])


def test_what_is_held_out_shapes_nothing():
    dataset = dataset_of(split=True)
    held_out = dataset.split != 0
    events = replace(
        dataset.interactions,
        item=np.where(held_out, 0, dataset.interactions.item),
        rating=np.where(held_out, np.float32(5), dataset.interactions.rating),
    )
    rows = {"user_id": events.user, "item_id": events.item, "rating": events.rating}
    splits = pl.Series("split", ["train", "test"]).gather(held_out.astype(int))
    table = pl.DataFrame(rows).with_columns(splits, position=np.arange(len(events)))
    changed = Dataset.from_frames("films", table, dataset.items)
    first, second = (from_dataset(each, facts_of(each), n_agents=30, seed=0) for each in (dataset, changed))
    assert same(first, second)


def test_users_without_a_known_event_are_not_drawn_and_others_keep_their_numbers():
    events = pl.DataFrame(
        {"user_id": [1, 2, 3], "item_id": [0, 1, 2], "position": [0, 0, 0], "split": ["test", "train", "train"]}
    )
    items = pl.DataFrame({"item_id": range(12), "title": ["t"] * 12, "categories": ["a", "b"] * 6})
    dataset = Dataset.from_frames("gap", events, items)
    population = from_dataset(dataset, facts_of(dataset), n_agents=2, seed=0)
    assert sorted(population.user_A.tolist()) == [1, 2]
    for agent, user in enumerate(population.user_A):
        assert population.histories[agent].tolist() == dataset.sequences[user].tolist()


def test_statements_name_what_was_liked_and_what_was_not():
    dataset = dataset_of()
    facts = facts_of(dataset)
    population = from_dataset(dataset, facts, n_agents=30, seed=0)
    for agent, user in enumerate(population.user_A):
        liked, disliked = GENRES[user % 4], GENRES[(user + 1) % 4]
        first, *rest = population.tastes[agent]
        assert first.startswith(f"I enjoy {liked}, such as Film ")
        assert all(other.startswith(f"I am seldom pleased by {disliked}") for other in rest)
        assert f"for {liked}." in population.high_rating_tendency[agent]
        assert re.match(r"I gave 5 or more in \d+ of 8 ratings", population.high_rating_tendency[agent])
        assert population.low_rating_tendency[agent].startswith("I gave 1 or less in ")


def test_examples_are_known_and_liked():
    dataset = dataset_of(split=True)
    population = from_dataset(dataset, facts_of(dataset), n_agents=30, seed=0)
    for agent in range(30):
        ratings = Ragged(population.ratings, population.histories.offsets)[agent]
        of_film = dict(zip(population.histories[agent].tolist(), ratings, strict=True))
        for taste in population.tastes[agent]:
            for film in re.findall(r"Film (\d+)", taste):
                assert of_film[int(film)] == (1 if "seldom" in taste else 5)


def test_without_ratings_agents_say_what_they_choose():
    dataset = dataset_of(ratings=False)
    population = from_dataset(dataset, facts_of(dataset), n_agents=30, seed=0)
    assert all(tastes[0].startswith("I often choose ") for tastes in population.tastes)
    assert set(population.high_rating_tendency) == {""}
    assert np.isnan(population.mean_rating_A).all() and population.profile(0).mean_rating is None


def test_without_categories_they_name_titles():
    dataset = dataset_of(categories=False)
    population = from_dataset(dataset, facts_of(dataset), n_agents=3, seed=0)
    for agent, user in enumerate(population.user_A):
        (only,) = population.tastes[agent]
        films = [int(number) for number in re.findall(r"Film (\d+)", only)]
        assert only.startswith("I liked ") and all(film % 4 == user % 4 for film in films)


def test_taste_vectors_are_liked_less_disliked():
    unit_NE = np.eye(4, dtype=np.float32)
    histories = Ragged.from_lists([[0, 1, 2], [0, 1], [0, 1, 3], [2, 3], []])
    ratings = np.array([5, 1, 3, 4, 4, np.nan, 5, 3, np.nan, np.nan], dtype=np.float32)
    root = np.sqrt(0.5)
    np.testing.assert_allclose(
        taste_vectors(histories, ratings, unit_NE),
        [[root, -root, 0, 0], [root, root, 0, 0], [0, root, 0, -root], [0, 0, root, root], [0, 0, 0, 0]],
        atol=1e-6,
    )


def test_a_population_comes_back_from_its_file():
    dataset = dataset_of()
    population = from_dataset(dataset, facts_of(dataset), n_agents=10, seed=0)
    assert same(population, Population.from_parquet(population.to_parquet()))


# --- published profiles ---


def test_published_profiles(shared):
    dataset, tables = agent4rec(shared / "data/simulate/agent4rec_ml1m")
    rows = pl.read_parquet(shared / "data/simulate/agent4rec_ml1m/interactions.parquet")
    assert dataset.sequences[17].tolist() == rows.filter(user_id=17)["item_id"].to_list()
    facts = facts_of(dataset, width=16)
    population = from_agent4rec(dataset, tables, facts, n_agents=1000, seed=3)
    assert sorted(population.user_A.tolist()) == list(range(1000))
    for agent in (0, 500, 999):
        profile, user = population.profile(agent), tables["users"].row(int(population.user_A[agent]), named=True)
        assert (profile.activity, profile.diversity, profile.conformity) == (
            user["activity"],
            user["diversity"],
            user["conformity"],
        )
        assert profile.tastes == tuple(user["tastes"])
        assert profile.high_rating_tendency == (user["high_rating_tendency"] or "")
        train = rows.filter(pl.col("user_id") == int(population.user_A[agent]), pl.col("split") == "train")
        assert population.histories[agent].tolist() == train["item_id"].to_list()
    np.testing.assert_allclose(np.linalg.norm(population.taste_AE, axis=1), 1, atol=1e-6)
    assert same(population, Population.from_parquet(population.to_parquet()))


def test_agents_of_real_ratings(shared):
    dataset = Dataset.load(shared / "data/simulate/movielens_small")
    population = from_dataset(dataset, facts_of(dataset, width=16), n_agents=610, seed=0)
    assert len(set(population.user_A.tolist())) == 610
    assert np.bincount(population.activity_A)[1:] / 610 == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
    assert np.bincount(population.conformity_A)[1:] / 610 == pytest.approx([0.25, 0.55, 0.2], abs=0.02)
    assert all(population.tastes)
    assert 3 <= np.mean([len(tastes) for tastes in population.tastes]) <= 7


# --- synthetic agents ---


def test_synthetic_agents_follow_the_stated_shares():
    facts = facts_of(dataset_of())
    shares = Distributions(activity=(0.2, 0.3, 0.5), n_categories=(1, 2, 4), n_history=(0, 3, 6))
    population = synthetic(4000, facts, seed=0, distributions=shares)
    assert np.bincount(population.activity_A)[1:] / 4000 == pytest.approx([0.2, 0.3, 0.5], abs=0.03)
    assert [len(tastes) for tastes in population.tastes] == np.array([1, 2, 4])[population.diversity_A - 1].tolist()
    assert (population.histories.lengths <= np.array([0, 3, 6])[population.activity_A - 1]).all()
    assert population.histories.lengths[population.activity_A == 3].mean() > 4
    assert np.linalg.norm(population.taste_AE, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.isnan(population.rating_deviation_A).all()


def test_synthetic_histories_are_of_the_taste():
    facts = facts_of(dataset_of())
    population = synthetic(200, facts, seed=1, distributions=Distributions(n_history=(4, 4, 4)))
    for agent in range(200):
        named = {genre for genre in GENRES if any(genre in taste for taste in population.tastes[agent])}
        items = population.histories[agent].tolist()
        assert {GENRES[item % 4] for item in items} <= named and len(set(items)) == len(items) > 0


def test_synthetic_agents_do_not_depend_on_how_many_there_are():
    facts = facts_of(dataset_of())
    shares = Distributions(n_history=(1, 2, 5))
    assert same(
        synthetic(7, facts, seed=4, distributions=shares), synthetic(90, facts, seed=4, distributions=shares), 7
    )


def test_synthetic_agents_of_a_catalogue_without_categories_like_items():
    population = synthetic(20, facts_of(dataset_of(categories=False)), seed=0)
    assert all(re.fullmatch(r"I like Film \d+\.", taste) for tastes in population.tastes for taste in tastes)


# --- what there cannot be ---


@pytest.mark.parametrize(
    ("distributions", "message"),
    [
        (Distributions(activity=(0.5, 0.5, 0.5)), r"activity=\(0.5, 0.5, 0.5\): three shares"),
        (Distributions(n_categories=(0, 1, 2)), "n_categories=.* at least 1"),
        (Distributions(n_history=(-1, 1, 2)), "n_history=.* at least 0"),
    ],
)
def test_impossible_distributions(distributions, message):
    with pytest.raises(SimulationError, match=message):
        synthetic(3, facts_of(dataset_of()), seed=0, distributions=distributions)


def test_impossible_populations():
    dataset = dataset_of()
    facts = facts_of(dataset)
    with pytest.raises(SimulationError, match="n_agents=0"):
        from_dataset(dataset, facts, n_agents=0, seed=0)
    with pytest.raises(SimulationError, match="n_agents=0"):
        synthetic(0, facts, seed=0)
    with pytest.raises(SimulationError, match="facts of 23 items for films with 24"):
        from_dataset(dataset, replace(facts, count_N=facts.count_N[1:]), n_agents=1, seed=0)


def test_damaged_folders_of_profiles_say_what_is_missing(shared, tmp_path):
    source = shared / "data/simulate/agent4rec_ml1m"
    with pytest.raises(DataError, match=r"interactions\.parquet does not exist"):
        agent4rec(tmp_path)
    for name in ("interactions", "items", "gpt35_trace", "gpt35_interviews"):
        (tmp_path / f"{name}.parquet").symlink_to(source / f"{name}.parquet")
    with pytest.raises(DataError, match=r"users\.parquet does not exist"):
        agent4rec(tmp_path)
    users = pl.read_parquet(source / "users.parquet")
    users.drop("tastes").write_parquet(tmp_path / "users.parquet")
    with pytest.raises(DataError, match=r"users\.parquet has no column 'tastes'"):
        agent4rec(tmp_path)
    users.head(10).write_parquet(tmp_path / "users.parquet")
    dataset, tables = agent4rec(tmp_path)
    with pytest.raises(DataError, match="no profile of the user"):
        from_agent4rec(dataset, tables, facts_of(dataset), n_agents=1000, seed=0)
