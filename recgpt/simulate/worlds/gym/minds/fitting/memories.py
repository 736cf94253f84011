"""Effect of what people gave similar items and parts of the series earlier in a session.

Shapes: R ratings, k items recalled, N items, E embedding width.
"""

import re

import numpy as np

from recgpt.simulate.worlds.gym.minds.fitting.pasts import Rated
from recgpt.simulate.worlds.gym.minds.memory import surprises

SESSION, RECALLED = 20, 3
"""Ratings before one that a session holds, and those of them that are recalled, as by `most_similar_3`."""

MIN_RATINGS = 20
"""Ratings of a user that are fitted on."""

_TAIL = re.compile(r"[:(].*$|\b(part|episode|vol|volume|chapter)\b.*$|,\s*(the|a|an)\s*$|\s+([ivx]+|\d+)\s*$")


def series_of_titles(titles: list[str]) -> list[str]:
    """Series by titles: the part before a colon, a bracket or a number, where two items share it; "" for none."""
    stems = []
    for title in titles:
        stem = title.casefold().strip()
        while (shorter := _TAIL.sub("", stem).strip()) != stem:
            stem = shorter
        stems.append(stem if len(stem) > 3 else "")
    counts: dict[str, int] = {}
    for stem in stems:
        counts[stem] = counts.get(stem, 0) + 1
    return [stem if counts[stem] > 1 else "" for stem in stems]


def fitted_memory(
    rated: Rated, expected_R: np.ndarray, unit_NE: np.ndarray, text_ND: np.ndarray, series_N: np.ndarray
) -> tuple[float, float, dict[str, float]]:
    """Least-squares effects of the two sums of `memory.surprises` on ratings less expected ones.

    A user's level in the session is taken out first, so that the effects are of what is recalled alone.

    Parameters
    ----------
    rated
        Later ratings of users, in units of the scale.
    expected_R
        (R,) what the users' pasts lead to expect.
    unit_NE
        Text embeddings that items are recalled by.
    text_ND, series_N
        See `memory.text_rows`, `memory.series_numbers`.

    Returns
    -------
    Effect of similar items, effect of parts of the series, and counts and standard errors.
    """
    sums, targets = [], []
    for start, stop in zip(rated.offsets[:-1], rated.offsets[1:], strict=True):
        if stop - start < MIN_RATINGS:
            continue
        item_R = rated.item_R[start:stop]
        surprise_R = rated.rating_R[start:stop] - expected_R[start:stop]
        surprise_R = surprise_R - surprise_R.mean()
        place_Rk = _recalled(item_R, unit_NE)
        surprise_Rk = np.where(place_Rk >= 0, surprise_R[place_Rk], 0)
        recalled_Rk = np.where(place_Rk >= 0, item_R[place_Rk], -1)
        sums.append(np.stack(surprises(item_R, recalled_Rk, surprise_Rk, text_ND, series_N), axis=1))
        targets.append(surprise_R)
    sum_R2, target_R = np.concatenate(sums), np.concatenate(targets)
    gram_22 = sum_R2.T @ sum_R2
    effect_2 = np.linalg.solve(gram_22, sum_R2.T @ target_R)
    variance = float(((target_R - sum_R2 @ effect_2) ** 2).mean())
    error_2 = np.sqrt(variance * np.diag(np.linalg.inv(gram_22)))
    details = {
        "ratings": len(target_R),
        "with_series": int((sum_R2[:, 1] != 0).sum()),
        "memory_error": float(error_2[0]),
        "memory_of_series_error": float(error_2[1]),
    }
    return float(effect_2[0]), float(effect_2[1]), details


def _recalled(item_R: np.ndarray, unit_NE: np.ndarray) -> np.ndarray:
    """(R, k) places of the most similar ratings among the `SESSION` before each one, -1 for none."""
    cosine_RR = unit_NE[item_R] @ unit_NE[item_R].T
    place_R = np.arange(len(item_R))
    age_RR = place_R[:, None] - place_R
    cosine_RR = np.where((age_RR > 0) & (age_RR <= SESSION), cosine_RR, -np.inf)
    cosine_RR = np.pad(cosine_RR, ((0, 0), (0, RECALLED)), constant_values=-np.inf)
    place_Rk = np.argsort(-cosine_RR, axis=1, kind="stable")[:, :RECALLED]
    return np.where(np.isfinite(np.take_along_axis(cosine_RR, place_Rk, axis=1)), place_Rk, -1)
