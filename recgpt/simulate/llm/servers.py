"""OpenAI-compatible servers: addresses, keys (from environment variables only), one call.

No key, no header and no exception of the HTTP client leaves this file: a call returns an `Outcome`, whose text has
the secrets cut out.
"""

import asyncio
import math
import os
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel

from recgpt.errors import LLMError
from recgpt.simulate.llm.dialect import Dialect, next_dialect
from recgpt.simulate.llm.json_text import InvalidJSON, parse_json
from recgpt.simulate.llm.limiter import Limiter
from recgpt.simulate.llm.redaction import Redactor, environment_secrets
from recgpt.simulate.llm.replies import read_completion, read_reply
from recgpt.simulate.llm.requests import Question
from recgpt.simulate.llm.transport import Answer, UnreadableReply, post

if TYPE_CHECKING:
    from httpx2 import AsyncClient

MAX_RETRY_AFTER_S = 120.0  # longest delay; a server that sends a longer one gets requests again after this
_MAX_ERROR_CHARS = 500
_DENIED = (401, 402, 403)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_PROBES = 3  # questions with which a dialect is looked for; a question can be rejected for its own sake
MOST_REJECTIONS = 16 * _MOST_PROBES
"""Most requests in vain on the way to a server's dialect."""


@dataclass(frozen=True)
class Server:
    """An address, and the environment variable that holds its key.

    Attributes
    ----------
    base_url
        Mostly ends in /v1.
    key_env
        Name of the variable; None for a server without a key.

    Raises
    ------
    LLMError
        Not an address, or one that holds a secret.
    """

    base_url: str
    key_env: str | None = "OPENAI_API_KEY"

    def __post_init__(self) -> None:
        if not _is_address(self.base_url):
            raise LLMError(f"{self.base_url!r} is no address of a server: one is http://127.0.0.1:8080/v1")
        parts = urlsplit(self.base_url)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise LLMError(
                f"the address of the server {parts.hostname} has more than a host, a port and a path: "
                "put the key into an environment variable and name that"
            )
        if self.key_env is not None and not _VARIABLE.fullmatch(self.key_env):
            raise LLMError(
                "the option for the key takes the name of an environment variable, such as OPENAI_API_KEY, and got"
                f" {len(self.key_env):,} characters that are none: put the key into a variable"
            )
        named = [name for name, secret in environment_secrets() if secret in self.base_url]
        if named:
            raise LLMError(
                f"the address of the server holds the value of {named[0]}: leave it out, it is sent as the key"
            )

    def read_key(self) -> str | None:
        """The key, from the environment.

        Raises
        ------
        LLMError
            The variable is not set, or cannot be a key.
        """
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "")
        if not key:
            raise LLMError(f"{self.base_url} needs a key, but the environment variable {self.key_env} is not set")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise LLMError(
                f"the environment variable {self.key_env} holds white space or other signs that no key has: set it"
                " again"
            )
        return key


def _is_address(base_url: str) -> bool:
    import httpx2

    try:
        parts, _ = urlsplit(base_url), httpx2.URL(base_url)
        host = parts.hostname or ""
        if ":" not in host:
            host.encode("idna")  # as the resolver does
        is_whole = parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except (ValueError, httpx2.InvalidURL):  # UnicodeError is a ValueError
        return False
    return is_whole and base_url.isprintable() and not set(" \\") & set(base_url)


@dataclass(frozen=True)
class Outcome:
    """Outcome of one call. `value` or `failure` is None; `text` is for the log.

    Attributes
    ----------
    wanted_rest_s
        Seconds to rest, as the server wishes; it gets `MAX_RETRY_AFTER_S` at most. None where it wishes none.
    """

    value: BaseModel | None
    failure: str | None
    text: str | None
    tokens_in: int
    tokens_out: int
    seconds: float
    wanted_rest_s: float | None = None


