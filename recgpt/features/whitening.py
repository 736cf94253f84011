"""Whitening: text embeddings without the few directions that all texts of a catalogue share.

Sentence embeddings lie in a narrow cone, so that all cosines are alike (Su et al. 2021, "Whitening sentence
representations for better semantics and faster retrieval"). N items, E embedding width.
"""

import numpy as np

_EXPONENT = 0.25  # half of full whitening (.5): directions of small variance are often noise
_FLOOR = 0.001  # of the mean eigenvalue: limits the amplification of directions without variance


def whiten(embeddings_NE: np.ndarray) -> np.ndarray:
    """Whiten a catalogue with its own covariance, by ZCA: rotate back, so that rows stay comparable with the old axes.

    Parameters
    ----------
    embeddings_NE
        (N, E) finite floats; rows are scaled to unit length first (zero rows stay zero).

    Returns
    -------
    (N, E) float64, not scaled to any length.
    """
    unit_NE = np.array(embeddings_NE, dtype=np.float64)
    norms_N1 = np.linalg.norm(unit_NE, axis=1, keepdims=True)
    unit_NE /= np.where(norms_N1 > 0, norms_N1, 1)
    unit_NE -= unit_NE.mean(axis=0)
    variance_E, axes_EE = np.linalg.eigh(unit_NE.T @ unit_NE / len(unit_NE))
    variance_E = np.maximum(variance_E, 0)
    mean = variance_E.mean()
    if mean == 0:  # all texts are equal: nothing to whiten
        return unit_NE
    scale_E = (variance_E + _FLOOR * mean) ** -_EXPONENT  # x A diag((v + floor)^-1/4) A^T
    return unit_NE @ (axes_EE * scale_E) @ axes_EE.T
