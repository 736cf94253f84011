"""Fingerprinted arrays on disk: `x.npy` beside `x.json`, which records its inputs and is checked on every load.

The fingerprint also records a checksum of the array itself, so that other numbers under the same name are refused.
A write is atomic: both are written aside and flushed to disk, then put in place, the fingerprint last, so that a killed
process leaves the old array, the new one, or an array without a fingerprint, which `load_array` refuses.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from recgpt.bounds import load_npy, read_json
from recgpt.errors import DataError
from recgpt.files import new_files, write_text

CHECK_BYTES = 1 << 21
"""Block of an array that is checked at once: it fits into a core's cache."""
ZEROS = "zeros only"


def fingerprint_path(array_path: Path) -> Path:
    """`embeddings.npy` -> `embeddings.json`."""
    return array_path.with_suffix(".json")


def fingerprint_sha256(fingerprint: Mapping[str, Any]) -> str:
    """Hash of a fingerprint, recorded in the fingerprints of arrays derived from this one."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON; see `recgpt.files.write_text`."""
    write_text(path, json_text(content))


def json_text(content: Mapping[str, Any]) -> str:
    """JSON text of a file: indented, with a line break at the end."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def read_fingerprint(array_path: Path, remedy: str) -> dict[str, Any]:
    """Read the fingerprint beside an array.

    Raises
    ------
    DataError
        There is none; the message ends with `remedy`.
    """
    path = fingerprint_path(array_path)
    if not path.is_file():
        raise DataError(f"{array_path} has no fingerprint {path.name} beside it, so its origin is unknown: {remedy}")
    return read_json(path)


def save_array(path: Path, array: np.ndarray, fingerprint: Mapping[str, Any]) -> None:
    """Write `array` to `path` atomically, with its fingerprint beside it."""
    save_blocks(path, [array], shape=array.shape, dtype=array.dtype, fingerprint=fingerprint)


def save_blocks(
    path: Path,
    blocks: Iterable[np.ndarray],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype | type[np.generic],
    fingerprint: Mapping[str, Any],
) -> None:
    """Write consecutive blocks of rows as one array of `shape`: `save_array` with one block in memory at a time.

    `shape`, `dtype` and `crc32`, a checksum of the numbers, are added to the fingerprint.
    """
    checksum = 0
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    with new_files(path, fingerprint_path(path)) as (array, note):
        with array.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
            for block in blocks:
                numbers = np.ascontiguousarray(block, dtype=dtype).data
                checksum = zlib.crc32(numbers, checksum)
                file.write(numbers)
        about = {"shape": list(shape), "dtype": str(np.dtype(dtype)), "crc32": f"{checksum:08x}"}
        note.write_text(json_text({**fingerprint, **about}), encoding="utf-8")


def array_identity(array: np.ndarray) -> str:
    """Checksum of an array that was loaded whole from a fingerprinted file, otherwise the hash of its numbers."""
    name = getattr(array, "filename", None)
    if name is not None and array.flags.c_contiguous:
        path = fingerprint_path(Path(name))
        found = read_json(path) if path.is_file() else {}
        if found.get("crc32") and (found.get("shape"), found.get("dtype")) == (list(array.shape), str(array.dtype)):
            return f"crc32 {found['crc32']} {array.dtype.str} {array.shape}"
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    rows_per_block = max(1, CHECK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows_per_block):
        digest.update(np.ascontiguousarray(array[start : start + rows_per_block]).data)
    return digest.hexdigest()


def load_array(
    path: Path, expect: Mapping[str, Any], *, remedy: str, rows: tuple[int, str, str] | None = None
) -> np.ndarray:
    """Memory-map `path`, read-only, if its fingerprint agrees with `expect` and its numbers are those written.

    Parameters
    ----------
    path
        The `.npy` file.
    expect
        Required values of fingerprint keys.
    remedy
        Command that makes the array again; the end of every error message.
    rows
        Required number of rows, their type, and the name of their width in messages; None accepts any array.

    Raises
    ------
    DataError
        Missing or truncated array, missing fingerprint, a key that differs, other numbers than those written, NaN,
        infinity, or a row of zeros.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist: {remedy}")
    fingerprint = read_fingerprint(path, remedy)
    for key, expected in expect.items():
        found = fingerprint.get(key)
        if found != expected:
            raise DataError(f"{path} was made with {key}={found!r}, but {key}={expected!r} is needed: {remedy}")
    try:
        array = cast(np.memmap, load_npy(path))
    except DataError as error:
        raise DataError(f"{error}: {remedy}") from error
    shape, dtype = fingerprint.get("shape", list(array.shape)), fingerprint.get("dtype", str(array.dtype))
    if list(array.shape) != shape or str(array.dtype) != dtype:
        raise DataError(f"{path} is {array.dtype} {array.shape}, its fingerprint says {dtype} {tuple(shape)}: {remedy}")
    if rows is not None and (array.ndim != 2 or (len(array), str(array.dtype)) != rows[:2]):
        n_rows, type_needed, width = rows
        raise DataError(f"{path} is {array.dtype} {array.shape}, {type_needed} ({n_rows}, {width}) is needed: {remedy}")
    _check_content(path, array, fingerprint.get("crc32"), remedy)
    return array