@dataclass
class Lane:
    """A server in use: number of calls in flight, the time before which it gets no more, its dialect.

    Until its first reply that is no rejection it gets one call at a time, so that its dialect is found out once.
    """

    server: Server
    limiter: Limiter
    redactor: Redactor
    dialect: Dialect
    knows_dialect: bool = False
    in_flight: int = 0
    rests_until: float = 0.0
    _first: Dialect = field(init=False)
    _tried: list[Dialect] = field(init=False, default_factory=list)
    _probes: int = field(init=False, default=0)
    _answered: bool = field(init=False)

    def __post_init__(self) -> None:
        self._first, self._answered = self.dialect, self.knows_dialect

    @property
    def limit(self) -> int:
        """Most calls in flight."""
        return self.limiter.limit if self._answered else 1

    def free(self, now: float) -> bool:
        """Whether it may get a call at the time `now` of `time.monotonic`."""
        return self.in_flight < self.limit and self.rests_until <= now

    def changes_dialect(self, question: Question, outcome: Outcome) -> bool:
        """Learn from an outcome; whether the question should be sent again, in the dialect that it led to."""
        is_rejection = outcome.failure in ("rejected", "server_error") and outcome.text is not None
        if is_rejection and question.dialect != self.dialect:
            return True
        if not is_rejection or self.knows_dialect or self._probes == _MOST_PROBES:
            self._answered = True
            return False
        self._tried.append(question.dialect)
        may_guess = outcome.failure == "rejected"
        other = next_dialect(self._first, question.dialect, outcome.text or "", self._tried, may_guess=may_guess)
        if other is not None:
            self.dialect = other
            return True
        self.dialect = self._first
        if may_guess:
            self._probes, self._tried = self._probes + 1, []
        self._answered = not may_guess or self._probes == _MOST_PROBES
        return False

    async def ask(self, http: "AsyncClient", question: Question, timeout_s: float) -> Outcome:
        """One HTTP request, no more. Failures are outcomes; only a cancellation comes through."""
        import httpx2

        most = {"tokens_in": question.most_tokens_in, "tokens_out": question.max_tokens}
        none = {"tokens_in": 0, "tokens_out": 0}
        started = time.monotonic()

        def failed(failure: str, said: str | None, tokens: dict[str, int]) -> Outcome:
            text = None if said is None else self._shown(said)
            return Outcome(None, failure, text, **tokens, seconds=time.monotonic() - started)

        try:
            async with asyncio.timeout(timeout_s):  # in all: limits between two bytes never end a reply that drips
                answer = await post(http, question.json)
        except TimeoutError:
            return failed("timeout", None, most)  # it may have been generated, and billed
        except UnreadableReply as error:
            return failed("server_error", str(error), most)
        except httpx2.HTTPError as error:
            cause = type(error).__name__
            return failed("connection", cause, none if cause.startswith("Connect") else most)
        if not 200 <= answer.status < 300:
            return self._failed_status(answer, time.monotonic() - started)
        completion = read_completion(answer.text)
        if completion is None:
            return failed("server_error", answer.text, most)
        reading = read_reply(completion.text, question.request.schema, self.redactor)
        failure = "refused" if completion.refused else "truncated" if completion.truncated else reading.failure
        tokens_in, tokens_out = completion.tokens_in, completion.tokens_out
        return Outcome(
            reading.value if failure is None else None,
            failure,
            reading.text,
            most["tokens_in"] if tokens_in is None else tokens_in,
            most["tokens_out"] if tokens_out is None else tokens_out,
            seconds=time.monotonic() - started,
        )

    def _failed_status(self, answer: Answer, seconds: float) -> Outcome:
        failure, said = _failure(answer), answer.text
        if failure == "redirected":
            target = urlsplit(urljoin(self.server.base_url, answer.location or ""))
            said = f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"
        return Outcome(None, failure, self._shown(said), 0, 0, seconds, _wanted_rest_s(answer.retry_after))

    def _shown(self, said: str) -> str:
        return self.redactor.text(said).encode(errors="backslashreplace").decode()[:_MAX_ERROR_CHARS]


def first_dialect(server: Server) -> Dialect:
    """The dialect to try first: OpenAI's newer models take only the new name of the limit, most others the old one."""
    is_openai = urlsplit(server.base_url).hostname == "api.openai.com"
    return Dialect(limit="max_completion_tokens" if is_openai else "max_tokens")


def _failure(answer: Answer) -> str:
    status = answer.status
    if status in _DENIED or _error_code(answer.text) == "insufficient_quota":
        return "denied"
    if status == 408:
        return "timeout"
    if status == 429:
        return "rate_limited"
    if status == 404:
        return "not_found"
    if 300 <= status < 400:
        return "redirected"
    return "rejected" if 400 <= status < 500 else "server_error"


def _error_code(body: str) -> str | None:
    try:
        error = parse_json(body, strict=False)["error"]
        return error["code"] if isinstance(error["code"], str) else None
    except (InvalidJSON, LookupError, TypeError):
        return None


def _wanted_rest_s(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, a number or a date (RFC 9110, 10.2.3); None for no sensible one."""
    try:
        seconds = float(header or "")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header or "").timestamp() - time.time()
        except (ValueError, OverflowError, TypeError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
