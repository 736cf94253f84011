"""The published role-play over a WebSocket: prompts come as texts, an answer is a text; other sites are refused."""

import socket
import time

import pytest
from served import HOST, Client

pytest.importorskip("wsproto", reason="the extra web is installed without wsproto")

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, RejectConnection, Request, TextMessage

PERSON = {"policy": "random", "n_users": 1, "steps": 1, "mind": "person"}


class Dialogue:
    """Client of a WebSocket."""

    def __init__(self, client: Client, path: str, origin: str | None) -> None:
        self._socket = socket.create_connection((HOST, client.port), timeout=60)
        self._connection = WSConnection(ConnectionType.CLIENT)
        headers = [] if origin is None else [(b"origin", origin.encode())]
        self._send(Request(host=f"{HOST}:{client.port}", target=path, extra_headers=headers))

    def _send(self, event: Event) -> None:
        self._socket.sendall(self._connection.send(event))

    def next(self) -> Event:
        """Next event; the end of the connection is a `CloseConnection`."""
        while True:
            for event in self._connection.events():
                return event
            received = self._socket.recv(4096)
            if not received:
                return CloseConnection(code=1006)
            self._connection.receive_data(received)

    def say(self, text: str) -> None:
        self._send(TextMessage(data=text))

    def close(self) -> None:
        self._socket.close()


def test_role_play(client):
    created = client.post("/api/runs", {"run": "played", "world": "gym", "config": PERSON, "play": True})
    assert created.status == 200, created.text
    path, own = "/recagent/played/role-play/0", f"http://{HOST}:{client.port}"
    for origin in (None, "http://evil.example", "null"):
        refused = Dialogue(client, path, origin)
        assert isinstance(refused.next(), RejectConnection | CloseConnection)
        refused.close()
    dialogue = Dialogue(client, path, own)
    assert isinstance(dialogue.next(), AcceptConnection)
    prompt = dialogue.next()
    assert isinstance(prompt, TextMessage)
    assert prompt.data
    end = time.monotonic() + 60
    while client.json("/api/runs/played")["status"] == "playing":
        if client.json("/api/runs/played")["prompt"]:
            dialogue.say("7")
        assert time.monotonic() < end
        time.sleep(0.1)
    assert client.json("/api/runs/played")["status"] == "finished"
    dialogue.say("x" * 2000)  # too long
    while not isinstance(event := dialogue.next(), CloseConnection):
        assert isinstance(event, TextMessage)
    dialogue.close()
