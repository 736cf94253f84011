"""Report of a run of studies, made from its dump alone: an HTML page, a summary and CSV files in the published form.

    with Run.open("books") as run:
        print(write_reports(run))          # runs/books/report.html, beside dump.parquet and summary.csv
    html(*dump.read(path))

The page embeds its plots and loads nothing from the network; texts of items, users and models are escaped and cut.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from recgpt.files import write_text
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.simulate.worlds.gym.studies import dump as dumps
from recgpt.simulate.worlds.gym.studies import human_form, plots
from recgpt.simulate.worlds.gym.studies.scoring import grid_counts, ratings_of, score
from recgpt.simulate.worlds.gym.studies.tables import (
    SUMMARY,
    interval_text,
    share,
    summary_csv,
    summary_rows,
    unit_word,
)
from recgpt.terminal import neutral_value

FILE_NAME = "report.html"
_EXAMPLES = 4  # of each part of a study
_PACKAGE = "recgpt.simulate.worlds.gym.studies"
TITLES = {
    "preference": "Preference: do lovers of a tag rate it high, and the rest low?",
    "high": "High: does who always gives the highest rating give it?",
    "low": "Low: does who always gives the lowest rating give it?",
    "collection": "Collection: does a loved or hated series decide how its last part is rated?",
    "distribution": "Distribution: are the shares of the ratings those of real people?",
    "human": "Human: ten interactions for people to judge",
}


def write_reports(run: Run) -> Path:
    """Write dump, summary and page of a run, finished or not, into its folder; returns the path of the page.

    Raises
    ------
    SimulationError
        The run is of another world.
    StorageError
        A file cannot be written.
    """
    frame, about = dumps.dump_of(run), dumps.about_of(run)
    folder = run.path.parent
    dumps.write(frame, about, folder / dumps.FILE_NAME)
    # Read again, so that summary and page are made from the file.
    frame, about = dumps.read(folder / dumps.FILE_NAME)
    write_text(folder / SUMMARY, summary_csv(score(frame, domain_of(about["domain"])), about["configuration"]))
    if "human" in frame["study"]:
        human_form.write(frame, about, folder)
    path = folder / FILE_NAME
    write_text(path, html(frame, about))
    return path


def view(run: Run, step: int) -> dict[str, Any]:
    """Plain JSON of a run after a step: the contents of its page, without plots."""
    frame = dumps.dump_of(run).filter(pl.col("step") <= step)
    return page(frame, dumps.about_of(run), domain_of(run.manifest.config["domain"]))


def html(frame: pl.DataFrame, about: dict[str, Any]) -> str:
    """The HTML page of a dump."""
    domain = domain_of(about["domain"])
    seen = page(frame, about, domain)
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "."),
        autoescape=True,
        finalize=neutral_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": share, "cut": _cut}
    for study in seen["studies"]:
        study["plot"] = _plot(study, seen["scores"]["studies"].get(study["name"], {}), domain)
    return environment.get_template("report.html.j2").render(seen, interval=interval_text)


def page(frame: pl.DataFrame, about: dict[str, Any], domain: Domain) -> dict[str, Any]:
    """Contents of the page, as plain JSON."""
    scores = score(frame, domain)
    names = [name for name in TITLES if name in frame["study"]]
    return {
        "about": about,
        "words": {"item": domain.item_word, "items": domain.item_words, "tags": domain.tag_word},
        "scale": [domain.scale.lowest, domain.scale.highest],
        "scores": scores,
        "rows": summary_rows(scores, about["configuration"]),
        "failures": Counter(frame["failure"].drop_nulls().to_list()).most_common(),
        "tokens": frame["tokens"].sum(),
        "studies": [_study(frame.filter(pl.col("study") == name), name, domain) for name in names],
    }


def _study(rows: pl.DataFrame, name: str, domain: Domain) -> dict[str, Any]:
    parts = rows["part"].unique(maintain_order=True).to_list()
    counts = {part: grid_counts(ratings_of(rows.filter(pl.col("part") == part)), domain.scale) for part in parts}
    return {
        "name": name,
        "title": TITLES[name],
        "unit": unit_word(name),
        "counts": {part: found.tolist() for part, found in counts.items()},
        "examples": [each for part in parts for each in _examples(rows.filter(pl.col("part") == part))],
    }


def _examples(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Some questions of a part, evenly spread over it."""
    spread = rows.gather_every(max(1, len(rows) // _EXAMPLES)).head(_EXAMPLES)
    wanted = (
        "part", "group", "user_name", "item_name", "should_be", "rating", "llm_rating", "explanation", "failure"
    )  # fmt: skip
    return [
        {
            **{name: row[name] for name in wanted},
            "recalled": [list(pair) for pair in zip(row["recalled_names"], row["recalled_ratings"], strict=True)],
        }
        for row in spread.iter_rows(named=True)
    ]


def _plot(study: dict[str, Any], scores: dict[str, Any], domain: Domain) -> Any:
    values = domain.scale.values.tolist()
    if study["name"] == "distribution":
        return plots.shares(values, study["counts"][""], domain.reference)
    if not scores:
        return None
    return plots.study(values, study["counts"], scores["groups"] if len(scores["groups"]) > 1 else {})


def _cut(text: str | None, longest: int = 300) -> str:
    text = text or ""
    return text if len(text) <= longest else text[: longest - 1] + "…"
