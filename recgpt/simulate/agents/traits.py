"""Activity, diversity and conformity of users, from their known interactions, as figures and classes from 1 to 3.

    traits = traits_of(known_part(dataset))
    traits.activity_U                     # 1: rarely comes, 2, 3: comes often

Definitions of Zhang et al., "On Generative Agents in Recommendation" (SIGIR 2024, section 3.1) and of its code. Give
them the known part of a data set only: held-out interactions must not shape agents that are tested on them.

Shapes: U users, N items, C categories.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Dataset
from recgpt.evaluate.beyond_accuracy import category_weights

ACTIVITY_PERCENTILES = (60, 90)
DIVERSITY_PERCENTILES = (33, 66)
CONFORMITY_PERCENTILES = (25, 80)
MIDDLE = 2  # class of a user without the figure

_USERS = 4096


@dataclass(frozen=True)
class Traits:
    """U users.

    Attributes
    ----------
    n_ratings_U
        (U,) float32 interactions: activity, in paper and code.
    n_genres_U
        (U,) float32 number of a user's categories, by descending share, that together stay within 80 % of the
        categories of the user's items; at least 1: diversity in the code. NaN without categories.
    n_all_genres_U
        (U,) float32 how many different categories: diversity in the paper. NaN likewise.
    rating_deviation_U
        (U,) float32 mean of (own rating - item's mean)²: conformity, in paper and code. An item's mean is over its
        known ratings. NaN where no rating of the user is known.
    activity_U, diversity_U, conformity_U
        (U,) int8 classes, cut from the code's figures at the percentiles above, over all these users. 1 is rarely, few
        genres, follower; 3 is often, many genres, maverick. `MIDDLE` where the figure is NaN, so everyone's conformity
        where there are no ratings.
    """

    n_ratings_U: np.ndarray
    n_genres_U: np.ndarray
    n_all_genres_U: np.ndarray
    rating_deviation_U: np.ndarray
    activity_U: np.ndarray
    diversity_U: np.ndarray
    conformity_U: np.ndarray


def traits_of(known: Dataset) -> Traits:
    """Traits of all users of the known part of a data set, see `sources.known_part`."""
    n_ratings_U = np.diff(known.offsets).astype(np.float32)
    n_genres_U, n_all_genres_U = _genre_counts(known, category_weights(known.items))
    rating_deviation_U = _rating_deviations(known)
    return Traits(
        n_ratings_U,
        n_genres_U,
        n_all_genres_U,
        rating_deviation_U,
        classes(n_ratings_U, percentile_cuts(n_ratings_U, ACTIVITY_PERCENTILES)),
        classes(n_genres_U, percentile_cuts(n_genres_U, DIVERSITY_PERCENTILES)),
        classes(rating_deviation_U, percentile_cuts(rating_deviation_U, CONFORMITY_PERCENTILES)),
    )


def percentile_cuts(values_U: np.ndarray, percentiles: tuple[float, float]) -> tuple[float, float]:
    """The values at two percentiles, ignoring NaN; NaN where all values are."""
    known = values_U[~np.isnan(values_U)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.percentile(known.astype(np.float64), percentiles)
    return float(low), float(high)


def classes(values_U: np.ndarray, cuts: tuple[float, float]) -> np.ndarray:
    """(U,) int8: 1 up to the first cut, 2 up to the second, 3 above; `MIDDLE` for NaN."""
    low, high = cuts
    class_U = 1 + (values_U > low) + (values_U > high)
    return np.where(np.isnan(values_U), MIDDLE, class_U).astype(np.int8)


def _genre_counts(known: Dataset, categories_NC: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray]:
    covering_U = np.full(known.n_users, np.nan, dtype=np.float32)
    different_U = covering_U.copy()
    if categories_NC is None:
        return covering_U, different_U
    for start in range(0, known.n_users, _USERS):
        users = slice(start, start + _USERS)
        sequences = known.sequences[users]
        ones = np.ones(len(sequences.values))
        items_UN = sparse.csr_array((ones, sequences.values, sequences.offsets), shape=(len(sequences), known.n_items))
        count_UC = -np.sort(-(items_UN @ categories_NC).toarray(), axis=1)
        total_U = count_UC.sum(axis=1)
        # Compared as whole numbers: 80 % of a count has no exact float.
        covering = (5 * np.cumsum(count_UC, axis=1) <= 4 * total_U[:, None]).sum(axis=1)
        covering_U[users] = np.where(total_U > 0, np.maximum(covering, 1), np.nan)
        different_U[users] = np.where(total_U > 0, (count_UC > 0).sum(axis=1), np.nan)
    return covering_U, different_U


def _rating_deviations(known: Dataset) -> np.ndarray:
    events = known.interactions
    if events.rating is None:
        return np.full(known.n_users, np.nan, dtype=np.float32)
    rated = np.isfinite(events.rating)
    user, item, rating = events.user[rated], events.item[rated], events.rating[rated].astype(np.float64)
    count_N = np.bincount(item, minlength=known.n_items)
    mean_N = np.bincount(item, rating, minlength=known.n_items) / np.maximum(count_N, 1)
    count_U = np.bincount(user, minlength=known.n_users)
    total_U = np.bincount(user, (rating - mean_N[item]) ** 2, minlength=known.n_users)
    return np.where(count_U > 0, total_U / np.maximum(count_U, 1), np.nan).astype(np.float32)
