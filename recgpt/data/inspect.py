"""Statistics of a data set: counts, density, repeats, sequence lengths, texts, ties in time.

recgpt data inspect DIR
"""

from typing import Any

import numpy as np
import polars as pl
from rich.table import Table
from rich.text import Text

from recgpt.data.dataset import Dataset
from recgpt.data.text import has_text
from recgpt.terminal import plain

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
NAMED_ITEMS = 5


def inspect(dataset: Dataset) -> dict[str, Any]:
    """Compute the statistics as plain JSON values; all shares are fractions of 1.

    Returns
    -------
    dict
        - `name`, `repeats_rule`, `counts`
        - `density`: distinct user-item pairs, as a share of all possible pairs
        - `repeats`: `share` of events with an earlier item of the user, `consecutive` with the item of the event before
        - `lengths`: mean and quantiles of the number of items a user
        - `items_met`: share of catalogue items with an interaction
        - `text`: share of items with each column filled, and `without_any`: number of items without text, first ids
        - `time`, `ratings`: None without times or ratings
    """
    flat, lengths = dataset.interactions, dataset.sequences.lengths
    pairs = pl.Series(flat.user).cast(pl.Int64) * dataset.n_items + pl.Series(flat.item)
    distinct = pairs.n_unique()
    next_to = flat.user[1:] == flat.user[:-1]
    consecutive = int((next_to & (flat.item[1:] == flat.item[:-1])).sum())
    quantiles = np.quantile(lengths, QUANTILES)
    return {
        "name": dataset.name,
        "repeats_rule": dataset.manifest["repeats"],
        "counts": {"users": dataset.n_users, "items": dataset.n_items, "interactions": len(flat)},
        "density": distinct / (dataset.n_users * dataset.n_items),
        "repeats": {"share": 1 - distinct / len(flat), "consecutive": consecutive / len(flat)},
        "lengths": {
            "mean": float(lengths.mean()),
            **{f"q{q * 100:g}": float(v) for q, v in zip(QUANTILES, quantiles, strict=True)},
        },
        "items_met": len(np.unique(flat.item)) / dataset.n_items,
        "text": _text(dataset),
        "time": _time(dataset, next_to),
        "ratings": _ratings(flat.rating),
    }


def _text(dataset: Dataset) -> dict[str, Any]:
    columns = dataset.text_columns
    filled, textless = np.zeros(len(columns)), []
    for block in dataset.item_blocks(["item_id", *columns]):
        filled += block.select((pl.col(columns).str.strip_chars() != "").sum()).row(0)
        textless += block.filter(~has_text(columns))["item_id"].to_list()
    return {
        "filled": dict(zip(columns, (filled / dataset.n_items).tolist(), strict=True)),
        "without_any": {"items": len(textless), "first": textless[:NAMED_ITEMS]},
    }


def _time(dataset: Dataset, next_to: np.ndarray) -> dict[str, Any] | None:
    time = dataset.interactions.timestamp
    if time is None or not (time >= 0).any():
        return None
    known = time >= 0
    both = next_to & known[1:] & known[:-1]
    neighbours = max(int(both.sum()), 1)
    return {
        "unknown": float(1 - known.mean()),
        "first": int(time[known].min()),
        "last": int(time[known].max()),
        "ties": int((both & (time[1:] == time[:-1])).sum()) / neighbours,
        "backwards": int((both & (time[1:] < time[:-1])).sum()) / neighbours,
    }


def _ratings(rating: np.ndarray | None) -> dict[str, float] | None:
    if rating is None or np.isnan(rating).all():
        return None
    known = rating[~np.isnan(rating)]
    return {
        "unknown": 1 - len(known) / len(rating),
        "mean": float(known.mean()),
        "sd": float(known.std()),
        "min": float(known.min()),
        "max": float(known.max()),
    }


def render(report: dict[str, Any]) -> Table:
    """The report of `inspect` as a table for the terminal."""
    table = Table(title=Text(f"{plain(report['name'])} (repeats: {report['repeats_rule']})"), show_header=False)
    counts, lengths, text = report["counts"], report["lengths"], report["text"]
    for name, value in counts.items():
        table.add_row(name, f"{value:,}")
    table.add_row("density", f"{report['density']:.2e}")
    table.add_row("items met", f"{report['items_met']:.1%}")
    repeats = report["repeats"]
    table.add_row(
        "repeats", f"{repeats['share']:.2%} of events, {repeats['consecutive']:.2%} right after the same item"
    )
    table.add_row("items a user", ", ".join(f"{name} {value:.4g}" for name, value in lengths.items()))
    filled = ", ".join(f"{plain(column)} {share:.1%}" for column, share in text["filled"].items())
    table.add_row("text", Text(filled))
    textless = text["without_any"]
    first = f", first {', '.join(map(plain, textless['first']))}" if textless["items"] else ""
    table.add_row("items without text", Text(f"{textless['items']:,}{first}"))
    time = report["time"]
    if time is None:
        table.add_row("time", "unknown")
    else:
        first, last = (str(np.datetime64(time[key], "s").astype("datetime64[D]")) for key in ("first", "last"))
        table.add_row(
            "time",
            f"{first} to {last}, unknown {time['unknown']:.1%}; neighbouring events: {time['ties']:.1%} ties,"
            f" {time['backwards']:.1%} backwards",
        )
    ratings = report["ratings"]
    if ratings is not None:
        table.add_row("ratings", ", ".join(f"{name} {value:.4g}" for name, value in ratings.items()))
    return table
