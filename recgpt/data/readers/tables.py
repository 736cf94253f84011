"""Import of your own tables: events and items as CSV, TSV, JSON lines or Parquet, with a mapping of columns.

recgpt data import tables events.csv --items items.csv --user customer --item sku --time bought_at --out data/shop

Encoding and separator are recognised and named. Rows that cannot be used are refused in one message, with all reasons,
their counts and the first places; `--holes drop` leaves them out, and `manifest.json` counts them.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recgpt.data.ids import IdColumn, IdRule
from recgpt.data.process import workspace, write_dataset
from recgpt.data.readers.holes import (
    Fault,
    Found,
    Holes,
    cleaned,
    find_faults,
    mark_faults,
    present_faults,
    reasons,
    refusal,
)
from recgpt.data.readers.records import FAULT, FAULT_VALUE, LINE
from recgpt.data.readers.shared_ids import align_ids
from recgpt.data.readers.text_tables import Table, open_table
from recgpt.data.schema import collect, scan_parquet
from recgpt.data.text import ALL_TEXT_COLUMNS, TEXT_COLUMNS, has_text
from recgpt.data.times import UNITS, Times, read_most_times
from recgpt.errors import ConfigError, DataError
from recgpt.progress import note

BOOKKEEPING = (LINE, FAULT, FAULT_VALUE)
_NUMBERS = {"timestamp": pl.Int64, "position": pl.Int64, "rating": pl.Float64}
_AS_NUMBER = " as a number"


def read(
    source: Path,
    out: Path,
    *,
    items: Path,
    user: str = "user_id",
    item: str = "item_id",
    position: str | None = None,
    time: str | None = None,
    time_format: str | None = None,
    rating: str | None = None,
    catalogue_item: str | None = None,
    title: str = "title",
    categories: str | None = None,
    brand: str | None = None,
    description: str | None = None,
    ids: IdRule = "auto",
    holes: Holes = "refuse",
    separator: str | None = None,
    encoding: str | None = None,
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
        file order.
    time_format
        Format of the times, see `recgpt.data.times`; found out by default.
    catalogue_item, title, categories, brand, description
        Column names in the catalogue; `catalogue_item` is that of the events by default.
    ids
        `auto`: ids of text files are numbers if all are canonical numbers; `text`: they are text.
    holes
        `refuse`: rows that cannot be used are an error; `drop`: they are left out and counted in `manifest.json`.
    separator, encoding
        Those of text files; recognised by default.
    min_records
        Minimum number of events of a user; users with fewer are dropped.

    Raises
    ------
    DataError
        A file or a column is missing, or rows cannot be used: without user, item or time, of an unknown item, with an
        unreadable time or rating, with too many or too few fields; items without id or text, or listed twice.
    ConfigError
        An option has no such value.
    """
    if holes not in ("refuse", "drop"):
        raise ConfigError(f"holes={holes!r} is unknown: use refuse or drop")
    catalogue_item = catalogue_item or item
    texts = {new: old for new, old in zip(TEXT_COLUMNS, (title, categories, brand, description), strict=True) if old}
    names = {"user_id": user, "item_id": item, "position": position, "timestamp": time, "rating": rating}
    columns = {new: old for new, old in names.items() if old is not None}
    with workspace(out, overwrite=overwrite) as work:
        form = {"separator": separator, "encoding": encoding}
        events = open_table(source, work / "events", wanted=list(columns.values()), **form)
        catalogue = open_table(items, work / "items", wanted=[catalogue_item, *texts.values()], **form)
        event_rows = copy_columns(events, columns, work / "events.parquet", as_text=dated_columns(time_format))
        item_rows = copy_columns(catalogue, {"item_id": catalogue_item, **texts}, work / "listed.parquet")
        for table in (events, catalogue):
            table.say_form()
        found = usable_tables(
            events,
            catalogue,
            event_rows,
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
            source=f"{source.name}, {items.name}",
            min_records=min_records,
            holes="refuse",
            read=found.read,
            left_out=found.left_out,
            about={
                "files": {table.path.name: table.form for table in (events, catalogue)},
                **({} if found.times is None else {"times": found.times.summary()}),
            },
        )


