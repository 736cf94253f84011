"""Outcomes of all fitted models together: simulated agents on pages, compared with the trace.

Shapes: A agents, S slots, L items of a list.
"""

from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.fitting.memories import empty_memory, pages_of, remember
from recgpt.simulate.worlds.feed.minds.fitting.scores import rounded
from recgpt.simulate.worlds.feed.minds.fitting.sources import MAX_PAGES, Source, filled, is_held_out
from recgpt.simulate.worlds.feed.minds.fitting.trace import Trace
from recgpt.simulate.worlds.feed.minds.parameters import Parameters
from recgpt.simulate.worlds.feed.minds.scripted import PUBLISHED_PAGE, ScriptedMind, means
from recgpt.simulate.worlds.feed.state import LIKED

_SEEDS = 5
_EVALUATED_AGENTS = 500


def browse(mind: ScriptedMind, facts: ItemFacts, agents_A: np.ndarray, lists_AL: np.ndarray) -> pl.DataFrame:
    """Let agents go through lists page by page until they leave or the list ends; a row for each.

    Columns `agent, pages, shown, aligned, viewed, liked, satisfaction`, `mean_stars` (NaN without any), `ratings`, of
    each star, and lists over pages: `page_stars` (their mean, NaN without any) and `page_pleased`.
    """
    memory, text_N = empty_memory(facts, int(agents_A.max()) + 1)
    counts_6A = np.zeros((6, len(agents_A)), dtype=np.int64)
    pages_A = np.zeros(len(agents_A), dtype=np.int64)
    stars_A5 = np.zeros((len(agents_A), 5), dtype=np.int64)
    here = np.arange(len(agents_A))
    of_pages: list[pl.DataFrame] = []
    for step in range(1, lists_AL.shape[1] // PUBLISHED_PAGE + 1):
        items_AS = lists_AL[here, (step - 1) * PUBLISHED_PAGE : step * PUBLISHED_PAGE]
        pages = pages_of(step, agents_A[here], items_AS, counts_6A[:, here])
        decided = mind.decide(pages, memory)
        remember(memory, text_N, pages, decided)
        stars_AS5 = decided.rating_AS[:, :, None] == np.arange(1, 6)
        stars_A5[here] += stars_AS5.sum(axis=1)
        is_rated_AS = np.isfinite(decided.rating_AS)
        happened = (items_AS >= 0, decided.aligned_AS, decided.watched_AS, decided.rating_AS >= LIKED, is_rated_AS)
        sum_A = np.nansum(decided.rating_AS, axis=1).astype(np.int64)
        counts_6A[:, here] += [*(each.sum(axis=1) for each in happened), sum_A]
        mean_A = means(sum_A, is_rated_AS.sum(axis=1))
        of_pages.append(pl.DataFrame({"row": here, "page_stars": mean_A, "page_pleased": decided.satisfied_A}))
        pages_A[here] = step
        here = here[~decided.exit_A]
    said = mind.interview(pages_of(MAX_PAGES, agents_A, np.full((len(agents_A), 0), -1), counts_6A), memory)
    by_page = pl.concat(of_pages).group_by("row", maintain_order=True).all().sort("row")
    return pl.DataFrame(
        {
            "agent": agents_A,
            "pages": pages_A,
            "shown": counts_6A[0],
            "aligned": counts_6A[1],
            "viewed": counts_6A[2],
            "liked": counts_6A[3],
            "mean_stars": means(counts_6A[5], counts_6A[4]),
            "satisfaction": said.satisfaction_A,
            "ratings": pl.Series(stars_A5, dtype=pl.Array(pl.Int64, 5)),
            "page_stars": by_page["page_stars"],
            "page_pleased": by_page["page_pleased"],
        }
    )


def figures(sessions: pl.DataFrame) -> dict[str, float]:
    """The published figures of a run (Zhang et al. 2024, section 4.2): means over agents."""
    return rounded(
        sessions.select(
            P_view=(pl.col("viewed") / pl.col("shown")).mean(),
            N_like=pl.col("liked").mean(),
            P_like=(pl.col("liked") / pl.col("shown")).mean(),
            N_exit=pl.col("pages").mean(),
            S_sat=pl.col("satisfaction").mean(),
        ).row(0, named=True)
    )


def traced(trace: Trace) -> pl.DataFrame:
    """The sessions of the trace, as `browse` gives them."""
    last = trace.last_P
    sums = {
        name: trace.so_far(values)[last] for name, values in (("viewed", trace.watched_PS), ("liked", trace.liked_PS))
    }
    agent, pages = trace.agent_P[last], trace.page_P[last]
    shown = pages * PUBLISHED_PAGE
    stars = means(trace.so_far(np.nan_to_num(trace.rating_PS))[last], trace.so_far(np.isfinite(trace.rating_PS))[last])
    said = {"mean_stars": stars, "satisfaction": trace.satisfaction_A[agent]}
    return pl.DataFrame({"agent": agent, "pages": pages, "shown": shown, **sums, **said})


def _browsed(
    parameters: Parameters, source: Source, agents_A: np.ndarray, lists_AL: np.ndarray, seed: int
) -> pl.DataFrame:
    """Sessions of several seeds, one after another."""
    minds = [ScriptedMind(source.population, source.facts, seed=seed + n, parameters=parameters) for n in range(_SEEDS)]
    return pl.concat([browse(mind, source.facts, agents_A, lists_AL) for mind in minds])


def simulated_on_trace(
    parameters: Parameters, source: Source, trace: Trace, agents_A: np.ndarray, seed: int
) -> pl.DataFrame:
    """Sessions of agents on the pages of the trace, and on a ranking's after the page where the real agent left."""
    seen = [trace.items_PS[trace.agent_P == agent].ravel() for agent in agents_A]
    ranked_AL = source.lists(agents_A, seed)["hybrid_knn"]
    return _browsed(parameters, source, agents_A, filled(seen, ranked_AL, ranked_AL.shape[1]), seed)


def outcomes(parameters: Parameters, source: Source, trace: Trace, seed: int) -> dict[str, Any]:
    """Sessions of held-out users beside the trace's, by activity; and of pages in other orders."""
    population = source.population
    held_A = np.flatnonzero(is_held_out(seed, population.user_A))
    real = traced(trace)
    held_A = held_A[np.isin(held_A, real["agent"])]
    simulated = simulated_on_trace(parameters, source, trace, held_A, seed)
    by_activity = {}
    for activity in (1, 2, 3):
        chosen = pl.col("agent").is_in(held_A[population.activity_A[held_A] == activity])
        by_activity[f"activity {activity}"] = {
            "trace": figures(real.filter(chosen)),
            "simulated": figures(simulated.filter(chosen)),
        }
    by_activity["all"] = {"trace": figures(real.filter(pl.col("agent").is_in(held_A))), "simulated": figures(simulated)}
    some_A = np.arange(min(_EVALUATED_AGENTS, len(population)))
    orders = {
        name: figures(_browsed(parameters, source, some_A, lists_AL, seed))
        for name, lists_AL in source.lists(some_A, seed).items()
    }
    stars = np.sum(simulated["ratings"].to_numpy(), axis=0)
    return {"held_out_users": by_activity, "orders": orders, "simulated_stars": (stars / stars.sum()).round(4).tolist()}
