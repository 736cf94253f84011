"""Progress with an ETA for every long step: a live bar on a terminal, a line every few seconds in a log."""

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from recgpt.console import SafeConsole
from recgpt.terminal import neutral, say

T = TypeVar("T")

console = SafeConsole(stderr=True)
LOG_INTERVAL_S = 5.0
RECENT_S = 30.0  # window of the speed behind the ETA: the load of the machine changes
_SAMPLE_S = 0.5  # between two samples of the work done


def note(text: str, style: str | None = None) -> None:
    """Print a note or warning on standard error, on one line that no text in it can break.

    Parameters
    ----------
    style
        Style of `rich`, such as `yellow`.
    """
    console.print(neutral(text), style=style, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """`3725.0` -> `1:02:05`."""
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


class RecentSpeed:
    """Speed of a job over the last half minute (with rarer updates: since the last but one).

    Parameters
    ----------
    now
        Time in seconds, of any monotonic clock.
    done
        Units of work done at that time.
    """

    def __init__(self, now: float, done: int) -> None:
        self._samples = deque([(now, done)])
        self._latest = (now, done)

    def update(self, now: float, done: int) -> None:
        """Record `done` units of work at the time `now`."""
        self._latest = (now, done)
        if now - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append(self._latest)
        while len(self._samples) > 1 and self._samples[1][0] <= now - RECENT_S:
            self._samples.popleft()

    def seconds_left(self, now: float, total: int) -> float | None:
        """Seconds until `total` units are done at this speed; None while the speed is unknown."""
        (then, done_then), (updated, done) = self._samples[0], self._latest
        if done >= total:
            return 0.0
        if done <= done_then:
            return None
        from_update = (updated - then) / (done - done_then) * (total - done)
        return max(0.0, from_update - (now - updated))


class Meter:
    """Progress display of a job of `total` units: a bar with ETA and a short note (a loss, a rate).

    A context manager. Writes to stderr, so that stdout holds results only.
    """

    def __init__(self, description: str, total: int, *, done: int = 0, disable: bool = False) -> None:
        self.description = description
        self.total = total
        self.done = done
        self.disable = disable
        self._start = self._last_line = time.monotonic()
        self._speed = RecentSpeed(self._start, done)
        self._bar: Progress | None = None

    def __enter__(self) -> "Meter":
        if not self.disable and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("ETA"),
                _EtaColumn(self),
                TextColumn("{task.fields[note]}", markup=False),
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
        """Record `advance` more units of work, with a note for the display."""
        self.done += advance
        if self.disable:
            return
        now = time.monotonic()
        self._speed.update(now, self.done)
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, note=note)
        elif now - self._last_line >= LOG_INTERVAL_S:
            self._log(note)

    @property
    def eta(self) -> str:
        """Time left at the recent speed, `?` while that is unknown."""
        left = self._speed.seconds_left(time.monotonic(), self.total)
        return "?" if left is None else duration(left)

    def _log(self, note: str) -> None:
        now = time.monotonic()
        share, elapsed = 100 * self.done / max(self.total, 1), duration(now - self._start)
        line = f"{self.description}: {self.done:,}/{self.total:,} ({share:.0f} %) in {elapsed}, ETA {self.eta}"
        say(f"{line} {note}".rstrip(), to=sys.stderr)
        self._last_line = now


class _EtaColumn(ProgressColumn):
    """The ETA of a meter, counting down between its updates."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    def render(self, task: Task) -> Text:
        return Text(self._meter.eta, style="progress.remaining")


def track(iterable: Iterable[T], description: str, *, total: int, disable: bool = False) -> Iterator[T]:
    """Yield from `iterable` while a `Meter` shows progress."""
    with Meter(description, total, disable=disable) as meter:
        for value in iterable:
            yield value
            meter.update()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Switch off the progress bars of transformers while a small model is read or written."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()
