"""Infos of a step, one dictionary an environment or one of arrays for many.

info_of(steps, 0)["left_because"]
infos_of(steps, rows, n_envs=64)["rating"]        # (64,), with `_rating` (64,) whether a row has it

Keys: `user_id`, `item`, `llm_rating` (before the perturbator), `rating` (after), `raw_reward` (before the shaping),
`reward`, `retrieved` (items and scores, the best first, -1 and 0 for none), `emotion` (valence, arousal), `ema` and
`low_streak` (satisfaction), `p_leave` (0 unless the shaping is churn_satisfaction), `left_because`, `failed`, `tokens`,
`usd`, `explanation`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recgpt.simulate.worlds.gym.steps import LEFT_TEXTS, Steps

_LEFT_TEXTS = np.array(LEFT_TEXTS, dtype=object)


def columns_of(steps: Steps) -> dict[str, Any]:
    """All infos as arrays with a row for each episode; `retrieved` and `emotion` are dictionaries of arrays."""
    n, failed_E = len(steps.item_E), steps.failed_E
    return {
        "user_id": steps.user_E.astype(np.int64),
        "item": steps.item_E.astype(np.int64),
        "llm_rating": steps.llm_rating_E.astype(np.float64),
        "rating": steps.rating_E.astype(np.float64),
        "raw_reward": np.where(failed_E, 0.0, steps.rating_E),
        "reward": steps.reward_E.astype(np.float64),
        "retrieved": {
            "items": steps.recalled_items_Ek.astype(np.int64),
            "scores": np.nan_to_num(steps.recalled_scores_Ek, nan=0.0),
        },
        "emotion": {
            "valence": steps.valence_E.astype(np.float64),
            "arousal": steps.arousal_E.astype(np.float64),
        },
        "ema": steps.ema_E.astype(np.float64),
        "low_streak": steps.low_streak_E.astype(np.int64),
        "p_leave": steps.p_leave_E.astype(np.float64),
        "left_because": _LEFT_TEXTS[steps.left_E],
        "failed": failed_E,
        "tokens": np.zeros(n, dtype=np.int64) if steps.tokens_E is None else steps.tokens_E.astype(np.int64),
        "usd": np.zeros(n) if steps.usd_E is None else steps.usd_E.astype(np.float64),
        "explanation": _texts(steps.explanations, n),
    }


def _texts(texts: Sequence[str | None] | None, n: int) -> np.ndarray:
    column = np.full(n, "", dtype=object)
    if texts is not None:
        column[:] = [text or "" for text in texts]
    return column


def info_of(steps: Steps, place: int) -> dict[str, Any]:
    """Info of one episode."""
    return _row(columns_of(steps), place)


def infos_of(columns: dict[str, Any], rows: np.ndarray, n_envs: int) -> dict[str, Any]:
    """Infos of a vector environment in Gymnasium's form: arrays over all E, each with the mask of rows that have it.

    Parameters
    ----------
    columns
        Arrays with a row for each of `rows`.
    """
    infos: dict[str, Any] = {}
    mask_E = np.zeros(n_envs, dtype=bool)
    mask_E[rows] = True
    for name, column in columns.items():
        infos[name] = infos_of(column, rows, n_envs) if isinstance(column, dict) else _spread(column, rows, n_envs)
        infos[f"_{name}"] = mask_E.copy()
    return infos


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Infos of both; where both have a row, those of the other."""
    both = dict(one)
    for name in [name for name in other if f"_{name}" in other]:
        mask_E = other[f"_{name}"]
        if name not in both:
            both[name], both[f"_{name}"] = other[name], mask_E
            continue
        both[name] = (
            merged(both[name], other[name])
            if isinstance(other[name], dict)
            else np.where(mask_E.reshape(-1, *[1] * (other[name].ndim - 1)), other[name], both[name])
        )
        both[f"_{name}"] = both[f"_{name}"] | mask_E
    return both


def chosen(columns: dict[str, Any], places: np.ndarray) -> dict[str, Any]:
    """Some rows of columns."""
    return {
        name: chosen(column, places) if isinstance(column, dict) else column[places] for name, column in columns.items()
    }


def _spread(column: np.ndarray, rows: np.ndarray, n_envs: int) -> np.ndarray:
    if len(column) == n_envs:
        return column
    empty = None if column.dtype == object else 0
    spread = np.full((n_envs, *column.shape[1:]), empty, dtype=column.dtype)
    spread[rows] = column
    return spread


def _row(columns: dict[str, Any], place: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, column in columns.items():
        if isinstance(column, dict):
            found[name] = _row(column, place)
        elif column.ndim == 1:
            found[name] = column[place] if column.dtype == object else column[place].item()
        else:
            found[name] = column[place].copy()
    return found
