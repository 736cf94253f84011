"""An item's fields -> the one string its embedding is made from."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from recgpt.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

TEXT_COLUMNS = ("title", "categories", "brand", "description")
# The fields of the published system's item dict, in its order.
PUBLISHED_COLUMNS = ("main_category", "title", "description", "categories", "details")
# Whatever a template may use.
ALL_TEXT_COLUMNS = tuple(dict.fromkeys(TEXT_COLUMNS + PUBLISHED_COLUMNS))
DESCRIPTION_CHARS = 300


def _text(column: str) -> pl.Expr:
    return pl.col(column).fill_null("").str.strip_chars()


def has_text(columns: list[str]) -> pl.Expr:
    """True for the items of which one of the text `columns` says something."""
    return pl.any_horizontal([_text(c) != "" for c in columns])


def fields_template(items: pl.DataFrame) -> list[str]:
    """`title. categories. brand. description`, empty parts left out, the description cut to 300 characters."""
    parts = {c: _text(c) for c in TEXT_COLUMNS if c in items.columns}
    if "description" in parts:
        parts["description"] = parts["description"].str.slice(0, DESCRIPTION_CHARS)
    spoken = [pl.when(part != "").then(part) for part in parts.values()]
    return items.select(pl.concat_str(spoken, separator=". ", ignore_nulls=True).fill_null("")).to_series().to_list()


def published_template(items: pl.DataFrame) -> list[str]:
    """The published rule: the dict of an item's fields as Python prints it, every brace taken out.

    Fields the table does not have are left out; lists there (categories, description) are joined text here.
    """
    columns = [c for c in PUBLISHED_COLUMNS if c in items.columns]
    rows = items.select(pl.col(columns).fill_null("")).iter_rows(named=True)
    return [str(row).replace("{", "").replace("}", "") if any(row.values()) else "" for row in rows]


TEXT_TEMPLATES: dict[str, Callable[[pl.DataFrame], list[str]]] = {
    "fields": fields_template,
    "published": published_template,
}


def catalogue_texts(items: "Sequence[str] | pl.DataFrame | pd.DataFrame", template: str = "fields") -> Sequence[str]:
    """The text of each item of a table, or the texts themselves.

    Raises
    ------
    DataError
        The table has no column `title`, or an `item_id` twice.
    """
    if isinstance(items, Sequence):
        return items
    table = items if isinstance(items, pl.DataFrame) else pl.from_pandas(items)
    if "title" not in table.columns:
        raise DataError(f"the items table has no column 'title', only {table.columns}: rename the one that holds it")
    if "item_id" in table.columns and table["item_id"].is_duplicated().any():
        twice = table["item_id"].filter(table["item_id"].is_duplicated())[0]
        raise DataError(f"item_id {twice!r} stands in more than one row: keep one row of each item")
    return TEXT_TEMPLATES[template](table)
