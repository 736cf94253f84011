"""View of a feed at one step as plain JSON, with everything that its HTML pages show.

    view(run, step=3)["metrics"]["corrected"]["p_view"]["mean"]

The HTML report renders only this. Texts of items and agents are unescaped, as in the log: escape them in HTML.
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, cast

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.progress import track
from recgpt.simulate.agents.memory import PRESETS
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.calls import FAILURES
from recgpt.simulate.store import Run
from recgpt.simulate.world import States, stored_config
from recgpt.simulate.worlds.feed.artifacts import stored_facts, stored_population, stored_real_stars
from recgpt.simulate.worlds.feed.config import NAME, FeedConfig
from recgpt.simulate.worlds.feed.kinds import CLOCK
from recgpt.simulate.worlds.feed.measures import Tally, total_variation
from recgpt.simulate.worlds.feed.minds.parameters import Parameters
from recgpt.simulate.worlds.feed.state import FeedState

HEADINGS = {
    "p_view": "watched / shown",
    "n_like": "likes",
    "p_like": "liked / shown",
    "n_exit": "pages seen",
    "s_sat": "satisfaction",
}
"""Displayed name of each of `MEASURES`."""
TRAITS = {
    "activity": ("comes seldom", "comes now and then", "comes often"),
    "diversity": ("few genres", "several genres", "many genres"),
    "conformity": ("rates as others do", "in between", "rates against the crowd"),
}
"""Meaning of the classes 1 to 3 of each trait."""

_MOST_SHOWN = 10
_LATEST = 5
_LORENZ_POINTS = 400


def published() -> dict[str, Any]:
    """Published figures of Agent4Rec, from its paper and its trace; see `published.json`."""
    return json.loads((files("recgpt.simulate.worlds.feed") / "published.json").read_text(encoding="utf-8"))


def config_of(run: Run) -> FeedConfig:
    """Configuration of the run of a feed.

    Raises
    ------
    SimulationError
        The run is of another world.
    """
    return stored_config(run, NAME, FeedConfig)


def view(run: Run, step: int) -> dict[str, Any]:
    """View of a run after one of its steps; 0: before the first.

    Returns
    -------
    dict
        `run, manifest, config, step, time` (simulated seconds), `finished`: identity and progress.
        `metrics` : `feed_measures` of the steps so far. `calls` : `Run.calls_summary` of the whole run.
        `headings, traits, failure_kinds` : displayed names of keys. `published` : figures of Agent4Rec.
        `agents` : by column, a list over agents: `active`, `shown`, `aligned`, `watched`, `liked`.
        `stories` : profile, pages and memories of a few agents.
        `most_shown, organic, charts` : figures of items, and data of the charts.
        `satisfaction` : of the `run`, see `Tally.satisfaction`; `page` and `interview` of people and the trace.

    Raises
    ------
    SimulationError
        The run is of another world, or has no such step.
    """
    config, state = config_of(run), cast(FeedState, States(run).at(step))
    population, facts = stored_population(run), stored_facts(run)
    tally = Tally(len(population), len(facts))
    for rows in track(_steps(run, step), f"reading run {run.run_id}", total=step):
        tally.add(rows, facts)
    is_end = run.finished and step == run.n_steps
    metrics = (
        run.metrics
        if is_end
        else tally.measures(
            population, facts, pages=config.pages, page_size=config.page_size, real_ratings=stored_real_stars(run)
        )
    )
    return {
        "run": run.summary().model_dump(),
        "manifest": run.manifest.model_dump(mode="json", exclude={"kinds"}),
        "config": config.model_dump(mode="json"),
        "step": step,
        "time": CLOCK.at(step),
        "finished": is_end,
        "people": population.made_from,
        "n_items": len(facts),
        "calls": run.calls_summary(),
        "metrics": metrics,
        "headings": HEADINGS,
        "traits": {trait: list(meanings) for trait, meanings in TRAITS.items()},
        "failure_kinds": {**FAILURES, "interview": "the agent was asked how satisfied it is and gave no figure"},
        "published": published(),
        "agents": _agents(state),
        "stories": _stories(run, config, tally, population, facts, state, step),
        "most_shown": _most_shown(tally, facts),
        "organic": _organic(tally, metrics),
        "charts": _charts(tally, metrics),
        "satisfaction": {"run": tally.satisfaction(), **Parameters.load().report["stars"]},
    }


def _steps(run: Run, last: int) -> Iterator[pl.DataFrame]:
    return (run.events(step) for step in range(1, last + 1))


def _agents(state: FeedState) -> dict[str, list[Any]]:
    return {
        "active": state.active_A.tolist(),
        "shown": state.n_shown_A.tolist(),
        "aligned": state.n_aligned_A.tolist(),
        "watched": state.n_watched_A.tolist(),
        "liked": state.n_liked_A.tolist(),
    }


# --- items and charts ---


def _most_shown(tally: Tally, facts: ItemFacts) -> list[dict[str, Any]]:
    order = np.argsort(-tally.shown_N, kind="stable")[:_MOST_SHOWN]
    return [
        {
            "title": facts.items["title"][item],
            "known": int(facts.count_N[item]),
            "shown": int(tally.shown_N[item]),
            "watched": int(tally.watched_N[item]),
        }
        for item in order.tolist()
        if tally.shown_N[item]
    ]


def _organic(tally: Tally, metrics: dict[str, Any]) -> dict[str, int]:
    """Numbers of items shown and watched, without advertisements."""
    return {
        "shown": int(tally.shown_N.sum()) - metrics["adverts"]["shown"],
        "watched": int(tally.watched_N.sum()) - metrics["adverts"]["watched"],
    }


def _charts(tally: Tally, metrics: dict[str, Any]) -> dict[str, Any]:
    """Chart data that no other part of the view contains.

    `ratings`: shares of 1 to 5 stars in this run, the real ratings and the published trace. `trace_variation`: total
    variation of the published trace from MovieLens-1M. `lorenz`: share of the catalogue, the least shown items first,
    against share of impressions; None before the first impression.
    """
    known = published()
    stars = np.array(known["trace"]["stars"])
    ratings = metrics["ratings"]
    return {
        "ratings": {
            "run": ratings["shares"],
            "real": ratings["real_shares"],
            "trace": (stars / stars.sum()).tolist(),
        },
        "trace_variation": total_variation(stars, np.array(known["movielens_1m_stars"])),
        "lorenz": _lorenz(tally.shown_N) if tally.shown_N.any() else None,
    }


def _lorenz(shown_N: np.ndarray) -> dict[str, list[float]]:
    total = np.concatenate([[0], np.cumsum(np.sort(shown_N))])
    kept = np.unique(np.linspace(0, len(shown_N), _LORENZ_POINTS).astype(np.int64))
    return {"items": (kept / len(shown_N)).tolist(), "shown": (total[kept] / total[-1]).tolist()}


# --- stories ---


def story_agents(tally: Tally, population: Population, *, n_steps: int) -> dict[int, str]:
    """Choose a few different agents for the stories, deterministically; returns the reason by agent.

    For each class of activity the agent with views nearest to the median of the class; then one that left after the
    first page and one whose mind failed, if any. Ties go to the lowest number.
    """
    chosen: dict[int, str] = {}
    well_A = ~tally.failed_A & (tally.pages_A > 0)
    for level, meaning in enumerate(TRAITS["activity"], start=1):
        agents = np.flatnonzero(well_A & (population.activity_A == level))
        if len(agents):
            views = tally.watched_A[agents]
            chosen[int(agents[np.abs(views - np.median(views)).argmin()])] = f"typical of activity {level}, {meaning}"
    at_once_A = well_A & (tally.pages_A == 1) & (n_steps > 1)
    for of_group_A, why in ((at_once_A, "left after the first page"), (tally.failed_A, "its mind failed")):
        others = [agent for agent in np.flatnonzero(of_group_A).tolist() if agent not in chosen]
        chosen |= dict.fromkeys(others[:1], why)
    return chosen


def _stories(
    run: Run,
    config: FeedConfig,
    tally: Tally,
    population: Population,
    facts: ItemFacts,
    state: FeedState,
    step: int,
) -> list[dict[str, Any]]:
    """Stories of the chosen agents.

    Each has `agent`, `why` it was chosen, `profile`, `latest` items before the run, `pages` (see `page_of`),
    `interview` (None, or `value` and `text`) and `memories` (see `Memory.describe`).
    """
    chosen = story_agents(tally, population, n_steps=step)
    of_chosen = [rows.filter(pl.col("agent").is_in(list(chosen))) for rows in _steps(run, step)]
    events = pl.concat([run.events(0), *of_chosen])
    # With stages, memory entries may merge, so their numbers do not identify a text.
    is_numbered = PRESETS[config.memory].stages is None
    return [
        {
            "agent": agent,
            "why": why,
            "profile": _plain(population.profile(agent).model_dump(mode="json")),
            "latest": [facts.items["title"][int(item)] for item in population.histories[agent][-_LATEST:]][::-1],
            **_story(events.filter(pl.col("agent") == agent), facts, is_numbered=is_numbered),
            "memories": [_plain(entry._asdict()) for entry in state.memory.describe(agent)],
        }
        for agent, why in chosen.items()
    ]


def _story(events: pl.DataFrame, facts: ItemFacts, *, is_numbered: bool) -> dict[str, Any]:
    memories: list[str] = []
    pages = []
    for (step,), rows in events.partition_by("step", as_dict=True, maintain_order=True).items():
        page = page_of(int(step), rows, facts)
        ids = page.pop("recalled_ids")
        page["recalled"] = [memories[number] for number in ids if number < len(memories)] if is_numbered else []
        page["n_recalled"] = len(ids)
        pages.append(page)
        memories += [_memory(item) for item in page["items"] if item["stars"] is not None]
        memories += [page["thought"]] if page["thought"] else []
    interviews = events.filter(pl.col("kind") == "interviewed").select("value", "text").to_dicts()
    return {"pages": pages, "interview": interviews[0] if interviews else None}


def _plain(values: dict[str, Any]) -> Any:
    """Convert to JSON values: lists for tuples, None for NaN."""
    return {
        name: list(value) if isinstance(value, tuple) else None if value != value else value  # NaN
        for name, value in values.items()
    }


def _memory(item: dict[str, Any]) -> str:
    return f"{item['title']}, {item['stars']:g} ★" + (f": “{item['words']}”" if item["words"] else "")


def page_of(step: int, rows: pl.DataFrame, facts: ItemFacts) -> dict[str, Any]:
    """One page of one agent, from its events."""
    of_kind: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_dicts():
        of_kind.setdefault(row["kind"], []).append(row)

    def by_item(kind: str, column: str) -> dict[int, Any]:
        return {row["item"]: row[column] for row in of_kind.get(kind, [])}

    def said(kind: str) -> dict[str, Any] | None:
        row = next(iter(of_kind.get(kind, [])), None)
        return row and {"value": row["value"], "text": row["text"]}

    aligned, watched, words = by_item("aligned", "slot"), by_item("watched", "slot"), by_item("felt", "text")
    stars, feelings = by_item("rated", "value"), by_item("felt", "value")
    retrieved, thought = said("retrieved"), said("thought")
    has_categories = "categories" in facts.items.columns
    return {
        "number": step,
        "items": [
            {
                "title": facts.items["title"][row["item"]],
                "categories": (facts.items["categories"][row["item"]] or "") if has_categories else "",
                "advert": row["value"] == 1,
                "aligned": row["item"] in aligned,
                "watched": row["item"] in watched,
                "stars": stars.get(row["item"]),
                "feeling": feelings.get(row["item"]),
                "words": words.get(row["item"]),
            }
            for row in of_kind.get("shown", [])
        ],
        "recalled_ids": parse_json(retrieved["text"], "an event of the run")["ids"] if retrieved else [],
        "satisfied": said("satisfied"),
        "thought": thought["text"] if thought else None,
        "failed": said("failed"),
        "turned": said("turned") is not None,
        "exited": said("exited"),
    }
