"""Folder of a fitted recommender: name and options in `recommender.json`, arrays in `state.safetensors`.

    write_state(path, "popularity", {"count_N": count_N})
    arrays, options = read_state(path, "popularity")

The JSON is written last and holds the hash of the arrays, so that an interrupted write or a damaged file is detected.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse

from recgpt.bounds import read_json
from recgpt.data.fingerprint import json_text
from recgpt.errors import DataError
from recgpt.files import new_files
from recgpt.version import __version__

ABOUT, ARRAYS = "recommender.json", "state.safetensors"


def write_state(
    path: str | Path, name: str, arrays: Mapping[str, np.ndarray | sparse.csr_array], options: Mapping[str, Any]
) -> None:
    """Write the state of the recommender `name` into the folder `path`, replacing any earlier state.

    Parameters
    ----------
    arrays
        Dense arrays, or (rows, columns) sparse ones, by name.
    options
        Further JSON values, such as the arguments of the constructor.
    """
    path = Path(path)
    flat: dict[str, np.ndarray] = {}
    for key, value in arrays.items():
        if isinstance(value, sparse.csr_array):
            parts = {"data": value.data, "indices": value.indices, "indptr": value.indptr, "shape": value.shape}
            flat |= {f"{key}.{part}": np.ascontiguousarray(array) for part, array in parts.items()}
        else:
            flat[key] = np.ascontiguousarray(value)
    with new_files(path / ARRAYS, path / ABOUT) as (state, note):
        save_file(flat, state)
        about = {"recommender": name, "options": dict(options), "sha256": _sha256(state), "recgpt": __version__}
        note.write_text(json_text(about), encoding="utf-8")


def stored_name(path: str | Path) -> str:
    """Name of the recommender that a folder holds.

    Raises
    ------
    DataError
        The folder holds no recommender.
    """
    about = Path(path) / ABOUT
    if not about.is_file():
        raise DataError(
            f"{path} holds no {ABOUT}, so it is not a stored recommender, or its writing was cut short: save the"
            " recommender again"
        )
    return str(read_json(about).get("recommender"))


def read_state(
    path: str | Path, name: str, *, earlier_names: Iterable[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the arrays (sparse ones as `csr_array`) and the options of a folder that `write_state` wrote.

    Parameters
    ----------
    name, earlier_names
        Accepted names of the stored recommender.

    Raises
    ------
    DataError
        The folder holds no recommender, another one, or a damaged file.
    """
    path = Path(path)
    held = stored_name(path)
    if held not in (name, *earlier_names):
        raise DataError(f"{path} holds the recommender {held!r}, not {name!r}: name another folder")
    about = read_json(path / ABOUT)
    if not (path / ARRAYS).is_file() or _sha256(path / ARRAYS) != about["sha256"]:
        raise DataError(f"{path / ARRAYS} is missing, cut short or changed since it was written: save it again")
    arrays: dict[str, Any] = load_file(path / ARRAYS)
    for key in [key.removesuffix(".indptr") for key in arrays if key.endswith(".indptr")]:
        data, indices, indptr, shape = (arrays.pop(f"{key}.{part}") for part in ("data", "indices", "indptr", "shape"))
        arrays[key] = _checked_sparse(path, data, indices, indptr, tuple(shape.tolist()))
    return arrays, about["options"]


def _checked_sparse(
    path: Path, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, ...]
) -> sparse.csr_array:
    try:
        found = sparse.csr_array((data, indices, indptr), shape=shape)
        found.check_format(full_check=True)  # an index beyond the shape would be followed out of memory
    except ValueError as error:
        raise DataError(f"{path / ARRAYS} is damaged ({error}): save the recommender again") from error
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
