"""Limits of what a file may claim, checked before anything is allocated, and the readers that keep to them.

    content = read_json(path)             # at most 16 MB, 40 digits a number, bounded depth
    array = load_npy(path)                # the header may claim what the file holds, no more
    check_parquet(path); check_zip(...)   # no bombs

A damaged or hostile file is refused in one line, in well under two seconds and without its claims being allocated.
"""

import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, Literal

import numpy as np

from recgpt.errors import CheckpointError, DataError, RecGPTError

MAX_JSON_BYTES = 16 << 20
"""Size of a JSON file: configurations, manifests, fingerprints, reports."""
MAX_DIGITS = 40
"""Digits of a whole number in JSON and YAML."""
MAX_LINE_BYTES = 16 << 20
"""One line of a file with one record a line."""
MAX_HEADER_BYTES = 64 << 10
"""Header of a `.npy` file."""
MAX_FOOTER_BYTES = 64 << 20
"""Footer of a Parquet file."""
MAX_ROWS_A_BYTE, FREE_ROWS = 100, 1_000_000
"""Rows of a Parquet file, by bytes of the file, and those that any file may have: equal values take next to nothing."""
MAX_INFLATION = 200
"""Bytes of a compressed file's content, by bytes of the file."""
FREE_BYTES = 64 << 20
"""Content that any compressed file may have, however small it is."""
MAX_LAYERS, MAX_WIDTH, MAX_CODES, MAX_HISTORY = 512, 1 << 16, 256, 1 << 17
"""Layers, width, codes an item and longest history in the configuration of a model."""

_NPY_MAGIC = b"\x93NUMPY"
_DAMAGE: tuple[type[Exception], ...] = (
    ValueError,
    OSError,
    EOFError,
    RecursionError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)
_DAMAGE += (SyntaxError, TokenError)  # of the parser of Python, which reads the headers


# --- JSON ---


