"""OpenAI-compatible servers: addresses, keys (from environment variables only), one call.

No key, no header and no exception of the SDK leaves this file: a call returns an `Outcome`, whose text has the
keys cut out.
"""

import asyncio
import math
import os
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from recgpt.errors import LLMError
from recgpt.simulate.llm.limiter import Limiter
from recgpt.simulate.llm.requests import MAX_REPLY_CHARS, Completion, Question

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

MAX_RETRY_AFTER_S = 120.0  # longest delay; a server that sends a longer one gets requests again after this
_MAX_ERROR_CHARS = 500
_DENIED = (401, 402, 403)


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
        parts = urlsplit(self.base_url)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise LLMError(
                f"the address of the server {parts.hostname} has more than a host, a port and a path: "
                "put the key into an environment variable and name that"
            )
        try:
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # of the port
            usable = False
        if not usable:
            raise LLMError(f"{self.base_url!r} is no address of a server: one is http://127.0.0.1:8080/v1")

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
            raise LLMError(f"the environment variable {self.key_env} holds white space or other signs that no key has")
        return key


@dataclass(frozen=True)
class Outcome:
    """Outcome of one call. `value` or `failure` is None; `text` is for the log."""

    value: BaseModel | None
    failure: str | None
    text: str | None
    tokens_in: int
    tokens_out: int
    seconds: float
    retry_after_s: float | None = None


@dataclass
class Lane:
    """A server in use: number of calls in flight, and the time before which it gets no more."""

    server: Server
    limiter: Limiter
    secrets: tuple[str, ...] = field(repr=False)
    in_flight: int = 0
    rests_until: float = 0.0

    def free(self, now: float) -> bool:
        """Whether it may get a call at the time `now` of `time.monotonic`."""
        return self.in_flight < self.limiter.limit and self.rests_until <= now

    async def ask(self, sdk: "AsyncOpenAI", question: Question, timeout_s: float) -> Outcome:
        """One HTTP request, no more. Failures are outcomes; only a cancellation comes through."""
        import openai

        most = {"tokens_in": question.most_tokens_in, "tokens_out": question.body["max_tokens"]}
        none = {"tokens_in": 0, "tokens_out": 0}
        started = time.monotonic()

        def failed(failure: str, said: str | None, tokens: dict[str, int], rest_s: float | None = None) -> Outcome:
            text = None if said is None else self._without_secrets(said)[:_MAX_ERROR_CHARS]
            return Outcome(None, failure, text, **tokens, seconds=time.monotonic() - started, retry_after_s=rest_s)

        try:
            # the SDK's own limit starts anew with every byte
            async with asyncio.timeout(timeout_s):
                response = await sdk.chat.completions.with_raw_response.create(**self._arguments(question))
            body = response.text
        except (TimeoutError, openai.APITimeoutError):
            return failed("timeout", None, most)  # it may have been generated, and billed
        except openai.APIConnectionError as error:
            cause = type(error.__cause__ or error).__name__
            return failed("connection", cause, none if cause.startswith("Connect") else most)
        except openai.APIStatusError as error:
            rest_s = _retry_after_s(error.response.headers.get("retry-after"))
            return failed(_failure(error), error.response.text, none, rest_s)
        try:
            completion = Completion.model_validate_json(body)
        except ValidationError:
            return failed("server_error", body, most)
        value, failure = completion.read(question.request.schema)
        used = completion.usage
        tokens = {"tokens_in": used.prompt_tokens, "tokens_out": used.completion_tokens} if used else most
        text = self._without_secrets(completion.text)[:MAX_REPLY_CHARS]
        return Outcome(value, failure, text, **tokens, seconds=time.monotonic() - started)

    def _arguments(self, question: Question) -> dict[str, Any]:
        # OpenAI's newer models take only the new name of the limit, most other servers know only the old one
        if urlsplit(self.server.base_url).hostname != "api.openai.com":
            return question.body
        renamed = {"max_tokens": "max_completion_tokens"}
        return {renamed.get(name, name): value for name, value in question.body.items()}

    def _without_secrets(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "[key]")
        return text


def open_sdk(server: Server) -> "AsyncOpenAI":
    """The SDK for a server; it retries nothing, for retries are the client's."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(base_url=server.base_url, api_key=server.read_key() or "none", max_retries=0, timeout=None)


def _failure(error: "APIStatusError") -> str:
    status = error.status_code
    if status in _DENIED or error.code == "insufficient_quota":
        return "denied"
    if status == 408:
        return "timeout"
    if status == 429:
        return "rate_limited"
    if status == 404:
        return "not_found"
    return "server_error" if status >= 500 else "rejected"


def _retry_after_s(header: str | None) -> float | None:
    """Seconds to rest by a Retry-After header, a number or a date (RFC 9110, 10.2.3); at most MAX_RETRY_AFTER_S."""
    try:
        seconds = float(header or "")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header or "").timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None
