"""Plots of a speed run: growth of costs, and gains of optimisations."""

import math
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from recgpt.files import new_file


def growth_plot(curves: Sequence[dict[str, Any]], path: Path) -> Path:
    """Cost (above) and peak private memory (below) against each quantity that grows; log-log. Returns `path`.

    Parameters
    ----------
    curves
        `recgpt.benchmark.speed.measure.Curve` as dicts.
    """
    grows = list(dict.fromkeys(curve["x_name"] for curve in curves))
    figure, axes = plt.subplots(2, len(grows), figsize=(4.2 * len(grows), 6), squeeze=False, sharex="col")
    for column, x_name in enumerate(grows):
        costs, memory = axes[0, column], axes[1, column]
        of_column = [curve for curve in curves if curve["x_name"] == x_name]
        for place, curve in enumerate(of_column):
            label = f"{curve['name']} ({curve['unit']})"
            costs.plot(curve["x"], curve["y"], label=label, color=f"C{place}", marker="o", markersize=3)
        memory.plot(of_column[0]["x"], of_column[0]["gigabytes"], color="tab:grey", marker="o", markersize=3)
        units = dict.fromkeys(curve["unit"] for curve in of_column)
        costs.set(ylabel=", ".join(units), title=x_name.capitalize())
        memory.set(xlabel=x_name, ylabel="peak private memory (GB)", ylim=_around(of_column[0]["gigabytes"]))
        for axis in (costs, memory):
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            axis.yaxis.set_minor_formatter("{x:g}" if _decades(axis) < 2 else NullFormatter())
            _plain_ticks(axis, of_column[0]["x"])
            axis.grid(alpha=0.3, which="both")
        low, high = costs.get_ylim()
        costs.set_ylim(low, high * (high / low) ** (0.12 * len(of_column)))  # room for the legend above the lines
        costs.legend(fontsize="small", loc="upper left")
    return _save(figure, path)


def gains_plot(gains: Sequence[dict[str, Any]], path: Path) -> Path:
    """Speed-up of each optimisation over the plain variant, as bars on a log scale. Returns `path`."""
    ordered = sorted(gains, key=lambda gain: gain["ratio"])
    figure, axis = plt.subplots(figsize=(7, 0.8 + 0.38 * len(ordered)))
    ratios = [gain["ratio"] for gain in ordered]
    colours = ["tab:blue" if ratio >= 1 else "tab:red" for ratio in ratios]
    names = [fill(gain["what"], 36) for gain in ordered]
    bars = axis.barh(names, [ratio - 1 for ratio in ratios], left=1, color=colours)
    figures = [f"{ratio:,.0f} x" if ratio >= 100 else f"{ratio:.3g} x" for ratio in ratios]
    axis.bar_label(bars, figures, padding=3, fontsize="small")
    axis.axvline(1, color="grey", linewidth=1)
    axis.set_xscale("log")
    low, high = min([0.5, *ratios]), max([2, *ratios])
    room = (high / low) ** 0.25  # for the figures at the ends of the bars
    axis.set(xlabel="times faster than the plain variant, or less memory", xlim=(low / room, high * room))
    axis.grid(alpha=0.3, axis="x")
    return _save(figure, path)


def _decades(axis: Axes) -> float:
    low, high = axis.get_ylim()
    return math.log10(high / low)


def _around(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Bounds of at least a decade, so that a flat line looks flat."""
    known = [value for value in values if value]
    if not known:
        return None
    middle = (min(known) * max(known)) ** 0.5
    return min(min(known) * 0.7, middle / 3.2), max(max(known) * 1.4, middle * 3.2)


def _plain_ticks(axis: Axes, values: Sequence[float]) -> None:
    axis.set_xticks(values, [_short(value) for value in values], rotation=30 if len(values) > 4 else 0)
    axis.xaxis.set_minor_locator(NullLocator())


def _short(value: float) -> str:
    """`2000000.0` -> `2 M`."""
    for scale, letter in ((1e6, " M"), (1e3, " k")):
        if value >= scale:
            return f"{value / scale:g}{letter}"
    return f"{value:g}"


def _save(figure: Figure, path: Path) -> Path:
    figure.tight_layout()
    with new_file(path) as draft:
        figure.savefig(draft, format="png", dpi=120)
    plt.close(figure)
    return path
