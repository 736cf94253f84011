"""Recognition of the encoding of a text file: byte order marks, UTF-16 without one, UTF-8, Windows-1252.

A file without a mark whose bytes are no UTF-8 at all is taken for Windows-1252 (cp1252), as Excel and Western European
shops write it; where UTF-8 and other bytes mix, the file is UTF-8 and the broken lines are faults of their own.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from recgpt.bounds import FREE_BYTES, MAX_INFLATION
from recgpt.errors import ConfigError, DataError

HEAD_BYTES = 1 << 20
BLOCK_BYTES = 1 << 23
MAX_LINE_BYTES = 1 << 26
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNASSIGNED_IN_CP1252 = bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D])
_COMPRESSED = {b"PK\x03\x04": "a zip archive", b"(\xb5/\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file, unpacked if it is gzipped.

    Raises
    ------
    DataError
        It is truncated, damaged or packed in another way.
    """
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        packed = next((name for start, name in _COMPRESSED.items() if magic.startswith(start)), None)
        if packed is not None:
            raise DataError(f"{path} is packed ({packed}): unpack it, or pack it with gzip")
        if magic[:2] != b"\x1f\x8b":
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked  # type: ignore[misc]  # reads like a file
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is truncated or damaged ({error}): copy or download it again") from error


def blocks_of_lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Blocks of a few megabytes that end with a whole line.

    Raises
    ------
    DataError
        A line is longer than `MAX_LINE_BYTES`.
    """
    n_read = 0
    while block := file.read(BLOCK_BYTES):
        n_read += len(block)
        check_inflation(path, n_read)
        rest = file.readline(MAX_LINE_BYTES)
        if len(rest) == MAX_LINE_BYTES:
            raise DataError(
                f"{path} has a line of more than {MAX_LINE_BYTES >> 20} MB: export it again, one row a line"
            )
        yield block + rest


def check_inflation(path: Path, n_bytes: int) -> None:
    """Raise DataError for a gzipped file of which more than a plausible number of bytes was unpacked."""
    if n_bytes > FREE_BYTES + MAX_INFLATION * path.stat().st_size:
        raise DataError(
            f"{path} unpacks to more than {MAX_INFLATION:,} times its size, as a hostile file does: if you trust it,"
            " unpack it first"
        )


def check_encoding(name: str) -> str:
    """The name of an encoding that Python knows.

    Raises
    ------
    ConfigError
        Python does not know it.
    """
    try:
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f"unknown encoding {name!r}: give one such as utf-8, utf-16, cp1252, cp1251, shift_jis"
        ) from error


def marked_encoding(head: bytes) -> str | None:
    """Encoding of a file by its first bytes: by its byte order mark, or UTF-16 by its zero bytes; else None."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    sample = head[: len(head) // 2 * 2][: 1 << 12]
    if len(sample) >= 4:
        low, high = sample[::2].count(0), sample[1::2].count(0)
        if high > len(sample) // 4 > low * 4:
            return "utf-16-le"
        if low > len(sample) // 4 > high * 4:
            return "utf-16-be"
    return None


def unmarked_encoding(path: Path) -> str:
    """`utf-8` or `cp1252` for a file without a mark, by all of its bytes.

    Raises
    ------
    DataError
        The file has bytes that neither of them has.
    """
    valid = invalid = 0
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with open_bytes(path) as file:
        seen, foreign = 0, None
        while block := file.read(BLOCK_BYTES):
            if foreign is None:
                places = [place for byte in _UNASSIGNED_IN_CP1252 if (place := block.find(byte)) >= 0]
                foreign = (seen + min(places), block[min(places)]) if places else None
            seen += len(block)
            check_inflation(path, seen)
            text = decoder.decode(block)
            if not text.isascii():
                broken = sum(text.count(chr(0xDC00 + byte)) for byte in range(0x80, 0x100))
                invalid += broken
                valid += len(text) - broken - sum(map(text.count, map(chr, range(128))))
    if not invalid or valid:
        return "utf-8"
    if foreign is not None:
        place, byte = foreign
        raise DataError(
            f"{path} is neither UTF-8 nor Windows-1252 (byte {byte:#x} at {place:,}): save it as UTF-8, or import it"
            " with `recgpt data import ... --encoding NAME`"
        )
    return "cp1252"


def encoding_title(encoding: str) -> str:
    """Name of an encoding for people."""
    titles = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with a byte order mark", "cp1252": "Windows-1252 (cp1252)"}
    titles |= {"utf-16": "UTF-16", "utf-16-le": "UTF-16 LE", "utf-16-be": "UTF-16 BE", "utf-32": "UTF-32"}
    return titles.get(encoding, encoding)
