"""Plots of a run of a society, as SVG for the HTML report; they contain no text of agents or items.

round_plots(metrics["rounds"])
answer_plots(answers, schedule)
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recgpt.plotting import from_zero, plain_axes, say_if_empty, svg
from recgpt.simulate.worlds.society.measures import SOURCES

_COLORS = ("#1f5fa8", "#d98a2b", "#0a7a3d", "#b3261e", "#7a52a1", "#9aa5b5")
_LINES = {
    "Activity": ("agents or events", {"acted": "acted", "watched": "watched", "chats": "chats", "posts": "posts"}),
    "Entropy of genres shown": ("bits, mean over agents", {"entropy": "entropy"}),
    "Coverage and concentration": (
        "share",
        {"coverage": "coverage", "shown_gini": "Gini, shown", "watched_gini": "Gini, watched"},
    ),
    "Opinions": ("", {"opinion": "mean", "spread": "spread", "polarisation": "polarisation"}),
    "Stars": ("mean stars", {"stars": "stars"}),
}


def round_plots(rounds: list[dict[str, Any]]) -> list[Markup]:
    """Plots over rounds: activity, entropy, coverage and Gini, opinions, stars, adoptions by source."""
    number = [each["round"] for each in rounds]

    def drawn(title: str) -> Callable[[Axes], None]:
        label, lines = _LINES[title]

        def draw(axes: Axes) -> None:
            for (key, name), color in zip(lines.items(), _COLORS, strict=False):
                values = [np.nan if each[key] is None else each[key] for each in rounds]
                if np.isfinite(values).any():
                    axes.plot(number, values, "o-", color=color, ms=3, lw=1.5, label=name)
            axes.set(title=title, ylabel=label)

        return draw

    def adopted(axes: Axes) -> None:
        below = np.zeros(len(rounds))
        for name, color in zip(SOURCES, reversed(_COLORS), strict=False):
            values = np.array([each["adopted"][name] for each in rounds])
            if values.any():
                axes.bar(number, values, bottom=below, color=color, label=name)
            below = below + values
        axes.set(title="Watched, by where first heard of", ylabel="items watched")
        if below.any():
            axes.set_ylim(0, 1.5 * below.max())  # room for the legend above the bars

    return [_one(draw) for draw in (*map(drawn, _LINES), adopted)]


def answer_plots(answers: list[dict[str, Any]], schedule: list[dict[str, Any]]) -> list[Markup]:
    """Plots of surveys (mean answer, with one standard deviation) and polls (share of each option) over rounds."""
    plots = []
    for entry, asked in enumerate(schedule):
        of_entry = [each for each in answers if each["entry"] == entry and each["n"] > each["failed"]]
        if of_entry and asked["kind"] == "survey":
            plots.append(_one(partial(_draw_answers, entry, of_entry, len(asked["options"]))))
    return plots


def _draw_answers(entry: int, answers: list[dict[str, Any]], n_options: int, axes: Axes) -> None:
    number = np.array([each["round"] for each in answers])
    if n_options:
        given = np.array([[each["options"].get(str(option), 0) for option in range(n_options)] for each in answers])
        for option, share in enumerate((given / given.sum(axis=1, keepdims=True)).T):
            axes.plot(number, share, "o-", color=_COLORS[option % len(_COLORS)], ms=3, lw=1.5, label=f"option {option}")
        axes.set(title=f"Poll, entry {entry}", ylabel="share of answers", ylim=(0, 1))
        return
    mean = np.array([each["mean"] for each in answers])
    spread = np.array([each["spread"] for each in answers])
    axes.fill_between(number, mean - spread, mean + spread, color=_COLORS[0], alpha=0.15, lw=0)
    axes.plot(number, mean, "o-", color=_COLORS[0], ms=3, lw=1.5)
    axes.set(title=f"Survey, entry {entry}", ylabel="answer, 1 to 10", ylim=(0, 10.5))


def _one(draw: Callable[[Axes], None]) -> Markup:
    figure = Figure(figsize=(4.4, 3.1), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    say_if_empty(axes, "no values")
    axes.title.set_fontsize(10)
    axes.set_xlabel("round", fontsize=8.5)
    axes.yaxis.label.set_fontsize(8.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if axes.get_ylim()[0] > 0:
        from_zero(axes)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(fontsize=7.5, frameon=False)
    plain_axes(axes)
    return svg(figure)
