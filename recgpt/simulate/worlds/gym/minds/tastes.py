"""Tastes of a population: one Bayesian linear regression a user over features of items.

    tastes = Tastes.drawn(items, users, scale, parameters, seed=0)
    tastes.latent(user_R, item_R)                  # (R,) in units of the scale, 0 the lowest rating

The latent rating of user u for item i is the sum over features of the user's weight and the item's value:

- level: the user's own mean, which leaves that of the past somewhat;
- quality: the item's average, shrunk by its number of ratings, above the usual average; the weight is how far the user
  follows it (conformity);
- popularity: the log count (diversity: who seeks the unusual likes popular items less);
- text: principal axes of the text embeddings, scaled to unit length;
- tags: 1 over the root of the item's number of tags.

Weights are normal with fitted variances (Gelman and Hill, "Data Analysis Using Regression and Multilevel/Hierarchical
Models", 2007, chapter 12). For a user without a past the traits, and the tags that the person likes or dislikes, set
their means; a past takes the place of these, and its posterior that of the prior. What stays unknown is drawn, so that
a population differs as much as people do: every user's weights are one draw, keyed by seed and user, and so is the true
average of an item with few ratings.

Sums are exact: weights and features lie on a grid, and float64 holds every product and sum of them. So a latent rating
is the same to the last bit in any batch.

Shapes: U users, N items, R rows, F features, D text dimensions, G tags, E embedding width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.parameters import Parameters
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

LEVEL, QUALITY, POPULARITY, TEXT = 0, 1, 2, 3
"""Places of the features; those of the text start at `TEXT`, and then come the tags."""

_GRID = 2.0**16


def on_grid(values: np.ndarray) -> np.ndarray:
    """Float64 values rounded to multiples of 2^-16."""
    return np.round(np.asarray(values, dtype=np.float64) * _GRID) / _GRID


def tag_names(items: Items, users: Users) -> tuple[str, ...]:
    """Tags that tastes are about: the catalogue's frequent ones, and those that a user likes or dislikes."""
    own = {tag for tags in items.tags for tag in tags}
    named = {tag for tags in (*users.liked, *users.disliked) for tag in tags}
    return (*items.tag_names, *sorted((named & own) - set(items.tag_names)))


def text_axes(unit_NE: np.ndarray, dimensions: int) -> np.ndarray:
    """(N, D) float64 unit rows: the texts, less their mean, on their principal axes; zero rows stay zero."""
    rows_NE = unit_NE.astype(np.float64)
    has_text_N = rows_NE.any(axis=1)
    if not has_text_N.any():
        return np.zeros((len(rows_NE), dimensions))
    rows_NE[has_text_N] -= rows_NE[has_text_N].mean(axis=0)
    axes_ED = np.linalg.eigh(rows_NE.T @ rows_NE).eigenvectors[:, ::-1][:, :dimensions]
    axes_ED = axes_ED * np.where(axes_ED[np.abs(axes_ED).argmax(axis=0), range(axes_ED.shape[1])] < 0, -1, 1)
    text_ND = rows_NE @ axes_ED
    norms_N1 = np.linalg.norm(text_ND, axis=1, keepdims=True)
    return np.pad(text_ND / np.where(norms_N1 > 1e-6, norms_N1, 1), ((0, 0), (0, dimensions - text_ND.shape[1])))


def tag_shares(items: Items, tags: Sequence[str]) -> np.ndarray:
    """(N, G) float64: 1 over the root of an item's number of these tags for each that it has."""
    place = {tag: column for column, tag in enumerate(tags)}
    shares_NG = np.zeros((len(items), len(tags)))
    for row, own in enumerate(items.tags):
        columns = sorted({place[tag] for tag in own if tag in place})
        shares_NG[row, columns] = len(columns) ** -0.5 if columns else 0
    return shares_NG


