"""View of a run of the gym at one step as plain JSON, with everything that its HTML pages show.

    view(run, step=3)["metrics"]["metrics"]["reward"]["mean"]

The HTML report renders only this. Texts of items and users are unescaped, as in the log: escape them in HTML.
"""

from typing import Any, cast

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.llm.calls import FAILURES
from recgpt.simulate.store import Run
from recgpt.simulate.world import States, stored_config
from recgpt.simulate.worlds.gym.artifacts import Facts, stored_facts, stored_items, stored_users
from recgpt.simulate.worlds.gym.config import NAME, GymConfig
from recgpt.simulate.worlds.gym.evaluation import LISTS, METRICS
from recgpt.simulate.worlds.gym.kinds import CLOCK
from recgpt.simulate.worlds.gym.measures import failures_of, gym_measures
from recgpt.simulate.worlds.gym.state import GymState
from recgpt.simulate.worlds.gym.steps import LEFT_TEXTS

HEADINGS = {
    "reward": "average rating",
    "return": "return",
    "length": "items rated",
    "left": "left",
    "map@10": "MAP@10",
    "mrr@10": "MRR@10",
    "personalised": "personalised",
    "failed": "failed",
    "distinct": "distinct items",
    "coverage": "coverage",
    "gini": "Gini",
}
"""Displayed name of each of `METRICS` and `LISTS`."""

TRAITS = {
    "activity": ("rarely pleased, leaves soon", "in between", "enthusiastic, stays"),
    "conformity": ("follows the average rating", "in between", "ignores it"),
    "diversity": ("exclusive taste", "niche", "seeks the unusual"),
}
"""Meaning of the levels 1 to 3 of each trait."""

_MOST_SHOWN = 10
_LORENZ_POINTS = 400


def config_of(run: Run) -> GymConfig:
    """Configuration of a run of the gym.

    Raises
    ------
    SimulationError
        The run is of another world.
    """
    return stored_config(run, NAME, GymConfig)


def view(run: Run, step: int) -> dict[str, Any]:
    """View of a run after one of its steps; 0: before the first.

    Returns
    -------
    dict
        `run, manifest, config, step, time` (simulated seconds), `finished`: identity and progress.
        `facts` : of the domain. `metrics` : `gym_measures` of the steps so far. `calls` : `Run.calls_summary`.
        `headings, meanings, traits, failure_kinds` : displayed names of keys.
        `agents` : by column, a list over users: `active`, `rated`, `failed`, `reward` (None without), `left`.
        `stories` : profile and items of a few users. `most_shown` : items. `lorenz` : exposure of items.

    Raises
    ------
    SimulationError
        The run is of another world, or has no such step.
    """
    config, state = config_of(run), cast(GymState, States(run).at(step))
    facts, items, users = stored_facts(run), stored_items(run), stored_users(run)
    so_far = run.events(range(1, step + 1))
    is_end = run.finished and step == run.n_steps
    failures = failures_of(so_far.filter(pl.col("kind") == "failed"))
    return {
        "run": run.summary().model_dump(),
        "manifest": run.manifest.model_dump(mode="json", exclude={"kinds"}),
        "config": config.model_dump(mode="json"),
        "step": step,
        "time": CLOCK.at(step),
        "finished": is_end,
        "facts": _facts(facts),
        "n_items": len(items),
        "calls": run.calls_summary(),
        "metrics": run.metrics if is_end else gym_measures(state.episodes, failures, facts, len(items)),
        "headings": HEADINGS,
        "meanings": {**METRICS, **LISTS},
        "traits": {trait: list(meanings) for trait, meanings in TRAITS.items()},
        "failure_kinds": dict(FAILURES),
        "agents": _agents(state),
        "stories": _stories(so_far, state, items, users),
        "most_shown": _most_shown(state, items),
        "lorenz": _lorenz(state, len(items)),
    }


def _facts(facts: Facts) -> dict[str, Any]:
    return {**vars(facts), "values": facts.scale.values.tolist()}


def _agents(state: GymState) -> dict[str, list[Any]]:
    rewards = [_mean(row) for row in state.rating_UT]
    return {
        "active": state.active_U.tolist(),
        "rated": state.n_rated_U.tolist(),
        "failed": state.n_failed_U.tolist(),
        "reward": rewards,
        "left": [LEFT_TEXTS[reason] for reason in state.left_U.tolist()],
    }


def _mean(row: np.ndarray) -> float | None:
    known = row[~np.isnan(row)]
    return round(float(known.mean()), 6) if len(known) else None


