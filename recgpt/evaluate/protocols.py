"""Slices of an evaluation: groups of queries (repeat, explore, head, tail, ...) that reports show apart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from recgpt.data.splits import Split
from recgpt.data.splits.negatives import published_99_negatives
from recgpt.errors import DataError
from recgpt.features.transitions import steps_between, transitions

if TYPE_CHECKING:  # settings are checked before torch is loaded
    from recgpt.ranking import Exclude

HEAD = 0.2  # of the catalogue
SHORT, LONG = 5, 10  # items of history


@dataclass(frozen=True)
class Slice:
    """A group of queries and the rule for items of the history.

    Attributes
    ----------
    exclude
        Items left out of the rankings: "history" or "nothing".
    about
        Description, for legends of tables.
    holds
        Function from the table of `case_table` to a (B,) bool mask of the queries in the slice.
    """

    exclude: "Exclude"
    about: str
    holds: Callable[[pl.DataFrame], pl.Series]


def _explore(about: str, *conditions: pl.Expr) -> Slice:
    return Slice("history", about, lambda cases: cases.select(pl.all_horizontal(~pl.col("repeat"), *conditions))[:, 0])


SLICES: dict[str, Slice] = {
    "explore": _explore("the target is new to the user, and the history is left out"),
    "all": Slice("nothing", "every query, nothing left out", lambda cases: pl.repeat(True, len(cases), eager=True)),
    "repeat": Slice("nothing", "the target is in the history", lambda cases: cases["repeat"]),
    "head": _explore(f"explore, target among the {HEAD:.0%} most popular items", pl.col("popularity") == "head"),
    "tail": _explore("explore, target among the other items with interactions", pl.col("popularity") == "tail"),
    "unseen": _explore(
        "explore, target without interactions in the past (cold item)", pl.col("popularity") == "unseen"
    ),
    "short": _explore(f"explore, at most {SHORT} items of history", pl.col("history_items") <= SHORT),
    "long": _explore(f"explore, more than {LONG} items of history", pl.col("history_items") > LONG),
    "one_step": _explore("explore, in the past the target came directly after the last item", pl.col("steps") == 1),
    "two_steps": _explore("explore, two such steps lead from the last item to the target", pl.col("steps") == 2),
    "far": _explore("explore, the last item and the target are farther apart, or not connected", pl.col("steps") == 3),
}
"""Slice name -> slice; the headline slice of most protocols comes first."""


def headline(protocol: str) -> str:
    """Name of the headline slice of a protocol."""
    return "all" if protocol == "published_steam_style" else "explore"


def refuse_negatives(negatives: int | None) -> None:
    """Raise DataError if sampled negatives are requested instead of a ranking of the whole catalogue."""
    if negatives is not None:
        raise DataError(
            f"negatives={negatives}: metrics over sampled negatives are refused. They do not order recommenders as the "
            "full catalogue does, and can reverse them (Krichene and Rendle 2020, On sampled metrics for item "
            "recommendation). Leave the setting out: the whole catalogue is ranked, which takes seconds; only to "
            f"reproduce published figures there is the protocol {published_99_negatives.__name__}"
        )


def case_table(split: Split) -> pl.DataFrame:
    """Table of the queries of a split, one row each, with the columns that define slices.

    Columns: `user, target` (outside ids), `history_items`, `target_count` (interactions with the target in the past),
    `repeat` (whether the target is in the history), `popularity` (of the target: head, tail or unseen), `steps` (past
    transitions from the last item of the history to the target: 1, 2, or 3 for more or none).
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
            "steps": _steps(split),
        }
    )


def _steps(split: Split) -> np.ndarray:
    """(B,) transitions from the last item of each history to its target, see `steps_between`; 3 without a history."""
    steps_B = np.full(len(split), 3)
    asked = np.flatnonzero(split.histories.lengths > 0)
    last = split.histories.values[split.histories.offsets[1:][asked] - 1]
    steps_B[asked] = steps_between(last, split.targets[asked], transitions(split.past, split.dataset.n_items))
    return steps_B
