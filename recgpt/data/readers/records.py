"""Record by record reading of irregular text files, each copied to Parquet with the faults of its rows.

CSV: other encodings than UTF-8, line ends of old Macs, zero bytes, blank lines, quoted fields of several lines, quotes
inside fields or never closed, records with too many or too few fields. JSON lines: lines that are no JSON object.
"""

import csv
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recgpt.data.readers.encodings import MAX_LINE_BYTES, check_inflation, encoding_title, open_bytes
from recgpt.data.schema import scan_parquet
from recgpt.errors import DataError

LINE, FAULT, FAULT_VALUE = "__line", "__fault", "__fault_value"
"""Columns of a row's line, of the reason why it cannot be read, and of the value that is wrong."""
TOO_MANY, TOO_FEW = "too many fields", "too few fields"
OPEN_QUOTE = "a quote that is never closed"
NOT_UTF8 = "bytes that are not UTF-8"
ZERO_BYTE = "a zero byte"
NOT_JSON = "no JSON object"
ROWS_PER_BLOCK = 50_000
MAX_RECORD_LINES = 10_000
MAX_COLUMNS = 10_000
SHOWN = 60  # characters of a broken line in a message
_BROKEN_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Source:
    r"""A text file that is read record by record.

    Attributes
    ----------
    path
        The file.
    encoding
        Its encoding.
    newline
        Its line end, `\n` (also for `\r\n`) or `\r`.
    skip
        Number of lines before the header.
    """

    path: Path
    encoding: str
    newline: str
    skip: int = 0

    @contextmanager
    def lines(self) -> Iterator["Lines"]:
        """The lines of the file.

        Raises
        ------
        DataError
            A line is not of the encoding, or too long.
        """
        errors = "surrogateescape" if self.encoding in ("utf-8", "utf-8-sig") else "strict"
        with open_bytes(self.path) as file:
            text = TextIOWrapper(file, encoding=self.encoding, errors=errors, newline=self.newline)
            lines = Lines(text, self.path)
            try:
                yield lines
            except UnicodeError as error:
                raise DataError(
                    f"{self.path}: after line {lines.number:,} it is not {encoding_title(self.encoding)} "
                    f"({getattr(error, 'reason', error)}): save it as UTF-8, or import it with `recgpt data import"
                    " ... --encoding NAME`"
                ) from error
            text.detach()


class Lines:
    """Lines of a text, counted from 1, that can be given back.

    Attributes
    ----------
    number
        Number of the line that was taken last.
    """

    def __init__(self, text: TextIOWrapper, path: Path) -> None:
        self._text = text
        self._path = path
        self._given_back: deque[str] = deque()
        self.number = 0
        self._n_read = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._text.readline(MAX_LINE_BYTES)
        if not line:
            raise StopIteration
        if len(line) >= MAX_LINE_BYTES:
            raise DataError(
                f"{self._path}: line {self.number + 1:,} has more than {MAX_LINE_BYTES >> 20} million characters: "
                "export it again, one row a line"
            )
        self.number += 1
        self._n_read += len(line)
        if self.number % ROWS_PER_BLOCK == 0:
            check_inflation(self._path, self._n_read)
        return line if self.number > 1 else line.removeprefix("\ufeff")

    def give_back(self, lines: Sequence[str]) -> None:
        """Return lines, in their order, that were taken last."""
        self._given_back.extendleft(reversed(lines))
        self.number -= len(lines)


@dataclass(frozen=True)
class Record:
    """One row of a text file: its first line, its fields, and what is wrong with it."""

    line: int
    fields: Sequence[str | None]
    fault: str | None = None
    value: str | None = None


