"""Evaluation splits: histories, targets, training interactions.

    split = leave_one_out(dataset, past="train")
    split.known         # the data set with its training interactions only: the argument of `fit`
    split.histories     # B sequences of item ids, oldest first: the input of `rank`
    split.targets       # (B,) item ids: the next item of each history

A split depends on the data set, its parameters and its seed alone; `save` and `load` keep it for later comparison.
A new protocol is one file with a function `(dataset, ...) -> Split` and one line in `PROTOCOLS`.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recgpt.arguments import check_type
from recgpt.data.dataset import Dataset, Repeats
from recgpt.data.splits.base import Split
from recgpt.data.splits.cold import cold_item, cold_user, held_out_users
from recgpt.data.splits.global_time import global_time
from recgpt.data.splits.leave_one_out import leave_one_out, published_steam_style, second_last, zero_shot
from recgpt.data.splits.negatives import published_99_negatives
from recgpt.data.splits.windows import FULL_CATALOGUE, windows
from recgpt.errors import DataError

PROTOCOLS: dict[str, Callable[..., Split]] = {
    protocol.__name__: protocol
    for protocol in (
        leave_one_out,
        global_time,
        zero_shot,
        cold_user,
        cold_item,
        held_out_users,
        windows,
        published_steam_style,
        published_99_negatives,
    )
}


def load_for(protocol: str, path: str | Path, *, repeats: Repeats | None = None) -> Dataset:
    """Load a data set with the catalogue file and the rule for repeats of a protocol.

    `windows` ranks the published full catalogue where there is one, and like `published_steam_style` keeps repeats;
    by default the other protocols drop them.
    """
    check_protocol(protocol)
    published = protocol in (windows.__name__, published_steam_style.__name__)
    full = protocol == windows.__name__ and (Path(path) / FULL_CATALOGUE).is_file()
    return Dataset.load(
        path,
        repeats=repeats or ("keep" if published else "drop"),
        items=FULL_CATALOGUE if full else "items.parquet",
    )


def make_split(dataset: Dataset, protocol: str, **options: Any) -> Split:
    """Split by the named protocol; an option of None means the protocol's default.

    Raises
    ------
    DataError
        Unknown protocol, or an option that it does not have.
    """
    check_options(protocol, **options)
    check_type(dataset, Dataset, "dataset", "load one with Dataset.load(FOLDER)")
    return PROTOCOLS[protocol](dataset, **{name: value for name, value in options.items() if value is not None})


def check_options(protocol: str, **options: Any) -> None:
    """Check the options of `make_split` before the data set is read.

    Raises
    ------
    DataError
        Unknown protocol, or an option that it does not have.
    """
    check_protocol(protocol)
    known = [name for name in inspect.signature(PROTOCOLS[protocol]).parameters if name != "dataset"]
    for name, value in options.items():
        if value is not None and name not in known:
            raise DataError(f"{protocol} has no option {name} (={value!r}): it has {', '.join(known)}")


def check_protocol(protocol: str) -> None:
    """Raise DataError, with the list of protocols, if the name is unknown."""
    check_type(protocol, str, "protocol", f"choose among {', '.join(PROTOCOLS)}")
    if protocol not in PROTOCOLS:
        raise DataError(f"unknown protocol {protocol!r}: choose among {', '.join(PROTOCOLS)}")


__all__ = [
    "PROTOCOLS",
    "Split",
    "check_options",
    "check_protocol",
    "cold_item",
    "cold_user",
    "global_time",
    "held_out_users",
    "leave_one_out",
    "load_for",
    "make_split",
    "published_99_negatives",
    "published_steam_style",
    "second_last",
    "windows",
    "zero_shot",
]
