"""Followers: one thread a watched run reads new steps from its log and keeps their frames for all tabs.

    follower = followers.of("demo")
    reading = await follower.reached(3)
    reading.frame(3)                           # JSON of the frame

A frame is made once, whether the run is played here, elsewhere, or was finished long ago.
"""

import asyncio
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from recgpt.errors import RecGPTError, SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.watch import About, Frame, Mark, Watch
from recgpt.simulate.watching import watch_of
from recgpt.web.cleaning import cleaned_text, cleaned_value

MOST_FOLLOWED = 12
"""Runs followed at the same time; the one used longest ago is closed."""
WHOLE_FRAMES, WHOLE_BYTES = 2_000, 128 << 20
"""Latest frames kept with activities and log lines, at most."""
_LIVE_S, _QUIET_S, _QUIET_AFTER_S = 0.05, 0.5, 5.0  # between looks at a run that grows, at one that does not
_REPORT_S = 0.2


class Kept(NamedTuple):
    """A frame as its JSON, and its parts that are asked for alone."""

    text: bytes
    values: dict[str, float | None]
    marks: list[Mark]


class Turns:
    """Turns at the watch: requests of pages go before the reading of further steps."""

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), threading.Lock()
        self._waiting = 0

    @contextmanager
    def first(self) -> Iterator[None]:
        """Turn of a request."""
        with self._count:
            self._waiting += 1
        try:
            with self._lock:
                yield
        finally:
            with self._count:
                self._waiting -= 1

    @contextmanager
    def last(self) -> Iterator[None]:
        """Turn of the reading of a step."""
        while self._waiting:
            time.sleep(0.001)
        with self._lock:
            yield


class Reading:
    """Frames read of a file of a run so far; another file under the same id is another reading."""

    def __init__(self, run: Run, number: int) -> None:
        self.number = number
        self.run = run
        self.turns = Turns()
        self.watch: Watch = watch_of(run)
        self.about: About = self.watch.about()
        self.manifest = manifest_of(run)
        self.n_stored = run.n_steps
        self._frames: list[Kept] = []
        self._n_whole = self._whole_bytes = 0
        self._keep(self.watch.start())

    @property
    def last(self) -> int:
        """Last step that was read; 0: before the first."""
        return len(self._frames) - 1

    def frame(self, step: int) -> bytes:
        """JSON of the frame of a step."""
        return self._frames[step].text

    def read_next(self) -> None:
        """Read the next step."""
        rows = self.run.events(self.last + 1)
        with self.turns.last():
            self._keep(self.watch.add(rows))

    def _keep(self, frame: Frame) -> None:
        kept = Kept(to_json(frame), frame["values"], frame["marks"])
        self._frames.append(kept)
        self._n_whole += 1
        self._whole_bytes += len(kept.text)
        while self._n_whole > 1 and (self._n_whole > WHOLE_FRAMES or self._whole_bytes > WHOLE_BYTES):
            place = len(self._frames) - self._n_whole
            oldest = self._frames[place]
            self._n_whole -= 1
            self._whole_bytes -= len(oldest.text)
            small = {**json.loads(oldest.text), "activity": None, "log": []}
            self._frames[place] = oldest._replace(text=to_json(small))

    def series(self) -> dict[str, Any]:
        """Values of all figures and all marks."""
        frames = self._frames[: self.last + 1]
        names = [figure["name"] for figure in self.about["figures"]]
        return {
            "steps": list(range(len(frames))),
            "values": {name: [frame.values.get(name) for frame in frames] for name in names},
            "marks": [mark for frame in frames for mark in frame.marks],
        }


def manifest_of(run: Run) -> dict[str, Any]:
    """Manifest of a run as JSON, without its table of events, secrets and paths."""
    found: dict[str, Any] = cleaned_value(run.manifest.model_dump(mode="json", exclude={"kinds", "dialects"}))
    return found


