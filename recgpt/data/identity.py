"""Identity of everything that resumes or is cached: hashes of data, settings and code, and their one comparison.

    identity = {**code_version(), **dataset_identity(dataset), "model_sha256": model.sha256, "k": 10}
    if different(stored, identity): ...                     # phrases such as "k=5, not 10"

Two runs are the same if their identities are: all columns of the data set, the weights, the settings and the version
of recgpt, since another version may give other results. A stored identity without one of the keys is another one.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from recgpt.version import __version__

if TYPE_CHECKING:
    from recgpt.data.dataset import Dataset

_SHOWN_VALUE = 80  # characters of a value in a message


def code_version() -> dict[str, str]:
    """Version of recgpt, the part of an identity that stands for the code."""
    return {"recgpt": __version__}


def dataset_identity(dataset: "Dataset") -> dict[str, str]:
    """Hashes of a data set: catalogue texts, sequences, and the content of all columns; and its rule for repeats."""
    return {
        "items_sha256": dataset.items_sha256,
        "interactions_sha256": dataset.interactions_sha256,
        "content_sha256": dataset.content_sha256,
        "repeats": dataset.manifest["repeats"],
    }


def plain(value: Any) -> Any:
    """The value as it comes back from a JSON file: tuples are lists, other types are texts."""
    return json.loads(json.dumps(value, default=str))


def json_sha256(content: Any) -> str:
    """Hash of JSON values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrays_sha256(*arrays: np.ndarray | None) -> str:
    """Hash of the types, shapes and values of arrays; None stands for an absent one. All NaN are equal."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        if array.dtype.kind == "f" and array.dtype.itemsize >= 4:
            array = np.where(np.isnan(array), array.dtype.type("nan"), array)
        digest.update(np.ascontiguousarray(array).data if array.size else b"")
    return digest.hexdigest()


def different(stored: Mapping[str, Any], wanted: Mapping[str, Any], form: str = "{stored}, not {wanted}") -> list[str]:
    """Differences of a stored identity from the wanted one, a phrase each: `k=5, not 10`; empty if they agree.

    Parameters
    ----------
    form
        Words of a phrase: `stored` stands for `k=5`, `wanted` for 10, `key` for k.
    """
    return [
        _difference(key, stored.get(key), value, form)
        for key, value in plain(dict(wanted)).items()
        if key not in stored or stored[key] != value
    ]


def _difference(key: str, stored: Any, wanted: Any, form: str) -> str:
    if key == "recgpt":
        return f"recgpt {stored or 'of an unknown version'}, not {wanted}"
    if stored is None and wanted is not None:
        return f"no {key}"
    if max(len(repr(stored)), len(repr(wanted))) > _SHOWN_VALUE:
        return f"another {key}"
    return form.format(key=key, stored=f"{key}={stored!r}", wanted=repr(wanted))


def content_sha256(dataset: "Dataset") -> str:
    """Hash of all columns of both tables of a data set, in order: ids, texts, times, ratings, split and the others.

    Independent of the layout of the files.
    """
    flat = dataset.interactions
    of_columns = [
        dataset.items_sha256,
        dataset.interactions_sha256,
        _texts_sha256(dataset.user_map.ids.cast(pl.String)),
        arrays_sha256(flat.timestamp, flat.rating, dataset.split),
        _other_columns_sha256(dataset),
    ]
    return hashlib.sha256(" ".join(of_columns).encode()).hexdigest()


def _texts_sha256(texts: pl.Series) -> str:
    """Hash of texts; their lengths are hashed apart, so that the bounds between texts count."""
    digest = hashlib.sha256(texts.str.len_bytes().to_numpy().astype("<u4").data)
    digest.update(texts.str.join("").item().encode())
    return digest.hexdigest()


def _other_columns_sha256(dataset: "Dataset") -> str:
    """Hash of the catalogue's columns beyond `items_sha256`: their names, and their values as lines of JSON."""
    columns = dataset.other_columns
    digest = hashlib.sha256(json.dumps(columns).encode())
    for block in dataset.item_blocks(columns) if columns else ():
        digest.update(block.write_ndjson().encode())
    return digest.hexdigest()
