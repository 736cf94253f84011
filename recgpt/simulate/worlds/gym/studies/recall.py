"""Items that users of the studies recall, and noise on their ratings, by the rules of the run.

recall = make_recall(inputs)
questions = recall(item_Q, remembered)

Shapes: Q questions, M remembered items, k items recalled.
"""

from collections.abc import Callable

import numpy as np

from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.perturbation import perturbed
from recgpt.simulate.worlds.gym.registry import PERTURBATORS, retrieval_of
from recgpt.simulate.worlds.gym.retrieval import Remembered, Similarity, best, scores

Recall = Callable[[np.ndarray, Remembered], tuple[np.ndarray, np.ndarray]]
Perturb = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def make_recall(inputs: Inputs) -> Recall:
    """Function from (Q,) items and memories to (Q, k) items and ratings, the best first; -1 and NaN for none."""
    kind, k = retrieval_of(str(inputs.rules.retrieval))
    similarity = Similarity(inputs.items, inputs.domain.likeness)

    def recall(item_Q: np.ndarray, remembered: Remembered) -> tuple[np.ndarray, np.ndarray]:
        score_QM = scores(kind, similarity, item_Q, remembered, inputs.domain.scale, inputs.rules)
        place_Qk, _ = best(score_QM, remembered.is_there_EM, k)
        at_Qk, there_Qk = np.maximum(place_Qk, 0), place_Qk >= 0
        items_Qk = np.take_along_axis(remembered.items_EM, at_Qk, axis=1)
        ratings_Qk = np.take_along_axis(remembered.ratings_EM, at_Qk, axis=1)
        return np.where(there_Qk, items_Qk, -1), np.where(there_Qk, ratings_Qk, np.nan)

    return recall


def make_perturb(inputs: Inputs) -> Perturb:
    """Function from (Q,) keys, steps and ratings of the mind to the ratings that count."""
    shift, scale = PERTURBATORS[inputs.rules.perturbator].shift, inputs.domain.scale

    def perturb(key_Q: np.ndarray, step_Q: np.ndarray, rating_Q: np.ndarray) -> np.ndarray:
        return rating_Q.copy() if shift is None else perturbed(rating_Q, shift(key_Q, step_Q), scale)

    return perturb
