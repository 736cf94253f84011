"""JSON that a server sent: parsed within bounds, and taken out of the text around it.

    parse_json('{"index": 1}')
    find_objects('<think>Hm.</think> Sure: {"index": 1}')      # ['{"index": 1}']

Depth, digits and the number of objects are bounded, so that no reply overflows the stack or takes long.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 64
MAX_DIGITS = 400
"""Digits of a whole number; one with more is read as infinite."""
MAX_OBJECTS = 100
"""Objects in a text; from one with more none is taken."""

# Strings are one token each, to the end of the text if they are not closed: the scan is linear for any input.
_TOKEN = re.compile(r'"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_LIKE_AN_OBJECT = re.compile(r'\{\s*["}]')
_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|thought|reasoning)>|\[/THINK\]", re.IGNORECASE)


class InvalidJSON(ValueError):  # noqa: N818 (says what the text is)
    """A text that is not JSON, or is nested too deeply."""


class RepeatedName(InvalidJSON):
    """An object with the same name twice, of which it is open which value counts."""


def parse_json(text: str, *, strict: bool = True) -> Any:
    """Parse a JSON text.

    Parameters
    ----------
    strict
        Refuse repeated names, NaN and infinities, and lone surrogates; else the last value of a name counts.

    Returns
    -------
    JSON value; numbers with more than `MAX_DIGITS` digits or out of the range of floats are infinite.

    Raises
    ------
    InvalidJSON
        Not JSON, or deeper than `MAX_DEPTH`; `RepeatedName` for an object with the same name twice.
    """
    try:
        value = json.loads(
            text,
            parse_int=_number,
            parse_constant=_refuse if strict else float,
            object_pairs_hook=_without_repeats if strict else dict,
        )
    except RepeatedName:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidJSON(str(error)[:200]) from None
    if _is_deeper(value, MAX_DEPTH):
        raise InvalidJSON(f"nested deeper than {MAX_DEPTH}")
    if strict and _has_lone_surrogates(text, value):
        raise InvalidJSON("a lone surrogate is no character")
    return value


def find_objects(text: str) -> list[str]:
    """Texts in braces that look like JSON objects, one after the other, outermost ones only; none of too many.

    A chain of thought counts as ended by its last closing tag, and what precedes that is left out. A brace that opens
    like an object and does not go on as JSON is skipped with all that it holds; one that is never closed ends the
    search.
    """
    ends = [found.end() for found in _THOUGHT_ENDS.finditer(text)]
    parts, place = [], ends[-1] if ends else 0
    while (opened := _LIKE_AN_OBJECT.search(text, place)) is not None:
        end = _end_of(text, opened.start())
        if end is None:
            break
        parts.append(text[opened.start() : end])
        place = end
        if len(parts) > MAX_OBJECTS:
            return []
    return parts


def has_infinite(value: Any) -> bool:
    """Whether a parsed JSON value holds an infinite number."""
    if isinstance(value, dict):
        return any(map(has_infinite, value.values()))
    if isinstance(value, list):
        return any(map(has_infinite, value))
    return isinstance(value, float) and math.isinf(value)


def strings_in(value: Any) -> Iterator[str]:
    """All strings of a parsed JSON value, names of properties included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from strings_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_in(each)


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
    return bool(level)


def _end_of(text: str, start: int) -> int | None:
    """End of the balanced brackets that begin at `start`; None if they are not closed, or too deep."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
        if depth > MAX_DEPTH:
            return None
    return None


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _refuse(constant: str) -> float:
    raise InvalidJSON(f"{constant} is no JSON value")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedName("a name occurs twice in an object")
    return found


def _has_lone_surrogates(text: str, value: Any) -> bool:
    if "\\u" not in text and text.isascii():
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
