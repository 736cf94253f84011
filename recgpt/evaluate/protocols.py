"""From a split to the table of its cases, and to the slices that a report shows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from recgpt.data.splits import Split
from recgpt.errors import DataError
from recgpt.ranking import Exclude

HEAD = 0.2  # of the catalogue
SHORT, LONG = 5, 10  # items of history


@dataclass(frozen=True)
class Slice:
    """Some of the cases.

    Attributes
    ----------
    exclude
        What is left out of their rankings.
    about
        For readers.
    holds
        Maps the table of `case_table` to (B,) bool.
    """

    exclude: Exclude
    about: str
    holds: Callable[[pl.DataFrame], pl.Series]


def _explore(about: str, *conditions: pl.Expr) -> Slice:
    return Slice("history", about, lambda cases: cases.select(pl.all_horizontal(~pl.col("repeat"), *conditions))[:, 0])


SLICES: dict[str, Slice] = {
    "explore": _explore("the target is new to the user, and the history is left out"),
    "all": Slice("nothing", "every case, nothing left out", lambda cases: pl.repeat(True, len(cases), eager=True)),
    "repeat": Slice("nothing", "the target is in the history", lambda cases: cases["repeat"]),
    "head": _explore(f"explore, target among the {HEAD:.0%} most popular items", pl.col("popularity") == "head"),
    "tail": _explore("explore, target among the other items that somebody took", pl.col("popularity") == "tail"),
    "unseen": _explore("explore, nobody took the target in the past", pl.col("popularity") == "unseen"),
    "short": _explore(f"explore, at most {SHORT} items of history", pl.col("history_items") <= SHORT),
    "long": _explore(f"explore, more than {LONG} items of history", pl.col("history_items") > LONG),
}
"""The headline of most protocols comes first."""


def headline(protocol: str) -> str:
    """The slice whose figures count."""
    return "all" if protocol == "published_steam_style" else "explore"


def refuse_negatives(negatives: int | None) -> None:
    """Raise DataError if somebody wants to rank the target among so many sampled negatives instead of all items."""
    if negatives is not None:
        raise DataError(
            f"negatives={negatives}: metrics over sampled negatives are refused. They do not order recommenders as the "
            "full catalogue does, and can reverse them (Krichene and Rendle 2020, On sampled metrics for item "
            "recommendation). Leave the setting out: the whole catalogue is ranked, which takes seconds"
        )


def case_table(split: Split) -> pl.DataFrame:
    """One row a case: who was asked, for what, and what the slices go by.

    Columns: `user, target` (outside ids), `history_items`, `target_count` (interactions with the target in the past),
    `repeat` (is the target in the history?), `popularity` (of the target: head, tail or unseen).
    """
    dataset = split.dataset
    count_N = np.bincount(split.past.values, minlength=dataset.n_items)
    is_head_N = np.zeros(dataset.n_items, dtype=bool)
    is_head_N[np.argsort(-count_N, kind="stable")[: round(HEAD * dataset.n_items)]] = True
    count_B = count_N[split.targets]
    popularity = np.where(count_B == 0, "unseen", np.where(is_head_N[split.targets], "head", "tail"))
    return pl.DataFrame(
        {
            "user": dataset.user_map.to_outside(split.users),
            "target": dataset.item_map.to_outside(split.targets),
            "history_items": split.histories.lengths,
            "target_count": count_B,
            "repeat": split.histories.contains(split.targets),
            "popularity": popularity,
        }
    )
