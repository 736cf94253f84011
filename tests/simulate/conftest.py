"""Fixtures of the feed's tests: a small data set folder, and what a feed in it is made of."""

import importlib.util
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_array
from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.run import people_of
from recgpt.simulate.worlds.feed.world import Setting

N_USERS, N_ITEMS, WIDTH = 40, 120, 16
GENRES = ("Drama", "Comedy", "Action", "Horror")


@pytest.fixture(scope="session")
def feed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with ratings, times, categories and random embeddings; `model` in it names their encoder."""
    rng = np.random.default_rng(5)
    users = [(user, rng.choice(N_ITEMS, rng.integers(8, 30), replace=False)) for user in range(N_USERS)]
    events = pl.DataFrame(
        {
            "user_id": np.concatenate([np.full(len(items), user) for user, items in users]),
            "item_id": np.concatenate([items for _, items in users]),
            "position": np.concatenate([np.arange(len(items)) for _, items in users]),
            "timestamp": np.concatenate([1_000_000 + 60 * np.arange(len(items)) for _, items in users]),
        }
    )
    events = events.with_columns(rating=pl.Series(rng.integers(1, 6, len(events)).astype(np.float32)))
    items = {
        "item_id": np.arange(N_ITEMS),
        "title": [f"Film {number}" for number in range(N_ITEMS)],
        "categories": [GENRES[number] for number in rng.integers(0, len(GENRES), N_ITEMS)],
    }
    folder = tmp_path_factory.mktemp("feed") / "films"
    Dataset.from_frames("films", events, pl.DataFrame(items)).save(folder)
    encoder = {"encoder": "films-encoder", "requested": "films-encoder", "template": "fields", "dim": WIDTH}
    made_of = {**encoder, "items_sha256": Dataset.load(folder).items_sha256}
    save_array(folder / "embeddings.npy", rng.standard_normal((N_ITEMS, WIDTH)).astype(np.float16), made_of)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        FoundationModel(FoundationConfig(text_encoder=encoder)).save_pretrained(folder / "model")
    return folder


@pytest.fixture(scope="session")
def setting(feed_folder: Path) -> Setting:
    """Fifty agents of forty users, so that ten users are two agents each."""
    return people_of(config_of(feed_folder, agents=50))


def config_of(folder: Path, **options: Any) -> FeedConfig:
    """A feed of a few agents in `feed_folder`."""
    defaults = {"dataset": str(folder), "recommender": "popularity", "agents": 20, "model": str(folder / "model")}
    return FeedConfig(**{**defaults, **options})


@pytest.fixture
def feed_config(feed_folder: Path) -> Callable[..., FeedConfig]:
    """Makes the configuration of a small feed."""
    return lambda **options: config_of(feed_folder, **options)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs are kept."""
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def stub_module() -> ModuleType:
    """The module `llm/stub.py` beside this file."""
    spec = importlib.util.spec_from_file_location("llm_stub", Path(__file__).parent / "llm" / "stub.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reply_to(request: dict[str, Any], user: str) -> dict[str, Any]:
    """What a language model may say: of the request's schema, and always the same to the same message."""
    schema = request["response_format"]["json_schema"]["schema"]
    draws = random.Random(request["messages"][0]["content"] + user)  # noqa: S311

    def value(node: dict[str, Any]) -> Any:
        if "$ref" in node:
            return value(schema["$defs"][node["$ref"].rsplit("/", 1)[1]])
        if "enum" in node:
            return draws.choice(node["enum"])
        if node["type"] == "object":
            return {name: value(each) for name, each in node["properties"].items()}
        return draws.random() < 0.7 if node["type"] == "boolean" else f"It moved me {draws.randrange(100)} times."

    return value(schema)


@pytest.fixture
def mind_stub(stub_module: ModuleType) -> type:
    """A stub server whose replies are of the schema that is asked for."""

    class MindStub(stub_module.Stub):
        def body_of(self, fault: Any, user: str, raw: bytes) -> str:
            if fault.text is None and fault.status == 200:
                fault = replace(fault, text=json.dumps(reply_to(json.loads(raw), user)))
            return super().body_of(fault, user, raw)

    return MindStub
