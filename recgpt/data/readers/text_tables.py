"""Tables of any origin: CSV, TSV and JSON lines (plain or gzipped) and Parquet, with the line of every row.

    with tempfile.TemporaryDirectory() as work:
        table = open_table(Path("events.csv"), Path(work), wanted=("user_id", "item_id"))
        table.rows                 # lazy: the columns of the file, and LINE, FAULT, FAULT_VALUE
        table.form                 # "Windows-1252 (cp1252), separator ';'"

Columns of CSV files are text, as written. A regular file (UTF-8, one record a line, all of them with the same number of
fields) is scanned by Polars where it lies, after one pass over its bytes. Any other is copied, record by record, to a
Parquet file in the folder `work`, in bounded memory; a row that cannot be read has its reason in FAULT.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recgpt.data.readers import records
from recgpt.data.readers.encodings import (
    HEAD_BYTES,
    blocks_of_lines,
    check_encoding,
    encoding_title,
    marked_encoding,
    open_bytes,
    unmarked_encoding,
)
from recgpt.data.readers.records import FAULT, FAULT_VALUE, LINE
from recgpt.data.schema import scan_json_lines, scan_parquet
from recgpt.errors import ConfigError, DataError
from recgpt.progress import note

SEPARATORS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
"""Separators that are recognised, with their names in messages."""
DELIMITED = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t"}
"""Usual separator by suffix."""
JSON_LINES = (".jsonl", ".ndjson")
_NAMED_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_UTF8 = (None, "utf-8", "utf-8-sig")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # the first line of CSV files of Excel
_ANY_BYTE = bytes(range(256))


@dataclass(frozen=True)
class Table:
    """A table in a file.

    Attributes
    ----------
    path
        The file.
    rows
        The columns of the file; LINE, the line of a text file (counted from 1) or the row of a Parquet file (counted
        from 0); FAULT, the reason why the row cannot be read, or null; FAULT_VALUE, what is wrong in it.
    columns
        Names of the columns of the file.
    repeated
        Names that the header has more than once.
    is_untyped
        Whether the file has no types, so that all columns are text.
    form
        Encoding and separator of a text file, for messages and the manifest.
    is_usual
        Whether the form is what the suffix suggests.
    may_have_blanks
        Whether fields may begin or end with a blank.
    types
        Types of the columns, where the header has them (RecBole).
    """

    path: Path
    rows: pl.LazyFrame
    columns: tuple[str, ...]
    repeated: frozenset[str] = frozenset()
    is_untyped: bool = False
    form: str = "Parquet"
    is_usual: bool = True
    may_have_blanks: bool = False
    types: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Word for what LINE counts."""
        return "row" if self.form == "Parquet" else "line"

    def check_column(self, name: str) -> str:
        """The name, if the table has exactly one such column.

        Raises
        ------
        DataError
            It has none, or several.
        """
        if name in self.repeated:
            raise DataError(f"{self.path} has several columns {name!r} in its header: give each its own name")
        if name not in self.columns:
            listed = ", ".join(self.columns)
            raise DataError(f"{self.path} has no column {name!r} (it has {listed}): {self._remedy()}")
        return name

    def _remedy(self) -> str:
        numbers = [name for name in self.columns if re.fullmatch(r"-?\d+([.,]\d+)?", name)]
        if numbers:
            return f"its first line looks like data ({numbers[0]!r}), so put a line with the names of the columns first"
        if len(self.columns) == 1 and self.is_untyped:
            return "give the name of the right one, or the separator (`recgpt data import tables --separator`)"
        return "give the name of the right one"

    def say_form(self) -> None:
        """Print what the file was read as, unless it is the usual."""
        if not self.is_usual:
            note(f"{self.path}: read as {self.form}")


