"""Checks of the two tables of a data set folder: column names, types, missing values."""

import re
from pathlib import Path
from typing import Any

import polars as pl

from recgpt.bounds import check_parquet
from recgpt.data.text import ALL_TEXT_COLUMNS, TEXT_COLUMNS
from recgpt.errors import DataError

# Codes of the `split` column, in this order.
SPLIT_NAMES = ("train", "valid", "test")
EXAMPLES = 3  # values in a message
# Unix seconds above this are after the year 5000, so the source must have used milliseconds.
MAX_SECONDS = 100_000_000_000


def scan_parquet(path: Path) -> pl.LazyFrame:
    """Open a Parquet file lazily; every character of the path is taken literally.

    Polars would read `*`, `?` and `[` as patterns for several files, and `~` and `hf:` as other places.
    """
    if path.is_file():
        check_parquet(path)
    return pl.scan_parquet(path.absolute(), glob=False)


def scan_json_lines(path: Path, **options: Any) -> pl.LazyFrame:
    """Open a file of JSON lines lazily; every character of the path is taken literally, as by `scan_parquet`.

    Parameters
    ----------
    options
        Options of Polars, such as `row_index_name`.
    """
    literal = re.sub(r"([*?[])", r"[\1]", str(path.absolute()))  # Polars has no option against patterns here
    return pl.scan_ndjson(literal, infer_schema_length=None, **options)


def scan_table(path: Path) -> pl.LazyFrame:
    """Open a table of a data set folder lazily.

    Raises
    ------
    DataError
        The file is missing, truncated or no Parquet.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist: a data set folder needs interactions.parquet and items.parquet")
    try:
        table = scan_parquet(path)
        table.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} is truncated or no Parquet file ({_first_line(error)}): make it again") from error
    return table


def collect(table: pl.LazyFrame, where: str) -> pl.DataFrame:
    """Run a query; a file damaged half-way raises a `DataError` that names `where`."""
    try:
        return table.collect()
    except (pl.exceptions.ComputeError, OSError) as error:
        raise DataError(f"{where} cannot be read ({_first_line(error)}): copy or make it again") from error


def check_items(items: pl.LazyFrame, where: str) -> pl.LazyFrame:
    """Check the columns of a catalogue and add missing text columns, empty."""
    schema = items.collect_schema()
    _require(schema, ("item_id", "title"), where)
    item_id = _ids(items, "item_id", where)
    for column in ALL_TEXT_COLUMNS:
        if column in schema and schema[column] not in (pl.String, pl.Null):
            raise DataError(f"{where}: column {column!r} is {schema[column]}, text is needed")
    missing = [c for c in TEXT_COLUMNS if c not in schema]
    return items.with_columns(item_id, *[pl.lit("").alias(c) for c in missing]).with_columns(
        pl.col(TEXT_COLUMNS).cast(pl.String).fill_null("")
    )


def check_interactions(interactions: pl.LazyFrame, item_id_type: pl.DataType, where: str) -> pl.LazyFrame:
    """Check the columns of interactions and cast them to the types of `Interactions`.

    Returns `user_id, item_id, position` and, where present, `timestamp` (Int64, -1 = unknown), `rating` (Float32, NaN =
    unknown) and `split` (Int8, an index into `SPLIT_NAMES`).
    """
    schema = interactions.collect_schema()
    _require(schema, ("user_id", "item_id", "position"), where)
    user_id, item_id = _ids(interactions, "user_id", where), _ids(interactions, "item_id", where)
    if is_text(schema["item_id"]) != is_text(item_id_type):
        raise DataError(
            f"{where}: item_id is {schema['item_id']} here and {item_id_type} in the catalogue: cast one to the other"
        )
    if not schema["position"].is_integer():
        raise DataError(f"{where}: column 'position' is {schema['position']}, whole numbers are needed")
    columns = [user_id, item_id, pl.col("position").cast(pl.Int64)]
    if "timestamp" in schema:
        if not schema["timestamp"].is_integer():
            raise DataError(f"{where}: column 'timestamp' is {schema['timestamp']}, whole Unix seconds are needed")
        columns.append(pl.col("timestamp").cast(pl.Int64).fill_null(-1))
    if "rating" in schema:
        if not schema["rating"].is_numeric():
            raise DataError(f"{where}: column 'rating' is {schema['rating']}, numbers are needed")
        columns.append(pl.col("rating").cast(pl.Float32).fill_null(float("nan")))
    if "split" in schema:
        codes = {name: code for code, name in enumerate(SPLIT_NAMES)}
        columns.append(
            pl.col("split").cast(pl.String).replace_strict(codes, default=None, return_dtype=pl.Int8).alias("split")
        )
    return interactions.select(columns)


def check_values(column: pl.Series, where: str) -> None:
    """Check the values of one column of `check_interactions`'s output."""
    name = column.name
    if column.null_count():
        row = column.is_null().arg_max()
        if name == "split":
            raise DataError(f"{where}: 'split' in row {row} is not one of {', '.join(SPLIT_NAMES)}")
        raise DataError(f"{where}: {name!r} is missing in {column.null_count():,} rows, the first is row {row}")
    if name == "rating" and column.is_infinite().any():
        row = column.is_infinite().arg_max()
        raise DataError(f"{where}: 'rating' is infinite in row {row}: finite numbers are needed, empty = unknown")
    if name == "timestamp":
        low, high = column.min(), column.max()
        if low < -1 or high > MAX_SECONDS:  # type: ignore[operator]  # polars types min() as any scalar
            raise DataError(
                f"{where}: 'timestamp' runs from {low!r} to {high!r}; Unix seconds are needed, -1 = unknown"
                " (divide milliseconds by 1000)"
            )


def _require(schema: pl.Schema, columns: tuple[str, ...], where: str) -> None:
    missing = [c for c in columns if c not in schema]
    if missing:
        raise DataError(
            f"{where} has no column {', '.join(map(repr, missing))} (it has {', '.join(schema)}):"
            " name it so, or import the file with a column mapping (`recgpt data import tables --help`)"
        )


def is_text(kind: pl.DataType) -> bool:
    """Whether a column type holds texts, be it as categories."""
    return kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum)


def _ids(table: pl.LazyFrame, column: str, where: str) -> pl.Expr:
    """A column of ids, categories as text; a DataError with examples if they are neither whole numbers nor text."""
    kind = table.collect_schema()[column]
    if is_text(kind):
        return pl.col(column).cast(pl.String)
    if not kind.is_integer():
        examples = collect(table.select(column).head(EXAMPLES), where).to_series().to_list()
        raise DataError(
            f"{where}: column {column!r} is {kind} ({', '.join(map(repr, examples))}), whole numbers or text are needed"
        )
    return pl.col(column)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
