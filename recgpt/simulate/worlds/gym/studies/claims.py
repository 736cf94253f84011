"""A dump that claims to be a measurement, and reasons against it that need nothing but the dump."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from recgpt.simulate.worlds.gym.domain import Domain

PLACEHOLDER = re.compile(r"(?i)(user|movie|film|book|item|persona|name|title)[ _-]?\d+")
"""Names that stand for no user and no item, such as `User_102`."""


class Refusal(NamedTuple):
    """Reason why a dump, or a file made from it, is no measurement."""

    source: str
    reason: str


@dataclass(frozen=True)
class Claim:
    """A dump to verify.

    Attributes
    ----------
    about
        Metadata of the dump; empty for one in the published form.
    is_recomputed
        Whether every rating is made again, so that equal ratings of another configuration are no copy.
    """

    source: str
    frame: pl.DataFrame
    configuration: str
    domain: Domain
    about: dict[str, Any] = field(default_factory=dict)
    is_recomputed: bool = False


def placeholder_reasons(frame: pl.DataFrame) -> Iterator[str]:
    """Reasons in names: users and items that are numbers, or nothing."""
    for column in ("user_name", "item_name"):
        names = frame[column].fill_null("").unique(maintain_order=True).to_list()
        found = [name for name in names if PLACEHOLDER.fullmatch(name.strip()) or not name.strip()]
        if found:
            yield f"{len(found):,} of {len(names):,} names in {column} are placeholders, such as {found[0]!r}"


def impossible_reasons(ratings_Q: np.ndarray, lowest: float, highest: float, step: float, what: str) -> Iterator[str]:
    """Reasons in ratings that cannot be given."""
    known_Q = ratings_Q[~np.isnan(ratings_Q)]
    place_Q = (known_Q - lowest) / step
    wrong_Q = (known_Q < lowest) | (known_Q > highest) | (np.abs(place_Q - np.round(place_Q)) > 1e-9)
    if wrong_Q.any():
        yield (
            f"{int(wrong_Q.sum()):,} ratings cannot be given by {what}, from {lowest:g} to {highest:g} in steps of"
            f" {step:g}, such as {known_Q[wrong_Q][0]:g}"
        )
