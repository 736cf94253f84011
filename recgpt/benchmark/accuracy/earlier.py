"""Rows of an earlier run of a suite, for recommenders that take hours and were not run again.

    summary = with_earlier(summary, read_summary(Path("benchmarks/results/foundation.json")))

A row is taken only where data, split and number of queries are the same, and never of a recommender that uses a model:
the model may have changed. It keeps its date.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.bounds import read_json
from recgpt.errors import DataError
from recgpt.evaluate.report import OTHER_SLICES, SUPERVISIONS
from recgpt.recommenders import FROM_MODEL
from recgpt.recommenders.base import supervision_named


def read_summary(path: Path) -> dict[str, Any]:
    """Read the JSON that a suite wrote.

    Raises
    ------
    DataError
        The file is missing, damaged, or of something else.
    """
    found = read_json(path)
    parts = found.get("parts")
    has_parts = isinstance(parts, list) and all(isinstance(part, dict) and "datasets" in part for part in parts)
    if not (has_parts and {"name", "made", "hardware"} <= set(found)):
        raise DataError(f"{path} is no JSON of `recgpt benchmark accuracy`: name the one beside the suite's page")
    return found


def with_earlier(summary: dict[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a suite's summary the rows that it lacks and an earlier summary has for the same queries."""
    known = {(part["title"], dataset["name"]): dataset for part in earlier["parts"] for dataset in part["datasets"]}
    parts = []
    for part in summary["parts"]:
        datasets = [
            _with_rows(dataset, known.get((part["title"], dataset["name"])), earlier["made"])
            for dataset in part["datasets"]
        ]
        parts.append({**part, "datasets": datasets, "mean_ratios": mean_ratios(datasets, part["mean_ratios"])})
    return {**summary, "parts": parts}


def mean_ratios(datasets: list[dict[str, Any]], names: Mapping[str, Any]) -> dict[str, float | None]:
    """Geometric mean of the ratios to the best baseline over the compared data sets; None if one lacks the row."""
    compared = [dataset["against_best"] for dataset in datasets if dataset["against_best"] is not None]
    found: dict[str, float | None] = {}
    for name in names:
        ratios = [each["ratios"].get(name) for each in compared]
        found[name] = None if None in ratios else float(np.prod(ratios) ** (1 / len(ratios)))
    return found


def _with_rows(dataset: dict[str, Any], earlier: Mapping[str, Any] | None, made: str) -> dict[str, Any]:
    if earlier is None or not _same_queries(dataset, earlier):
        return dataset
    there = {row["recommender"] for row in dataset["rows"]} | set(dataset["refused"]) | set(FROM_MODEL)
    added = [_current(row, made) for row in earlier["rows"] if row["recommender"] not in there]
    rows = [*dataset["rows"], *added]
    rows.sort(key=lambda row: (list(SUPERVISIONS).index(row["supervision"]), row["metrics"]["ndcg@10"]["mean"]))
    return {**dataset, "rows": rows, "against_best": _against_best(dataset["against_best"], added)}


def _same_queries(dataset: Mapping[str, Any], earlier: Mapping[str, Any]) -> bool:
    same = ("protocol", "split", "repeats", "items", "data_fingerprint")
    headline = dataset["headline"]
    return all(dataset[key] == earlier[key] for key in same) and dataset["n"][headline] == earlier["n"][headline]


def _current(row: Mapping[str, Any], made: str) -> dict[str, Any]:
    """A row in the form of today, with its date."""
    supervision = supervision_named(row.get("supervision", row.get("knows")))
    slices = {name: row["slices"].get(name) for name in OTHER_SLICES}
    kept = {key: value for key, value in row.items() if key != "knows"}
    return {**kept, "supervision": supervision, "slices": slices, "made": row.get("made", made)}


def _against_best(found: dict[str, Any] | None, added: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The comparison with the best baseline, which may be an added row: then without a paired difference."""
    best = max(added, key=lambda row: row["metrics"]["ndcg@10"]["mean"], default=None)
    if found is None or best is None or best["metrics"]["ndcg@10"]["mean"] <= found["ndcg@10"]:
        return found
    ndcg = best["metrics"]["ndcg@10"]["mean"]
    return {
        "best_baseline": best["recommender"],
        "ndcg@10": ndcg,
        "ratios": {name: ratio * found["ndcg@10"] / ndcg for name, ratio in found["ratios"].items()},
        "recgpt_minus_best": None,
    }
