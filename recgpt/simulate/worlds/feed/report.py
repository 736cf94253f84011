"""Report of a run: a self-contained HTML page, and a table for the terminal.

    with Run.open("demo") as run:
        page = html(run)
        Console().print(summary_table(run))

The page is a template over `view`. It embeds its plots and loads nothing from the network. Texts of items and agents
are escaped, stripped of control characters, and cut.
"""

from collections import Counter
from typing import Any

from rich.table import Table

from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.measures import MEASURES, measures
from recgpt.simulate.worlds.feed.report_plots import lorenz_plot, measures_plot, page_plots, ratings_plot
from recgpt.simulate.worlds.feed.view import HEADINGS, config_of, published, view
from recgpt.simulate.worlds.html import html_environment, value_text

_TRACE = "GPT-3.5 trace"


def html(run: Run) -> str:
    """HTML report of a run, finished or not.

    Raises
    ------
    SimulationError
        The run is of another world.
    StoreError
        The run cannot be read.
    """
    return render(view(run, run.n_steps))


def render(seen: dict[str, Any]) -> str:
    """Render the HTML page from the result of `view`."""
    environment = html_environment()
    environment.filters |= {"measure": _measure, "interval": _interval}
    metrics, charts = seen["metrics"], seen["charts"]
    shares = charts["ratings"]
    return environment.get_template("feed/report.html.j2").render(
        seen,
        published_cell=_published_cell,
        no_figures=_no_figures(seen),
        measures_plot=measures_plot(metrics["corrected"], seen["headings"], _beside(seen["published"])),
        page_plots=page_plots(metrics["by_page"]) if metrics["by_page"] else [],
        ratings_plot=ratings_plot({"this run": shares["run"], "real": shares["real"], _TRACE: shares["trace"]}),
        lorenz_plot=lorenz_plot(charts["lorenz"]) if charts["lorenz"] else None,
    )


def _no_figures(seen: dict[str, Any]) -> str:
    """Why no measure of a run has a value; empty where one has."""
    metrics, kinds = seen["metrics"], seen["failure_kinds"]
    if any(of["mean"] is not None for of in metrics["corrected"].values()):
        return ""
    if not metrics["by_page"]:
        return "no page was played yet."
    counts: Counter[str] = Counter()
    for text, count in metrics["failures"].items():
        kind, _, meaning = text.partition(": ")
        counts[f"{kind} ({meaning or kinds.get(kind, kind)})"] += count
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
    return f"{metrics['failed']:,} of {metrics['agents']:,} agents failed" + (f": {reasons}." if reasons else ".")


def summary_table(run: Run) -> Table:
    """The five measures in both definitions beside the published figures, for the terminal.

    Raises
    ------
    SimulationError
        The run is of another world.
    StoreError
        The run cannot be read.
    """
    config, known = config_of(run), published()
    metrics = run.metrics if run.finished else measures(run)
    of_users = f" of {metrics['users']:,} users" if metrics.get("users", metrics["agents"]) < metrics["agents"] else ""
    n_agents = f"{metrics['agents']:,} agents{of_users}" + (
        f", {metrics['failed']:,} failed" if metrics["failed"] else ""
    )
    state = "" if run.finished else f", not finished: {run.n_steps} of {config.pages} pages"
    table = Table(
        title=f"{run.run_id}: {config.recommender}, mind {config.mind}, {n_agents}{state}",
        caption="this run: mean (95 % interval over users), divided by items shown; by rule: as published, divided by"
        f" all pages that an agent could have seen. Other columns: Agent4Rec with GPT-3.5; {_TRACE}: of LightGCN.",
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


def _beside(known: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {**known["recommenders"], _TRACE: known["trace"]["corrected"]}


# --- figures as text ---


def _measure(value: float | None, name: str) -> str:
    """Format shares with three decimals, all else with two."""
    return value_text(value, 3 if name.startswith("p_") else 2)


def _interval(of: dict[str, float | None], name: str) -> str:
    """Format an interval as `(.31–.35)`; empty without interval."""
    return "" if of["low"] is None else f"({_measure(of['low'], name)}–{_measure(of['high'], name)})"


def _published_cell(known: dict[str, Any], model: str, name: str) -> str:
    about = "~" if name in known["approximate"].get(model, ()) else ""
    return about + _measure(known["recommenders"][model][name], name)
