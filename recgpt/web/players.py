"""Players of runs: one child process a run, see `recgpt.web.player`.

    players = Players(on_change)
    player = players.create("demo", "society", config)
    player.wait_until_ready(20)
    players.control("demo", "play")

One writer a run, whoever opens how many tabs: the server has one player a run, and the store has one writer.
"""

import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

from recgpt.errors import RecGPTError
from recgpt.web.cleaning import cleaned_text

MOST_PLAYED = 8
"""Runs played at the same time."""
END_S = 10.0
"""Seconds that players have for the step that they are in when the server ends."""
ORDER_S = 5.0
"""Seconds to wait until a process has obeyed an order."""
Action = Literal["play", "pause", "step", "stop", "speed"]
State = Literal["starting", "playing", "paused", "stopped", "failed"]


class BusyError(RecGPTError):
    """Something is not possible at this moment."""


class Player:
    """A child process that plays a run.

    Attributes
    ----------
    prompt
        Text that the mind `person` shows and that waits for an answer; None without one.
    """

    def __init__(self, job: dict[str, Any], on_change: Callable[[str], None]) -> None:
        self.run_id: str = job["run"]
        self.state: State = "starting"
        self.speed: float | None = job["speed"]
        self.error: str | None = None
        self.prompt: str | None = None
        self._changed = on_change
        self._settled = threading.Event()
        self._turn = threading.Lock()
        self._obeyed = threading.Condition()
        self._n_sent = self._n_obeyed = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the thread that reads
        ours, theirs = socket.socketpair()
        self._socket = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "recgpt.web.player", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                process_group=0,  # Ctrl-C in the terminal is for the server, which lets steps end
            )
        self._send(job)
        threading.Thread(target=self._listen, name=f"player of {self.run_id}", daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether the process plays, or waits."""
        return self.state in ("starting", "playing", "paused")

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait until the run is there or has failed; False where that takes longer."""
        return self._settled.wait(seconds)

    def order(self, action: Action, speed: float | None = None) -> None:
        """Send an order and wait until it is obeyed, so that the state is that after it, `ORDER_S` at most."""
        with self._obeyed:
            self._n_sent += 1
            number = self._n_sent
            self._send({"do": "speed", "speed": speed} if action == "speed" else {"do": action})
            self._obeyed.wait_for(lambda: self._n_obeyed >= number or not self.is_alive, ORDER_S)

    def answer(self, text: str) -> None:
        """Answer the prompt.

        Raises
        ------
        BusyError
            There is none.
        """
        with self._turn:
            if self.prompt is None:
                raise BusyError(f"run {self.run_id} waits for no answer")
            self.prompt = None
        self._send({"do": "answer", "text": text.replace("\n", " ").replace("\r", " ") + "\n"})
        self._changed(self.run_id)

    def end(self, seconds: float = END_S) -> None:
        """End the process after the step that it is in, or after so many seconds."""
        self.ask_to_stop()
        self.join(seconds)

    def ask_to_stop(self) -> None:
        """Send the last order, without waiting: the process ends after the step that it is in."""
        self._send({"do": "stop"})
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def join(self, seconds: float) -> None:
        """Wait for the end of the process; kill it after so many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # it has ended, as the listening thread notices
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    # --- the thread ---

    def _listen(self) -> None:
        with self._socket.makefile("rb") as lines:
            for line in lines:
                self._heard(json.loads(line))
        code = self._process.wait()
        if self.is_alive:
            self._fail(
                f"its process was ended ({'signal' if code < 0 else 'code'} {abs(code)}): play goes on{self._end()}"
            )
        self._log.close()
        self._socket.close()
        self.prompt = None
        self._settled.set()
        with self._obeyed:
            self._obeyed.notify_all()
        self._changed(self.run_id)

    def _heard(self, message: dict[str, Any]) -> None:
        match message["say"]:
            case "state":
                self.speed = message["speed"]
                if message["ready"]:
                    self.state = "playing" if message["plays"] else "paused"
                    self._settled.set()
            case "prompt":
                with self._turn:
                    self.prompt = message["text"]
            case "obeyed":
                with self._obeyed:
                    self._n_obeyed += 1
                    self._obeyed.notify_all()
                return
            case "stopped" | "finished":
                self.state = "stopped"
            case "failed":
                self._fail(message["error"])
        self._changed(self.run_id)

    def _fail(self, error: str) -> None:
        self.state, self.error = "failed", cleaned_text(error)

    def _end(self) -> str:
        """Last line that the process printed."""
        size = self._log.seek(0, 2)
        self._log.seek(max(0, size - 2000))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f". {lines[-1]}" if lines else ""


class Players:
    """Players of all runs that this server plays; safe between threads.

    Parameters
    ----------
    on_change
        Called with the id of a run whose player has changed.
    plugin_names
        Classes `module:Class` that players may import.
    """

    def __init__(self, on_change: Callable[[str], None], plugin_names: Sequence[str] = ()) -> None:
        self._on_change, self._plugins = on_change, list(plugin_names)
        self._players: dict[str, Player] = {}
        self._turn = threading.Lock()
        self._closed = False

    def of(self, run_id: str) -> Player | None:
        """Latest player of a run, which may have ended; None if there was none."""
        return self._players.get(run_id)

    def play(self, run_id: str, job: dict[str, Any], *, plays: bool, speed: float | None = None) -> Player:
        """Start a player for a job `create`, `fork` or `resume`.

        Raises
        ------
        BusyError
            The run is being played, or too many are.
        """
        with self._turn:
            known = self._players.get(run_id)
            if known is not None and known.is_alive:
                raise BusyError(f"run {run_id} is being played: stop it first")
            if sum(player.is_alive for player in self._players.values()) >= MOST_PLAYED or self._closed:
                raise BusyError(f"{MOST_PLAYED} runs are being played: stop one first")
            job = {**job, "run": run_id, "plays": plays, "speed": speed, "plugins": self._plugins}
            self._players[run_id] = player = Player(job, self._on_change)
        self._on_change(run_id)
        return player

    def end(self, run_id: str) -> None:
        """End the player of a run, if there is one."""
        player = self._players.get(run_id)
        if player is not None and player.is_alive:
            player.end()

    def close(self) -> None:
        """End all players, each after the step that it is in."""
        with self._turn:
            self._closed = True
        alive = [player for player in self._players.values() if player.is_alive]
        for player in alive:
            player.ask_to_stop()
        for player in alive:
            player.join(END_S)