def _check_content(path: Path, array: np.memmap, crc32: str | None, remedy: str) -> None:
    """Raise `DataError` for a row without a direction (NaN, infinity, all zero), or for another checksum.

    Reads the file in blocks instead of through the map, so that the check never makes a large array resident. A
    fingerprint of an earlier version has no checksum.
    """
    checksum, zero_row = 0, None
    for start, block in _blocks(path, array):
        if crc32 is not None:
            checksum = zlib.crc32(block.data, checksum)
        problem = unusable_row(block)
        if problem is not None and problem[1] != ZEROS:
            raise DataError(f"{path} holds {problem[1]} in row {start + problem[0]}: {remedy}")
        if problem is not None and zero_row is None:
            zero_row = start + problem[0]
    if zero_row is not None:
        raise DataError(f"{path} holds {ZEROS} in row {zero_row}: {remedy}")
    if crc32 is not None and f"{checksum:08x}" != crc32:
        raise DataError(f"{path} was changed since it was made: its numbers are not those of the fingerprint: {remedy}")


def _blocks(path: Path, array: np.memmap) -> Iterator[tuple[int, np.ndarray]]:
    """First row and content of consecutive blocks of rows of the array in the file `path`."""
    if not array.size:
        return
    row_size = array[0].size
    rows_per_block = max(1, CHECK_BYTES // (row_size * array.itemsize))
    with path.open("rb") as file:
        file.seek(array.offset)
        for start in range(0, len(array), rows_per_block):
            rows = min(rows_per_block, len(array) - start)
            yield start, np.fromfile(file, dtype=array.dtype, count=rows * row_size).reshape(rows, row_size)


def unusable_row(rows: np.ndarray) -> tuple[int, str] | None:
    """First row of a block (rows, width) that has no cosine, and what it holds; None if all have one."""
    if rows.dtype.kind != "f" or not rows.size:
        return None
    if rows.dtype == np.float16:  # numpy has no fast isfinite for halves; as integers without sign they are ordered
        largest = (rows.view(np.uint16) & 0x7FFF).max(axis=1)
        finite, zero = largest < 0x7C00, largest == 0
    else:
        largest = np.abs(rows).max(axis=1)  # NaN if any is NaN
        finite, zero = np.isfinite(largest), largest == 0
    if not finite.all():
        return int(finite.argmin()), "NaN or infinity"
    return (int(zero.argmax()), ZEROS) if zero.any() else None


def check_embeddings_given(embeddings: np.ndarray, where: str, *, zeros_allowed: bool = False) -> None:
    """`check_embeddings` of an array in memory; a memory map was checked when its file was opened by `load_array`."""
    if not isinstance(embeddings, np.memmap):
        check_embeddings(embeddings, where, zeros_allowed=zeros_allowed)


def check_embeddings(embeddings: np.ndarray, where: str, *, zeros_allowed: bool = False) -> None:
    """Raise `DataError` naming the first item whose embedding holds NaN or infinity, or is all zero unless allowed."""
    row_bytes = max(1, embeddings[:1].nbytes)
    rows_per_block = max(1, CHECK_BYTES // row_bytes)
    for start in range(0, len(embeddings), rows_per_block):
        problem = unusable_row(np.ascontiguousarray(embeddings[start : start + rows_per_block]))
        if problem is not None and not (zeros_allowed and problem[1] == ZEROS):
            raise DataError(
                f"{where}: the embedding of item {start + problem[0]} holds {problem[1]}: encode that item's text again"
            )
