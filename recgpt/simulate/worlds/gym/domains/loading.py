"""Items of a domain from files: any data set folder, or the published EmoSim-RL folder; see docs/gym.md.

    source = Source("movies", Scale(1, 10), people=("actors",), made_up=FILMS, published=("films.parquet",))
    items = load_items("data/movielens_small", source)

Ratings of a data set are put on the domain's scale by one rule, `on_scale`. Items without averages of their own get the
mean of their known ratings.

Shapes: N items, R ratings.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.data import schema
from recgpt.data.dataset import Dataset
from recgpt.errors import DataError, SimulationError
from recgpt.features.text_similarity import unit_rows
from recgpt.progress import note
from recgpt.simulate.agents.sources import known_part
from recgpt.simulate.worlds.gym.domains.made_up import MadeUp, catalogue, made_up_past
from recgpt.simulate.worlds.gym.domains.texts import names_in, tags_in, tags_of, text_vectors
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.scale import Scale

PUBLISHED_FOLDER = "RECGPT_EMOSIM"
"""Environment variable with the published EmoSim-RL folder, for its users."""

TOPS = (1.0, 5.0, 10.0, 100.0)
"""Highest ratings of the scales in use: likes, stars, points, percent."""

_ARTICLE_LAST = r"^(.*), (The|A|An)$"
_MEDIAN_COUNT = 100  # stands in for unknown numbers of ratings in a made-up past


@dataclass(frozen=True)
class Source:
    """Where a domain's items come from.

    Attributes
    ----------
    name
        Name of the domain, for messages.
    scale
        Scale of the domain's ratings.
    people
        Columns of `items.parquet` with people, the first one found is used.
    made_up
        Catalogue without a folder: a description of it, or a function that makes the items.
    published
        Files of the published folder that together are this domain's catalogue; none in other domains.
    series
        Its JSON file with the items of each series, in order.
    max_people
        Largest number of people of an item.
    """

    name: str
    scale: Scale
    people: tuple[str, ...] = ("people",)
    made_up: MadeUp | Callable[[], Items] | None = None
    published: tuple[str, ...] = ()
    series: str | None = None
    max_people: int = 4


def load_items(folder: str | None, source: Source) -> Items:
    """Items from a data set folder or the published folder; the made-up catalogue for None.

    Raises
    ------
    DataError
        A file or a column of one is missing, damaged, or of the wrong type.
    SimulationError
        The domain has no made-up catalogue, so a folder is needed.
    """
    if folder is None:
        if source.made_up is None:
            raise SimulationError(f"{source.name} has no made-up catalogue: name a data set folder with --items")
        return catalogue(source.made_up) if isinstance(source.made_up, MadeUp) else source.made_up()
    path = Path(folder)
    if source.published and (path / source.published[0]).is_file():
        return _from_published(path, source)
    if (path / "interactions.parquet").is_file() or (path / "items.parquet").is_file():
        return _from_dataset(path, source)
    own = f", or {source.published[0]} of the published files" if source.published else ""
    raise DataError(f"{folder} holds no catalogue: a data set folder with items.parquet and interactions.parquet{own}")


def on_scale(ratings: np.ndarray, scale: Scale, top: float | None = None) -> np.ndarray:
    """Float64 ratings of a data set on a domain's scale, clamped to it but not rounded; NaN stays.

    The rule: the top of the data set's scale, which is 1, 5, 10 or 100 (the first that no rating exceeds; else the
    highest rating), becomes the top of the domain's, and all ratings are multiplied alike. So half stars from .5 to 5
    are doubled on a scale from 1 to 10, stars from 1 to 5 stay on a scale from 1 to 5, and a like is the top rating.

    Parameters
    ----------
    top
        Top of the data set's scale, where it is known.
    """
    values = np.asarray(ratings, dtype=np.float64)
    if top is None:
        top = top_of(values)
    return np.clip(values * (scale.highest / top), scale.lowest, scale.highest)


def top_of(ratings: np.ndarray) -> float:
    """Top of the scale that ratings were given on, see `on_scale`."""
    values = np.asarray(ratings, dtype=np.float64)
    highest = float(np.max(values[np.isfinite(values)], initial=0.0))
    return next((top for top in TOPS if highest <= top), highest)


# --- data set folders ---


def _from_dataset(path: Path, source: Source) -> Items:
    whole = Dataset.load(path, repeats="drop")
    known = known_part(whole)
    table = known.items
    tags = [tags_in(text) for text in table["categories"]]
    average_N, count_N = _averages(known, table, source)
    made_from = f"data set {known.name}"
    if (path / "embeddings.npy").is_file():
        unit_NE = unit_rows(whole.embeddings())
    else:
        note(f"{path} has no embeddings.npy: items are compared by shared words and tags (or: recgpt encode {path})")
        unit_NE = text_vectors(table, tags)
        made_from += ", compared by shared words and tags"
    people = next((column for column in (*source.people, "brand") if column in table.columns), None)
    titles, years = _titles_and_years(table)
    return Items(
        ids=[str(each) for each in table["item_id"]],
        titles=titles,
        descriptions=table["description"].to_list(),
        years=years,
        tags=tags,
        people=[() if people is None else _names(each)[: source.max_people] for each in _column(table, people)],
        directors=[", ".join(_names(each)[:1]) for each in _column(table, "director")],
        average_N=average_N,
        count_N=count_N,
        unit_NE=unit_NE,
        collection=[_text(each) for each in _column(table, "collection")],
        part_N=_whole(_column(table, "part")),
        dataset=known,
        made_from=made_from,
        folder=str(path),
    )


def _averages(known: Dataset, table: pl.DataFrame, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """(N,) averages on the domain's scale and numbers of ratings: the catalogue's own, else by the known ratings."""
    if "vote_average" in table.columns:
        return _votes(table, "vote_average", "vote_count", source.scale, f"{known.name}: items")
    events = known.interactions
    rated = np.zeros(len(events), bool) if events.rating is None else np.isfinite(events.rating)
    count_N = np.bincount(events.item[rated], minlength=known.n_items).astype(np.int64)
    if events.rating is None or not rated.any():
        return np.full(known.n_items, np.nan), count_N
    values = on_scale(events.rating[rated], source.scale, top_of(events.rating))
    total_N = np.bincount(events.item[rated], values, minlength=known.n_items)
    return np.where(count_N > 0, total_N / np.maximum(count_N, 1), np.nan), count_N


def _votes(table: pl.DataFrame, average: str, count: str, scale: Scale, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Averages of a catalogue's own column; 0 is unknown."""
    raw = table[average]
    values = raw.cast(pl.Float64, strict=False)
    if (bad := raw.is_not_null() & values.is_null()).any():
        raise DataError(f"{where}: {average} holds {raw.filter(bad)[0]!r}: write numbers")
    average_N = values.fill_null(np.nan).to_numpy().copy()
    average_N[~(average_N > 0)] = np.nan
    counts = table[count] if count in table.columns else pl.Series([0] * len(table))
    count_N = counts.cast(pl.Int64, strict=False).fill_null(0).to_numpy().copy()
    return on_scale(average_N, scale), count_N


