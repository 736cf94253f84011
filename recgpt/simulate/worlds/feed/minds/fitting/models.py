"""The two kinds of model behind the scripted mind: yes or no, and levels in an order.

Shapes: R rows, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

RIDGE = 1.0  # of every coefficient but intercepts and thresholds: coefficients without data stay finite

FloatArray = np.ndarray
_PRECISE = {"maxiter": 2000, "maxfun": 100_000, "ftol": 1e-11, "gtol": 1e-5}


@dataclass(frozen=True)
class Moment:
    """Of rows that were not published one by one: the mean answer, worth as much as `weight` answers."""

    x_RF: FloatArray
    mean: float
    weight: float


def logistic(x_RF: FloatArray, y_R: np.ndarray, *, moments: Sequence[Moment] = ()) -> tuple[FloatArray, float]:
    """Coefficients (F,) and intercept of a logistic regression on rows and, beside them, on mean answers."""
    signs_R = np.where(y_R, 1.0, -1.0)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        margin_R = signs_R * (x_RF @ weights[:-1] + weights[-1])
        slope_R = -signs_R / (1 + np.exp(margin_R))
        penalty = RIDGE * weights[:-1]
        value = np.logaddexp(0, -margin_R).sum() + penalty @ weights[:-1] / 2
        slope = np.append(x_RF.T @ slope_R + penalty, slope_R.sum())
        for moment in moments:
            p_R = 1 / (1 + np.exp(-(moment.x_RF @ weights[:-1] + weights[-1])))
            mean, spread_R = p_R.mean(), p_R * (1 - p_R) / len(p_R)
            value -= moment.weight * (moment.mean * np.log(mean) + (1 - moment.mean) * np.log(1 - mean))
            pull = moment.weight * (mean - moment.mean) / (mean * (1 - mean))
            slope += pull * np.append(moment.x_RF.T @ spread_R, spread_R.sum())
        return float(value), slope

    found = optimize.minimize(loss, np.zeros(x_RF.shape[1] + 1), jac=True, method="L-BFGS-B", options=_PRECISE)
    return found.x[:-1], float(found.x[-1])


@dataclass(frozen=True)
class Ordinal:
    """P(y <= s) = 1 / (1 + exp(-(threshold_s - x · coefficients) / spread of the row's class))."""

    thresholds: FloatArray
    coefficients: FloatArray
    spreads: FloatArray

    def probabilities(self, x_RF: FloatArray, class_R: np.ndarray) -> FloatArray:
        """(R, levels)."""
        return level_probabilities(self.thresholds, x_RF @ self.coefficients, self.spreads[class_R])


def ordinal(x_RF: FloatArray, level_R: np.ndarray, n_levels: int, class_R: np.ndarray) -> Ordinal:
    """Fit thresholds, coefficients and one spread a class (the first is 1), with half an observation on each level."""
    n_features, n_classes = x_RF.shape[1], int(class_R.max()) + 1
    mean_F = x_RF.mean(axis=0)

    def unpacked(weights: FloatArray) -> Ordinal:
        thresholds = weights[0] + np.concatenate([[0], np.cumsum(np.exp(weights[1 : n_levels - 1]))])
        coefficients = weights[n_levels - 1 : n_levels - 1 + n_features]
        return Ordinal(thresholds, coefficients, np.exp(np.append(0, weights[n_levels - 1 + n_features :])))

    def loss(weights: FloatArray) -> float:
        model = unpacked(weights)
        of_rows_R = model.probabilities(x_RF, class_R)[np.arange(len(level_R)), level_R]
        of_mean = level_probabilities(model.thresholds, np.array([mean_F @ model.coefficients]), np.ones(1))[0]
        fit_ = np.log(np.maximum(of_rows_R, 1e-12)).sum() + 0.5 * np.log(np.maximum(of_mean, 1e-12)).sum()
        return float(-fit_ + RIDGE / 2 * (model.coefficients @ model.coefficients))

    share = np.cumsum(np.bincount(level_R, minlength=n_levels) + 0.5)[:-1]
    start_thresholds = np.log(share / (len(level_R) + 0.5 * n_levels - share))
    start = np.zeros(n_levels - 1 + n_features + n_classes - 1)
    start[0], start[1 : n_levels - 1] = start_thresholds[0], np.log(np.diff(start_thresholds))
    return unpacked(optimize.minimize(loss, start, method="L-BFGS-B", options=_PRECISE).x)


def level_probabilities(thresholds: FloatArray, sum_R: FloatArray, spread_R: FloatArray) -> FloatArray:
    """(R, levels) from the sums of features times coefficients. See `Ordinal`."""
    below = 1 / (1 + np.exp(-np.clip((thresholds - sum_R[:, None]) / spread_R[:, None], -500, 500)))
    return np.diff(below, prepend=0.0, append=1.0, axis=1)


def floats(values: FloatArray) -> Any:
    """Coefficients as the parameters hold them: a tuple, whose length the parameters check."""
    return tuple(map(float, values))
