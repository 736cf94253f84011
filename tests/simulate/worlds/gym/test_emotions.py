"""Emotions of ratings: golden values on every scale, and the rules' thresholds."""

import json
from pathlib import Path

import numpy as np
import pytest

from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.emotions import emotions_of
from recgpt.simulate.worlds.gym.scale import Scale

GOLDEN = Path(__file__).parents[5] / "shared/fixtures/emosim/golden.json"


def test_golden_emotions_of_three_scales() -> None:
    if not GOLDEN.is_file():
        pytest.skip("the shared fixtures are not here")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))["emotion_of_rating"]["scales"]
    for of_scale in golden.values():
        cases = np.array(of_scale["cases"], dtype=np.float64)
        scale = Scale(of_scale["lowest"], of_scale["highest"])
        valence, arousal = emotions_of(cases[:, 0], scale, GymRules())
        assert valence.tolist() == cases[:, 3].tolist()
        assert arousal.tolist() == cases[:, 4].tolist()


def test_thresholds_of_the_rules_replace_those_of_the_scale() -> None:
    rules = GymRules(valence_positive_threshold=9, arousal_low_threshold=5)
    valence, arousal = emotions_of(np.array([8.0, 9.0, 5.0, 4.0, np.nan]), Scale(1, 10), rules)
    np.testing.assert_array_equal(valence, [0, 1, 0, -1, np.nan])
    np.testing.assert_array_equal(arousal, [1, 1, 0, 0, np.nan])
