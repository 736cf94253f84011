"""Believability: candidates are as stated, chance is where it must be, and tastes are found where people have any."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.errors import ConfigError, DataError, SimulationError
from recgpt.simulate.experiments import Estimate, run_experiment
from recgpt.simulate.experiments.society import believability, past
from recgpt.simulate.experiments.society.believability import (
    BelievabilitySettings,
    draw_task,
    recognised,
    strata_of,
)

N_USERS, N_ITEMS, N_TAKEN, GENRES = 60, 240, 25, ("Drama", "Comedy", "Action", "Horror")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who each love one of four genres; popularity falls with the item's id."""
    rng = np.random.default_rng(3)
    genre_N = np.arange(N_ITEMS) % len(GENRES)
    taken = []
    for user in range(N_USERS):
        weights = np.where(genre_N == user % len(GENRES), 12.0, 1) / (20 + np.arange(N_ITEMS))
        taken.append(rng.permutation(rng.choice(N_ITEMS, N_TAKEN, replace=False, p=weights / weights.sum())))
    events = {
        "user_id": np.repeat(np.arange(N_USERS), N_TAKEN),
        "item_id": np.concatenate(taken),
        "position": np.tile(np.arange(N_TAKEN), N_USERS),
    }
    items = {
        "item_id": np.arange(N_ITEMS),
        "title": [f"Film {item}" for item in range(N_ITEMS)],
        "categories": [GENRES[genre] for genre in genre_N],
    }
    path = tmp_path_factory.mktemp("believability") / "films"
    Dataset.from_frames("films", pl.DataFrame(events), pl.DataFrame(items)).save(path)
    return path


@pytest.fixture(autouse=True)
def _short_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings that need no encoder."""
    of_genre = np.eye(len(GENRES), 8)[np.arange(N_ITEMS) % len(GENRES)]
    noise = 0.3 * np.random.default_rng(5).standard_normal((N_ITEMS, 8))
    monkeypatch.setattr(past, "load_model", lambda: None)
    monkeypatch.setattr(past, "model_embeddings", lambda dataset, model: (of_genre + noise).astype(np.float32))


def _lab(folder: Path) -> past.PastLab:
    return past.PastLab.of(folder, agents=40, n_hidden=3, seed=0)


def test_the_last_items_are_hidden_from_everything_that_is_known(folder: Path) -> None:
    whole, lab = Dataset.load(folder), _lab(folder)
    assert lab.known.n_interactions == N_USERS * (N_TAKEN - 3)
    population = lab.people.population
    for person, user in enumerate(population.user_A):
        taken = whole.sequences[int(user)].tolist()
        assert population.histories[person].tolist() == taken[:-3]
        assert lab.hidden[person].tolist() == taken[-3:]


@pytest.mark.parametrize("negatives", believability.NEGATIVES)
def test_candidates_are_the_last_items_and_items_never_taken(folder: Path, negatives: str) -> None:
    lab, settings = _lab(folder), BelievabilitySettings(strata=4)
    task = draw_task(lab, 3, 6, negatives, settings)
    stratum_N = strata_of(lab.facts.count_N, settings.strata)
    for person, items, taken in zip(task.person_A.tolist(), task.items_AS, task.taken_AS, strict=True):
        assert sorted(items[taken].tolist()) == sorted(lab.hidden[person].tolist())
        assert len(set(items.tolist())) == 9
        assert not set(items[~taken].tolist()) & set(lab.people.population.histories[person].tolist())
        if negatives == "as popular":
            assert sorted(stratum_N[items[~taken]]) == sorted(np.repeat(stratum_N[items[taken]], 2))
    assert 0.2 < task.taken_AS[:, 0].mean() < 0.5  # the order gives nothing away


def test_strata_have_equal_numbers_of_items() -> None:
    stratum_N = strata_of(np.array([5.0, 1, 1, 9, 0, 7]), 3)
    assert stratum_N.tolist() == [1, 0, 1, 2, 0, 2]


def test_recognised_is_the_share_of_taken_items_and_ties_are_chance() -> None:
    taken_AS = np.tile([True, False, True, False], (2000, 1))
    assert (recognised(taken_AS.astype(float), taken_AS, 0) == 1).all()
    assert (recognised(-taken_AS.astype(float), taken_AS, 0) == 0).all()
    assert abs(recognised(np.zeros(taken_AS.shape), taken_AS, 0).mean() - 0.5) < 0.03


def test_tastes_are_recognised_and_matched_negatives_take_popularity_away(folder: Path, tmp_path: Path) -> None:
    options = {"agents": 60, "tasks": ("3+6",), "strata": 6, "recommenders": ("item_knn",)}
    result = run_experiment("believability", folder, tmp_path, options)
    found = {(row["negatives"], row["who chooses"]): row["recognised"] for row in result.rows}
    chance = 1 / 3

    def of(negatives: str, who: str) -> Estimate:
        estimate = found[negatives, who]
        assert isinstance(estimate, Estimate)
        return estimate

    assert of("at random", "popularity").low > chance
    assert of("as popular", "popularity").low < chance < of("as popular", "popularity").high + 0.05
    for negatives in believability.NEGATIVES:
        assert of(negatives, "chance").low < chance < of(negatives, "chance").high
        assert of(negatives, "genre profile").low > 0.5
        assert of(negatives, "person by past").low > chance
        assert of(negatives, "person by interests").low > chance
        assert (negatives, "age, gender, job") not in found  # there is no table of the users
    assert (tmp_path / "believability-films.svg").is_file()
    assert result.to_dict() == run_experiment("believability", folder, None, options).to_dict()


def test_age_gender_and_job_of_a_table_are_used(folder: Path, tmp_path: Path) -> None:
    jobs = [f"job {user % len(GENRES)}" for user in range(N_USERS)]  # people of one job love one genre
    users = pl.DataFrame({"user_id": np.arange(N_USERS), "occupation": jobs})
    users = users.with_columns(gender=pl.lit("female"), age=pl.lit("25-34"))
    told = shutil.copytree(folder, tmp_path / "films")
    users.write_parquet(told / "users.parquet")
    options = {"agents": 60, "tasks": ("3+6",), "strata": 6, "recommenders": ()}
    result = run_experiment("believability", told, None, options)
    found = {(row["negatives"], row["who chooses"]): row["recognised"] for row in result.rows}
    by_job, by_interests = found["as popular", "age, gender, job"], found["as popular", "person by interests"]
    both = found["as popular", "person by interests, age, gender, job"]
    assert isinstance(by_job, Estimate) and isinstance(both, Estimate) and isinstance(by_interests, Estimate)
    assert by_job.low > 1 / 3 and both.mean > by_interests.mean
    users.drop("age").write_parquet(told / "users.parquet")
    with pytest.raises(DataError, match="no column 'age'"):
        run_experiment("believability", told, None, options)


def test_refusals(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"tasks=1:5: not of the form a\+b"):
        run_experiment("believability", folder, None, {"tasks": ("1:5",)})
    with pytest.raises(SimulationError, match="agents=70: films has 60 users with more than 3 items"):
        run_experiment("believability", folder, None, {"agents": 70})
    with pytest.raises(SimulationError, match="use fewer strata or other tasks"):
        run_experiment("believability", folder, None, {"agents": 40, "strata": 240})
