"""Choice of an item among those allowed, ties by item id; no row depends on the others.

Shapes: E episodes, N items.
"""

import numpy as np

_CELLS = 1 << 24
"""Scores in memory at a time."""


def best_allowed(score_EN: np.ndarray, allowed_EN: np.ndarray) -> np.ndarray:
    """(E,) int64 the allowed item with the highest score, the first of equals.

    Parameters
    ----------
    score_EN
        (E, N), or (1, N) for all rows; NaN counts as the lowest score.
    allowed_EN
        (E, N) bool.
    """
    best_E = np.empty(len(allowed_EN), dtype=np.int64)
    for rows in _blocks(*allowed_EN.shape):
        of_rows = score_EN if len(score_EN) == 1 else score_EN[rows]
        lowest = np.finfo(of_rows.dtype).min
        known = np.where(np.isnan(of_rows), lowest, np.maximum(of_rows, lowest))
        best_E[rows] = np.where(allowed_EN[rows], known, -np.inf).argmax(axis=1)
    return best_E


def nth_allowed(share_E: np.ndarray, allowed_EN: np.ndarray) -> np.ndarray:
    """(E,) int64 the allowed item at a share in [0, 1) of the allowed ones, in order of ids."""
    chosen_E = np.empty(len(allowed_EN), dtype=np.int64)
    for rows in _blocks(*allowed_EN.shape):
        nth_RN = allowed_EN[rows].cumsum(axis=1, dtype=np.int32)
        place_R = (share_E[rows] * nth_RN[:, -1]).astype(np.int32)
        chosen_E[rows] = (nth_RN > place_R[:, None]).argmax(axis=1)
    return chosen_E


def _blocks(n_rows: int, width: int) -> list[slice]:
    size = max(1, _CELLS // max(width, 1))
    return [slice(start, start + size) for start in range(0, n_rows, size)]
