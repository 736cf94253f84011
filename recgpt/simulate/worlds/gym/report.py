"""Report of a run of the gym: a self-contained HTML page, and a table for the terminal.

    with Run.open("demo") as run:
        page = html(run)
        Console().print(summary_table(run))

The page is a template over `view`. It embeds its plots and loads nothing from the network. Texts of items and users are
escaped, stripped of control characters, and cut.
"""

from typing import Any

from rich.table import Table

from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.report_plots import lorenz_plot
from recgpt.simulate.worlds.gym.evaluation import LISTS, METRICS
from recgpt.simulate.worlds.gym.measures import measures
from recgpt.simulate.worlds.gym.report_plots import pleased_plot, ratings_plot, step_plot, users_plot
from recgpt.simulate.worlds.gym.view import HEADINGS, config_of, view
from recgpt.simulate.worlds.html import html_environment, value_text
from recgpt.terminal import plain

_SHARES = ("left", "map@10", "mrr@10", "personalised", "coverage", "gini")


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
    environment.filters |= {"figure": figure_text, "interval": interval_text}
    metrics, facts = seen["metrics"], seen["facts"]
    scale = facts["lowest"], facts["highest"]
    ratings = metrics["ratings"]
    return environment.get_template("gym/report.html.j2").render(
        seen,
        of_users=list(METRICS),
        of_lists=list(LISTS),
        step_plot=step_plot(metrics["by_step"], *scale),
        users_plot=users_plot(metrics["by_step"]),
        ratings_plot=ratings_plot(facts["values"], ratings["shares"], ratings["reference"], "real ratings"),
        pleased_plot=pleased_plot(seen["agents"]["reward"], *scale),
        lorenz_plot=lorenz_plot(seen["lorenz"]) if seen["lorenz"] else None,
    )


def summary_table(run: Run) -> Table:
    """Metrics of a run with their intervals, for the terminal.

    Raises
    ------
    SimulationError
        The run is of another world.
    StoreError
        The run cannot be read.
    """
    config = config_of(run)
    found = run.metrics if run.finished else measures(run)
    state = "" if run.finished else f", not finished: {run.n_steps} of {config.steps} items"
    table = Table(
        title=f"{run.run_id}: policy {plain(config.policy)}, mind {config.mind}, {found['users']:,} users{state}",
        caption="mean over users, 95 % interval over users",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("metric")
    table.add_column("mean", justify="right")
    table.add_column("interval")
    table.add_column("meaning")
    for name, meaning in {**METRICS, **LISTS}.items():
        of = found["metrics"][name]
        table.add_row(HEADINGS[name], figure_text(of["mean"], name), interval_text(of, name), meaning)
    return table


def figure_text(value: float | None, name: str) -> str:
    """Format shares with three decimals, counts without, all else with two; a dash for None."""
    if name == "distinct" and value is not None:
        return f"{value:,.0f}"
    return value_text(value, 3 if name in _SHARES else 2)


def interval_text(of: dict[str, Any], name: str) -> str:
    """Format an interval as `(.31–.35)`; empty without interval."""
    if of.get("low") is None:
        return ""
    return f"({figure_text(of['low'], name)}–{figure_text(of['high'], name)})"
