"""Requests to a language model, and their replies.

    request = Request([{"role": "user", "content": "Pick one of 1, 2, 3."}], Choice, purpose="choose")

Every reply has to be JSON of the schema of its request, in strict mode (`response_format`) where the server has one.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypedDict

from pydantic import BaseModel

from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.llm.dialect import Dialect

_TEMPLATE_TOKENS = 64  # what chat templates put around a message, generously
_CHARS_PER_TOKEN = 4.0  # of English text and JSON, for estimates
_STRING_CHARS = 80  # of a string in a reply, for estimates: one sentence
_USUAL = Dialect()
# part of the prompt: changing it changes replies and keys of calls
_SCHEMA_IN_PROMPT = "Reply with one JSON object and nothing else, of this JSON schema:\n"


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
    """A request as it is sent: the `attempt`-th time, in the dialect of a server, with its key.

    Attributes
    ----------
    body
        JSON body.
    max_tokens
        Limit of tokens of the reply.
    key
        Hex SHA-256 of all that shapes the reply: model, messages, schema and how it is sent, temperature, max_tokens,
        seed and attempt. Not the name of the limit of tokens, nor which of several servers replies.
    """

    request: Request
    attempt: int
    dialect: Dialect
    body: dict[str, Any]
    max_tokens: int
    key: str

    @classmethod
    def from_request(
        cls, request: Request, model: str, sampling: Sampling, attempt: int, dialect: Dialect = _USUAL
    ) -> "Question":
        """The request for a model, as its `attempt`-th question."""
        schema = strict_schema(request.schema)
        messages = [dict(message) for message in request.messages]
        temperature = sampling.temperature if dialect.temperature else None
        seed = sampling.seed if dialect.seed else None
        shapes_reply: dict[str, Any] = {
            "model": model,
            "messages": messages if dialect.format == "json_schema" else _with_schema(messages, schema),
            "schema": schema,
            "temperature": temperature,
            "max_tokens": sampling.max_tokens,
            "seed": seed,
            "attempt": attempt,
        }
        if dialect.format != "json_schema":  # the usual format is not named, so that older logs keep their keys
            shapes_reply["format"] = dialect.format
        body: dict[str, Any] = {
            "model": model,
            "messages": shapes_reply["messages"],
            **_response_format(dialect, request.schema.__name__, schema),
            dialect.limit: sampling.max_tokens,
        }
        if temperature is not None:
            body["temperature"] = temperature
        if seed is not None:
            body["seed"] = seed + attempt - 1
        key = hashlib.sha256(_canonical(shapes_reply).encode()).hexdigest()
        return cls(request, attempt, dialect, body, sampling.max_tokens, key)

    @property
    def json(self) -> str:
        """The body as text, properties of the schema in its order: models write a reply in the order of its schema."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))

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
        schema = strict_schema(self.request.schema)
        return min(math.ceil(_reply_chars(schema, schema.get("$defs", {})) / _CHARS_PER_TOKEN), self.max_tokens)


def _response_format(dialect: Dialect, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    if dialect.format == "prompt":
        return {}
    if dialect.format == "json_object":
        return {"response_format": {"type": "json_object"}}
    strict = {"name": name, "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": strict}}


def _with_schema(messages: list[dict[str, Any]], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Messages whose system message states the schema, for servers that do not enforce it."""
    stated = _SCHEMA_IN_PROMPT + _canonical(schema)
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{stated}"}, *messages[1:]]
    return [{"role": "system", "content": stated}, *messages]


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


@lru_cache(maxsize=256)
def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON schema of `model` for strict mode: every property required, no others allowed, no defaults. Read-only."""
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