def read_json(path: Path, error: type[RecGPTError] = DataError, *, most_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read a JSON object from a file.

    Parameters
    ----------
    error
        Kind of the error.
    most_bytes
        Largest file that is read.

    Raises
    ------
    RecGPTError
        The file is missing, larger than `most_bytes`, or holds no JSON object.
    """
    try:
        n_bytes = path.stat().st_size
        if n_bytes > most_bytes:
            raise error(f"{path} has {n_bytes:,} bytes, a JSON file has at most {most_bytes:,}: make it again")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not readable JSON ({problem}): restore it or delete it and make it again") from problem
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror}): restore it or make it again") from problem
    content = parse_json(text, str(path), error, most_bytes=most_bytes)
    if not isinstance(content, dict):
        raise error(f"{path} holds a JSON {type(content).__name__}, an object is needed")
    return content


def parse_json(
    text: str | bytes, where: str, error: type[RecGPTError] = DataError, *, most_bytes: int = MAX_JSON_BYTES
) -> Any:
    """Parse JSON of a file within the limits.

    Parameters
    ----------
    where
        Place of the text, for the message.
    most_bytes
        Longest text that is read.

    Raises
    ------
    RecGPTError
        It is no JSON, too long, too deep, or a number has too many digits.
    """
    if len(text) > most_bytes:
        raise error(f"{where} has {len(text):,} characters of JSON, at most {most_bytes:,} are read")
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError as problem:
        raise error(f"{where} is nested too deeply to be read: make it again") from problem
    except ValueError as problem:  # no JSON, no UTF-8, too many digits
        raise error(f"{where} is not readable JSON ({problem}): restore it or delete it and make it again") from problem


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits, at most {MAX_DIGITS} are read")
    return int(digits)


# --- arrays ---


def load_npy(path: Path, *, mmap: bool = True, error: type[RecGPTError] = DataError) -> np.ndarray:
    """Open a `.npy` file, read-only as a memory map or as a whole, if it holds the numbers that its header claims.

    Raises
    ------
    RecGPTError
        It is missing, truncated, no `.npy` file of numbers, or claims more than it holds.
    """
    try:
        with path.open("rb") as file:
            shape, dtype, _ = _npy_claims(file)
            held = path.stat().st_size - file.tell()
        claimed = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or claimed > held:
            raise ValueError(f"its header claims {dtype} {shape}, {claimed:,} bytes; it holds {held:,}")
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except _DAMAGE as problem:
        raise error(f"{path} is truncated or no .npy file of numbers ({problem})") from problem


def load_npz(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Read all arrays of an uncompressed `.npz` file.

    Parameters
    ----------
    content
        The file.
    where
        Its place, for the message.

    Raises
    ------
    DataError
        It is damaged or compressed, or an array claims more than it holds.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_zip(archive, where, len(content), stored=True)
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in archive.infolist()}
    except DataError:
        raise
    except _DAMAGE as problem:
        raise DataError(
            f"{where} is truncated or no .npz file of numbers ({problem}): copy or make it again"
        ) from problem


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Array of an `.npz` file; NumPy's own reader would read each header a second time."""
    with archive.open(member) as file:
        shape, dtype, order = _npy_claims(file)
        numbers = bytearray(file.read())
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > len(numbers):
        raise ValueError(f"{member.filename} claims {dtype} {shape}")
    return np.ndarray(shape, dtype, numbers, order=order)


def _npy_claims(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, Literal["C", "F"]]:
    """Shape, type and order in the header of a `.npy` file, which is left at its first number."""
    start = file.read(8)
    if len(start) < 8 or start[:6] != _NPY_MAGIC or start[6] not in (1, 2):
        raise ValueError("no .npy header")
    width = "<H" if start[6] == 1 else "<I"
    (length,) = struct.unpack(width, file.read(struct.calcsize(width)))
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {length:,} bytes, at most {MAX_HEADER_BYTES:,} are read")
    file.seek(8)
    read = np.lib.format.read_array_header_1_0 if start[6] == 1 else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if any(size < 0 for size in shape):
        raise ValueError(f"a negative size in {shape}")
    return shape, dtype, "F" if is_fortran else "C"


# --- archives and tables ---


def check_zip(
    archive: zipfile.ZipFile,
    path: Path | str,
    most_bytes: int,
    *,
    stored: bool = False,
    error: type[RecGPTError] = DataError,
) -> None:
    """Refuse a zip archive that unpacks to more than it should, before any of it is unpacked.

    Parameters
    ----------
    most_bytes
        Bytes of all members together.
    stored
        No member may be compressed, as in `.pt` and `.npz` files; together they are then no larger than the archive,
        so none can stand for another.

    Raises
    ------
    RecGPTError
        The archive declares more, or has compressed or overlapping members.
    """
    members = archive.infolist()
    declared = sum(member.file_size for member in members)
    if declared > most_bytes:
        raise error(f"{path}: its {len(members):,} members declare {declared:,} bytes, at most {most_bytes:,} are read")
    packed = next((member for member in members if member.compress_type != zipfile.ZIP_STORED), None)
    if stored and packed is not None:
        raise error(f"{path}: its member {packed.filename!r} is compressed, which no such file is: do not use it")
    n_bytes = archive.fp.seek(0, os.SEEK_END) if archive.fp is not None else 0
    if sum(member.compress_size for member in members) > n_bytes or (stored and declared > n_bytes):
        raise error(f"{path}: its members overlap: do not use it")


def check_parquet(source: Path | bytes, where: str = "") -> None:
    """Refuse a Parquet file that claims more rows or bytes than a file of its size has, before any page is read.

    Parameters
    ----------
    source
        Path or content of the file.
    where
        Place of the content, for the message.

    Raises
    ------
    DataError
        A claim is out of proportion. Damage is left to the reader of the table to report.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        where, n_bytes = where or str(source), file.seek(0, os.SEEK_END)
        file.seek(max(n_bytes - 8, 0))
        end = file.read(8)
        if len(end) < 8 or end[4:] != b"PAR1":
            return
        footer = int.from_bytes(end[:4], "little")
        if footer > min(MAX_FOOTER_BYTES, n_bytes):
            raise DataError(
                f"{where} claims a footer of {footer:,} bytes, at most {MAX_FOOTER_BYTES:,} are read: copy or make"
                " it again"
            )
        try:
            about = pq.read_metadata(file)
        except (pa.ArrowException, OSError):
            return
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    rows = max(about.num_rows, sum(group.num_rows for group in groups))
    if rows > FREE_ROWS + MAX_ROWS_A_BYTE * n_bytes:
        raise DataError(
            f"{where} claims {rows:,} rows in {n_bytes:,} bytes, more than the {MAX_ROWS_A_BYTE:,} a byte that are"
            " read, as a damaged or hostile file does: if you trust it, write it again as CSV"
        )
    content = sum(group.total_byte_size for group in groups)
    if content > FREE_BYTES + MAX_INFLATION * n_bytes:
        raise DataError(
            f"{where} has {n_bytes:,} bytes and unpacks to {content:,}, more than the {MAX_INFLATION:,} times as many"
            " that are read, as a hostile file does: if you trust it, write it again without compression"
        )


# --- models ---


def check_sizes(
    sizes: Mapping[str, Any], limits: Mapping[str, int], where: object, error: type[RecGPTError] = CheckpointError
) -> None:
    """Refuse a configuration whose sizes are no whole numbers from 1 to their limits.

    Parameters
    ----------
    sizes
        The configuration, by name of the setting.
    limits
        Setting -> largest size; a setting that is missing has its default.
    """
    for name, most in limits.items():
        size = sizes.get(name, 1)
        if type(size) is not int or not 1 <= size <= most:
            raise error(f"{where}: {name}={size!r} is no whole number from 1 to {most:,}: correct it")


def check_parameters(n_parameters: int, weights: Path) -> None:
    """Refuse a configuration that asks for more parameters than the weights beside it can hold.

    Parameters
    ----------
    n_parameters
        At least so many parameters follow from the configuration.
    weights
        A `.safetensors` file, or a folder of such files.

    Raises
    ------
    CheckpointError
        The files have less than a byte a parameter.
    """
    files = [weights] if weights.is_file() else list(weights.glob("*.safetensors"))
    n_bytes = sum(file.stat().st_size for file in files)
    if n_parameters > n_bytes:
        raise CheckpointError(
            f"{weights} is damaged or of another shape ({n_bytes:,} bytes for the {n_parameters:,} parameters of its"
            " config.json): copy it again"
        )
