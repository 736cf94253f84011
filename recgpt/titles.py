"""Item titles on the command line: look-up of typed titles."""

import difflib
import re
from collections.abc import Sequence

from recgpt.errors import DataError
from recgpt.terminal import plain

SHOWN = 80  # characters of a title in a message that lists several


def find_titles(titles: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Catalogue rows of typed titles: an equal title (ignoring case), else the only title that contains the text.

    Raises
    ------
    DataError
        No match (the message lists the nearest titles) or several matches (the message lists some).
    """
    folded = [title.casefold().strip() for title in titles]
    return [_find(titles, folded, each) for each in wanted]


def split_titles(text: str, titles: Sequence[str]) -> list[str]:
    r"""Titles in a text that separates them by semicolons.

    A semicolon inside a title is written `\;`; a text that is a title as a whole needs no escape.
    """
    if text.strip() and text.casefold().strip() in {title.casefold().strip() for title in titles}:
        return [text]
    return [title for title in split_escaped(text, ";") if title.strip()]


def split_escaped(text: str, separator: str) -> list[str]:
    """Parts of a text between separators that have no backslash before them; the backslash is left out."""
    parts = re.split(rf"(?<!\\){re.escape(separator)}", text)
    return [part.replace(f"\\{separator}", separator).strip() for part in parts]


def _find(titles: Sequence[str], folded: list[str], wanted: str) -> int:
    key = wanted.casefold().strip()
    if key in folded:
        return folded.index(key)
    containing = [row for row, title in enumerate(folded) if key in title]
    if len(containing) == 1:
        return containing[0]
    if containing:
        some = "; ".join(plain(titles[row], SHOWN) for row in containing[:5])
        raise DataError(f"{plain(wanted, SHOWN)!r} fits {len(containing)} titles: {some}. Write the title in full")
    close = difflib.get_close_matches(key, dict.fromkeys(folded), n=3, cutoff=0.4)
    near = "; ".join(plain(titles[folded.index(each)], SHOWN) for each in close)
    raise DataError(
        f"no title contains {plain(wanted, SHOWN)!r}" + (f"; near it: {near}" if near else ": check its spelling")
    )
