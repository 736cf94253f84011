"""Reports of an accuracy suite: JSON, Markdown, and one self-contained HTML page with plots.

found = run_suite(suite, data=Path("data"), out=Path("runs/accuracy"), load_model=load_model)
summary = summarize(suite, found)
write_reports(summary, found, out=Path("runs/accuracy"))     # benchmark.json, benchmark.md, benchmark.html
"""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from recgpt.benchmark.accuracy.earlier import mean_ratios
from recgpt.benchmark.accuracy.plots import accuracy_plots
from recgpt.benchmark.accuracy.settings import BenchmarkConfig, Part, Suite
from recgpt.benchmark.accuracy.suite import REFERENCE, DatasetCells
from recgpt.data.fingerprint import write_json
from recgpt.evaluate.config import KS
from recgpt.evaluate.protocols import headline
from recgpt.evaluate.report import LISTS, OTHER_SLICES, SUPERVISIONS, markdown_table
from recgpt.evaluate.significance import bootstrap_ci, holm, paired_bootstrap
from recgpt.files import write_text
from recgpt.recommenders import FROM_MODEL
from recgpt.recommenders.foundation import RecGPTContext, RecGPTFineTuned, RecGPTText
from recgpt.tables import decimal, figure, signed
from recgpt.terminal import LONGEST_MESSAGE, neutral_value
from recgpt.terminal import markdown as escaped

METRICS = ("hit@10", "ndcg@10")
LEVELS = (RecGPTText.name, RecGPTContext.name, RecGPTFineTuned.name)
"""Rows of the foundation model: zero-shot, in-context, trained."""

PUBLISHED = Path(__file__).with_name("published.json")
PUBLISHED_PROTOCOLS = ("leave_one_out", "windows")
"""Protocols whose tables show the published figures; a figure with a `split` is shown with that protocol alone."""


def summarize(suite: Suite, found: Sequence[Sequence[DatasetCells]]) -> dict[str, Any]:
    """All figures of the report as JSON values.

    Metrics are means over seeds; intervals and tests resample users, on the mean over seeds of each query. The tests
    against `text_knn` are corrected for all recommenders of a data set (Holm 1979).

    Parameters
    ----------
    suite
        The accuracy suite.
    found
        Results of each part, a list of data sets each, see `run_suite`.
    """
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return {
        "name": suite.name,
        "title": suite.title,
        "notes": suite.notes,
        "made": datetime.now(UTC).date().isoformat(),
        "hardware": _machines(found),
        "reference": REFERENCE,
        "parts": [_summarize_part(part, sets, published) for part, sets in zip(suite.parts, found, strict=True)],
    }


def _machines(found: Sequence[Sequence[DatasetCells]]) -> str:
    """Machines that made the reports, by descending number of reports."""
    made_on = Counter(
        report.about["hardware"]
        for sets in found
        for cells in sets
        for reports in cells.reports.values()
        for report in reports
    )
    return "; ".join(f"{machine} ({n:,} of the reports)" for machine, n in made_on.most_common())


