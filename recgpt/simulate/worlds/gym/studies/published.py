"""Reports in the published form of EmoSim-RL and SUBER: a folder a configuration, a dump and a summary a study.

    claim = published_claim(Path("reports/deepseek-chat-0Shot_cotlite_our-none-last_3"))
    list(published_reasons(claim, folder))

`NAME_rating_dump.csv` holds item, user, user_name, item_name and rating; `NAME.csv` the shares. The domain follows from
the ratings: films if one is above 5.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt.errors import DataError
from recgpt.files import storage_errors
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.simulate.worlds.gym.studies.claims import Claim, impossible_reasons, placeholder_reasons
from recgpt.simulate.worlds.gym.studies.protocol import PARTS, pass_rules
from recgpt.simulate.worlds.gym.studies.scoring import grid_counts, ratings_of, total_variation
from recgpt.simulate.worlds.gym.studies.tables import PUBLISHED_NAMES

_ENDING = "_rating_dump.csv"
_OUTSIDE = ("item_id", "TMDB_id")
_TOLERANCE = 5e-4  # of shares in summaries, which are rounded
_RATER = re.compile(r"\d?Shot_[A-Za-z0-9_]+")


def published_claim(folder: Path) -> Claim:
    """Read all dumps of a folder.

    Raises
    ------
    DataError
        The folder has no dump, or one lacks a column.
    """
    names = {PUBLISHED_NAMES.get(study, study): study for study in (*PARTS, "distribution")}
    frames = [
        _read(path, names[path.name.removesuffix(_ENDING)])
        for path in sorted(folder.glob(f"*{_ENDING}"))
        if path.name.removesuffix(_ENDING) in names
    ]
    if not frames:
        known = ", ".join(f"{name}{_ENDING}" for name in names)
        raise DataError(f"{folder} holds no dump of a study: name a run, or a folder with {known}")
    frame = pl.concat(frames, how="diagonal")
    highest = float(np.nanmax(ratings_of(frame), initial=0.0))
    return Claim(str(folder), frame, folder.name, domain_of("movies" if highest > 5 else "books"))


def _read(path: Path, study: str) -> pl.DataFrame:
    with storage_errors(path):
        table = pl.read_csv(path.read_bytes(), infer_schema=False)
    missing = [name for name in ("item", "user", "user_name", "item_name", "rating") if name not in table.columns]
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}: it is no dump of a study")
    outside = next((name for name in _OUTSIDE if name in table.columns), "item")
    has_parts = "should_be" in table.columns and len(PARTS.get(study, ())) > 1
    part = _parts_of(table["should_be"]) if has_parts else [""] * len(table)
    return table.select(
        pl.lit(study).alias("study"),
        pl.Series("part", part, dtype=pl.String),
        pl.col("item").cast(pl.Int64, strict=False),
        pl.col("user").cast(pl.Int64, strict=False),
        "user_name",
        "item_name",
        pl.col(outside).alias("item_id"),
        pl.col("rating").cast(pl.Float64, strict=False),
    )


def _parts_of(should_be: pl.Series) -> list[str]:
    """`+` where the rating should reach the top of the scale, `-` where it should not."""
    ends = [text.rsplit("-", 1)[-1] for text in should_be.fill_null("").to_list()]
    top = max((int(float(end)) for end in ends if end), default=0)
    return ["+" if end and int(float(end)) == top else "-" for end in ends]


def published_reasons(claim: Claim, folder: Path) -> Iterator[str]:
    """Reasons in one folder: placeholder names, ids, impossible ratings, shares that do not follow."""
    scale = claim.domain.scale
    yield from placeholder_reasons(claim.frame)
    yield from _id_reasons(claim.frame)
    highest = published_highest(claim.configuration, claim.domain)
    yield from impossible_reasons(ratings_of(claim.frame), scale.lowest, highest, scale.step, "the rater")
    yield from _share_reasons(claim.frame, claim.domain, folder)


def published_highest(configuration: str, domain: Domain) -> float:
    """Highest rating of a published rater: 9 for cotlite with films, whose scale from 0 to 9 is not shifted."""
    found = _RATER.search(configuration)
    is_unshifted = found is not None and "cotlite" in found[0] and domain.name == "movies"
    return domain.scale.highest - 1 if is_unshifted else domain.scale.highest


def _id_reasons(frame: pl.DataFrame) -> Iterator[str]:
    names = frame.group_by("item_id").agg(pl.col("item_name").n_unique())
    double = names.filter(pl.col("item_name") > 1)
    if len(double):
        yield f"{len(double):,} item ids stand for several items, such as {double['item_id'][0]}"
    ids = frame.group_by("study", "item_name").agg(pl.col("item_id").n_unique())
    many = ids.filter(pl.col("item_id") > 1)
    if len(many):
        yield f"{len(many):,} items have several ids, such as {many['item_name'][0]!r}"


def _share_reasons(frame: pl.DataFrame, domain: Domain, folder: Path) -> Iterator[str]:
    for study in frame["study"].unique(maintain_order=True).to_list():
        path = folder / f"{PUBLISHED_NAMES.get(study, study)}.csv"
        if not path.is_file():
            continue
        said, rows = _said(path), frame.filter(pl.col("study") == study)
        found = _shares(rows, study, domain)
        wrong = [share for share in found if not any(abs(share - value) < _TOLERANCE for value in said)]
        if wrong:
            shares = ", ".join(f"{value:g}" for value in said[:3])
            yield f"{path.name} says {shares}, from the dump it is {wrong[0]:.6f}"


def _shares(rows: pl.DataFrame, study: str, domain: Domain) -> list[float]:
    """Shares that pass, by part; of the distribution the total variation."""
    if study == "distribution":
        counts = grid_counts(ratings_of(rows), domain.scale)
        return [] if domain.reference is None else [float(total_variation(counts, domain.reference))]
    rules = pass_rules(domain)
    ratings = {part: ratings_of(rows.filter(pl.col("part") == part)) for part in PARTS[study]}
    return [float(rules[study + part].passes(found).mean()) for part, found in ratings.items() if len(found)]


def _said(path: Path) -> list[float]:
    """Numbers of the last row of a summary, the one of the whole study."""
    with storage_errors(path):
        rows = pl.read_csv(path.read_bytes(), infer_schema=False)
    cells: list[Any] = list(rows.row(-1)[2:]) if len(rows) else []
    numbers = pl.Series(cells, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls()
    return numbers.to_list()
