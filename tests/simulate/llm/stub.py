"""A language-model server for tests: what it replies depends on the request alone, its faults are told to it.

with Stub() as stub:
    stub.fault = lambda user, seen: Fault(status=429) if seen == 1 else None
    Server(stub.base_url, key_env=None)
"""

import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What a reply has instead of the usual."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None  # what the model says
    body: str | None = None  # what the server says
    finish: str = "stop"
    refusal: str | None = None
    usage: Any = "usual"
    delay_s: float = 0.0
    hang: bool = False  # no reply until the stub is closed
    cut: bool = False  # the connection breaks


def usual(user: str) -> dict[str, Any]:
    """What the model says to a message: always the same."""
    digest = hashlib.sha256(user.encode()).digest()
    return {"index": 1 + digest[0] % 4, "why": digest.hex()[:8]}


class Stub:
    """Serves POST /v1/chat/completions on a free port of 127.0.0.1 while the block lasts.

    `fault(user, seen)` gets the last message, and how often it was seen, this time included.
    """

    def __init__(self, *, key: str | None = None) -> None:
        self.key = key
        self.fault: Callable[[str, int], Fault | None] = lambda user, seen: None
        self.seen: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def __enter__(self) -> "Stub":
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                stub.answer(self)

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        raw = http.rfile.read(int(http.headers["Content-Length"]))
        body = json.loads(raw)
        user = body["messages"][-1]["content"]
        with self.lock:
            self.seen[user] += 1
            seen = self.seen[user]
            self.bodies.append(body)
            self.times.append(time.monotonic())
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            status, headers, reply = self.decide(http.headers["Authorization"], user, seen, raw)
        finally:
            with self.lock:  # before the reply: the client may ask again as soon as it has it
                self.in_flight -= 1
        if reply is None:
            http.close_connection = True
            return
        try:
            self.send(http, status, headers, reply)
        except OSError:
            http.close_connection = True  # the client has gone

    def decide(self, key: str | None, user: str, seen: int, raw: bytes) -> tuple[int, dict[str, str], str | None]:
        """Status, headers and body of the reply; no body for none."""
        if self.key is not None and key != f"Bearer {self.key}":
            return 401, {}, json.dumps({"error": {"message": f"Incorrect API key: {key}"}})
        fault = self.fault(user, seen) or Fault()
        if fault.hang:
            self.closing.wait(5)
        time.sleep(fault.delay_s)
        if fault.hang or fault.cut:
            return 0, {}, None
        return fault.status, fault.headers, self.body_of(fault, user, raw)

    def body_of(self, fault: Fault, user: str, raw: bytes) -> str:
        if fault.body is not None:
            return fault.body
        if fault.status != 200:
            return json.dumps({"error": {"message": f"status {fault.status}", "code": None}})
        text = json.dumps(usual(user)) if fault.text is None else fault.text
        reply: dict[str, Any] = {
            "choices": [{"finish_reason": fault.finish, "message": {"content": text, "refusal": fault.refusal}}],
            "usage": {"prompt_tokens": len(raw) // 8, "completion_tokens": len(text) // 4},
        }
        if fault.usage != "usual":
            reply["usage"] = fault.usage
        return json.dumps(reply)

    def send(self, http: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: str) -> None:
        data = body.encode()
        http.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            http.send_header(name, value)
        http.end_headers()
        http.wfile.write(data)


def random_delays(seed: int, most_s: float = 0.02) -> Callable[[str, int], Fault]:
    """Faults that are none, but come late by random times."""
    rng = random.Random(seed)  # noqa: S311
    return lambda user, seen: Fault(delay_s=rng.random() * most_s)
