"""What came of a run, for people: one self-contained HTML page, and a table for the terminal.

    with Run.open("demo") as run:
        print(write_report(run))                   # runs/demo/report.html
        Console().print(summary_table(run))

The page holds everything it shows, plots included, and asks the network for nothing. Words of items and agents are
data: they are escaped, stripped of control characters, and cut.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.table import Table

from recgpt.errors import SimulationError, StoreError
from recgpt.progress import track
from recgpt.simulate.agents.memory import PRESETS
from recgpt.simulate.agents.population import Population, Profile
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.calls import FAILURES
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.artifacts import stored_facts
from recgpt.simulate.worlds.feed.config import WORLD, FeedConfig
from recgpt.simulate.worlds.feed.measures import MEASURES, Tally, measures, total_variation
from recgpt.simulate.worlds.feed.report_plots import lorenz_plot, measures_plot, page_plots, ratings_plot
from recgpt.titles import printable

FILE_NAME = "report.html"
HEADINGS = {
    "p_view": "watched / shown",
    "n_like": "likes",
    "p_like": "liked / shown",
    "n_exit": "pages seen",
    "s_sat": "satisfaction",
}
"""Name of each of `MEASURES`."""
TRAITS = {
    "activity": ("comes seldom", "comes now and then", "comes often"),
    "diversity": ("few genres", "several genres", "many genres"),
    "conformity": ("rates as others do", "in between", "rates against the crowd"),
}
"""What the classes 1 to 3 of each trait mean."""

_TRACE = "GPT-3.5 trace"
_LONGEST = 400  # characters of any text of an item or an agent
_MOST_SHOWN = 10
_LATEST = 5


def published() -> dict[str, Any]:
    """The figures of Agent4Rec, from its paper and from its published trace; see `published.json`."""
    return json.loads((files("recgpt.simulate.worlds.feed") / "published.json").read_text(encoding="utf-8"))


def write_report(run: Run) -> Path:
    """Write the page of a run, finished or not, into the run's folder.

    Raises
    ------
    SimulationError
        The run is of a world that has no report.
    StoreError
        The run cannot be read, or the page cannot be written.
    """
    path, page = run.path.with_name(FILE_NAME), html(run)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: free space, or make the folder writable ({error})") from error
    return path


def html(run: Run) -> str:
    """The page of a run. See `write_report`."""
    config, metrics = _config(run), _metrics(run)
    population, facts = Population.from_parquet(run.artifact("population.parquet")), stored_facts(run)
    tally = Tally(len(population), len(facts))
    for rows in track(run.iter_steps(), f"reading run {run.run_id}", total=run.n_steps):
        tally.add(rows, facts)
    known, calls = published(), run.calls_summary()
    ratings, trace_stars = metrics["ratings"], np.array(known["trace"]["stars"])
    trace_shares = (trace_stars / trace_stars.sum()).tolist()
    environment = Environment(
        loader=PackageLoader("recgpt.simulate.worlds.feed", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"words": _words, "value": _value, "measure": _measure, "interval": _interval}
    return environment.get_template("report.html.j2").render(
        run=run.summary(),
        manifest=run.manifest,
        config=config,
        people=population.made_from,
        calls=calls,
        metrics=metrics,
        headings=HEADINGS,
        traits=TRAITS,
        published=known,
        published_cell=_published_cell,
        trace_variation=total_variation(trace_stars, np.array(known["movielens_1m_stars"])),
        kinds_of_failure={**FAILURES, "interview": "the agent was asked how satisfied it is and gave no figure"},
        n_items=len(facts),
        most_shown=_most_shown(tally, facts),
        organic=_organic(tally, metrics),
        stories=_stories(run, config, tally, population, facts),
        measures_plot=measures_plot(metrics["corrected"], HEADINGS, _beside(known)),
        page_plots=page_plots(metrics["by_page"]) if metrics["by_page"] else [],
        ratings_plot=ratings_plot(
            {"this run": ratings["shares"], "real": ratings["real_shares"], _TRACE: trace_shares},
        ),
        lorenz_plot=lorenz_plot(tally.shown_N) if tally.shown_N.any() else None,
    )


def summary_table(run: Run) -> Table:
    """The five measures in both definitions beside the published figures, for the terminal.

    Raises
    ------
    SimulationError
        The run is of a world that has no report.
    StoreError
        The run cannot be read.
    """
    config, metrics, known = _config(run), _metrics(run), published()
    n_agents = f"{metrics['agents']:,} agents" + (f", {metrics['failed']:,} failed" if metrics["failed"] else "")
    state = "" if run.finished else f", not finished: {run.n_steps} of {config.pages} pages"
    table = Table(
        title=f"{run.run_id}: {config.recommender}, mind {config.mind}, {n_agents}{state}",
        caption="this run: mean (95 % interval), divided by what was shown; by rule: as published, divided by all pages"
        f" that an agent could have seen. Beside: Agent4Rec with GPT-3.5; {_TRACE}: of LightGCN.",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("measure", min_width=13)
    table.add_column("this run", justify="right", min_width=11)
    for heading in ("by rule", *known["recommenders"], "trace"):
        table.add_column(heading, justify="right")
    for name in MEASURES:
        table.add_row(
            HEADINGS[name],
            f"{_measure(metrics['corrected'][name]['mean'], name)} {_interval(metrics['corrected'][name], name)}",
            _measure(metrics["published"][name]["mean"], name),
            *(_published_cell(known, model, name) for model in known["recommenders"]),
            _measure(known["trace"]["corrected"][name], name),
        )
    return table


def _config(run: Run) -> FeedConfig:
    if run.manifest.world != WORLD:
        raise SimulationError(
            f"run {run.run_id} is of the world {run.manifest.world!r}: the report is of runs of {WORLD!r}"
        )
    return FeedConfig(**run.manifest.config)


def _metrics(run: Run) -> dict[str, Any]:
    return run.metrics if run.finished else measures(run)


def _beside(known: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {**known["recommenders"], _TRACE: known["trace"]["corrected"]}


# --- figures as text ---


def _value(value: float | None, digits: int = 2) -> str:
    """`0.123` as `.12`; a dash for none."""
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    return text.removeprefix("0") if digits and 0 <= value < 1 else text


def _measure(value: float | None, name: str) -> str:
    """Shares with three decimals, all else with two."""
    return _value(value, 3 if name.startswith("p_") else 2)


def _interval(of: dict[str, float | None], name: str) -> str:
    """`(.31–.35)`; nothing where there is none."""
    return "" if of["low"] is None else f"({_measure(of['low'], name)}–{_measure(of['high'], name)})"


def _published_cell(known: dict[str, Any], model: str, name: str) -> str:
    about = "~" if name in known["approximate"].get(model, ()) else ""
    return about + _measure(known["recommenders"][model][name], name)


def _words(text: str, longest: int = _LONGEST) -> str:
    """A text of an item or an agent, on one line without control characters, cut."""
    clean = printable(text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


# --- items ---


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
    """What was shown and watched that was no advertisement."""
    return {
        "shown": int(tally.shown_N.sum()) - metrics["adverts"]["shown"],
        "watched": int(tally.watched_N.sum()) - metrics["adverts"]["watched"],
    }


# --- stories ---


@dataclass(frozen=True)
class Story:
    """What happened to one agent.

    Attributes
    ----------
    why
        What it was chosen for.
    latest
        Titles of the last items known of it before the run.
    pages
        What `_page` makes of each.
    interview
        `value` and `text`, maybe None; None where there was no interview.
    """

    why: str
    profile: Profile
    latest: list[str]
    pages: list[dict[str, Any]]
    interview: dict[str, Any] | None


def agents_to_tell(tally: Tally, population: Population, *, n_steps: int) -> dict[int, str]:
    """Agents that differ, the same ones for the same run, and what each was chosen for.

    Of each class of activity the one whose views are nearest to the class's median; then one that left at once, if any
    did; then one whose mind failed, if any. Ties go to the lowest number.
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


