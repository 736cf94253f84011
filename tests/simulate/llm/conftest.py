"""Fixtures of the tests of the language-model client."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.servers import Server


@pytest.fixture(scope="session")
def stubs() -> ModuleType:
    """The module `stub.py` beside this file."""
    spec = importlib.util.spec_from_file_location("llm_stub", Path(__file__).with_name("stub.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stub(stubs) -> Iterator[Any]:
    """A server without a key and without faults."""
    with stubs.Stub() as serving:
        yield serving


@pytest.fixture
def client_of() -> Callable[..., LLMClient]:
    """Makes a client of a stub; it rests for milliseconds only."""

    def make(stub: Any, *, key_env: str | None = None, **options: Any) -> LLMClient:
        options = {"caps": Caps(), "backoff_s": 0.002, "timeout_s": 5.0, "max_tokens": 50, **options}
        return LLMClient([Server(stub.base_url, key_env)], "stub-model", **options)

    return make
