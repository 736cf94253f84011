"""Import of your own tables: events and items as CSV, TSV, JSON lines or Parquet, with a mapping of columns.

recgpt data import tables events.csv --items items.csv --user customer --item sku --time bought_at --out data/shop
"""

from pathlib import Path

import polars as pl

from recgpt.data.process import workspace, write_dataset
from recgpt.data.schema import collect
from recgpt.data.text import TEXT_COLUMNS
from recgpt.errors import DataError


def read(
    source: Path,
    out: Path,
    *,
    items: Path,
    user: str = "user_id",
    item: str = "item_id",
    position: str | None = None,
    time: str | None = None,
    milliseconds: bool = False,
    rating: str | None = None,
    catalogue_item: str | None = None,
    title: str = "title",
    categories: str | None = None,
    brand: str | None = None,
    description: str | None = None,
    min_records: int = 1,
    overwrite: bool = False,
) -> None:
    """Write a data set folder from two tables, whose suffix gives the format (`.csv.gz` is read as well).

    Parameters
    ----------
    source, items
        Files of the events and of the catalogue.
    user, item, position, time, rating
        Column names in the events. Events are sorted by position, else by time (ties in file order), else they stay in
        file order. Times are Unix seconds, dates, or ISO 8601 text (UTC without a zone).
    milliseconds
        Whether the numbers in `time` are milliseconds.
    catalogue_item, title, categories, brand, description
        Column names in the catalogue; `catalogue_item` is that of the events by default.
    min_records
        Minimum number of events of a user; users with fewer are dropped.

    Raises
    ------
    DataError
        A column is missing, a time cannot be read, an event's item is not in the catalogue, an item occurs twice.
    """
    events, catalogue = _scan(source), _scan(items)
    mapping = {"user_id": user, "item_id": item, "position": position, "rating": rating}
    columns = [_column(events, source, old).alias(new) for new, old in mapping.items() if old is not None]
    if time is not None:
        columns.append(_seconds(events, source, time, milliseconds).alias("timestamp"))
    texts = dict(zip(TEXT_COLUMNS, (title, categories, brand, description), strict=True))
    fields = [_column(catalogue, items, catalogue_item or item).alias("item_id")]
    fields += [
        _column(catalogue, items, old).cast(pl.String).alias(new) for new, old in texts.items() if old is not None
    ]
    with workspace(out, overwrite=overwrite) as work:
        write_dataset(
            out,
            work,
            interactions=events.select(columns),
            items=catalogue.select(fields),
            source=f"{source.name}, {items.name}",
            min_records=min_records,
            holes="refuse",
        )


def read_items(path: Path) -> pl.DataFrame:
    """Read a catalogue file with a column `title`; all other columns are kept."""
    table = _scan(path)
    _column(table, path, "title")
    return collect(table, str(path))


def read_interactions(path: Path) -> pl.DataFrame:
    """Read events with `user_id`, `item_id` and, if present, `timestamp` (Unix seconds), oldest first.

    Sorted by the column `position` if present, else by time, else in file order.

    Raises
    ------
    DataError
        A missing column, a missing user or item, or a time that cannot be parsed.
    """
    events = _scan(path)
    columns = [_column(events, path, name) for name in ("user_id", "item_id")]
    names = events.collect_schema().names()
    if "timestamp" in names:
        columns.append(_seconds(events, path, "timestamp", milliseconds=False).alias("timestamp"))
    order = next((name for name in ("position", "timestamp") if name in names), None)
    if order is not None:
        events = events.sort(order, maintain_order=True, nulls_last=True)
    table = collect(events.select(columns), str(path))
    for name in ("user_id", "item_id"):
        if table[name].null_count():
            raise DataError(f"{path}: {name!r} is missing in row {table[name].is_null().arg_max()}")
    return table


def _scan(path: Path) -> pl.LazyFrame:
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    match suffix:
        case ".csv":
            return pl.scan_csv(path, infer_schema_length=None)
        case ".tsv":
            return pl.scan_csv(path, separator="\t", infer_schema_length=None)
        case ".jsonl" | ".ndjson":
            return pl.scan_ndjson(path, infer_schema_length=None)
        case ".parquet":
            return pl.scan_parquet(path)
    raise DataError(f"{path}: {suffix or 'no suffix'} is none of .csv, .tsv, .jsonl, .ndjson, .parquet")


def _column(table: pl.LazyFrame, path: Path, name: str) -> pl.Expr:
    try:
        columns = table.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} cannot be read in the format of its suffix: {error}") from error
    if name not in columns:
        raise DataError(f"{path} has no column {name!r} (it has {', '.join(columns)}): give the name of the right one")
    return pl.col(name)


def _seconds(table: pl.LazyFrame, path: Path, name: str, milliseconds: bool) -> pl.Expr:
    column = _column(table, path, name)
    kind = table.collect_schema()[name]
    if kind.is_numeric():
        return (column // (1000 if milliseconds else 1)).cast(pl.Int64)
    if kind == pl.String:
        column = column.str.to_datetime(time_zone="UTC", strict=False)
    elif not kind.is_temporal():
        raise DataError(f"{path}: column {name!r} is {kind}, a time is needed")
    return column.cast(pl.Datetime("ms")).dt.epoch("s")
