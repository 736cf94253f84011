"""Shares of the variance of ratings and opinions by persona, item and run.

    variance_shares(stars_R, {"persona": agent_R, "item": item_R, "run": run_R})

A model of crossed random effects, y = mean + persona + item + run + rest, fitted by the method of moments: sums of
squares within the groups of each factor, and of all rows, are equated with their expectations (Gao and Owen,
"Efficient moment calculations for variance components in large unbalanced crossed random effects models", EJS 11,
2017). Negative estimates count as 0. The rest contains everything that the factors do not explain, such as a
persona's taste for an item.

Shapes: R rows.
"""

from collections.abc import Mapping

import numpy as np

REST = "rest"


def variance_shares(values_R: np.ndarray, factors: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Share of the variance due to each factor, and the rest; they add up to 1.

    Parameters
    ----------
    values_R
        (R,) values, without NaN.
    factors
        (R,) int64 group of each row, by name of the factor.

    Returns
    -------
    dict
        Shares by factor, and of `rest`. None for a factor with one group, or whose groups cannot be told apart from
        another's or from single rows; all None where nothing varies.
    """
    codes = {name: np.unique(of_R, return_inverse=True)[1] for name, of_R in factors.items()}
    used = [name for name, code_R in codes.items() if len(code_R) and code_R.max() > 0]
    none: dict[str, float | None] = dict.fromkeys((*factors, REST))
    if len(values_R) < 2 or np.ptp(values_R) == 0:
        return none
    groupings = [codes[name] for name in used] + [np.zeros(len(values_R), dtype=np.int64)]
    sums = np.array([_within(values_R, of_R) for of_R in groupings])
    expected = np.array(
        [[*(_pairs(of_R, codes[name]) for name in used), len(of_R) - (of_R.max() + 1)] for of_R in groupings],
        dtype=float,
    )
    if np.linalg.matrix_rank(expected) < len(expected):
        return none
    parts = np.maximum(np.linalg.solve(expected, sums), 0)
    if not parts.sum():
        return none
    shares = (parts / parts.sum()).tolist()
    return {**none, **dict(zip((*used, REST), shares, strict=True))}


def _within(values_R: np.ndarray, of_R: np.ndarray) -> float:
    """Sum of squares within groups."""
    n_G = np.bincount(of_R)
    mean_G = np.bincount(of_R, values_R) / n_G
    return float(((values_R - mean_G[of_R]) ** 2).sum())


def _pairs(of_R: np.ndarray, factor_R: np.ndarray) -> float:
    """Weight of the factor's variance in the expected sum of squares within the groups `of_R`: R - sum n_gh^2 / n_g."""
    n_G = np.bincount(of_R)
    _, first, n_cell = np.unique(of_R * (factor_R.max() + 1) + factor_R, return_index=True, return_counts=True)
    return float(len(of_R) - (n_cell**2 / n_G[of_R[first]]).sum())
