"""Result of an experiment: figures with intervals, a picture, findings and limits in words."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from recgpt.files import file_name, new_files
from recgpt.tables import decimal
from recgpt.terminal import LONGEST_MESSAGE, markdown, plain
from recgpt.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIGITS = 6


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{decimal(self.mean, 3)} [{decimal(self.low, 3)}, {decimal(self.high, 3)}]"

    @property
    def sign(self) -> Literal[-1, 0, 1]:
        """Sign of the whole interval; 0 where it contains 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


Row = dict[str, str | int | float | Estimate | None]


@dataclass(frozen=True)
class Result:
    """Result of one experiment.

    Attributes
    ----------
    rows
        The figures, a row an arm; all rows have the same columns.
    findings
        Sentences with figures, made from the rows.
    limits
        Sentences on the limits of the figures.
    draw
        Function that draws the picture into an empty figure.
    details
        Further JSON values.
    brackets
        Meaning of the figures in brackets.
    """

    experiment: str
    question: str
    design: str
    settings: dict[str, Any]
    about: dict[str, Any]
    rows: Sequence[Row]
    findings: Sequence[str]
    limits: Sequence[str]
    draw: Callable[[Figure], None]
    details: dict[str, Any]
    brackets: str = "95 % intervals"

    def to_dict(self) -> dict[str, Any]:
        """All but the picture, as JSON values."""
        return {
            "experiment": self.experiment,
            "question": self.question,
            "design": self.design,
            "settings": self.settings,
            "about": {**self.about, "recgpt": __version__},
            "rows": _plain(list(self.rows)),
            "findings": list(self.findings),
            "limits": list(self.limits),
            "details": _plain(self.details),
        }

    def table(self) -> Table:
        """The rows, for the terminal."""
        columns = list(self.rows[0])
        title, caption = Text(f"{self.experiment}: {self.question}"), Text("\n".join(self.findings))
        table = Table(*columns, box=None, title=title, caption=caption, caption_justify="left")
        for row in self.rows:
            table.add_row(*(Text(plain(_text(row[column]))) for column in columns))
        return table

    def markdown(self) -> str:
        """A short report."""
        columns = list(self.rows[0])
        lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
        lines += ["| " + " | ".join(markdown(_text(row[column])) for column in columns) + " |" for row in self.rows]
        dataset, people = markdown(self.about["dataset"]), markdown(self.about["people"])
        settings = ", ".join(f"{name} {markdown(value)}" for name, value in self.settings.items())
        return "\n".join(
            [
                f"# {self.question}",
                "",
                f"Experiment `{self.experiment}` on {dataset} ({people}).",
                "",
                self.design,
                "",
                f"Settings: {settings}.",
                "",
                *lines,
                "",
                f"In brackets: {self.brackets}.",
                "",
                f"![{self.experiment}]({self.stem}.svg)",
                "",
                "## What it means",
                "",
                *(f"- {markdown(each, LONGEST_MESSAGE)}" for each in self.findings),
                "",
                "## What it does not mean",
                "",
                *(f"- {each}" for each in self.limits),
                "",
            ]
        )

    @property
    def stem(self) -> str:
        """Name of the files, without suffix."""
        return file_name(f"{self.experiment}-{self.about['dataset']}")

    def save(self, folder: str | Path) -> None:
        """Write the JSON, the report and the picture into a folder, over an earlier result of the same experiment."""
        folder = Path(folder)
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        paths = [folder / f"{self.stem}.{kind}" for kind in ("json", "md", "svg")]
        figure = Figure(layout="constrained")
        self.draw(figure)
        with mpl.rc_context({"svg.hashsalt": self.stem}), new_files(*reversed(paths)) as (picture, report, figures):
            figure.savefig(picture, format="svg", metadata={"Date": None})  # the same picture is the same file
            report.write_text(self.markdown(), encoding="utf-8")
            figures.write_text(text + "\n", encoding="utf-8")


def draw_estimates(axes: "Axes", names: Sequence[str], estimates: Sequence[Estimate | None], *, label: str) -> None:
    """Points with their intervals, one below the other."""
    for place, each in enumerate(estimates):
        if each is not None:
            axes.plot([each.low, each.high], [place, place], color="C0", lw=1.5)
            axes.plot(each.mean, place, "o", color="C0", ms=4)
    if all(each is None for each in estimates):
        axes.text(0.5, 0.5, "nothing to plot: no agent has a value", transform=axes.transAxes, ha="center", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return decimal(value, 3) if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return {name: round(getattr(value, name), _DIGITS) for name in ("mean", "low", "high")}
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return round(value, _DIGITS) if isinstance(value, float) else value
