"""Inputs of a society: catalogues, published CSV files, drawn people and ties, artifacts and fingerprints."""

import time

import numpy as np
import polars as pl
import pytest

from recgpt.errors import DataError, SimulationError, StoreError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.society.artifacts import artifacts_of, stored_setting
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.drawn import drawn_people, drawn_ties
from recgpt.simulate.worlds.society.inputs import load_inputs, load_setting
from recgpt.simulate.worlds.society.people import Feature
from recgpt.simulate.worlds.society.published import connected_sample, read_people, read_ties

USERS = "id,name,gender,age,traits,status,interest,feature\n"
ANN = '0,Ann Lee,female,30,"kind, calm",nurse," sci-fi movies,  comedy movies",Watcher;Critic;\n'
BEN = "1,Ann Lee,male,31,calm,actor,documentaries,Poster\n"
TIES = "user_1,user_2,relationship,closeness\n0,1,friend,0.8\n1,0,friend,0.8\n"
ITEMS = "id,title,genre,description\n0,Star,Sci-Fi|Action,A ship.\n1,Star,Comedy,A joke.\n2,Bees,Documentary,At work.\n"


@pytest.fixture
def folder(tmp_path):
    for name, text in {"item.csv": ITEMS, "people.csv": USERS + ANN + BEN, "ties.csv": TIES}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def config(**settings):
    return SocietyConfig(**{"recommender": "item_knn", "agents": 30, **settings})


def n_reached(ties):
    """Number of agents that are connected to the first one."""
    reached, new = {0}, [0]
    while new:
        agent = new.pop()
        for friend in ties.of(np.array([agent])).values.tolist():
            if friend not in reached:
                reached.add(friend)
                new.append(friend)
    return len(reached)


class Stored:
    """Stand-in for a run with artifacts."""

    path = "run"

    def __init__(self, artifacts):
        self.artifact = artifacts.__getitem__


def test_made_up_society_and_its_artifacts():
    setting = load_setting(config())
    assert len(setting.people) == 30 and setting.friends.n_agents == 30 and len(setting.facts) == 400
    assert np.allclose(np.linalg.norm(setting.people.population.taste_AE, axis=1), 1, atol=1e-5)
    assert np.nanmax(setting.facts.mean_rating_N) <= 5
    artifacts = artifacts_of(setting)
    assert artifacts == artifacts_of(load_setting(config()))
    again = stored_setting(Stored(artifacts))
    assert again.people.profile(7) == setting.people.profile(7)
    assert np.array_equal(again.friends.keys, setting.friends.keys) and again.friends.labels == setting.friends.labels
    assert again.known is None and (again.facts.categories_NC != setting.facts.categories_NC).nnz == 0


def test_published_files_with_their_quirks(folder):
    setting = load_inputs(config(dataset=str(folder), agents=2)).setting
    people = setting.people
    assert people.name == ["Ann Lee", "Ann Lee"] and people.interest[0] == "sci-fi movies, comedy movies"
    assert people.feature_A.tolist() == [Feature.WATCHER | Feature.CRITIC, Feature.POSTER]
    assert setting.friends.has(np.array([0, 1]), np.array([1, 0])).all()
    liked = people.population.taste_AE @ setting.facts.unit_NE.T
    assert liked[0].argmin() == 2 and liked[1].argmax() == 2


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("people.csv", USERS + ANN.replace("30", "old"), "line 2: age='old'"),
        ("people.csv", USERS + ANN.replace("Critic", "Judge"), "no feature 'Judge': choose among Watcher, Explorer"),
        ("people.csv", USERS + ANN.replace("Ann Lee", " "), "line 2: name is empty"),
        ("people.csv", USERS, "no rows"),
        ("ties.csv", TIES + "0,7,friend,1\n", "line 4: user_2='7'"),
        ("ties.csv", TIES + "0,1,friend,2\n", "line 4: closeness='2'"),
        ("ties.csv", TIES + "0,1,friend,nan\n", "line 4: closeness='nan'"),
        ("item.csv", ITEMS + "0,Star,Comedy,Again.\n", "the id 0 occurs twice"),
        ("item.csv", "id,title\n0,Star\n", "no column 'genre'"),
        ("more.csv", USERS + ANN, "name one by users"),
    ],
)
def test_wrong_files_are_named_with_line_and_value(folder, file, text, said):
    (folder / file).write_text(text)
    with pytest.raises(DataError, match=said):
        load_setting(config(dataset=str(folder), agents=1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"agents": 3}, "has 2 people"),
        ({"people": "users"}, "by past"),
        ({"dataset": None, "people": "given"}, "name it by users"),
        ({"people": "drawn", "users": "people.csv"}, "choose people=given"),
    ],
)
def test_people_that_the_data_do_not_have(folder, settings, said):
    with pytest.raises(SimulationError, match=said):
        load_setting(config(**{"dataset": str(folder), **settings}))


