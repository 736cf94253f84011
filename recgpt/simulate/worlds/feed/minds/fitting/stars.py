"""How closely interviews follow stars: the level from the published trace, the closeness from people.

The scores of the published agents hardly follow their stars (nearly all are 4, none is below 3). So only the
distribution of their scores is kept, and the effects of what fits and is watched. The effect of stars is the one with
which the scores of simulated agents on the trace's pages correlate with their stars as the halves of people's visits do
(`visits.visit_correlation`); the thresholds are the quantiles that keep the distribution.

Shapes: A agents.
"""

from typing import Any

import numpy as np
import polars as pl
from scipy import optimize

from recgpt.simulate.worlds.feed.minds.fitting.outcomes import simulated_on_trace, traced
from recgpt.simulate.worlds.feed.minds.fitting.sources import Source, is_held_out
from recgpt.simulate.worlds.feed.minds.fitting.trace import Trace
from recgpt.simulate.worlds.feed.minds.fitting.visits import correlation, means_by_stars
from recgpt.simulate.worlds.feed.minds.parameters import Interview, Parameters
from recgpt.simulate.worlds.feed.minds.scripted import interview_scores, interview_sums

NOISE = 0.5  # of the spread of the trace's scores around what fits and is watched
FARTHEST = (
    4.5  # points; fewer would lift the mean score further above the trace's, more allows 5, 5, 5, 4, 5 and 5 of 10
)
_STRONGEST = 20.0


def follow_stars(parameters: Parameters, source: Source, trace: Trace, closeness: float, seed: int) -> Interview:
    """The interview of `parameters` with thresholds, stars and noise such that scores follow stars.

    Parameters
    ----------
    closeness
        Correlation of scores with the mean of an agent's stars, over agents with stars.
    """
    population = source.population
    agents_A = np.unique(trace.agent_P)
    fitted_A = agents_A[~is_held_out(seed, population.user_A[agents_A])]
    sessions = simulated_on_trace(parameters, source, trace, fitted_A, seed)
    activity_A = population.activity_A[sessions["agent"].to_numpy()].astype(np.int64) - 1
    columns = (sessions[name].to_numpy() for name in ("shown", "aligned", "viewed"))
    sum_A = interview_sums(parameters.interview, activity_A, *columns)
    stars_A = sessions["mean_stars"].to_numpy()
    has_stars_A = np.isfinite(stars_A)
    drawn_A = np.random.default_rng(seed).logistic(size=len(sum_A))
    scores = trace.satisfaction_A[fitted_A]
    below_9 = (scores[np.isfinite(scores), None] <= np.arange(1, 10)).mean(axis=0)

    def interview(strength: float) -> Interview:
        centered = parameters.interview.model_copy(
            update={"stars": strength, "mean_stars": float(stars_A[has_stars_A].mean()), "noise": NOISE}
        )
        steepness_A = np.where(has_stars_A, strength * (stars_A - centered.mean_stars), 0)
        reached_A = sum_A + steepness_A + np.where(has_stars_A, NOISE, 1) * drawn_A
        thresholds = np.quantile(reached_A, below_9) + 1e-6 * np.arange(9)  # levels without a score stay apart
        return centered.model_copy(update={"thresholds": tuple(map(float, thresholds)), "farthest": FARTHEST})

    def excess(strength: float) -> float:
        score_A = interview_scores(interview(strength), sum_A, stars_A, drawn_A)
        return float(np.corrcoef(score_A[has_stars_A], stars_A[has_stars_A])[0, 1]) - closeness

    return interview(float(optimize.brentq(excess, 1e-3, _STRONGEST, xtol=1e-3)))


def stars_report(
    parameters: Parameters, source: Source, trace: Trace, people: dict[str, Any], visits: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Satisfaction against stars of held-out users: of people, of the trace, and simulated on the trace's pages.

    Returns
    -------
    dict
        `page` : `correlation` and shares of pleased `by_stars` of people and simulated; the trace has no such answer.
        `interview` : `correlation` with the agent's mean stars of people (halves of visits), trace and simulated; mean
        score `by_stars` of trace and simulated.
    """
    agents_A = np.unique(trace.agent_P)
    held_A = agents_A[is_held_out(seed, source.population.user_A[agents_A])]
    simulated = simulated_on_trace(parameters, source, trace, held_A, seed)
    real = traced(trace).filter(pl.col("agent").is_in(held_A), pl.col("satisfaction").is_finite())
    pages = simulated.select("page_stars", "page_pleased").explode("page_stars", "page_pleased")
    pages = pages.filter(pl.col("page_stars").is_finite())
    stars, pleased = pages["page_stars"].to_numpy(), pages["page_pleased"].to_numpy()
    return {
        "page": {
            "people": {name: people[name] for name in ("correlation", "by_stars")},
            "simulated": {"correlation": correlation(stars, pleased), "by_stars": means_by_stars(stars, pleased)},
        },
        "interview": {
            "people": {"correlation": visits["held_out"]},
            "trace": _of_interviews(real),
            "simulated": _of_interviews(simulated),
        },
    }


def _of_interviews(sessions: pl.DataFrame) -> dict[str, Any]:
    known = sessions.filter(pl.col("mean_stars").is_finite())
    stars, scores = (known[name].to_numpy().astype(np.float64) for name in ("mean_stars", "satisfaction"))
    return {"correlation": correlation(stars, scores), "by_stars": means_by_stars(stars, scores)}
