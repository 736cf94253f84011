"""Domains: items, users and scale of ratings. A domain is one file, and one line in `DOMAINS` or a plug-in.

    domain = domain_of("books")
    items = domain.load_items("data/books")
    users = domain.load_users("detailed", items)

docs/gym.md builds a third domain.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from recgpt import plugins
from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.people import Kind
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users


@dataclass(frozen=True)
class Likeness:
    """One term of the similarity that `simple_K` averages over.

    Attributes
    ----------
    field
        Field of `Items`.
    kind
        dice: twice the shared entries over the sum of both numbers, 1 for two empty sets and 0 for one; vote: 1 less
        the distance of two averages over `span`, left out where either is unknown; equal: 1 or 0, left out where both
        are unknown.
    span
        Of `vote`.
    """

    field: Literal["tags", "people", "average_N", "directors"]
    kind: Literal["dice", "vote", "equal"]
    span: float = 10.0


@dataclass(frozen=True)
class Rater:
    """Prompt of a language-model user.

    Attributes
    ----------
    name
        Name of the published rater.
    prompt
        Template, `prompts/<prompt>.j2` of the domain's package.
    shots
        Number of examples in the prompt.
    lowest, highest
        Scale of the question.
    reasons
        Whether the reply gives a reason before the rating.
    words
        Whether the rating is a word, such as "seven".
    shift
        Number added to the reply to get a rating on the domain's scale (and taken from ratings in the prompt).
    """

    name: str
    prompt: str
    shots: int
    lowest: int
    highest: int
    reasons: bool = False
    words: bool = False
    shift: int = 0


@dataclass(frozen=True)
class Domain:
    """A domain.

    Attributes
    ----------
    name
        Name in `DOMAINS`.
    item_word, item_words
        Word for an item, such as "film", and its plural.
    scale
        Scale of ratings.
    liked_from
        Lowest rating of a relevant item in MAP and MRR.
    load_items
        Maps a data set folder, or None for the made-up catalogue, to the items.
    load_users
        Maps the name of a user data set, or a CSV file, and the items to the users.
    user_datasets
        Names of the user data sets that `load_users` knows.
    default_users, default_retrieval, default_rater
        Defaults of the flags.
    likeness
        Terms of `simple_K`.
    raters
        Prompts by the names of the published raters.
    package
        Package with the prompts.
    reference
        Shares of the scale's values in real ratings, lowest first; None if unknown.
    tag_word, people_word, met_word
        Words of prompts: for tags, for people, and for the experience of an item, such as "seen".
    kinds
        User data sets that `recgpt gym users` can generate.
    """

    name: str
    item_word: str
    item_words: str
    scale: Scale
    liked_from: float
    load_items: Callable[[str | None], Items]
    load_users: Callable[[str, Items], Users]
    user_datasets: tuple[str, ...]
    default_users: str
    default_retrieval: str
    default_rater: str
    likeness: tuple[Likeness, ...]
    raters: Mapping[str, Rater]
    package: str
    reference: tuple[float, ...] | None = None
    tag_word: str = "genres"
    people_word: str = "actors"
    met_word: str = "tried"
    kinds: Mapping[str, Kind] = field(default_factory=dict)


DOMAINS: dict[str, str | Domain] = {
    "movies": "recgpt.simulate.worlds.gym.domains.movies:DOMAIN",
    "books": "recgpt.simulate.worlds.gym.domains.books:DOMAIN",
}
"""Domains by name: import path of each, imported when it is used, or the domain itself."""


def domain_of(name: str) -> Domain:
    """Return the domain of that name, or the one at `module:NAME`.

    Raises
    ------
    SimulationError
        No domain has this name.
    ConfigError
        `module:NAME` stands in a file and is not allowed (`recgpt.plugins`), or cannot be imported.
    """
    found = DOMAINS.get(name)
    if found is None and plugins.is_path(name):
        found = plugins.find(name, plugins.DOMAINS)
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, Domain):
        raise SimulationError(f"no domain {name!r}: choose among {', '.join(DOMAINS)}, or name one as module:NAME")
    return found
