"""Evaluation reports: JSON for programs, tables for people, ranks of every query for paired comparisons.

report.save("report.json")           # and report.cases.parquet beside it
stored = StoredReport.load("report.json")
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Group
from rich.table import Table
from rich.text import Text

from recgpt.bounds import read_json
from recgpt.data.fingerprint import json_text, write_json
from recgpt.data.schema import scan_table
from recgpt.errors import DataError
from recgpt.evaluate.config import KS
from recgpt.evaluate.metrics import METRICS
from recgpt.evaluate.notes import report_notes
from recgpt.evaluate.protocols import SLICES, headline
from recgpt.files import STDOUT, is_stream, new_files
from recgpt.ranking import Exclude
from recgpt.recommenders import ALIASES
from recgpt.recommenders.base import supervision_named
from recgpt.tables import decimal, figure, legend
from recgpt.terminal import LONGEST_MESSAGE, markdown, plain

SUPERVISIONS = {
    "zero-shot": "use the texts and the user's own history",
    "in-context": "also read the past interactions, without a gradient step",
    "trained": "took gradient steps on this data set",
    "outside": "are lists that another tool made",
}
"""Supervision -> its meaning, in the order of a table's groups."""

MAIN_SLICES = ("explore", "all", "repeat")
OTHER_SLICES = ("head", "tail", "unseen", "short", "long", "one_step", "two_steps", "far")
STEP_SLICES = OTHER_SLICES[-3:]
LISTS = {
    "coverage": ("coverage", "share of the catalogue that is in at least one list"),
    "gini": ("Gini", "inequality of exposure over the catalogue, from 0 (equal) to 1 (one item)"),
    "novelty": ("novelty", "-log2 of the share of users who took an item, in bits"),
    "intra_list_diversity": ("ILD", "intra-list diversity, mean 1 - cosine of the texts within a list"),
    "average_popularity": ("ARP", "average recommendation popularity, past interactions of a shown item"),
    "category_calibration": ("KL", "calibration, divergence of a list's categories from its history's"),
    "cold_share": ("cold", "share of the places with cold items (no interaction in the past)"),
}
"""Beyond-accuracy metric -> its heading and its description."""


