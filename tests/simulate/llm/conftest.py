"""Fixtures of the tests of the language-model client."""

from collections.abc import Callable
from typing import Any

import pytest

from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.servers import Server


@pytest.fixture
def client_of() -> Callable[..., LLMClient]:
    """Makes a client of a stub; it rests for milliseconds only."""

    def make(stub: Any, *, key_env: str | None = None, **options: Any) -> LLMClient:
        options = {"caps": Caps(), "backoff_s": 0.002, "timeout_s": 5.0, "max_tokens": 50, **options}
        return LLMClient([Server(stub.base_url, key_env)], "stub-model", **options)

    return make