def test_fingerprint_changes_with_every_file(folder):
    wanted = config(dataset=str(folder), agents=2)
    before = load_inputs(wanted).fingerprint
    assert load_inputs(wanted).fingerprint == before
    for file in ("item.csv", "people.csv", "ties.csv"):
        text = (folder / file).read_text()
        (folder / file).write_text(text + "\n")
        assert load_inputs(wanted).fingerprint != before, file
        (folder / file).write_text(text)


def test_users_of_a_data_set_with_their_age_and_job(tmp_path):
    events = pl.DataFrame({"user_id": [5, 5, 9, 9], "item_id": [0, 1, 1, 2], "position": [0, 1, 0, 1]})
    events.write_parquet(tmp_path / "interactions.parquet")
    pl.DataFrame(
        {"item_id": [0, 1, 2], "title": ["A", "B", "C"], "categories": ["drama", "comedy", "horror"]}
    ).write_parquet(tmp_path / "items.parquet")
    pl.DataFrame(
        {"user_id": [5, 9], "gender": ["female", "male"], "age": ["18-24", "under 18"], "occupation": ["cook", "pupil"]}
    ).write_parquet(tmp_path / "users.parquet")
    people = load_setting(config(dataset=str(tmp_path), agents=2)).people
    by_job = {people.status[a]: a for a in range(2)}
    assert set(by_job) == {"cook", "pupil"} and people.gender[by_job["cook"]] == "female"
    assert 18 <= people.age_A[by_job["cook"]] <= 24 and 13 <= people.age_A[by_job["pupil"]] <= 17
    assert people.interest[by_job["cook"]] == "drama" and people.interest[by_job["pupil"]] == "comedy"


def test_drawn_ties_are_mutual_and_homophilous():
    rows = drawn_people(3000, [("drama",), ("comedy",), ("horror",)], seed=1)
    ties = drawn_ties(rows, 20.8, seed=1)
    assert abs(ties.degree_A.mean() - 20.8) < 0.1 and ties.degree_A.min() >= 1
    assert ties.degree_A.max() > 2.5 * ties.degree_A.mean()
    assert ties.has(ties.target_R.astype(np.int64), ties.source_R).all()
    first = np.array([text.split(",")[0] for text in rows.interest])
    assert (first[ties.source_R] == first[ties.target_R]).mean() > 1.3 * (first[:, None] == first[None]).mean()
    ages = np.abs(rows.age_A[ties.source_R] - rows.age_A[ties.target_R])
    assert ages.mean() < 0.8 * np.abs(rows.age_A[:, None] - rows.age_A[None]).mean()
    assert set(ties.labels) == {"colleague", "family", "friend"}
    assert drawn_ties(rows, 0, seed=1).degree_A.sum() == 0


def test_drawn_ties_of_few_people():
    rows = drawn_people(4, [("drama",)], seed=0)
    assert drawn_ties(rows, 20, seed=0).degree_A.tolist() == [3, 3, 3, 3]
    assert len(drawn_ties(drawn_people(1, [], seed=0), 20, seed=0)) == 0


@pytest.mark.slow
def test_a_hundred_thousand_people_with_two_million_ties():
    begun = time.perf_counter()
    rows = drawn_people(100_000, [("drama",), ("comedy",), ("horror", "comedy")], seed=0)
    ties = drawn_ties(rows, 20, seed=0)
    assert len(ties) == 2_000_000
    assert time.perf_counter() - begun < 60


