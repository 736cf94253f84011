"""Text templates: from the fields of an item to the text that is embedded."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from recgpt.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

TEXT_COLUMNS = ("title", "categories", "brand", "description")
# Fields of the published system's item dict, in its order.
PUBLISHED_COLUMNS = ("main_category", "title", "description", "categories", "details")
# All columns that a template may read.
ALL_TEXT_COLUMNS = tuple(dict.fromkeys(TEXT_COLUMNS + PUBLISHED_COLUMNS))
DESCRIPTION_CHARS = 300


def _text(column: str) -> pl.Expr:
    return pl.col(column).fill_null("").str.strip_chars()


def has_text(columns: list[str]) -> pl.Expr:
    """True for items with at least one non-empty text column."""
    return pl.any_horizontal([_text(c) != "" for c in columns])


def fields_template(items: pl.DataFrame) -> list[str]:
    """`title. categories. brand. description`, empty parts left out, the description cut to 300 characters."""
    parts = {c: _text(c) for c in TEXT_COLUMNS if c in items.columns}
    if "description" in parts:
        parts["description"] = parts["description"].str.slice(0, DESCRIPTION_CHARS)
    filled = [pl.when(part != "").then(part) for part in parts.values()]
    return items.select(pl.concat_str(filled, separator=". ", ignore_nulls=True).fill_null("")).to_series().to_list()


def published_template(items: pl.DataFrame) -> list[str]:
    """Published template: the `repr` of the dict of an item's fields, without braces.

    Missing fields are left out; lists (categories, description) are joined text here.
    """
    columns = [c for c in PUBLISHED_COLUMNS if c in items.columns]
    rows = items.select(pl.col(columns).fill_null("")).iter_rows(named=True)
    return [str(row).replace("{", "").replace("}", "") if any(row.values()) else "" for row in rows]


TEXT_TEMPLATES: dict[str, Callable[[pl.DataFrame], list[str]]] = {
    "fields": fields_template,
    "published": published_template,
}


def catalogue_texts(items: "Sequence[str] | pl.DataFrame | pd.DataFrame", template: str = "fields") -> Sequence[str]:
    """Texts of the items of a table; a sequence of texts is returned as it is.

    Raises
    ------
    DataError
        The table has no column `title`.
    """
    if isinstance(items, Sequence):
        return items
    if "title" not in items.columns:
        raise DataError(
            f"the items table has no column 'title', only {list(items.columns)}: rename the column with the titles"
        )
    texts = items[[column for column in ALL_TEXT_COLUMNS if column in items.columns]]
    return TEXT_TEMPLATES[template](texts if isinstance(texts, pl.DataFrame) else pl.from_pandas(texts))
