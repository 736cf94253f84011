"""A hostile language-model server for tests: each behaviour sends bytes that no honest server sends.

with HostileServer(BEHAVIOURS["gzip bomb"]) as server:
    Server(server.base_url, "MY_KEY")

A question whose message is "good" gets a good reply, so that the rest of a batch can be seen to go on.
"""

import base64
import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

KEY = "sk-fake-0123456789abcdef"
GOOD = {"index": 1, "why": "it is short"}
GOOD_TEXT = json.dumps(GOOD)


@dataclass
class Exchange:
    """One request and the means to reply to it."""

    http: BaseHTTPRequestHandler
    body: dict[str, Any]
    seen: int
    base_url: str
    closing: threading.Event

    def raw(self, content: bytes, status: int = 200, **headers: str) -> None:
        """Reply with bytes."""
        self.http.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Connection": "close", **headers}.items():
            self.http.send_header(name.replace("_", "-"), value)
        self.http.end_headers()
        self.http.wfile.write(content)

    def json(self, body: str, status: int = 200, **headers: str) -> None:
        """Reply with a JSON text."""
        self.raw(body.encode("utf-8", "surrogatepass"), status, Content_Type="application/json", **headers)

    def says(self, text: str, *, usage: str = '{"prompt_tokens": 7, "completion_tokens": 5}', **message: Any) -> None:
        """Reply as the protocol has it, with this text of the model; `usage` is JSON."""
        self.json(completion(text, usage=usage, **message))

    def drip(self, head: bytes, chunk: bytes, pause_s: float = 0.01) -> None:
        """Send a chunk again and again, without end."""
        self.http.wfile.write(head)
        while not self.closing.is_set():
            self.http.wfile.write(chunk)
            self.http.wfile.flush()
            time.sleep(pause_s)


def completion(text: str, *, usage: str = "null", finish: str = '"stop"', **message: Any) -> str:
    """Body of a reply of the protocol."""
    said = json.dumps({"content": text, **message})
    return f'{{"choices": [{{"finish_reason": {finish}, "message": {said}}}], "usage": {usage}}}'


