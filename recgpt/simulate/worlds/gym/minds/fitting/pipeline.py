"""All steps of the fit on one set of users.

    parameters = fitted(items, rated, scale)

The later half of every user's ratings is what thresholds, drift and memories are fitted on, predicted from the earlier
half as it is for held-out users.

Shapes: U users, R ratings, N items, F features.
"""

from dataclasses import replace

import numpy as np
from scipy import special

from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds import tastes
from recgpt.simulate.worlds.gym.minds.fitting.compare import MIN_OF_ITEM, MIN_OF_USER, spread
from recgpt.simulate.worlds.gym.minds.fitting.memories import fitted_memory, series_of_titles
from recgpt.simulate.worlds.gym.minds.fitting.pasts import Rated, users_of, with_averages
from recgpt.simulate.worlds.gym.minds.fitting.thresholds import quantile_thresholds
from recgpt.simulate.worlds.gym.minds.fitting.variances import averages_of_others, fitted_effects, shrinkage
from recgpt.simulate.worlds.gym.minds.memory import series_numbers, text_rows
from recgpt.simulate.worlds.gym.minds.parameters import Parameters
from recgpt.simulate.worlds.gym.scale import Scale

TEXT_DIMENSIONS = 32
NAMED_TAGS = 3
"""Tags that a person names: the liked ones are supposed to be the best of all, the disliked ones the worst."""
N_DRAWS = 4
"""Populations that are drawn for thresholds and drift."""
N_PEOPLE = 600
"""People without a past that are drawn for the effect of quality on them."""
ROOT_2 = 2**0.5
"""Levels 1 to 3 are drawn with .25, .5, .25: with effects 1, 0, -1 times root 2 their standard deviation is 1."""
TASTE_BY_DIVERSITY = (1.25, 1.0, 0.75)
"""A convention: no source says how much more exclusive a taste is."""


def fitted(items: Items, rated: Rated, scale: Scale) -> Parameters:
    """Parameters from ratings on a scale.

    Parameters
    ----------
    items
        Catalogue; its averages are not used, those of the ratings are.
    rated
        Ratings of all users to fit on.
    """
    known, (past, later) = with_averages(items, rated), rated.halves()
    parameters = _with_effects(items, rated, scale)
    parameters = parameters.model_copy(update={"drift": _drift(known, past, later, scale, parameters)})
    means = tastes.Tastes.means(known, users_of(past), scale, certain(parameters), seed=0)
    memory, of_series, details = fitted_memory(
        in_units(later, scale),
        means.latent(later.user_R, later.item_R),
        items.unit_NE,
        text_rows(means.feature_NF[:, tastes.TEXT : tastes.TEXT + TEXT_DIMENSIONS]),
        series_numbers(series_of_titles(items.titles)),
    )
    latents = [later_latents(known, past, later, scale, parameters, seed, included=True) for seed in range(N_DRAWS)]
    thresholds = quantile_thresholds(np.concatenate(latents), shares(later.rating_R, scale))
    parameters = parameters.model_copy(update={"thresholds": thresholds})
    return parameters.model_copy(
        update={
            "memory": memory,
            "memory_of_series": of_series,
            "quality_without_past": _quality_without_past(known, rated, scale, parameters),
            "fitted_on": {"users": len(rated), "ratings": len(rated.item_R), "memories": details},
        }
    )


def in_units(rated: Rated, scale: Scale) -> Rated:
    """Ratings in units of the scale."""
    return replace(rated, rating_R=scale.unit(rated.rating_R))


def shares(rating_R: np.ndarray, scale: Scale) -> np.ndarray:
    """(V,) share of each rating of the scale."""
    return np.array([(rating_R == value).mean() for value in scale.values])


def certain(parameters: Parameters) -> Parameters:
    """The parameters without a drawn part in the quality of items."""
    return parameters.model_copy(update={"quality_deviation": 0.0})


def later_latents(
    items: Items, past: Rated, later: Rated, scale: Scale, parameters: Parameters, seed: int, *, included: bool = False
) -> np.ndarray:
    """(R,) float64 latent values, noise included, of users with these pasts for the items that they rated later.

    Parameters
    ----------
    included
        Whether the later ratings are among the averages of the items; each is then left out for itself.
    """
    drawn = tastes.Tastes.drawn(items, users_of(past), scale, parameters, seed=seed)
    latent_R = drawn.latent(later.user_R, later.item_R)
    latent_R += parameters.noise * rng.normal(seed, np.arange(len(later.item_R)), step=0, purpose="rate")
    if included:
        change_R = _quality_without(items, in_units(later, scale), scale, parameters)
        latent_R += drawn.weight_UF[later.user_R, tastes.QUALITY] * change_R
    return latent_R


