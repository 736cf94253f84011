"""Card of one user of the gym for pages: profile, emotional state over steps, items, ratings, terms of rewards.

episode = episode_of(events, items, scale, rules, threshold=4.0)
panels_of(episode)
"""

from typing import Any

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.watch import Panel, ProfileEntry
from recgpt.simulate.watching import ROWS_OF_CARD, figures_panel, finite, table_panel
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.emotions import emotions_of
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.shaping import Satisfaction
from recgpt.simulate.worlds.gym.view import TRAITS

VALENCES = {1: "pleasant", 0: "neutral", -1: "unpleasant"}
AROUSALS = {1.0: "excited", 0.5: "awake", 0.0: "calm"}
"""Emotions in words, by valence and arousal."""

_ITEMS = ["step", "item", "tags", "average", "rating", "reward", "emotion", "why"]
_EMOTIONS = ["step", "valence", "arousal", "satisfaction", "low ratings in a row"]
_TERMS = ["step", "rating of the mind", "perturbation", "rating", "shaping", "reward"]


def profile_of(agent: int, known: dict[str, Any]) -> list[ProfileEntry]:
    """Profile of a user, from its row of the stored users."""
    entries: list[tuple[str, str | int | float | None]] = [
        ("number", agent),
        ("age", known["age"]),
        ("gender", {0: "male", 1: "female"}.get(int(known["gender"])) if known["gender"] is not None else None),
        ("job", known["jobs"]),
        ("hobby", known["hobbies"]),
        ("about", known["descriptions"]),
        ("persona", known["persona"]),
        ("likes", ", ".join(known["liked"])),
        ("dislikes", ", ".join(known["disliked"])),
        *((trait, TRAITS[trait][known[trait] - 1]) for trait in TRAITS if known[trait] in (1, 2, 3)),
        ("ratings before", known["n_known"]),
    ]
    return [ProfileEntry(name=None, label=label, value=value) for label, value in entries if value not in (None, "")]


def episode_of(
    events: pl.DataFrame, items: pl.DataFrame, scale: Scale, rules: GymRules, *, threshold: float
) -> list[dict[str, Any]]:
    """Steps of one user, in order, from its events.

    Parameters
    ----------
    threshold
        Rating up to which it counts as low.
    """
    satisfaction, given, steps = Satisfaction.fresh(1), dict[int, float](), list[dict[str, Any]]()
    for rows in events.partition_by("step", maintain_order=True):
        of_kind = {row["kind"]: row for row in rows.iter_rows(named=True)}
        item, rated = of_kind["shown"]["item"], of_kind.get("rated")
        rating = np.array([rated["value"] if rated else np.nan])
        satisfaction = satisfaction.after(rating, alpha=rules.churn_ema_alpha, threshold=threshold)
        valence, arousal = emotions_of(rating, scale, rules)
        recalled = (
            parse_json(of_kind["recalled"]["text"], "an event of the run")["items"] if "recalled" in of_kind else []
        )
        steps.append(
            {
                "step": of_kind["shown"]["step"],
                "title": items["title"][item],
                "tags": ", ".join(items["tags"][item]),
                "average": finite(items["average"][item], 2),
                "of_mind": finite(of_kind.get("unperturbed", rated or {}).get("value"), 3),
                "rating": finite(rating[0], 3),
                "reward": finite(of_kind.get("rewarded", rated or {}).get("value"), 3),
                "why": rated and rated["text"],
                "failed": of_kind["failed"]["text"] or "unknown" if "failed" in of_kind else None,
                "left": of_kind["left"]["text"] if "left" in of_kind else None,
                "valence": finite(valence[0]),
                "arousal": finite(arousal[0]),
                "satisfaction": finite(satisfaction.ema_E[0], 3),
                "low_streak": int(satisfaction.low_streak_E[0]),
                "recalled": [[items["title"][each], given.get(each)] for each in recalled],
            }
        )
        if rated:
            given[item] = rated["value"]
    return steps


def panels_of(episode: list[dict[str, Any]]) -> list[Panel]:
    """Panels of a user's card, the latest steps first."""
    if not episode:
        return []
    now, latest = episode[-1], episode[::-1][:ROWS_OF_CARD]
    rated = [each for each in latest if each["rating"] is not None]
    emotion = {
        "emotion": _emotion(now),
        "satisfaction": now["satisfaction"],
        "low ratings in a row": now["low_streak"],
        "mean rating": finite(float(np.mean([each["rating"] for each in rated])), 3) if rated else None,
        "return": finite(sum(each["reward"] for each in rated), 3),
    }
    if now["left"]:
        emotion["the episode ended"] = now["left"]
    return [
        figures_panel("now", "Emotional state", emotion),
        table_panel("now", f"Recalled for {now['title']}", ["item", "rating given"], now["recalled"]),
        table_panel("items", "Items, the latest first", _ITEMS, [_item(each) for each in latest]),
        table_panel("emotions", "Emotional state by step", _EMOTIONS, [_state(each) for each in rated]),
        table_panel("reward", "Terms of the reward", _TERMS, [_terms(each) for each in rated]),
    ]


def _emotion(step: dict[str, Any]) -> str | None:
    if step["valence"] is None:
        return None
    return f"{VALENCES[int(step['valence'])]}, {AROUSALS[step['arousal']]}"


def _item(step: dict[str, Any]) -> list[Any]:
    why = step["why"] if step["failed"] is None else f"no rating: {step['failed']}"
    return [*(step[name] for name in ("step", "title", "tags", "average", "rating", "reward")), _emotion(step), why]


def _state(step: dict[str, Any]) -> list[Any]:
    words = VALENCES[int(step["valence"])], AROUSALS[step["arousal"]]
    return [step["step"], *words, step["satisfaction"], step["low_streak"]]


def _terms(step: dict[str, Any]) -> list[Any]:
    perturbation, shaping = step["rating"] - step["of_mind"], step["reward"] - step["rating"]
    return [step["step"], step["of_mind"], finite(perturbation, 3), step["rating"], finite(shaping, 3), step["reward"]]
