"""Fit of `watch`, `exit` and `interview` on the sessions of the published agents.

Shapes: R rows, P pages, S slots.
"""

from typing import Any

import numpy as np

from recgpt.simulate.agents.population import Population
from recgpt.simulate.worlds.feed.minds.fitting.models import FloatArray, floats, logistic, ordinal
from recgpt.simulate.worlds.feed.minds.fitting.scores import judged, judged_levels
from recgpt.simulate.worlds.feed.minds.fitting.sources import MAX_PAGES, is_held_out
from recgpt.simulate.worlds.feed.minds.fitting.trace import Trace
from recgpt.simulate.worlds.feed.minds.parameters import Exit, Interview, Watch
from recgpt.simulate.worlds.feed.minds.scripted import PUBLISHED_PAGE


def _by_class(activity: np.ndarray, place: np.ndarray) -> FloatArray:
    """(R, 12) one of twelve: three classes of activity, four places."""
    return np.eye(12)[(activity - 1) * 4 + place]


def _table(values: FloatArray) -> Any:
    return tuple(map(floats, values.reshape(3, 4)))


def fit_watch(trace: Trace, population: Population, test_P: np.ndarray) -> tuple[Watch, dict[str, Any]]:
    """Fit which fitting items are watched; evaluated on the pages of `test_P`."""
    place_PS = np.cumsum(trace.aligned_PS, axis=1) - trace.aligned_PS
    row, slot = np.nonzero(trace.aligned_PS)
    table = _by_class(population.activity_A[trace.agent_P[row]].astype(np.int64), place_PS[row, slot])
    x = np.column_stack([table, trace.page_P[row] - 1.0])
    y, test = trace.watched_PS[row, slot], test_P[row]
    weights, intercept = logistic(x[~test], y[~test])
    watch = Watch(by_activity_and_place=_table(weights[:12] + intercept), page=float(weights[12]))
    return watch, judged(x[test] @ weights + intercept, y[test], float(y[~test].mean()))


def fit_exit(trace: Trace, population: Population, test_P: np.ndarray) -> tuple[Exit, dict[str, Any]]:
    """Fit after which page an agent leaves; evaluated on the pages of `test_P`."""
    shown_P = trace.page_P * PUBLISHED_PAGE
    share_P = trace.so_far(trace.aligned_PS) / shown_P
    free = trace.page_P < MAX_PAGES  # after the last page all had to leave
    activity = population.activity_A[trace.agent_P[free]].astype(np.int64)
    test, y = test_P[free], trace.last_P[free]
    center = float(share_P[free][~test].mean())
    x = np.column_stack([_by_class(activity, trace.page_P[free] - 1), share_P[free] - center])
    weights, intercept = logistic(x[~test], y[~test])
    exit_ = Exit(
        by_activity_and_page=_table(weights[:12] + intercept),
        share_aligned=float(weights[12]),
        mean_share_aligned=center,
    )
    return exit_, judged(x[test] @ weights + intercept, y[test], float(y[~test].mean()))


def fit_interview(trace: Trace, population: Population, seed: int) -> tuple[Interview, dict[str, Any]]:
    """Fit how satisfied agents are at the end, but for their stars; evaluated on held-out users.

    The stars of the trace are not used: almost all are 4. See `follow_stars`.
    """
    last = trace.last_P & np.isfinite(trace.satisfaction_A[trace.agent_P])
    agents, n_pages = trace.agent_P[last], trace.page_P[last]
    shown = n_pages * PUBLISHED_PAGE
    aligned, watched = (trace.so_far(values)[last] / shown for values in (trace.aligned_PS, trace.watched_PS))
    activity = population.activity_A[agents]
    x = np.column_stack([activity == 2, activity == 3, aligned, watched, n_pages, n_pages == 1])
    x, level = x.astype(np.float64), trace.satisfaction_A[agents].astype(np.int64) - 1
    test, one_class = is_held_out(seed, population.user_A[agents]), np.zeros(len(agents), dtype=np.int64)
    model = ordinal(x[~test], level[~test], 10, one_class[~test])
    activity_2, activity_3, share_aligned, share_watched, pages, one_page = map(float, model.coefficients)
    interview = Interview(
        thresholds=floats(model.thresholds),
        activity_2=activity_2,
        activity_3=activity_3,
        share_aligned=share_aligned,
        share_watched=share_watched,
        pages=pages,
        one_page=one_page,
        stars=1e-9,
        mean_stars=3.0,
        noise=1.0,
        farthest=9.0,
    )
    return interview, judged_levels(model.probabilities(x[test], one_class[test]), level[test], level[~test])
