"""How good a fitted model is on rows that it was not fitted on.

Shapes: R rows, L levels.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from recgpt.simulate.worlds.feed.minds.fitting.models import FloatArray


def judged(log_odds_R: FloatArray, y_R: np.ndarray, base_rate: float) -> dict[str, float]:
    """Log loss beside that of a constant, area under the ROC curve, and expected calibration error in ten bins."""
    p_R = np.clip(1 / (1 + np.exp(-log_odds_R)), 1e-9, 1 - 1e-9)
    n_yes = int(y_R.sum())
    ranks_R = stats.rankdata(p_R)
    edges = np.quantile(p_R, np.linspace(0, 1, 11)[1:-1])
    bin_R = np.searchsorted(edges, p_R)
    size = np.bincount(bin_R, minlength=10)
    gap = np.abs(np.bincount(bin_R, p_R - y_R, minlength=10))
    return rounded(
        {
            "rows": len(y_R),
            "log_loss": -np.log(np.where(y_R, p_R, 1 - p_R)).mean(),
            "log_loss_of_constant": -np.log(np.where(y_R, base_rate, 1 - base_rate)).mean(),
            "auc": (ranks_R[y_R].sum() - n_yes * (n_yes + 1) / 2) / max(n_yes * (len(y_R) - n_yes), 1),
            "calibration_error": gap.sum() / max(size.sum(), 1),
        }
    )


def judged_levels(p_RL: FloatArray, level_R: np.ndarray, fitted_levels: np.ndarray) -> dict[str, Any]:
    """Log loss beside that of the levels' shares among fitted rows, R², and how far the predicted shares are off."""
    n_levels = p_RL.shape[1]
    constant = (np.bincount(fitted_levels, minlength=n_levels) + 0.5) / (len(fitted_levels) + 0.5 * n_levels)
    real = np.bincount(level_R, minlength=n_levels) / len(level_R)
    expected_R = p_RL @ np.arange(n_levels)
    return rounded(
        {
            "rows": len(level_R),
            "log_loss": -np.log(np.maximum(p_RL[np.arange(len(level_R)), level_R], 1e-9)).mean(),
            "log_loss_of_constant": -np.log(constant[level_R]).mean(),
            "r2": 1 - ((level_R - expected_R) ** 2).mean() / ((level_R - level_R.mean()) ** 2).mean(),
            "total_variation": total_variation(p_RL.mean(axis=0), real),
        }
    )


def total_variation(p: FloatArray, q: FloatArray) -> float:
    """Half the sum of absolute differences of two distributions."""
    return float(np.abs(p - q).sum() / 2)


def rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """To four decimals, as the report has them; whole numbers stay."""
    return {name: round(float(value), 4) if not isinstance(value, int) else value for name, value in figures.items()}


def shares(level_R: np.ndarray, n_levels: int) -> list[float]:
    """Share of each level, to four decimals."""
    return (np.bincount(level_R, minlength=n_levels) / len(level_R)).round(4).tolist()


def log_loss(log_odds_R: FloatArray, y_R: np.ndarray) -> float:
    """Mean, in nats."""
    return float(np.logaddexp(0, np.where(y_R, -log_odds_R, log_odds_R)).mean())
