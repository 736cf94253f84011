"""Log of calls to a language model, with which a run is repeated without new calls."""

from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from recgpt.simulate.llm.dialect import Dialect

FAILURES = {
    "rate_limited": "429: the server is asked too often",
    "server_error": "a status of 5xx, or a reply that is not one of the protocol",
    "timeout": "no reply in time",
    "connection": "the connection failed or broke",
    "denied": "401, 402 or 403: the key is wrong, may not use the model, or has no credit left",
    "not_found": "404: there is no such model, or no such address",
    "redirected": "3xx: the server sends requests elsewhere; none is followed",
    "rejected": "another 4xx: the server does not take this request, mostly one that is too long",
    "truncated": "the reply reached the limit of tokens",
    "not_json": "the reply is not JSON",
    "schema_violation": "the reply is JSON, but not of the schema, or longer than any reply should be",
    "out_of_role": "the model talks as an assistant, not as the person that it plays",
    "refused": "the model, or a filter behind it, would not answer",
    "interrupted": "the program was stopped while the call was under way",
}
"""Kinds of failure of a call."""


class LLMCall(BaseModel):
    """One HTTP request to a language model and its outcome, success or failure.

    A question that is answered at the third try is three calls with one `key`, the first two with a `failure`.
    A question that is sent again because its reply was malformed has another key.
    """

    model_config = ConfigDict(frozen=True)

    key: str = Field(description="hex SHA-256 of everything that shapes the reply; see `requests.Question`")
    purpose: str = Field(description="what the reply is for, such as `decide`")
    model: str
    request: str = Field(description="JSON of what was sent; never holds a secret")
    reply: str | None = Field(description="text of the reply, or what the server said instead; None where nothing came")
    failure: str | None = Field(description="one of FAILURES; None for a valid reply")
    tokens_in: int = Field(ge=0, description="as the server reports; the most that it can be where it does not say")
    tokens_out: int = Field(ge=0, description="as tokens_in")
    cost_usd: float = Field(ge=0, description="by the price of the model; 0 where it has none")
    seconds: float = Field(ge=0, description="from sending to the reply, without waiting for a turn")
    attempts: int = Field(ge=1, description="which try with this key, from 1")
    server: str = Field(description="address of the server, without credentials")


class CallLog(Protocol):
    """Store of calls; a client that is given one sends no question twice."""

    def record_call(self, call: LLMCall) -> None:
        """Store the call, at once and durably."""
        ...

    def call(self, key: str) -> LLMCall | None:
        """Last call with this key, None without one; a valid reply is always the last."""
        ...

    def dialect(self, server: str) -> Dialect | None:
        """Dialect of a server and model, as kept; None before."""
        ...

    def keep_dialect(self, server: str, dialect: Dialect) -> None:
        """Store the dialect of a server and model."""
        ...


class CallsInMemory:
    """Log in memory, which is lost with the object."""

    def __init__(self) -> None:
        self.calls: list[LLMCall] = []
        self._last: dict[str, LLMCall] = {}
        self._dialects: dict[str, Dialect] = {}

    def record_call(self, call: LLMCall) -> None:
        """See `CallLog`."""
        self.calls.append(call)
        self._last[call.key] = call

    def call(self, key: str) -> LLMCall | None:
        """See `CallLog`."""
        return self._last.get(key)

    def dialect(self, server: str) -> Dialect | None:
        """See `CallLog`."""
        return self._dialects.get(server)

    def keep_dialect(self, server: str, dialect: Dialect) -> None:
        """See `CallLog`."""
        self._dialects[server] = dialect
