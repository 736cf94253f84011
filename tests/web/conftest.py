"""Runs and a server for all tests of the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import AGENTS, ROUNDS, TOKEN, Client, served


@pytest.fixture(scope="session")
def stored_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs with a finished society, `town`."""
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.society.config import SocietyConfig

    folder = tmp_path_factory.mktemp("served") / "runs"
    config = SocietyConfig(agents=AGENTS, rounds=ROUNDS, mean_friends=6, recommender="popularity")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(folder))
        runner.start("society", "town", config).close()
    return folder


@pytest.fixture(scope="module")
def runs(stored_runs: Path) -> Iterator[Path]:
    """Folder of runs with `town`, for the process and its children, until the module ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(stored_runs))
        yield stored_runs


@pytest.fixture(scope="module")
def client(runs: Path) -> Iterator[Client]:
    """Client of a server without a token."""
    with served(run="town") as found:
        yield found


@pytest.fixture(scope="module")
def guarded(runs: Path) -> Iterator[Client]:
    """Client without a token of a server with `TOKEN`."""
    with served(token=TOKEN) as found:
        yield found
