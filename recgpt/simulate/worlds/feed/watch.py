"""Watch of a feed: pages of all agents, and any agent's page and memories at any past step.

    watch = FeedWatch(run)
    for rows in run.iter_steps():
        watch.add(rows)["values"]["p_view"]

Shapes: A agents, N items.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from recgpt.evaluate.beyond_accuracy import category_weights, gini_index, mean_entropy
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
    calls_panel,
    figures_panel,
    finite,
    share,
    table_panel,
)
from recgpt.simulate.worlds.feed.artifacts import stored_facts, stored_population
from recgpt.simulate.worlds.feed.card import CardMaker
from recgpt.simulate.worlds.feed.measures import MEASURES, STARS, Tally
from recgpt.simulate.worlds.feed.state import LIKED, FeedRules
from recgpt.simulate.worlds.feed.view import HEADINGS, config_of

WAITING, BROWSING, WATCHING, LEAVING, LEFT, FAILED = range(6)
QUIET = ("shown", "aligned", "retrieved", "turned")
_TOP = 10


class FeedWatch(EventWatch):
    """Watch of the run of a feed.

    Raises
    ------
    SimulationError
        The run is of another world.
    """

    people = "agents"
    activities: Sequence[ActivityKind] = [
        {"name": "waiting", "label": "waiting", "color": GREY},
        {"name": "browsing", "label": "browsing", "color": BLUE},
        {"name": "watching", "label": "watching", "color": GREEN},
        {"name": "leaving", "label": "leaving", "color": ORANGE},
        {"name": "left", "label": "left", "color": PURPLE},
        {"name": "failed", "label": "mind failed", "color": RED},
    ]
    figures: Sequence[Figure] = [
        Figure(name="active", label="active agents", chart="agents", help="agents that go on to the next page"),
        Figure(name="left", label="left", chart="agents", help="agents that left so far"),
        Figure(
            name="p_view", label="watched / shown", chart="page", help="share of the page's items that were watched"
        ),
        Figure(
            name="p_like", label="liked / shown", chart="page", help="share of the page's items with 4 stars or more"
        ),
        Figure(name="satisfied", label="satisfied", chart="page", help="share of agents that the page pleased"),
        Figure(name="stars", label="stars", chart="stars", help="mean stars given on the page"),
        Figure(name="interview", label="interview", chart="interview", help="mean satisfaction in interviews, 1 to 10"),
        Figure(name="entropy", label="entropy", chart="entropy", help="mean entropy of a page's genres, in bits"),
        Figure(name="coverage", label="coverage", chart="exposure", help="share of the catalogue shown so far"),
        Figure(name="gini", label="Gini", chart="exposure", help="Gini index of exposure so far, over the catalogue"),
        *CALL_FIGURES,
    ]

    def __init__(self, run: Run) -> None:
        config = config_of(run)
        self._facts, self._population = stored_facts(run), stored_population(run)
        titles = self._facts.items["title"].to_list()
        super().__init__(run, words=words_of(titles), titles=titles, quiet=QUIET, n_agents=len(self._population))
        self._titles, self._pages = titles, config.pages
        self._most = config.pages * config.page_size
        self._cards = CardMaker(config.part(FeedRules), self._population, self._facts)
        self._genres_NC = category_weights(self._facts.items) if "categories" in self._facts.items.columns else None
        self._tally = Tally(self.n_agents, self.n_items)
        self._calls, self._counts = CallCounts(run), dict[str, float | None]()
        self._gone_A = np.zeros(self.n_agents, dtype=bool)

    def max_steps(self, config: dict[str, Any]) -> int:
        """Pages of an agent at most."""
        return int(config["pages"])

    def count(self, rows: pl.DataFrame) -> None:
        """Count the events of the next page."""
        self._tally.add(rows, self._facts)

    def values(self, rows: pl.DataFrame) -> dict[str, float | None]:
        """Figures of the page counted last."""
        parts = {kind: rows.filter(pl.col("kind") == kind) for kind in ("shown", "watched", "rated", "satisfied")}
        n_shown, stars = len(parts["shown"]), parts["rated"]["value"].drop_nulls().to_numpy()
        said = rows.filter(pl.col("kind") == "interviewed")["value"].drop_nulls().to_numpy()
        pleased = parts["satisfied"]["value"].drop_nulls().to_numpy()
        exposed = self._tally.shown_N.any()
        return {
            "active": float((~self._gone_A).sum()),
            "left": float(self._gone_A.sum()),
            "p_view": share(len(parts["watched"]), n_shown),
            "p_like": share(float((stars >= LIKED).sum()), n_shown),
            "satisfied": share(float(pleased.sum()), len(pleased)),
            "stars": share(float(stars.sum()), len(stars)),
            "interview": share(float(said.sum()), len(said)),
            "entropy": self._entropy(parts["shown"]),
            "coverage": share(float((self._tally.shown_N > 0).sum()), self.n_items),
            "gini": finite(gini_index(self._tally.shown_N)) if exposed else None,
            "calls": self._counts["calls"],
            "cost_usd": self._counts["cost_usd"],
        }

    def _entropy(self, shown: pl.DataFrame) -> float | None:
        if self._genres_NC is None or shown.is_empty():
            return None
        return finite(mean_entropy(shown["agent"].to_numpy(), shown["item"].to_numpy(), self._genres_NC))

    def activity(self, rows: pl.DataFrame) -> np.ndarray:
        """(A,) activity of each agent on the page counted last."""
        if not self.step:
            return np.full(self.n_agents, WAITING)
        activity_A = np.where(self._gone_A, LEFT, WAITING)
        for kind, activity in _ACTIVITY_OF.items():
            activity_A[rows.filter(pl.col("kind") == kind)["agent"].to_numpy()] = activity
        self._gone_A |= np.isin(activity_A, (LEAVING, FAILED))
        activity_A[self._tally.failed_A] = FAILED
        return activity_A

    def panels(self, rows: pl.DataFrame) -> list[Panel]:
        """Panels after the page counted last."""
        self._counts = self._calls.up_to(self.step)
        per_agent = self._tally.per_agent(self._most)
        means = {HEADINGS[name]: _mean(per_agent[name]) for name in MEASURES}
        items = self._tally.items(self._facts)
        exposure = {
            "items shown": items["exposures"],
            "different items": items["distinct"],
            "novelty, bits": items["novelty_bits"],
            "diversity of a page": items["diversity"],
        }
        panels = [
            figures_panel(
                "recommender", "Measures so far", means, "means over agents; likes are ratings of 4 stars on"
            ),
            figures_panel("recommender", "Exposure so far", exposure),
            table_panel(
                "recommender", "Most shown so far", ["item", "shown", "watched", "precision"], self._most_shown()
            ),
            table_panel("recommender", "Stars so far", ["stars", "ratings"], self._stars()),
            *([self._adverts()] if self._tally.adverts["shown"] else []),
            calls_panel(self._counts),
        ]
        if self._tally.failures:
            failures = sorted(self._tally.failures.items())
            panels.append(table_panel("calls", "Failures so far", ["kind", "agents"], failures))
        return panels

    def _most_shown(self) -> list[list[str | int | float | None]]:
        shown_N, watched_N = self._tally.shown_N, self._tally.watched_N
        order = np.argsort(-shown_N, kind="stable")[:_TOP]
        return [
            [self._titles[item], int(shown_N[item]), int(watched_N[item]), share(watched_N[item], shown_N[item])]
            for item in order.tolist()
            if shown_N[item]
        ]

    def _stars(self) -> list[list[str | int | float | None]]:
        return [[f"{stars} ★", int(count)] for stars, count in zip(STARS, self._tally.stars, strict=True)]

    def _adverts(self) -> Panel:
        counts = self._tally.adverts
        rows = {
            "shown": counts["shown"],
            "fit the taste": counts["aligned"],
            "fit first on the page (a click)": counts["aligned_first"],
            "watched": counts["watched"],
        }
        return figures_panel("recommender", "Advertisements so far", rows)

    def agent(self, step: int, agent: int) -> AgentCard:
        """Card of an agent after a page: profile, pages, memories.

        Raises
        ------
        SimulationError
            The run has no such agent, or no such step was added.
        """
        events = self.events_of(agent, step)
        last = events["step"].max() if len(events) else 0
        kinds = set(events.filter(pl.col("step") == step)["kind"]) if step else set()
        activity = next((code for kind, code in reversed(_ACTIVITY_OF.items()) if kind in kinds), WAITING)
        if "failed" in set(events["kind"]):
            activity = FAILED
        elif step and last != step:
            activity = LEFT
        return self.card(
            step,
            agent,
            activity,
            profile=self._cards.profile(agent),
            panels=self._cards.panels(agent, events),
            text=_DOING[activity],
        )


_DOING = (
    "waits for its first page",
    "looked at the page and watched nothing",
    "watched items of the page",
    "leaves after this page",
    "left on an earlier page",
    "its mind failed",
)
"""Activities in words, for cards."""
_ACTIVITY_OF = {"shown": BROWSING, "watched": WATCHING, "exited": LEAVING, "failed": FAILED}
"""Activity by kind of event; of several the last counts."""


def words_of(titles: list[str]) -> Any:
    """Words of the log lines of a feed."""

    def words(row: dict[str, Any]) -> str:
        kind, value, text = row["kind"], row["value"], row["text"]
        title = "" if row["item"] is None else f"“{titles[row['item']]}”"
        why = f": {text}" if text else ""
        match kind:
            case "shown":
                return f"{title} in place {row['slot'] + 1}" + (", an advertisement" if value == 1 else "")
            case "aligned":
                return f"{title} fits the taste"
            case "watched":
                return title
            case "rated":
                return f"{title} {'★' * round(value)}" if value is not None else title
            case "felt":
                return f"{title}{why or f': valence {value:+.2f}'}"
            case "satisfied":
                return f"{'pleased' if value == 1 else 'not pleased'}{why}"
            case "exited":
                return f"left after {value:g} pages{why}"
            case "interviewed":
                return f"{'no figure' if value is None else f'{value:g} of 10'}{why}"
            case "turned":
                return "next page"
        return text or kind

    return words


def _mean(values_A: np.ndarray) -> float | None:
    known = values_A[np.isfinite(values_A)]
    return finite(float(known.mean())) if len(known) else None
