"""Checks of arguments of wrong types, at the entry points of the API: one line with value, name and remedy.

check_type(dataset, Dataset, "dataset", "load one with Dataset.load(FOLDER)")
"""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from recgpt.errors import DataError

_SHOWN = 60  # characters of a value


def check_type(value: object, kinds: type | tuple[type, ...], what: str, remedy: str) -> None:
    """Raise `DataError` unless `value` is of one of `kinds`.

    Parameters
    ----------
    what
        Name of the argument in the message.
    remedy
        End of the message.
    """
    if not isinstance(value, kinds):
        raise DataError(f"{what} is {shown(value)}, of type {type(value).__name__}: {remedy}")


def check_path(value: object, what: str) -> None:
    """Raise `DataError` unless `value` is a path: a text that is not empty, or a `pathlib.Path`."""
    remedy = "give the path as a text or a pathlib.Path"
    check_type(value, (str, os.PathLike), what, remedy)
    if not str(value) or "\0" in str(value):
        raise DataError(f"{what} is {shown(value)}, which is no path: {remedy}")


def check_iterable(value: object, what: str, remedy: str) -> None:
    """Raise `DataError` unless `value` is a collection of values, and no single text."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise DataError(f"{what} is {shown(value)}, of type {type(value).__name__}: {remedy}")


def check_embeddings(value: Any, n_items: int) -> None:
    """Raise `DataError` unless `value` is an array of numbers with a row for each of `n_items` items."""
    remedy = f"give an array of numbers of shape ({n_items}, width)"
    check_type(value, np.ndarray, "embeddings", remedy)
    if value.ndim != 2 or len(value) != n_items or value.dtype.kind != "f":
        raise DataError(f"embeddings are {value.dtype} of shape {value.shape}: {remedy}")


def shown(value: object) -> str:
    """Short form of a value for a message, in one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
