"""Provenance of events: the data sets that a data set was made from, and the record of a training past.

    record = training_past(split.known)                     # stored with a model, JSON values
    trained_B = targets_in(record, split.dataset, split.target_rows)        # bool: was this target trained on?

A data set knows, event by event, the rows of the data sets *as they were read* that it was made from, through rules
for repeats, splits, selections and merges. So whether a target was trained on is decided exactly, whatever the data
set is called, wherever it lies, and also where it was one of several that were merged.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from recgpt.data.identity import code_version, dataset_identity
from recgpt.errors import DataError

if TYPE_CHECKING:
    from recgpt.data.dataset import Dataset
    from recgpt.data.splits.base import Split


@dataclass(frozen=True, eq=False)
class Source:
    """Events of one data set as it was read, within a data set that was made from it.

    Attributes
    ----------
    dataset
        Its name.
    interactions_sha256
        Hash of its sequences, which identifies it.
    n_events
        Number of its events.
    first, count
        Its events here are the rows `first` to `first + count` of the present data set, in their order.
    rows
        (count,) int64 ascending rows of these events in the source; None for all of them.
    is_stored
        Whether the source is a folder, and so worth a note in the manifest of what was made from it.
    """

    dataset: str
    interactions_sha256: str
    n_events: int
    first: int
    count: int
    rows: np.ndarray | None = None
    is_stored: bool = True

    def select(self, kept: np.ndarray) -> Self:
        """The source of a data set that keeps the events where the mask `kept` (R,) is true."""
        kept_here = np.flatnonzero(kept[self.first : self.first + self.count])
        rows = kept_here if self.rows is None else self.rows[kept_here]
        first = int(np.count_nonzero(kept[: self.first]))
        return replace(self, first=first, count=len(rows), rows=None if len(rows) == self.n_events else rows)

    def shifted(self, by: int) -> Self:
        """The source of a data set in which these events stand `by` rows further down."""
        return replace(self, first=self.first + by)

    def row_of(self, here: np.ndarray) -> np.ndarray:
        """Rows in the source of rows `here` of the present data set; -1 for rows that are of another source."""
        inside = here - self.first
        mine = (inside >= 0) & (inside < self.count)
        inside = np.where(mine, inside, 0)
        if not self.count:
            return np.full(len(here), -1)
        return np.where(mine, inside if self.rows is None else self.rows[inside], -1)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `rows` is a packed mask over the events of the source, None for all of them."""
        return {
            "dataset": self.dataset,
            "interactions_sha256": self.interactions_sha256,
            "events": self.n_events,
            "first": self.first,
            "count": self.count,
            "rows": None if self.rows is None else packed(self.rows, self.n_events),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any], where: str) -> Self:
        """Read `to_dict`.

        Raises
        ------
        DataError
            It is damaged; the message begins with `where`.
        """
        try:
            n_events, count = int(found["events"]), int(found["count"])
            rows = None if found["rows"] is None else np.flatnonzero(unpacked(found["rows"], n_events, where))
            source = cls(
                str(found["dataset"]), str(found["interactions_sha256"]), n_events, int(found["first"]), count, rows
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where}: a source of the data set is damaged ({error!r}): copy the file again") from error
        if count != (n_events if rows is None else len(rows)) or source.first < 0:
            raise DataError(f"{where}: a source of the data set is damaged ({count} events): copy the file again")
        return source


def packed(rows: np.ndarray, n: int) -> str:
    """Text of a set of rows among `n`: a compressed bit mask."""
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode()


