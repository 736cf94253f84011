"""Plots of an accuracy suite, as inline SVG."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup

from recgpt.benchmark.accuracy.suite import REFERENCE, DatasetCells
from recgpt.plotting import from_zero, label_point, say_if_empty, share_axis

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

HISTORY_BINS = (1, 3, 6, 11, 21, 51)
COUNT_BINS = (0, 1, 6, 11, 21, 51, 101)
FEWEST_CASES = 30  # bins with fewer queries are not drawn
DRAWN = 5  # recommenders drawn as lines, beside text_knn and popularity


def accuracy_plots(dataset: dict[str, Any], cells: DatasetCells) -> list[Markup]:
    """Three plots of a data set of `recgpt.benchmark.accuracy.page.summarize`, as inline SVG.

    Accuracy against popularity bias; accuracy by history length and by popularity of the target, for the best few.
    """
    colours = {row["recommender"]: f"C{i % 10}" for i, row in enumerate(dataset["rows"])}
    by_ndcg = sorted(dataset["rows"], key=lambda row: -row["metrics"]["ndcg@10"]["mean"])
    lines = [row["recommender"] for row in by_ndcg if row["recommender"] in cells.reports][:DRAWN]
    lines += [name for name in (REFERENCE, "popularity") if name in cells.reports and name not in lines]
    return [
        _svg(lambda axes: _against_popularity(axes, dataset, colours)),
        _svg(lambda axes: _by(axes, cells, dataset, lines, colours, "history_items", HISTORY_BINS, "items of history")),
        _svg(lambda axes: _by(axes, cells, dataset, lines, colours, "target_count", COUNT_BINS, "past interactions")),
    ]


def _against_popularity(axes: Axes, dataset: dict[str, Any], colours: dict[str, str]) -> None:
    known = [row for row in dataset["rows"] if row["popular_tenth"] is not None]
    points = [(row["recommender"], row["popular_tenth"], row["metrics"]["ndcg@10"]["mean"]) for row in known]
    for name, x, y in points:
        axes.plot(x, y, "o", color=colours[name])
    axes.set(xlabel="share of the lists from the most popular tenth", ylabel="NDCG@10")
    from_zero(axes)
    share_axis(axes, "x")
    for name, x, y in points:
        label_point(axes, name, x, y)
    axes.set_title("Accuracy against popularity bias", fontsize=9)
    say_if_empty(axes, "no lists were measured")


def _by(
    axes: Axes,
    cells: DatasetCells,
    dataset: dict[str, Any],
    names: Sequence[str],
    colours: dict[str, str],
    column: str,
    starts: Sequence[int],
    label: str,
) -> None:
    """Mean NDCG@10 of the queries in each bin of `column`."""
    part = dataset["headline"]
    bin_B = np.searchsorted(starts, cells.reports[names[0]][0].in_slice(part)[column].to_numpy(), side="right") - 1
    n_cases = np.bincount(bin_B, minlength=len(starts))
    kept = np.flatnonzero(n_cases >= FEWEST_CASES)
    for name in names:
        total = np.bincount(bin_B, weights=cells.values(name, part, "ndcg@10"), minlength=len(starts))
        axes.plot(range(len(kept)), total[kept] / n_cases[kept], "o-", ms=3, lw=1.2, label=name, color=colours[name])
    axes.set_xticks(range(len(kept)), [f"{_bin_label(starts, int(i))}\n{n_cases[i]:,}" for i in kept], fontsize=7)
    axes.set(xlabel=f"{label} (below: cases)", ylabel="NDCG@10")
    from_zero(axes)
    binned = "history length" if column == "history_items" else "popularity of the target"
    axes.set_title(f"By {binned}", fontsize=9)
    if len(kept):
        axes.legend(fontsize=6.5)
    say_if_empty(axes, f"fewer than {FEWEST_CASES} queries in every bin")


def _bin_label(starts: Sequence[int], index: int) -> str:
    if index + 1 == len(starts):
        return f"{starts[index]}+"
    last = starts[index + 1] - 1
    return str(last) if last == starts[index] else f"{starts[index]}–{last}"


def _svg(draw: Callable[[Axes], None]) -> Markup:
    """A figure as inline SVG; its texts are escaped by matplotlib."""
    figure_, axes = plt.subplots(figsize=(4.6, 3.4))
    draw(axes)
    axes.grid(alpha=0.25)
    figure_.tight_layout()
    drawn = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "recgpt"}):
        figure_.savefig(drawn, format="svg", metadata={"Date": None})
    plt.close(figure_)
    return Markup(drawn.getvalue()[drawn.getvalue().index("<svg") :])  # noqa: S704  (made here, by matplotlib)
