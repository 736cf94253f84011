"""Raters: prompts of language-model users by the names of the published ones, and the reading of replies.

    rater = MOVIE_RATERS["2Shot_system_our"]      # its scale, 0 to 9, is 1 to 10 of the domain
    rating_in_prompt(rater, 8.0)                  # 7.0
    read_rating(rater, 7)                         # 8.0

The prompts are files, `domains/prompts/<domain>/<name>.j2`. The scale of a prompt stays in that prompt: on
0 to 9, the ratings in it and the reply are moved by one. This holds for `0Shot_cotlite_our` too, whose published form
kept 0 to 9 and lost the top rating.
"""

import re
from collections.abc import Iterable, Mapping

from recgpt.simulate.worlds.gym.domain import Rater

NUMBER_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
"""Replies of the raters that answer in words."""

_WHOLE_NUMBER = re.compile(r"([0-9]{1,4})\.?")
_SHOTS = (0, 1, 2)


def _table(raters: Iterable[Rater]) -> Mapping[str, Rater]:
    return {rater.name: rater for rater in raters}


def _movies(name: str, *, lowest: int = 0, highest: int = 9, reasons: bool = False, words: bool = False) -> Rater:
    shift = 1 - lowest
    return Rater(name, f"movies/{name}", int(name[0]), lowest, highest, reasons, words, shift)


def _books(name: str, *, prompt: str | None = None, reasons: bool = False) -> Rater:
    return Rater(name, f"books/{prompt or name}", int(name[0]), 1, 5, reasons)


MOVIE_RATERS: Mapping[str, Rater] = _table(
    [
        *(_movies(f"{n}Shot_system_our") for n in _SHOTS),
        *(_movies(f"{n}Shot_system_default") for n in _SHOTS),
        *(_movies(f"{n}Shot_invert_system_our") for n in (1, 2)),
        *(_movies(f"{n}Shot_invert_system_default") for n in (1, 2)),
        _movies("0Shot_cotlite_our"),
        *(_movies(f"{n}Shot_system_our_1_10", lowest=1, highest=10, reasons=True) for n in _SHOTS),
        *(_movies(f"{n}Shot_system_our_one_ten", lowest=1, highest=10, reasons=n == 0, words=True) for n in _SHOTS),
        *(_movies(f"{n}Shot_cot_enhanced", lowest=1, highest=10, reasons=True) for n in _SHOTS),
    ]
)
"""Raters of films."""

BOOK_RATERS: Mapping[str, Rater] = _table(
    [
        *(_books(f"{n}Shot_system_our") for n in _SHOTS),
        *(_books(f"{n}Shot_system_default") for n in _SHOTS),
        *(_books(f"{n}Shot_system_default_our", prompt=f"{n}Shot_system_default") for n in _SHOTS),
        _books("0Shot_cotlite_our"),
        *(_books(f"{n}Shot_cot_enhanced", reasons=True) for n in _SHOTS),
    ]
)
"""Raters of books; `_default_our` are the names of `_default` in published reports."""


def general_raters(lowest: int, highest: int) -> Mapping[str, Rater]:
    """Raters of any other domain: prompts that name its items by `Domain.item_word`.

    Parameters
    ----------
    lowest, highest
        Scale of the domain, whole numbers.
    """
    return _table(
        [
            Rater("0Shot_system_our", "general/0Shot_system_our", 0, lowest, highest),
            Rater("0Shot_cotlite_our", "general/0Shot_cotlite_our", 0, lowest, highest),
            Rater("0Shot_cot_enhanced", "general/0Shot_cot_enhanced", 0, lowest, highest, reasons=True),
        ]
    )


def rating_in_prompt(rater: Rater, rating: float) -> float:
    """A rating of the domain's scale on the scale of the prompt."""
    return rating - rater.shift


def read_rating(rater: Rater, said: int | str) -> float:
    """A number or word of a valid reply on the domain's scale."""
    number = 1 + NUMBER_WORDS.index(said) if isinstance(said, str) else said
    return float(number + rater.shift)


def read_plain_rating(rater: Rater, text: str) -> float | None:
    """Rating in a reply without JSON, on the domain's scale: the whole of it is one number of the scale, or its word.

    None for all else: a number among other words can mean anything.
    """
    said = text.strip()
    if rater.words:
        word = said.removesuffix(".").lower()
        return read_rating(rater, word) if word in NUMBER_WORDS else None
    found = _WHOLE_NUMBER.fullmatch(said)
    number = int(found[1]) if found else None
    return read_rating(rater, number) if number is not None and rater.lowest <= number <= rater.highest else None


def ordinal(n: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`, `21st` ..."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{n}{'th' if n % 100 in (11, 12, 13) else endings.get(n % 10, 'th')}"
