"""What recalled items add to a rating: how far their ratings lay from what the user's taste leads to expect.

Shapes: E questions, k items recalled, N items, D text dimensions.
"""

from collections.abc import Sequence

import numpy as np

_GRID = 2.0**12


def series_numbers(collection: Sequence[str]) -> np.ndarray:
    """(N,) int64 number of each item's series; a negative number of its own for an item without a series."""
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(name, len(numbers)) if name else -1 - row for row, name in enumerate(collection)],
        dtype=np.int64,
    ).reshape(len(collection))


def text_rows(text_ND: np.ndarray) -> np.ndarray:
    """(N, D) float64 rows on a grid, whose cosines float64 holds exactly in any batch."""
    return np.round(text_ND * _GRID) / _GRID


def surprises(
    item_E: np.ndarray, recalled_Ek: np.ndarray, surprise_Ek: np.ndarray, text_ND: np.ndarray, series_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means of the surprises of recalled items, shrunk towards 0 as by one item without surprise.

    Parameters
    ----------
    item_E
        (E,) items to rate.
    recalled_Ek, surprise_Ek
        Items recalled, -1 for none, and rating less expected rating of each, 0 for none.
    text_ND, series_N
        See `text_rows`, `series_numbers`.

    Returns
    -------
    (E,) float64 over items of other series, weighted by the cosine of the texts where it is positive, and (E,) over
    parts of the item's series and the item itself.
    """
    present_Ek, rows_Ek = recalled_Ek >= 0, np.maximum(recalled_Ek, 0)
    same_Ek = present_Ek & (series_N[rows_Ek] == series_N[item_E][:, None])
    cosine_Ek = np.maximum(np.einsum("ed,ekd->ek", text_ND[item_E], text_ND[rows_Ek]), 0)
    cosine_Ek = np.where(present_Ek & ~same_Ek, cosine_Ek, 0)
    similar_E = (cosine_Ek * surprise_Ek).sum(axis=1) / (1 + cosine_Ek.sum(axis=1))
    series_E = (same_Ek * surprise_Ek).sum(axis=1) / (1 + same_Ek.sum(axis=1))
    return similar_E, series_E
