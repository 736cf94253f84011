"""Shards: rows of fixed bounds, each written to a file of its own that appears whole, by renaming."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recgpt.progress import Meter

Counts = Mapping[str, int]
# From a task to a file at the path given, rows that are done counted in the meter; returns figures to be summed.
Work = Callable[[Any, Path, Meter], Counts]
# Loads what the work needs, once a process; on Ray it is pickled, so it holds names and absolute paths.
OpenWorker = Callable[[], Work]


@dataclass(frozen=True)
class Shard:
    """Rows start..stop."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def write_shard(work: Work, task: Any, path: Path, meter: Meter) -> Counts:
    """Have `path` written; it appears whole or not at all, though two workers write it at once."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.draft")
    figures = work(task, draft, meter)
    draft.replace(path)
    return figures
