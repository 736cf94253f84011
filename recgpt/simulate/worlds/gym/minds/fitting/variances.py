"""Means and variances of users' weights by maximum likelihood, with the EM algorithm for normal random effects.

    effects = fitted_effects(feature_RF, rated, groups, n_free=3)

Laird and Ware, "Random-effects models for longitudinal data" (Biometrics 1982). The means of level, quality and
popularity are free, those of tastes 0. The weights of one group of features have one variance.

Shapes: U users, R ratings, N items, F features.
"""

from dataclasses import dataclass

import numpy as np

from recgpt.simulate.worlds.gym.minds.fitting.pasts import Rated

ROUNDS = 60
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Effects:
    """Distribution of users' weights.

    Attributes
    ----------
    mean_F, deviation_F
        (F,) float64.
    noise
        Standard deviation of a rating around the user's weights times the item's features.
    """

    mean_F: np.ndarray
    deviation_F: np.ndarray
    noise: float


@dataclass(frozen=True)
class _Sums:
    """Sums over the ratings of each user: of features, of features times ratings, of squared ratings, and counts."""

    features_UFF: np.ndarray
    ratings_UF: np.ndarray
    squares_U: np.ndarray
    counts_U: np.ndarray


def fitted_effects(feature_RF: np.ndarray, rated: Rated, groups: list[slice], n_free: int) -> Effects:
    """Effects that make these ratings most likely.

    Parameters
    ----------
    feature_RF
        (R, F) features of the items rated.
    rated
        Ratings, in units of the scale.
    groups
        Features of one variance each.
    n_free
        Number of first features with a free mean.
    """
    sums = _sums(feature_RF, rated)
    mean_F, variance_F = np.zeros(feature_RF.shape[1]), np.full(feature_RF.shape[1], 0.01)
    noise2 = float(rated.rating_R.var())
    for _ in range(ROUNDS):
        scale_F = np.sqrt(variance_F)
        precision_UFF = scale_F[:, None] * sums.features_UFF * scale_F / noise2 + np.eye(len(mean_F))
        inverse_UFF = np.linalg.inv(precision_UFF)
        pull_UF = scale_F * (sums.ratings_UF - sums.features_UFF @ mean_F) / noise2
        weight_UF = mean_F + scale_F * np.einsum("ufg,ug->uf", inverse_UFF, pull_UF)
        covariance_UFF = scale_F[:, None] * inverse_UFF * scale_F
        squared_UFF = covariance_UFF + weight_UF[:, :, None] * weight_UF[:, None, :]
        misfit_U = sums.squares_U - 2 * (weight_UF * sums.ratings_UF).sum(axis=1)
        misfit_U += np.einsum("ufg,ufg->u", sums.features_UFF, squared_UFF)
        noise2 = float(misfit_U.sum() / sums.counts_U.sum())
        mean_F[:n_free] = weight_UF[:, :n_free].mean(axis=0)
        own_F = np.einsum("uff->f", covariance_UFF) / len(weight_UF) + ((weight_UF - mean_F) ** 2).mean(axis=0)
        for group in groups:
            variance_F[group] = max(float(own_F[group].mean()), _SMALLEST)
    return Effects(mean_F, np.sqrt(variance_F), noise2**0.5)


def _sums(all_RF: np.ndarray, rated: Rated) -> _Sums:
    n_users, n_features = len(rated), all_RF.shape[1]
    sums = _Sums(
        np.empty((n_users, n_features, n_features)),
        np.empty((n_users, n_features)),
        np.empty(n_users),
        np.empty(n_users),
    )
    for user, (start, stop) in enumerate(zip(rated.offsets[:-1], rated.offsets[1:], strict=True)):
        feature_RF, rating_R = all_RF[start:stop], rated.rating_R[start:stop]
        sums.features_UFF[user] = feature_RF.T @ feature_RF
        sums.ratings_UF[user] = feature_RF.T @ rating_R
        sums.squares_U[user] = rating_R @ rating_R
        sums.counts_U[user] = stop - start
    return sums


def shrinkage(rated: Rated, n_items: int) -> tuple[float, float]:
    """Standard deviation of items' true averages, and the count at which half of an observed one is believed.

    Moments of a one-way layout (Searle, Casella and McCulloch, "Variance Components", 1992, section 3.6): variance
    between items less what the variance within them explains.
    """
    count_N = np.bincount(rated.item_R, minlength=n_items).astype(np.float64)
    total_N = np.bincount(rated.item_R, weights=rated.rating_R, minlength=n_items)
    square_N = np.bincount(rated.item_R, weights=rated.rating_R**2, minlength=n_items)
    kept_N = count_N >= 2
    count_N, total_N, square_N = count_N[kept_N], total_N[kept_N], square_N[kept_N]
    mean_N = total_N / count_N
    within = (square_N - total_N * mean_N).sum() / (count_N.sum() - len(count_N))
    grand = total_N.sum() / count_N.sum()
    between = (count_N * (mean_N - grand) ** 2).sum() - (len(count_N) - 1) * within
    between /= count_N.sum() - (count_N**2).sum() / count_N.sum()
    return float(between**0.5), float(within / between)


def averages_of_others(rated: Rated, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """(R,) averages of the items over all other ratings, NaN without any, and (R,) numbers of these."""
    count_R = np.bincount(rated.item_R, minlength=n_items)[rated.item_R] - 1
    total_R = np.bincount(rated.item_R, weights=rated.rating_R, minlength=n_items)[rated.item_R] - rated.rating_R
    return np.where(count_R > 0, total_R / np.maximum(count_R, 1), np.nan), count_R
