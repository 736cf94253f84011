"""Plots of a run of the gym, as SVG for the HTML report; they contain no text of items or users.

step_plot(run.metrics["by_step"])
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recgpt.plotting import from_zero, plain_axes, say_if_empty, svg

OURS, REAL, OTHER, FAINT = "#1f5fa8", "#1c2430", "#d98a2b", "#9aa5b5"
_BINS = 20


def step_plot(by_step: Sequence[dict[str, Any]], lowest: float, highest: float) -> Markup:
    """Average rating by the item of the episode."""
    figure, axes = _axes()
    axes.plot([each["step"] for each in by_step], [each["rating"] for each in by_step], "o-", color=OURS, ms=4, lw=1.6)
    axes.set(xlabel="item of the episode", ylabel="average rating", title="Rating by item", ylim=(lowest, highest))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _drawn(figure, axes, "nothing was rated")


def users_plot(by_step: Sequence[dict[str, Any]]) -> Markup:
    """Users who rated each item of an episode, and users who left after it."""
    figure, axes = _axes()
    steps = [each["step"] for each in by_step]
    axes.plot(steps, [each["users"] for each in by_step], "o-", color=OURS, ms=4, lw=1.6, label="rated it")
    axes.bar(steps, [each["left"] for each in by_step], width=0.5, color=OTHER, label="left after it")
    axes.set(xlabel="item of the episode", ylabel="users", title="Users who stay")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=7.5, frameon=False)
    from_zero(axes)
    return _drawn(figure, axes, "nothing was rated")


def ratings_plot(
    values: Sequence[float], shares: Sequence[float] | None, reference: Sequence[float] | None, real: str
) -> Markup:
    """Bars of the shares of ratings, beside the shares of real ratings, if known."""
    figure, axes = _axes()
    known = [
        (label, of, color)
        for label, of, color in (("this run", shares, OURS), (real, reference, FAINT))
        if of is not None
    ]
    step = values[1] - values[0]
    width = 0.8 * step / max(1, len(known))
    for place, (label, of, color) in enumerate(known):
        axes.bar(np.array(values) + (place - (len(known) - 1) / 2) * width, of, width, label=label, color=color)
    axes.set(xlabel="rating", ylabel="share of ratings", title="Ratings")
    if len(values) <= 2 * _BINS:
        axes.set_xticks(values)
    if len(known) > 1:
        axes.legend(fontsize=7.5, frameon=False)
    return _drawn(figure, axes, "nothing was rated")


def pleased_plot(means: Sequence[float | None], lowest: float, highest: float) -> Markup:
    """Histogram of the users' average ratings."""
    figure, axes = _axes()
    axes.hist(
        [mean for mean in means if mean is not None], bins=np.linspace(lowest, highest, _BINS).tolist(), color=OURS
    )
    axes.set(xlabel="average rating", ylabel="users", title="Users by their average rating")
    return _drawn(figure, axes, "nothing was rated")


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.4, 3.1), layout="constrained")
    return figure, figure.add_subplot()


def _drawn(figure: Figure, axes: Axes, if_empty: str) -> Markup:
    axes.title.set_fontsize(10)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(8.5)
    plain_axes(axes)
    say_if_empty(axes, if_empty)
    return svg(figure)
