"""Text of files and users as it may be printed: on one line, nothing that acts on a terminal, of bounded length.

    say(f"{out}: {n:,} items of {plain(name)}")  # a line of a command; `plain` for titles, ids, columns, file names
    print_json(found)                            # the exact values; what acts on a terminal is written as JSON escapes

Neutralised are control characters (terminal escapes among them), direction overrides and isolates, zero-width, blank
and tag characters, line separators, lone surrogates, and stacks of combining marks. Titles show at most `LONGEST`
characters and messages at most `LONGEST_MESSAGE`; an ellipsis marks the cut.
"""

import json
import sys
import unicodedata
from typing import Any, TextIO

LONGEST = 200
"""Characters shown of one title, id or name."""
LONGEST_MESSAGE = 2_000
"""Characters shown of one line of a message; a longer one is cut in the middle, so that its remedy stays."""
MAX_MARKS = 4
"""Combining marks shown on one character."""

_BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # letters and symbols without ink
_PRESENTATION = "\ufe0e\ufe0f"  # emoji as text or as picture: the only variation selectors that stay
_DROPPED = "\u034f\u180b\u180c\u180d\u180f" + "".join(map(chr, (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))
_READ = 16  # times `longest`: characters read of a text, however long it is


class _Neutral(dict[int, int | str | None]):
    """Translation table, filled as characters are met: unsafe ones become a space, a replacement sign or nothing."""

    def __missing__(self, code: int) -> int | str | None:
        character = chr(code)
        category = unicodedata.category(character)
        if character in _BLANK or category in ("Cc", "Zl", "Zp", "Zs"):
            self[code] = " "
        elif category == "Cs":
            self[code] = "\ufffd"
        elif character in _DROPPED or category in ("Cf", "Cn", "Co"):
            self[code] = None
        else:
            self[code] = code
        return self[code]


class _Escapes(dict[int, int | str]):
    """Translation table of JSON text: unsafe characters become JSON escapes, all else stays."""

    def __missing__(self, code: int) -> int | str:
        safe = chr(code) in "\n " or _NEUTRAL[code] == code
        self[code] = code if safe else "".join(f"\\u{unit:04x}" for unit in _utf16(chr(code)))
        return self[code]


def _utf16(character: str) -> tuple[int, ...]:
    return tuple(memoryview(character.encode("utf-16-le", "surrogatepass")).cast("H"))


_NEUTRAL, _ESCAPES = _Neutral(), _Escapes()


def neutral(text: str) -> str:
    """`text` on one line, with every character that acts on a terminal removed or replaced by a space."""
    if text.isascii() and text.isprintable():
        return text
    return _without_stacks(text.translate(_NEUTRAL))


def neutral_lines(text: str) -> str:
    """`neutral`, line by line: the line breaks of `text` stay."""
    return text if text.isascii() and text.isprintable() else "\n".join(map(neutral, text.split("\n")))


def plain(value: object, longest: int = LONGEST) -> str:
    """A title, id or name for printing: neutral, runs of white space as one space, cut to `longest` characters."""
    text = str(value)
    read = text[: _READ * longest]
    words = " ".join(neutral(read).split())
    if len(words) <= longest and len(read) == len(text):
        return words
    return words[: longest - 1].rstrip() + "…"


def message(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A message on one line, neutral; a longer one than `longest` characters loses its middle."""
    half = longest // 2
    if len(text) > longest:
        text = f"{text[:half].rstrip()} … {text[-half:].lstrip()}"
    return neutral(text)


def say(*lines: str, to: TextIO | None = None) -> None:
    """Print lines for people, each neutral, on `to` (by default standard output)."""
    for line in lines:
        print(neutral(line), file=to or sys.stdout, flush=True)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON that reads back exactly; characters that act on a terminal are written as escapes."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).translate(_ESCAPES)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent, allow_nan=False).translate(_ESCAPES)
    print(text)


def neutral_value(value: Any) -> Any:
    """A value of an HTML template: text is neutral, all else is as it was (for `finalize` of jinja2)."""
    return neutral_lines(value) if type(value) is str else value


def markdown(value: object, longest: int = LONGEST) -> str:
    """A title, id or name in a markdown file: `plain`, and nothing in it is markup, HTML or the end of a cell."""
    return "".join(f"\\{each}" if each in "\\`*[]<>|" else each for each in plain(value, longest))


def forgive_encodings() -> None:
    """Let standard output and error print what their encoding lacks (LANG=C) as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # missing where a test or a notebook replaced the stream
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _without_stacks(text: str) -> str:
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") and character not in _PRESENTATION else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)
