"""Fingerprinted arrays on disk: `x.npy` beside `x.json`, which records its inputs and is checked on every load.

A write is atomic: the array goes to a temporary file first and the fingerprint is written last, so that a killed
process leaves either a whole array with its fingerprint or an array without one, which `load_array` refuses.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.errors import DataError

CHECK_BYTES = 1 << 26


def fingerprint_path(array_path: Path) -> Path:
    """`embeddings.npy` -> `embeddings.json`."""
    return array_path.with_suffix(".json")


def fingerprint_sha256(fingerprint: Mapping[str, Any]) -> str:
    """Hash of a fingerprint, recorded in the fingerprints of arrays derived from this one."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON atomically (temporary file, then rename)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    DataError
        The file is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} is not readable JSON ({error}): restore it or delete it and make it again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a JSON {type(content).__name__}, an object is needed")
    return content


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


def publish_array(temporary: Path, path: Path, fingerprint: Mapping[str, Any]) -> None:
    """Move a finished `.npy` written at `temporary` to `path` and put its fingerprint beside it.

    `shape` and `dtype` are added to the fingerprint.
    """
    array = np.load(temporary, mmap_mode="r", allow_pickle=False)
    complete = {**fingerprint, "shape": list(array.shape), "dtype": str(array.dtype)}
    fingerprint_path(path).unlink(missing_ok=True)
    temporary.replace(path)
    write_json(fingerprint_path(path), complete)


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
    """Write consecutive blocks of rows as one array of `shape`: `save_array` with one block in memory at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    with temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype=dtype).data)
    publish_array(temporary, path, fingerprint)


def load_array(path: Path, expect: Mapping[str, Any], *, remedy: str) -> np.ndarray:
    """Memory-map `path`, read-only, if its fingerprint agrees with `expect` and every number is finite.

    Parameters
    ----------
    path
        The `.npy` file.
    expect
        Required values of fingerprint keys.
    remedy
        Command that makes the array again; the end of every error message.

    Raises
    ------
    DataError
        Missing or truncated array, missing fingerprint, a key that differs, NaN or infinity.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist: {remedy}")
    fingerprint = read_fingerprint(path, remedy)
    for key, expected in expect.items():
        found = fingerprint.get(key)
        if found != expected:
            raise DataError(f"{path} was made with {key}={found!r}, but {key}={expected!r} is needed: {remedy}")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is truncated or no .npy file ({error}): {remedy}") from error
    shape, dtype = fingerprint.get("shape", list(array.shape)), fingerprint.get("dtype", str(array.dtype))
    if list(array.shape) != shape or str(array.dtype) != dtype:
        raise DataError(f"{path} is {array.dtype} {array.shape}, its fingerprint says {dtype} {tuple(shape)}: {remedy}")
    check_finite(path, array, remedy)
    return array


def check_finite(path: Path, array: np.memmap, remedy: str) -> None:
    """Raise `DataError` naming the first row of `path` with a NaN or an infinity.

    Reads the file in blocks instead of through the map, so that the check never makes a large array resident.
    """
    if array.dtype.kind != "f" or not array.size:
        return
    row_size = array[0].size
    rows_per_block = max(1, CHECK_BYTES // (row_size * array.itemsize))
    with path.open("rb") as file:
        file.seek(array.offset)
        for start in range(0, len(array), rows_per_block):
            rows = min(rows_per_block, len(array) - start)
            block = np.fromfile(file, dtype=array.dtype, count=rows * row_size).reshape(rows, row_size)
            bad = np.flatnonzero(~_finite_rows(block))
            if len(bad):
                raise DataError(f"{path} holds NaN or infinity in row {start + bad[0]}: {remedy}")


def _finite_rows(block: np.ndarray) -> np.ndarray:
    if block.dtype == np.float16:  # numpy has no fast isfinite for halves: all exponent bits set means NaN or infinity
        return ((block.view(np.uint16) & 0x7C00) != 0x7C00).all(axis=1)
    return np.isfinite(block).all(axis=1)
