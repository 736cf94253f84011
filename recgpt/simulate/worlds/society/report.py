"""Report of a run of a society: a self-contained HTML page, and a table for the terminal.

    with Run.open("demo") as run:
        page = html(run)
        Console().print(summary_table(run))

The page is a template over `view`. It embeds its plots and loads nothing from the network. Texts of items and agents
are escaped, stripped of control characters, and cut.
"""

from typing import Any

from rich.table import Table

from recgpt.simulate.store import Run
from recgpt.simulate.worlds.html import html_environment, value_text
from recgpt.simulate.worlds.society.graph_plot import COLORS, ego_svg, social_svg
from recgpt.simulate.worlds.society.measures import SOURCES, measures
from recgpt.simulate.worlds.society.reader import config_of
from recgpt.simulate.worlds.society.report_plots import answer_plots, round_plots
from recgpt.simulate.worlds.society.view import view
from recgpt.terminal import plain

_FRIENDS, _LOG_LINES = 8, 150
_LATEST = {
    "entropy": "entropy of genres shown (bits)",
    "coverage": "share of the catalogue shown so far",
    "shown_gini": "Gini of items shown",
    "stars": "mean stars",
    "opinion": "mean opinion",
    "polarisation": "polarisation of opinions",
    "density": "density of friendship",
    "follows": "follows",
}


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
    rounds, graph = seen["metrics"]["rounds"], seen["graph"]
    of_agent = {agent["id"]: agent for agent in seen["agents"]}
    return (
        html_environment()
        .get_template("society/report.html.j2")
        .render(
            seen,
            sources=SOURCES,
            colors=COLORS,
            round_plots=round_plots(rounds) if rounds else [],
            social_plot=social_svg(graph["nodes"], graph["links"]),
            answer_plots=answer_plots(seen["answers"], seen["schedule"]),
            stories=[
                {
                    **of_agent[story["id"]],
                    "friends": story["relations"]["friends"][:_FRIENDS],
                    "plot": ego_svg(story["id"], story["ego"]["nodes"], story["ego"]["links"]),
                }
                for story in seen["stories"]
            ],
            messages=seen["log"][:_LOG_LINES],
        )
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
    state = "" if run.finished else f", not finished: {run.n_steps} of {config.rounds} rounds"
    table = Table(
        title=f"{run.run_id}: {plain(config.recommender)}, mind {config.mind}, {found['agents']:,} agents{state}",
        caption="first heard of: share of items watched, 95 % interval over agents; none: not heard of before",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("interval")
    for name, total in found["totals"].items():
        table.add_row(name, f"{total:,}", "")
    for name, heading in _LATEST.items():
        if found["rounds"]:
            value = found["rounds"][-1][name]
            table.add_row(heading, f"{value:,}" if name == "follows" else value_text(value, 3), "")
    for name in SOURCES:
        of = found["adoptions"][name]
        interval = "" if of["low"] is None else f"({value_text(of['low'], 3)}–{value_text(of['high'], 3)})"
        table.add_row(f"first heard of: {name}", value_text(of["mean"], 3), interval)
    return table
