"""Plots of a run, as SVG for the HTML report.

    measures_plot(run.metrics["corrected"], published)

They contain no text of agents or items.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recgpt.plotting import plain_axes, say_if_empty, share_axis, svg

OURS, REAL, OTHER, FAINT = "#1f5fa8", "#1c2430", "#d98a2b", "#9aa5b5"


def measures_plot(corrected: dict[str, dict[str, float | None]], headings: dict[str, str], beside: Any) -> Markup:
    """Each measure of the run with its interval, above the published figures.

    Parameters
    ----------
    headings
        Name of each measure to draw, by its key.
    beside
        Published figures by recommender, each a dict by measure, in the order to draw.
    """
    names = ["this run", *beside]
    figure = Figure(figsize=(11.6, 2.5), layout="constrained")
    panels = figure.subplots(1, len(headings), sharey=True)
    for axes, (key, heading) in zip(panels, headings.items(), strict=True):
        ours = corrected[key]
        for row, name in enumerate(names[1:], start=1):
            axes.plot(beside[name][key], row, "o", color=OTHER if name == names[-1] else FAINT, ms=5)
        if ours["mean"] is not None:
            axes.plot(ours["mean"], 0, "o", color=OURS, ms=7)
            axes.axvline(ours["mean"], color=OURS, lw=0.8, alpha=0.35)
        if ours["low"] is not None and ours["high"] is not None:
            axes.plot([ours["low"], ours["high"]], [0, 0], color=OURS, lw=2.5, alpha=0.6, solid_capstyle="round")
        axes.set_title(heading, fontsize=9)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_ylim(len(names) - 0.5, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.margins(x=0.12)
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, 0), min(high, 1) if key.startswith("p_") else high)
        for line in axes.lines:
            line.set_clip_on(False)
        plain_axes(axes)
    return svg(figure)


def page_plots(pages: Sequence[dict[str, Any]]) -> list[Markup]:
    """Plots by page, where they have values: agents present and leaving; items watched and liked; satisfied agents."""
    number = [page["page"] for page in pages]

    def line(axes: Axes, key: str, label: str, color: str) -> None:
        values = [np.nan if page[key] is None else page[key] for page in pages]
        axes.plot(number, values, "o-", color=color, ms=4, lw=1.6, label=label)

    def visits(axes: Axes) -> None:
        line(axes, "agents", "saw the page", OURS)
        axes.bar(number, [page["left"] for page in pages], width=0.5, color=FAINT, label="left after it by choice")
        if any(page["failed"] for page in pages):
            line(axes, "failed", "mind failed", "#b3261e")
        axes.set(ylabel="agents", title="Agents on each page")

    def taken(axes: Axes) -> None:
        line(axes, "p_view", "watched", OURS)
        line(axes, "p_like", "liked", OTHER)
        axes.set(ylabel="share of impressions", title="Watched and liked")
        share_axis(axes, "y")

    def pleased(axes: Axes) -> None:
        line(axes, "satisfied", "satisfied", OURS)
        axes.set(ylabel="share of agents", title="Satisfied with the page")
        share_axis(axes, "y")

    wanted = ((visits, "agents"), (taken, "p_view"), (pleased, "satisfied"))
    return [_one(draw, number) for draw, key in wanted if any(page[key] is not None for page in pages)]


def ratings_plot(shares: dict[str, Sequence[float] | None]) -> Markup:
    """Bars of 1 to 5 stars for up to three distributions by label; None is skipped."""
    drawn = zip(shares.items(), (OURS, REAL, OTHER), strict=True)
    known = [(label, values, color) for (label, values), color in drawn if values is not None]
    width = 0.8 / max(1, len(known))

    def draw(axes: Axes) -> None:
        for place, (label, values, color) in enumerate(known):
            axes.bar(np.arange(1, 6) + (place - (len(known) - 1) / 2) * width, values, width, label=label, color=color)
        highest = max((value for _, values, _ in known for value in values), default=1)
        axes.set(xlabel="stars", ylabel="share of ratings", title="Ratings", ylim=(0, min(1, 1.1 * highest)))
        say_if_empty(axes, "nothing was rated")

    return _one(draw, [1, 2, 3, 4, 5])


def lorenz_plot(lorenz: dict[str, list[float]]) -> Markup:
    """Lorenz curve of exposure: share of impressions (`shown`) by share of the catalogue (`items`)."""
    of_items, of_shown = lorenz["items"], lorenz["shown"]

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], "--", color=FAINT, lw=1, label="all items equally")
        axes.plot(of_items, of_shown, color=OURS, lw=1.8, label="this run")
        axes.fill_between(of_items, of_shown, of_items, color=OURS, alpha=0.1)
        axes.set(xlabel="share of the catalogue", ylabel="share of impressions", title="Exposure (Lorenz curve)")
        share_axis(axes, "x")
        share_axis(axes, "y")
        axes.legend(fontsize=7.5, frameon=False, loc="upper left")

    return _one(draw)


def _one(draw: Callable[[Axes], None], ticks: Sequence[int] | None = None) -> Markup:
    figure = Figure(figsize=(4.4, 3.1), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.title.set_fontsize(10)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(8.5)
    if ticks is not None:
        axes.set_xticks(ticks)
        if axes.get_ylim()[0] > 0:
            axes.set_ylim(bottom=0)
        if len(axes.get_legend_handles_labels()[1]) > 1:
            axes.legend(fontsize=7.5, frameon=False)
    plain_axes(axes)
    return svg(figure)
