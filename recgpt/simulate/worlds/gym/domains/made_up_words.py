"""Types of the word lists behind made-up catalogues."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """Words of one tag.

    Attributes
    ----------
    titles
        Patterns with `{a}` and `{n}`.
    a, n
        Eight adjectives and eight nouns of titles.
    who, where, what
        Parts of the first sentence of a description: subject, place, and predicate in the third person singular.
    turn
        Second sentences.
    """

    titles: tuple[str, ...]
    a: tuple[str, ...]
    n: tuple[str, ...]
    who: tuple[str, ...]
    where: tuple[str, ...]
    what: tuple[str, ...]
    turn: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """Series: its title, main tag, hero and place."""

    title: str
    tag: str
    hero: str
    place: str


def entries(text: str) -> tuple[str, ...]:
    """Entries of a list between commas; line breaks count as spaces."""
    return tuple(" ".join(each.split()) for each in text.split(","))


FIRST_NAMES = entries(
    """Ada, Bela, Carlo, Dunja, Elif, Finn, Greta, Hana, Igor, June, Kofi, Lena, Malik, Nora, Omar, Paula, Quentin,
    Rosa, Sven, Tara, Umar, Vera, Wim, Yuki"""
)
LAST_NAMES = entries(
    """Abreu, Bergman, Castell, Dorn, Eklund, Farrow, Ghosh, Hallam, Ivers, Jansen, Kessler, Lund, Marek, Novak, Oduya,
    Petrov, Quill, Rossi, Sato, Tennant, Ueda, Varga, Winter, Zeller"""
)
