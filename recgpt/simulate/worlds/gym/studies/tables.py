"""Scores as a table for the terminal, and as CSV files: our summary, and the published form.

summary_table(scores, label)
write_summary(scores, label, path)
write_published(dump, about, scores, Path("reports"))
"""

import csv
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.table import Table

from recgpt.files import make_folder, write_text
from recgpt.simulate.worlds.gym.studies.protocol import SCORED
from recgpt.simulate.worlds.gym.studies.scoring import UNIT_WORDS
from recgpt.tables import decimal
from recgpt.terminal import plain

SUMMARY = "summary.csv"
SUMMARY_COLUMNS = ("configuration", "study", "part", "score", "low", "high", "passed", "n", "failed")
PUBLISHED_NAMES = {"distribution": "sampling_distribution"}
"""Names of studies in the published files, where they are others."""


def summary_rows(scores: dict[str, Any], label: str) -> list[dict[str, Any]]:
    """Rows of the summary: each study, each of its two parts, and the aggregate."""
    rows = []
    for study, found in scores["studies"].items():
        parts = found.get("parts", {})
        passed = sum(part["passed"] for part in parts.values()) if parts else None
        about = {name: found[name] for name in ("score", "low", "high", "n", "failed")}
        rows.append({"configuration": label, "study": study, "part": "", "passed": passed, **about})
        for name, part in parts.items() if len(parts) > 1 else ():
            about = {"score": part["share"], "passed": part["passed"], "n": part["n"], "failed": part["failed"]}
            rows.append({"configuration": label, "study": study, "part": name, "low": None, "high": None, **about})
    whole = {**scores["aggregate"], "n": scores["n"], "failed": scores["failed"]}
    rows.append({"configuration": label, "study": "aggregate", "part": "", "passed": None, **whole})
    return rows


def summary_csv(scores: dict[str, Any], label: str) -> str:
    """The summary as CSV."""
    rows = ([row[name] for name in SUMMARY_COLUMNS] for row in summary_rows(scores, label))
    return _csv(SUMMARY_COLUMNS, rows)


def summary_table(scores: dict[str, Any], label: str) -> Table:
    """The summary for the terminal."""
    table = Table(
        title=plain(f"{label}: {scores['n']:,} questions, {scores['failed']:,} failed"),
        caption="Score: share of ratings that pass, mean of both parts; distribution:\n"
        "total variation, 0 is best. Interval: 95 %, over personas, series\n"
        "(collection) or users (distribution). Aggregate: mean of the first four\n"
        "and of 1 - total variation.",
        caption_justify="left",
        title_justify="left",
        min_width=76,
        box=None,
        padding=(0, 1, 0, 0),
    )
    for name in ("study", "should be"):
        table.add_column(name)
    for name in ("score", "95 % interval", "passed", "of", "failed"):
        table.add_column(name, justify="right")
    for row in summary_rows(scores, label):
        parts = scores["studies"].get(row["study"], {}).get("parts", {})
        should_be = parts[row["part"]]["should_be"] if row["part"] in parts else ""
        passed = "" if row["passed"] is None else f"{row['passed']:,}"
        name = f"  {row['part']}" if row["part"] else row["study"]
        limits = interval_text(row["low"], row["high"])
        table.add_row(name, should_be, share(row["score"]), limits, passed, f"{row['n']:,}", f"{row['failed']:,}")
    return table


def share(value: float | None, digits: int = 3) -> str:
    """Share such as `.812`; a dash for None."""
    return "–" if value is None else decimal(value, digits)


def interval_text(low: float | None, high: float | None) -> str:
    """Interval such as `[.790, .833]`; empty for None."""
    return "" if low is None or high is None else f"[{share(low)}, {share(high)}]"


# --- published form ---


def write_published(dump: pl.DataFrame, scores: dict[str, Any], folder: Path) -> list[Path]:
    """Write `NAME.csv` and `NAME_rating_dump.csv` of each study, as EmoSim-RL names them; returns the paths."""
    make_folder(folder)
    written = []
    for study in [name for name in SCORED if name in scores["studies"]]:
        rows = dump.filter(pl.col("study") == study)
        name = PUBLISHED_NAMES.get(study, study)
        label = str(rows["configuration"].first())
        for path, text in (
            (folder / f"{name}.csv", _published_summary(study, scores["studies"][study], label)),
            (folder / f"{name}_rating_dump.csv", _published_dump(rows)),
        ):
            write_text(path, text)
            written.append(path)
    return written


def _published_summary(study: str, found: dict[str, Any], label: str) -> str:
    parts = found.get("parts", {})
    if len(parts) < 2:
        name = "Total variation" if study == "distribution" else "Success"
        return _csv(("Config", "Name", name), [(label, study, found["score"])])
    columns = ("Config", "Name", "Percentage success", "(Positive)", "(Negative)")
    groups = [
        (label, name, (each.get("+", 0) + each.get("-", 0)) / 2, each.get("+"), each.get("-"))
        for name, each in found["groups"].items()
    ]
    return _csv(columns, [*groups, (label, study, found["score"], parts["+"]["share"], parts["-"]["share"])])


def _published_dump(rows: pl.DataFrame) -> str:
    columns = {
        "item": "item",
        "user": "user",
        "user_name": "user_name",
        "item_name": "item_name",
        "LLM_rating": "llm_rating",
        "LLM_interaction_HTML": "reply",
        "rating": "rating",
        "should_be": "should_be",
        "LLM_explanation": "explanation",
        "item_id": "item_id",
    }
    table = rows.select(pl.col(own).alias(name) for name, own in columns.items())
    replies = [f"<p>{html.escape(reply)}</p>" if reply else "" for reply in table["LLM_interaction_HTML"].to_list()]
    return table.with_columns(pl.Series("LLM_interaction_HTML", replies)).write_csv()


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def unit_word(study: str) -> str:
    """What the interval of a study is over."""
    return UNIT_WORDS.get(study, "users")
