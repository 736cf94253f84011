"""Fixtures of the feed's tests: a small data set folder, and what a feed in it is made of."""

import importlib.util
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.inputs import load_setting
from recgpt.simulate.worlds.feed.world import Setting


@pytest.fixture(scope="session")
def setting(feed_folder: Path) -> Setting:
    """Fifty agents of forty users, so that ten users are two agents each."""
    return load_setting(config_of(feed_folder, agents=50))


def config_of(folder: Path, **options: Any) -> FeedConfig:
    """A feed of a few agents in `feed_folder`."""
    defaults = {"dataset": str(folder), "recommender": "popularity", "agents": 20, "model": str(folder / "model")}
    return FeedConfig(**{**defaults, **options})


@pytest.fixture
def feed_config(feed_folder: Path) -> Callable[..., FeedConfig]:
    """Makes the configuration of a small feed."""
    return lambda **options: config_of(feed_folder, **options)


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
            return {name: value(each) for name, each in sorted(node["properties"].items())}
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