@dataclass(frozen=True)
class Result:
    """Metrics of one recommender on one slice.

    Attributes
    ----------
    recommender, slice
        Names.
    metrics
        Mean over the queries by name (`hit@10`); None on an empty slice.
    ci95
        95 % interval of each mean; None on an empty slice.
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
        return f"{decimal(value)} ({decimal(interval[0])}–{decimal(interval[1])})"


@dataclass(frozen=True)
class Report:
    """Metrics of all recommenders on all slices of one split.

    Attributes
    ----------
    dataset, protocol
        Names of the data set and of the split's protocol.
    n
        Number of queries in each slice.
    ks
        Cut-offs, rising, as they were asked for; one beyond the catalogue's size uses the whole catalogue.
    supervision
        Recommender -> its supervision, see `SUPERVISIONS`.
    results
        One result for each slice and recommender.
    beyond_accuracy
        Recommender -> metrics of its lists, see `recgpt.evaluate.beyond_accuracy`.
    context
        Conditions of the evaluation: parameters of the split, seed, versions, hashes, seconds.
    cases
        Table of `case_table` with two columns a recommender: the target's 1-based rank with the history excluded and
        with nothing excluded (`ranks_column`), `metrics.MISSED` beyond the largest cut-off.
    """

    dataset: str
    protocol: str
    n: dict[str, int]
    ks: tuple[int, ...]
    supervision: dict[str, str]
    results: list[Result]
    beyond_accuracy: dict[str, dict[str, Any]]
    context: dict[str, Any]
    cases: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values, without the cases."""
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "headline": headline(self.protocol),
            "n": self.n,
            "ks": list(self.ks),
            "supervision": self.supervision,
            **self.context,
            "results": [
                {"recommender": r.recommender, "slice": r.slice, **r.metrics, "ci95": r.ci95} for r in self.results
            ],
            "beyond_accuracy": self.beyond_accuracy,
        }

    def save(self, path: str | Path) -> None:
        """Write `to_dict` as JSON to `path`, and the cases to `.cases.parquet` beside it, both or none.

        A device, a pipe or `-` (stdout) gets the JSON alone, which `recgpt compare` cannot read.
        """
        path = Path(path)
        if str(path) == STDOUT or is_stream(path):
            write_json(path, self.to_dict())
            return
        with new_files(cases_path(path), path) as (cases, report):
            self.cases.write_parquet(cases)
            report.write_text(json_text({**self.to_dict(), "cases_sha256": _sha256(cases)}), encoding="utf-8")

    @property
    def title(self) -> str:
        """Data set, protocol and the parameters that change the metrics, in one line."""
        params = ", ".join(f"{name} {value}" for name, value in self.context["split"].items() if value is not None)
        n_drawn = self.context["split"].get("negatives")
        ranked = f"{self.context['items']:,} items" if n_drawn is None else f"the target and {n_drawn} drawn items"
        params += f"; repeats {self.context['repeats']}; {ranked} ranked"
        return f"{plain(self.dataset)}: {self.protocol} ({params})"

    @property
    def columns(self) -> list[str]:
        """Metrics shown in a table: hit rate at the smallest cut-off, hit rate and NDCG at the largest."""
        return list(dict.fromkeys([f"hit@{self.ks[0]}", f"hit@{self.ks[-1]}", f"ndcg@{self.ks[-1]}"]))

    def table(self) -> Group:
        """Rich tables: accuracy by slice, NDCG on the smaller slices, beyond-accuracy metrics; one legend for all."""
        main = Table(title=Text(self.title), **LOOK)
        _columns(main, ["", *self.columns])
        for name in self._main_slices:
            main.add_row(Text.assemble((name, "bold"), f" ({self.n[name]:,})"))
            for supervision, recommenders in self._groups():
                main.add_row(Text(f" {supervision}", "dim"))
                for recommender in recommenders:
                    result = self._result(recommender, name)
                    main.add_row(f"  {recommender}", *(result.cell(column) for column in self.columns))
            main.add_section()
        slices = Table(title=f"\n{self._ndcg} on parts of explore", **LOOK)
        _columns(slices, ["", *(f"{name} ({self.n[name]:,})" for name in OTHER_SLICES)])
        lists = Table(title=f"\nThe lists of {self.ks[-1]}", **LOOK)
        _columns(lists, ["", *(heading for heading, _ in LISTS.values())])
        for recommender in self._ordered():
            slices.add_row(recommender, *self._slice_cells(recommender))
            lists.add_row(recommender, *self._list_cells(recommender))
        notes = Text("\n".join(report_notes(self.context)))
        return Group(main, *self._cut_off_table(), slices, lists, "", legend(self._meanings), "", notes)

    def _cut_off_table(self) -> list[Table]:
        rows = self._cut_off_rows()
        if not rows:
            return []
        table = Table(title=f"\n{self._cut_off_title}", **LOOK)
        _columns(table, rows[0])
        for row in rows[1:]:
            table.add_row(*row)
        return [table]

    @property
    def _cut_off_title(self) -> str:
        return f"By cut-off, {headline(self.protocol)}"

    def _cut_off_rows(self) -> list[list[str]]:
        """Hit rate and NDCG at every cut-off that was asked for, headed; empty for the default ones."""
        names = [f"{metric}@{k}" for metric in ("hit", "ndcg") for k in self.ks]
        if self.ks == KS or set(names) <= set(self.columns):
            return []
        rows = [["", *names]]
        for recommender in self._ordered():
            means = self._result(recommender, headline(self.protocol)).metrics
            rows.append([recommender, *("–" if (mean := means[name]) is None else decimal(mean) for name in names)])
        return rows

    def markdown(self) -> str:
        """The same tables in Markdown."""
        main = [
            ["slice (queries)", "supervision", "recommender", *self.columns],
            *(
                [
                    f"{name} ({self.n[name]:,})",
                    supervision,
                    recommender,
                    *map(self._result(recommender, name).cell, self.columns),
                ]
                for name in self._main_slices
                for supervision, recommenders in self._groups()
                for recommender in recommenders
            ),
        ]
        slices = [["", *(f"{name} ({self.n[name]:,})" for name in OTHER_SLICES)]]
        slices += [[recommender, *self._slice_cells(recommender)] for recommender in self._ordered()]
        lists = [["", *(heading for heading, _ in LISTS.values())]]
        lists += [[recommender, *self._list_cells(recommender)] for recommender in self._ordered()]
        cut_offs = self._cut_off_rows()
        parts = [
            (markdown(self.title, LONGEST_MESSAGE), main, _main_caption(self._main_slices)),
            *([(self._cut_off_title, cut_offs, "Means, as above.")] if cut_offs else []),
            (f"{self._ndcg} on parts of explore", slices, _about(OTHER_SLICES)),
            (f"The lists of {self.ks[-1]}", lists, _lists_caption()),
        ]
        tables = [f"**{title}**\n\n{markdown_table(rows)}\n\n{caption}\n" for title, rows, caption in parts]
        notes = "".join(f"- {markdown(note)}\n" for note in report_notes(self.context))
        return "\n".join([*tables, notes] if notes else tables)

    @property
    def _meanings(self) -> dict[str, str]:
        """Every term of the tables, once."""
        slices = {name: SLICES[name].about for name in (*self._main_slices, *OTHER_SLICES)}
        figures = {"in brackets": "number of queries; beside a mean, its bootstrap 95 % interval over users"}
        groups = {name: f"these recommenders {SUPERVISIONS[name]}" for name, _ in self._groups()}
        return {**figures, **groups, **slices, **dict(LISTS.values())}

    @property
    def _ndcg(self) -> str:
        return f"ndcg@{self.ks[-1]}"

    @property
    def _main_slices(self) -> Sequence[str]:
        """Only `explore` without repeats in the data: the other main slices would be equal to it or empty."""
        return MAIN_SLICES if self.context["repeats"] == "keep" or self.n["repeat"] else MAIN_SLICES[:1]

    def _groups(self) -> list[tuple[str, list[str]]]:
        groups = {each: [name for name, its in self.supervision.items() if its == each] for each in SUPERVISIONS}
        return [(supervision, names) for supervision, names in groups.items() if names]

    def _ordered(self) -> list[str]:
        return [name for _, names in self._groups() for name in names]

    def _result(self, recommender: str, slice_name: str) -> Result:
        return next(r for r in self.results if (r.recommender, r.slice) == (recommender, slice_name))

    def _slice_cells(self, recommender: str) -> list[str]:
        values = (self._result(recommender, name).metrics[self._ndcg] for name in OTHER_SLICES)
        return ["–" if value is None else decimal(value) for value in values]

    def _list_cells(self, recommender: str) -> list[str]:
        return [figure(self.beyond_accuracy[recommender].get(name)) for name in LISTS]


