"""Replay mind of the gym: stored ratings come back, missing pairs are failures with a reason; the choice of minds."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from recgpt import plugins
from recgpt.errors import ConfigError, DataError, SimulationError, StoreError
from recgpt.simulate import runner
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.gym.config import GymConfig
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.simulate.worlds.gym.minds.person import PersonMind
from recgpt.simulate.worlds.gym.minds.replay import ReplayMind
from recgpt.simulate.worlds.gym.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.spec import kept_inputs


class Sizes(SimpleNamespace):
    """Stands in for items or users."""

    def __len__(self):
        return len(self.ids)


ITEMS = Sizes(ids=["a", "b", "c"], titles=["Alien", "Brazil", "Cube"], tags=[("horror",), (), ("horror",)])
USERS = Sizes(ids=["u", "v"], names=["Ann", "Bo"])
SCALE = Scale(1, 10)


def asked(user_E, item_E, times_E=None):
    """Questions without memories."""
    user_E, item_E = np.asarray(user_E), np.asarray(item_E)
    ones_E = np.ones_like(user_E)
    return Questions(
        user_E=user_E,
        item_E=item_E,
        step_E=ones_E,
        times_met_E=ones_E if times_E is None else np.asarray(times_E),
        key_E=ones_E.astype(np.uint64),
        recalled_items_Ek=-ones_E[:, None],
        recalled_ratings_Ek=np.full((len(user_E), 1), np.nan),
    )


def stored(path, **columns):
    """Mind over a file with these columns."""
    pl.DataFrame(columns).write_parquet(path)
    return ReplayMind.from_source(str(path), ITEMS, USERS, SCALE)


def test_rows_of_users_and_items(tmp_path):
    mind = stored(tmp_path / "r.parquet", user=[1, 0, 1, 9], item=[2, 0, 0, 0], rating=[9, 3, 7, 1])
    answers = mind.rate(asked([0, 1, 1, 0], [0, 2, 0, 1]))
    assert answers.rating_E.tolist()[:3] == [3, 9, 7]
    assert np.isnan(answers.rating_E[3])
    assert answers.failures[:3] == [None, None, None]
    assert answers.failures[3] == f"{tmp_path / 'r.parquet'} has no rating 1 of user 0 for item 1"


def test_outside_ids_and_later_meetings(tmp_path):
    mind = stored(
        tmp_path / "r.parquet", user_id=["v", "u", "v", "x"], item_id=["a", "a", "a", "a"], rating=[4.0, 5.0, None, 6.0]
    )
    answers = mind.rate(asked([1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 2, 3]))
    assert answers.rating_E.tolist()[:2] == [4, 5]
    assert np.isnan(answers.rating_E[2:]).all()
    assert "failed in" in answers.failures[2]
    assert "no rating 3 of user 1" in answers.failures[3]


def test_a_dump_by_configuration_and_study(tmp_path):
    path = tmp_path / "dumps.parquet"
    pl.DataFrame(
        {
            "configuration": ["one", "one", "one", "two"],
            "study": ["high", "high", "low", "high"],
            "user_index": [0, 0, 1, 0],
            "user_name": ["Ann", "Bo", "Bo", "Ann"],
            "title": ["Alien", "Cube", "Cube", "Alien"],
            "rating": [10.0, 9.0, 1.0, 2.0],
        }
    ).write_parquet(path)
    mind = ReplayMind.from_source(f"{path}:one:high", ITEMS, USERS, SCALE)
    answers = mind.rate(asked([0, 1, 1], [0, 2, 0]))
    assert answers.rating_E.tolist()[:2] == [10, 9]
    assert np.isnan(answers.rating_E[2])
    with pytest.raises(SimulationError, match=r"no configuration '': name .*:CONFIGURATION:STUDY with one of one, two"):
        ReplayMind.from_source(str(path), ITEMS, USERS, SCALE)
    with pytest.raises(SimulationError, match="no study 'mid'"):
        ReplayMind.from_source(f"{path}:one:mid", ITEMS, USERS, SCALE)


def test_what_cannot_be_replayed(tmp_path):
    path = tmp_path / "r.parquet"
    with pytest.raises(SimulationError, match="rating 11 is not on the scale from 1 to 10"):
        stored(path, user=[0], item=[0], rating=[11])
    with pytest.raises(SimulationError, match="no stored rating is of these users and items"):
        stored(path, user=[7], item=[0], rating=[1])
    with pytest.raises(DataError, match="has the columns a: replay needs"):
        stored(path, a=[1])
    with pytest.raises(DataError, match="does not exist"):
        ReplayMind.from_source(str(tmp_path / "none.parquet"), ITEMS, USERS, SCALE)
    with pytest.raises(SimulationError, match="name a run or a Parquet file"):
        ReplayMind.from_source(None, ITEMS, USERS, SCALE)
    with pytest.raises(StoreError, match="there is no run"):
        ReplayMind.from_source("no-such-run", ITEMS, USERS, SCALE)


def test_published_ratings_of_a_language_model(shared):
    path = shared / "data" / "simulate" / "emosim" / "llm_ratings.parquet"
    items, users = Sizes(ids=range(9617), titles=()), Sizes(ids=range(600), names=())
    mind = ReplayMind.from_source(str(path), items, users, SCALE)
    table = pl.read_parquet(path)
    answers = mind.rate(asked(*(table[name].cast(pl.Int64).to_numpy() for name in ("user", "item"))))
    assert answers.rating_E.tolist() == table["rating"].to_list()
    assert not any(answers.failures)
    assert round(float(answers.rating_E.mean()), 2) == 6.56


def test_a_stored_run_is_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    rules = {"domain": "books", "policy": "random", "perturbator": "greedy", "n_users": 9, "steps": 4}
    with kept_inputs():
        with runner.start("gym", "first", GymConfig(**rules)) as run:
            first = run.events()
        assert len(first.filter(kind="unperturbed"))
        with runner.start("gym", "again", GymConfig(mind="replay", replayed="first", **rules)) as run:
            assert run.events().equals(first)
        with runner.start(
            "gym", "longer", GymConfig(mind="replay", replayed="first", **{**rules, "n_users": 10})
        ) as run:
            assert set(run.events().filter(kind="failed")["agent"]) == {9}


def test_a_run_of_another_world_is_refused(monkeypatch):
    run = SimpleNamespace(manifest=SimpleNamespace(world="feed"))
    monkeypatch.setattr(Run, "open", lambda name: nullcontext(run))
    with pytest.raises(SimulationError, match="run old is of the world feed"):
        ReplayMind.from_source("old", ITEMS, USERS, SCALE)


class Grump:
    """Plug-in that gives everything the lowest rating."""

    name = "grump"

    def __init__(self, domain, seed):
        self.lowest, self.seed = domain.scale.lowest, seed

    def rate(self, questions):
        """Ratings."""
        return Ratings(np.full(len(questions), self.lowest))

    def estimate(self, n_questions):
        """No calls."""


def inputs():
    """Inputs with the made-up users and items of this file."""
    return SimpleNamespace(domain=SimpleNamespace(name="movies", scale=SCALE), items=ITEMS, users=USERS)


def test_minds_by_name(tmp_path, monkeypatch):
    pl.DataFrame({"user": [0], "item": [1], "rating": [6]}).write_parquet(tmp_path / "r.parquet")
    options = MindOptions(mind="replay", replayed=str(tmp_path / "r.parquet"))
    assert isinstance(make_mind(options, inputs()), ReplayMind)
    assert isinstance(make_mind(MindOptions(mind="person"), inputs()), PersonMind)
    with pytest.raises(SimulationError, match="--replay"):
        make_mind(MindOptions(mind="replay"), inputs())
    name = f"{__name__}:Grump"
    with pytest.raises(ConfigError, match="name it on the command line"):
        make_mind(MindOptions(mind=name), inputs())
    monkeypatch.setattr(plugins, "find", lambda *_: Grump)
    grump = make_mind(MindOptions(mind=name), inputs(), seed=5)
    assert (grump.rate(asked([0, 1], [0, 1])).rating_E.tolist(), grump.seed) == ([1, 1], 5)
    monkeypatch.setattr(plugins, "find", lambda *_: Sizes)
    with pytest.raises(ConfigError, match="has no method rate, estimate"):
        make_mind(MindOptions(mind=name), inputs())


def test_the_default_is_scripted():
    from recgpt.simulate.worlds.gym.domain import domain_of

    domain = domain_of("books")
    items = domain.load_items(None)
    users = domain.load_users(domain.default_users, items)
    mind = make_mind(MindOptions(), SimpleNamespace(domain=domain, items=items, users=users))
    assert isinstance(mind, ScriptedMind)
    assert set(mind.rate(asked([0, 1], [0, 1])).rating_E) <= {1, 2, 3, 4, 5}


def test_a_person_is_asked_again_until_the_rating_is_on_the_scale(monkeypatch):
    answers = iter(["11", "7.5", "8"])
    monkeypatch.setattr("builtins.input", lambda *_: next(answers))
    mind = PersonMind(SimpleNamespace(scale=SCALE), ITEMS)
    assert mind.rate(asked([0], [0])).rating_E.tolist() == [8]

    def ended(*_):
        raise EOFError

    monkeypatch.setattr("builtins.input", ended)
    with pytest.raises(SimulationError, match="the input ended"):
        mind.rate(replace(asked([0], [0])))
