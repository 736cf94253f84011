"""Safe reader of untrusted pickles: numbers, text, plain containers and numpy arrays; no code in the file is executed.

    histories = read_pickle("data/test/steam/test.pkl")

This is the only module that opens a pickle.
"""

import math
import pickle
import re
from collections.abc import Callable, Iterable, Sized
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recgpt.bounds import FREE_BYTES
from recgpt.data.readers.pickle_scan import check_pickle
from recgpt.errors import DataError, UntrustedFileError

PLAIN = frozenset({int, float, str, bytes, bool, type(None), np.ndarray})
MAX_DEPTH = 64  # containers inside containers
MAX_REPETITION = 64
"""Numbers and characters of a pickle, one that stands at several places counted at each, by bytes of the file."""


class _Allowed:
    """An allow-listed callable; its attributes are out of reach of the pickle."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise UntrustedFileError("the pickle tries to change the reader itself: do not use this file")


class _Dtype:
    """Replacement for `numpy.dtype`, whose own `__setstate__` accepts unchecked offsets from the file."""

    def __init__(self, spec: Any, *_flags: Any) -> None:
        if not isinstance(spec, str) or not re.fullmatch(r"[<>=|]?([biufc]\d{1,2}|[SU]\d{1,9})", spec):
            raise UntrustedFileError(
                f"the pickle holds a numpy array of dtype {spec!r}: only numbers and text are read"
            )
        self.dtype = np.dtype(spec)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """`state` is (version, byte order, subarray, names, fields, ...)."""
        _version, byte_order, *structure = state
        if byte_order not in ("<", ">", "=", "|") or any(part is not None for part in structure[:3]):
            raise UntrustedFileError("the pickle holds a structured numpy array: only numbers and text are read")
        self.dtype = self.dtype.newbyteorder(byte_order)


class _Array:
    """Placeholder for an array that numpy pickles in two steps; `_plain` replaces it by the array."""

    value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """`state` is (version, shape, dtype, Fortran order, bytes)."""
        _version, shape, dtype, fortran, raw = state
        self.value = _array(raw, dtype, shape, "F" if fortran else "C")


def _array(
    raw: bytes | bytearray,
    dtype: _Dtype,
    shape: tuple[int, ...],
    order: Literal["C", "F", "K"],
    axes: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Checked equivalent of numpy's `_frombuffer`, as a copy of the file's bytes."""
    if not (isinstance(dtype, _Dtype) and isinstance(raw, bytes | bytearray)):
        raise UntrustedFileError("the pickle holds a numpy array of objects: only numbers and text are read")
    if len(raw) != math.prod(shape) * dtype.dtype.itemsize:
        raise DataError(f"the pickle holds {len(raw)} bytes for a {dtype.dtype} array of shape {shape}: it is damaged")
    array = np.frombuffer(raw, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")
    return (array if axes is None else array.transpose(axes)).copy("K")


def _scalar(dtype: _Dtype, raw: bytes) -> Any:
    return _array(raw, dtype, (), "C")[()]


def _bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise UntrustedFileError(f"the pickle needs the codec {encoding!r}: only plain bytes are read")
    return text.encode("latin1")


# Allow-list of global names. numpy 2 renamed numpy.core to numpy._core; older protocols spell bytes and sets as calls.
_ALLOWED: dict[str, Any] = {
    "numpy.ndarray": object(),  # named as an argument of _reconstruct, never called
    "numpy.dtype": _Allowed(_Dtype),
    "numpy._core.multiarray._reconstruct": _Allowed(lambda *_: _Array()),
    "numpy._core.multiarray.scalar": _Allowed(_scalar),
    "numpy._core.numeric._frombuffer": _Allowed(_array),
    "_codecs.encode": _Allowed(_bytes),
    "builtins.set": _Allowed(set),
    "builtins.bytes": _Allowed(lambda: b""),  # empty bytes in the oldest protocols
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        spelled = f"{module}.{name}"
        known = re.sub(r"^numpy\.core\.", "numpy._core.", spelled.replace("__builtin__.", "builtins.", 1))
        if known not in _ALLOWED:
            raise UntrustedFileError(
                f"the pickle needs {spelled}; only numbers, text, lists, tuples, dicts, sets and numpy arrays of "
                f"numbers or text are read: do not use this file, or export it as Parquet or JSON where you trust it"
            )
        return _ALLOWED[known]

    def persistent_load(self, pid: Any) -> Any:
        raise UntrustedFileError(f"the pickle refers to an object outside itself ({pid!r}): only whole files are read")


def read_pickle(path: str | Path) -> Any:
    """Read a pickle that holds numbers, text, lists, tuples, dicts, sets and numpy arrays of numbers or text.

    No code in the file is executed, and numpy's own reader of pickled types is not used.

    Raises
    ------
    UntrustedFileError
        The pickle contains anything else; the message names it.
    DataError
        The file is missing, truncated or no pickle.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist: check its name and folder")
    try:
        with path.open("rb") as file:
            check_pickle(file)
            file.seek(0)
            content, size = _plain(_Unpickler(file).load(), {}, 0)
        n_bytes = path.stat().st_size
        if size > FREE_BYTES + MAX_REPETITION * n_bytes:
            raise UntrustedFileError(
                f"its {n_bytes:,} bytes unfold to {size:,} numbers and characters by repetition, more than"
                f" {MAX_REPETITION} times as many: do not use this file"
            )
        return content
    except (UntrustedFileError, DataError) as error:
        raise type(error)(f"{path}: {error}") from error
    except Exception as error:  # unpickling damaged input raises nearly any exception
        raise DataError(
            f"{path} is truncated or no pickle ({type(error).__name__}: {error}): fetch it again"
        ) from error


def _plain(value: Any, done: dict[int, tuple[Any, Any, int]], depth: int) -> tuple[Any, int]:
    """`value` with placeholders replaced by arrays, and its size; one that stands at several places counts at each.

    `done` maps the id of a container to (container, plain form, size). Sizes are numbers and characters.
    """
    kind = type(value)
    if kind in PLAIN or isinstance(value, np.number | np.bool_ | np.str_ | np.bytes_):
        return value, _size([value], {kind})
    if kind is _Array and value.value is not None:
        return value.value, value.value.nbytes
    if kind not in (list, tuple, dict, set):
        raise UntrustedFileError(
            f"the pickle holds a {kind.__name__.lstrip('_')} where a value should be: do not use this file"
        )
    if depth > MAX_DEPTH:
        raise UntrustedFileError(f"the pickle nests containers more than {MAX_DEPTH} deep: do not use this file")
    if id(value) not in done:
        done[id(value)] = (value, *_plain_container(value, done, depth + 1))
    return done[id(value)][1:]


def _plain_container(container: Any, done: dict[int, tuple[Any, Any, int]], depth: int) -> tuple[Any, int]:
    if isinstance(container, dict):
        keys, size = _plain_container(list(container), done, depth)
        values, more = _plain_container(list(container.values()), done, depth)
        return dict(zip(keys, values, strict=True)), size + more
    kinds = set(map(type, container))
    if kinds <= PLAIN:  # most lists are long and hold numbers: check them at C speed
        return container, _size(container, kinds)
    parts = [_plain(value, done, depth) for value in container]
    return type(container)(part for part, _ in parts), sum(size for _, size in parts)


def _size(values: Iterable[Any], kinds: set[type]) -> int:
    """Numbers and characters in plain values of these kinds."""
    size = len(values) if isinstance(values, Sized) else 0
    if kinds & {str, bytes}:
        size += sum(len(value) for value in values if isinstance(value, str | bytes))
    if np.ndarray in kinds:
        size += sum(value.nbytes for value in values if isinstance(value, np.ndarray))
    return size