class HostileServer:
    """Serves one behaviour on a free port of 127.0.0.1 while the block lasts."""

    def __init__(self, behave: Callable[[Exchange], None]) -> None:
        self.behave = behave
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.closing = threading.Event()

    def __enter__(self) -> "HostileServer":
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                hostile.answer(self)

            def do_GET(self) -> None:
                hostile.answer(self)

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *arguments: object) -> None:
                """Say nothing: clients break off here."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        body = json.loads(http.rfile.read(int(http.headers["Content-Length"] or 0)) or b"{}")
        self.bodies.append(body)
        self.keys.append(http.headers["Authorization"])
        exchange = Exchange(http, body, len(self.bodies), self.base_url, self.closing)
        try:
            if body.get("messages", [{}])[-1].get("content") == "good":
                exchange.says(GOOD_TEXT)
            else:
                self.behave(exchange)
        except OSError:
            pass
        http.close_connection = True


def escaped(text: str, depth: int = 1) -> str:
    """Text of a JSON string whose characters are all escapes, `depth` times over."""
    return "".join(f"{chr(92) * depth}u{ord(character):04x}" for character in text)


@cache
def bomb() -> bytes:
    """8 MiB of spaces before a good reply, in some kilobytes."""
    return gzip.compress(b" " * (8 << 20) + completion(GOOD_TEXT).encode(), 1)


def head(fields: str = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n") -> bytes:
    """Status line and header fields."""
    return f"HTTP/1.1 200 OK\r\n{fields}\r\n".encode()


DEEP = 100_000
FAILING: dict[str, tuple[str, int, Callable[[Exchange], None]]] = {
    # --- what is no reply of the protocol ---
    "no choices": ("server_error", 3, lambda it: it.json('{"choices": []}')),
    "choices null": ("server_error", 3, lambda it: it.json('{"choices": null}')),
    "choices is a number": ("server_error", 3, lambda it: it.json('{"choices": 5}')),
    "choices of nulls": ("server_error", 3, lambda it: it.json('{"choices": [null]}')),
    "message is a text": ("server_error", 3, lambda it: it.json('{"choices": [{"message": "hi"}]}')),
    "body is a list": ("server_error", 3, lambda it: it.json("[1, 2]")),
    "body is empty": ("server_error", 3, lambda it: it.raw(b"")),
    "body is HTML": ("server_error", 3, lambda it: it.raw(b"<html>gateway</html>")),
    "body is binary": ("server_error", 3, lambda it: it.raw(bytes(range(256)) * 50)),
    "body of brackets": ("server_error", 3, lambda it: it.json("[" * DEEP)),
    "body of braces": ("server_error", 3, lambda it: it.json('{"a":' * DEEP)),
    "error in a good status": ("server_error", 3, lambda it: it.json('{"error": {"message": "no"}}')),
    "content is a list of parts": (
        "server_error",
        3,
        lambda it: it.json('{"choices": [{"message": {"content": [{"type": "text", "text": "{}"}]}}]}'),
    ),
    "content is a number": ("server_error", 3, lambda it: it.json('{"choices": [{"message": {"content": 5}}]}')),
    "content is an object": ("server_error", 3, lambda it: it.json('{"choices": [{"message": {"content": {}}}]}')),
    "content null": ("not_json", 2, lambda it: it.json('{"choices": [{"message": {"content": null}}]}')),
    "no content": ("not_json", 2, lambda it: it.json('{"choices": [{"message": {}}]}')),
    # --- what is no reply of the schema ---
    "length": ("truncated", 2, lambda it: it.json(completion(GOOD_TEXT, finish='"length"'))),
    "prose": ("not_json", 2, lambda it: it.says("I would take the first one.")),
    "only a thought": ("not_json", 2, lambda it: it.says(f"<think>{GOOD_TEXT}</think>")),
    "a trailing comma": ("not_json", 2, lambda it: it.says('{"index": 1, "why": "x",}')),
    "a comment": ("not_json", 2, lambda it: it.says('{"index": 1, /* first */ "why": "x"}')),
    "single quotes": ("not_json", 2, lambda it: it.says("{'index': 1, 'why': 'x'}")),
    "NaN": ("not_json", 2, lambda it: it.says('{"index": NaN, "why": "x"}')),
    "a name twice": ("schema_violation", 2, lambda it: it.says('{"index": 1, "index": 2, "why": "x"}')),
    "a name twice, in prose": ("schema_violation", 2, lambda it: it.says('So: {"index": 1, "index": 2, "why": "x"}.')),
    "a list of objects": ("schema_violation", 2, lambda it: it.says(f"[{GOOD_TEXT}]")),
    "an object in a string": ("schema_violation", 2, lambda it: it.says(json.dumps(GOOD_TEXT))),
    "a million digits": ("schema_violation", 2, lambda it: it.says('{"index": ' + "1" * 190_000 + ', "why": "x"}')),
    "too large for a float": ("schema_violation", 2, lambda it: it.says('{"index": 1e999, "why": "x"}')),
    "deep content": ("not_json", 2, lambda it: it.says('{"index": ' + "[" * 90_000)),
    "deep and closed": ("not_json", 2, lambda it: it.says('{"index": ' + "[" * 90_000 + "]" * 90_000 + "}")),
    "many objects": ("not_json", 2, lambda it: it.says("x" + "{}" * 90_000)),
    "a long string": ("schema_violation", 2, lambda it: it.says(json.dumps({**GOOD, "why": "x" * 60_000}))),
    "a long reply": ("schema_violation", 2, lambda it: it.says(json.dumps({**GOOD, "why": "x" * 400_000}))),
    "a NUL": ("schema_violation", 2, lambda it: it.says('{"index": 1, "why": "a\\u0000b"}')),
    "a lone surrogate, escaped": ("not_json", 2, lambda it: it.says('{"index": 1, "why": "\\ud800"}')),
    "a lone surrogate": ("not_json", 2, lambda it: it.says('{"index": 1, "why": "\ud800"}')),
    # --- bytes and time ---
    "a gzip bomb": ("server_error", 3, lambda it: it.raw(bomb(), Content_Encoding="gzip")),
    "a zlib bomb": (
        "server_error",
        3,
        lambda it: it.raw(zlib.compress(b" " * (5 << 20), 1), Content_Encoding="deflate"),
    ),
    "broken gzip": ("server_error", 3, lambda it: it.raw(b"\x1f\x8b no", Content_Encoding="gzip")),
    "gzip in gzip": ("server_error", 3, lambda it: it.raw(bomb(), Content_Encoding="gzip, gzip")),
    "an unknown encoding": ("server_error", 3, lambda it: it.raw(b"x", Content_Encoding="br")),
    "a huge body": ("server_error", 3, lambda it: it.raw(b" " * (5 << 20))),
    "an error without end": ("server_error", 3, lambda it: it.raw(b"x" * (5 << 20), 500)),
    "a slow drip": ("timeout", 3, lambda it: it.drip(head(), b"1\r\n \r\n")),
    "headers without end": ("timeout", 3, lambda it: it.drip(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n")),
    "hundreds without end": ("timeout", 3, lambda it: it.drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    "no reply": ("timeout", 3, lambda it: it.closing.wait(5)),
    "no HTTP": ("connection", 3, lambda it: it.http.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")),
    "cut off": ("connection", 3, lambda it: it.http.wfile.write(head("Content-Length: 999\r\n") + b"{")),
    "a wrong length": ("connection", 3, lambda it: it.http.wfile.write(head("Content-Length: -5\r\n") + b"{}")),
    # --- statuses ---
    "too many requests": ("rate_limited", 3, lambda it: it.json("{}", 429)),
    "too many, for years": ("rate_limited", 3, lambda it: it.json("{}", 429, Retry_After="-1")),
    "too many, for no time": ("rate_limited", 3, lambda it: it.json("{}", 429, Retry_After="1e400")),
    "unavailable": ("server_error", 3, lambda it: it.json("{}", 503, Retry_After="soon")),
    "status 599": ("server_error", 3, lambda it: it.json("{}", 599)),
    "no content status": ("server_error", 3, lambda it: it.raw(b"", 204)),
    "an error of shapes": ("rate_limited", 3, lambda it: it.json('{"error": {"code": {"a": []}}}', 429)),
}
"""Name -> kind of failure, HTTP requests for one question with 3 tries, behaviour."""

ANSWERED: dict[str, Callable[[Exchange], None]] = {
    "plain": lambda it: it.says(GOOD_TEXT),
    "a fence": lambda it: it.says(f"```json\n{GOOD_TEXT}\n```"),
    "a fence and prose": lambda it: it.says(f"Sure, here it is:\n```\n{GOOD_TEXT}\n```\nTell me if I can help."),
    "prose with braces": lambda it: it.says(f"Of {{these}} I take {{ the first }}: {GOOD_TEXT}"),
    "a thought": lambda it: it.says(f'<think>Say {{"index": 9}}? "No.</think>\n\n{GOOD_TEXT}'),
    "a thought that is not closed": lambda it: it.says(f"<think>Hm, the first is short. {GOOD_TEXT}"),
    "a thought that is not opened": lambda it: it.says(f'Maybe {{"index": 2, "why": "y"}}.</think>{GOOD_TEXT}'),
    "a byte order mark": lambda it: it.says("\ufeff" + GOOD_TEXT),
    "a byte order mark of the body": lambda it: it.raw(b"\xef\xbb\xbf" + completion(GOOD_TEXT).encode()),
    "a draft, then the answer": lambda it: it.says(f'{{"index": 2, "why": "a draft"}} No, rather {GOOD_TEXT}'),
    "the schema, then the answer": lambda it: it.says(f'{{"index": "a number", "why": "a text"}}\n{GOOD_TEXT}'),
    "an answer, then something": lambda it: it.says(f'{GOOD_TEXT}\nAs {{"asked": true}}.'),
    "gzip, though not asked for": lambda it: it.raw(
        gzip.compress(completion(GOOD_TEXT).encode()), Content_Encoding="gzip"
    ),
    "more fields": lambda it: it.says(GOOD_TEXT, reasoning_content="hm", tool_calls=None, refusal=None),
    "an odd reason to finish": lambda it: it.json(completion(GOOD_TEXT, finish='{"a": 1}')),
    "white space": lambda it: it.raw(b"\n" * 1000 + completion(GOOD_TEXT).encode()),
}
"""Behaviours that get a reply read, which is `GOOD`."""

USAGES = {
    "none": "null",
    "a text": '"many"',
    "texts": '{"prompt_tokens": "7", "completion_tokens": "5"}',
    "negative": '{"prompt_tokens": -7, "completion_tokens": -5}',
    "10^400": f'{{"prompt_tokens": 1{"0" * 400}, "completion_tokens": 1{"0" * 400}}}',
    "10^400 as a float": '{"prompt_tokens": 1e400, "completion_tokens": 1e400}',
    "10^18": '{"prompt_tokens": 1000000000000000000, "completion_tokens": 1000000000000000000}',
    "a million digits": f'{{"prompt_tokens": {"9" * 1_000_000}, "completion_tokens": 1}}',
    "NaN": '{"prompt_tokens": NaN, "completion_tokens": Infinity}',
    "nulls": '{"prompt_tokens": null, "completion_tokens": null}',
    "booleans": '{"prompt_tokens": true, "completion_tokens": false}',
    "a list": "[7, 5]",
}
"""Reports of use that make no sense."""

ECHOES: dict[str, str] = {
    "plain": KEY,
    "escaped": escaped(KEY),
    "escaped twice": escaped(KEY, depth=2),
    "half escaped": KEY[:9] + escaped(KEY[9:12]) + KEY[12:],
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64 of a header": base64.b64encode(f"Bearer {KEY}!".encode()).decode(),
    "in base64 for addresses": base64.urlsafe_b64encode(f"?{KEY}".encode()).decode(),
    "in hexadecimal": KEY.encode().hex(),
    "in an address": quote(KEY, safe="").replace("-", "%2D"),
    "all percent": "".join(f"%{ord(character):02x}" for character in KEY),
    "in HTML": "".join(f"&#{ord(character)};" for character in KEY),
    "with invisible characters": "\\u200b".join(KEY),
    "with spaces": " ".join(KEY),
    "on two lines": f"{KEY[:8]}\\n{KEY[8:]}",
    "between words": f"The key {KEY}, they said.",
}
"""JSON string contents in which a server repeats the key."""
