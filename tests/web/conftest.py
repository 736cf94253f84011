"""Runs and a server for all tests of the page."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import AGENTS, ROUNDS, TOKEN, Client, served


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of runs with a finished society, `town`."""
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.society.config import SocietyConfig

    folder = tmp_path_factory.mktemp("served") / "runs"
    before = os.environ.get("RECGPT_RUNS")
    os.environ["RECGPT_RUNS"] = str(folder)
    config = SocietyConfig(agents=AGENTS, rounds=ROUNDS, mean_friends=6, recommender="popularity")
    runner.start("society", "town", config).close()
    yield folder
    if before is None:
        del os.environ["RECGPT_RUNS"]
    else:
        os.environ["RECGPT_RUNS"] = before


@pytest.fixture(scope="session")
def client(runs: Path) -> Iterator[Client]:
    """Client of a server without a token."""
    with served(run="town") as found:
        yield found


@pytest.fixture(scope="session")
def guarded(runs: Path) -> Iterator[Client]:
    """Client without a token of a server with `TOKEN`."""
    with served(token=TOKEN) as found:
        yield found
