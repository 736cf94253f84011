"""Files of the published system: `train.pkl`, `test.pkl` or `cold_test.pkl`, item texts, embeddings and tokens.

recgpt data import published data/test/steam --out data/steam
recgpt data import published data/test/steam --sequences cold_test --out data/steam_cold
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt.bounds import load_npy
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import read_fingerprint, save_blocks
from recgpt.data.process import workspace, write_dataset
from recgpt.data.ragged import Ragged
from recgpt.data.text import PUBLISHED_COLUMNS
from recgpt.errors import DataError
from recgpt.progress import track

# A pre-training folder has both, with different users; a test folder has `test` only.
DEFAULT_SEQUENCES = ("train", "test")
TITLE_KEYS = ("title", "name", "app_name")
ENCODER = {"encoder": "all-mpnet-base-v2", "template": "published"}
ROWS_PER_BLOCK = 1 << 16

MAX_SPARSITY = 100  # item numbers, by interactions and texts of the source


def read(source: Path, out: Path, *, sequences: str | None = None, overwrite: bool = False) -> None:
    """Write a data set folder, with `embeddings.npy` (float16) and `tokens.npy` where `source` has them.

    Item ids stay as published and the catalogue is kept whole: items without text get an empty title.

    Parameters
    ----------
    source
        Folder of the published layout.
    sequences
        `train`, `test` or `cold_test`; by default the union of `train.pkl` and `test.pkl`, as far as they exist.

    Raises
    ------
    DataError
        No file of sequences, a user in two files, or an item beyond the catalogue.
    UntrustedFileError
        A pickle contains more than numbers, text and plain containers.
    """
    from recgpt.data.readers.pickles import read_pickle

    histories = _read_sequences(source, (sequences,) if sequences else DEFAULT_SEQUENCES)
    users, items = list(histories), Ragged.from_lists(histories.values())
    texts = _read_dict(source / "item_text_dict.pkl") if (source / "item_text_dict.pkl").is_file() else {}
    embeddings_path = source / "item_text_embeddings.npy"
    embeddings = load_npy(embeddings_path) if embeddings_path.is_file() else None
    n_items = 1 + max(int(items.values.max(initial=-1)), max(texts, default=-1))
    if n_items > MAX_SPARSITY * (len(items.values) + len(texts)) and embeddings is None:
        raise DataError(
            f"{source}: the highest item number is {n_items - 1}, with {len(items.values):,} interactions and"
            f" {len(texts):,} texts, at most {MAX_SPARSITY} numbers for each are read: renumber the items from 0"
        )
    if embeddings is not None:
        if n_items > len(embeddings):
            raise DataError(f"{source}: item {n_items - 1} is beyond the {len(embeddings):,} rows of {embeddings_path}")
        n_items = len(embeddings)

    with workspace(out, overwrite=overwrite) as work:
        write_dataset(
            out,
            work,
            interactions=pl.LazyFrame({"user_id": np.repeat(users, items.lengths), "item_id": items.values}),
            items=_catalogue(texts, n_items).lazy(),
            source=f"published RecGPT files, {sequences or ' and '.join(DEFAULT_SEQUENCES)} of {source.name}",
            holes="refuse",
        )
        dataset = Dataset.load(work.parent)
        made_from: Mapping[str, Any] = ENCODER
        if embeddings is not None:
            _save_embeddings(dataset, work.parent / "embeddings.npy", embeddings)
            made_from = read_fingerprint(work.parent / "embeddings.npy", "")
        tokens_path = source / "token_id_list.pkl"
        if tokens_path.is_file():
            tokens_NK = np.asarray(read_pickle(tokens_path))
            dataset.save_tokens(tokens_NK, tokenizer_sha256=f"published {tokens_path.name}", embeddings=made_from)


def _read_sequences(source: Path, names: tuple[str, ...]) -> dict[int, list[int]]:
    paths = [source / f"{name}.pkl" for name in names if (source / f"{name}.pkl").is_file()]
    if not paths:
        raise DataError(
            f"{source} has none of {', '.join(f'{name}.pkl' for name in names)}: name a folder of the published data"
        )
    histories: dict[int, list[int]] = {}
    for path in paths:
        part = _read_dict(path)
        if both := histories.keys() & part.keys():
            raise DataError(
                f"user {min(both)} is in {path} and in {paths[0].name}: import one of the two (--sequences)"
            )
        histories.update(part)
    return histories


def _read_dict(path: Path) -> dict[int, Any]:
    from recgpt.data.readers.pickles import read_pickle

    content = read_pickle(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, a dict is needed: fetch the published file again")
    return content


def _catalogue(texts: Mapping[int, Any], n_items: int) -> pl.DataFrame:
    rows = [_fields(texts.get(item, {})) for item in range(n_items)]
    table = pl.DataFrame(rows, schema=dict.fromkeys(PUBLISHED_COLUMNS, pl.String))
    return table.with_columns(item_id=pl.int_range(n_items))


def _fields(record: Mapping[str, Any] | str) -> dict[str, str]:
    """Catalogue columns of an item's dict; fields without a column of their own are kept, as JSON, in `details`."""
    if isinstance(record, str):
        record = {"title": record}
    title_key = next((key for key in TITLE_KEYS if record.get(key)), "title")
    fields = {c: _as_text(record.get(c), ", " if c == "categories" else " ") for c in PUBLISHED_COLUMNS}
    fields["title"] = _as_text(record.get(title_key), " ")
    others = {k: v for k, v in record.items() if k not in PUBLISHED_COLUMNS and k != title_key}
    if others:
        details = {"details": record["details"], **others} if record.get("details") else others
        fields["details"] = _as_text(details, "")
    return fields


def _as_text(value: Any, separator: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return separator.join(str(part) for part in value)
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)


def _save_embeddings(dataset: Dataset, path: Path, embeddings: np.ndarray) -> None:
    blocks = [embeddings[start : start + ROWS_PER_BLOCK] for start in range(0, len(embeddings), ROWS_PER_BLOCK)]
    save_blocks(
        path,
        track(blocks, "convert embeddings", total=len(blocks)),
        shape=embeddings.shape,
        dtype=np.float16,
        fingerprint={**ENCODER, "items_sha256": dataset.items_sha256},
    )
