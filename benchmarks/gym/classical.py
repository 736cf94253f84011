"""Classical recommenders on the stored ratings of a language model: the published table, and a model that beats it.

    python benchmarks/gym/classical.py ../shared/data/simulate/emosim/llm_ratings.parquet
    python benchmarks/gym/classical.py ... --algorithms SVD,BaselineOnly    # all: half an hour, mostly SVDpp

240,425 ratings from 1 to 10, 25 of 600 users for each of 9,617 films, five folds. The published figures are those of
scikit-surprise 1.1.5 (`pip install scikit-surprise`) with its defaults, random_state 0, rows in the order of the file.
`factor_analysis` is ours, on the same folds.

Shapes: R ratings, U users, N items, K factors.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse, stats

from recgpt.device import hardware
from recgpt.files import write_text
from recgpt.program import run

RESULT = Path(__file__).parents[1] / "results" / "gym" / "classical.json"
FOLDS = 5
ALGORITHMS = (
    "SVD",
    "SVDpp",
    "NMF",
    "SlopeOne",
    "KNNBasic",
    "KNNWithMeans",
    "KNNBaseline",
    "CoClustering",
    "BaselineOnly",
    "NormalPredictor",
)
SEEDED = ("SVD", "SVDpp", "NMF", "CoClustering")
"""Algorithms with a random seed."""
PUBLISHED = {
    "SVD": (0.977901, 0.765025),
    "SVDpp": (0.849432, 0.636106),
    "NMF": (1.54252, 1.287717),
    "SlopeOne": (1.130874, 0.875848),
    "KNNBasic": (1.076648, 0.794165),
    "KNNWithMeans": (1.009039, 0.768134),
    "KNNBaseline": (1.007965, 0.765796),
    "CoClustering": (0.982176, 0.736233),
    "BaselineOnly": (1.154569, 0.93436),
    "NormalPredictor": (2.126237, 1.705841),
}
"""RMSE and MAE, means over the folds."""


@dataclass(frozen=True)
class Rows:
    """(R,) users, items and ratings."""

    user_R: np.ndarray
    item_R: np.ndarray
    rating_R: np.ndarray

    def __len__(self) -> int:
        return len(self.rating_R)

    def select(self, rows: np.ndarray) -> "Rows":
        """Some of the ratings."""
        return Rows(self.user_R[rows], self.item_R[rows], self.rating_R[rows])


def read(path: Path) -> Rows:
    """The ratings in the order of the file."""
    table = pl.read_parquet(path)
    user_R, item_R = (table[name].cast(pl.Int64).to_numpy() for name in ("user", "item"))
    return Rows(user_R, item_R, table["rating"].cast(pl.Float64).to_numpy())


def split(rows: Rows, fold: int) -> tuple[Rows, Rows]:
    """Ratings to learn from and to predict, as `surprise.model_selection.KFold(5, random_state=0)` gives them.

    The order counts: SVD learns in it.
    """
    order = np.arange(len(rows))
    np.random.RandomState(0).shuffle(order)
    folds = np.array_split(order, FOLDS)
    return rows.select(np.concatenate(folds[:fold] + folds[fold + 1 :])), rows.select(folds[fold])


class FactorAnalysis:
    """Maximum likelihood factor analysis of items with missing ratings, by EM (Rubin and Thayer, Psychometrika 1982).

    An item's ratings by the users are `mean_u + loadings_u . factors_i + noise_u`, with standard normal factors. A
    user has several hundred ratings and an item twenty: so factors of items have a posterior, users are estimated, with
    loadings shrunk towards their mean and variances towards `NOISE`.

    Parameters
    ----------
    n_factors
        K.
    rounds
        Rounds of EM.
    shrinkage
        Ratings that the mean of the loadings counts as.
    """

    NOISE, NOISE_COUNT = 0.6, 5

    def __init__(self, n_factors: int = 8, rounds: int = 40, shrinkage: float = 10.0) -> None:
        self.n_factors, self.rounds, self.shrinkage = n_factors, rounds, shrinkage

    def fit(self, known: Rows, n_users: int, n_items: int) -> "FactorAnalysis":
        """Learn from ratings; returns self."""
        places = known.item_R, known.user_R
        seen_NU = sparse.csr_array((np.ones(len(known)), places), shape=(n_items, n_users))
        rating_NU = sparse.csr_array((known.rating_R, places), shape=(n_items, n_users))
        count_U = np.bincount(known.user_R, minlength=n_users)
        square_U = np.bincount(known.user_R, known.rating_R**2, n_users)
        loading_UK = np.random.default_rng(0).normal(0, 0.1, (n_users, self.n_factors))
        loading_UK[:, 0] = 1
        mean_U = np.bincount(known.user_R, known.rating_R, n_users) / np.maximum(count_U, 1)
        variance_U = np.ones(n_users)
        for _ in range(self.rounds):
            factor_NK, covariance_NKK = self._posterior(seen_NU, rating_NU, mean_U, loading_UK, variance_U)
            mean_U, loading_UK, misfit_U = self._users(
                seen_NU, rating_NU, square_U, factor_NK, covariance_NKK, (mean_U, loading_UK, variance_U)
            )
            variance_U = (misfit_U + self.NOISE_COUNT * self.NOISE) / (count_U + self.NOISE_COUNT)
        self.mean_U, self.loading_UK = mean_U, loading_UK
        self.factor_NK = self._posterior(seen_NU, rating_NU, mean_U, loading_UK, variance_U)[0]
        return self

    def predict(self, user_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        """(R,) float64 mean ratings, clamped to 1 and 10."""
        own_R = (self.loading_UK[user_R] * self.factor_NK[item_R]).sum(axis=1)
        return np.clip(self.mean_U[user_R] + own_R, 1, 10)

    def _posterior(
        self,
        seen_NU: sparse.csr_array,
        rating_NU: sparse.csr_array,
        mean_U: np.ndarray,
        loading_UK: np.ndarray,
        variance_U: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means and covariances of the items' factors."""
        scaled_UK = loading_UK / variance_U[:, None]
        square_UKK = scaled_UK[:, :, None] * loading_UK[:, None, :]
        shape = (-1, self.n_factors, self.n_factors)
        precision_NKK = (seen_NU @ square_UKK.reshape(len(mean_U), -1)).reshape(shape) + np.eye(self.n_factors)
        covariance_NKK = np.linalg.inv(precision_NKK)
        pull_NK = rating_NU @ scaled_UK - seen_NU @ (mean_U[:, None] * scaled_UK)
        return np.einsum("nkl,nl->nk", covariance_NKK, pull_NK), covariance_NKK

    def _users(
        self,
        seen_NU: sparse.csr_array,
        rating_NU: sparse.csr_array,
        square_U: np.ndarray,
        factor_NK: np.ndarray,
        covariance_NKK: np.ndarray,
        before: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means, loadings and sums of squared errors of the users."""
        mean_U, loading_UK, variance_U = before
        n_users, width = len(mean_U), self.n_factors + 1
        known_NJ = np.concatenate([np.ones((len(factor_NK), 1)), factor_NK], axis=1)
        second_NJJ = known_NJ[:, :, None] * known_NJ[:, None, :]
        second_NJJ[:, 1:, 1:] += covariance_NKK
        gram_UJJ = (seen_NU.T @ second_NJJ.reshape(len(factor_NK), -1)).reshape(n_users, width, width)
        pull_UJ = rating_NU.T @ known_NJ
        prior_J = np.concatenate([[1e-3], np.full(self.n_factors, self.shrinkage)])
        center_J = np.concatenate([[mean_U.mean()], loading_UK.mean(axis=0)])
        left_UJJ = gram_UJJ + variance_U[:, None, None] * np.diag(prior_J)
        right_UJ = pull_UJ + variance_U[:, None] * (prior_J * center_J)
        own_UJ = np.linalg.solve(left_UJJ, right_UJ[:, :, None])[:, :, 0]
        misfit_U = square_U - 2 * (own_UJ * pull_UJ).sum(axis=1)
        misfit_U += np.einsum("ujk,uj,uk->u", gram_UJJ, own_UJ, own_UJ)
        return own_UJ[:, 0], own_UJ[:, 1:], misfit_U


def errors(predicted_R: np.ndarray, rating_R: np.ndarray) -> tuple[float, float]:
    """RMSE and MAE."""
    difference_R = predicted_R - rating_R
    return float((difference_R**2).mean() ** 0.5), float(np.abs(difference_R).mean())


def factor_analysis(rows: Rows, folds: Sequence[int] = range(FOLDS)) -> list[tuple[float, float]]:
    """RMSE and MAE of `FactorAnalysis` in each of these folds."""
    n_users, n_items = int(rows.user_R.max()) + 1, int(rows.item_R.max()) + 1
    found = []
    for known, held in (split(rows, fold) for fold in folds):
        model = FactorAnalysis().fit(known, n_users, n_items)
        found.append(errors(model.predict(held.user_R, held.item_R), held.rating_R))
    return found


def surprise_errors(name: str, rows: Rows, folds: Sequence[int] = range(FOLDS)) -> list[tuple[float, float]]:
    """RMSE and MAE of a class of scikit-surprise in each of these folds."""
    import surprise

    made = getattr(surprise, name)
    data = surprise.Dataset(surprise.Reader(rating_scale=(1, 10)))
    np.random.seed(0)  # NormalPredictor has no seed of its own
    found = []
    for known, held in (split(rows, fold) for fold in folds):
        model = made(**({"random_state": 0} if name in SEEDED else {}))
        model.fit(data.construct_trainset(raw(known)))
        predicted = [each.est for each in model.test([row[:3] for row in raw(held)])]
        found.append(errors(np.array(predicted), held.rating_R))
    return found


def raw(rows: Rows) -> list[tuple[int, int, float, None]]:
    """The ratings as scikit-surprise takes them."""
    none = [None] * len(rows)
    return list(zip(rows.user_R.tolist(), rows.item_R.tolist(), rows.rating_R.tolist(), none, strict=True))


def summary(found: list[tuple[float, float]], seconds: float) -> dict[str, Any]:
    """Means over the folds with half-widths of 95 % t intervals."""
    figures = np.array(found)
    width = stats.t.ppf(0.975, len(found) - 1) / len(found) ** 0.5 if len(found) > 1 else np.nan
    mean_2, half_2 = figures.mean(axis=0), figures.std(axis=0, ddof=1) * width
    return {
        "rmse": round(float(mean_2[0]), 6),
        "mae": round(float(mean_2[1]), 6),
        "rmse_ci": round(float(half_2[0]), 6),
        "mae_ci": round(float(half_2[1]), 6),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings", type=Path, help="llm_ratings.parquet")
    parser.add_argument("--algorithms", default=",".join(ALGORITHMS), help="classes of scikit-surprise, by commas")
    parser.add_argument("--json", type=Path, default=RESULT)
    args = parser.parse_args()
    rows = read(args.ratings)
    about: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "ratings": len(rows)}
    about["published"] = {name: {"rmse": rmse, "mae": mae} for name, (rmse, mae) in PUBLISHED.items()}
    about["measured"] = {}
    for name in ["factor_analysis", *filter(None, args.algorithms.split(","))]:
        start = time.monotonic()
        found = factor_analysis(rows) if name == "factor_analysis" else surprise_errors(name, rows)
        about["measured"][name] = figures = summary(found, time.monotonic() - start)
        published = PUBLISHED.get(name, (float("nan"),) * 2)
        print(f"{name:16} {figures['rmse']:.4f} {figures['mae']:.4f}   published {published[0]:.4f} {published[1]:.4f}")
        args.json.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.json, json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    run(main, "classical.py")