def _summarize_part(
    part: Part, sets: Sequence[DatasetCells], published: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    beside = {name: _published_beside(part.config.protocol, rows) for name, rows in published.items()}
    datasets = [_summarize(cells, part.config, beside.get(cells.name, [])) for cells in sets if cells.reports]
    return {
        "title": part.title,
        "about": part.about,
        "config": part.config.model_dump(exclude={"negatives"}),
        "mean_ratios": mean_ratios(datasets, _levels(datasets)),
        "datasets": datasets,
    }


def _published_beside(protocol: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Published figures that stand beside a protocol, by NDCG@10; figures at other cut-offs first."""
    beside = [row for row in rows if protocol in ([row["split"]] if "split" in row else PUBLISHED_PROTOCOLS)]
    return sorted(beside, key=lambda row: row["ndcg@10"] or 0)


def _levels(datasets: Sequence[dict[str, Any]]) -> dict[str, None]:
    """Rows of `LEVELS` that any data set of a part compares."""
    compared = [dataset["against_best"] for dataset in datasets if dataset["against_best"] is not None]
    return {name: None for name in LEVELS if any(name in each["ratios"] for each in compared)}


def _summarize(cells: DatasetCells, config: BenchmarkConfig, published: list[dict[str, Any]]) -> dict[str, Any]:
    about = cells.about()
    part = headline(about["protocol"])
    rows = [_row(cells, name, part, config) for name in cells.reports]
    rows.sort(key=lambda row: (list(SUPERVISIONS).index(row["supervision"]), row["metrics"]["ndcg@10"]["mean"]))
    if REFERENCE in cells.reports:
        _test(cells, part, [row for row in rows if row["recommender"] != REFERENCE])
    return {
        "name": cells.name,
        "protocol": about["protocol"],
        "split": about["split"],
        "repeats": about["repeats"],
        "items": about["items"],
        "ks": about["ks"],
        "headline": part,
        "n": about["n"],
        "data_fingerprint": about["data_fingerprint"],
        "versions": about["versions"],
        "against_best": _against_best(cells, part, rows),
        "rows": rows,
        "refused": cells.refused,
        "published": published,
    }


def _row(cells: DatasetCells, name: str, part: str, config: BenchmarkConfig) -> dict[str, Any]:
    reports = cells.reports[name]
    users = _users(cells, part)
    values = {metric: cells.values(name, part, metric) for metric in _metrics(config)}
    of_lists = [report.about["beyond_accuracy"][name] for report in reports]
    seconds = [report.about["seconds"][name] for report in reports]
    per_seed = [float(report.values(name, part, "ndcg@10").mean()) for report in reports]
    return {
        "recommender": name,
        "supervision": _supervision(cells, name),
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
        "commands": [_command(cells, name, config)],
    }


def _metrics(config: BenchmarkConfig) -> list[str]:
    """Those of the main table, and with cut-offs other than the default ones hit rate and NDCG at each of them."""
    further = () if config.cut_offs == KS else config.cut_offs
    return list(dict.fromkeys([*METRICS, *(f"{name}@{k}" for name in ("hit", "ndcg") for k in further)]))


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


def _against_best(cells: DatasetCells, part: str, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """NDCG@10 of each row in `LEVELS` over that of the best baseline; None without such rows or a positive baseline."""
    ndcg = {row["recommender"]: row["metrics"]["ndcg@10"]["mean"] for row in rows}
    best = max((name for name in ndcg if name not in FROM_MODEL), key=ndcg.__getitem__, default=None)
    levels = [name for name in LEVELS if name in ndcg]
    if best is None or not levels or ndcg[best] == 0:
        return None
    difference = None
    if RecGPTContext.name in levels:
        ours, theirs = (cells.values(name, part, "ndcg@10") for name in (RecGPTContext.name, best))
        paired = paired_bootstrap(ours, theirs, _users(cells, part))
        difference = {"difference": paired.difference, "ci95": (paired.low, paired.high)}
    return {
        "best_baseline": best,
        "ndcg@10": ndcg[best],
        "ratios": {name: ndcg[name] / ndcg[best] for name in levels},
        "recgpt_minus_best": difference,
    }


def _supervision(cells: DatasetCells, name: str) -> str:
    return str(cells.reports[name][0].about["supervision"][name])


def _users(cells: DatasetCells, part: str) -> np.ndarray:
    return next(iter(cells.reports.values()))[0].in_slice(part)["user"].rank("dense").to_numpy().astype(np.int64) - 1


def _mean_or_none(values: Sequence[float] | np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _command(cells: DatasetCells, name: str, config: BenchmarkConfig) -> str:
    """Command for the report of the first seed; with another one `recgpt evaluate` would also redraw the split."""
    options = {"--protocol": config.protocol, "--past": config.past, "--max-users": config.max_users}
    options["--ks"] = None if config.cut_offs == KS else ",".join(map(str, config.cut_offs))
    options |= {"--model": config.model if name in FROM_MODEL else None, "--recommenders": name}
    given = [str(part) for pair in options.items() if pair[1] is not None for part in pair]
    return shlex.join(["recgpt", "evaluate", str(cells.folder), *given, "--seed", str(config.seeds[0])])


def write_reports(summary: dict[str, Any], found: Sequence[Sequence[DatasetCells]], *, out: Path) -> list[Path]:
    """Write HTML, Markdown and JSON, named after the suite (`benchmark.html`), into the folder `out`."""
    paths = [out / f"{summary['name']}.{kind}" for kind in ("html", "md", "json")]
    write_text(paths[0], html(summary, found))
    write_text(paths[1], markdown(summary))
    write_json(paths[2], summary)
    return paths


HEADER = ["supervision", "recommender", "Hit@10", "NDCG@10", "NDCG - text_knn", "p", *OTHER_SLICES]
RATIOS_HEADER = ["data set", "best baseline", "NDCG@10", *LEVELS, "recgpt - best baseline"]
LISTS_HEADER = ["recommender", *(heading for heading, _ in LISTS.values()), "fit s", "rank s"]


def metric_cells(row: dict[str, Any]) -> list[str]:
    """Cells of a row of the main table."""
    against = row["against_reference"]
    p = "–"
    if against is not None:
        p = "< .001" if against["p_holm"] < 0.001 else decimal(against["p_holm"], 3)
    figures = [_with_interval(row["metrics"][metric]) for metric in METRICS]
    slices = ["–" if value is None else decimal(value) for value in row["slices"].values()]
    return [row["supervision"], row["recommender"], *figures, _difference(against), p, *slices]


def earlier_rows(dataset: dict[str, Any]) -> str:
    """Sentence on rows that come from an earlier run of the suite; empty without such rows."""
    by_date: dict[str, list[str]] = {}
    for row in dataset["rows"]:
        if "made" in row:
            by_date.setdefault(row["made"], []).append(row["recommender"])
    return "; ".join(f"From the run of {made}: {', '.join(names)}" for made, names in by_date.items())


def list_cells(row: dict[str, Any]) -> list[str]:
    """Cells of a row of the table of beyond-accuracy metrics."""
    seconds = (f"{row['seconds'][step]:,.1f}" for step in ("fit", "rank"))
    return [row["recommender"], *(figure(value) for value in row["lists"].values()), *seconds]


def cut_off_table(dataset: dict[str, Any]) -> list[list[str]]:
    """Table of hit rate and NDCG at cut-offs other than the default ones; empty without such cut-offs."""
    if set(dataset["rows"][0]["metrics"]) == set(METRICS):
        return []
    names = [f"{metric}@{k}" for metric in ("hit", "ndcg") for k in dataset["ks"]]
    rows = [[row["recommender"], *(decimal(row["metrics"][name]["mean"]) for name in names)] for row in dataset["rows"]]
    return [["recommender", *names], *rows]


def _difference(against: dict[str, Any] | None) -> str:
    if against is None:
        return "–"
    low, high = against["ci95"]
    return f"{signed(against['difference'])} ({signed(low)} to {signed(high)})"


def _with_interval(metric: dict[str, Any]) -> str:
    low, high = metric["ci95"]
    return f"{decimal(metric['mean'])} ({decimal(low)}–{decimal(high)})"


def protocol_line(dataset: dict[str, Any]) -> str:
    """Protocol and its parameters in one line."""
    params = ", ".join(f"{name} {value}" for name, value in dataset["split"].items() if value is not None)
    sampled = dataset["split"].get("negatives")
    ranked = f"{dataset['items']:,} items" if sampled is None else f"only the target and {sampled} drawn items"
    return f"{dataset['protocol']} ({params}; repeats {dataset['repeats']}; {ranked} ranked)"


def ratio_table(part: dict[str, Any]) -> list[list[str]]:
    """Table of NDCG@10 over that of the best baseline: a row for each data set and one for the geometric mean."""
    rows = []
    for dataset in part["datasets"]:
        if (against := dataset["against_best"]) is not None:
            ratios = [_ratio(against["ratios"].get(name)) for name in LEVELS]
            difference = _difference(against["recgpt_minus_best"])
            rows.append([dataset["name"], against["best_baseline"], decimal(against["ndcg@10"]), *ratios, difference])
    mean = [_ratio(part["mean_ratios"].get(name)) for name in LEVELS]
    return [*rows, ["geometric mean", "–", "–", *mean, "–"]] if rows else []


def _ratio(value: float | None) -> str:
    return "–" if value is None else decimal(value, 2)


def markdown(summary: dict[str, Any]) -> str:
    """The tables in Markdown."""
    lines = [f"# {summary['title']}", "", f"Made {summary['made']} on {summary['hardware']}. {_METHOD}", ""]
    if summary["notes"]:
        lines += [*(f"- {note}" for note in summary["notes"]), ""]
    for part in summary["parts"]:
        if part["title"]:
            lines += [f"# {part['title']}", "", part["about"], ""]
        if ratios := ratio_table(part):
            lines += [markdown_table([RATIOS_HEADER, *ratios]), "", RATIOS_ABOUT, ""]
        for dataset in part["datasets"]:
            lines += _markdown_section(dataset)
    return "\n".join(lines) + "\n"


def _markdown_section(dataset: dict[str, Any]) -> list[str]:
    n_cases = dataset["n"][dataset["headline"]]
    lines = [f"## {escaped(dataset['name'])}", "", f"{protocol_line(dataset)}. {n_cases:,} cases.", ""]
    lines += [markdown_table([HEADER, *map(metric_cells, dataset["rows"])]), ""]
    if earlier := earlier_rows(dataset):
        lines += [earlier, ""]
    if cut_offs := cut_off_table(dataset):
        lines += [markdown_table(cut_offs), ""]
    lines += [markdown_table([LISTS_HEADER, *map(list_cells, dataset["rows"])]), ""]
    if dataset["published"]:
        lines += [markdown_table([_PUBLISHED_HEADER, *map(published_cells, dataset["published"])]), ""]
    return lines + [
        f"{name} could not take part: {escaped(reason, LONGEST_MESSAGE)}" for name, reason in dataset["refused"].items()
    ]


_PUBLISHED = ("hit@5", "ndcg@5", *METRICS)
_PUBLISHED_HEADER = [
    "published model",
    "Hit@5",
    "NDCG@5",
    "Hit@10",
    "NDCG@10",
    "trained in domain",
    "protocol",
    "source",
]
_METHOD = (
    "Full catalogue ranked. Mean and bootstrap 95 % interval over users; differences are paired, p-values corrected "
    "for all recommenders of a data set (Holm)."
)
RATIOS_ABOUT = (
    "NDCG@10 as a ratio to the best of all baselines of the data set's table, those trained on it included. The best "
    "is picked on these very queries, which is in its favour. Last column: paired difference in NDCG@10 with its "
    "bootstrap 95 % interval over users."
)


def published_cells(row: dict[str, Any]) -> list[str]:
    """Cells of a row of the table of published figures."""
    figures = [decimal(row[metric]) if row.get(metric) is not None else "–" for metric in _PUBLISHED]
    return [row["model"], *figures, "yes" if row["trained_in_domain"] else "no", row["protocol"], row["source"]]


def html(summary: dict[str, Any], found: Sequence[Sequence[DatasetCells]]) -> str:
    """Self-contained HTML page: tables, plots, commands."""
    environment = Environment(
        loader=PackageLoader("recgpt.benchmark.accuracy", "."),
        autoescape=True,
        finalize=neutral_value,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        summary=summary,
        method=_METHOD,
        supervisions=SUPERVISIONS,
        header=HEADER[1:],
        ratios_header=RATIOS_HEADER,
        ratios_about=RATIOS_ABOUT,
        ratio_table=ratio_table,
        published_cells=published_cells,
        lists_header=LISTS_HEADER,
        lists=LISTS,
        metric_cells=metric_cells,
        list_cells=list_cells,
        earlier_rows=earlier_rows,
        cut_off_table=cut_off_table,
        decimal=decimal,
        protocol_line=protocol_line,
        is_better=_is_better,
        plots=[_plots(part, sets) for part, sets in zip(summary["parts"], found, strict=True)],
    )


def _plots(part: dict[str, Any], sets: Sequence[DatasetCells]) -> dict[str, list[Markup]]:
    drawn = {cells.name: cells for cells in sets}
    return {dataset["name"]: accuracy_plots(dataset, drawn[dataset["name"]]) for dataset in part["datasets"]}


def _is_better(row: dict[str, Any]) -> str:
    """`better` or `worse` where the test against the reference is significant at .05, else an empty text."""
    against = row["against_reference"]
    if against is None or against["p_holm"] >= 0.05:
        return ""
    return "better" if against["difference"] > 0 else "worse"
