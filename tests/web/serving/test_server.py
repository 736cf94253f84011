"""The process: what is refused before the port opens, the end, a kill and what a log keeps."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import polars as pl
import pytest

from tests.web.serving.conftest import Client

FILMS = "item_id,title\na,Toy Story (1995)\nb,Heat (1995)\n"


def test_a_port_in_use_is_refused_before_files_are_read(run_recgpt, tmp_path, shop, client):
    (tmp_path / "items.csv").write_text(FILMS)
    done = run_recgpt("serve", "--items", tmp_path / "items.csv", "--port", client.port)
    assert done.code == 2
    assert f"port {client.port} cannot be used" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("items", "past", "message"),
    [
        ("item_id,name\na,x\n", None, "title"),
        ("item_id,title\na,x\na,y\n", None, "'a' occurs more than once"),
        (FILMS, "user_id\nu\n", "item_id"),
        (FILMS, "user_id,item_id\nu,c\n", "'c'"),
    ],
)
def test_wrong_files_are_refused_before_a_model_is_loaded(run_recgpt, tmp_path, monkeypatch, items, past, message):
    monkeypatch.setattr("recgpt.models.load_model", lambda *_: pytest.fail("a model was loaded"))
    (tmp_path / "items.csv").write_text(items)
    more = []
    if past is not None:
        (tmp_path / "past.csv").write_text(past)
        more = ["--interactions", tmp_path / "past.csv"]
    done = run_recgpt("serve", "--items", tmp_path / "items.csv", *more, "--port", 0)
    assert done.code == 2
    assert message in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("recgpt: ")


def test_a_short_token_is_refused(run_recgpt, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGPT_WEB_TOKEN", "short")
    (tmp_path / "items.csv").write_text(FILMS)
    done = run_recgpt("serve", "--items", tmp_path / "items.csv", "--port", 0)
    assert done.code == 2
    assert "RECGPT_WEB_TOKEN has 5 characters" in done.stderr


def test_a_head_without_end_ends_its_connection(client):
    answer = b""
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nendless: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(1_024):
                connection.sendall(b"x" * 1_024)
            answer = connection.recv(12)
    assert answer in (b"", b"HTTP/1.1 400")
    assert client("/health").status == 200


def test_a_stop_lets_requests_in_hand_be_answered(shop, serve):
    service, began, answers = shop.service(), threading.Event(), []
    rank = service.rank

    def slow(requests):
        began.set()
        time.sleep(0.3)
        return rank(requests)

    service.rank = slow
    with serve(service) as client:
        waiting = [
            threading.Thread(target=lambda: answers.append(client("/recommend", {"user": "u1"}))) for _ in range(4)
        ]
        for thread in waiting:
            thread.start()
        assert began.wait(timeout=10)
        time.sleep(0.1)
    for thread in waiting:
        thread.join(timeout=10)
    assert [answer.status for answer in answers] == [200] * 4


@pytest.mark.slow
def test_a_log_outlives_a_kill_and_sigterm_ends_the_service(feed_folder, tmp_path):
    log = tmp_path / "observed.jsonl"
    command = [sys.executable, "-m", "recgpt.cli.main", "serve", "--items", str(feed_folder), "--port", "0"]
    command += ["--model", str(feed_folder / "model"), "--log", str(log)]

    def started() -> tuple[subprocess.Popen, Client]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
        line = process.stdout.readline()
        assert "120 items are served at http://127.0.0.1:" in line
        return process, Client(int(line.split("127.0.0.1:")[1].split("/")[0]))

    process, client = started()
    try:
        for number in range(5):
            events = [{"user_id": user, "item_id": number} for user in (1, 900)]
            assert client("/observe", {"events": events}).json == {"observed": 2}
        asked = [{"user": 1}, {"user": 900, "k": 30}, {"history": [3, 4]}]
        before = [client("/recommend", body).json for body in asked]
        process.kill()
        process.wait()
        with log.open("a") as file:
            file.write(json.dumps({"user_id": 1, "item_id": 9, "timestamp": None, "left": 1}) + "\n")  # half a call
        process, client = started()
        again = [client("/recommend", body).json for body in asked]
        for one, other in zip(before, again, strict=True):
            assert [each["item_id"] for each in one["recommendations"]] == [
                each["item_id"] for each in other["recommendations"]
            ]
        assert client("/health").json["observed"] == 10
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
        assert len(pl.read_ndjson(log)) == 10
    finally:
        process.kill()
        process.wait()
