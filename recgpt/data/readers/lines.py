"""Conversion of large line-based files (one record a line, plain or gzipped) to Parquet, in bounded memory."""

import ast
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow.parquet as pq

from recgpt.bounds import FREE_BYTES, MAX_INFLATION, MAX_LINE_BYTES
from recgpt.data.schema import scan_parquet
from recgpt.errors import DataError
from recgpt.progress import Meter

BLOCK_BYTES = 1 << 24
SHOWN_BYTES = 60  # of a broken line in a message
MAX_LITERAL_BYTES = 1 << 20
"""One line of Python text: its syntax tree takes a hundred times as much."""
Schema = Mapping[str, pl.DataType | type[pl.DataType]]


def find(folder: Path, *names: str) -> Path:
    """Path of the first of `names` that `folder` has, plain or gzipped.

    Raises
    ------
    DataError
        None of them exists.
    """
    candidates = [folder / f"{name}{suffix}" for name in names for suffix in ("", ".gz")]
    for path in candidates:
        if path.is_file():
            return path
    raise DataError(f"{folder} has none of {', '.join(path.name for path in candidates)}: download the data set there")


def json_lines(path: Path, schema: Schema, parquet: Path) -> pl.LazyFrame:
    """Copy the fields in `schema` of a JSON-lines file to `parquet`; absent fields are null, nested ones may be text.

    Raises
    ------
    DataError
        A line is no JSON object, a field is of another type, or the file is empty or truncated.
    """

    def parse(block: bytes) -> pl.DataFrame:
        return pl.read_ndjson(io.BytesIO(block), schema=schema)

    return _to_parquet(path, parse, parquet)


def literal_lines(
    path: Path, rows: Callable[[dict[str, Any]], Iterable[tuple[Any, ...]]], schema: Schema, parquet: Path
) -> pl.LazyFrame:
    """Copy a file of one Python dict a line (the form of the UCSD Steam files) to `parquet`.

    Parameters
    ----------
    rows
        Function from one dict to any number of rows of `schema`.

    Raises
    ------
    DataError
        A line is no Python dict of the expected keys, or the file is empty or truncated.
    """

    def parse(block: bytes) -> pl.DataFrame:
        records = (_literal(line) for line in block.decode().split("\n") if line.strip())
        return pl.DataFrame([row for record in records for row in rows(record)], schema=schema, orient="row")

    return _to_parquet(path, parse, parquet)


_BAD_RECORDS: tuple[type[Exception], ...] = (
    pl.exceptions.PolarsError,
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    AttributeError,
)
_BAD_RECORDS += (RecursionError, MemoryError)  # of the parser of Python, for deep nesting


def _literal(line: str) -> Any:
    if len(line) > MAX_LITERAL_BYTES:
        raise ValueError(f"a line of {len(line):,} characters, at most {MAX_LITERAL_BYTES:,} are read")
    return ast.literal_eval(line)


def _to_parquet(path: Path, parse: Callable[[bytes], pl.DataFrame], parquet: Path) -> pl.LazyFrame:
    writer, n_lines = None, 0
    with path.open("rb") as file, Meter(f"read {path.name}", path.stat().st_size) as meter:
        for block in _blocks(path, file):
            try:
                table = parse(block).to_arrow()
            except _BAD_RECORDS as error:
                raise DataError(
                    f"{path}: a record cannot be read, before byte {file.tell():,}{_place(block, n_lines, parse)}: "
                    f"{' '.join(str(error).split()) or repr(error)}. Download the file again, or correct it"
                ) from error
            n_lines += block.count(b"\n")
            writer = writer or pq.ParquetWriter(parquet, table.schema)
            writer.write_table(table)
            meter.update(file.tell() - meter.done)
    if writer is None:
        raise DataError(f"{path} is empty: download it again")
    writer.close()
    return scan_parquet(parquet)


def _place(block: bytes, n_lines: int, parse: Callable[[bytes], pl.DataFrame]) -> str:
    """The first line of a block that cannot be parsed, for a message; `n_lines` come before the block."""
    for number, line in enumerate(block.split(b"\n"), start=n_lines + 1):
        try:
            if line.strip():
                parse(line)
        except _BAD_RECORDS:
            shown = line[:SHOWN_BYTES].decode("utf-8", "replace") + ("..." if len(line) > SHOWN_BYTES else "")
            return f", in line {number:,} {shown!r}"
    return ""


def _blocks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Blocks of about `BLOCK_BYTES` that end with a whole line."""
    lines = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
    n_read, most = 0, FREE_BYTES + MAX_INFLATION * path.stat().st_size
    try:
        while block := lines.read(BLOCK_BYTES):
            rest = lines.readline(MAX_LINE_BYTES + 1)
            n_read += len(block) + len(rest)
            if len(rest) > MAX_LINE_BYTES:
                raise DataError(
                    f"{path}: a line before byte {n_read:,} has more than {MAX_LINE_BYTES:,} bytes: download the"
                    " file again"
                )
            if n_read > most:
                raise DataError(
                    f"{path} unpacks to more than {MAX_INFLATION:,} times its size, as a hostile file does: if you"
                    " trust it, unpack it first"
                )
            yield block + rest
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is truncated ({error}): download it again") from error
