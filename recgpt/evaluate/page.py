"""The benchmark's reports: JSON for programs, Markdown, and one self-contained HTML page with plots.

summary = summarize(sets, config)
write_reports(summary, sets, out=Path("runs/accuracy"))     # benchmark.json, benchmark.md, benchmark.html
"""

import json
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from recgpt.data.fingerprint import write_json
from recgpt.device import hardware
from recgpt.evaluate.benchmark import REFERENCE, BenchmarkConfig, DatasetCells
from recgpt.evaluate.plots import accuracy_plots
from recgpt.evaluate.protocols import headline
from recgpt.evaluate.report import KNOWS, LISTS, OTHER_SLICES, decimal, figure, markdown_table, signed
from recgpt.evaluate.significance import bootstrap_ci, holm, paired_bootstrap
from recgpt.recommenders import FROM_MODEL

METRICS = ("hit@10", "ndcg@10")
PUBLISHED = Path(__file__).with_name("published.json")


def summarize(sets: Sequence[DatasetCells], config: BenchmarkConfig) -> dict[str, Any]:
    """All figures of the page as JSON values.

    A recommender's figures are means over its seeds; intervals and tests resample users, with each case's mean over the
    seeds. The tests against `text_knn` are corrected for all recommenders of a data set (Holm 1979).
    """
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return {
        "made": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "config": config.model_dump(exclude={"negatives"}),
        "reference": REFERENCE,
        "datasets": [_summarize(cells, config, published.get(cells.name, [])) for cells in sets if cells.reports],
    }


def _summarize(cells: DatasetCells, config: BenchmarkConfig, published: list[dict[str, Any]]) -> dict[str, Any]:
    about = cells.about()
    part = headline(about["protocol"])
    rows = [_row(cells, name, part, config) for name in cells.reports]
    rows.sort(key=lambda row: (list(KNOWS).index(row["knows"]), row["metrics"]["ndcg@10"]["mean"]))
    if REFERENCE in cells.reports:
        _test(cells, part, [row for row in rows if row["recommender"] != REFERENCE])
    return {
        "name": cells.name,
        "protocol": about["protocol"],
        "split": about["split"],
        "repeats": about["repeats"],
        "items": about["items"],
        "headline": part,
        "n": about["n"],
        "data_fingerprint": about["data_fingerprint"],
        "versions": about["versions"],
        "rows": rows,
        "refused": cells.refused,
        "published": published,
    }


def _row(cells: DatasetCells, name: str, part: str, config: BenchmarkConfig) -> dict[str, Any]:
    reports = cells.reports[name]
    users = _users(cells, part)
    values = {metric: cells.values(name, part, metric) for metric in METRICS}
    of_lists = [report.about["beyond_accuracy"][name] for report in reports]
    seconds = [report.about["seconds"][name] for report in reports]
    per_seed = [float(report.values(name, part, "ndcg@10").mean()) for report in reports]
    return {
        "recommender": name,
        "knows": _knows(cells, name),
        "seeds": len(reports),
        "metrics": {
            metric: {"mean": float(each.mean()), "ci95": bootstrap_ci(each, users)} for metric, each in values.items()
        },
        "sd_of_seeds": float(np.std(per_seed, ddof=1)) if len(per_seed) > 1 else None,
        "against_reference": None,
        "slices": {each: _mean_or_none(cells.values(name, each, "ndcg@10")) for each in OTHER_SLICES},
        "lists": {key: _mean_or_none([each[key] for each in of_lists if each[key] is not None]) for key in LISTS},
        "popular_tenth": _mean_or_none([d["popularity_deciles"][0] for d in of_lists if d["popularity_deciles"]]),
        "seconds": {step: float(np.mean([each[step] for each in seconds])) for step in ("fit", "rank")},
        "commands": [_command(cells, name, config, report.path) for report in reports],
    }


def _test(cells: DatasetCells, part: str, rows: list[dict[str, Any]]) -> None:
    reference = cells.values(REFERENCE, part, "ndcg@10")
    users = _users(cells, part)
    paired = [paired_bootstrap(cells.values(r["recommender"], part, "ndcg@10"), reference, users) for r in rows]
    for row, each, p in zip(rows, paired, holm([each.p_value for each in paired]), strict=True):
        row["against_reference"] = {
            "difference": each.difference,
            "ci95": (each.low, each.high),
            "p_value": each.p_value,
            "p_holm": float(p),
        }


def _knows(cells: DatasetCells, name: str) -> str:
    return str(cells.reports[name][0].about["knows"][name])


def _users(cells: DatasetCells, part: str) -> np.ndarray:
    return next(iter(cells.reports.values()))[0].in_slice(part)["user"].rank("dense").to_numpy().astype(np.int64) - 1


