"""Retrieval: the k remembered items that a user recalls before rating a candidate.

    scores_EM = last(remembered)
    place_Ek, score_Ek = best(scores_EM, remembered.is_there_EM, 3)

Ties go to the item that was met first. EmoSim-RL and SUBER retrieve 3 items; any number works here.

Shapes: W width of text embeddings, G entries of the longest set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recgpt.features.text_similarity import quantize_rows
from recgpt.simulate.agents.memory_presets import emotional_score
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import Likeness
from recgpt.simulate.worlds.gym.emotions import emotions_of
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.scale import Scale


@dataclass(frozen=True)
class Remembered:
    """Items that E users remember, each once, in the order of first meeting.

    Attributes
    ----------
    items_EM
        (E, M) integers, -1 beyond the last.
    ratings_EM, times_EM
        (E, M) rating and number of the latest interaction with each.
    """

    items_EM: np.ndarray
    ratings_EM: np.ndarray
    times_EM: np.ndarray

    @property
    def is_there_EM(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(E, M) bool, whether a place holds an item."""
        return self.items_EM >= 0


def best(score_EM: np.ndarray, is_there_EM: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the k best scores of each row, the best first, of equal ones the first; -1 and NaN for none."""
    n_rows, width = score_EM.shape
    place_Ek = np.full((n_rows, k), -1, dtype=np.int64)
    score_Ek = np.full((n_rows, k), np.nan)
    left_EM = np.where(is_there_EM, score_EM, -np.inf)
    row_E = np.arange(n_rows)
    for rank in range(min(k, width)):
        place_E = left_EM.argmax(axis=1)
        found_E = left_EM[row_E, place_E]
        there_E = found_E > -np.inf
        place_Ek[:, rank] = np.where(there_E, place_E, -1)
        score_Ek[:, rank] = np.where(there_E, found_E, np.nan)
        left_EM[row_E, place_E] = -np.inf
    return place_Ek, score_Ek


def last(remembered: Remembered) -> np.ndarray:
    """(E, M) scores of `last_K`: the time of the latest interaction."""
    return remembered.times_EM.astype(np.float64)


def cosines(candidate_EW: np.ndarray, remembered_EMW: np.ndarray) -> np.ndarray:
    """(E, M) scores of `most_similar_K`: cosines of unit rows; 0 with a zero row."""
    return np.einsum("ew,emw->em", candidate_EW, remembered_EMW).astype(np.float64)


def decayed_emotion(
    cosine_EM: np.ndarray,
    remembered: Remembered,
    emotion: tuple[np.ndarray, np.ndarray],
    *,
    decay: float,
    bonus: float,
    consider_arousal: bool,
) -> np.ndarray:
    """(E, M) scores of `decay_emotion_K`: cosine, less with age, more for the emotion of the newest interaction.

    The newest interaction by time is the reference; the published code takes the last in memory order, which is another
    one as soon as an item is met again.

    Parameters
    ----------
    emotion
        (E, M) valence and arousal of the remembered ratings.
    decay, bonus
        λ and b; arousal counts b / 2 where it is considered.
    """
    there_EM = remembered.is_there_EM
    time_EM = np.where(there_EM, remembered.times_EM, -1)
    newest_E1 = time_EM.argmax(axis=1, keepdims=True)
    valence_EM, arousal_EM = (part.astype(np.float64) for part in emotion)
    return emotional_score(
        cosine_EM,
        np.where(there_EM, np.take_along_axis(time_EM, newest_E1, axis=1) - time_EM, 0),
        1 - np.abs(valence_EM - np.take_along_axis(valence_EM, newest_E1, axis=1)) / 2,
        1 - np.abs(arousal_EM - np.take_along_axis(arousal_EM, newest_E1, axis=1)),
        bonus / 2 if consider_arousal else 0.0,
        decay=decay,
        bonus=bonus,
    )


def dice(one_RG: np.ndarray, other_RG: np.ndarray) -> np.ndarray:
    """(R,) twice the shared entries over the sum of both numbers; 1 for two empty sets, 0 for one.

    Parameters
    ----------
    one_RG, other_RG
        (..., G) distinct entries of each set, -1 beyond the last.
    """
    shared = ((one_RG[..., :, None] == other_RG[..., None, :]) & (one_RG[..., :, None] >= 0)).sum(axis=(-2, -1))
    total = (one_RG >= 0).sum(axis=-1) + (other_RG >= 0).sum(axis=-1)
    return np.where(total > 0, 2 * shared / np.maximum(total, 1), 1.0)


class Similarity:
    """Similarities of items: of their texts, and of their facts.

    Parameters
    ----------
    items
        The catalogue.
    likeness
        Terms of `simple_K`.
    """

    def __init__(self, items: Items, likeness: Sequence[Likeness]) -> None:
        # On a grid, a cosine is exact and so the same at any number of environments.
        self._unit_NW = quantize_rows(np.ascontiguousarray(items.unit_NE, dtype=np.float32))
        self._terms = [(term, _columns(items, term)) for term in likeness]

    def of_texts(self, item_E: np.ndarray, other_EM: np.ndarray) -> np.ndarray:
        """(E, M) cosines of the texts of items."""
        return cosines(self._unit_NW[item_E], self._unit_NW[other_EM])

    def of_facts(self, item_E: np.ndarray, other_EM: np.ndarray) -> np.ndarray:
        """(E, M) mean of the terms of `simple_K` that are known of both items."""
        total_EM, n_EM = np.zeros(other_EM.shape), np.zeros(other_EM.shape)
        for term, column in self._terms:
            like_EM, known_EM = _alike(term, column[item_E][:, None], column[other_EM])
            total_EM += np.where(known_EM, like_EM, 0)
            n_EM += known_EM
        return total_EM / np.maximum(n_EM, 1)


def _alike(term: Likeness, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E, M) likeness by one term, and whether it counts."""
    if term.kind == "dice":
        like = dice(one, other)
        return like, np.ones(like.shape, dtype=bool)
    if term.kind == "vote":
        like = 1 - np.abs(one - other) / term.span
        return np.nan_to_num(like), ~np.isnan(like)
    return (one == other).astype(np.float64), (one >= 0) | (other >= 0)


def _columns(items: Items, term: Likeness) -> np.ndarray:
    """Numbers that stand for a field of the items: (N, G) sets, (N,) averages, or (N,) names with -1 for unknown."""
    values = getattr(items, term.field)
    if term.kind == "vote":
        return np.asarray(values, dtype=np.float64)
    if term.kind == "equal":
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(value, len(numbers)) if value else -1 for value in values], dtype=np.int64)
    return _sets(values)


