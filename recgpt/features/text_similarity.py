"""Text similarity: cosines of item embeddings with each other and with pooled histories, exact to the last bit.

Suffixes: B histories, N items in the catalogue, E text-embedding width.
"""

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.features.co_visitation import decayed
from recgpt.features.whitening import whiten

_ITEMS = 4096
_GRID = 2.0**24
_ROUGH_GRID = 2.0**11
_DECAY = 0.5
_MAX_POOLED = 32  # .5^32 is below the resolution of float32


def unit_rows(embeddings_NE: np.ndarray) -> np.ndarray:
    """Scale rows to unit length, as float32 multiples of 2^-24 (the resolution of float32 just below 1).

    Products of such numbers are multiples of 2^-48, and no partial sum of a cosine exceeds 1: float64 holds every step
    exactly. So a cosine is the same to the last bit whatever the batch size, the thread count and the BLAS; a plain
    float32 matrix product is not, and near-ties then change places.

    Raises
    ------
    DataError
        If a row holds NaN or infinity.
    """
    unit_NE = np.empty(embeddings_NE.shape, dtype=np.float32)
    for start in range(0, len(embeddings_NE), _ITEMS):
        rows = np.asarray(embeddings_NE[start : start + _ITEMS], dtype=np.float64)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(norms).all():
            item = start + int(np.flatnonzero(~np.isfinite(norms))[0])
            raise DataError(f"the embedding of item {item} holds NaN or infinity: encode the items again")
        unit_NE[start : start + _ITEMS] = np.round(rows / np.where(norms > 0, norms, 1) * _GRID) / _GRID
    return unit_NE


def quantize_rows(unit_NE: np.ndarray) -> np.ndarray:
    """Round unit rows to multiples of 2^-11: float32 then holds every step of a cosine exactly.

    So cosines do not depend on the batch, as with `unit_rows`, at half the cost; their error is .0002.
    """
    return np.round(unit_NE * _ROUGH_GRID) / _ROUGH_GRID


def whitened_unit_rows(embeddings_NE: np.ndarray) -> np.ndarray:
    """`unit_rows` of the whitened embeddings; raises the same errors."""
    return unit_rows(whiten(unit_rows(embeddings_NE)))


def pooled(histories: Ragged, unit_NE: np.ndarray) -> np.ndarray:
    """(B, E) unit rows: the mean of each history's item rows with weights .5^age (age 0 for the last item)."""
    weights_BN = decayed(histories, _DECAY, _MAX_POOLED, len(unit_NE)).astype(np.float32)
    return unit_rows(weights_BN @ unit_NE)


def cosines(query_BE: np.ndarray, unit_NE: np.ndarray) -> np.ndarray:
    """(B, N) float32 cosines of two outputs of `unit_rows`, exact before the last rounding."""
    cosines_BN = np.empty((len(query_BE), len(unit_NE)), dtype=np.float32)
    query_BE = query_BE.astype(np.float64)
    for start in range(0, len(unit_NE), _ITEMS):
        block = slice(start, start + _ITEMS)
        cosines_BN[:, block] = query_BE @ unit_NE[block].astype(np.float64).T
    return cosines_BN
