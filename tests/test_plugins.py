"""Plug-ins: classes named as `module:Class` and entry points, wherever a recommender, mind or world is named."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recgpt import plugins
from recgpt import recommenders as registry
from recgpt.data.readers import readers
from recgpt.errors import ConfigError, DataError, SimulationError
from recgpt.recommenders import make, registered_name
from recgpt.simulate.store import Run
from recgpt.simulate.world import world_of
from recgpt.testing import check_recommender

SHOP = '''
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.table import Table

from recgpt.data.readers import Reader
from recgpt.recommenders.base import RecommenderBase
from recgpt.recommenders.popularity import Popularity
from recgpt.simulate.worlds.feed.minds.base import Decisions, Interviews
from recgpt.simulate.worlds.feed.spec import WORLD as FEED

Path("imported").touch()


class Bestsellers(Popularity):
    """Popularity under another name."""

    name = "bestsellers"


class Needy(Bestsellers):
    name = "needy"

    def __init__(self, password):
        pass


class Nameless(Bestsellers):
    name = "no/name"


class Taken(Bestsellers):
    name = "item_knn"


class Guess(Bestsellers):
    name = "guess"
    supervision = "by guess"


class Bare(RecommenderBase):
    name, supervision = "bare", "zero-shot"


class Foreign:
    name = "foreign"

    def fit(self, dataset):
        return self

    def rank(self, histories, k):
        return None

    def observe(self, events):
        return None


class FirstSlot:
    """Watches the first item of every page and always goes on."""

    name = "first_slot"

    def decide(self, pages, memory):
        watched = np.zeros(pages.items_AS.shape, dtype=bool)
        watched[:, 0] = pages.items_AS[:, 0] >= 0
        stars = np.where(watched, np.float32(4), np.float32(np.nan))
        none = np.zeros(len(pages), dtype=bool)
        return Decisions(watched, watched, stars, (stars - 3) / 2, ~none, none, none)

    def interview(self, pages, memory):
        return Interviews(np.full(len(pages), 7, dtype=np.float32))

    def estimate(self, n_agents, n_pages, page_size):
        return None


class Mute:
    def decide(self, pages, memory):
        return None


def lines(source: Path, out: Path, *, overwrite: bool = False) -> None:
    """Read nothing."""


LINES = Reader("lines of a shop", lines)
WORLD = replace(
    FEED, name="shop", measures=lambda run: {}, summary=lambda run: Table("shop"), report=lambda run: run.path
)
NUMBER = 3
'''


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module `shop`, the current one; what a test registers is forgotten after it."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(plugins, "_ALLOWED", set())
    kept = {name: dict(getattr(registry, name)) for name in ("REGISTRY", "ALIASES", "PLUGINS")}
    yield tmp_path
    for name, values in kept.items():
        getattr(registry, name).clear()
        getattr(registry, name).update(values)
    sys.modules.pop("shop", None)
    importlib.invalidate_caches()


@pytest.fixture
def installed(shop: Path) -> None:
    """A package that declares entry points, as pip leaves it in a folder of `sys.path`."""
    about = shop / "shop-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[recgpt.recommenders]\nbestsellers = shop:Bestsellers\n\n[recgpt.minds]\nfirst = shop:FirstSlot\n\n"
        "[recgpt.worlds]\nwindow = shop:WORLD\nnumber = shop:NUMBER\n\n"
        "[recgpt.readers]\nshop-lines = shop:LINES\n"
    )
    sys.path.append(str(shop))


def test_a_class_named_by_its_module_is_registered_under_its_name() -> None:
    plugins.allow(["shop:Bestsellers", "popularity"])
    assert "shop" not in sys.modules, "allowing imports nothing"
    assert registered_name("shop:Bestsellers") == "bestsellers" == registered_name("bestsellers")
    assert make("shop:Bestsellers").name == "bestsellers"
    check_recommender(type(make("bestsellers")))


def test_names_in_files_import_nothing(shop: Path, feed_folder: Path) -> None:
    for use in (
        lambda: registered_name("shop:Bestsellers"),
        lambda: make("shop:Bestsellers"),
        lambda: world_of("shop:WORLD"),
        lambda: importlib.import_module("recgpt.simulate.worlds.feed.minds").mind_class("shop:FirstSlot"),
    ):
        with pytest.raises(ConfigError, match=r"stands in a file.*--plugin shop:"):
            use()
    stored = make("popularity").fit(importlib.import_module("recgpt.data.dataset").Dataset.load(feed_folder))
    stored.save(shop / "stored")
    about = json.loads((shop / "stored" / "recommender.json").read_text())
    key = next(key for key, value in about.items() if value == "popularity")
    (shop / "stored" / "recommender.json").write_text(json.dumps({**about, key: "shop:Bestsellers"}))
    with pytest.raises((ConfigError, DataError)):
        registry.load(shop / "stored")
    assert not (shop / "imported").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shop:Absent", "the module shop has no Absent: it has Bestsellers"),
        ("shop:NUMBER", "is no class"),
        ("shop:Needy", "its constructor requires password"),
        ("shop:Nameless", "its attribute `name` is 'no/name'"),
        ("shop:Taken", "its name 'item_knn' is taken"),
        ("shop:Guess", "`supervision` has to be one of zero-shot, in-context, trained"),
        ("shop:Bare", "has to define _fit, and _scores or _rank"),
        ("shop:Foreign", "not derived from recgpt.recommenders.base.RecommenderBase"),
        ("shop:Mute", "has no method fit, rank, observe"),
        ("broken:Anything", r"cannot be imported \(ZeroDivisionError: division by zero\)"),
        ("typo:Anything", r"cannot be imported \(SyntaxError"),
    ],
)
def test_what_is_no_recommender_is_refused_in_one_line(shop: Path, name: str, words: str) -> None:
    (shop / "broken.py").write_text("1 / 0")
    (shop / "typo.py").write_text("class (:\n")
    plugins.allow([name])
    with pytest.raises(ConfigError, match=words) as caught:
        registered_name(name)
    assert "\n" not in str(caught.value) and name in str(caught.value)
    assert registered_name("item_knn") == "item_knn"


def test_a_module_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"absent:Class: there is no module absent: install it, or run in the folder"):
        plugins.allow(["absent:Class"])
    with pytest.raises(ConfigError, match=r"no module shop\.parts"):
        plugins.allow(["shop.parts:Class"])


def test_a_file_here_does_not_take_the_place_of_an_installed_module(shop: Path) -> None:
    (shop / "json.py").write_text("raise SystemExit('taken over')")
    plugins.allow(["json:JSONDecoder"])
    with pytest.raises(ConfigError, match="has no method"):
        registered_name("json:JSONDecoder")


def test_unknown_names_list_the_installed_ones(installed: None) -> None:
    with pytest.raises(DataError, match=r"unknown recommender 'best': choose among .*bestsellers, or name a class"):
        registered_name("best")
    with pytest.raises(SimulationError, match="choose among feed, gym, gym_studies, number, society, town, window"):
        world_of("pond")


def test_entry_points_are_found(installed: None) -> None:
    assert make("bestsellers").name == "bestsellers"
    assert world_of("window").name == "shop"
    with pytest.raises(SimulationError, match="number is no WorldSpec"):
        world_of("number")
    assert readers()["shop-lines"].description == "lines of a shop"
    assert "shop-lines" in readers()


def test_evaluate(shop: Path, feed_folder: Path, run_recgpt: Any) -> None:
    done = run_recgpt(
        *("evaluate", feed_folder, "--model", feed_folder / "model", "--recommenders", "shop:Bestsellers,random"),
        *("--json", "report.json"),
    )
    assert done.code == 0, done.stderr
    about = json.loads((shop / "report.json").read_text())
    assert "bestsellers" in about["supervision"]
    assert about["plugins"] == {"bestsellers": plugins.identity(type(make("bestsellers")))}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recommenders", "absent:Class"), "there is no module absent"),
        (("--recommenders", "shop:Foreign"), "not derived from"),
        (("--config", "settings.yaml"), "stands in a file"),
    ],
)
def test_evaluate_refuses(
    shop: Path, feed_folder: Path, run_recgpt: Any, arguments: tuple[str, ...], words: str
) -> None:
    (shop / "settings.yaml").write_text("recommenders: [shop:Bestsellers]\n")
    done = run_recgpt("evaluate", feed_folder, *arguments)
    assert done.code == 2
    assert words in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_simulate_and_resume(
    shop: Path, feed_folder: Path, runs: Path, run_recgpt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = ("simulate", "feed", "--dataset", feed_folder, "--model", feed_folder / "model", "--agents", "20")
    chosen = ("--recommender", "shop:Bestsellers", "--mind", "shop:FirstSlot")
    done = run_recgpt(*feed, *chosen, "--run", "own")
    assert done.code == 0, done.stderr
    with Run.open("own") as run:
        whole, fingerprint = run.hash, run.manifest.dataset
        assert run.metrics["corrected"]["s_sat"]["mean"] == 7
    assert set(fingerprint["plugins"]) == {"bestsellers", "shop:FirstSlot"}
    with Run.open("own") as run, run.fork("part", 2):
        pass
    plugins._ALLOWED.clear()
    sys.modules.pop("shop")
    registry.ALIASES.pop("shop:Bestsellers")
    (shop / "imported").unlink()
    refused = run_recgpt("runs", "resume", "part")
    assert refused.code == 2 and "shop:Bestsellers stands in a file" in refused.stderr
    assert not (shop / "imported").exists()
    both = ("--plugin", "shop:Bestsellers", "--plugin", "shop:FirstSlot")
    registry.REGISTRY.pop("bestsellers")
    done = run_recgpt("runs", "resume", "part", *both)
    assert done.code == 0, done.stderr
    with Run.open("part") as run:
        assert run.hash == whole


@pytest.mark.parametrize(
    ("mind", "words"),
    [
        ("shop:Mute", "shop:Mute has no method interview, estimate"),
        ("shop:Absent", "has no Absent"),
        ("oracle", "unknown mind 'oracle': choose among scripted, llm, replay, person"),
        ("absent:Mind", "there is no module absent"),
    ],
)
def test_minds_that_are_none_are_refused(feed_folder: Path, runs: Path, run_recgpt: Any, mind: str, words: str) -> None:
    done = run_recgpt("simulate", "feed", "--dataset", feed_folder, "--mind", mind, "--run", "own")
    assert done.code == 2
    assert words in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (runs / "own").exists()


def test_mind_and_world_of_entry_points(installed: None, feed_folder: Path, runs: Path, run_recgpt: Any) -> None:
    settings = (f"dataset={feed_folder}", f"model={feed_folder / 'model'}", "agents=10", "mind=first")
    chosen = [part for each in (*settings, "recommender=bestsellers") for part in ("--set", each)]
    done = run_recgpt("simulate", "world", "window", *chosen, "--run", "own")
    assert done.code == 0, done.stderr
    assert run_recgpt("runs", "verify", "own").code == 0
    with Run.open("own") as run:
        assert run.manifest.world == "window"