def to_json(value: Any) -> bytes:
    """Compact JSON of a value without NaN."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class Follower:
    """Thread that reads a run as it grows."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.reading: Reading | None = None
        self.error: str | None = None
        self.used = time.monotonic()
        self._listeners: set[Callable[[], None]] = set()
        self._nudged, self._closed = threading.Event(), threading.Event()
        self._number = self._n_failures = 0
        threading.Thread(target=self._follow, name=f"follower of {run_id}", daemon=True).start()

    # --- for the server's loop ---

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Event that is set at every change, for the running loop."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(event.set)

        self._listeners.add(wake)
        self._nudged.set()
        try:
            yield event
        finally:
            self._listeners.discard(wake)

    @property
    def is_closed(self) -> bool:
        """Whether it reads no more."""
        return self._closed.is_set()

    @property
    def is_watched(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._listeners)

    async def reached(self, step: int | None, seconds: float = 30.0) -> Reading:
        """The reading once it has a step; None: once it has begun.

        Raises
        ------
        SimulationError
            The run has no such step, or cannot be read.
        TimeoutError
            The step was not read in time.
        """
        self.used = time.monotonic()
        with self.listening() as event:
            known_failures = self._n_failures
            async with asyncio.timeout(seconds):
                while True:
                    event.clear()
                    if (reading := self._with(step, known_failures)) is not None:
                        return reading
                    await event.wait()

    def _with(self, step: int | None, known_failures: int) -> Reading | None:
        reading = self.reading
        if reading is None:
            if self.error is not None and self._n_failures > known_failures:  # the run may be there by now
                raise SimulationError(self.error)
            return None
        if step is None or 0 <= step <= reading.last:
            return reading
        if step < 0 or (step > reading.n_stored and step > reading.run.n_steps):
            raise SimulationError(f"run {self.run_id} has no step {step}: choose one from 0 to {reading.last}")
        return None

    def wake(self) -> None:
        """Wake the thread and all listeners."""
        self._nudged.set()
        for listener in tuple(self._listeners):
            listener()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self.wake()

    # --- the thread ---

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                with Run.open(self.run_id) as run:
                    self._read(run)
            except RecGPTError as error:
                self.reading, self.error = None, cleaned_text(str(error))
                self._n_failures += 1
                self.wake()
                self._rest(_QUIET_S)

    def _read(self, run: Run) -> None:
        """Read a file of the run until another one takes its place."""
        identity, self._number = _identity(run), self._number + 1
        reading = Reading(run, self._number)
        self.reading, self.error = reading, None
        self.wake()
        grown = reported = time.monotonic()
        while not self._closed.is_set():
            reading.n_stored = max(run.n_steps, reading.n_stored)
            while reading.last < reading.n_stored and not self._closed.is_set():
                reading.read_next()
                grown = time.monotonic()
                if reading.last == reading.n_stored or grown - reported > _REPORT_S:
                    reported = grown
                    self.wake()
            if _identity(run) != identity:
                return
            quiet = time.monotonic() - grown > _QUIET_AFTER_S
            self._rest(_QUIET_S if quiet else _LIVE_S)

    def _rest(self, seconds: float) -> None:
        self._nudged.wait(seconds if self._listeners else 10 * seconds)
        self._nudged.clear()


def _identity(run: Run) -> tuple[int, int] | None:
    with suppress(OSError):
        status = run.path.stat()
        return status.st_dev, status.st_ino
    return None


class Followers:
    """Followers of the runs that pages watch, by id."""

    def __init__(self) -> None:
        self._followers: OrderedDict[str, Follower] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, run_id: str) -> Follower:
        """Follower of a run, which must exist."""
        with self._lock:
            follower = self._followers.get(run_id)
            if follower is None:
                follower = self._followers[run_id] = Follower(run_id)
            self._followers.move_to_end(run_id)
            idle = [each for each, other in self._followers.items() if not other.is_watched and other is not follower]
            for other_id in idle[: max(0, len(self._followers) - MOST_FOLLOWED)]:
                self._followers.pop(other_id).close()
            return follower

    def wake(self, run_id: str) -> None:
        """Wake the follower of a run, if there is one."""
        with self._lock:
            follower = self._followers.get(run_id)
        if follower is not None:
            follower.wake()

    def close(self) -> None:
        """End all threads."""
        for follower in self._followers.values():
            follower.close()
