"""Requests to a language model, and their replies.

    request = Request([{"role": "user", "content": "Pick one of 1, 2, 3."}], Choice, purpose="choose")

Every reply has to be JSON of the schema of its request, in strict mode (`response_format`).
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, Field, ValidationError

from recgpt.simulate.llm.calls import LLMCall

MAX_REPLY_CHARS = 200_000  # nothing that people decide takes more; a server gone wild must not fill the log
_TEMPLATE_TOKENS = 64  # what chat templates put around a message, generously
_CHARS_PER_TOKEN = 4.0  # of English text and JSON, for estimates
_STRING_CHARS = 80  # of a string in a reply, for estimates: one sentence


class Message(TypedDict):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Request:
    """One question to the model.

    Attributes
    ----------
    messages
        Of the conversation; text that others wrote belongs in `text.quoted`.
    schema
        Of the reply. Numbers need bounds (`Field(ge=1, le=5)`): a reply can be anything that the schema allows.
    purpose
        Purpose of the reply, for the log; not sent.
    """

    messages: Sequence[Message]
    schema: type[BaseModel]
    purpose: str


@dataclass(frozen=True)
class Reply:
    """Outcome of one request: a value or a failure, never both.

    Attributes
    ----------
    value
        An object of the request's schema.
    failure
        Why there is none, one of `calls.FAILURES`.
    calls
        HTTP requests that were made for it, in order, or the logged ones.
    """

    value: BaseModel | None
    failure: str | None
    calls: tuple[LLMCall, ...]


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters of replies.

    Attributes
    ----------
    temperature
        None for the server's default (some models take no other).
    max_tokens
        The most that a reply may have.
    seed
        Sent to the server; None for none. A second attempt has the next seed.
    """

    temperature: float | None
    max_tokens: int
    seed: int | None


@dataclass(frozen=True)
class Question:
    """A request as it is sent: the `attempt`-th time, with its key.

    Attributes
    ----------
    body
        JSON body, but for the server's name of the token limit.
    key
        Hex SHA-256 of model, messages, schema, temperature, max_tokens, seed and attempt.
    """

    request: Request
    attempt: int
    body: dict[str, Any]
    key: str

    @classmethod
    def from_request(cls, request: Request, model: str, sampling: Sampling, attempt: int) -> "Question":
        """The request for a model, as its `attempt`-th question."""
        schema = strict_schema(request.schema)
        shapes_reply = {
            "model": model,
            "messages": [dict(message) for message in request.messages],
            "schema": schema,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
            "attempt": attempt,
        }
        body: dict[str, Any] = {
            "model": model,
            "messages": shapes_reply["messages"],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": request.schema.__name__, "strict": True, "schema": schema},
            },
            "max_tokens": sampling.max_tokens,
        }
        if sampling.temperature is not None:
            body["temperature"] = sampling.temperature
        if sampling.seed is not None:
            body["seed"] = sampling.seed + attempt - 1
        return cls(request, attempt, body, hashlib.sha256(_canonical(shapes_reply).encode()).hexdigest())

    @property
    def json(self) -> str:
        """The body as text."""
        return _canonical(self.body)

    @property
    def most_tokens_in(self) -> int:
        """Upper bound of its tokens: one a byte, as no token is shorter, and the chat template."""
        return len(self.json.encode()) + _TEMPLATE_TOKENS * (1 + len(self.body["messages"]))

    @property
    def expected_tokens_in(self) -> int:
        """Estimate of its tokens, the schema included: 4 characters each."""
        return math.ceil(len(self.json) / _CHARS_PER_TOKEN)

    @property
    def expected_tokens_out(self) -> int:
        """Estimate of the reply's tokens: JSON of the schema with a sentence for each string, `max_tokens` at most."""
        schema = self.body["response_format"]["json_schema"]["schema"]
        return min(math.ceil(_reply_chars(schema, schema.get("$defs", {})) / _CHARS_PER_TOKEN), self.body["max_tokens"])


def _reply_chars(schema: dict[str, Any], definitions: dict[str, Any]) -> int:
    """Characters of a typical reply of a strict schema."""
    if "$ref" in schema:
        return _reply_chars(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "properties" in schema:
        fields = schema["properties"].items()
        return 2 + sum(len(name) + len('"": , ') + _reply_chars(value, definitions) for name, value in fields)
    if "enum" in schema or "const" in schema:
        return max(len(json.dumps(value)) for value in schema.get("enum", [schema.get("const")]))
    return _STRING_CHARS if schema.get("type") == "string" else len("false")


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON schema of `model` for strict mode: every property required, no others allowed, no defaults."""
    schema: dict[str, Any] = _strict(model.model_json_schema())
    return schema


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    strict = {name: _strict(value) for name, value in node.items() if name != "default"}
    if isinstance(node.get("properties"), dict):
        # a property may be called "default"
        strict["properties"] = {name: _strict(value) for name, value in node["properties"].items()}
        strict |= {"required": list(node["properties"]), "additionalProperties": False}
    return strict


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message


class Completion(BaseModel):
    """The fields of a chat completion that are read here."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None

    @property
    def text(self) -> str:
        """Text of the reply; may be empty."""
        message = self.choices[0].message
        return message.content or message.refusal or ""

    def read(self, schema: type[BaseModel]) -> tuple[BaseModel | None, str | None]:
        """(object of `schema`, None), or (None, kind of failure)."""
        choice = self.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            return None, "refused"
        if choice.finish_reason == "length":
            return None, "truncated"
        return read_reply(self.text, schema)


def read_reply(text: str, schema: type[BaseModel]) -> tuple[BaseModel | None, str | None]:
    """(object of `schema`, None), or (None, "not_json" or "schema_violation")."""
    if len(text) > MAX_REPLY_CHARS:
        return None, "schema_violation"
    try:
        return schema.model_validate_json(text, strict=True, extra="forbid"), None
    except ValidationError as error:
        not_json = any(each["type"] == "json_invalid" for each in error.errors(include_url=False, include_input=False))
        return None, "not_json" if not_json else "schema_violation"
