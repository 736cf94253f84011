"""Metrics of a feed, computed from its events only, so that `recgpt runs verify` can recompute them.

    measures = feed_measures(run.iter_steps(), population, facts, pages=5, page_size=4, real_ratings=ratings)

The five measures of Agent4Rec (Zhang et al., "On Generative Agents in Recommendation", SIGIR 2024), each computed for
every agent and averaged over agents, with 95 % bootstrap intervals over the users that the agents were made from
(agents of one user are no independent cases):

    p_view    items watched / items shown        n_exit    pages seen
    p_like    items liked / items shown          s_sat     satisfaction in the interview, 1 to 10
    n_like    items liked: 4 stars or more

There are two definitions. `published` divides, as the published code does, by the slots of all pages that an agent
could have seen; `corrected` divides by the items shown to it. The figures in the paper agree with `corrected`: on the
published trace `corrected` gives .49 and `published` .32, and the paper reports .502. Agents whose mind failed are
excluded from both means, and counted.

Shapes: A agents, N items, S slots of a page.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from recgpt.evaluate.beyond_accuracy import gini_index, intra_list_diversity, self_information
from recgpt.evaluate.significance import bootstrap_ci
from recgpt.simulate.agents.population import Population
from recgpt.simulate.events import by_kind
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.artifacts import stored_facts, stored_population, stored_real_stars
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.state import LIKED

STARS = (1, 2, 3, 4, 5)
_DIGITS = 6
_RESAMPLES = 1000
MEASURES = ("p_view", "n_like", "p_like", "n_exit", "s_sat")


def measures(run: Run) -> dict[str, Any]:
    """Metrics of a run, computed from its events and artifacts only."""
    config = FeedConfig(**run.manifest.config)
    population = stored_population(run)
    if run.manifest.intervals == "agents":  # a run of an earlier version
        population = replace(population, user_A=np.arange(len(population)))
    found = feed_measures(
        run.iter_steps(),
        population,
        stored_facts(run),
        pages=config.pages,
        page_size=config.page_size,
        real_ratings=stored_real_stars(run),
    )
    if run.finished and run.metrics and "satisfaction" not in run.metrics:
        del found["satisfaction"]  # a run finished by a version without it
    return found


def feed_measures(
    steps: Iterable[pl.DataFrame],
    population: Population,
    facts: ItemFacts,
    *,
    pages: int,
    page_size: int,
    real_ratings: np.ndarray,
) -> dict[str, Any]:
    """Compute all measures of a feed, JSON values.

    Parameters
    ----------
    steps
        Events, one step at a time.
    pages, page_size
        Maximum pages of an agent, and slots of a page.
    real_ratings
        (5,) numbers of real ratings with 1 to 5 stars; zeros without ratings.

    Returns
    -------
    dict
        `agents`; `users` that they were made from, if fewer; `failed` agents; `failures` by kind, also `interview`.
        `published, corrected` : mean and interval of `MEASURES`; None where no agent has one.
        `by_activity, by_diversity, by_conformity` : corrected means, `views` and `agents` by class.
        `by_page` : `agents` who saw it, who `left` of their own will after it, whose mind `failed`; for the others
        `p_view`, `p_like` over all slots, and the share who were `satisfied`.
        `items` : see `Tally.items`. `ratings` : see `Tally.ratings`. `satisfaction` : see `Tally.satisfaction`.
        `adverts` : counts, see `Tally.adverts`.
    """
    tally = Tally(len(population), len(facts))
    for rows in steps:
        tally.add(rows, facts)
    return tally.measures(population, facts, pages=pages, page_size=page_size, real_ratings=real_ratings)


class Tally:
    """Counts over the events of a run, updated step by step.

    Attributes
    ----------
    shown_A, watched_A, liked_A, pages_A
        (A,) int64 counts of each agent; `pages_A` counts pages with at least one item.
    is_active_A
        (A,) bool, whether an agent has any event.
    satisfaction_A
        (A,) float64 satisfaction in the interview; NaN without interview.
    failed_A
        (A,) bool, whether the mind failed to decide.
    shown_N, watched_N
        (N,) int64, of each item.
    stars
        (5,) int64 numbers of ratings with 1 to 5 stars.
    failures
        Numbers of failures of the mind, by kind; `interview`: an interview without a figure.
    pages
        Rows of `by_page` in `feed_measures`.
    adverts
        `shown`; of them `aligned`, `watched`, and `aligned_first`: no slot before it fits, a click in Agent4Rec.
    """

    def __init__(self, n_agents: int, n_items: int) -> None:
        self.shown_A, self.watched_A, self.liked_A, self.pages_A = np.zeros((4, n_agents), dtype=np.int64)
        self.is_active_A = np.zeros(n_agents, dtype=bool)
        self.satisfaction_A = np.full(n_agents, np.nan)
        self.failed_A = np.zeros(n_agents, dtype=bool)
        self.shown_N, self.watched_N = np.zeros((2, n_items), dtype=np.int64)
        self.stars = np.zeros(len(STARS), dtype=np.int64)
        self.failures: Counter[str] = Counter()
        self.pages: list[dict[str, Any]] = []
        self.adverts = {"shown": 0, "aligned_first": 0, "aligned": 0, "watched": 0}
        self._diversity_sum, self._n_lists = 0.0, 0
        self._stars_A, self._n_rated_A = np.zeros((2, n_agents))
        self._page_stars: list[np.ndarray] = []
        self._page_pleased: list[np.ndarray] = []

    def add(self, rows: pl.DataFrame, facts: ItemFacts) -> None:
        """Count one step."""
        if not len(rows):
            return
        of_kind = by_kind(rows)
        none = rows.clear()
        shown, aligned, watched, rated, failed, said = (
            of_kind.get(kind, none) for kind in ("shown", "aligned", "watched", "rated", "failed", "interviewed")
        )
        liked = rated.filter(pl.col("value") >= LIKED)
        self.is_active_A[rows["agent"].to_numpy()] = True
        for count_A, part in (
            (self.shown_A, shown),
            (self.watched_A, watched),
            (self.liked_A, liked),
            (self.pages_A, shown.unique("agent")),
        ):
            count_A += np.bincount(part["agent"].to_numpy(), minlength=len(count_A))
        for count_N, part in ((self.shown_N, shown), (self.watched_N, watched)):
            count_N += np.bincount(part["item"].to_numpy(), minlength=len(count_N))
        self.stars += stars_of(rated["value"].drop_nulls().to_numpy())
        self.failed_A[failed["agent"].to_numpy()] = True
        self.failures.update(kind or "unknown" for kind in failed["text"].to_list())
        self.satisfaction_A[said["agent"].to_numpy()] = said["value"].fill_null(np.nan).to_numpy()
        if unanswered := said["value"].null_count():
            self.failures["interview"] += unanswered
        self._add_satisfaction(rated, of_kind.get("satisfied", none))
        self._add_diversity(shown, facts)
        self._add_adverts(shown, aligned, watched)
        n_slots = len(shown.join(failed, on="agent", how="anti"))
        satisfied = of_kind.get("satisfied", none)["value"]
        left = of_kind.get("exited", none)["text"]
        self.pages.append(
            {
                "page": int(rows["step"][0]),
                "agents": rows["agent"].n_unique(),
                "left": left.null_count(),  # an exit with a text was not the agent's choice
                "failed": len(failed),
                "p_view": _ratio(len(watched), n_slots),
                "p_like": _ratio(len(liked), n_slots),
                "satisfied": _ratio(float(satisfied.sum()), len(satisfied)),
            }
        )

    def _add_satisfaction(self, rated: pl.DataFrame, satisfied: pl.DataFrame) -> None:
        stars = rated.drop_nulls("value")
        agent, n_agents = stars["agent"].to_numpy(), len(self._stars_A)
        sum_A = np.bincount(agent, stars["value"].to_numpy(), minlength=n_agents)
        n_A = np.bincount(agent, minlength=n_agents)
        self._stars_A += sum_A
        self._n_rated_A += n_A
        said = satisfied.drop_nulls("value").filter(pl.col("agent").is_in(np.flatnonzero(n_A)))
        agent = said["agent"].to_numpy()
        self._page_stars.append(sum_A[agent] / n_A[agent])
        self._page_pleased.append(said["value"].to_numpy())

    def _add_diversity(self, shown: pl.DataFrame, facts: ItemFacts) -> None:
        if not len(shown):
            return
        agents, row = np.unique(shown["agent"].to_numpy(), return_inverse=True)
        slot = shown["slot"].to_numpy()
        items_AS = np.full((len(agents), int(slot.max()) + 1), -1, dtype=np.int64)
        items_AS[row, slot] = shown["item"].to_numpy()
        self._diversity_sum += float(intra_list_diversity(items_AS, facts.unit_NE).sum())
        self._n_lists += len(agents)

    def _add_adverts(self, shown: pl.DataFrame, aligned: pl.DataFrame, watched: pl.DataFrame) -> None:
        adverts = shown.filter(pl.col("value") == 1).select("agent", "item")
        if not len(adverts):
            return
        first = aligned.unique("agent", keep="first", maintain_order=True)
        self.adverts["shown"] += len(adverts)
        for name, part in (("aligned_first", first), ("aligned", aligned), ("watched", watched)):
            self.adverts[name] += len(part.join(adverts, on=["agent", "item"], how="semi"))

    def measures(
        self, population: Population, facts: ItemFacts, *, pages: int, page_size: int, real_ratings: np.ndarray
    ) -> dict[str, Any]:
        """All measures from the counts. See `feed_measures`."""
        per_agent = self.per_agent(pages * page_size)
        classes = {
            "by_activity": population.activity_A,
            "by_diversity": population.diversity_A,
            "by_conformity": population.conformity_A,
        }
        corrected = {name: per_agent[name] for name in MEASURES}
        published = {**corrected, "p_view": per_agent["p_view_published"], "p_like": per_agent["p_like_published"]}
        of_class = {**corrected, "views": per_agent["views"]}
        n_users = len(np.unique(population.user_A))
        return {
            "agents": len(population),
            **({"users": n_users} if n_users < len(population) else {}),
            "failed": int(self.failed_A.sum()),
            "failures": dict(sorted(self.failures.items())),
            "published": {name: _mean(values, population.user_A) for name, values in published.items()},
            "corrected": {name: _mean(values, population.user_A) for name, values in corrected.items()},
            **{
                name: {
                    str(level): {"agents": int((class_A == level).sum())}
                    | {each: _plain_mean(values[class_A == level]) for each, values in of_class.items()}
                    for level in (1, 2, 3)
                }
                for name, class_A in classes.items()
            },
            "by_page": self.pages,
            "items": self.items(facts),
            "ratings": self.ratings(real_ratings),
            "satisfaction": self.satisfaction(),
            "adverts": self.adverts,
        }

    def per_agent(self, most: int) -> dict[str, np.ndarray]:
        """(A,) float64 of each measure and of `views`; NaN where an agent has none, as those have whose mind failed.

        Parameters
        ----------
        most
            Slots that an agent could have seen.
        """
        shown_A = np.where(self.shown_A > 0, self.shown_A, np.nan)
        found = {
            "p_view": self.watched_A / shown_A,
            "p_like": self.liked_A / shown_A,
            "p_view_published": self.watched_A / most,
            "p_like_published": self.liked_A / most,
            "n_like": self.liked_A,
            "n_exit": self.pages_A,
            "s_sat": self.satisfaction_A,
            "views": self.watched_A,
        }
        has_A = ~self.failed_A & self.is_active_A
        return {name: np.where(has_A, values, np.nan) for name, values in found.items()}

    def items(self, facts: ItemFacts) -> dict[str, Any]:
        """Exposure of items over all agents.

        `exposures`; `distinct` items; `exposure_gini` over the catalogue; `novelty_bits`: mean self-information of
        what was shown; `diversity`: mean 1 - cosine of the texts of two items of a page, meaned over pages.
        """
        n_shown, novelty = int(self.shown_N.sum()), None
        if n_shown and facts.n_users:
            novelty = float(self.shown_N @ self_information(facts.count_N, facts.n_users)) / n_shown
        return {
            "exposures": n_shown,
            "distinct": int((self.shown_N > 0).sum()),
            "exposure_gini": _rounded(gini_index(self.shown_N)) if n_shown else None,
            "novelty_bits": _rounded(novelty),
            "diversity": _ratio(self._diversity_sum, self._n_lists),
        }

    def ratings(self, real: np.ndarray) -> dict[str, Any]:
        """Shares of 1 to 5 stars, simulated and real, and their total variation; None without ratings."""
        known = self.stars.sum() and real.sum()
        distance = total_variation(self.stars, real) if known else None
        return {"shares": _shares(self.stars), "real_shares": _shares(real), "total_variation": _rounded(distance)}

    def satisfaction(self) -> dict[str, Any]:
        """Satisfaction against the mean of the stars given, on a page and in a whole visit.

        `page` : pages with stars (`n`), `correlation` of pleased or not with the mean, share of pleased `by_stars`: at
        a mean of 1, 2, 3, 4 and 5 stars, rounded (half up). `interview` : the same of scores and agents, `by_stars` the
        mean score. None where there are too few, or where one of both never varies.
        """
        stars, pleased = np.concatenate([[], *self._page_stars]), np.concatenate([[], *self._page_pleased])
        said_A = ~self.failed_A & (self._n_rated_A > 0) & np.isfinite(self.satisfaction_A)
        mean_A = self._stars_A[said_A] / self._n_rated_A[said_A]
        return {"page": _by_stars(stars, pleased), "interview": _by_stars(mean_A, self.satisfaction_A[said_A])}


def _by_stars(stars: np.ndarray, values: np.ndarray) -> dict[str, Any]:
    level = np.clip(np.floor(stars + 0.5), 1, 5)
    varies = len(stars) > 1 and stars.std() > 0 and values.std() > 0
    return {
        "n": len(stars),
        "correlation": _rounded(float(np.corrcoef(stars, values)[0, 1])) if varies else None,
        "by_stars": [_plain_mean(values[level == star]) for star in STARS],
    }


def total_variation(counts: np.ndarray, others: np.ndarray) -> float:
    """Half the sum of the absolute differences of two sets of shares, from their counts: 0 if equal, 1 if disjoint."""
    return float(np.abs(counts / counts.sum() - others / others.sum()).sum() / 2)


def stars_of(ratings: np.ndarray) -> np.ndarray:
    """(5,) int64 numbers of ratings with 1 to 5 stars; half stars are rounded up, NaN is ignored."""
    known = ratings[np.isfinite(ratings)]
    stars = np.clip(np.floor(known + 0.5), 1, 5).astype(np.int64)
    return np.bincount(stars - 1, minlength=len(STARS))


def _mean(values_A: np.ndarray, user_A: np.ndarray) -> dict[str, float | None]:
    is_known_A = np.isfinite(values_A)
    known = values_A[is_known_A]
    if not len(known):
        return {"mean": None, "low": None, "high": None}
    # Numbered as they first appear, so that agents of different users are drawn as if they were the users.
    _, first, of_known = np.unique(user_A[is_known_A], return_index=True, return_inverse=True)
    of_known = np.argsort(np.argsort(first))[of_known]
    low, high = bootstrap_ci(known, of_known, resamples=_RESAMPLES) if len(first) > 1 else (None, None)
    return {"mean": _rounded(float(known.mean())), "low": _rounded(low), "high": _rounded(high)}


def _plain_mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return _rounded(float(known.mean())) if len(known) else None


def _shares(counts: np.ndarray) -> list[float] | None:
    return [round(float(each), _DIGITS) for each in counts / counts.sum()] if counts.sum() else None


def _ratio(above: float, below: float) -> float | None:
    return _rounded(above / below) if below else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DIGITS)