def open_table(
    path: Path, work: Path, *, separator: str | None = None, encoding: str | None = None, wanted: Sequence[str] = ()
) -> Table:
    """Open a file whose suffix gives its format (`.csv.gz` is read as well).

    Parameters
    ----------
    path
        The file.
    work
        Temporary folder for a copy of an irregular file; the rows are read from there.
    separator
        Separator of fields, one character or `tab`; None recognises `,`, `;`, tab and `|` by the header.
    encoding
        Encoding of the text; None recognises UTF-8, UTF-16 and Windows-1252.
    wanted
        Names of columns that are needed, by which the separator is recognised.

    Raises
    ------
    DataError
        The file is missing, empty, truncated, of another format, or its encoding is not recognised.
    ConfigError
        The separator or the encoding is none.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder: name the file in it")
    if not path.exists():
        raise DataError(f"{path} does not exist: check its name and folder")
    encoding = None if encoding is None else check_encoding(encoding)
    separator = None if separator is None else _check_separator(separator)
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    if suffix.lower() in DELIMITED:
        return _open_delimited(path, work, DELIMITED[suffix.lower()], separator, encoding, wanted)
    if suffix.lower() in JSON_LINES:
        return _open_json_lines(path, work, encoding)
    if suffix.lower() == ".parquet":
        return _open_parquet(path)
    suffixes = ", ".join((*DELIMITED, *JSON_LINES, ".parquet"))
    raise DataError(f"{path}: {suffix or 'no suffix'} is none of {suffixes}: rename the file, or export it as CSV")


def _without_faults(rows: pl.LazyFrame) -> pl.LazyFrame:
    nothing = pl.lit(None, pl.String)
    return rows.with_columns(pl.col(LINE).cast(pl.Int64), nothing.alias(FAULT), nothing.alias(FAULT_VALUE))


def _open_parquet(path: Path) -> Table:
    try:
        rows = scan_parquet(path)
        columns = tuple(rows.collect_schema().names())
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise DataError(f"{path} cannot be read in the format of its suffix ({reason}): make it again") from error
    return Table(path, _without_faults(rows.with_row_index(LINE)), columns)


# --- CSV and TSV ---


def _open_delimited(
    path: Path, work: Path, usual: str, separator: str | None, encoding: str | None, wanted: Sequence[str]
) -> Table:
    head, encoding = _head(path, encoding)
    newline = "\n" if "\n" in head else "\r"
    lines = head.split(newline)
    start = next(number for number, line in enumerate(lines) if line.strip())
    if (told := _SEPARATOR_LINE.fullmatch(lines[start])) and len(lines) > start + 1:
        separator, start = separator or told[1], start + 1
    rest = newline.join(lines[start:])
    separator = separator or _find_separator(rest, usual, wanted)
    header = [name.strip() for name in _split(rest, separator)]
    columns = tuple(_distinct(header))
    found, may_have_blanks = None, True
    if start == 0 and newline == "\n" and encoding in _UTF8 and separator.isascii():
        found, may_have_blanks = _scan_regular(path, work, separator, columns)
    if found is None:
        encoding = encoding or unmarked_encoding(path)
        source = records.Source(path, encoding, newline, skip=start)
        found = records.copy_delimited(source, separator, columns, work)
    form = f"{encoding_title(encoding or 'utf-8')}, separator {SEPARATORS.get(separator, repr(separator))}"
    return Table(
        path,
        found,
        columns,
        repeated=frozenset(name for name in header if header.count(name) > 1),
        is_untyped=True,
        form=form,
        is_usual=encoding in (None, "utf-8") and separator == usual,
        may_have_blanks=may_have_blanks,
    )


def _head(path: Path, encoding: str | None) -> tuple[str, str | None]:
    """The beginning of a file, and its encoding if it has a mark or is not UTF-8 from the beginning."""
    with open_bytes(path) as file:
        head = file.read(HEAD_BYTES)
    marked = marked_encoding(head)
    if encoding is None or (encoding == "utf-8" and marked == "utf-8-sig"):
        encoding = marked
    if encoding is None:
        try:
            head[: head.rfind(b"\n") + 1 or len(head)].decode("utf-8")
        except UnicodeDecodeError:
            encoding = unmarked_encoding(path)
    try:
        text = head.decode(encoding or "utf-8", "replace")
    except LookupError as error:
        raise ConfigError(
            f"unknown encoding {encoding!r}: give one such as utf-8, utf-16, cp1252, cp1251, shift_jis"
        ) from error
    text = text.removeprefix("\ufeff")
    if not text.strip("\0 \t\r\n"):
        raise DataError(f"{path} is empty: export it again, with the names of the columns in the first line")
    return text, encoding


def _find_separator(text: str, usual: str, wanted: Sequence[str]) -> str:
    """The separator that finds most of the wanted columns in the header; the usual one, or most fields, in a tie."""

    def fit(separator: str) -> tuple[int, bool, int]:
        header = [name.strip() for name in _split(text, separator)]
        return len(set(wanted) & set(header)), separator == usual and len(header) > 1, len(header)

    return max((usual, *(each for each in SEPARATORS if each != usual)), key=fit)


def _split(text: str, separator: str) -> list[str]:
    """Fields of the first record."""
    try:
        return next(csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=separator != " "), [])
    except csv.Error:
        return re.split(r"[\r\n]", text, maxsplit=1)[0].split(separator)


def _distinct(header: Sequence[str]) -> list[str]:
    """Names of columns, all different and none empty."""
    names: list[str] = []
    for number, name in enumerate(header, start=1):
        name = name or f"column {number}"
        while name in names:
            name = f"{name} ({number})"
        names.append(name)
    return names


def _check_separator(separator: str) -> str:
    separator = _NAMED_SEPARATORS.get(separator, separator)
    if len(separator) != 1 or separator in '"\r\n\0':
        raise ConfigError(f"separator {separator!r} is not one character: give one such as ';', or `tab`")
    return separator


def _scan_regular(path: Path, work: Path, separator: str, columns: Sequence[str]) -> tuple[pl.LazyFrame | None, bool]:
    """The rows of a regular file, None for any other; and whether fields may begin or end with a blank."""
    found = _Regularity(separator, len(columns))
    with open_bytes(path) as file:
        if isinstance(file, io.BufferedReader):
            plain = path
            is_regular = all(map(found.add, blocks_of_lines(file, path)))
        else:
            work.mkdir(parents=True, exist_ok=True)
            plain = work / "unpacked.csv"
            with plain.open("wb") as copy:
                is_regular = all(found.add(block) and copy.write(block) for block in blocks_of_lines(file, path))
    if not is_regular:
        return None, True
    if not found.n_rows:
        raise DataError(f"{path} has a header line and no rows: export it again")
    rows = pl.scan_csv(
        plain.absolute(),
        glob=False,
        has_header=False,
        skip_lines=1,
        separator=separator,
        schema=dict.fromkeys(columns, pl.String),
        row_index_name=LINE,
        row_index_offset=2,
    )
    return _without_faults(rows), found.may_have_blanks


class _Regularity:
    """Check of a file, block by block: UTF-8, one record a line, the same number of fields in each.

    Quoted fields are cut out of a block first; then only separators and line ends are left of it, which must follow
    each other in one pattern. All of these are single operations on bytes, at the speed of memory.

    Attributes
    ----------
    n_rows
        Number of rows after the header.
    may_have_blanks
        Whether a field may begin or end with a blank.
    """

    def __init__(self, separator: str, n_fields: int) -> None:
        mark = separator.encode()
        self.n_rows = -1
        self.may_have_blanks = False
        self._n_fields = n_fields
        self._others = _ANY_BYTE.translate(None, mark + b"\n")
        self._quoted = re.compile(rb'(?<=[\n%b])"(?:[^"\n]|"")*"(?=[\r\n%b])' % ((re.escape(mark),) * 2))
        self._pattern = mark * (n_fields - 1) + b"\n"
        edges = (mark, b"\n", b"\r")
        self._blanks = [b" " + edge for edge in edges] + [edge + b" " for edge in edges] + [b'" ', b' "']

    def add(self, block: bytes) -> bool:
        """Whether a block of whole lines is regular."""
        block = block if block.endswith(b"\n") else block + b"\n"
        if not _is_plain_text(block):
            return False
        self.may_have_blanks = self.may_have_blanks or any(blank in block for blank in self._blanks)
        if b'"' in block:
            block = self._quoted.sub(b"", b"\n" + block)[1:]
        if b'"' in block:
            return False
        if self._n_fields == 1 and (b"\n\n" in block or b"\n\r\n" in block or block[:1] in b"\r\n"):
            return False
        marks = block.translate(None, self._others)
        n_records = len(marks) // self._n_fields
        self.n_rows += n_records
        return marks == self._pattern * n_records


def _is_plain_text(block: bytes) -> bool:
    r"""Whether a block is UTF-8 without zero bytes, and its lines end with `\n` or `\r\n`."""
    if b"\0" in block or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")):
        return False
    if block.isascii():
        return True
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# --- JSON lines ---


def _open_json_lines(path: Path, work: Path, encoding: str | None) -> Table:
    _, encoding = _head(path, encoding)
    found = _scan_json(path) if encoding in (None, "utf-8") else None
    if found is not None:
        rows, columns = found
        return Table(path, rows, columns, form="UTF-8 JSON lines")
    encoding = encoding or unmarked_encoding(path)
    rows, columns = records.copy_json_lines(records.Source(path, encoding, "\n"), work)
    form = f"{encoding_title(encoding)} JSON lines"
    return Table(path, rows, columns, is_untyped=True, form=form, is_usual=encoding == "utf-8")


def _scan_json(path: Path) -> tuple[pl.LazyFrame, tuple[str, ...]] | None:
    """Rows and columns of a file in which every line is a JSON object; None for any other."""
    with open_bytes(path) as file:
        for number, block in enumerate(blocks_of_lines(file, path)):
            if not _is_plain_text(block) or b"\n\n" in block or b"\n\r\n" in block or block[:1] in b"\r\n":
                return None
            if number == 0 and block.lstrip()[:1] != b"{":
                return None
    try:
        rows = scan_json_lines(path, row_index_name=LINE, row_index_offset=1)
        columns = rows.collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None
    joined = [
        pl.col(name).cast(pl.List(pl.String)).list.join(", ", ignore_nulls=True)
        for name, kind in columns.items()
        if isinstance(kind, pl.List) and not kind.inner.is_nested()
    ]
    return _without_faults(rows.with_columns(joined)), tuple(name for name in columns if name != LINE)