def quality(items: Items, scale: Scale, parameters: Parameters, seed: int) -> np.ndarray:
    """(N,) float64 true averages above `Parameters.average`: averages shrunk by their counts, the rest drawn.

    An average without a count is believed.
    """
    average_N, count_N = scale.unit(items.average_N), items.count_N.astype(np.float64)
    known_N = np.isfinite(average_N)
    belief_N = np.where(count_N > 0, count_N / (count_N + parameters.quality_count), 1.0) * known_N
    drawn_N = rng.normal(seed, np.arange(len(items)), step=0, purpose="quality")
    unknown_N = parameters.quality_deviation * np.sqrt(1 - belief_N) * drawn_N
    return np.where(known_N, average_N - parameters.average, 0) * belief_N + unknown_N


def popularity(count_N: np.ndarray) -> np.ndarray:
    """(N,) float64 standardised log counts; 0 where no counts are known."""
    log_N = np.log1p(count_N.astype(np.float64))
    return (log_N - log_N.mean()) / max(float(log_N.std()), 1e-9)


def item_features(items: Items, scale: Scale, parameters: Parameters, tags: Sequence[str], seed: int) -> np.ndarray:
    """(N, F) float64 features, on the grid."""
    facts_N3 = np.stack(
        [np.ones(len(items)), quality(items, scale, parameters, seed), popularity(items.count_N)], axis=1
    )
    text_ND = text_axes(items.unit_NE, parameters.text_dimensions)
    return on_grid(np.concatenate([facts_N3, text_ND, tag_shares(items, tags)], axis=1))


def has_past(users: Users) -> np.ndarray:
    """(U,) bool, whether any rating of the user is known."""
    known_R = np.isfinite(users.ratings)
    user_R = np.repeat(np.arange(len(users)), users.histories.lengths)
    return np.bincount(user_R[known_R], minlength=len(users)) > 0


def prior_means(users: Users, parameters: Parameters, tags: Sequence[str]) -> np.ndarray:
    """(U, F) float64 means of the weights, from traits and tags; for users with a past those of middle traits."""
    past_U = has_past(users)
    first_tag = TEXT + parameters.text_dimensions
    mean_UF = np.zeros((len(users), first_tag + len(tags)))
    mean_UF[:, LEVEL] = parameters.level
    mean_UF[:, QUALITY] = np.where(past_U, parameters.quality, parameters.quality_without_past)
    mean_UF[:, QUALITY] *= _by_level(parameters.follow_by_conformity, users.conformity_U, past_U)
    mean_UF[:, POPULARITY] = parameters.popularity
    mean_UF[:, POPULARITY] += _by_level(parameters.popularity_by_diversity, users.diversity_U, past_U)
    signs_UG = users.tag_signs(tags) * ~past_U[:, None]
    effects_UG = np.where(signs_UG > 0, parameters.liked, np.where(signs_UG < 0, parameters.disliked, 0))
    mean_UF[:, first_tag:] = effects_UG * _by_level(parameters.taste_by_diversity, users.diversity_U, past_U)[:, None]
    return mean_UF


def prior_deviations(users: Users, parameters: Parameters, n_tags: int) -> np.ndarray:
    """(U, F) float64 standard deviations of the weights.

    The effects of quality and popularity of a user without a past are those of the traits, which are drawn with the
    population.
    """
    past_U = has_past(users)
    first_tag = TEXT + parameters.text_dimensions
    factor_U1 = _by_level(parameters.taste_by_diversity, users.diversity_U, past_U)[:, None]
    deviation_UF = np.empty((len(users), first_tag + n_tags))
    deviation_UF[:, LEVEL] = parameters.own_mean
    deviation_UF[:, QUALITY] = parameters.quality * parameters.follow * past_U
    deviation_UF[:, POPULARITY] = parameters.popularity_deviation * past_U
    deviation_UF[:, TEXT:first_tag] = factor_U1 * parameters.text
    deviation_UF[:, first_tag:] = factor_U1 * parameters.tag
    return deviation_UF


def _by_level(effects: tuple[float, float, float], level_U: np.ndarray, past_U: np.ndarray) -> np.ndarray:
    """(U,) effects of the users' levels from 1 to 3; of level 2 for users with a past."""
    return np.array(effects)[np.where(past_U, 2, level_U) - 1]


