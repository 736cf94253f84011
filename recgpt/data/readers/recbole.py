"""RecBole's atomic files (Zhao et al. 2021): `NAME.inter` with the events, `NAME.item` with the catalogue.

recgpt data import recbole dataset/ml-100k --out data/ml-100k
recgpt data import recbole dataset/ml-100k/ml-100k.inter --title movie_title --categories class --out data/ml-100k

The header names and types each field: `user_id:token`, `title:token_seq`, `timestamp:float`. A benchmark's
`NAME.train.inter`, `NAME.valid.inter` and `NAME.test.inter` become the column `split`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from recgpt.data.ids import IdRule
from recgpt.data.process import workspace, write_dataset
from recgpt.data.readers.holes import Holes
from recgpt.data.readers.tables import copy_columns, dated_columns, usable_tables
from recgpt.data.readers.text_tables import Table, open_table
from recgpt.data.schema import SPLIT_NAMES
from recgpt.errors import DataError

USUAL_NAMES: Mapping[str, Sequence[str]] = {
    "title": ("title", "movie_title", "item_name", "name", "book_title", "app_name", "track_name"),
    "categories": ("categories", "category", "class", "genre", "genres", "tags"),
    "brand": ("brand", "developer", "publisher", "artist"),
    "description": ("description",),
}
"""Names that RecBole's public data sets give to the texts of items."""
TYPES = ("token", "token_seq", "float", "float_seq")


def read(
    source: Path,
    out: Path,
    *,
    user: str = "user_id",
    item: str = "item_id",
    time: str = "timestamp",
    time_format: str | None = None,
    rating: str = "rating",
    title: str | None = None,
    categories: str | None = None,
    brand: str | None = None,
    description: str | None = None,
    ids: IdRule = "auto",
    holes: Holes = "refuse",
    encoding: str | None = None,
    min_records: int = 1,
    overwrite: bool = False,
) -> None:
    """Write a data set folder from the atomic files of one data set.

    Parameters
    ----------
    source
        Folder of the data set, or its `.inter` file.
    user, item, time, rating
        Names of the fields of the events, without their types; time and rating may be absent.
    time_format
        Format of the times, see `recgpt.data.times`; found out by default.
    title, categories, brand, description
        Names of the fields of the catalogue; the usual ones by default.
    ids, holes, encoding
        As for tables.
    min_records
        Minimum number of events of a user; users with fewer are dropped.

    Raises
    ------
    DataError
        A file or a field is missing, a header has no types, or rows cannot be used.
    """
    events_paths, items_path = _find_files(source)
    with workspace(out, overwrite=overwrite) as work:
        catalogue = _open(items_path, work / "items", encoding, [item])
        texts = _texts(
            catalogue, {"title": title, "categories": categories, "brand": brand, "description": description}
        )
        item_rows = copy_columns(catalogue, {"item_id": item, **texts}, work / "listed.parquet")
        if "categories" in texts and _types(catalogue)[texts["categories"]] == "token_seq":
            item_rows = item_rows.with_columns(pl.col("categories").str.replace_all(" ", ", ", literal=True))
        tables, parts = [], []
        for split, path in events_paths.items():
            table = _open(path, work / f"events {split}", encoding, [user, item])
            present = {new: old for new, old in (("timestamp", time), ("rating", rating)) if old in table.columns}
            columns = {"user_id": user, "item_id": item, **present}
            rows = copy_columns(table, columns, work / f"{split}.parquet", as_text=dated_columns(time_format))
            tables.append(table)
            parts.append(rows if split == "all" else rows.with_columns(split=pl.lit(split)))
        events = tables[0]
        if len(tables) > 1:  # places in messages are of one of several files
            names = ",".join(events_paths)
            events = replace(events, path=events.path.with_name(f"{items_path.stem}.{{{names}}}.inter"))
        found = usable_tables(
            events,
            catalogue,
            pl.concat(parts, how="diagonal"),
            item_rows,
            work,
            ids=ids,
            holes=holes,
            times=(time, time_format),
        )
        write_dataset(
            out,
            work,
            interactions=found.interactions,
            items=found.items,
            source=f"RecBole atomic files, {', '.join(path.name for path in events_paths.values())}, {items_path.name}",
            min_records=min_records,
            holes="refuse",
            read=found.read,
            left_out=found.left_out,
            about={} if found.times is None else {"times": found.times.summary()},
        )


def _find_files(source: Path) -> tuple[dict[str, Path], Path]:
    """Files of events, by split or under `all`, and the file of the items."""
    folder = source if source.is_dir() else source.parent
    if not source.exists():
        raise DataError(f"{source} does not exist: name the folder of a RecBole data set, or its .inter file")
    name = source.name if source.is_dir() else source.name.removesuffix(".inter")
    names = [name, *sorted(path.name.removesuffix(".item") for path in folder.iterdir() if path.suffix == ".item")]
    for each in dict.fromkeys(names):
        whole, items = folder / f"{each}.inter", folder / f"{each}.item"
        parts = {split: folder / f"{each}.{split}.inter" for split in SPLIT_NAMES}
        present = {"all": whole} if whole.is_file() else {s: path for s, path in parts.items() if path.is_file()}
        if present and not items.is_file():
            raise DataError(
                f"{items} does not exist: RecGPT needs the texts of the items, so put the .item file of the data set"
                " there"
            )
        if present:
            return present, items
    raise DataError(f"{folder} has no {name}.inter (nor {name}.train.inter): name the folder, or the .inter file")


def _open(path: Path, work: Path, encoding: str | None, wanted: Sequence[str]) -> Table:
    """A table whose columns are named without their types."""
    table = open_table(path, work, encoding=encoding, wanted=[f"{name}:token" for name in wanted])
    untyped = [name for name in table.columns if name.rpartition(":")[2] not in TYPES or ":" not in name]
    if untyped:
        raise DataError(
            f"{path} has a field {untyped[0]!r} without type in its header: write {untyped[0]}:token (or token_seq, "
            "float, float_seq), or import it with `recgpt data import tables`"
        )
    names = [name.rpartition(":")[0] for name in table.columns]
    twice = frozenset(name for name in names if names.count(name) > 1) | {n.rpartition(":")[0] for n in table.repeated}
    rows = table.rows if twice else table.rows.rename(dict(zip(table.columns, names, strict=True)))
    table.say_form()
    return Table(
        path,
        rows,
        tuple(names),
        repeated=frozenset(twice),
        is_untyped=True,
        form=table.form,
        is_usual=table.is_usual,
        may_have_blanks=table.may_have_blanks,
        types=tuple(name.rpartition(":")[2] for name in table.columns),
    )


def _types(table: Table) -> dict[str, str]:
    return dict(zip(table.columns, table.types, strict=True))


def _texts(table: Table, given: Mapping[str, str | None]) -> dict[str, str]:
    """Fields of the catalogue by column of a data set: those given, else those with usual names."""
    texts = {}
    for column, name in given.items():
        found = name or next((usual for usual in USUAL_NAMES[column] if usual in table.columns), None)
        if found is not None:
            texts[column] = table.check_column(found)
    if "title" not in texts:
        raise DataError(
            f"{table.path} has no field with a usual name for titles (it has {', '.join(table.columns)}): "
            "name the field of the titles (--title FIELD)"
        )
    return texts
