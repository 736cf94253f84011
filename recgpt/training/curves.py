"""Plots of training curves as PNG files."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

from recgpt.files import new_file
from recgpt.plotting import from_zero, say_if_empty

_LEGEND_COLUMNS = 3


def training_curve(progress: dict[str, Any], path: Path) -> None:
    """Draw the loss of training and of the held-out sets, and beside it the held-out ranking figures, to a PNG.

    Parameters
    ----------
    progress
        `recgpt.training.loop.Progress` as a dict.
    """
    ranked = sorted({key for e in progress["evaluations"] for key in e} - {"step", "loss"})
    figure, axes = plt.subplots(1, 2 if ranked else 1, figsize=(10 if ranked else 6, 3.8), squeeze=False)
    losses = axes[0, 0]
    losses.plot(*_line(progress["curve"], "loss"), label="training", color="tab:blue", alpha=0.6)
    losses.plot(*_line(progress["evaluations"], "loss"), label="held out", color="tab:orange", marker="o", markersize=3)
    losses.axvline(progress["best_step"], color="grey", linestyle=":", label=f"best: step {progress['best_step']:,}")
    losses.set(xlabel="optimizer steps", ylabel="cross-entropy a code (nats)", title="Loss")
    if ranked:
        for name in ranked:
            axes[0, 1].plot(*_line(progress["evaluations"], name), label=name, marker="o", markersize=3)
        axes[0, 1].set(xlabel="optimizer steps", title="Held-out ranking, full catalogue")
        from_zero(axes[0, 1])
    say_if_empty(losses, "nothing was recorded")
    for axis in axes[0]:
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    with new_file(path) as draft:
        figure.savefig(draft, format="png", dpi=120)
    plt.close(figure)


def pretraining_curve(progress: dict[str, Any], path: Path) -> None:
    """Draw the loss of episodic pre-training and the NDCG@10 on the watched domains to a PNG.

    Parameters
    ----------
    progress
        `recgpt.training.loop.Progress` as a dict.
    """
    figure, (losses, ranked) = plt.subplots(1, 2, figsize=(10, 3.8))
    losses.plot(*_line(progress["curve"], "loss"), color="tab:blue", marker="o", markersize=3)
    losses.set(xlabel="optimizer steps", ylabel="cross-entropy a case (nats)", title="Training loss")
    for name in sorted({key for e in progress["evaluations"] for key in e} - {"step"}):
        label = "gain over the blend" if name == "gain" else f"NDCG@10 {name}"
        style = "--" if name == "gain" else "-"
        ranked.plot(*_line(progress["evaluations"], name), label=label, linestyle=style, marker="o", markersize=3)
    ranked.set(xlabel="optimizer steps", title="Watched domains, full catalogue")
    from_zero(ranked)
    say_if_empty(losses, "nothing was recorded")
    say_if_empty(ranked, "nothing was evaluated")
    handles, labels = ranked.get_legend_handles_labels()
    n_rows = -(-len(labels) // _LEGEND_COLUMNS)
    figure.legend(handles, labels, loc="lower right", ncols=_LEGEND_COLUMNS, fontsize="small", frameon=False)
    for axis in (losses, ranked):
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.grid(alpha=0.3)
    figure.tight_layout(rect=(0, 0.02 + 0.06 * n_rows, 1, 1))
    with new_file(path) as draft:
        figure.savefig(draft, format="png", dpi=120)
    plt.close(figure)


def _line(points: list[dict[str, float]], key: str) -> tuple[list[float], list[float]]:
    kept = [p for p in points if key in p]
    return [p["step"] for p in kept], [p[key] for p in kept]