def _titles_and_years(table: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Titles, and years: of a column `year`, or at the end of the title as in MovieLens, which is taken off.

    So `Godfather, The (1972)` becomes `The Godfather`.
    """
    if "year" in table.columns:
        return table["title"].to_list(), [_text(each)[:4] for each in table["year"]]
    split = table["title"].str.extract_groups(r"^(?<title>.*\S)\s*\((?<year>\d{4})\)\s*$").struct
    years = split.field("year").fill_null("")
    titles = pl.select(
        pl.when(years != "").then(split.field("title").str.replace(_ARTICLE_LAST, "$2 $1")).otherwise(table["title"])
    ).to_series()
    return titles.to_list(), years.to_list()


# --- the published folder ---


def _from_published(path: Path, source: Source) -> Items:
    frames = [schema.collect(schema.scan_table(path / name), name) for name in source.published]
    raw = pl.concat(frames, how="vertical_relaxed")
    raw = raw.rename({"book_id": "item_id", "authors": "actors", "published_year": "year"}, strict=False)
    where = str(path / source.published[0])
    for column in ("item_id", "title", "description", "vote_average"):
        if column not in raw.columns:
            raise DataError(f"{where} has no column {column}: copy the published file again")
    tags = [tags_of(_names(each)) for each in _column(raw, "genres" if "genres" in raw.columns else "categories")]
    people = [_names(each)[: source.max_people] for each in _column(raw, "actors")]
    table = raw.select(
        "item_id",
        pl.col("title").fill_null(""),
        pl.Series("categories", [", ".join(each) for each in tags]),
        pl.Series("brand", [", ".join(each) for each in people]),
        pl.col("description").fill_null(""),
    )
    count = "vote_count" if "vote_count" in raw.columns else "count"
    average_N, count_N = _votes(raw, "vote_average", count, source.scale, where)
    ids = [str(each) for each in raw["item_id"]]
    collection, part_N = _series(path, source, ids, table["title"].to_list())
    return Items(
        ids=ids,
        titles=table["title"].to_list(),
        descriptions=table["description"].to_list(),
        years=[_text(each)[:4] for each in _column(raw, "year" if "year" in raw.columns else "release_date")],
        tags=tags,
        people=people,
        directors=[_text(each) for each in _column(raw, "director")],
        average_N=average_N,
        count_N=count_N,
        unit_NE=text_vectors(table, tags),
        collection=collection,
        part_N=part_N,
        dataset=made_up_past(
            f"emosim {source.name}", table, tags, average_N, np.where(count_N > 0, count_N, _MEDIAN_COUNT), source.scale
        ),
        made_from=f"published {source.name}, compared by shared words and tags, with a made-up past",
        folder=str(path),
    )


def _series(path: Path, source: Source, ids: list[str], titles: list[str]) -> tuple[list[str], np.ndarray]:
    """Series of each item, named by the title of its first part, and the item's place in it."""
    place = {each: row for row, each in enumerate(ids)}
    collection, part_N = [""] * len(ids), np.zeros(len(ids), dtype=np.int64)
    for series in [] if source.series is None else read_lists(path / source.series):
        rows = [place[str(each)] for each in series if str(each) in place]
        for part, row in enumerate(rows, start=1):
            collection[row], part_N[row] = titles[rows[0]], part
    return collection, part_N


def read_lists(path: Path) -> list[list[int]]:
    """Lists of item ids in a JSON file of the published folder.

    Raises
    ------
    DataError
        The file is missing, or holds something else.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): copy the published file again") from error
    found = parse_json(text, str(path))
    if not isinstance(found, list) or not all(isinstance(each, list) for each in found):
        raise DataError(f"{path} holds no list of lists: copy the published file again")
    return found


def published_folder(items: Items) -> Path | None:
    """The published EmoSim-RL folder: the catalogue's own, or that in the environment variable; None without one.

    Raises
    ------
    DataError
        The variable names a folder without published users.
    """
    if items.folder is not None and (Path(items.folder) / "users_books.csv").is_file():
        return Path(items.folder)
    named = os.environ.get(PUBLISHED_FOLDER)
    if not named:
        return None
    if not (Path(named) / "users_books.csv").is_file():
        raise DataError(f"{PUBLISHED_FOLDER}={named} holds no users_books.csv: name the published EmoSim-RL folder")
    return Path(named)


# --- columns ---


def _column(table: pl.DataFrame, name: str | None) -> list[Any]:
    return [None] * len(table) if name is None or name not in table.columns else table[name].to_list()


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else names_in(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _whole(values: list[Any]) -> np.ndarray:
    return np.array([0 if each is None else int(each) for each in values], dtype=np.int64)
