"""Satisfaction of people, as far as their ratings show it: what they give to other items of the same visit.

No data set has people's stars for the items of a page and beside them their satisfaction with the page or the visit.
Ratings show how closely one part of a visit follows another: a visit ends with half an hour without a rating, its
ratings are divided at random. Two of four ratings in a row are a page's stars, and the page pleased if the other two
are liked on average (`fit_satisfaction`). Of a whole visit, the correlation of the means of its halves is the one that
interviews get with the agents' stars (`visit_correlation`).

Shapes: R events, V parts of visits, n ratings of a part.
"""

from typing import Any

import numpy as np

from recgpt.data.dataset import Interactions
from recgpt.simulate.worlds.feed.minds.fitting.models import logistic
from recgpt.simulate.worlds.feed.minds.fitting.scores import judged
from recgpt.simulate.worlds.feed.minds.fitting.sources import is_held_out
from recgpt.simulate.worlds.feed.minds.parameters import Satisfaction
from recgpt.simulate.worlds.feed.minds.scripted import PUBLISHED_PAGE
from recgpt.simulate.worlds.feed.state import LIKED

SILENCE = 1800  # seconds without a rating that end a visit
MOST_PARTS = 12  # pages or visits of one user, so that frequent raters do not dominate
LEAST, MOST = 4, 12  # ratings of a visit: its halves have about as many as an agent gives


def fit_satisfaction(interactions: Interactions, seed: int) -> tuple[Satisfaction, dict[str, Any]]:
    """Fit whether a page pleases on the stars given on it; evaluated on held-out users.

    The report has also the `correlation` of yes or no with the mean of the stars, and `by_stars`: the share of pleased
    at a mean of 1, 2, 3, 4 and 5 stars (rounded, half up), None where there is none.
    """
    users_V, pages_V4 = parts(interactions, PUBLISHED_PAGE, PUBLISHED_PAGE)
    first_V, second_V = halves(pages_V4, seed)
    stars, others = np.concatenate([first_V, second_V]), np.concatenate([second_V, first_V])
    pleased, test = others >= LIKED, np.tile(is_held_out(seed, users_V), 2)
    weights, intercept = logistic(stars[~test, None] - 3, pleased[~test])
    model = Satisfaction(three_stars=intercept, star=float(weights[0]))
    base = float(pleased[~test].mean())
    report: dict[str, Any] = judged(intercept + weights[0] * (stars[test] - 3), pleased[test], base)
    report["correlation"] = correlation(stars[test], pleased[test])
    report["by_stars"] = means_by_stars(stars[test], pleased[test])
    return model, report


def visit_correlation(interactions: Interactions, seed: int) -> dict[str, Any]:
    """Correlation of the means of a visit's two halves: of the users that are fitted on, and held out (`visits`)."""
    users_V, visits_Vn = parts(interactions, LEAST, MOST)
    first_V, second_V = halves(visits_Vn, seed)
    test = is_held_out(seed, users_V)
    return {
        "fitted": correlation(first_V[~test], second_V[~test]),
        "held_out": correlation(first_V[test], second_V[test]),
        "visits": int(test.sum()),
    }


def parts(interactions: Interactions, least: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut each visit into parts of `most` ratings, without a last one of fewer than `least`.

    Without times all ratings of a user are one visit.

    Returns
    -------
    (V,) users, and (V, `most`) ratings, NaN beyond a part's end.
    """
    user_R, rating_R = interactions.user, np.asarray(interactions.rating, dtype=np.float64)
    starts_R = np.append(True, user_R[1:] != user_R[:-1])
    if interactions.timestamp is not None:
        starts_R[1:] |= np.diff(interactions.timestamp) > SILENCE
    visit_R = np.cumsum(starts_R) - 1
    place_R = np.arange(len(user_R)) - np.flatnonzero(starts_R)[visit_R]
    part_R = np.cumsum(place_R % most == 0) - 1
    table_Vn = np.full((part_R[-1] + 1, most), np.nan)
    table_Vn[part_R, place_R % most] = rating_R
    user_V = user_R[place_R % most == 0]
    enough_V = np.isfinite(table_Vn).sum(axis=1) >= least
    user_V, table_Vn = user_V[enough_V], table_Vn[enough_V]
    number_V = np.arange(len(user_V)) - np.searchsorted(user_V, user_V)
    return user_V[number_V < MOST_PARTS], table_Vn[number_V < MOST_PARTS]


def halves(ratings_Vn: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(V,) means of two random halves of each row."""
    drawn_Vn = np.random.default_rng(seed).random(ratings_Vn.shape)
    order_Vn = np.argsort(np.where(np.isfinite(ratings_Vn), drawn_Vn, 2), axis=1)
    mixed_Vn = np.take_along_axis(ratings_Vn, order_Vn, axis=1)
    n_V = np.isfinite(ratings_Vn).sum(axis=1)
    is_first_Vn = np.arange(ratings_Vn.shape[1]) < (n_V // 2)[:, None]
    first_V = np.where(is_first_Vn, mixed_Vn, 0).sum(axis=1) / (n_V // 2)
    second_V = np.where(is_first_Vn, 0, np.nan_to_num(mixed_Vn)).sum(axis=1) / (n_V - n_V // 2)
    return first_V, second_V


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's, to four decimals."""
    return round(float(np.corrcoef(x, y)[0, 1]), 4)


def means_by_stars(stars: np.ndarray, values: np.ndarray) -> list[float | None]:
    """Mean of `values` at a mean of 1, 2, 3, 4 and 5 stars (rounded, half up); None where there is none."""
    level = np.clip(np.floor(stars + 0.5), 1, 5)
    return [round(float(values[level == star].mean()), 4) if (level == star).any() else None for star in range(1, 6)]