def _most_shown(state: GymState, items: pl.DataFrame) -> list[dict[str, Any]]:
    rated_UT = state.item_UT >= 0
    item, rating = state.item_UT[rated_UT], state.rating_UT[rated_UT]
    shown_N = np.bincount(item, minlength=len(items))
    sum_N = np.bincount(item, weights=rating, minlength=len(items))
    order = np.argsort(-shown_N, kind="stable")[:_MOST_SHOWN]
    return [
        {
            "title": items["title"][each],
            "tags": items["tags"][each].to_list(),
            "average": _known(items["average"][each]),
            "shown": int(shown_N[each]),
            "rating": round(float(sum_N[each] / shown_N[each]), 6),
        }
        for each in order.tolist()
        if shown_N[each]
    ]


def _lorenz(state: GymState, n_items: int) -> dict[str, list[float]] | None:
    """Share of the catalogue, the least shown items first, against share of impressions; None before the first one."""
    shown_N = np.bincount(state.item_UT[state.item_UT >= 0], minlength=n_items)
    if not shown_N.any():
        return None
    total = np.concatenate([[0], np.cumsum(np.sort(shown_N))])
    kept = np.unique(np.linspace(0, n_items, _LORENZ_POINTS).astype(np.int64))
    return {"items": (kept / n_items).tolist(), "shown": (total[kept] / total[-1]).tolist()}


# --- stories ---


def story_users(state: GymState) -> dict[int, str]:
    """Choose a few different users for the stories, deterministically; returns the reason by user.

    The ones with the highest and the lowest average rating, the one nearest to the median; then the first one that left
    of its own will and the first one whose mind failed, if any. Ties go to the lowest number.
    """
    mean_U = np.array([np.nan if (mean := _mean(row)) is None else mean for row in state.rating_UT])
    rated = np.flatnonzero(~np.isnan(mean_U))
    chosen: dict[int, str] = {}
    if len(rated):
        mean_R = mean_U[rated]
        chosen[int(rated[np.abs(mean_R - np.median(mean_R)).argmin()])] = "typical: nearest to the median rating"
        chosen.setdefault(int(rated[mean_R.argmax()]), "the most pleased")
        chosen.setdefault(int(rated[mean_R.argmin()]), "the least pleased")
    for of_group_U, why in ((state.left_U > 0, "the episode ended early"), (state.n_failed_U > 0, "the mind failed")):
        others = [user for user in np.flatnonzero(of_group_U).tolist() if user not in chosen]
        chosen |= dict.fromkeys(others[:1], why)
    return chosen


def _stories(events: pl.DataFrame, state: GymState, items: pl.DataFrame, users: pl.DataFrame) -> list[dict[str, Any]]:
    chosen = story_users(state)
    of_chosen = events.filter(pl.col("agent").is_in(list(chosen)))
    return [
        {
            "agent": user,
            "why": why,
            "profile": users.row(user, named=True),
            "steps": _story(of_chosen.filter(pl.col("agent") == user), items),
            "left": LEFT_TEXTS[state.left_U[user]],
        }
        for user, why in chosen.items()
    ]


def _story(events: pl.DataFrame, items: pl.DataFrame) -> list[dict[str, Any]]:
    """Items shown to one user, in order."""
    given: dict[int, float] = {}
    steps = []
    for (_,), rows in events.partition_by("step", as_dict=True, maintain_order=True).items():
        of_kind = {row["kind"]: row for row in rows.to_dicts()}
        item, rated = of_kind["shown"]["item"], of_kind.get("rated")
        recalled = of_kind.get("recalled")
        numbers = parse_json(recalled["text"], "an event of the run")["items"] if recalled else []
        rewarded, unperturbed = of_kind.get("rewarded"), of_kind.get("unperturbed")
        steps.append(
            {
                "title": items["title"][item],
                "year": items["year"][item],
                "tags": items["tags"][item].to_list(),
                "average": _known(items["average"][item]),
                "rating": rated and rated["value"],
                "words": rated and rated["text"],
                "unperturbed": unperturbed and unperturbed["value"],
                "reward": rewarded and rewarded["value"],
                "failed": of_kind["failed"]["text"] if "failed" in of_kind else None,
                "recalled": [{"title": items["title"][each], "rating": given.get(each)} for each in numbers],
            }
        )
        if rated:
            given[item] = rated["value"]
    return steps


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else round(float(value), 6)  # NaN
