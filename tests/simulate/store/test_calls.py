"""A log of calls in a file of its own: nothing is sent twice, also after a restart, and secrets stay out."""

from pathlib import Path
from typing import Any

import pytest

from recgpt.errors import StoreError
from recgpt.simulate.llm.budget import Spent
from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.llm.dialect import Dialect
from recgpt.simulate.store.calls import CallFile


def call(key: str, **other: Any) -> LLMCall:
    usual = {"purpose": "rate", "model": "m", "request": "{}", "reply": "7", "failure": None, "server": "s"}
    numbers = {"tokens_in": 10, "tokens_out": 2, "cost_usd": 0.5, "seconds": 0.1, "attempts": 1}
    return LLMCall(key=key, **{**usual, **numbers, **other})


def test_calls_dialects_and_use_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "made" / "calls.sqlite"
    with CallFile(path) as calls:
        calls.record_call(call("a", failure="timeout", reply=None))
        calls.record_call(call("a"))
        calls.keep_dialect("s", Dialect(seed=False))
    with CallFile(path) as calls:
        assert calls.call("a") == call("a") and calls.call("b") is None
        assert calls.dialect("s") == Dialect(seed=False) and calls.dialect("t") is None
        assert calls.spent == Spent(2, 24, 1.0)


def test_a_secret_of_the_environment_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "sk-abcdefghijklmnop")
    with CallFile(tmp_path / "calls.sqlite") as calls:
        calls.record_call(call("a", reply="sk-abcdefghijklmnop"))
        assert calls.call("a").reply == "[MY_API_KEY]"
    assert not any(b"sk-abcdefghijklmnop" in path.read_bytes() for path in tmp_path.iterdir())


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"calls\.sqlite: it is damaged"):
        CallFile(path)
