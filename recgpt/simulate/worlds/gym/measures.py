"""Metrics of a run of the gym, computed from its events and artifacts only.

with Run.open("demo") as run:
    measures(run)["metrics"]["reward"]["mean"]
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.store import Run
from recgpt.simulate.worlds.gym.artifacts import Facts, shares_of, stored_facts, stored_items, stored_users
from recgpt.simulate.worlds.gym.config import GymConfig
from recgpt.simulate.worlds.gym.evaluation import Episodes, spread, summary
from recgpt.simulate.worlds.gym.state import GymState
from recgpt.simulate.worlds.gym.steps import LEFT_TEXTS, Left

_DIGITS = 6


def measures(run: Run) -> dict[str, Any]:
    """All metrics of a run, JSON values; see `gym_measures`."""
    return gym_measures(
        episodes_of(run).episodes, failures_of(run.events(kind="failed")), stored_facts(run), n_items(run)
    )


def episodes_of(run: Run) -> GymState:
    """State of a run after its last step, from its events."""
    state = empty_state(run)
    for rows in run.iter_steps():
        state.apply(rows)
    return state


def empty_state(run: Run) -> GymState:
    """State of a run before its first step."""
    config = GymConfig(**run.manifest.config)
    return GymState(config.n_users or len(stored_users(run)), config.steps)


def n_items(run: Run) -> int:
    """Number of items of a run's catalogue."""
    return len(stored_items(run))


def failures_of(failed: pl.DataFrame) -> Counter[str]:
    """Number of failed questions by kind of failure, the text before the first colon."""
    return Counter((text or "unknown").partition(":")[0] for text in failed["text"].to_list())


def gym_measures(episodes: Episodes, failures: Counter[str], facts: Facts, n_items: int) -> dict[str, Any]:
    """Compute all metrics.

    Returns
    -------
    dict
        `users`, `failed` questions, `failures` by kind.
        `metrics` : see `evaluation.summary`, of this run alone.
        `by_step` : for each item of an episode the number of `users` who rated it, their mean `rating`, and `left`,
        users who left after it of their own will.
        `left` : users by why their episode ended early.
        `ratings` : `shares` of the scale's values, `reference` shares of real ratings, their `total_variation`, and the
        `spread`, see `evaluation.spread`.
    """
    rated_UT = ~np.isnan(episodes.rating_UT)
    ratings = episodes.rating_UT[rated_UT]
    shares = shares_of(ratings, facts.scale)
    return {
        "users": len(episodes),
        "failed": int(episodes.n_failed_U.sum()),
        "failures": dict(sorted(failures.items())),
        "metrics": summary([episodes], liked_from=facts.liked_from, n_items=n_items),
        "by_step": _by_step(episodes, rated_UT),
        "left": {
            LEFT_TEXTS[reason]: count for reason in Left if reason and (count := int((episodes.left_U == reason).sum()))
        },
        "ratings": {
            "shares": [round(float(share), _DIGITS) for share in shares] if len(ratings) else None,
            "reference": facts.reference,
            "total_variation": _variation(shares, facts.reference) if len(ratings) else None,
            "spread": spread(episodes),
        },
    }


def _by_step(episodes: Episodes, rated_UT: np.ndarray) -> list[dict[str, Any]]:
    n_rated_U, left_U = (
        rated_UT.sum(axis=1),
        np.isin(episodes.left_U, (Left.LOW_STREAK, Left.DISSATISFIED, Left.SAME_ITEM)),
    )
    found: list[dict[str, Any]] = []
    for step, rated_U in enumerate(rated_UT.T, start=1):
        ratings_U = episodes.rating_UT[rated_U, step - 1]
        found.append(
            {
                "step": step,
                "users": len(ratings_U),
                "rating": round(float(ratings_U.mean()), _DIGITS) if len(ratings_U) else None,
                "left": int((left_U & (n_rated_U == step)).sum()),
            }
        )
    return [each for each in found if each["users"]]


def _variation(shares: np.ndarray, reference: Iterable[float] | None) -> float | None:
    """Half the sum of the absolute differences of two sets of shares."""
    if reference is None:
        return None
    return round(float(np.abs(shares - np.array(list(reference))).sum() / 2), _DIGITS)
