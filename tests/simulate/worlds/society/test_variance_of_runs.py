"""Shares of variance over several runs: people are recognised in all of them, and the command prints a table."""

import numpy as np
import pytest
from typer.testing import CliRunner

from recgpt.cli.app import app
from recgpt.errors import SimulationError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.variance import variance_shares
from recgpt.simulate.worlds.society.variance_of_runs import variance_of_runs


@pytest.fixture
def two(runs):
    for number, recommender in enumerate(("popularity", "item_knn"), start=1):
        config = SocietyConfig(agents=40, rounds=3, recommender=recommender)
        runner.start("society", f"arm-{number}", config).close()
    with Run.open("arm-1") as first, Run.open("arm-2") as second:
        yield first, second


def test_shares_are_those_of_the_joined_ratings(two):
    found = variance_of_runs(two)
    rated = [run.events(kind="rated") for run in two]
    values = np.concatenate([rows["value"].to_numpy() for rows in rated])
    factors = {
        "persona": np.concatenate([rows["agent"].to_numpy() for rows in rated]),
        "item": np.concatenate([rows["item"].to_numpy() for rows in rated]),
        "run": np.repeat([0, 1], [len(rows) for rows in rated]),
    }
    expected = variance_shares(values, factors)
    assert found["stars"] == {"n": len(values), **{name: pytest.approx(expected[name], abs=1e-6) for name in expected}}
    assert sum(value for name, value in found["opinions"].items() if name != "n") == pytest.approx(1, abs=1e-5)


def test_one_run_is_refused(two):
    with pytest.raises(SimulationError, match="at least two different runs"):
        variance_of_runs([two[0], two[0]])


def test_command_prints_a_table(two):
    ran = CliRunner().invoke(app, ["runs", "variance", "arm-1", "arm-2"])
    assert ran.exit_code == 0 and "persona" in ran.stdout and "opinions" in ran.stdout