def copy_delimited(source: Source, separator: str, columns: Sequence[str], work: Path) -> pl.LazyFrame:
    """Rows of a CSV file, copied to a Parquet file in `work`.

    Raises
    ------
    DataError
        The file has no rows, or is not of its encoding.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    with source.lines() as lines:
        for _ in range(source.skip):
            next(lines)
        header = next(_records(lines, separator, None), None)
        found = _records(lines, separator, len(columns)) if header is not None else iter(())
        return _write(source.path, found, columns, work)


def copy_json_lines(source: Source, work: Path) -> tuple[pl.LazyFrame, tuple[str, ...]]:
    """Rows and columns of a file of JSON lines, copied to a Parquet file in `work`; all values become text.

    Raises
    ------
    DataError
        No line is a JSON object, or the file is not of its encoding.
    """
    keys: dict[str, None] = {}
    with source.lines() as lines:
        for line in lines:
            keys.update(dict.fromkeys(_json_object(line) or ()))
            if len(keys) > MAX_COLUMNS:
                raise DataError(
                    f"{source.path} has more than {MAX_COLUMNS:,} different keys: export it as a table with fewer"
                    " columns"
                )
    if not keys:
        raise DataError(f"{source.path} has no line with a JSON object: write one {{...}} on each line")
    with source.lines() as lines:
        return _write(source.path, _json_records(lines, tuple(keys)), tuple(keys), work), tuple(keys)


def _write(path: Path, found: Iterable[Record], columns: Sequence[str], work: Path) -> pl.LazyFrame:
    work.mkdir(parents=True, exist_ok=True)
    copy = work / "records.parquet"
    schema = pa.schema(
        [(name, pa.large_string()) for name in columns]
        + [(LINE, pa.int64()), (FAULT, pa.large_string()), (FAULT_VALUE, pa.large_string())]
    )
    block: list[Record] = []
    n_rows = n_characters = 0
    with pq.ParquetWriter(copy, schema) as writer:
        for record in found:
            block.append(record)
            n_rows += 1
            n_characters += sum(len(each) for each in record.fields if each is not None)
            if len(block) == ROWS_PER_BLOCK or n_characters > MAX_LINE_BYTES:
                writer.write_table(_as_table(block, schema))
                block, n_characters = [], 0
        if block:
            writer.write_table(_as_table(block, schema))
    if not n_rows:
        raise DataError(f"{path} has a header line and no rows: export it again")
    return scan_parquet(copy)


def _as_table(block: Sequence[Record], schema: pa.Schema) -> pa.Table:
    values: list[Sequence[Any]] = list(zip(*(record.fields for record in block), strict=True))
    values += [
        [record.line for record in block],
        [record.fault for record in block],
        [record.value for record in block],
    ]
    return pa.table([pa.array(each, kind) for each, kind in zip(values, schema.types, strict=True)], schema=schema)


# --- CSV ---


def _records(lines: Lines, separator: str, n_fields: int | None) -> Iterator[Record]:
    """Records of a CSV file with `n_fields` fields (None: any number); blank lines are left out."""
    for line in lines:
        number = lines.number
        if not line.strip():
            continue
        quote_is_open = False
        if '"' in line:
            fields, quote_is_open = _quoted_record(line, lines, separator, n_fields)
        else:
            fields = line.rstrip("\r\n").split(separator)
        yield _checked(number, fields, line, n_fields, quote_is_open)


def _quoted_record(line: str, lines: Lines, separator: str, n_fields: int | None) -> tuple[list[str], bool]:
    """Fields of a record that starts in `line`, and whether a quote in it is never closed.

    A quoted field may go on in the next lines. If it does not end, or the record is none then, it is the one line.
    """
    taken: list[str] = []
    ended = True

    def record_lines() -> Iterator[str]:
        nonlocal ended
        yield line
        for following in lines:
            taken.append(following)
            if len(taken) > MAX_RECORD_LINES:
                break
            yield following
        ended = False

    form: dict[str, Any] = {"delimiter": separator, "skipinitialspace": separator != " "}
    try:
        fields = next(csv.reader(record_lines(), strict=True, **form))
        if ended and (not taken or n_fields is None or len(fields) == n_fields):
            return fields, False
    except csv.Error:
        if not taken and ended:  # such as `"a" ,"b"`: a quote that ends before its field
            with suppress(csv.Error):
                return next(csv.reader([line], **form)), False
    lines.give_back(taken)
    return line.rstrip("\r\n").split(separator), True


def _checked(number: int, fields: list[str], line: str, n_fields: int | None, quote_is_open: bool) -> Record:
    fault = value = None
    n_found = len(fields)
    if n_fields is not None and n_found != n_fields:
        fields = (fields + [""] * n_fields)[:n_fields]
    if not line.isascii() and _BROKEN_BYTE.search("".join(fields)):
        fault, value = NOT_UTF8, _shown(line)
        fields = [_BROKEN_BYTE.sub("\ufffd", each) for each in fields]
    elif "\0" in line:
        fault, value = ZERO_BYTE, _shown(line)
    elif quote_is_open:
        fault, value = OPEN_QUOTE, _shown(line)
    elif n_fields is not None and n_found != n_fields:
        fault = TOO_MANY if n_found > n_fields else TOO_FEW
        value = f"{n_found} instead of {n_fields}"
    return Record(number, fields, fault, value)


def _shown(line: str) -> str:
    text = _BROKEN_BYTE.sub("\ufffd", line.strip())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


# --- JSON lines ---


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _json_records(lines: Lines, columns: Sequence[str]) -> Iterator[Record]:
    nothing = (None,) * len(columns)
    for line in lines:
        if not line.strip():
            continue
        content = _json_object(line)
        if _BROKEN_BYTE.search(line):
            yield Record(lines.number, nothing, NOT_UTF8, _shown(line))
        elif content is None:
            yield Record(lines.number, nothing, NOT_JSON, _shown(line))
        else:
            yield Record(lines.number, [_as_text(content.get(column)) for column in columns])


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return ", ".join(filter(None, map(_as_text, value)))
    return json.dumps(value, ensure_ascii=False)
