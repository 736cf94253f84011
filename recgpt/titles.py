"""Titles between people and catalogues: from what a person types to a row, and from a row to the terminal."""

import difflib
from collections.abc import Sequence

from recgpt.errors import DataError


def printable(title: str) -> str:
    """`title` on one line, without the control characters by which a text could steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in title)


def find_titles(titles: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Rows of the catalogue, one for each wanted title: equal (case aside) first, else the only one that contains it.

    Raises
    ------
    DataError
        No title fits, the message offering the nearest; or several do, the message listing some.
    """
    folded = [title.casefold().strip() for title in titles]
    return [_find(titles, folded, each) for each in wanted]


def _find(titles: Sequence[str], folded: list[str], wanted: str) -> int:
    key = wanted.casefold().strip()
    if key in folded:
        return folded.index(key)
    containing = [row for row, title in enumerate(folded) if key in title]
    if len(containing) == 1:
        return containing[0]
    if containing:
        some = "; ".join(titles[row] for row in containing[:5])
        raise DataError(f"{wanted.strip()!r} fits {len(containing)} titles: {some}. Write the one you mean in full")
    close = difflib.get_close_matches(key, dict.fromkeys(folded), n=3, cutoff=0.4)
    near = "; ".join(titles[folded.index(each)] for each in close)
    raise DataError(f"no title contains {wanted.strip()!r}" + (f"; near it: {near}" if near else ""))
