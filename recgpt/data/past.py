"""Past interactions from a table of any kind, as dense `Interactions` in order.

    past = read_past("events-*.csv", item_ids(items))            # what `Model.index(items, interactions=...)` calls

A source is a table of polars, pandas or Arrow, a DuckDB relation, a file (CSV, TSV, JSON lines, Parquet), a pattern of
files (`events-*.csv`), or files of a data set on the hub (`hf://datasets/owner/name/*.parquet`). It has the columns
`user_id`, `item_id` and, if known, `position`, `timestamp` and `rating`.

Interactions are in order of `position`, else of the full value of `timestamp` (unknown times last), else of the rows;
ties stay in the order of the rows. So the order of rows matters only where neither column decides.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from recgpt.data.catalogue_ids import CatalogueIds
from recgpt.data.dataset import Interactions
from recgpt.data.ids import IdColumn, IdMap, outside_ids
from recgpt.data.readers.shared_ids import align_ids
from recgpt.data.readers.tables import read_events
from recgpt.data.schema import collect, is_text
from recgpt.data.times import read_times
from recgpt.errors import DataError
from recgpt.hub import dataset_files

if TYPE_CHECKING:
    import pandas as pd

PastSource: TypeAlias = Interactions | pl.DataFrame | pl.LazyFrame | str | Path | Any
"""Interactions, or a source of them as above; tables of other libraries are known by their methods."""

COLUMNS = ("user_id", "item_id", "position", "timestamp", "rating")
IN_MEMORY = "the interactions"
_LARGEST_USER = np.iinfo(np.int32).max


def item_ids(items: Any) -> IdMap:
    """Ids of a catalogue: the column `item_id` of a table of items, or the row numbers where there is none.

    Parameters
    ----------
    items
        Table of items (polars or pandas), or N texts or embeddings.

    Raises
    ------
    DataError
        An id is missing, occurs twice, or is neither a whole number nor text.
    """
    if "item_id" in getattr(items, "columns", ()):
        return IdMap(outside_ids(items["item_id"], "item_id", "the items table"), "the items table")
    return IdMap(pl.Series("item_id", range(len(items)), dtype=pl.Int64), "the catalogue's rows (it has no item_id)")


def given_ids(items: Any) -> CatalogueIds:
    """Ids of a catalogue, see `item_ids`; without the column `item_id` no map is made."""
    return CatalogueIds(len(items), item_ids(items) if "item_id" in getattr(items, "columns", ()) else None)


def read_past(
    source: PastSource, items: IdMap, *, time_format: str | None = None, columns: Mapping[str, str] | None = None
) -> Interactions:
    """Interactions of a source, as dense ids: those of items by `items`, those of users in the order of their ids.

    Parameters
    ----------
    time_format
        Format of `timestamp`, see `recgpt.data.times`; None finds it out, and prints it.
    columns
        Column in the files by the name that is read, such as `{"item_id": "sku"}`, for files with other names.

    Raises
    ------
    DataError
        No such file or table, a missing column or value, ids that the catalogue does not have or of another type,
        times that cannot be read, infinite ratings.
    """
    return read_past_and_users(source, items, time_format=time_format, columns=columns)[0]


def read_past_and_users(
    source: PastSource, items: IdMap, *, time_format: str | None = None, columns: Mapping[str, str] | None = None
) -> tuple[Interactions, IdMap | None]:
    """As `read_past`, with the ids of the users, in the order of their dense ids; None for dense `Interactions`."""
    if isinstance(source, Interactions):
        return source, None
    table, where, is_untyped = _open(source, columns or {})
    events = _in_order(table, where, is_untyped, items, time_format)
    users = IdMap(events["user_id"].unique().sort(), where)
    user = events["user_id"].rank("dense").cast(pl.Int64) - 1
    if len(events) and user.max() >= _LARGEST_USER:  # type: ignore[operator]  # polars types max() as any scalar
        raise DataError(f"{where} has more than {_LARGEST_USER:,} users: pass a part of them")
    past = Interactions(
        user.cast(pl.Int32).to_numpy(),
        items.to_dense(events["item_id"]),
        events["timestamp"].fill_null(-1).to_numpy() if "timestamp" in events.columns else None,
        _ratings(events["rating"], where) if "rating" in events.columns else None,
    )
    return past, users


def _in_order(table: pl.LazyFrame, where: str, is_untyped: bool, items: IdMap, time_format: str | None) -> pl.DataFrame:
    present = [name for name in COLUMNS if name in table.collect_schema()]
    for name in ("user_id", "item_id"):
        if name not in present:
            found = ", ".join(table.collect_schema())
            raise DataError(f"{where} has no column {name!r} (it has {found}): rename the right one")
    events = collect(table.select(present), where)
    for name in ("user_id", "item_id"):
        if events[name].null_count():
            raise DataError(f"{where}: {name!r} is missing in row {events[name].is_null().arg_max()}")
    events = events.with_columns(_ids(events, name, where, is_untyped, items) for name in ("user_id", "item_id"))
    order = None
    if "timestamp" in present:
        times = read_times(events.lazy(), "timestamp", where, time_format)
        order = times.nanoseconds.alias("order")
        events = events.with_columns(order, timestamp=times.seconds)
    if "position" in present:
        events = events.with_columns(_position(events["position"], where).alias("order"))
    elif order is None:
        return events
    return events.sort("order", maintain_order=True, nulls_last=True)


def _ids(events: pl.DataFrame, name: str, where: str, is_untyped: bool, items: IdMap) -> pl.Series:
    """Ids of users or items; those of items of a file in the type of the catalogue."""
    if where == IN_MEMORY:
        return outside_ids(events[name], name, where)
    column = IdColumn(events.lazy(), name, where, is_untyped)
    if name == "item_id" and is_text(column.kind) and not items.is_text:
        return _numbers(column, items)
    catalogue = IdColumn(items.ids.to_frame(name).lazy(), name, items.where, is_untyped=False)
    columns = [column] if name == "user_id" else [column, catalogue]
    return outside_ids(collect(align_ids(columns)[0].select(name), where).to_series(), name, where)


def _numbers(column: IdColumn, items: IdMap) -> pl.Series:
    """Item ids in text as the numbers of the catalogue; 123.0, as pandas writes 123 beside gaps, is read as 123."""
    whole = pl.col(column.name).str.replace(r"^(-?\d+)\.0+$", "${1}")
    odd = IdColumn(column.table.select(whole), column.name, column.where, is_untyped=True).not_canonical()
    if odd is not None:
        raise DataError(
            f"{column.where}: 'item_id' {odd!r} is not in {items.where}, whose ids are numbers: write both alike"
        )
    return collect(column.table.select(whole.cast(pl.Int64)), column.where).to_series()


def _position(position: pl.Series, where: str) -> pl.Series:
    if position.dtype == pl.String:
        position = position.cast(pl.Float64, strict=False)
    if not position.dtype.is_numeric():
        raise DataError(f"{where}: column 'position' is {position.dtype}, numbers are needed")
    unknown = position.is_null() | (position.is_nan() if position.dtype.is_float() else False)
    if unknown.any():
        raise DataError(f"{where}: 'position' in row {unknown.arg_max()} is no number: number all interactions")
    return position


def _ratings(rating: pl.Series, where: str) -> np.ndarray:
    known = rating.drop_nulls()
    numbers = known.cast(pl.Float32, strict=False)
    if rating.dtype == pl.Boolean or numbers.null_count():
        example = known.filter(numbers.is_null()).head(1).to_list() or known.head(1).to_list()
        raise DataError(f"{where}: 'rating' is {example[0]!r}: finite numbers are needed, empty = unknown")
    if numbers.is_infinite().any():
        raise DataError(f"{where}: 'rating' is infinite: finite numbers are needed, empty = unknown")
    return rating.cast(pl.Float32).fill_null(float("nan")).to_numpy()


# --- tables of any kind ---


def _open(source: Any, columns: Mapping[str, str]) -> tuple[pl.LazyFrame, str, bool]:
    """The table of a source, its name in messages, and whether it has no types (CSV, TSV)."""
    if isinstance(source, str | Path):
        return _open_files(source, columns)
    if columns:
        raise DataError(f"columns={dict(columns)!r} are for files: rename the columns of a table")
    if isinstance(source, pl.LazyFrame | pl.DataFrame):
        return source.lazy(), IN_MEMORY, False
    if type(source).__module__.split(".")[0] == "pandas":
        return _from_pandas(source), IN_MEMORY, False
    for method in ("pl", "arrow"):  # DuckDB relations
        if callable(getattr(source, method, None)):
            source = getattr(source, method)()
    if isinstance(source, pl.DataFrame):
        return source.lazy(), IN_MEMORY, False
    if hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(source).lazy(), IN_MEMORY, False
    raise DataError(
        f"interactions are a {type(source).__name__}: pass Interactions, a table (polars, pandas, Arrow, a DuckDB "
        "relation), or the path of a file"
    )


def _from_pandas(frame: "pd.DataFrame") -> pl.LazyFrame:
    """Columns of a pandas table that are read."""
    columns = []
    for name in getattr(frame, "columns", ()):
        if name not in COLUMNS:
            continue
        if name in ("user_id", "item_id") and frame[name].dtype == object:
            columns.append(outside_ids(frame[name], name, IN_MEMORY))
            continue
        try:
            columns.append(pl.from_pandas(frame[[name]]).to_series())
        except (TypeError, ValueError) as error:  # Arrow's errors are of these types
            raise DataError(
                f"{IN_MEMORY}: column {name!r} holds values of several types ({error}): convert them to one type"
            ) from error
    return pl.LazyFrame(columns)


# --- files ---


def _open_files(source: str | Path, columns: Mapping[str, str]) -> tuple[pl.LazyFrame, str, bool]:
    paths = _paths(source)
    tables = [read_events(path, COLUMNS, columns) for path in paths]
    if len({is_untyped for _, is_untyped in tables}) > 1:
        raise DataError(
            f"{source}: {', '.join(path.name for path in paths)} are of several formats: pass files of one format"
        )
    wanted = [name for name in COLUMNS if any(name in table.columns for table, _ in tables)]
    for path, (table, _) in zip(paths, tables, strict=True):
        if missing := [name for name in wanted if name not in table.columns]:
            raise DataError(
                f"{path} has no column {missing[0]!r}, which another file of {source} has: give all files the same"
                " columns"
            )
    try:
        whole = pl.concat((table.select(wanted) for table, _ in tables), how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{source}: a column has different types in different files ({error}): convert it to one type"
        ) from error
    return whole.lazy(), str(paths[0] if len(paths) == 1 else source), tables[0][1]


def _paths(source: str | Path) -> Sequence[Path]:
    """Files of a path, a pattern or an address of the hub, in order of their names."""
    if str(source).startswith("hf://"):
        return dataset_files(str(source))
    if not Path(source).exists() and any(sign in str(source) for sign in "*?["):
        pattern = Path(source).absolute()
        root = Path(pattern.anchor)
        if paths := sorted(path for path in root.glob(str(pattern.relative_to(root))) if path.is_file()):
            return paths
        raise DataError(f"no file matches {str(source)!r}: check the pattern")
    return [Path(source)]
