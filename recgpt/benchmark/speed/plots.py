"""Plots of a speed run: growth of costs, and gains of optimisations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, NullLocator


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
        costs.legend(fontsize="small")
        memory.set(xlabel=x_name, ylabel="peak private memory (GB)", ylim=_around(of_column[0]["gigabytes"]))
        for axis in (costs, memory):
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.4)))
            _plain_ticks(axis, of_column[0]["x"])
            axis.grid(alpha=0.3, which="both")
    return _save(figure, path)


def gains_plot(gains: Sequence[dict[str, Any]], path: Path) -> Path:
    """Speed-up of each optimisation over the plain variant, as bars on a log scale. Returns `path`."""
    ordered = sorted(gains, key=lambda gain: gain["ratio"])
    figure, axis = plt.subplots(figsize=(7, 0.8 + 0.38 * len(ordered)))
    ratios = [gain["ratio"] for gain in ordered]
    colours = ["tab:blue" if ratio >= 1 else "tab:red" for ratio in ratios]
    bars = axis.barh([gain["what"] for gain in ordered], [ratio - 1 for ratio in ratios], left=1, color=colours)
    axis.bar_label(bars, [f"{ratio:,.3g} x" for ratio in ratios], padding=3, fontsize="small")
    axis.axvline(1, color="grey", linewidth=1)
    axis.set_xscale("log")
    axis.set(
        xlabel="times faster than the plain variant, or less memory",
        xlim=(min(0.5, *ratios) / 1.3, max(2, *ratios) * 2.5),
    )
    axis.grid(alpha=0.3, axis="x")
    return _save(figure, path)


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
    draft = path.with_suffix(".draft.png")
    figure.savefig(draft, dpi=120)
    plt.close(figure)
    draft.replace(path)
    return path
