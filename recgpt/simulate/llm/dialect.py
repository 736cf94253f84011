"""Dialects of OpenAI's protocol: form of the schema and of the limit of tokens, and parameters that a server refuses.

    dialect = Dialect()                                     # what most servers take
    dialect = next_dialect(dialect, said, tried)            # after a request was rejected

Servers differ: some know no `json_schema`, newer models want `max_completion_tokens`, some take no `temperature`. The
first request to a server finds its dialect out, and the run's manifest keeps it.
"""

import re
from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict

_LONG_PROMPT = re.compile(r"context[ _]length|context window|too long|too many tokens", re.IGNORECASE)
_REFUSAL = re.compile(r"support|unknown|unrecogni[sz]ed|invalid|unexpected|permitted|extra|allowed", re.IGNORECASE)
_HINTS = (
    ("limit", re.compile(r"max_(?:completion_)?tokens")),
    ("temperature", re.compile(r"temperature")),
    ("format", re.compile(r"response_format|json_schema|json_object|structured|guided|grammar|schema")),
    ("seed", re.compile(r"\bseed\b")),
)


class Dialect(BaseModel):
    """Form of the requests to one server, for one model."""

    model_config = ConfigDict(frozen=True)

    format: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    """How the schema is sent: as `response_format` of one of two types, or only in the prompt (in both others too)."""
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Name of the limit of tokens."""
    temperature: bool = True
    """Whether the temperature is sent."""
    seed: bool = True
    """Whether the seed is sent."""

    @property
    def left_out(self) -> list[str]:
        """Parameters that are not sent."""
        return [name for name in ("temperature", "seed") if not getattr(self, name)]

    def __str__(self) -> str:
        schema = {"json_schema": "enforced by the server", "json_object": "in the prompt, JSON enforced"}
        parts = [f"schema {schema.get(self.format, 'in the prompt')}", f"limit `{self.limit}`"]
        return ", ".join([*parts, *(f"no {name}" for name in self.left_out)])

    def without(self, part: str) -> "Dialect":
        """The dialect with another form of one part: `format`, `limit`, `temperature` or `seed`."""
        weaker = {"json_schema": "json_object", "json_object": "prompt", "prompt": "prompt"}
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
        changes = {"format": weaker[self.format], "limit": other[self.limit], "temperature": False, "seed": False}
        return self.model_copy(update={part: changes[part]})


def next_dialect(
    first: Dialect, current: Dialect, said: str, tried: Collection[Dialect], *, may_guess: bool
) -> Dialect | None:
    """The dialect to try after a rejected request; None where no other is worth a request.

    Parameters
    ----------
    first
        The first dialect tried.
    current
        The dialect of the rejected request.
    said
        What the server said.
    tried
        All dialects tried so far.
    may_guess
        Whether to try others where the server does not name what it refuses; without, it also has to say that it does.
    """
    if _LONG_PROMPT.search(said) or not (may_guess or _REFUSAL.search(said)):
        return None
    named = [part for part, hint in _HINTS if hint.search(said)]
    candidates = [current.without(part) for part in named] + (_guesses(first) if may_guess else [])
    return next((each for each in candidates if each not in tried), None)


def _guesses(first: Dialect) -> list[Dialect]:
    """Dialects for a server that does not say what it refuses: one change at a time, then several."""
    guesses = [first.without(part) for part in ("format", "limit", "temperature", "seed")]
    several = first.without("format").without("format")
    guesses.append(several)
    for part in ("limit", "temperature", "seed"):
        several = several.without(part)
        guesses.append(several)
    return guesses
