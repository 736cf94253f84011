"""Plots of the studies, as SVG for the HTML report. They contain no text of users, items or models but tags and series.

study(values, {"+": counts, "-": counts}, groups)
"""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recgpt.plotting import plain_axes, share_axis, svg
from recgpt.terminal import plain

OURS, REAL, NEGATIVE = "#1f5fa8", "#1c2430", "#d98a2b"
_COLOURS = {"+": OURS, "-": NEGATIVE, "": OURS}
_LONGEST_NAME = 34
_RATINGS_HEIGHT = 2.6  # inches


def study(values: Sequence[float], counts: dict[str, Sequence[int]], groups: dict[str, dict[str, float]]) -> Markup:
    """Shares of the ratings of each part, beside the share that passes for each tag or series.

    Parameters
    ----------
    counts
        For each part the number of ratings at each value, and off the scale.
    groups
        Share that passes by group and part; without groups only the ratings are drawn.
    """
    height = max(_RATINGS_HEIGHT, 0.24 * len(groups) + 0.9)
    figure = Figure(figsize=(10.4 if groups else 5.0, height), layout="constrained")
    if groups:
        # The ratings keep their height beside a long list of groups.
        panels = figure.subplot_mosaic(
            [["ratings", "groups"], [".", "groups"]],
            width_ratios=[1, 1.25],
            height_ratios=[min(1.0, _RATINGS_HEIGHT / height), max(1e-3, 1 - _RATINGS_HEIGHT / height)],
        )
        _groups(panels["groups"], groups)
        _ratings(panels["ratings"], values, counts)
    else:
        _ratings(figure.subplots(), values, counts)
    return svg(figure)


def shares(values: Sequence[float], counts: Sequence[int], reference: Sequence[float] | None) -> Markup:
    """Shares of ratings beside those of real people."""
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(values))
    own = np.asarray(counts[:-1]) / max(sum(counts), 1)
    if reference is None:
        axes.bar(place, own, 0.6, color=OURS, label="this run")
    else:
        axes.bar(place - 0.2, own, 0.4, color=OURS, label="this run")
        axes.bar(place + 0.2, reference, 0.4, color=REAL, alpha=0.65, label="real people")
    _value_axis(axes, values)
    axes.legend(fontsize=8, frameon=False)
    return svg(figure)


def _ratings(axes: Axes, values: Sequence[float], counts: dict[str, Sequence[int]]) -> None:
    place, width = np.arange(len(values)), 0.8 / len(counts)
    for number, (part, found) in enumerate(counts.items()):
        own = np.asarray(found[:-1]) / max(sum(found), 1)
        shift = (number - (len(counts) - 1) / 2) * width
        label = {"+": "should be high", "-": "should be low"}.get(part)
        axes.bar(place + shift, own, width, color=_COLOURS.get(part, OURS), label=label)
    _value_axis(axes, values)
    axes.set_title("ratings", fontsize=9)
    if len(counts) > 1:
        axes.legend(fontsize=8, frameon=False)


def _groups(axes: Axes, groups: dict[str, dict[str, float]]) -> None:
    place = np.arange(len(groups))
    parts = list(next(iter(groups.values())))
    width = 0.8 / len(parts)
    for number, part in enumerate(parts):
        found = [each.get(part) or 0.0 for each in groups.values()]
        shift = (number - (len(parts) - 1) / 2) * width
        axes.barh(place + shift, found, width, color=_COLOURS.get(part, OURS))
    axes.set_yticks(place, [plain(name, _LONGEST_NAME) for name in groups])
    axes.invert_yaxis()
    axes.set_title("share that passes", fontsize=9)
    plain_axes(axes)
    share_axis(axes, "x")


def _value_axis(axes: Axes, values: Sequence[float]) -> None:
    axes.set_xticks(np.arange(len(values)), [f"{value:g}" for value in values])
    axes.set_ylabel("share", fontsize=8)
    plain_axes(axes)
    axes.grid(visible=False, axis="x")
