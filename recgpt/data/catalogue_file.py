"""Catalogue of items from a file: ids as they are written, texts as texts.

items = read_catalogue(Path("items.csv"), {"item_id": "sku", "title": "name"})
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from recgpt.data.readers.tables import read_items
from recgpt.data.text import ALL_TEXT_COLUMNS


def read_catalogue(path: Path, columns: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Read a catalogue (CSV, TSV, JSON lines, Parquet) with `title` and, if there are any, `item_id` and other texts.

    Parameters
    ----------
    columns
        Column in the file by the name that is read, for files with other names.

    Raises
    ------
    DataError
        No such file, no column `title`, no item, or ids that are neither whole numbers nor text.
    """
    items = read_items(path, columns=columns)
    texts = [name for name in ALL_TEXT_COLUMNS if name in items.columns]
    return items.with_columns(pl.col(texts).cast(pl.String).fill_null(""))
