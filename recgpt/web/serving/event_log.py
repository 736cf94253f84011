"""Append-only log of observed events: JSON lines that survive a kill, and can be read as interactions.

    with EventLog.open(path) as log:
        events = log.replayed          # of the earlier processes
        log.append([[Event("u1", "b7")], [Event("u2", "x", 1_700_000_000)]])    # on disk when it returns

One line an event: `{"user_id": "u1", "item_id": "b7", "timestamp": null, "left": 0}`. `left` counts the events of the
same call that follow, so that a call that was torn by a kill is left out as a whole. `recgpt serve --interactions` and
`recgpt recommend --interactions` read the file as it is.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Self

from recgpt.bounds import MAX_LINE_BYTES, parse_json
from recgpt.errors import DataError
from recgpt.files import make_folder, only_writer, storage_errors

COLUMNS = ("user_id", "item_id", "timestamp", "left")


class Event(NamedTuple):
    """One interaction, by outside ids; `timestamp` in Unix seconds, None if unknown."""

    user: int | str
    item: int | str
    timestamp: int | None = None


class EventLog:
    """Opened log, to which one process appends.

    Attributes
    ----------
    path
        The file.
    replayed
        Events of whole calls that it held when it was opened, in their order.
    torn
        Bytes of a torn call at its end, which were cut off.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        with path.open("rb") as file:
            self.replayed, self._end = _read(file, path)
            self.torn = file.seek(0, os.SEEK_END) - self._end
        os.ftruncate(descriptor, self._end)

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open or create a log; a second process is refused until the first has ended.

        Raises
        ------
        StorageError
            Another process holds the log, or it cannot be written.
        DataError
            A line is no event of a log.
        """
        with only_writer(path), storage_errors(path):
            make_folder(path.absolute().parent)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                yield cls(path, descriptor)
            finally:
                os.close(descriptor)

    def append(self, calls: Sequence[Sequence[Event]]) -> None:
        """Write the events of one or more calls, and wait until the disk has them.

        Raises
        ------
        StorageError
            The disk is full or fails; nothing of the calls stays in the file.
        """
        text = "".join(_line(event, len(events) - place) for events in calls for place, event in enumerate(events, 1))
        with storage_errors(self.path):
            try:
                self._write(text.encode())
            except OSError:
                os.ftruncate(self._descriptor, self._end)
                raise

    def _write(self, content: bytes) -> None:
        written = 0
        while written < len(content):
            written += os.pwrite(self._descriptor, content[written:], self._end + written)
        os.fsync(self._descriptor)
        self._end += len(content)


def _line(event: Event, left: int) -> str:
    return json.dumps(dict(zip(COLUMNS, (*event, left), strict=True))) + "\n"


def _read(file: IO[bytes], path: Path) -> tuple[list[Event], int]:
    """Events of whole calls, and the place in the file where the last whole call ends."""
    events: list[Event] = []
    n_whole, end, place = 0, 0, 0
    file.seek(0)
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), start=1):
        if not line.endswith(b"\n"):
            break
        place += len(line)
        event, left = _parsed(line, f"{path}, line {number}")
        events.append(event)
        if left == 0:
            n_whole, end = len(events), place
    return events[:n_whole], end


def _parsed(line: bytes, where: str) -> tuple[Event, int]:
    content = parse_json(line, where)
    if not isinstance(content, dict) or tuple(content) != COLUMNS:
        raise DataError(f"{where} is no event of a log ({', '.join(COLUMNS)}): name a log that `recgpt serve` wrote")
    user, item, timestamp, left = content.values()
    are_ids = all(type(each) in (int, str) for each in (user, item))
    if not are_ids or type(timestamp) not in (int, type(None)) or type(left) is not int:
        raise DataError(f"{where} holds a value of a wrong type: restore the log, or begin another one")
    return Event(user, item, timestamp), left
