"""What an evaluation found: JSON for programs, a table for people, per-case ranks for paired comparisons."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from recgpt.evaluate.protocols import SLICES


@dataclass(frozen=True)
class Result:
    """One recommender on one slice.

    Attributes
    ----------
    recommender, slice : their names.
    metrics : mean over the cases by name (`hit@10`); None on an empty slice.
    ci95 : 95 % interval of each mean; None on an empty slice.
    """

    recommender: str
    slice: str
    metrics: dict[str, float | None]
    ci95: dict[str, tuple[float, float] | None]

    def cell(self, metric: str) -> str:
        """`.0568 (.0505–.0633)`, or a dash on an empty slice."""
        value, interval = self.metrics[metric], self.ci95[metric]
        if value is None or interval is None:
            return "–"
        return f"{_decimal(value)} ({_decimal(interval[0])}–{_decimal(interval[1])})"


@dataclass(frozen=True)
class Report:
    """All recommenders on all slices of one split.

    Attributes
    ----------
    dataset, protocol : names of the data set and of the split's protocol.
    n : cases in each slice.
    ks : cut-offs, rising.
    results : one for each slice and recommender.
    context : what else tells this report from another: parameters of the split, seed, versions, hashes, seconds.
    cases : slice -> (n,) places of its cases in the split.
    ranks : recommender -> slice -> (n,) 1-based rank of each target, `metrics.MISSED` beyond the largest cut-off;
        the same order as `cases`, so that two recommenders can be compared case by case.
    """

    dataset: str
    protocol: str
    n: dict[str, int]
    ks: tuple[int, ...]
    results: list[Result]
    context: dict[str, Any]
    cases: dict[str, np.ndarray]
    ranks: dict[str, dict[str, np.ndarray]]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values, without the per-case ranks."""
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "n": self.n,
            **self.context,
            "results": [
                {"recommender": r.recommender, "slice": r.slice, **r.metrics, "ci95": r.ci95} for r in self.results
            ],
        }

    def save(self, path: str | Path) -> None:
        """Write `to_dict` as JSON."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    @property
    def title(self) -> str:
        """Data set, protocol and the parameters that change the figures, in one line."""
        params = ", ".join(f"{name} {value}" for name, value in self.context["split"].items() if value is not None)
        repeats = self.context["repeats"]
        return f"{self.dataset}: {self.protocol} ({params}; repeats {repeats}; {self.context['items']:,} items ranked)"

    @property
    def columns(self) -> list[str]:
        """The metrics that a table shows: hit rate at the smallest cut-off, both metrics at the largest."""
        return list(dict.fromkeys([f"hit@{self.ks[0]}", f"hit@{self.ks[-1]}", f"ndcg@{self.ks[-1]}"]))

    def table(self) -> Table:
        """A rich table, one section a slice."""
        table = Table(title=self.title, caption=_CAPTION, box=None, title_justify="left", caption_justify="left")
        table.add_column("")
        for column in self.columns:
            table.add_column(column, justify="right", no_wrap=True)
        for name in SLICES:
            table.add_row(f"[bold]{name}[/] ({self.n[name]:,})")
            for result in self._of_slice(name):
                table.add_row(f"  {result.recommender}", *(result.cell(column) for column in self.columns))
            table.add_section()
        return table

    def markdown(self) -> str:
        """The same table in Markdown."""
        header = ["slice (cases)", "recommender", *self.columns]
        lines = [f"**{self.title}**", "", _row(header), _row(["-", "-", *("-:" for _ in self.columns)])]
        for name in SLICES:
            for result in self._of_slice(name):
                cells = (result.cell(column) for column in self.columns)
                lines.append(_row([f"{name} ({self.n[name]:,})", result.recommender, *cells]))
        return "\n".join([*lines, "", _CAPTION, ""])

    def _of_slice(self, name: str) -> list[Result]:
        return [result for result in self.results if result.slice == name]


_CAPTION = (
    "Mean (bootstrap 95 % interval over users). explore: the target is new to the user and the history is left out; "
    "repeat: the target is in the history; all: both, nothing left out."
)


def _decimal(value: float) -> str:
    return f"{value:.4f}".removeprefix("0") if value < 1 else f"{value:.4f}"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
