"""Linear bandits on item texts: LinUCB and Thompson sampling, a model a user, with a prior that all users share.

    policy = LinUCB(setting)

Li et al., "A Contextual-Bandit Approach to Personalized News Article Recommendation" (2010, algorithm 1); Agrawal and
Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs" (2013). An item is x = [1, its average, the first
principal components of its text vector]; a user rates m + x·θ + noise, where m is the item's average and θ has a
normal prior around 0: at first all users have the average taste. The posterior of θ follows from the user's ratings
before the episode and in it, so that a choice depends on its own episode alone, at any number of environments.

Shapes: E episodes, H interactions, N items, U users, D features of an item.
"""

import numpy as np

from recgpt.simulate.worlds.gym.draws import normal
from recgpt.simulate.worlds.gym.policies.base import Setting, Views
from recgpt.simulate.worlds.gym.policies.choice import best_allowed
from recgpt.simulate.worlds.gym.policies.simple import Unlearning, shrunk_averages

COMPONENTS = 16
"""Principal components of the text vectors; they have mean square length 1 together."""
NOISE, SPREAD = 0.18, 0.12
"""Standard deviations, as shares of the scale's length: of a rating's noise, and of each component of θ."""
OPTIMISM = 0.5
"""α of LinUCB: standard deviations of the expected rating that are added to it."""


class LinearBandit(Unlearning):
    """Posterior of each user's θ, and the choice by a score; a subclass defines the score."""

    name: str

    def __init__(self, setting: Setting) -> None:
        length = setting.domain.scale.highest - setting.domain.scale.lowest
        self._noise, self._spread = NOISE * length, SPREAD * length
        self._average_N = shrunk_averages(setting)
        self._x_ND = _features(setting.items.unit_NE, self._average_N)
        self._known_UDD, self._known_UD = self._sums_before(setting)

    def act(self, views: Views) -> np.ndarray:
        """(E,) int64 the item to show to each user."""
        allowed_EN = views.allowed()
        item_E = np.empty(len(views), dtype=np.int64)
        for row in range(len(views)):  # a user at a time: a product of several could round otherwise
            mean_D, root_DD = self._posterior(views, row)
            score_N = self._average_N + self._score(mean_D, root_DD, views, row)
            item_E[row] = best_allowed(score_N[None], allowed_EN[row : row + 1])[0]
        return item_E

    def _score(self, mean_D: np.ndarray, root_DD: np.ndarray, views: Views, row: int) -> np.ndarray:
        raise NotImplementedError

    def _posterior(self, views: Views, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean of θ, and a root R of its covariance R Rᵀ."""
        user, items_H, ratings_H = views.user_E[row], views.items_EH[row], views.ratings_EH[row]
        met_H = (items_H >= 0) & ~np.isnan(ratings_H)
        sums_DD, sums_D = self._sums(items_H[met_H], ratings_H[met_H])
        width = len(sums_D)
        precision_DD = (self._known_UDD[user] + sums_DD) / self._noise**2 + np.eye(width) / self._spread**2
        mean_D = np.linalg.solve(precision_DD, (self._known_UD[user] + sums_D) / self._noise**2)
        return mean_D, np.linalg.inv(np.linalg.cholesky(precision_DD)).T

    def _sums(self, item_H: np.ndarray, rating_H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x_HD = self._x_ND[item_H]
        return x_HD.T @ x_HD, x_HD.T @ (rating_H - self._average_N[item_H])

    def _sums_before(self, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
        """Sums over each user's ratings before the first episode: (U, D, D) and (U, D)."""
        users, width = setting.users, self._x_ND.shape[1]
        known_UDD, known_UD = np.zeros((len(users), width, width)), np.zeros((len(users), width))
        offsets = users.histories.offsets
        for user in np.flatnonzero(users.histories.lengths).tolist():
            rating_H = users.ratings[offsets[user] : offsets[user + 1]]
            rated_H = ~np.isnan(rating_H)
            known_UDD[user], known_UD[user] = self._sums(users.histories[user][rated_H], rating_H[rated_H])
        return known_UDD, known_UD


class LinUCB(LinearBandit):
    """The item with the highest expected rating plus `OPTIMISM` standard deviations of it."""

    name = "linucb"

    def _score(self, mean_D: np.ndarray, root_DD: np.ndarray, views: Views, row: int) -> np.ndarray:
        deviation_N = np.sqrt(((self._x_ND @ root_DD) ** 2).sum(axis=1))
        return self._x_ND @ mean_D + OPTIMISM * deviation_N


class ThompsonSampling(LinearBandit):
    """The item that is best for a θ drawn from the posterior, keyed by the episode and its step."""

    name = "thompson"

    def _score(self, mean_D: np.ndarray, root_DD: np.ndarray, views: Views, row: int) -> np.ndarray:
        key, step = views.key_E[row : row + 1], views.step_E[row : row + 1]
        drawn_D = np.array([normal(key, step, f"policy thompson {place}")[0] for place in range(len(mean_D))])
        return self._x_ND @ (mean_D + root_DD @ drawn_D)


def _features(unit_NE: np.ndarray, average_N: np.ndarray) -> np.ndarray:
    """(N, D) float64 features of items: 1, the standardised average, and the principal components of the texts."""
    centred_NE = unit_NE.astype(np.float64) - unit_NE.mean(axis=0, dtype=np.float64)
    _, vectors_EE = np.linalg.eigh(centred_NE.T @ centred_NE)
    parts_ND = centred_NE @ vectors_EE[:, ::-1][:, :COMPONENTS]
    scale = np.sqrt((parts_ND**2).sum(axis=1).mean())
    spread = average_N.std()
    return np.concatenate(
        [
            np.ones((len(average_N), 1)),
            ((average_N - average_N.mean()) / (spread or 1.0))[:, None],
            parts_ND / (scale or 1.0),
        ],
        axis=1,
    )
