"""Fit of `align`, the model that decides whether an item fits an agent, on the published agents.

It gets people's preference as one feature, and is held to the published means on random and popular pages too, which
the trace has none of.

Shapes: R rows, F features, P pages, S slots, A agents.
"""

from typing import Any

import numpy as np

from recgpt.simulate.worlds.feed.minds.fitting.models import FloatArray, Moment, logistic
from recgpt.simulate.worlds.feed.minds.fitting.people import preference_features
from recgpt.simulate.worlds.feed.minds.fitting.scores import judged, log_loss
from recgpt.simulate.worlds.feed.minds.fitting.sources import MAX_PAGES, Source
from recgpt.simulate.worlds.feed.minds.fitting.trace import Trace
from recgpt.simulate.worlds.feed.minds.parameters import Align, Preference
from recgpt.simulate.worlds.feed.minds.scripted import PUBLISHED_PAGE

PUBLISHED_VIEWS = {"random": 0.312, "popular": 0.398}  # P_view, Zhang et al. 2024, table 2
MOMENT_WEIGHT = 12_000.0  # answers behind each: 1,000 agents, 3 pages of 4 items
LEAST_GAIN = 0.0005  # in log loss, for memory to be used
_FOLDS = 5
_FEATURES = ("preference", "quality", "popularity", "first_slot", "diversity", "activity_3", "memory")


def _features(
    source: Source, preference: Preference, agents_P: np.ndarray, items_PS: np.ndarray, memory_PS: FloatArray
) -> FloatArray:
    """A row an item, pages end to end; the columns are `_FEATURES`."""
    n_slots = items_PS.shape[1]
    agents, items = np.repeat(agents_P, n_slots), items_PS.ravel()
    weights = np.array([preference.interest, preference.category, preference.quality, preference.popularity])
    columns = [
        preference_features(source.affinities, agents, items) @ weights,
        source.affinities.quality_N[items],
        source.affinities.popularity_N[items],
        np.tile(np.arange(n_slots) == 0, len(agents_P)),
        source.population.diversity_A[agents] - 2.0,
        source.population.activity_A[agents] == 3,
        memory_PS.ravel(),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def fit_align(
    trace: Trace, source: Source, preference: Preference, memory_PS: FloatArray, test_P: np.ndarray, seed: int
) -> tuple[Align, dict[str, Any]]:
    """Fit `align`, without memory where that helps too little, and judge it on the pages of `test_P`.

    `memory_PS` : see `memories.recalled_in`.
    """
    x = _features(source, preference, trace.agent_P, trace.items_PS, memory_PS)
    n_slots = trace.items_PS.shape[1]
    y, test = trace.aligned_PS.ravel(), np.repeat(test_P, n_slots)
    moments = _published_moments(trace, source, preference, test_P, seed)
    without_memory = [Moment(each.x_RF[:, :-1], each.mean, each.weight) for each in moments]

    # Memory costs time at every page, so it has to help with agents that were not fitted on, fold by fold.
    fold = np.repeat(trace.agent_P, n_slots)[~test] % _FOLDS
    gain = 0.0
    for number in range(_FOLDS):
        left, out = fold != number, fold == number
        for sign, columns, of in ((-1, x, moments), (1, x[:, :-1], without_memory)):
            weights, level = logistic(columns[~test][left], y[~test][left], moments=of)
            gain += sign * log_loss(columns[~test][out] @ weights + level, y[~test][out]) / _FOLDS
    coefficients, intercept = logistic(x[~test], y[~test], moments=moments)
    alone_weights, alone_level = logistic(x[~test][:, :-1], y[~test], moments=without_memory)
    base = float(y[~test].mean())
    with_it = judged(x[test] @ coefficients + intercept, y[test], base)
    without_it = judged(x[test][:, :-1] @ alone_weights + alone_level, y[test], base)
    if gain < LEAST_GAIN:
        coefficients, intercept, with_it = np.append(alone_weights, 0.0), alone_level, without_it
    align = Align(intercept=intercept, **dict(zip(_FEATURES, map(float, coefficients), strict=True)))
    report: dict[str, Any] = {**with_it, "without_memory": without_it}
    report["gain_of_memory_in_folds"] = round(gain, 5)
    rows_only, level = logistic(x[~test][:, :-1], y[~test])
    report["without_published_means"] = judged(x[test][:, :-1] @ rows_only + level, y[test], base)
    alone, level = logistic(x[~test][:, :1], y[~test])
    report["preference_alone"] = judged(x[test][:, :1] @ alone + level, y[test], base)
    return align, report


def _published_moments(
    trace: Trace, source: Source, preference: Preference, test_P: np.ndarray, seed: int
) -> list[Moment]:
    """How much fits on pages of random and of popular items, from the published share that was watched.

    The trace has pages of one good recommender only, on which popularity and fit go together. The more of a page fits,
    the smaller the part of it that is watched: as in the trace, by the number that fit.
    """
    fit_n, viewed = trace.aligned_PS[~test_P].sum(axis=1), trace.watched_PS[~test_P].sum(axis=1)
    viewed_at = np.array([viewed[fit_n == n].mean() for n in range(PUBLISHED_PAGE + 1)])
    agents_A = np.unique(trace.agent_P[~test_P])
    lists = source.lists(agents_A, seed)
    moments = []
    for name, share in PUBLISHED_VIEWS.items():
        items_PS = lists[name].reshape(-1, PUBLISHED_PAGE)
        x = _features(source, preference, np.repeat(agents_A, MAX_PAGES), items_PS, np.zeros(items_PS.shape))
        fits = np.interp(share * PUBLISHED_PAGE, np.maximum.accumulate(viewed_at), np.arange(PUBLISHED_PAGE + 1))
        moments.append(Moment(x, float(fits / PUBLISHED_PAGE), MOMENT_WEIGHT))
    return moments
