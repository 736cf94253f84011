"""Progress with an ETA for every long step: a live bar on a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")

console = Console(stderr=True)
LOG_INTERVAL_S = 5.0


def duration(seconds: float) -> str:
    """`3725.0` -> `1:02:05`."""
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


class Meter:
    """Counts work done out of `total`; `update` may carry a short note (a loss, a rate) shown beside the bar.

    Use as a context manager. Writes to stderr, so that stdout stays clean for results.
    """

    def __init__(self, description: str, total: int, *, done: int = 0, disable: bool = False) -> None:
        self.description = description
        self.total = total
        self.done = self._resumed_from = done
        self.disable = disable
        self._start = self._last_line = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> "Meter":
        if not self.disable and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("ETA"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=console,
            )
            self._task = self._bar.add_task(self.description, total=self.total, completed=self.done, note="")
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif not self.disable and exc[0] is None:
            self._log("done")

    def update(self, advance: int = 1, note: str = "") -> None:
        """Record `advance` more units of work."""
        self.done += advance
        if self.disable:
            return
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, note=note)
        elif time.monotonic() - self._last_line >= LOG_INTERVAL_S:
            self._log(note)

    def _log(self, note: str) -> None:
        now = time.monotonic()
        elapsed, fresh, left = now - self._start, self.done - self._resumed_from, self.total - self.done
        eta = duration(elapsed / max(fresh, 1) * left) if fresh or not left else "?"
        share = 100 * self.done / max(self.total, 1)
        line = f"{self.description}: {self.done:,}/{self.total:,} ({share:.0f} %) in {duration(elapsed)}, ETA {eta}"
        print(f"{line} {note}".rstrip(), file=sys.stderr, flush=True)
        self._last_line = now


def track(iterable: Iterable[T], description: str, *, total: int, disable: bool = False) -> Iterator[T]:
    """Yield from `iterable` while a `Meter` shows progress."""
    with Meter(description, total, disable=disable) as meter:
        for value in iterable:
            yield value
            meter.update()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from drawing bars of its own while a model of a few megabytes is read or written."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()