def _sets(values: Sequence[Sequence[str]]) -> np.ndarray:
    numbers: dict[str, int] = {}
    sets = [[numbers.setdefault(entry, len(numbers)) for entry in dict.fromkeys(entries)] for entries in values]
    padded_NG = np.full((len(sets), max(map(len, sets), default=0)), -1, dtype=np.int32)
    for row, entries in enumerate(sets):
        padded_NG[row, : len(entries)] = entries
    return padded_NG


def scores(
    kind: str, similarity: Similarity, item_E: np.ndarray, remembered: Remembered, scale: Scale, rules: GymRules
) -> np.ndarray:
    """(E, M) scores of remembered items for a candidate each.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    item_E
        (E,) candidates.
    """
    match kind:
        case "none" | "last":
            return last(remembered)
        case "most_similar":
            return similarity.of_texts(item_E, remembered.items_EM)
        case "simple":
            return similarity.of_facts(item_E, remembered.items_EM)
        case _:
            return decayed_emotion(
                similarity.of_texts(item_E, remembered.items_EM),
                remembered,
                emotions_of(remembered.ratings_EM, scale, rules),
                decay=rules.decay_time_lambda,
                bonus=rules.emotion_bonus,
                consider_arousal=rules.consider_arousal,
            )


KINDS: Mapping[str, str] = {
    "none": "nothing",
    "last": "the latest interactions",
    "most_similar": "items with the most similar texts",
    "simple": "items most alike in genres, people and averages",
    "decay_emotion": "items with similar texts, recent, and of the emotion of the latest interaction",
}
"""Retrievals, without the number of items."""
