"""Report of a run of a town: a self-contained HTML page, and a table for the terminal.

    with Run.open("hazelbrook") as run:
        page = html(run)
        Console().print(summary_table(run))

The page is a template over `view`: the day at a glance, the spread of facts, talks, and the day held to the published
one. It loads nothing from the network. Texts of residents are escaped, stripped of control characters, and cut.
"""

from itertools import groupby
from typing import Any

from markupsafe import Markup
from rich.table import Table

from recgpt.simulate.store import Run
from recgpt.simulate.world import stored_config
from recgpt.simulate.worlds.html import html_environment, value_text
from recgpt.simulate.worlds.town.config import NAME, TownConfig
from recgpt.simulate.worlds.town.measures import measures
from recgpt.simulate.worlds.town.view import view

_STRIP_HEIGHT = 14
_BLOCKS_PER_DAY = 144


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
    colors = [color for _, color in seen["whereabouts"]]
    strips = [strip_svg(resident["strip"], colors) for resident in seen["glance"]]
    template = html_environment().get_template("town/report.html.j2")
    return template.render(seen, strips=strips, hours=hours_svg(), clock=clock_text)


def clock_text(now: str) -> str:
    """Date and time for reading: `13 Feb, 08:20` of `2023-02-13T08:20:00`."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{int(now[8:10])} {months[int(now[5:7]) - 1]}, {now[11:16]}"


def strip_svg(strip: list[int], colors: list[str]) -> Markup:
    """A day as a strip of colours, one unit a block."""
    parts, at = [], 0
    for place, blocks in groupby(strip):
        n_blocks = len(list(blocks))
        parts.append(f'<rect x="{at}" width="{n_blocks}" height="{_STRIP_HEIGHT}" fill="{colors[place]}"/>')
        at += n_blocks
    box = f'viewBox="0 0 {_BLOCKS_PER_DAY} {_STRIP_HEIGHT}" preserveAspectRatio="none"'
    return Markup(f'<svg class="strip" {box} aria-hidden="true">{"".join(parts)}</svg>')  # noqa: S704  # numbers only


def hours_svg() -> Markup:
    """Hours of the day above the strips."""
    marks = [f'<text x="{hour / 24 * 100:g}%" y="11">{hour}</text>' for hour in range(0, 24, 3)]
    return Markup(f'<svg class="strip hours" aria-hidden="true">{"".join(marks)}</svg>')  # noqa: S704  # numbers only


def summary_table(run: Run) -> Table:
    """Metrics of a run, for the terminal.

    Raises
    ------
    SimulationError
        The run is of another world.
    StoreError
        The run cannot be read.
    """
    config = stored_config(run, NAME, TownConfig)
    found = run.metrics if run.finished else measures(run)
    state = "" if run.finished else f", not finished: {run.n_steps} of {config.n_blocks} blocks"
    table = Table(
        title=f"{run.run_id}: {found['agents']:,} residents, mind {config.mind}, {found['hours']:g} hours{state}",
        caption="range: of the day that the authors shipped; a mean outside it is marked",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("range")
    for kind in ("talked", "said", "thought", "told", "invited", "mentioned", "wished", "adopted", "failed"):
        table.add_row(kind, f"{found['totals'].get(kind, 0):,}", "")
    known = found["acquaintance"]
    table.add_row("density of acquaintances", f"{value_text(known['start'])} → {value_text(known['end'])}", "")
    for name, figure in found["day"]["figures"].items():
        mark = "" if figure["hit"] else ", missed"
        label = f"{name.replace('_', ' ')} a day, mean"
        table.add_row(label, f"{figure['mean']:,.1f}", f"{figure['low']:,} to {figure['high']:,}{mark}")
    return table
