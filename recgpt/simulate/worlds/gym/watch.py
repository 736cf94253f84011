"""Watch of a run of the gym: ratings, rewards and emotions of all users, and any user's episode up to a step.

    watch = GymWatch(run)
    for rows in run.iter_steps():
        watch.add(rows)["values"]["rating"]

Shapes: U users, E users of one step, N items.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.evaluate.beyond_accuracy import gini_index
from recgpt.simulate.store import Run
from recgpt.simulate.watch import ActivityKind, AgentCard, Figure, Panel
from recgpt.simulate.watching import (
    BLUE,
    CALL_FIGURES,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    CallCounts,
    EventWatch,
    Words,
    calls_panel,
    figures_panel,
    finite,
    share,
    table_panel,
)
from recgpt.simulate.worlds.gym.artifacts import shares_of, stored_facts, stored_items, stored_users
from recgpt.simulate.worlds.gym.card import episode_of, panels_of, profile_of
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.emotions import emotions_of, thresholds
from recgpt.simulate.worlds.gym.measures import empty_state, failures_of
from recgpt.simulate.worlds.gym.shaping import Satisfaction
from recgpt.simulate.worlds.gym.state import Outcome
from recgpt.simulate.worlds.gym.steps import LEFT_TEXTS, TERMINATED, Left
from recgpt.simulate.worlds.gym.view import config_of

WAITING, PLEASED, NEUTRAL, DISPLEASED, LEFT, FAILED = range(6)
_TOP = 10


class GymWatch(EventWatch):
    """Watch of a run of the gym.

    Raises
    ------
    SimulationError
        The run is of another world.
    """

    people = "users"
    activities: Sequence[ActivityKind] = (
        {"name": "waiting", "label": "waiting", "color": GREY},
        {"name": "pleased", "label": "pleased", "color": GREEN},
        {"name": "neutral", "label": "neutral", "color": BLUE},
        {"name": "displeased", "label": "displeased", "color": ORANGE},
        {"name": "left", "label": "ended", "color": PURPLE},
        {"name": "failed", "label": "mind failed", "color": RED},
    )
    figures: Sequence[Figure] = (
        Figure(name="rating", label="rating", chart="rating", help="mean rating of the step"),
        Figure(name="reward", label="reward", chart="rating", help="mean reward of the step, after the shaping"),
        Figure(name="satisfaction", label="satisfaction", chart="rating", help="moving average of a user's ratings"),
        Figure(name="pleasant", label="pleasant", chart="emotions", help="share of pleasant items"),
        Figure(name="unpleasant", label="unpleasant", chart="emotions", help="share of unpleasant items"),
        Figure(name="excited", label="excited", chart="emotions", help="share of users whom the item excited"),
        Figure(name="calm", label="calm", chart="emotions", help="share of users whom the item left calm"),
        Figure(name="active", label="active users", chart="users", help="users who will be shown another item"),
        Figure(name="left", label="left", chart="users", help="users who left of their own will so far"),
        Figure(
            name="distance", label="distance", chart="distance", help="total variation of the ratings from real ones"
        ),
        Figure(name="coverage", label="coverage", chart="exposure", help="share of the catalogue rated so far"),
        Figure(name="gini", label="Gini", chart="exposure", help="Gini index of exposure so far, over the catalogue"),
        *CALL_FIGURES,
    )

    def __init__(self, run: Run) -> None:
        config = config_of(run)
        self._items, self._users, self._facts = stored_items(run), stored_users(run), stored_facts(run)
        self._state = empty_state(run)
        n_users = len(self._state.n_rated_U)
        titles = self._items["title"].to_list()
        highest = self._facts.highest
        super().__init__(
            run, names=self._users["names"].to_list()[:n_users], words=words_of(titles, highest), titles=titles,
            quiet=("shown", "recalled"), n_agents=n_users,
        )  # fmt: skip
        self._rules = config.part(GymRules)
        self._threshold = thresholds(self._rules, self._facts.scale)["churn_low_threshold"]
        self._satisfaction = Satisfaction.fresh(n_users)
        self._failed = failures_of(run.events(0))
        self._calls, self._counts = CallCounts(run), dict[str, float | None]()

    def max_steps(self, config: dict[str, Any]) -> int:
        """Items of a user, if no question fails."""
        return int(config["steps"])

    def count(self, rows: pl.DataFrame) -> None:
        """Count the events of the next step."""
        self._state.apply(rows)
        self._failed.update(failures_of(rows.filter(pl.col("kind") == "failed")))
        self._satisfaction = self._satisfaction.after(
            self._ratings(rows), alpha=self._rules.churn_ema_alpha, threshold=self._threshold
        )

    def _ratings(self, rows: pl.DataFrame) -> np.ndarray:
        """(U,) ratings of the step; NaN for users without one."""
        rating_U, rated = np.full(self.n_agents, np.nan), rows.filter(pl.col("kind") == "rated")
        rating_U[rated["agent"].to_numpy()] = rated["value"].to_numpy()
        return rating_U

    def values(self, rows: pl.DataFrame) -> dict[str, float | None]:
        """Figures of the step counted last."""
        found = Outcome.of(rows)
        rated_E = ~np.isnan(found.rating_E)
        valence_R, arousal_R = emotions_of(found.rating_E[rated_E], self._facts.scale, self._rules)
        shown_N = self._shown()
        return {
            "rating": _mean(found.rating_E[rated_E]),
            "reward": _mean(found.reward_E[rated_E]),
            "satisfaction": _mean(self._satisfaction.ema_E[self._satisfaction.n_E > 0]),
            "pleasant": _mean(valence_R > 0),
            "unpleasant": _mean(valence_R < 0),
            "excited": _mean(arousal_R > 0.5),
            "calm": _mean(arousal_R < 0.5),
            "active": float(self._state.active_U.sum()),
            "left": float(np.isin(self._state.left_U, TERMINATED).sum()),
            "distance": self._distance(),
            "coverage": share(float((shown_N > 0).sum()), self.n_items),
            "gini": finite(gini_index(shown_N)) if shown_N.any() else None,
            "calls": self._counts["calls"],
            "cost_usd": self._counts["cost_usd"],
        }

    def _shown(self) -> np.ndarray:
        item_UT = self._state.item_UT
        return np.bincount(item_UT[item_UT >= 0], minlength=self.n_items)

    def _shares(self) -> np.ndarray | None:
        """Shares of the scale's values in the ratings so far."""
        rating_UT = self._state.rating_UT
        known = rating_UT[~np.isnan(rating_UT)]
        return shares_of(known, self._facts.scale) if len(known) else None

    def _distance(self) -> float | None:
        shares = self._shares()
        if shares is None or self._facts.reference is None:
            return None
        return finite(float(np.abs(shares - np.array(self._facts.reference)).sum() / 2))

    def activity(self, rows: pl.DataFrame) -> np.ndarray:
        """(U,) emotional state of each user in the step counted last."""
        valence_U = emotions_of(self._ratings(rows), self._facts.scale, self._rules)[0]
        activity_U = np.where(self._state.active_U, WAITING, LEFT)
        rated_U = ~np.isnan(valence_U)
        activity_U[rated_U] = NEUTRAL - np.nan_to_num(valence_U[rated_U]).astype(np.int64)
        activity_U[rows.filter(pl.col("kind") == "failed")["agent"].to_numpy()] = FAILED
        return activity_U

    def panels(self, rows: pl.DataFrame) -> list[Panel]:
        """Panels after the step counted last."""
        self._counts = self._calls.up_to(self.step)
        state, shown_N = self._state, self._shown()
        rated_UT = ~np.isnan(state.rating_UT)
        n_rated, returns_U = int(rated_UT.sum()), np.nansum(state.reward_UT, axis=1)
        so_far = {
            "mean rating": share(float(np.nansum(state.rating_UT)), n_rated),
            "mean return of a user": finite(float(returns_U.mean())) if n_rated else None,
            "items rated by a user": finite(float(state.n_rated_U.mean())),
            "different items": int((shown_N > 0).sum()),
            "questions without a rating": int(state.n_failed_U.sum()),
        }
        panels = [
            figures_panel("policy", "So far", so_far),
            table_panel(
                "policy", "Most shown so far", ["item", "tags", "shown", "mean rating"], self._most_shown(shown_N)
            ),
            table_panel("users", "Ratings so far", ["rating", "share", "share of real ratings"], self._rating_rows()),
        ]
        if (state.left_U != Left.NOT).any():
            panels.append(self._reasons())
        panels.append(calls_panel(self._counts))
        if self._failed:
            failures = sorted(self._failed.items())
            panels.append(table_panel("calls", "Failures so far", ["kind", "questions"], failures))
        return panels

    def _reasons(self) -> Panel:
        counts = np.bincount(self._state.left_U, minlength=len(LEFT_TEXTS)).tolist()
        rows = [(text, count) for text, count in zip(LEFT_TEXTS, counts, strict=True) if text and count]
        return table_panel("users", "Episodes that ended, by reason", ["reason", "users"], rows)

    def _most_shown(self, shown_N: np.ndarray) -> list[list[str | int | float | None]]:
        rated_UT = self._state.item_UT >= 0
        sum_N = np.bincount(self._state.item_UT[rated_UT], self._state.rating_UT[rated_UT], minlength=self.n_items)
        order = np.argsort(-shown_N, kind="stable")[:_TOP]
        return [
            [
                self._items["title"][item],
                ", ".join(self._items["tags"][item]),
                int(shown_N[item]),
                finite(sum_N[item] / shown_N[item], 2),
            ]
            for item in order.tolist()
            if shown_N[item]
        ]

    def _rating_rows(self) -> list[list[str | int | float | None]]:
        values, shares, real = self._facts.scale.values, self._shares(), self._facts.reference
        return [
            [
                f"{value:g}",
                None if shares is None else finite(shares[place], 3),
                None if real is None else finite(real[place], 3),
            ]
            for place, value in enumerate(values)
        ]

    def agent(self, step: int, agent: int) -> AgentCard:
        """Card of a user after a step: profile, emotional state, items with ratings and rewards.

        Raises
        ------
        SimulationError
            The run has no such user, or no such step was added.
        """
        events = self.events_of(agent, step)
        episode = episode_of(events, self._items, self._facts.scale, self._rules, threshold=self._threshold)
        now = next((each for each in episode if each["step"] == step), None)
        if now is None:
            ended = bool(step) and ("left" in set(events["kind"]) or self._is_full(events))
            activity = LEFT if ended else WAITING
        else:
            activity = FAILED if now["failed"] is not None else NEUTRAL - int(now["valence"])
        return self.card(
            step,
            agent,
            activity,
            profile=profile_of(agent, self._users.row(agent, named=True)),
            panels=panels_of(episode),
            text=_DOING[activity],
        )

    def _is_full(self, events: pl.DataFrame) -> bool:
        return int((events["kind"] == "rated").sum()) >= self._state.item_UT.shape[1]


_DOING = (
    "waits for an item",
    "pleased by the item",
    "neither pleased nor displeased by the item",
    "displeased by the item",
    "the episode has ended",
    "the mind gave no rating",
)
"""Activities in words, for cards."""


def words_of(titles: list[str], highest: float) -> Words:
    """Words of the log lines of a run of the gym."""

    def words(row: dict[str, Any]) -> str:
        kind, value, text = row["kind"], row["value"], row["text"]
        title = "" if row["item"] is None else f"“{titles[row['item']]}”"
        why = f": {text}" if text else ""
        match kind:
            case "rated":
                return f"{title} {value:g} of {highest:g}{why}"
            case "unperturbed":
                return f"{title} would be rated {value:g} without the perturbation"
            case "rewarded":
                return f"{title} gives the reward {value:g}"
            case "left":
                return f"after {value:g} items{why}"
            case "recalled":
                return ", ".join(f"“{titles[item]}”" for item in parse_json(text, "an event of the run")["items"])
        return f"{title}{why}" if title else text or kind

    return words


def _mean(values: np.ndarray) -> float | None:
    return finite(float(values.mean())) if len(values) else None
