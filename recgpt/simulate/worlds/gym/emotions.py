"""Emotion of a rating: valence in {-1, 0, 1} and arousal in {0, .5, 1} (EmoSim-RL), with the rules' thresholds.

valence, arousal = emotions_of(np.array([9.0, 2.0]), Scale(1, 10), GymRules())     # [1, -1], [1, 0]
"""

import numpy as np

from recgpt.simulate.agents.memory_presets import emotion_of_ratings
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.scale import Scale


def emotions_of(ratings: np.ndarray, scale: Scale, rules: GymRules) -> tuple[np.ndarray, np.ndarray]:
    """Valence and arousal, float32, of ratings on a domain's scale; NaN for NaN.

    Thresholds that the rules leave open are those of 1 to 10 (7, 4, 8, 3), in proportion to the scale.
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    valence, arousal = emotion_of_ratings(ratings, scale.lowest, scale.highest)
    pleasant = _beyond(ratings, rules.valence_positive_threshold, valence > 0, above=True)
    unpleasant = _beyond(ratings, rules.valence_negative_threshold, valence < 0, above=False)
    excited = _beyond(ratings, rules.arousal_high_threshold, arousal > 0.5, above=True)
    calm = _beyond(ratings, rules.arousal_low_threshold, arousal < 0.5, above=False)
    unknown = np.isnan(ratings)
    valence = np.where(unknown, np.nan, pleasant.astype(np.float32) - unpleasant)
    arousal = np.where(unknown, np.nan, 0.5 + 0.5 * excited - 0.5 * calm)
    return valence.astype(np.float32), arousal.astype(np.float32)


def _beyond(ratings: np.ndarray, threshold: float | None, default: np.ndarray, *, above: bool) -> np.ndarray:
    if threshold is None:
        return default
    return ratings >= threshold if above else ratings <= threshold


def thresholds(rules: GymRules, scale: Scale) -> dict[str, float]:
    """Thresholds on the domain's scale: 7, 4, 8, 3 and 4 of 10 in proportion, where none are given."""
    ninths = {
        "valence_positive_threshold": 6,
        "valence_negative_threshold": 3,
        "arousal_high_threshold": 7,
        "arousal_low_threshold": 2,
        "churn_low_threshold": 3,
    }
    given = {name: getattr(rules, name) for name in ninths}
    # Multiplied before it is divided: a threshold that a float can hold is exact, such as 7 of 10.
    span = scale.highest - scale.lowest
    return {name: scale.lowest + ninths[name] * span / 9 if value is None else value for name, value in given.items()}
