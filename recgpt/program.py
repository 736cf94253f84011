"""What every command and script has around its work: errors in one line, stops by Ctrl-C or SIGTERM, exit codes.

    if __name__ == "__main__":
        run(main, "pre_train.py")

| exit code | meaning |
|-|-|
| 0 | done |
| 1 | a check that the command makes has failed |
| 2 | an error that the user can mend: one line with value, place and remedy |
| 130, 143 | stopped by Ctrl-C, by SIGTERM |

Anything else is a fault of the program and keeps its traceback.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from recgpt.errors import RecGPTError
from recgpt.files import explain_storage_error
from recgpt.terminal import forgive_encodings, message, say

USER_ERROR = 2
_SAME_STOP_S = 1.0  # a launcher may pass on a signal that reached its processes already
_STOPS = {signal.SIGINT: "stopped by Ctrl-C", signal.SIGTERM: "stopped by SIGTERM"}
# Errors of libraries about their input, which reaches them from files, options or the network.
_FOREIGN = (
    ("polars.exceptions", None),
    ("pyarrow.lib", None),
    ("safetensors_rust", None),
    ("sqlite3", None),
    ("zipfile", "BadZipFile"),
    ("zlib", "error"),
    ("gzip", "BadGzipFile"),
    ("json.decoder", "JSONDecodeError"),
    ("yaml", None),
    ("huggingface_hub", None),
    ("httpx2", None),
    ("requests", None),
    ("torch", "OutOfMemoryError"),
)


class Stopped(BaseException):
    """The user stopped the program: raised in the main thread of `run` on Ctrl-C and on SIGTERM.

    Not a `KeyboardInterrupt`, as libraries for command lines catch that one and end with their own code.

    Attributes
    ----------
    signal
        SIGINT or SIGTERM.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(_STOPS[self.signal])

    @property
    def exit_code(self) -> int:
        """Code of a process that ended by this signal, by the convention of shells."""
        return 128 + int(self.signal)


@contextmanager
def resumable(hint: str | Callable[[], str]) -> Iterator[None]:
    """Say how to go on when the program is stopped inside the block.

    Parameters
    ----------
    hint
        One clause: "the same command goes on from step 400"; or a function that makes it when the program is stopped.
    """
    try:
        yield
    except (Stopped, KeyboardInterrupt) as stop:
        if not getattr(stop, "__notes__", None):  # the innermost block knows best
            stop.add_note(hint if isinstance(hint, str) else hint())
        raise


class PendingStop:
    """Stop that waits for the end of a step; see `deferred_stops`."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._noticed = 0.0
        self._handlers: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self._number is not None

    def stop(self) -> NoReturn:
        """Stop the program, as if the signal came now."""
        number, self._number = self._number or signal.SIGINT, None
        self.restore()
        signal.raise_signal(number)
        raise Stopped(number)  # for a handler that returns

    def watch(self) -> None:
        """Install the handlers; without effect outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _STOPS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._handlers[number] = signal.signal(number, self._notice)

    def restore(self) -> None:
        """Put the earlier handlers back."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _notice(self, number: int, _frame: FrameType | None) -> None:
        if self._number is None:
            self._number, self._noticed = number, time.monotonic()
            say("stopping after this step; once more: at once", to=sys.stderr)
        elif time.monotonic() - self._noticed > _SAME_STOP_S:
            self.stop()


@contextmanager
def deferred_stops() -> Iterator[PendingStop]:
    """Let a step of work end before Ctrl-C or SIGTERM stops the program; a second one stops it at once.

    with deferred_stops() as pending:
        for step in steps:
            work(step)
            if pending:
                save(step)
                pending.stop()
    """
    pending = PendingStop()
    pending.watch()
    try:
        yield pending
    finally:
        pending.restore()
    if pending:
        pending.stop()


def run(main: Callable[[], None], name: str) -> NoReturn:
    """Run a program to its exit code.

    Parameters
    ----------
    main
        The program.
    name
        Its name in messages: "recgpt", "eval.py".
    """
    forgive_encodings()
    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)
    try:
        main()
        sys.stdout.flush()
    except Stopped as stop:
        _ignore_stops()
        say(f"{name}: {stop}" + "".join(f"; {note}" for note in getattr(stop, "__notes__", ())), to=sys.stderr)
        sys.exit(stop.exit_code)
    except BrokenPipeError:  # `recgpt ... | head`: the reader has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit is silent
        sys.exit(128 + int(signal.SIGPIPE))
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        say(*f"{name}: {explained}".split("\n"), to=sys.stderr)
        sys.exit(USER_ERROR)
    sys.exit(0)


def explain(error: Exception) -> str | None:
    """One line for an error that the user can mend; None for a fault of the program."""
    if isinstance(error, RecGPTError):
        return str(error)
    explained = explain_storage_error(error, "storage")
    if explained is not None:
        return str(explained)
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} of a text file is not {error.encoding} ({error.reason}): save it as UTF-8"
    if isinstance(error, MemoryError):
        return f"out of memory ({error or 'no size given'}): take smaller batches, fewer items or fewer processes"
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name!r} is not installed: pip install {error.name}"
    if isinstance(error, OSError) or _is_foreign(error):
        return message(f"{type(error).__name__}: {' '.join(str(error).split())}")
    return None


def _is_foreign(error: Exception) -> bool:
    return any(
        (kind.__module__ == module or kind.__module__.startswith(f"{module}.")) and name in (None, kind.__name__)
        for kind in type(error).__mro__
        for module, name in _FOREIGN
    )


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


def _ignore_stops() -> None:
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
