"""Fixtures of the tests of the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_rows import manifest

from recgpt.simulate.store import Run


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.create("demo", manifest()) as made:
        yield made
