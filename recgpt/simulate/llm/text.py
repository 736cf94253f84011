"""Text that others wrote (titles, descriptions, adverts) as it may stand in a prompt: data, never instructions.

f"1. {quoted(title)}"
"""

import json
import unicodedata

MAX_CHARS = 200


def quoted(text: str, max_chars: int = MAX_CHARS) -> str:
    """`text` as a JSON string on one line.

    Control, formatting (zero-width, bidirectional) and unassigned characters are gone, runs of white space are one
    space, and a text longer than `max_chars` characters ends in an ellipsis. `<` is written as its JSON escape, so
    that no text can hold a marker of a chat template (`<|im_end|>`, `</s>`), which servers read as the end of a turn.
    """
    return json.dumps(cleaned(text, max_chars), ensure_ascii=False).replace("<", "\\u003c")


def cleaned(text: str, max_chars: int = MAX_CHARS) -> str:
    """`text` without control characters, on one line, of at most `max_chars` characters. See `quoted`."""
    spaced = " ".join(text.split())
    # the categories C*: control, format, surrogate, private use, unassigned
    kept = "".join(character for character in spaced if not unicodedata.category(character).startswith("C"))
    one_line = " ".join(kept.split())
    return one_line if len(one_line) <= max_chars else one_line[: max_chars - 1].rstrip() + "…"
