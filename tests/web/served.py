"""A server of the page in a thread of the test, and a client that sends exactly what it is given."""

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from recgpt.web.access import Access
from recgpt.web.app import create_app
from recgpt.web.server import bound, server_of

HOST, TOKEN = "127.0.0.1", "a-token-of-the-tests-0123456789"
ROUNDS, AGENTS = 6, 24


class Answer(NamedTuple):
    """Answer of the server."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Content of a JSON answer."""
        return json.loads(self.text)


class Client:
    """Sends requests to a port; `headers` are sent with each."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self.port, self.headers = port, headers or {}
        self._csrf: str | None = None

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Send a request; a body that is no text is sent as JSON."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        text = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        given = {"content-type": "application/json"} if body is not None else {}
        connection.request(method, path, text, given | self.headers | (headers or {}))
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        """GET; names of headers have underscores."""
        return self.send("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def json(self, path: str) -> Any:
        """Content of a JSON answer that must be good."""
        answer = self.get(path)
        assert answer.status == 200, answer.text
        return answer.json

    @property
    def csrf(self) -> str:
        """CSRF value of the page."""
        if self._csrf is None:
            found = re.search('name="csrf-token" content="([^"]+)"', self.get("/").text)
            assert found is not None
            self._csrf = found[1]
        return self._csrf

    def post(self, path: str, body: Any = None, method: str = "POST") -> Answer:
        """POST as the page does."""
        return self.send(method, path, {} if body is None else body, {"x-recgpt-csrf": self.csrf})

    def stream(self, run: str, after: int | None = None) -> "Stream":
        """Open a stream."""
        return Stream(self.port, run, after, self.headers)


class Stream:
    """Reader of server-sent events, in the caller's thread."""

    def __init__(self, port: int, run: str, after: int | None, headers: dict[str, str]) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=60)
        query = "" if after is None else f"?after={after}"
        lines = [f"GET /api/runs/{run}/stream{query} HTTP/1.1", f"Host: {HOST}:{port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._file = self.socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])

    def events(self) -> Iterator[tuple[str, str, int | None]]:
        """Name, data and id of each event."""
        found: dict[str, str] = {}
        for line in self._file:
            key, _, value = line.decode().rstrip("\r\n").partition(": ")
            if key in ("event", "id", "data"):
                found[key] = value
            if key == "data":
                yield found["event"], value, int(found["id"]) if "id" in found else None
                found = {}

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self.socket.close()


@contextmanager
def served(token: str | None = None, run: str | None = None) -> Iterator[Client]:
    """A running server; yields a client without a token."""
    listener = bound(HOST, 0)
    port = listener.getsockname()[1]
    app = create_app(Access(HOST, port, token), run=run)
    server = server_of(app, app.end_streams)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield Client(port)
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive()
