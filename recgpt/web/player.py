"""Player of one run, in a process of its own: `python -m recgpt.web.player FD`.

The server holds the other end of the socket FD and sends lines of JSON: first the job, then orders. The player answers
with what it does. It ends a step, then obeys; it ends with the server too. Its standard input and output are the
terminal of the mind `person`: a question goes to the server, an answer comes from there.

| order | |
|-|-|
| `{"do": "play"}`, `pause`, `step`, `stop` | `step`: one step, then pause; `stop` a second time: at once |
| `{"do": "speed", "speed": 5.0}` | steps a second; null: as fast as possible |
| `{"do": "answer", "text": "1"}` | line for the terminal |

Each order but `answer` is followed by `{"say": "obeyed"}`, after any change of the state.
"""

import json
import os
import queue
import socket
import sys
import threading
import time
import traceback
from io import TextIOBase
from typing import Any

from recgpt.errors import RecGPTError

STEP_S = 30.0
"""Seconds that a step may still take after the server has ended."""
MAX_PROMPT_CHARS = 20_000


class StopError(Exception):
    """The run is to stop before its next step."""


class Channel:
    """Lines of JSON to and from the server."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lines = self._socket.makefile("rb")
        self._turn = threading.Lock()

    def read(self) -> dict[str, Any] | None:
        """Next message; None once the server has ended."""
        try:
            line = self._lines.readline()
        except OSError:
            return None
        return json.loads(line) if line.endswith(b"\n") else None

    def say(self, what: str, **content: Any) -> None:
        """Send a message; without effect once the server has ended."""
        text = json.dumps({"say": what, **content}, ensure_ascii=True) + "\n"
        try:
            with self._turn:
                self._socket.sendall(text.encode())
        except OSError:
            return


class Control:
    """Orders of the server, and the run's waiting for them.

    Parameters
    ----------
    plays
        Whether the run plays from the start; otherwise it is paused.
    speed
        Steps a second; None for as fast as possible.
    """

    def __init__(self, channel: Channel, *, plays: bool, speed: float | None) -> None:
        self._channel, self._plays, self._speed = channel, plays, speed
        self._single = self._stops = self._in_step = self._ready = False
        self._told: dict[str, Any] = {}
        self._begun = -float("inf")
        self._changed = threading.Condition()
        self.answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def before_step(self, _step: int) -> None:
        """Wait until the next step may be played; see `recgpt.simulate.runner.resume`.

        Raises
        ------
        StopError
            It is not to be played.
        """
        with self._changed:
            self._in_step, self._ready = False, True
            self._tell()
            while not self._may_begin():
                self._changed.wait(self._pause() if self._plays else None)
            if self._stops:
                raise StopError
            self._single = False
            self._in_step, self._begun = True, time.monotonic()

    def _may_begin(self) -> bool:
        if self._stops or self._single:
            return True
        return self._plays and self._pause() <= 0

    def _pause(self) -> float:
        """Seconds until the next step at this speed."""
        return 0.0 if self._speed is None else self._begun + 1 / self._speed - time.monotonic()

    def _listen(self) -> None:
        while (order := self._channel.read()) is not None:
            if order["do"] == "answer":
                self.answers.put(order["text"])
            else:
                self._obey(order)
                self._channel.say("obeyed")
        self._end()

    def _obey(self, order: dict[str, Any]) -> None:
        with self._changed:
            match order["do"]:
                case "play" | "pause":
                    self._plays, self._single = order["do"] == "play", False
                case "step":
                    self._plays, self._single = False, True
                case "speed":
                    self._speed = order["speed"]
                case "stop":
                    if self._stops or not self._in_step:
                        self._leave()
                    self._stops = True
            self._tell()
            self._changed.notify_all()

    def _tell(self) -> None:
        """Tell the server what has changed."""
        state = {"ready": self._ready, "plays": self._plays or self._single, "speed": self._speed}
        if state != self._told:
            self._told = state
            self._channel.say("state", **state)

    def _end(self) -> None:
        """End with the server: now, or after the step."""
        with self._changed:
            self._stops = True
            self._changed.notify_all()
            if not self._in_step:
                self._leave()
        self.answers.put("")  # the end of the input
        time.sleep(STEP_S)
        self._leave()

    def _leave(self) -> None:
        """End the process; the store is whole at any time."""
        self._channel.say("stopped")
        os._exit(0)


class Terminal(TextIOBase):
    """Standard input and output: text is collected, and shown when a line is wanted."""

    encoding = "utf-8"

    def __init__(self, channel: Channel, answers: queue.Queue[str]) -> None:
        self._channel, self._answers = channel, answers
        self._shown: list[str] = []

    def write(self, text: str) -> int:
        """Collect text."""
        self._shown.append(text)
        return len(text)

    def readline(self, _size: int = -1, /) -> str:  # type: ignore[override]  # text, not bytes
        """Show the collected text, and wait for a line; empty at the end."""
        self._channel.say("prompt", text="".join(self._shown)[-MAX_PROMPT_CHARS:])
        self._shown.clear()
        return self._answers.get()


def play(channel: Channel, job: dict[str, Any]) -> None:
    """Play the run of a job."""
    control = Control(channel, plays=job["plays"], speed=job["speed"])
    from recgpt import plugins
    from recgpt.simulate import runner
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import world_of

    os.environ["COLUMNS"] = "100"
    sys.stdin = sys.stdout = Terminal(channel, control.answers)
    plugins.allow(job["plugins"])
    run_id = job["run"]
    if job["do"] == "create":
        config = world_of(job["world"]).config(**job["config"])
        runner.start(
            job["world"], run_id, config, overwrite=job["overwrite"], concurrency=8, before_step=control.before_step
        ).close()
        return
    if job["do"] == "fork":
        with Run.open(job["parent"]) as parent:
            runner.fork(parent, run_id, job["at"], overrides=job["overrides"]).close()
    with Run.open(run_id, write=True) as run:
        runner.resume(run, concurrency=8, before_step=control.before_step)


def main() -> None:
    """Play, and tell the server how it ended."""
    from recgpt.program import explain

    channel = Channel(int(sys.argv[1]))
    job = channel.read()
    if job is None:
        return
    try:
        play(channel, job)
    except StopError:
        channel.say("stopped")
    except RecGPTError as error:
        channel.say("failed", error=str(error))
    except Exception as error:
        explained = explain(error)
        traceback.print_exc(file=sys.stderr)
        channel.say("failed", error=explained or f"a fault of the program: {type(error).__name__}: {error}")
    else:
        channel.say("finished")


if __name__ == "__main__":
    main()