def _quality_without(items: Items, later: Rated, scale: Scale, parameters: Parameters) -> np.ndarray:
    """(R,) by how much the quality of each item changes if this rating is taken out of its average."""
    count_R = items.count_N[later.item_R].astype(np.float64)
    average_R = scale.unit(items.average_N[later.item_R])
    others_R = (average_R * count_R - later.rating_R) / np.maximum(count_R - 1, 1)

    def quality(average_R: np.ndarray, count_R: np.ndarray) -> np.ndarray:
        return count_R / (count_R + parameters.quality_count) * (average_R - parameters.average)

    return quality(others_R, count_R - 1) - quality(average_R, count_R)


def _with_effects(items: Items, rated: Rated, scale: Scale) -> Parameters:
    """Parameters of the users' weights; those of drift, memory and thresholds are still missing."""
    ratings = in_units(rated, scale)
    deviation, half_count = shrinkage(ratings, len(items))
    usual = float(ratings.rating_R.mean())
    start = Parameters.load().model_copy(
        update={
            "average": usual,
            "quality_deviation": 0.0,
            "quality_count": half_count,
            "text_dimensions": TEXT_DIMENSIONS,
        }
    )
    tags = items.tag_names
    feature_NF = tastes.item_features(with_averages(items, rated), scale, start, tags, 0)
    feature_RF = feature_NF[rated.item_R]
    average_R, count_R = averages_of_others(ratings, len(items))
    belief_R = count_R / (count_R + half_count)
    feature_RF[:, tastes.QUALITY] = np.where(count_R > 0, average_R - usual, 0) * belief_R
    first_tag = tastes.TEXT + TEXT_DIMENSIONS
    groups = [slice(0, 1), slice(1, 2), slice(2, 3), slice(tastes.TEXT, first_tag), slice(first_tag, None)]
    effects = fitted_effects(feature_RF, ratings, groups, n_free=tastes.TEXT)
    mean_F, deviation_F = effects.mean_F, effects.deviation_F
    tag = float(deviation_F[-1])
    named = tag * extreme_mean(len(tags), NAMED_TAGS)
    follow = float(deviation_F[tastes.QUALITY] / mean_F[tastes.QUALITY])
    unusual = float(deviation_F[tastes.POPULARITY]) * ROOT_2
    return start.model_copy(
        update={
            "level": float(mean_F[tastes.LEVEL]),
            "noise": effects.noise,
            "own_mean": float(deviation_F[tastes.LEVEL]),
            "drift": 0.0,
            "quality": float(mean_F[tastes.QUALITY]),
            "quality_without_past": float(mean_F[tastes.QUALITY]),
            "quality_deviation": deviation,
            "popularity": float(mean_F[tastes.POPULARITY]),
            "follow": follow,
            "follow_by_conformity": (1 + ROOT_2 * follow, 1.0, 1 - ROOT_2 * follow),
            "popularity_deviation": float(deviation_F[tastes.POPULARITY]),
            "popularity_by_diversity": (unusual, 0.0, -unusual),
            "text": float(deviation_F[tastes.TEXT]),
            "tag": tag,
            "liked": named,
            "disliked": -named,
            "taste_by_diversity": TASTE_BY_DIVERSITY,
        }
    )


def extreme_mean(n: int, best: int) -> float:
    """Mean of the `best` largest of n standard normal numbers (Blom, "Statistical Estimates", 1958)."""
    ranks = np.arange(1, best + 1)
    return float(special.ndtri((n - ranks + 1 - 0.375) / (n + 0.25)).mean())


def _drift(items: Items, past: Rated, later: Rated, scale: Scale, parameters: Parameters) -> float:
    """What is missing in the spread between users if their later level is that of the past."""
    real = spread(later.user_R, scale.unit(later.rating_R), MIN_OF_USER)[1]
    latents = [later_latents(items, past, later, scale, parameters, seed, included=True) for seed in range(N_DRAWS)]
    simulated = np.mean([spread(later.user_R, latent_R, MIN_OF_USER)[1] for latent_R in latents])
    return max(real**2 - float(simulated) ** 2, 0.0) ** 0.5


def _quality_without_past(items: Items, rated: Rated, scale: Scale, parameters: Parameters) -> float:
    """Effect of quality at which items differ as much for people who are shown them as for those who chose them."""
    user_R = np.repeat(np.arange(N_PEOPLE), len(rated.item_R) // N_PEOPLE)
    item_R = np.random.default_rng(0).choice(rated.item_R, len(user_R))
    nobody = Rated(np.zeros(0, np.int64), np.zeros(0), np.zeros(N_PEOPLE + 1, np.int64))
    drawn = tastes.Tastes.drawn(items, users_of(nobody), scale, parameters, seed=0)
    noise_R = parameters.noise * rng.normal(0, np.arange(len(item_R)), step=0, purpose="rate")
    latent_R = drawn.latent(user_R, item_R) + noise_R
    simulated_R = scale.lowest + scale.step * np.searchsorted(parameters.thresholds, latent_R, side="right")
    real = spread(rated.item_R, rated.rating_R, MIN_OF_ITEM)[1]
    return parameters.quality * real / spread(item_R, simulated_R, MIN_OF_ITEM)[1]
