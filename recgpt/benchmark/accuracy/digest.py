"""Main tables of a suite for a page that is written by hand, made from the JSON that the suite stored.

write_tables(read_summary(Path("benchmarks/results/foundation.json")), Path("docs/results.md"))
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recgpt.errors import DataError
from recgpt.evaluate.report import markdown_table
from recgpt.files import write_text
from recgpt.recommenders import FROM_MODEL
from recgpt.tables import decimal, signed

MODEL = "recgpt"
"""The row that all others are compared with."""

METRICS = ("hit@1", "hit@5", "hit@10", "ndcg@5", "ndcg@10")
SLICES = ("one_step", "two_steps", "far")


def write_tables(summary: Mapping[str, Any], page: Path) -> None:
    """Replace what stands between the two marks of the suite in a page.

    Raises
    ------
    DataError
        The page does not exist, or lacks one of the marks.
    """
    if not page.is_file():
        raise DataError(f"{page} does not exist: name a Markdown page")
    write_text(page, with_tables(page.read_text(encoding="utf-8"), summary, str(page)))


def with_tables(text: str, summary: Mapping[str, Any], where: str) -> str:
    """Text of a page with the suite's tables between its marks."""
    begin, end = (f"<!-- tables of {summary['name']}: {place} -->" for place in ("begin", "end"))
    before, has_begin, rest = text.partition(begin)
    _, has_end, after = rest.partition(end)
    if not (has_begin and has_end):
        raise DataError(
            f"{where} lacks the line {end if has_begin else begin}: add it where the tables shall end or begin"
        )
    return f"{before}{begin}\n\n{tables(summary)}\n\n{end}{after}"


def tables(summary: Mapping[str, Any]) -> str:
    """All tables of a suite in Markdown, with a sentence on each part."""
    made = f"Run of {summary['made']}; {summary['hardware']}."
    return "\n\n".join([made, *(_part(part) for part in summary["parts"] if part["datasets"])])


def _part(part: Mapping[str, Any]) -> str:
    lines = [f"**{part['title']}.** {part['about']}{_mean(part)}", markdown_table(_main(part["datasets"]))]
    if further := _cut_offs(part["datasets"]):
        lines.append(markdown_table(further))
    if steps := _steps(part["datasets"]):
        lines += ["NDCG@10 by the way from the last item to the target, in brackets the share of the queries:", steps]
    return "\n\n".join(lines)


def _mean(part: Mapping[str, Any]) -> str:
    ratios = [f"`{name}` × {decimal(ratio, 2)}" for name, ratio in part["mean_ratios"].items() if ratio is not None]
    return f" Geometric mean of the ratios to the best baseline: {', '.join(ratios)}." if ratios else ""


def _main(datasets: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """NDCG@10 of every recommender that most data sets of a part have, and the best published figure."""
    names = [name for name in _names(datasets) if name != MODEL]
    has_published = any(_best_published(dataset) for dataset in datasets)
    header = ["NDCG@10", *names, f"**{MODEL}**", f"{MODEL} - best baseline"]
    rows = [header + ["best published"] * has_published]
    for dataset in datasets:
        by_name = {row["recommender"]: row["metrics"]["ndcg@10"] for row in dataset["rows"]}
        cells = [decimal(by_name[name]["mean"]) if name in by_name else "–" for name in names]
        ours = by_name.get(MODEL)
        bold = "–" if ours is None else f"**{_interval(ours)}**"
        published = [_best_published(dataset) or "–"] * has_published
        rows.append([dataset["name"], *cells, bold, _against(dataset["against_best"]), *published])
    return rows


def _names(datasets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Recommenders of the data sets, in the order of the first that has them: baselines, then those of a model."""
    named = dict.fromkeys(row["recommender"] for dataset in datasets for row in dataset["rows"])
    return sorted(named, key=lambda name: name in FROM_MODEL)


def _interval(metric: Mapping[str, Any]) -> str:
    low, high = metric["ci95"]
    return f"{decimal(metric['mean'])} ({decimal(low)}–{decimal(high)})"


def _against(against: Mapping[str, Any] | None) -> str:
    if against is None or MODEL not in against["ratios"]:
        return "–"
    ratio = f"{against['best_baseline']} × {decimal(against['ratios'][MODEL], 2)}"
    paired = against["recgpt_minus_best"]
    if paired is None:
        return ratio
    return f"{ratio}, {signed(paired['difference'])} ({signed(paired['ci95'][0])} to {signed(paired['ci95'][1])})"


def _best_published(dataset: Mapping[str, Any]) -> str | None:
    known = [row for row in dataset["published"] if row.get("ndcg@10") is not None]
    if (known and dataset["split"].get("past") != "train+valid") or (dataset["protocol"] == "windows" and known):
        best = max(known, key=lambda row: row["ndcg@10"])
        return f"{decimal(best['ndcg@10'])} ({best['model']})"
    return None


def _cut_offs(datasets: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Hit rate and NDCG at further cut-offs, of parts that have them, beside published figures at these."""
    names = [name for name in METRICS if name in datasets[0]["rows"][0]["metrics"]]
    if set(names) == {"hit@10", "ndcg@10"}:
        return []
    rows = [["", "recommender", *names]]
    for dataset in datasets:
        for row in dataset["rows"]:
            figures = [decimal(row["metrics"][name]["mean"]) for name in names]
            rows.append([dataset["name"], row["recommender"], *figures])
        for row in dataset["published"]:
            figures = ["–" if row.get(name) is None else decimal(row[name]) for name in names]
            rows.append([dataset["name"], f"{row['model']}, as published", *figures])
    return rows


def _steps(datasets: Sequence[Mapping[str, Any]]) -> str:
    """Table of the best baseline and the model on queries by the transitions from the last item to the target."""
    rows = [["", "recommender", *SLICES]]
    for dataset in datasets:
        against = dataset["against_best"]
        if against is None or not set(SLICES) <= set(dataset["n"]):
            continue
        n_explore = max(1, dataset["n"]["explore"])
        for row in dataset["rows"]:
            if row["recommender"] in ("item_knn", "tgh", against["best_baseline"], MODEL):
                cells = [
                    "–"
                    if (value := row["slices"].get(name)) is None
                    else f"{decimal(value)} ({dataset['n'][name] / n_explore:.0%})"
                    for name in SLICES
                ]
                rows.append([dataset["name"], row["recommender"], *cells])
    return markdown_table(rows) if len(rows) > 1 else ""