def test_published_people_are_drawn_connected(shared):
    folder = shared / "data/simulate/recagent"
    people = read_people(folder / "user_1000.csv")
    ties = read_ties(folder / "relationship_1000.csv", len(people))
    assert len(ties) == 20_846 and (ties.degree_A.min(), ties.degree_A.max()) == (4, 39)
    for n in (10, 100):
        setting = load_setting(config(dataset=str(folder), agents=n))
        assert n_reached(setting.friends) == n
    assert connected_sample(ties, 10, 0).tolist() == connected_sample(ties, 10, 0).tolist()
    assert connected_sample(ties, 10, 0).tolist() != connected_sample(ties, 10, 1).tolist()
    assert len(load_setting(config(dataset=str(folder), agents=1000)).friends) == 20_846


def test_a_recommender_without_a_ranking_for_newcomers_is_refused():
    with pytest.raises(SimulationError, match="text_knn: it ranks nothing for people without a past"):
        load_inputs(config(recommender="text_knn"))


@pytest.mark.parametrize("title", ["Star (1990)", "Moon (1990)"])
def test_past_of_another_data_set_is_refused(folder, tmp_path, title):
    past = tmp_path / "past"
    past.mkdir()
    (folder / "item_links.csv").write_text("id,year,movielens_id,movielens_1m_item\n0,1990,1,7\n1,1990,2,\n")
    events = pl.DataFrame({"user_id": [1, 2], "item_id": [7, 7], "position": [0, 0], "rating": [4.0, 2.0]})
    events.write_parquet(past / "interactions.parquet")
    pl.DataFrame({"item_id": [7], "title": [title]}).write_parquet(past / "items.parquet")
    wanted = config(dataset=str(folder), agents=2, past=str(past))
    if title.startswith("Star"):
        assert load_setting(wanted).facts.count_N.tolist() == [2, 0, 0]
        return
    with pytest.raises(DataError, match="links items with other titles"):
        load_setting(wanted)


def test_real_past_by_links(shared):
    wanted = config(
        dataset=str(shared / "data/simulate/recagent"), past=str(shared / "data/pretrain/movielens_1m"), people="users"
    )
    setting = load_setting(wanted)
    assert setting.known.n_interactions > 500_000 and len(setting.facts) == 3883
    assert setting.facts.items["title"][0] == "Toy Story" and setting.facts.count_N[0] > 1000
    assert setting.people.population.histories.lengths.min() > 0


def test_recommenders_of_swaps_are_made_unfitted():
    inputs = load_inputs(config(schedule=[{"kind": "recommender", "round": 2, "name": "popularity"}]))
    assert inputs.recommender.rank([[0, 1]], 5).ids.shape == (1, 5)
    swap = inputs.make_recommender("text_knn")
    assert swap.fit(inputs.setting.known).rank([[0]], 3).ids.shape == (1, 3)


def test_a_recommender_with_a_model_ranks_the_made_up_films():
    inputs = load_inputs(config(recommender="recgpt", agents=3))
    assert inputs.fingerprint["model"]["sha256"] and inputs.fingerprint["embeddings_sha256"]
    assert inputs.recommender.rank([[0, 1]], 5).ids.shape == (1, 5)


@pytest.mark.parametrize("file", ["item.csv", "people.csv", "ties.csv"])
def test_a_run_does_not_go_on_with_another_file(folder, tmp_path, monkeypatch, file):
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    runner.start("society", "demo", config(dataset=str(folder), agents=2, rounds=1)).close()
    with Run.open("demo", write=True) as run:
        runner.resume(run)
    (folder / file).write_text((folder / file).read_text() + "\n")
    with Run.open("demo", write=True) as run, pytest.raises(StoreError):
        runner.resume(run)


def test_drawn_ties_resemble_the_published_ones(shared):
    folder = shared / "data/simulate/recagent"
    people = read_people(folder / "user_1000.csv")
    published, drawn = read_ties(folder / "relationship_1000.csv", len(people)), drawn_ties(people, 20.846, seed=0)
    assert abs(published.degree_A.mean() - drawn.degree_A.mean()) < 0.01
    assert 1 <= drawn.degree_A.min() <= 8 and 39 <= drawn.degree_A.max() <= 120

    def closeness(ties, label):
        return ties.closeness_R[ties.label_R == ties.labels.index(label)]

    for label in ("friend", "colleague"):
        assert abs(closeness(published, label).mean() - closeness(drawn, label).mean()) < 0.05
    assert abs(closeness(published, "father").mean() - closeness(drawn, "family").mean()) < 0.05
