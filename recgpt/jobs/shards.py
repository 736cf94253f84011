"""Shards: ranges of rows with fixed bounds, each written atomically to a file of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recgpt.files import new_file
from recgpt.progress import Meter

Counts = Mapping[str, int]
# Writes the output of a task to the given path and counts finished rows in the meter; returns counts to be summed.
Work = Callable[[Any, Path, Meter], Counts]
# Loads models or data once a process; pickled for Ray, so it holds names and absolute paths.
OpenWorker = Callable[[], Work]


@dataclass(frozen=True)
class Shard:
    """Rows start..stop - 1."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def write_shard(work: Work, task: Any, path: Path, meter: Meter) -> Counts:
    """Write `path` atomically and durably, even with two workers at once."""
    with new_file(path) as draft:
        return work(task, draft, meter)
