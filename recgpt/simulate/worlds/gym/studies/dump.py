"""Dump of a run of studies: one Parquet file with every question and answer, from which all reports are made.

    dump = dump_of(run)
    write(dump, about_of(run), path)
    dump, about = read(path)

Its columns are `COLUMNS`. The file's metadata hold `about`: run, configuration and its label, domain, names and
hashes of the data, versions, and the manifest's sentence on repeating the run.
"""

import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from recgpt.bounds import check_parquet, parse_json
from recgpt.data.schema import scan_parquet
from recgpt.errors import DataError, SimulationError
from recgpt.files import new_file, storage_errors
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.gym.studies.config import StudyConfig

FILE_NAME = "dump.parquet"
QUESTIONS = "questions.parquet"
"""Artifact of the run with its questions."""
ITEMS = "items.parquet"
"""Artifact of the run with the ids and titles of the items in its questions."""
_METADATA = "recgpt"
_TEXTS = ("explanation", "prompt_hash", "reply", "failure")
COLUMNS = pl.Schema(
    {
        **dict.fromkeys(("question", "seed", "step", "thread", "place", "item", "user", "tokens"), pl.Int64()),
        **dict.fromkeys(("study", "part", "group", "configuration", "should_be", *_TEXTS), pl.String()),
        **dict.fromkeys(("item_id", "item_name", "user_id", "user_name", "user_about"), pl.String()),
        **dict.fromkeys(("llm_rating", "rating"), pl.Float64()),
        **dict.fromkeys(("known_items", "recalled_items"), pl.List(pl.Int64)),
        **dict.fromkeys(("known_ratings", "recalled_ratings"), pl.List(pl.Float64)),
        "recalled_names": pl.List(pl.String),
    }
)
"""Columns of a dump; `rating` is the one after the perturbator, null where the mind failed."""


def dump_of(run: Run) -> pl.DataFrame:
    """All questions of a run so far, with their answers."""
    config = config_of(run)
    events = run.events()
    asked = events.filter(pl.col("kind") == "asked").select(question="agent", about="text")
    rows = stored_questions(run).join(asked, on="question", how="inner", maintain_order="left")
    rated = _by_question(events, "rated", llm_rating="value", explanation="text")
    perturbed = _by_question(events, "perturbed", after="value")
    replied = _by_question(events, "replied", tokens="value", reply="text")
    failed = _by_question(events, "failed", failure="text")
    for each in (rated, perturbed, replied, failed):
        rows = rows.join(each, on="question", how="left", maintain_order="left")
    names = dict(pl.read_parquet(io.BytesIO(run.artifact(ITEMS))).select("item", "item_name").iter_rows())
    about = [json.loads(text) if text else {} for text in rows["about"].to_list()]
    return rows.with_columns(
        pl.lit(config.label).alias("configuration"),
        pl.lit(config.seed).alias("seed"),
        pl.coalesce("after", "llm_rating").alias("rating"),
        pl.Series("recalled_items", [each.get("items", []) for each in about], dtype=pl.List(pl.Int64)),
        pl.Series(
            "recalled_names",
            [[names[item] for item in each.get("items", [])] for each in about],
            dtype=pl.List(pl.String),
        ),
        pl.Series("recalled_ratings", [each.get("ratings", []) for each in about], dtype=pl.List(pl.Float64)),
        pl.Series("prompt_hash", [each.get("prompt_hash") for each in about], dtype=pl.String),
    ).select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())


def _by_question(events: pl.DataFrame, kind: str, **columns: str) -> pl.DataFrame:
    return events.filter(pl.col("kind") == kind).select(question="agent", **columns)


def config_of(run: Run) -> StudyConfig:
    """Configuration of a run of studies.

    Raises
    ------
    SimulationError
        The run is of another world.
    """
    from recgpt.simulate.worlds.gym.studies.config import NAME

    if run.manifest.world != NAME:
        raise SimulationError(
            f"run {run.run_id} is of the world {run.manifest.world}, not of studies: name one of `recgpt gym ablate`"
        )
    return StudyConfig(**run.manifest.config)


def stored_questions(run: Run) -> pl.DataFrame:
    """Questions of a run, from its artifact."""
    return pl.read_parquet(io.BytesIO(run.artifact(QUESTIONS)))


def about_of(run: Run) -> dict[str, Any]:
    """Metadata of a run's dump; JSON values."""
    config, manifest = config_of(run), run.manifest
    return {
        "run": run.run_id,
        "configuration": config.label,
        "config": manifest.config,
        "domain": config.domain,
        "dataset": manifest.dataset,
        "made_with": manifest.made_with,
        "repeatable": manifest.repeatable,
        "finished": run.finished,
        "n_questions": len(stored_questions(run)),
        "hash": run.hash,
    }


def write(dump: pl.DataFrame, about: dict[str, Any], path: Path) -> None:
    """Write a dump with its metadata."""
    with new_file(path) as draft:
        dump.write_parquet(draft, metadata={_METADATA: json.dumps(about)})


def read(path: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read a dump and its metadata.

    Raises
    ------
    DataError
        The file is no Parquet file, or not a dump: a column is missing or of another type.
    """
    with storage_errors(path):
        check_parquet(path)
        found = pl.read_parquet_metadata(path).get(_METADATA)
        dump = scan_parquet(path).collect()
    wrong = [name for name, kind in COLUMNS.items() if dump.schema.get(name) != kind]
    if found is None or wrong:
        what = f"the columns {', '.join(wrong)} are missing or of another type" if wrong else "it has no metadata"
        raise DataError(f"{path} is no dump of `recgpt gym ablate`: {what}; name a run, or the dump.parquet of one")
    return dump, parse_json(found, f"{path}: metadata", DataError)
