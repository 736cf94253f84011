"""Perturbation: noise on the ratings of a mind before user and recommender remember them.

rating_E = perturbed(rating_E, gaussian(key_E, step_E), scale)
"""

import numpy as np

from recgpt.simulate.worlds.gym import draws
from recgpt.simulate.worlds.gym.scale import Scale

GAUSSIAN_SPREAD = 0.5
GREEDY_SHARE = 0.1
"""Probability of one point less, and of one point more."""


def gaussian(key_E: np.ndarray, step_E: np.ndarray) -> np.ndarray:
    """(E,) normal shifts with a standard deviation of .5."""
    return GAUSSIAN_SPREAD * draws.normal(key_E, step_E, "perturb")


def greedy(key_E: np.ndarray, step_E: np.ndarray) -> np.ndarray:
    """(E,) shifts by -1, 0 or 1 with probabilities .1, .8 and .1."""
    uniform_E = draws.uniform(key_E, step_E, "perturb")
    return (uniform_E >= 1 - GREEDY_SHARE).astype(np.float64) - (uniform_E < GREEDY_SHARE)


def perturbed(rating_E: np.ndarray, shift_E: np.ndarray, scale: Scale) -> np.ndarray:
    """(E,) shifted ratings on the scale; ratings that are not above 0 stay, as does NaN."""
    return np.where(rating_E > 0, scale.project(rating_E + shift_E), rating_E)