def read_items(
    path: Path,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Read a catalogue file with a column `title`; all other columns are kept.

    Parameters
    ----------
    columns
        Column in the file by the name that it gets, such as `{"title": "name"}`, for files with other names.

    Raises
    ------
    DataError
        A missing column, or rows that cannot be read.
    """
    with tempfile.TemporaryDirectory() as work:
        named = {"item_id": "item_id", "title": "title", **(columns or {})}
        wanted = list(named.values())
        table = open_table(path, Path(work), separator=separator, encoding=encoding, wanted=wanted)
        for name in ("title", *(columns or ())):
            table.check_column(named[name])
        table.say_form()
        renamed = {old: new for new, old in (columns or {}).items() if old != new}
        rows = table.rows.drop([new for new in renamed.values() if new in table.columns and new not in renamed])
        rows = rows.rename(renamed)
        if named["item_id"] in table.columns:
            table.check_column(named["item_id"])
            rows = mark_faults(_cleaned(table, rows), [_missing("item id", "item_id")])
            (rows,) = align_ids([IdColumn(rows, "item_id", str(path), table.is_untyped)])
        return _whole(table, rows)


def read_events(
    path: Path, wanted: Sequence[str], columns: Mapping[str, str] | None = None
) -> tuple[pl.DataFrame, bool]:
    """Read columns of a file of events as they are written, without blanks around values.

    Parameters
    ----------
    wanted
        Columns to read, as far as the file has them; `user_id` and `item_id` are needed in any case.
    columns
        Column in the file by the name that is read, for files with other names; these are needed too.

    Returns
    -------
    tuple
        The columns, and whether the file has no types (CSV, TSV).

    Raises
    ------
    DataError
        A missing column, a missing user or item, or rows that cannot be read.
    """
    with tempfile.TemporaryDirectory() as work:
        given = columns or {}
        named = {name: given.get(name, name) for name in ("user_id", "item_id", *wanted)}
        table = open_table(path, Path(work), wanted=list(named.values()))
        needed = {"user_id", "item_id", *given}
        present = {new: old for new, old in named.items() if new in needed or old in table.columns}
        table.say_form()
        rows = copy_columns(table, present, Path(work) / "events.parquet", as_text=wanted)
        rows = mark_faults(rows, [_missing("user", "user_id"), _missing("item", "item_id")])
        return _whole(table, rows), table.is_untyped


def _whole(table: Table, rows: pl.LazyFrame) -> pl.DataFrame:
    """All rows of a table of which none may have a fault."""
    found = collect(rows, str(table.path))
    if found[FAULT].null_count() < len(found):
        faults = find_faults(found.lazy(), table.path.name, table.unit)
        raise refusal(faults, f"Correct them in {table.path}")
    return found.drop(BOOKKEEPING)


def dated_columns(time_format: str | None) -> tuple[str, ...]:
    """Columns that stay texts: the timestamp where its format is one of dates, not of numbers."""
    return ("timestamp",) if time_format is not None and time_format not in UNITS else ()


def copy_columns(table: Table, columns: Mapping[str, str], copy: Path, as_text: Sequence[str] = ()) -> pl.LazyFrame:
    """The columns of a table under new names (new -> old), cleaned, from a copy that is read fast and often.

    Parameters
    ----------
    as_text
        Columns that stay text even if all values are numbers, as a format of times reads 01022021.
    """
    rows = table.rows.select(
        *(pl.col(table.check_column(old)).alias(new) for new, old in columns.items()), *BOOKKEEPING
    )
    try:
        _cleaned(table, rows, as_text).sink_parquet(copy, compression="lz4", maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{table.path} cannot be read: {' '.join(str(error).split())}") from error
    return _without_copies(scan_parquet(copy), table.path.name)


def _cleaned(table: Table, rows: pl.LazyFrame, as_text: Sequence[str] = ()) -> pl.LazyFrame:
    """Texts of items as text; ids, times and numbers without blanks around them, which is printed for ids.

    Categories are text. Times, ratings and positions in text, but those of `as_text`, get a copy as numbers.
    """
    rows = rows.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    kinds = rows.collect_schema()
    texts = [name for name in kinds if name in ALL_TEXT_COLUMNS]
    values = [name for name in kinds if name not in (*texts, *BOOKKEEPING) and kinds[name] == pl.String]
    if ids := [name for name in values if name in ("user_id", "item_id") and table.may_have_blanks]:
        blanks = rows.select((pl.col(name) != pl.col(name).str.strip_chars()).sum() for name in ids)
        for name, count in zip(ids, collect(blanks, str(table.path)).row(0), strict=True):
            if count:
                note(f"{table.path.name}: {name!r} has blanks around {count:,} ids: they are taken off")
    numbers = [
        cleaned(name).cast(kind, strict=False).alias(name + _AS_NUMBER)
        for name, kind in _NUMBERS.items()
        if name in values and name not in as_text
    ]
    return rows.with_columns(*(cleaned(name) for name in values), pl.col(texts).cast(pl.String), *numbers)


def _without_copies(rows: pl.LazyFrame, where: str) -> pl.LazyFrame:
    """Rows with the copy as numbers in place of a column of text whose values are all numbers, without other copies."""
    copies = [name for name in rows.collect_schema() if name.endswith(_AS_NUMBER)]
    if not copies:
        return rows
    texts = [name.removesuffix(_AS_NUMBER) for name in copies]
    counts = collect(rows.select(pl.col(*texts, *copies).count()), where).row(0, named=True)
    complete = {text: pl.col(copy) for text, copy in zip(texts, copies, strict=True) if counts[text] == counts[copy]}
    return rows.with_columns(**complete).drop(copies)


# --- rows that can be used ---


@dataclass(frozen=True)
class UsableTables:
    """Rows of two tables that can be used, with what was read and what is left out by kind and reason."""

    interactions: pl.LazyFrame
    items: pl.LazyFrame
    times: Times | None
    read: dict[str, int]
    left_out: dict[str, dict[str, int]]


def usable_tables(
    events: Table,
    catalogue: Table,
    event_rows: pl.LazyFrame,
    item_rows: pl.LazyFrame,
    work: Path,
    *,
    ids: IdRule,
    holes: Holes,
    times: tuple[str | None, str | None],
) -> UsableTables:
    """Check all rows of events and catalogue, under the names of a data set, and leave out those that cannot be used.

    Parameters
    ----------
    events, catalogue
        The files, for messages.
    event_rows, item_rows
        Their copied columns, see `copy_columns`.
    work
        Temporary folder.
    times
        Name of the time column in the file, and its format.

    Raises
    ------
    DataError
        Rows cannot be used and `holes` is `refuse`, or none is left.
    """
    names = events.path.name, catalogue.path.name
    event_rows, item_rows = align_ids(
        [
            IdColumn(event_rows, "item_id", names[0], events.is_untyped),
            IdColumn(item_rows, "item_id", names[1], catalogue.is_untyped),
        ],
        ids,
    )
    (event_rows,) = align_ids([IdColumn(event_rows, "user_id", names[0], events.is_untyped)], ids)
    listed = _listed_items(item_rows, names[1])
    faults_of_items = find_faults(listed.lazy(), names[1], catalogue.unit)
    event_rows, faults, ordered_by, read_as = _event_values(event_rows, names[0], *times)
    known = listed["item_id"].drop_nulls().unique()
    item = pl.col("item_id")
    faults.append(Fault(f"an item that is not in {names[1]}", ~item.is_in(known.implode()), item))
    if holes == "drop" and faults_of_items:
        usable = listed.filter(pl.col(FAULT).is_null())["item_id"]
        faults.append(Fault(f"an item of {names[1]} that is left out", ~item.is_in(usable.implode()), item))
    present = present_faults(event_rows, faults, names[0])
    event_rows = mark_faults(event_rows, present or ())
    faults_of_events = [] if present is None else find_faults(event_rows, names[0], events.unit)
    n_events = int(collect(event_rows.select(pl.len()), names[0]).item())
    _settle(
        [*faults_of_items, *faults_of_events], holes, n_left=n_events - sum(each.count for each in faults_of_events)
    )
    read = {"items": len(listed), "interactions": n_events}
    if faults_of_items:
        faulty = listed.filter(pl.col(FAULT).is_not_null())[LINE]
        item_rows.filter(~pl.col(LINE).is_in(faulty.implode())).sink_parquet(
            work / "usable.parquet", maintain_order=True
        )
        item_rows = scan_parquet(work / "usable.parquet")
    if faults_of_events:
        read["users"] = int(collect(event_rows.select(pl.col("user_id").drop_nulls().n_unique()), names[0]).item())
        event_rows = event_rows.filter(pl.col(FAULT).is_null())
    kept = [
        name for name in ("user_id", "item_id", "timestamp", "rating", "split") if name in event_rows.collect_schema()
    ]
    order = [] if ordered_by is None else [pl.col(ordered_by).alias("position")]
    return UsableTables(
        event_rows.select(*kept, *order),
        item_rows.drop(BOOKKEEPING),
        read_as,
        read,
        {"items": reasons(faults_of_items), "interactions": reasons(faults_of_events)},
    )


def _listed_items(rows: pl.LazyFrame, where: str) -> pl.DataFrame:
    """Ids, lines and faults of the rows of the catalogue."""
    texts = [name for name in rows.collect_schema() if name in TEXT_COLUMNS]
    found = collect(rows.select("item_id", *BOOKKEEPING, has_text=has_text(texts[:1])), where)
    if not found["has_text"].all():  # no title in places: now all texts are worth reading
        found = found.with_columns(collect(rows.select(has_text=has_text(texts)), where))
    item = pl.col("item_id")
    marked = mark_faults(found.lazy(), [_missing("item id", "item_id"), Fault("no text", ~pl.col("has_text"), item)])
    first = pl.when(pl.col(FAULT).is_null()).then(item).is_first_distinct()
    return mark_faults(marked, [Fault("an item id that an earlier row has", ~first, item)]).collect()


def _event_values(
    rows: pl.LazyFrame, where: str, time_column: str | None, time_format: str | None
) -> tuple[pl.LazyFrame, list[Fault], str | None, Times | None]:
    """Events with parsed times, ratings and positions, faults in them, the column that orders them, and the times."""
    faults = [_missing("user", "user_id"), _missing("item", "item_id")]
    present = rows.collect_schema()
    order: str | None = None
    times: Times | None = None
    if "timestamp" in present:
        times, rows, unread = read_most_times(rows, "timestamp", where, time_format, name=time_column)
        faults.append(Fault("a time that cannot be read", unread.is_not_null(), unread))
        rows = rows.with_columns(__order=times.nanoseconds).with_columns(timestamp=times.seconds)
        order = "__order"
    if "position" in present:
        rows, more = _whole_numbers(rows, "position")
        faults += more
        order = "position"
    elif order is not None:
        faults.append(_missing("time", order))
    if "rating" in present:
        rows, more = _numbers(rows, "rating", where)
        faults += more
    return rows, faults, order, times


def _missing(what: str, column: str) -> Fault:
    return Fault(f"no {what}", pl.col(column).is_null())


def _whole_numbers(rows: pl.LazyFrame, column: str) -> tuple[pl.LazyFrame, list[Fault]]:
    """The rows with a column as whole numbers, and the faults of its values."""
    value, written = pl.col(column), f"{column} as written"
    fraction = value.cast(pl.Float64, strict=False)
    fallback = pl.when(fraction == fraction.floor()).then(fraction).cast(pl.Int64, strict=False)
    number = value.cast(pl.Int64, strict=False)
    kind = rows.collect_schema()[column]
    if kind.is_integer():
        return rows, [_missing(column, column)]
    if kind.is_float():
        number = fallback
    rows = rows.with_columns(value.alias(written), pl.coalesce(number, fallback).alias(column))
    unread = pl.col(column).is_null() & pl.col(written).is_not_null()
    return rows, [
        Fault(f"a {column} that is no whole number", unread, pl.col(written)),
        _missing(column, column),
    ]


def _numbers(rows: pl.LazyFrame, column: str, where: str) -> tuple[pl.LazyFrame, list[Fault]]:
    """The rows with a column as numbers, and the faults of its values; decimal commas are read and named."""
    value, written = pl.col(column), f"{column} as written"
    number, kind = value, rows.collect_schema()[column]
    infinite = Fault(f"an infinite {column}", value.is_infinite(), value.cast(pl.String))
    if kind.is_numeric():
        return rows, [infinite] if kind.is_float() else []
    if kind == pl.String:
        has_commas, has_points = collect(
            rows.select(
                commas=value.str.contains(r"^[-+]?\d+,\d+$").any(), points=value.str.contains(".", literal=True).any()
            ),
            where,
        ).row(0)
        if has_commas and not has_points:
            note(f"{where}: {column!r} has decimal commas, 4,5 is read as 4.5")
            number = value.str.replace(",", ".", literal=True)
    rows = rows.with_columns(value.alias(written), number.cast(pl.Float64, strict=False).alias(column))
    unread = pl.col(column).is_null() & pl.col(written).is_not_null()
    return rows, [Fault(f"a {column} that is no number", unread, pl.col(written)), infinite]


def _settle(found: Sequence[Found], holes: Holes, n_left: int) -> None:
    """Refuse rows that cannot be used, or name those that are left out."""
    if not found:
        return
    if holes == "refuse":
        raise refusal(found, "Correct them, or leave them out: --holes drop")
    if not n_left:
        raise refusal(found, "No event is left")
    for each in found:
        note(f"left out of {each.where}: {each}")
