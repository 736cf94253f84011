"""Learning curve of a training run: a table and a plot, rewritten after each evaluation."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.evaluate.significance import bootstrap_ci
from recgpt.files import new_file, write_text

COLUMNS = (
    "step",
    "reward",
    "low",
    "high",
    "episode_return",
    "return_low",
    "return_high",
    "episode_length",
    "training_reward",
)


def point(step: int, rewards: np.ndarray, lengths: np.ndarray, training_reward: float | None) -> dict[str, Any]:
    """A point of the curve: mean reward an item, return and length of the evaluation's episodes, with 95 % intervals.

    Parameters
    ----------
    rewards, lengths
        Return and length of each episode.
    training_reward
        Mean reward an item of the training's episodes since the last point; None where none has ended.
    """
    episodes = np.arange(len(rewards))
    per_item = rewards / lengths
    low, high = bootstrap_ci(per_item, episodes)
    return_low, return_high = bootstrap_ci(rewards, episodes)
    values = (
        step,
        per_item.mean(),
        low,
        high,
        rewards.mean(),
        return_low,
        return_high,
        lengths.mean(),
        training_reward,
    )
    return {
        name: value if value is None or name == "step" else float(value)
        for name, value in zip(COLUMNS, values, strict=True)
    }


def write_curve(
    folder: Path, points: Sequence[Mapping[str, Any]], title: str, levels: Mapping[str, float] | None = None
) -> None:
    """Write `curve.csv` and `curve.png`.

    Parameters
    ----------
    levels
        Average rewards of other policies by name, drawn as lines.
    """
    table = io.StringIO()
    rows = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    rows.writeheader()
    rows.writerows(points)
    write_text(folder / "curve.csv", table.getvalue())
    _plot(folder / "curve.png", points, title, levels or {})


def _plot(path: Path, points: Sequence[Mapping[str, Any]], title: str, levels: Mapping[str, float]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    from recgpt.plotting import say_if_empty

    column = {name: np.array([each[name] for each in points], dtype=np.float64) for name in COLUMNS}
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(column["step"], column["training_reward"], color="0.6", marker=".", label="training, exploring")
    axes.plot(column["step"], column["reward"], color="tab:blue", marker="o", markersize=3, label="evaluation, greedy")
    axes.fill_between(column["step"], column["low"], column["high"], color="tab:blue", alpha=0.2, label="95 % interval")
    for number, (name, level) in enumerate(levels.items()):
        axes.axhline(level, color=f"C{number + 1}", linestyle=":", label=name)
    axes.set(xlabel="steps", ylabel="reward an item", title=title)
    say_if_empty(axes, "no evaluation yet")
    axes.legend(fontsize=8)
    figure.tight_layout()
    with new_file(path) as draft:
        figure.savefig(draft, format="png", dpi=120)
    plt.close(figure)