def posterior(
    feature_RF: np.ndarray, rating_R: np.ndarray, mean_F: np.ndarray, deviation_F: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of a user's weights after R ratings in units of the scale.

    Returns
    -------
    (F,) float64 mean, and (F, F) lower triangle L with L L' = covariance.
    """
    scaled_RF = feature_RF * deviation_F  # weights = mean + deviation * standard weights
    precision_FF = scaled_RF.T @ scaled_RF / noise**2 + np.eye(len(mean_F))
    pull_F = scaled_RF.T @ (rating_R - feature_RF @ mean_F) / noise**2
    covariance_FF = np.linalg.inv(precision_FF)
    spread_FF = deviation_F[:, None] * np.linalg.cholesky((covariance_FF + covariance_FF.T) / 2)
    return mean_F + deviation_F * (covariance_FF @ pull_F), spread_FF


@dataclass(frozen=True)
class Tastes:
    """Weights of users and features of items.

    Attributes
    ----------
    weight_UF, feature_NF
        (U, F) and (N, F) float64, on the grid.
    """

    weight_UF: np.ndarray
    feature_NF: np.ndarray

    @classmethod
    def drawn(cls, items: Items, users: Users, scale: Scale, parameters: Parameters, *, seed: int) -> "Tastes":
        """Tastes of a population, one draw for each user."""
        n_features = TEXT + parameters.text_dimensions + len(tag_names(items, users))
        uniform_UF = rng.uniform(seed, np.arange(len(users)), step=0, purpose="tastes", n=n_features)
        normal_UF = special.ndtri(np.clip(uniform_UF, 2.0**-54, 1 - 2.0**-53))
        drift_U = rng.normal(seed, np.arange(len(users)), step=0, purpose="drift")
        return cls._at(items, users, scale, parameters, normal_UF, drift_U, seed)

    @classmethod
    def means(cls, items: Items, users: Users, scale: Scale, parameters: Parameters, *, seed: int) -> "Tastes":
        """The most probable tastes of a population, without any draw of users."""
        n_features = TEXT + parameters.text_dimensions + len(tag_names(items, users))
        none_UF = np.zeros((len(users), n_features))
        return cls._at(items, users, scale, parameters, none_UF, none_UF[:, 0], seed)

    @classmethod
    def _at(
        cls,
        items: Items,
        users: Users,
        scale: Scale,
        parameters: Parameters,
        normal_UF: np.ndarray,
        drift_U: np.ndarray,
        seed: int,
    ) -> "Tastes":
        """Tastes at these standard normal numbers of their distribution."""
        tags = tag_names(items, users)
        feature_NF = item_features(items, scale, parameters, tags, seed)
        mean_UF = prior_means(users, parameters, tags)
        deviation_UF = prior_deviations(users, parameters, len(tags))
        weight_UF = mean_UF + deviation_UF * normal_UF
        rating_R, offsets = scale.unit(users.ratings), users.histories.offsets
        for user in np.flatnonzero(has_past(users)):
            own_R = rating_R[offsets[user] : offsets[user + 1]]
            known_R = np.isfinite(own_R)
            past_RF = feature_NF[users.histories[int(user)][known_R]]
            mean_F, spread_FF = posterior(past_RF, own_R[known_R], mean_UF[user], deviation_UF[user], parameters.noise)
            weight_UF[user] = mean_F + spread_FF @ normal_UF[user]
            weight_UF[user, LEVEL] += parameters.drift * drift_U[user]
        return cls(on_grid(weight_UF), feature_NF)

    def latent(self, user_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        """(R,) float64 latent ratings, in units of the scale."""
        return np.einsum("rf,rf->r", self.weight_UF[user_R], self.feature_NF[item_R])

    def latent_all(self, user_R: np.ndarray) -> np.ndarray:
        """(R, N) float64 latent ratings of all items."""
        return self.weight_UF[user_R] @ self.feature_NF.T
