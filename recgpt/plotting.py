"""Helpers of all plots: plain axes, axes of shares, labels that stay within the figure, figures as inline SVG."""

import io
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.patches import Rectangle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def share_axis(axes: "Axes", which: Literal["x", "y"]) -> None:
    """Let an axis of shares run from 0 to 1; markers on its ends are drawn whole."""
    if which == "x":
        axes.set_xlim(0, 1)
    else:
        axes.set_ylim(0, 1)
    for line in axes.lines:
        line.set_clip_on(False)


def from_zero(axes: "Axes") -> None:
    """Let the y axis start at 0, or below where values are negative, with room above the highest value."""
    low, high = axes.dataLim.intervaly
    if np.isfinite([low, high]).all():
        axes.set_ylim(1.08 * min(low, 0), 1.08 * max(high, 1e-9))


def label_point(axes: "Axes", text: str, x: float, y: float, *, size: float = 7) -> None:
    """Label beside a point, on the side where the axes have room. Set the limits of the axes before."""
    left, right = axes.get_xlim()
    is_right = x > (left + right) / 2
    axes.annotate(
        text,
        (x, y),
        xytext=(-4 if is_right else 4, 3),
        textcoords="offset points",
        ha="right" if is_right else "left",
        fontsize=size,
    )


def say_if_empty(axes: "Axes", text: str) -> None:
    """Write `text` into axes without a finite value: nobody takes an empty plot for a zero."""
    values = [np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines]
    values += [np.array([bar.get_height(), bar.get_width()]) for bar in axes.patches if isinstance(bar, Rectangle)]
    if not any(np.isfinite(each).any() for each in values):
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=8, color="0.4")


def plain_axes(axes: "Axes") -> None:
    """Axes of a report: a faint grid behind, small labels, no frame above and on the right."""
    axes.set_axisbelow(True)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def svg(figure: "Figure") -> Markup:
    """A figure as inline SVG, the same for the same figure; its texts are escaped by matplotlib."""
    drawn = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "recgpt"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return Markup(drawn.getvalue()[drawn.getvalue().index("<svg") :])  # noqa: S704  (made here, by matplotlib)
