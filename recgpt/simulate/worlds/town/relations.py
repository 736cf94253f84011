"""Rules by which talks change relations: familiarity grows with each talk, affinity by its topics.

    after = after_talk(relation, minutes=4, tick=3600)
    after = with_affinity(after, 0.05)

Applied by the state to both sides of every talk; decisions read the result.
"""

from dataclasses import replace
from typing import Final

from recgpt.simulate.worlds.town.life import Relation

STRANGER: Final = "stranger"
KIN: Final = frozenset(
    (
        *("mother", "father", "parent", "son", "daughter", "child", "sister", "brother", "sibling", "cousin"),
        *("spouse", "wife", "husband", "partner", "fiancee", "fiance", "aunt", "uncle", "niece", "nephew"),
        *("grandmother", "grandfather", "grandparent", "grandson", "granddaughter", "grandchild"),
    )
)
"""Labels of relatives and partners, whom talks do not rename."""

_GAIN_OF_TALK = 0.06
_GAIN_OF_MINUTE = 0.02
_LONGEST = 8
_FRIENDS_FROM = (0.6, 0.35)
"""Familiarity and affinity from which an acquaintance is a friend."""


def after_talk(relation: Relation, *, minutes: float, tick: int) -> Relation:
    """The relation of one side after a talk that ends at `tick`.

    Familiarity f becomes f + (1 - f) (.06 + .02 minutes), with 8 minutes at most: two strangers are at .16 after a talk
    of five minutes and at .5 after four of them.
    """
    gain = _GAIN_OF_TALK + _GAIN_OF_MINUTE * min(minutes, _LONGEST)
    familiarity = relation.familiarity + (1 - relation.familiarity) * gain
    return _named(replace(relation, familiarity=familiarity, n_talks=relation.n_talks + 1, talked_at=tick))


def with_affinity(relation: Relation, change: float) -> Relation:
    """The relation with another affinity, from -1 to 1."""
    return _named(replace(relation, affinity=min(max(relation.affinity + change, -1.0), 1.0)))


def _named(relation: Relation) -> Relation:
    familiarity, affinity = _FRIENDS_FROM
    if relation.label == STRANGER and relation.n_talks:
        return replace(relation, label="acquaintance")
    if relation.label in ("acquaintance", "neighbour") and relation.familiarity >= familiarity:
        return replace(relation, label="friend") if relation.affinity >= affinity else relation
    return relation


def is_stranger(relation: Relation) -> bool:
    """Whether the two never had a talk, nor a tie before the first tick."""
    return relation.label == STRANGER and not relation.n_talks


def is_close(relation: Relation) -> bool:
    """Whether secrets are safe with the other: kin and good friends."""
    if relation.label in KIN:
        return relation.affinity >= 0.2
    return relation.familiarity >= 0.6 and relation.affinity >= 0.5