def _stories(run: Run, config: FeedConfig, tally: Tally, population: Population, facts: ItemFacts) -> list[Story]:
    chosen = agents_to_tell(tally, population, n_steps=run.n_steps)
    of_chosen = [rows.filter(pl.col("agent").is_in(list(chosen))) for rows in run.iter_steps()]
    events = pl.concat(of_chosen) if of_chosen else run.events()
    # Entries of one stage are numbered as they come; those of several may merge, and their numbers tell no text.
    numbered = PRESETS[config.memory].stages is None
    return [
        _story(events.filter(pl.col("agent") == agent), population, facts, agent, why, numbered=numbered)
        for agent, why in chosen.items()
    ]


def _story(
    events: pl.DataFrame, population: Population, facts: ItemFacts, agent: int, why: str, *, numbered: bool
) -> Story:
    titles = facts.items["title"]
    memories: list[str] = []
    pages = []
    for (step,), rows in events.partition_by("step", as_dict=True, maintain_order=True).items():
        page = _page(int(step), rows, facts)
        ids = page.pop("recalled_ids")
        page["recalled"] = [memories[number] for number in ids if number < len(memories)] if numbered else []
        page["n_recalled"] = len(ids)
        pages.append(page)
        memories += [_memory(item) for item in page["items"] if item["stars"] is not None]
        memories += [page["thought"]] if page["thought"] else []
    interviews = events.filter(pl.col("kind") == "interviewed").to_dicts()
    latest = [titles[int(item)] for item in population.histories[agent][-_LATEST:]]
    return Story(why, population.profile(agent), latest[::-1], pages, interviews[0] if interviews else None)


def _memory(item: dict[str, Any]) -> str:
    return f"{item['title']}, {item['stars']:g} ★" + (f": “{item['words']}”" if item["words"] else "")


def _page(step: int, rows: pl.DataFrame, facts: ItemFacts) -> dict[str, Any]:
    """One page of one agent, as its events have it."""
    of_kind: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_dicts():
        of_kind.setdefault(row["kind"], []).append(row)

    def by_item(kind: str, column: str) -> dict[int, Any]:
        return {row["item"]: row[column] for row in of_kind.get(kind, [])}

    def said(kind: str) -> dict[str, Any] | None:
        return next(iter(of_kind.get(kind, [])), None)

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
        "recalled_ids": json.loads(retrieved["text"])["ids"] if retrieved else [],
        "satisfied": said("satisfied"),
        "thought": thought["text"] if thought else None,
        "failed": said("failed"),
        "turned": said("turned") is not None,
        "exited": said("exited"),
    }
