"""Shares of a population beside the probabilities that its people were drawn with.

    for each in shares_of(people, tastes):
        print(each.fact, each.value, each.share, each.target)

Shapes: G tags, U users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recgpt.simulate.worlds.gym.people import (
    AGE_SHARES,
    AGES,
    CHILD_BELOW,
    RETIRED_ABOVE,
    STUDENT_BELOW,
    TRAIT_SHARES,
    Person,
    Tastes,
)


@dataclass(frozen=True)
class Share:
    """Share of the people with a value of one of their facts; `target` is NaN where none is set."""

    fact: str
    value: str
    share: float
    target: float


def shares_of(people: Sequence[Person], tastes: Tastes, *, drawn_tags: bool = True) -> list[Share]:
    """Shares of ages, genders, occupations, traits, and liked and disliked tags.

    Parameters
    ----------
    drawn_tags
        Whether tags were drawn with the probabilities of `tastes`, not chosen by a language model.
    """
    n = max(1, len(people))
    found = []
    for first, target in zip(AGES, AGE_SHARES, strict=True):
        n_class = sum(first <= person.age < first + 10 for person in people)
        found.append(Share("age", f"{first} to {first + 9}", n_class / n, target))
    found += [Share("gender", each, sum(person.gender == each for person in people) / n, 0.5) for each in "FM"]
    for job, target in _occupations().items():
        found.append(Share("occupation", job, sum(person.job == job for person in people) / n, target))
    for trait, targets in TRAIT_SHARES.items():
        levels = np.bincount([getattr(person, trait) for person in people], minlength=4)[1:] / n
        found += [
            Share(trait, str(level), float(share), target)
            for level, (share, target) in enumerate(zip(levels, targets, strict=True), start=1)
        ]
    named = {"liked": tastes.likes, "disliked": {tag: 1 - p for tag, p in tastes.likes.items()}}
    for fact, chances in named.items():
        targets_of_tags = named_shares(chances, tastes.most)
        for tag, target in targets_of_tags.items():
            n_tag = sum(tag in getattr(person, fact) for person in people)
            found.append(Share(fact, tag, n_tag / n, target if drawn_tags else np.nan))
    return found


def named_shares(chances: Mapping[str, float], most: int) -> dict[str, float]:
    """Probability that each tag is among at most `most` named ones, which are drawn from all that occur.

    A tag occurs with its own probability p; with K others (Poisson-binomial) it is named with min(1, most / (K + 1)).
    """
    shares = {}
    for tag, p in chances.items():
        others_K = np.ones(1)
        for other, q in chances.items():
            if other != tag:
                others_K = np.convolve(others_K, [1 - q, q])
        shares[tag] = float(p * others_K @ np.minimum(1, most / np.arange(1, len(others_K) + 1)))
    return shares


def _occupations() -> dict[str, float]:
    """Shares of occupations that follow from the ages."""

    def share(from_age: int, below: int) -> float:
        years = ((first + year, p / 10) for first, p in zip(AGES, AGE_SHARES, strict=True) for year in range(10))
        return sum(p for age, p in years if from_age <= age < below)

    students = share(CHILD_BELOW, STUDENT_BELOW) / 2
    return {
        "schoolchild": share(0, CHILD_BELOW),
        "student": students,
        "apprentice": students,
        "retired": share(RETIRED_ABOVE + 1, 1000),
    }