@dataclass(frozen=True)
class StoredReport:
    """An evaluation report read from disk.

    Attributes
    ----------
    path
        Path of the JSON file.
    about
        Content of the JSON file, see `Report.to_dict`.
    cases
        Queries and ranks, see `Report.cases`.
    """

    path: Path
    about: dict[str, Any]
    cases: pl.DataFrame

    @classmethod
    def load(cls, path: str | Path) -> "StoredReport":
        """Read a report saved by `Report.save`.

        Raises
        ------
        DataError
            Either file is missing or damaged, or the two files are of different runs.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"there is no report {path}: make one with `recgpt evaluate ... --json {path}`")
        about = read_json(path)
        if "cases_sha256" not in about:
            raise DataError(f"{path} is no report with cases: make it again with `recgpt evaluate ... --json {path}`")
        if not cases_path(path).is_file():
            raise DataError(f"{cases_path(path)} is missing: it belongs beside {path}, or make the report again")
        if _sha256(cases_path(path)) != about["cases_sha256"]:
            raise DataError(f"{cases_path(path)} is damaged or of another run than {path}: make the report again")
        return cls(path, with_current_names(about), _with_current_columns(scan_table(cases_path(path)).collect()))

    def values(self, recommender: str, slice_name: str, metric: str) -> np.ndarray:
        """(n,) values of a metric (`ndcg@10`) for the queries of a slice, in their order.

        Raises
        ------
        DataError
            Unknown recommender, slice or metric, or a cut-off beyond the stored ranks.
        """
        cases = self.in_slice(slice_name)
        recommender = ALIASES.get(recommender, recommender)
        column = ranks_column(recommender, SLICES[slice_name].exclude)
        if column not in cases.columns:
            raise DataError(
                f"{self.path} has no recommender {recommender!r}: it has {', '.join(self.about['supervision'])}"
            )
        name, _, k = metric.partition("@")
        if name not in METRICS or not k.isdecimal() or int(k) < 1:
            raise DataError(
                f"there is no metric {metric!r}: choose among {', '.join(f'{each}@10' for each in METRICS)}, or"
                " another number"
            )
        if int(k) > self.about["ks"][-1]:
            raise DataError(
                f"{metric}: {self.path} holds ranks up to {self.about['ks'][-1]}: choose a smaller number, or"
                " evaluate with larger --ks"
            )
        return METRICS[name](cases[column].to_numpy(), int(k))

    def in_slice(self, name: str) -> pl.DataFrame:
        """Queries of a slice; DataError for an unknown name."""
        if name not in SLICES:
            raise DataError(f"there is no slice {name!r}: choose among {', '.join(SLICES)}")
        if name in STEP_SLICES and "steps" not in self.cases.columns:
            raise DataError(f"{self.path} is of an earlier version, without the slice {name}: make the report again")
        return self.cases.filter(SLICES[name].holds(self.cases))


def with_current_names(about: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a report with current names: of recommenders (`ALIASES`), and `supervision`, formerly `knows`."""
    found = {name: value for name, value in about.items() if name != "knows"}
    supervision = about.get("supervision", about.get("knows", {}))
    found["supervision"] = {ALIASES.get(name, name): supervision_named(its) for name, its in supervision.items()}
    for by_recommender in ("beyond_accuracy", "seconds"):
        if by_recommender in found:
            found[by_recommender] = {ALIASES.get(name, name): its for name, its in found[by_recommender].items()}
    results = found.get("results", [])
    found["results"] = [{**row, "recommender": ALIASES.get(row["recommender"], row["recommender"])} for row in results]
    return found


