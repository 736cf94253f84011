"""Catalogue and past of a society: made-up films, a data set folder, or the folder of the published CSV files.

    source = load_catalogue(SocietyConfig(dataset="data/demo"))
    source.dataset, source.tags

Shapes: N items, E embedding width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from recgpt.data import schema
from recgpt.data.dataset import Dataset
from recgpt.data.identity import file_sha256
from recgpt.errors import DataError
from recgpt.progress import note
from recgpt.simulate.worlds.gym.domains.made_up import MadeUp, catalogue, made_up_past
from recgpt.simulate.worlds.gym.domains.made_up_films import SECONDARY, SERIES, WORDS
from recgpt.simulate.worlds.gym.domains.texts import tags_in, text_vectors
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.published import LINK_COLUMNS, read_items, read_table

STARS = Scale(1, 5)
FILMS = MadeUp(
    name="made-up films",
    words=WORDS,
    secondary=SECONDARY,
    series=SERIES,
    scale=STARS,
    mean=3.5,
    spread=0.5,
    first_year=1950,
    last_year=2023,
    n_people=2,
    directed=True,
)
DEMOGRAPHICS = ("users.parquet", "ml1m_users.csv")
_SAME_TITLES = 0.5  # least share of linked items whose titles begin alike
_COUNT = 100  # stands in for unknown numbers of ratings in a made-up past


@dataclass(frozen=True)
class Source:
    """Catalogue with a past.

    Attributes
    ----------
    dataset
        Catalogue and interactions.
    tags
        Tags of each item, such as genres.
    unit_NE
        (N, E) float32 vectors of hashed words and tags; the same for every recommender.
    folder
        Folder of the files; None for made-up films.
    has_real_past
        Whether the interactions are of real users.
    is_published
        Whether the folder has the published CSV files.
    files
        Hashes of files by name, besides the data set's own.
    """

    dataset: Dataset
    tags: list[tuple[str, ...]]
    unit_NE: np.ndarray
    folder: Path | None = None
    has_real_past: bool = False
    is_published: bool = False
    files: dict[str, str] = field(default_factory=dict)


def load_catalogue(config: SocietyConfig) -> Source:
    """Read or make the catalogue.

    Raises
    ------
    DataError
        The folder holds no catalogue, or a file of it is damaged.
    """
    if config.dataset is None:
        _refuse_past(config)
        items = catalogue(FILMS)
        return Source(items.dataset, list(items.tags), items.unit_NE)
    folder = Path(config.dataset)
    if (folder / "item.csv").is_file():
        return _published(folder, config)
    if not (folder / "items.parquet").is_file():
        raise DataError(
            f"{folder} holds no catalogue: name a data set folder (items.parquet, interactions.parquet), or a folder"
            " with item.csv"
        )
    _refuse_past(config)
    dataset = Dataset.load(folder, repeats="drop")
    tags = _tags(dataset.items)
    return Source(dataset, tags, text_vectors(dataset.items, tags), folder, has_real_past=True)


def demographics(source: Source) -> tuple[Path, pl.DataFrame] | None:
    """Table of the data set's users with user_id and maybe gender, age and occupation; None without one."""
    for name in DEMOGRAPHICS:
        if source.folder is None or not (path := source.folder / name).is_file():
            continue
        if path.suffix == ".csv":
            return path, read_table(path, ("user_id",))
        return path, schema.collect(schema.scan_table(path), str(path))
    return None


def _refuse_past(config: SocietyConfig) -> None:
    if config.past is not None:
        raise DataError(f"past={config.past!r} is for a dataset with item.csv and item_links.csv: leave it out")


def _tags(items: pl.DataFrame) -> list[tuple[str, ...]]:
    texts: Sequence[str | None] = (
        items["categories"].to_list() if "categories" in items.columns else [None] * len(items)
    )
    return [tags_in(text) for text in texts]


def _published(folder: Path, config: SocietyConfig) -> Source:
    path = folder / "item.csv"
    table = read_items(path)
    tags = _tags(table)
    files = {path.name: file_sha256(path)}
    if config.past is None:
        note(f"{folder}: the past of its items is made up; name a data set folder by past for a real one")
        n_items = len(table)
        past = made_up_past(folder.resolve().name, table, tags, np.full(n_items, 3.5), np.full(n_items, _COUNT), STARS)
        return Source(past, tags, text_vectors(table, tags), folder, is_published=True, files=files)
    links = folder / "item_links.csv"
    files[links.name] = file_sha256(links) if links.is_file() else ""
    past = _linked(folder.resolve().name, table, read_table(links, LINK_COLUMNS), links, Path(config.past))
    made = Source(past, tags, text_vectors(table, tags), folder, is_published=True, files=files)
    return replace(made, has_real_past=True)


def _check_titles(table: pl.DataFrame, pairs: pl.DataFrame, past: Path, where: Path) -> None:
    """Refuse another data set than the linked one, by the first words of titles (some have their article last)."""
    path = past / "items.parquet"
    other = schema.collect(schema.check_items(schema.scan_table(path), str(path)).select("item_id", "title"), str(path))
    both = (
        pairs.with_columns(pl.col("movielens_1m_item").cast(other.schema["item_id"], strict=False))
        .join(other, left_on="movielens_1m_item", right_on="item_id")
        .join(table.select("item_id", own="title"), left_on="id", right_on="item_id")
    )
    starts = [pl.col(name).str.to_lowercase().str.extract(r"(\w+)") for name in ("title", "own")]
    if (both.select((starts[0] == starts[1]).mean()).item() or 0) < _SAME_TITLES:
        raise DataError(f"{where} links items with other titles in {past}: name the data set movielens_1m by past")


def _linked(name: str, table: pl.DataFrame, links: pl.DataFrame, where: Path, past: Path) -> Dataset:
    """Interactions of another data set with the items of this catalogue."""
    path = past / "interactions.parquet"
    events = schema.collect(schema.scan_table(path), str(path))
    for column in ("user_id", "item_id", "position"):
        if column not in events.columns:
            raise DataError(f"{path} has no column {column!r}: name a data set folder by past")
    pairs = links.select(
        pl.col("id").cast(pl.Int64, strict=False),
        pl.col("movielens_1m_item").cast(events.schema["item_id"], strict=False),
    ).drop_nulls()
    pairs = pairs.filter(pl.col("id").is_in(table["item_id"].to_list()))
    _check_titles(table, pairs, past, where)
    found = events.join(
        pairs, left_on="item_id", right_on="movielens_1m_item", how="inner", maintain_order="left"
    ).drop("item_id")
    if found.is_empty():
        raise DataError(f"{where} links no item of {past}: name the data set that its column movielens_1m_item means")
    return Dataset.from_frames(name, found.rename({"id": "item_id"}), table).drop_repeats("drop")
