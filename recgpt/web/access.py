"""Access to the page: Host, Origin, token, CSRF, limits and headers, checked before anything else sees a request.

    app = Guard(app, Access(host="127.0.0.1", port=8000))

On the machine itself no token is needed: a foreign Host (DNS rebinding) and requests of other sites are refused. On any
other address each request needs the token, in a cookie from the login page or as `Authorization: Bearer`.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recgpt.web.limits import Buckets, network_of

TOKEN_ENV = "RECGPT_WEB_TOKEN"  # noqa: S105  # name of a variable
CSRF_HEADER = "x-recgpt-csrf"
SHORTEST_TOKEN = 16
MAX_BODY_BYTES = 1 << 20
BODY_S = 20.0
"""Seconds in which the body of a request must arrive."""
PER_SECOND, BURST = 100.0, 600.0
"""Requests of an address: each second, and at once."""
LOCAL = ("127.0.0.1", "localhost", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104  # compared with
_SAFE = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/static/", "/api/login")
CALLS = ("/api/", "/recagent/")

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; worker-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Headers of every answer."""

LoginPage = Callable[[Scope], Response]


@dataclass(frozen=True)
class Access:
    """Addresses that a server answers at, and its token.

    Attributes
    ----------
    token
        None: requests from the machine itself, without a token.
    """

    host: str
    port: int
    token: str | None = None
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def is_known_host(self, host: str) -> bool:
        """Whether the Host header names this server."""
        name, port = _split(host)
        if port != self.port:
            return False
        if name in LOCAL or name == self.host.lower():
            return True
        return self.host in _ANY and (_is_address(name) or name == socket.gethostname().lower())

    def is_token(self, given: str) -> bool:
        """Whether the token is right, compared in constant time."""
        return self.token is not None and _equal(given, self.token)

    def new_session(self) -> str:
        """Value of a new cookie."""
        name = secrets.token_urlsafe(18)
        return f"{name}.{self._signed('session', name)}"

    def is_session(self, cookie: str) -> bool:
        """Whether this server made the cookie."""
        name, _, signature = cookie.partition(".")
        return _equal(signature, self._signed("session", name))

    def csrf(self, cookie: str) -> str:
        """CSRF value of pages with this cookie; without a cookie, of pages without one."""
        return self._signed("csrf", cookie if self.token is not None and self.is_session(cookie) else "")

    @property
    def cookie_name(self) -> str:
        """Name of the cookie; browsers share cookies between ports."""
        return f"recgpt-{self.port}"

    def cookie_of(self, scope: Scope) -> str:
        """Cookie of a request; empty without one."""
        try:
            found = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(self.cookie_name)
        except CookieError:
            return ""
        return "" if found is None else found.value

    def _signed(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()


def _equal(left: str, right: str) -> bool:
    digests = (hashlib.sha256(text.encode(errors="surrogateescape")).digest() for text in (left, right))
    return hmac.compare_digest(*digests)


def _split(host: str) -> tuple[str, int | None]:
    """Name and port of a Host header; port 80 where none is given, None where it is none."""
    name, colon, port = host.lower().rpartition(":") if not host.endswith("]") else (host.lower(), "", "")
    if not colon:
        name, port = host.lower(), "80"
    return name.removeprefix("[").removesuffix("]"), int(port) if port.isascii() and port.isdecimal() else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class RefusedError(Exception):
    """Answer to a request that is refused."""

    def __init__(self, status: int, problem: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem)
        self.response = JSONResponse({"error": problem}, status, headers)


class Guard:
    """Middleware that refuses requests and adds `HEADERS` to all answers.

    Parameters
    ----------
    login_page
        Answer to a request for a page without a session; only used with a token.
    calls
        Beginnings of the paths of calls, which are never answered with a page and refuse other sites.
    csrf
        Whether a change needs the CSRF value of a page. Without, programs send no header of their own; other sites
        are refused by Origin, Sec-Fetch-Site and the kind of the body.
    requests
        Limit of requests by address; `PER_SECOND` by default.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        login_page: LoginPage,
        *,
        calls: tuple[str, ...] = CALLS,
        csrf: bool = True,
        requests: Buckets | None = None,
    ) -> None:
        self._app, self._access, self._login_page = app, access, login_page
        self._calls, self._csrf = calls, csrf
        self.requests = requests or Buckets(per_second=PER_SECOND, burst=BURST)
        self.wrong_tokens = Buckets(per_second=10 / 60, burst=10)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            page = self._refuse(scope)
            if page is not None:
                await page(scope, receive, _with_headers(send))
                return
            if scope["type"] == "http":
                receive = await _bounded(scope, receive)
        except RefusedError as refused:
            await _answer(refused.response, scope, receive, send)
            return
        await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)

    def _refuse(self, scope: Scope) -> Response | None:
        """Raise `RefusedError`, or return the page that a request gets in place of its own; None to go on."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.is_known_host(hosts[0]):
            raise RefusedError(403, "this server has another address: open the one that it printed")
        address = network_of((scope.get("client") or ("", 0))[0])
        if not self.requests.take(address):
            raise RefusedError(429, "too many requests: wait a second", {"retry-after": "1"})
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        self._check_site(scope, headers, hosts[0], changes=changes)
        bearer = self._bearer(headers, address)
        cookie = self._access.cookie_of(scope)
        if self._access.token is not None and not bearer and not self._access.is_session(cookie):
            page = self._without_session(scope)
            if page is not None:
                return page
        if scope["type"] == "http" and changes:
            given = headers.get(CSRF_HEADER, "")
            if self._csrf and not bearer and not _equal(given, self._access.csrf(cookie)):
                raise RefusedError(403, f"the header {CSRF_HEADER} is missing or wrong: reload the page")
            _check_json(headers)
        return None

    def _check_site(self, scope: Scope, headers: Headers, host: str, *, changes: bool) -> None:
        """Refuse changes and calls of other sites."""
        origin = headers.get("origin")
        is_call = changes or scope["path"].startswith(self._calls)
        if is_call and origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise RefusedError(403, "requests of other sites are refused")
        if scope["type"] == "websocket" and origin is None:
            raise RefusedError(403, "a WebSocket needs an Origin")
        if is_call and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise RefusedError(403, "requests of other sites are refused")

    def _bearer(self, headers: Headers, address: str) -> bool:
        """Whether the request has the right token in its header; a wrong one is refused, and counted."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or self._access.token is None:
            return False
        self.check_token(given.strip(), address)
        return True

    def check_token(self, given: str, address: str) -> None:
        """Refuse a wrong token, and any after too many wrong ones."""
        if self.wrong_tokens.level(address) < 1:
            raise RefusedError(429, "too many wrong tokens: wait a minute", {"retry-after": "60"})
        if not self._access.is_token(given):
            self.wrong_tokens.take(address)
            raise RefusedError(401, "the token is wrong", {"www-authenticate": "Bearer"})

    def _without_session(self, scope: Scope) -> Response | None:
        if scope["type"] == "http":
            if scope["path"].startswith(_OPEN):
                return None
            if scope["method"] == "GET" and not scope["path"].startswith(self._calls):
                return self._login_page(scope)
        raise RefusedError(401, "a token is needed: log in on the page, or send Authorization: Bearer", _ASK)


_ASK = {"www-authenticate": "Bearer"}


def _check_json(headers: Headers) -> None:
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if (has_body or kind) and kind != "application/json":
        raise RefusedError(415, "the body must be JSON: content-type: application/json")


async def _bounded(scope: Scope, receive: Receive) -> Receive:
    """`receive` after the whole body has been read, within its limits."""
    if scope["method"] in _SAFE:
        return receive
    length = Headers(scope=scope).get("content-length", "0")
    if length.isdecimal() and int(length[:12]) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    break
    except TimeoutError as error:
        raise RefusedError(408, "the body did not arrive in time", {"connection": "close"}) from error
    return replayed({"type": "http.request", "body": bytes(body), "more_body": False}, receive)


def _too_large() -> RefusedError:
    return RefusedError(413, f"the body is larger than {MAX_BODY_BYTES:,} bytes", {"connection": "close"})


def replayed(message: Message, receive: Receive) -> Receive:
    """`receive` with a message before it."""
    messages = [message]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            given: list[Any] = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            more = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in names]
            message = {**message, "headers": [*given, *more]}
        await send(message)

    return send_with_headers


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    handle: Awaitable[None] = response(scope, receive, _with_headers(send))
    await handle
