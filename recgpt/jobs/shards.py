"""Shards: ranges of rows with fixed bounds, each written atomically to a file of its own."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """Write `path` atomically, even with two workers at once: a draft file, then a rename."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.draft")
    figures = work(task, draft, meter)
    draft.replace(path)
    return figures
