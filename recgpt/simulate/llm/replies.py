"""Reading of replies: the protocol around a reply, and the one JSON object of the schema in it.

    completion = read_completion(body)                      # None: not a reply of the protocol
    reading = read_reply(completion.text, Choice, redactor)

**Which object.** The whole reply, if it is JSON. Otherwise code fences, prose, a byte order mark and a chain of thought
(up to its last closing tag) are left aside; of several objects the last one of the schema counts, as drafts and
examples come before the answer. Only valid JSON is taken: no trailing commas, no repeated names.

**Failures of a schema.** A schema may name the failure itself, by a `PydanticCustomError` with one of `calls.FAILURES`
as its type; all other errors are of the kind `schema_violation`.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from recgpt.simulate.llm.calls import FAILURES
from recgpt.simulate.llm.json_text import (
    InvalidJSON,
    RepeatedName,
    find_objects,
    has_infinite,
    parse_json,
    strings_in,
)
from recgpt.simulate.llm.redaction import Redactor

MAX_REPLY_CHARS = 200_000  # nothing that people decide takes more; a server gone wild must not fill the log
MAX_STRING_CHARS = 20_000
MAX_TOKENS = 10_000_000  # of one call; a count beyond is no count
_NO_SECRETS = Redactor({})


@dataclass(frozen=True)
class Completion:
    """The fields of a chat completion that are read here.

    Attributes
    ----------
    text
        Text of the reply; may be empty.
    refused
        The model, or a filter, refused.
    truncated
        The reply reached the limit of tokens.
    tokens_in, tokens_out
        As the server reports; None where it reports nothing, or nothing plausible.
    """

    text: str
    refused: bool
    truncated: bool
    tokens_in: int | None
    tokens_out: int | None


@dataclass(frozen=True)
class Reading:
    """A read reply: `value`, or the kind of `failure`; `text` without secrets, for the log."""

    value: BaseModel | None
    failure: str | None
    text: str


def read_completion(body: str) -> Completion | None:
    """Read the body of a response; None where it is not of the protocol."""
    try:
        found = parse_json(body, strict=False)
        choice = found["choices"][0]
        content, refusal = choice["message"].get("content"), choice["message"].get("refusal")
        usage, finish = found.get("usage"), choice.get("finish_reason")
    except (InvalidJSON, LookupError, TypeError, AttributeError):
        return None
    if not isinstance(content, str | None):
        return None
    said = refusal if isinstance(refusal, str) else ""
    usage = usage if isinstance(usage, dict) else {}
    return Completion(
        content or said,
        bool(said) or finish == "content_filter",
        finish == "length",
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def read_reply(text: str, schema: type[BaseModel], redactor: Redactor = _NO_SECRETS) -> Reading:
    """Take the object of the schema out of a reply; see the module."""
    shown = redactor.text(text)
    # a lone surrogate is no character: it could not be stored
    logged = shown.encode(errors="backslashreplace").decode()[:MAX_REPLY_CHARS]
    if len(text) > MAX_REPLY_CHARS:
        return Reading(None, "schema_violation", logged)
    parts, failure = _candidates(text)
    for part in reversed(parts):
        value, failure = _validated(redactor, part, schema)
        if value is not None:
            # a text with a secret is not kept whole: what was left of it might read differently after a resume
            return Reading(value[0], None, text if shown == text else value[1])
    return Reading(None, failure, logged)


def read_logged(text: str, schema: type[BaseModel]) -> BaseModel | None:
    """The object in a logged reply that was valid when it came; None where it is no longer of the schema."""
    try:
        return schema.model_validate_json(text, strict=True, extra="forbid")
    except ValidationError:
        return read_reply(text, schema).value


def _candidates(text: str) -> tuple[list[str], str]:
    """Texts of the objects in a reply, and the kind of failure where none is of the schema."""
    whole = text.strip().removeprefix("\ufeff").strip()
    try:
        value = parse_json(whole)
    except RepeatedName:
        return [], "schema_violation"
    except InvalidJSON:
        return find_objects(whole), "not_json"
    return ([whole] if isinstance(value, dict) else []), "schema_violation"


def _validated(redactor: Redactor, text: str, schema: type[BaseModel]) -> tuple[tuple[BaseModel, str] | None, str]:
    """(object and its JSON without secrets, ""), or (None, kind of failure)."""
    try:
        found = parse_json(text)
    except RepeatedName:
        return None, "schema_violation"
    except InvalidJSON:
        return None, "not_json"
    if has_infinite(found) or any(len(each) > MAX_STRING_CHARS or "\0" in each for each in strings_in(found)):
        return None, "schema_violation"
    clean = redactor.value(found)
    if clean != found:
        text = json.dumps(clean, ensure_ascii=False)
    try:
        return (schema.model_validate_json(text, strict=True, extra="forbid"), text), ""
    except ValidationError as error:
        named = [each["type"] for each in error.errors(include_url=False) if each["type"] in FAILURES]
        return None, named[0] if named else "schema_violation"


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if 0 <= value <= MAX_TOKENS else None