def unpacked(text: str, n: int, where: str) -> np.ndarray:
    """(n,) bool mask of `packed`; never unpacks more than `n` bits.

    Raises
    ------
    DataError
        The text is damaged.
    """
    try:
        unpack = zlib.decompressobj()
        found = unpack.decompress(base64.b64decode(text, validate=True), (n + 7) // 8 or 1)
    except (binascii.Error, zlib.error, ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"{where}: the rows of a source of the data set are damaged ({error}): copy the file again"
        ) from error
    if len(found) != (n + 7) // 8 or unpack.unconsumed_tail:
        raise DataError(
            f"{where}: the rows of a source of the data set are damaged (not {n:,} of them): copy the file again"
        )
    return np.unpackbits(np.frombuffer(found, dtype=np.uint8), count=n).astype(bool)


def sources_as_read(dataset: "Dataset") -> list[Source]:
    """Sources of a data set as it was read: itself, and those that its manifest names."""
    n_events = dataset.n_interactions
    itself = Source(
        dataset.name, dataset.interactions_sha256, n_events, 0, n_events, is_stored=dataset.path is not None
    )
    noted = [Source.from_dict(found, f"{dataset.path}/manifest.json") for found in dataset.manifest.get("sources", [])]
    if any(source.first + source.count > n_events for source in noted):
        raise DataError(
            f"{dataset.path}/manifest.json: a source has more interactions than the data set: copy the data set again"
        )
    return [itself, *noted]


def training_past(dataset: "Dataset", split: "Split | None" = None) -> dict[str, Any]:
    """Record of a training on all events of a data set, or on the past of its split, JSON values.

    Where the data set is itself the past of a split (`Split.known`), the record holds protocol, past, seed, options,
    moment in time, and the hash of the targets that were held out, as it does of a given split.
    """
    about = dataset.manifest.get("split") or {} if split is None else split.about
    sources = dataset.sources if split is None else [source.select(split.in_past) for source in dataset.sources]
    return {
        "dataset": dataset.name,
        **dataset_identity(dataset),
        "protocol": about.get("protocol"),
        "past": about.get("past", "all"),
        "seed": about.get("seed"),
        "params": about.get("params", {}),
        "moment": about.get("params", {}).get("moment"),
        "targets_sha256": about.get("targets_sha256"),
        "users": dataset.n_users,
        "interactions": dataset.n_interactions if split is None else int(split.in_past.sum()),
        "date": datetime.now(UTC).date().isoformat(),
        **code_version(),
        "sources": [
            {
                "dataset": source.dataset,
                "interactions_sha256": source.interactions_sha256,
                "events": source.n_events,
                "trained": None if source.rows is None else packed(source.rows, source.n_events),
            }
            for source in sources
            if source.count
        ],
    }


def describe_past(record: Mapping[str, Any]) -> str:
    """A training past in words: `demo (leave_one_out, past train+valid, seed 0)`."""
    name = str(record.get("dataset", "an unnamed data set"))
    if not record.get("protocol"):
        return f"{name} (all interactions)"
    return f"{name} ({record['protocol']}, past {record.get('past', 'all')}, seed {record.get('seed')})"


def without_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Training pasts without the masks of rows, for reports."""
    return [{name: value for name, value in record.items() if name != "sources"} for record in records]


def targets_in(record: Mapping[str, Any], dataset: "Dataset", target_rows: np.ndarray) -> np.ndarray | None:
    """(B,) bool, whether each target is among the events of a training past.

    Parameters
    ----------
    record
        A record of `training_past`.
    dataset
        The data set that is split.
    target_rows
        (B,) rows of the targets in its interactions.

    Returns
    -------
    None where the training past and the data set have no source in common.

    Raises
    ------
    DataError
        The record is damaged.
    """
    trained_B = None
    for theirs in record.get("sources", ()):
        for mine in dataset.sources:
            n = mine.n_events
            if (theirs.get("interactions_sha256"), theirs.get("events")) != (mine.interactions_sha256, n):
                continue
            found = mine.row_of(target_rows)
            text = theirs.get("trained")
            mask = np.ones(n, bool) if text is None else unpacked(text, n, "the model's training past")
            in_past = (found >= 0) & mask[np.maximum(found, 0)]
            trained_B = in_past if trained_B is None else trained_B | in_past
    return trained_B
