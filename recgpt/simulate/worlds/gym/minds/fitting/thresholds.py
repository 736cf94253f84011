"""Thresholds of the ordinal scale: the quantiles of latent values that give the real shares.

Shapes: R ratings, V ratings of the scale.
"""

import numpy as np


def quantile_thresholds(latent_R: np.ndarray, shares_V: np.ndarray) -> tuple[float, ...]:
    """(V - 1,) thresholds at which latent values, noise included, fall on each rating as often as the shares say.

    Ratings that nobody gives get thresholds a millionth apart.
    """
    below_V = np.clip(np.cumsum(shares_V / shares_V.sum())[:-1], 0, 1)
    return tuple(map(float, np.quantile(latent_R, below_V) + 1e-6 * np.arange(len(below_V))))