def _with_current_columns(cases: pl.DataFrame) -> pl.DataFrame:
    def current(column: str) -> str:
        recommender, slash, exclude = column.partition("/")
        return f"{ALIASES.get(recommender, recommender)}{slash}{exclude}"

    return cases.rename(current)


def cases_path(path: Path) -> Path:
    """`report.json` -> `report.cases.parquet`."""
    return path.with_suffix(".cases.parquet")


def ranks_column(recommender: str, exclude: Exclude) -> str:
    """Name of the column with a recommender's ranks, with the history or nothing excluded."""
    return f"{recommender}/{exclude}"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its header, the first column is aligned left, numbers right."""
    header, *body = rows
    rule = ["-" if index == 0 or not _numeric(body, index) else "-:" for index in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *body])


def _numeric(rows: Sequence[Sequence[str]], index: int) -> bool:
    return all(row[index][:1] in ".–-0123456789" for row in rows)


LOOK: dict[str, Any] = {
    "box": None,
    "padding": (0, 2, 0, 0),
    "pad_edge": False,
    "title_justify": "left",
    "caption_justify": "left",
}


def _columns(table: Table, names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)


def _main_caption(slices: Sequence[str]) -> str:
    supervisions = "; ".join(f"{name} recommenders {about}" for name, about in SUPERVISIONS.items())
    return f"Mean (bootstrap 95 % interval over users). {supervisions}. {_about(slices)}"


def _about(slices: Sequence[str]) -> str:
    return "; ".join(f"{name}: {SLICES[name].about}" for name in slices) + "."


def _lists_caption() -> str:
    return "; ".join(f"{heading}: {about}" for heading, about in LISTS.values()) + "."


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
