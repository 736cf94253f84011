"""Runs played from the page: orders, kills, several tabs, and a person's answers. Gym runs start fastest."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from served import Client, Stream

from recgpt.simulate.runner import verify
from recgpt.simulate.store import Run

STEPS = 16
GYM = {"policy": "random", "n_users": 8, "steps": STEPS}
PERSON = {**GYM, "n_users": 1, "steps": 2, "mind": "person"}


def until(check: Callable[[], Any], seconds: float = 150) -> Any:
    """Value of `check` once it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "took too long"
        time.sleep(0.05)
    return found


def create(client: Client, run: str, config: dict[str, Any] = GYM, **more: Any) -> None:
    answer = client.post("/api/runs", {"run": run, "world": "gym", "config": config, **more})
    assert answer.status == 200, answer.text
    until(lambda: status(client, run) != "starting")


def status(client: Client, run: str) -> str:
    found: str = client.json(f"/api/runs/{run}")["status"]
    return found


def control(client: Client, run: str, action: str, **more: Any) -> int:
    return client.post(f"/api/runs/{run}/control", {"action": action, **more}).status


def players_of(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children() if "recgpt.web.player" in child.cmdline()]


class Tab(threading.Thread):
    """A tab that follows a run and connects again, as a browser does, with the id of the last event."""

    def __init__(self, client: Client, run: str) -> None:
        super().__init__(daemon=True)
        self.client, self.run_id = client, run
        self.ids: list[int] = []
        self.states: list[str] = []
        self.start()

    def run(self) -> None:
        stream = Stream(self.client.port, self.run_id, -1, {})
        for name, data, number in stream.events():
            if name == "frame":
                assert number is not None
                self.ids.append(number)
            elif name == "status":
                self.states.append(data)
            if number == STEPS:
                break
        stream.close()


def test_orders_and_a_killed_player_with_three_tabs(client):
    create(client, "killed")
    assert status(client, "killed") == "paused"
    tabs = [Tab(client, "killed") for _ in range(3)]
    assert control(client, "killed", "step") == 200
    until(lambda: Run.open("killed").n_steps == 1)
    until(lambda: status(client, "killed") == "paused")
    control(client, "killed", "speed", speed=10)
    control(client, "killed", "play")
    until(lambda: Run.open("killed").n_steps >= 5)
    assert control(client, "killed", "pause") == 200
    until(lambda: status(client, "killed") == "paused")
    time.sleep(0.3)
    steps = Run.open("killed").n_steps
    time.sleep(0.3)
    assert Run.open("killed").n_steps == steps < STEPS  # it does not go on
    refused = client.post("/api/runs", {"run": "killed", "world": "gym", "config": GYM, "overwrite": True})
    assert refused.status == 409  # one writer

    control(client, "killed", "play")
    (player,) = players_of(os.getpid())
    until(lambda: Run.open("killed").n_steps >= steps + 3)
    player.kill()
    until(lambda: status(client, "killed") == "failed")
    assert "signal 9" in client.json("/api/runs/killed")["error"]
    assert control(client, "killed", "play") == 200  # a new player goes on after the last whole step
    for tab in tabs:
        tab.join(150)
        assert tab.ids == list(range(STEPS + 1))
        assert '"failed"' in "".join(tab.states)
    until(lambda: status(client, "killed") == "finished")
    with Run.open("killed") as run:
        assert verify(run).n_steps == STEPS
    assert control(client, "killed", "play") == 409


def test_a_reader_that_connects_again_gets_the_next_id(client):
    client.json("/api/runs/town/frames/6")
    for after, expected in ((2, [3, 4, 5, 6]), (None, [6]), (6, [])):
        stream = client.stream("town", after)
        found = []
        for name, _, number in stream.events():
            if name == "frame":
                found.append(number)
            if name == "status":
                break
        assert found == expected
        stream.close()
    again = Stream(client.port, "town", 0, {"Last-Event-ID": "4"})  # the header counts more than the address
    assert next(number for name, _, number in again.events() if name == "frame") == 5
    again.close()


def test_reset_fork_and_a_taken_id(client):
    create(client, "again")
    assert control(client, "again", "speed", speed=500) == 200  # kept by resets and forks
    control(client, "again", "play")
    until(lambda: status(client, "again") == "finished")
    first = Run.open("again").hash
    tab = client.stream("again", STEPS)
    assert control(client, "again", "reset") == 200
    names = (name for name, _, number in tab.events() if name == "reset" or number == 0)
    assert next(names) == "reset"
    tab.close()
    assert client.json("/api/runs/again")["n_steps"] == 0
    control(client, "again", "play")
    until(lambda: status(client, "again") == "finished")
    assert Run.open("again").hash == first
    forked = client.post("/api/runs/again/fork", {"at": 4})
    assert forked.json["run"] == "again-2"
    until(lambda: status(client, "again-2") == "paused")
    assert client.json("/api/runs/again-2")["forked_from"] == "again@4"
    assert client.json("/api/runs/again-2")["speed"] == 500
    taken = client.post("/api/runs", {"run": "again", "world": "gym", "config": GYM})
    assert taken.status == 422
    assert "exists already" in taken.json["error"]
    assert control(client, "again-2", "stop") == 200
    until(lambda: status(client, "again-2") == "stopped")
    assert not players_of(os.getpid())


def test_wrong_settings_are_one_line(client):
    for config, words in (
        ({"policy": "nonsense"}, "nonsense"),
        ({"steps": 0}, "steps"),
        ({"stepz": 1}, "stepz"),
    ):
        answer = client.post("/api/runs", {"run": "wrong", "world": "gym", "config": {**GYM, **config}})
        assert answer.status == 422
        assert words in answer.json["error"]
        assert "\n" not in answer.json["error"]
    assert "choose among" in client.post("/api/runs", {"run": "x", "world": "none", "config": {}}).json["error"]


def test_a_person_answers_prompts_on_the_page(client):
    create(client, "person", PERSON)
    assert client.post("/api/runs/person/answer", {"text": "5"}).status == 409  # nothing was asked
    tab = client.stream("person", 0)
    control(client, "person", "play")
    asked = [data for name, data, _ in take(tab, "prompt", 1)]
    assert "Your rating" in asked[0] or "rat" in asked[0].lower()
    assert client.json("/api/runs/person")["prompt"]
    while status(client, "person") == "playing":
        if client.json("/api/runs/person")["prompt"]:
            client.post("/api/runs/person/answer", {"text": "7"})
        time.sleep(0.05)
    assert status(client, "person") == "finished", client.json("/api/runs/person")["error"]
    tab.close()


def take(stream: Stream, name: str, count: int) -> list[tuple[str, str, int | None]]:
    found = []
    for event in stream.events():
        if event[0] == name:
            found.append(event)
            if len(found) == count:
                break
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_server_leaves_whole_steps_and_no_process(runs, number):
    name = f"ended-{int(number)}"
    command = [sys.executable, "-m", "recgpt.cli.main", "web", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().split(":")[2].split("/")[0])
        client = Client(port)
        create(client, name, play=True, speed=15)
        until(lambda: Run.open(name).n_steps >= 2)
        (player,) = players_of(server.pid)
        server.send_signal(number)
        server.wait(30)
        until(lambda: not player.is_running() or player.status() == psutil.STATUS_ZOMBIE)
    with Run.open(name, write=True) as run:  # nobody writes it any more
        assert 2 <= verify(run).n_steps < STEPS