def _mean_or_none(values: Sequence[float] | np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _command(cells: DatasetCells, name: str, config: BenchmarkConfig, report: Path) -> str:
    options = {"--protocol": config.protocol, "--past": config.past, "--max-users": config.max_users}
    options |= {"--model": config.model if name in FROM_MODEL else None, "--recommenders": name}
    seed = report.stem.rpartition("-")[2]
    given = [str(part) for pair in options.items() if pair[1] is not None for part in pair]
    return shlex.join(["recgpt", "evaluate", str(cells.folder), *given, "--seed", seed])


def write_reports(summary: dict[str, Any], sets: Sequence[DatasetCells], *, out: Path) -> None:
    """Write `benchmark.json`, `benchmark.md` and `benchmark.html` into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "benchmark.json", summary)
    (out / "benchmark.md").write_text(markdown(summary), encoding="utf-8")
    (out / "benchmark.html").write_text(html(summary, sets), encoding="utf-8")


HEADER = ["knows", "recommender", "Hit@10", "NDCG@10", "NDCG - text_knn", "p", *OTHER_SLICES]
LISTS_HEADER = ["recommender", *(heading for heading, _ in LISTS.values()), "fit s", "rank s"]


def cells_of(row: dict[str, Any]) -> list[str]:
    """One row of the main table, as text."""
    against = row["against_reference"]
    difference, p = "–", "–"
    if against is not None:
        low, high = against["ci95"]
        difference = f"{signed(against['difference'])} ({signed(low)} to {signed(high)})"
        p = "< .001" if against["p_holm"] < 0.001 else f"{against['p_holm']:.3f}".lstrip("0")
    figures = [_with_interval(row["metrics"][metric]) for metric in METRICS]
    slices = ["–" if value is None else decimal(value) for value in row["slices"].values()]
    return [row["knows"], row["recommender"], *figures, difference, p, *slices]


def list_cells_of(row: dict[str, Any]) -> list[str]:
    """One row of the table about whole lists, as text."""
    seconds = (f"{row['seconds'][step]:,.1f}" for step in ("fit", "rank"))
    return [row["recommender"], *(figure(value) for value in row["lists"].values()), *seconds]


def _with_interval(metric: dict[str, Any]) -> str:
    low, high = metric["ci95"]
    return f"{decimal(metric['mean'])} ({decimal(low)}–{decimal(high)})"


def title_of(dataset: dict[str, Any]) -> str:
    """The protocol and its parameters in one line."""
    params = ", ".join(f"{name} {value}" for name, value in dataset["split"].items() if value is not None)
    return f"{dataset['protocol']} ({params}; repeats {dataset['repeats']}; {dataset['items']:,} items ranked)"


def markdown(summary: dict[str, Any]) -> str:
    """The tables in Markdown."""
    lines = ["# Accuracy", "", f"Made {summary['made']} on {summary['hardware']}. {_METHOD}", ""]
    for dataset in summary["datasets"]:
        lines += [f"## {dataset['name']}", "", f"{title_of(dataset)}. {dataset['n'][dataset['headline']]:,} cases.", ""]
        lines += [markdown_table([HEADER, *map(cells_of, dataset["rows"])]), ""]
        lines += [markdown_table([LISTS_HEADER, *map(list_cells_of, dataset["rows"])]), ""]
        if dataset["published"]:
            lines += [markdown_table([_PUBLISHED_HEADER, *map(published_cells, dataset["published"])]), ""]
        lines += [f"{name} could not take part: {reason}" for name, reason in dataset["refused"].items()]
    return "\n".join(lines) + "\n"


_PUBLISHED_HEADER = ["published model", "Hit@10", "NDCG@10", "trained in domain", "protocol", "source"]
_METHOD = (
    "Full catalogue ranked. Mean and bootstrap 95 % interval over users; differences are paired, p-values corrected "
    "for all recommenders of a data set (Holm)."
)


def published_cells(row: dict[str, Any]) -> list[str]:
    """One row of the table of published figures, as text."""
    figures = [decimal(row[metric]) for metric in METRICS]
    return [row["model"], *figures, "yes" if row["trained_in_domain"] else "no", row["protocol"], row["source"]]


def html(summary: dict[str, Any], sets: Sequence[DatasetCells]) -> str:
    """One page with everything in it: tables, plots, commands."""
    environment = Environment(
        loader=PackageLoader("recgpt.evaluate", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    drawn = {cells.name: cells for cells in sets}
    return environment.get_template("page.html.j2").render(
        summary=summary,
        method=_METHOD,
        knows=KNOWS,
        header=HEADER[1:],
        lists_header=LISTS_HEADER,
        lists=LISTS,
        cells_of=cells_of,
        list_cells_of=list_cells_of,
        decimal=decimal,
        title_of=title_of,
        is_better=_is_better,
        plots={dataset["name"]: accuracy_plots(dataset, drawn[dataset["name"]]) for dataset in summary["datasets"]},
    )


def _is_better(row: dict[str, Any]) -> str:
    """`better`, `worse` or nothing: what the test against the reference says at .05."""
    against = row["against_reference"]
    if against is None or against["p_holm"] >= 0.05:
        return ""
    return "better" if against["difference"] > 0 else "worse"
