"""Shares of variance with known answers; entropy and density as in the golden values."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from recgpt.evaluate.beyond_accuracy import mean_entropy
from recgpt.simulate.worlds.society.variance import variance_shares

GOLDEN = Path(__file__).parents[4].parent / "shared/fixtures/recagent/golden.json"


def test_shares_of_made_up_effects_are_found():
    rng = np.random.default_rng(0)
    agent, item, run = rng.integers(0, 400, 40_000), rng.integers(0, 300, 40_000), rng.integers(0, 60, 40_000)
    effects = [rng.normal(0, size, 400)[of] for size, of in ((1, agent), (2, item), (0.5, run))]
    values = sum(effects) + rng.normal(0, 1, 40_000)
    found = variance_shares(values, {"persona": agent, "item": item, "run": run})
    expected = {"persona": 1 / 6.25, "item": 4 / 6.25, "run": 0.25 / 6.25, "rest": 1 / 6.25}
    assert found == pytest.approx(expected, abs=0.06)
    assert sum(found.values()) == pytest.approx(1)


def test_a_factor_of_one_group_has_no_share():
    group = np.repeat(np.arange(5), 10)
    found = variance_shares(group.astype(float), {"persona": group, "run": np.zeros(50, int)})
    assert found == {"persona": 1, "run": None, "rest": 0}


def test_constant_values_have_no_shares():
    assert variance_shares(np.ones(4), {"persona": np.arange(4)}) == {"persona": None, "rest": None}


@pytest.mark.skipif(not GOLDEN.exists(), reason="shared fixtures are absent")
def test_entropy_is_that_of_the_golden_values():
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))["entropy"]
    genres = [text.split("|") for _, text in sorted(golden["item_genres"].items())]
    names = sorted({name for names in genres for name in names})
    weights = sparse.csr_array(np.array([[name in of for name in names] for of in genres], dtype=float))
    for case in golden["shown"]:
        if case["items"]:
            agents = np.zeros(len(case["items"]), dtype=int)
            assert mean_entropy(agents, np.array(case["items"]), weights) == pytest.approx(case["bits"])
