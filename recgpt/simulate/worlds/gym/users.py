"""Users of an environment: persons, tastes, and earlier ratings.

    users = read_users("people.csv")   # a published or generated file
    users.features(tags)               # (U, F) for observations

Shapes: U users, R ratings known before the first episode, G tags (genres, categories).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from recgpt.data.ragged import Ragged

TRAITS = ("activity", "conformity", "diversity")
"""Traits, each of level 1, 2 or 3; see docs/gym.md. Conformity 1 follows the average rating, 3 ignores it."""


@dataclass(frozen=True)
class Users:
    """A population.

    Attributes
    ----------
    ids
        Outside ids, distinct.
    names, descriptions, jobs, hobbies
        Texts; a description is a predicate that goes on after "X is N years old, she is".
    gender_U
        (U,) int8, 0 for M and 1 for F.
    age_U
        (U,) int16 years.
    liked, disliked
        Tags of items, in lower case, for each user.
    activity_U, conformity_U, diversity_U
        (U,) int8 levels from 1 to 3.
    persona
        For each user "" or a behaviour by construction: `always_high`, `always_low`, or `lover` (the top rating for
        items with a liked tag, low ones for all others).
    histories, ratings
        Dense items that each user rated before the first episode, oldest first, and their ratings (R,) on the domain's
        scale; empty without a past.
    made_from
        Source, for reports.
    """

    ids: list[str]
    names: list[str]
    descriptions: list[str]
    jobs: list[str]
    hobbies: list[str]
    gender_U: np.ndarray
    age_U: np.ndarray
    liked: list[tuple[str, ...]]
    disliked: list[tuple[str, ...]]
    activity_U: np.ndarray
    conformity_U: np.ndarray
    diversity_U: np.ndarray
    persona: list[str]
    histories: Ragged
    ratings: np.ndarray
    made_from: str = ""
    favourites: list[tuple[str, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def tag_signs(self, tags: Sequence[str]) -> np.ndarray:
        """(U, G) float32: 1 for a liked tag, -1 for a disliked one, else 0."""
        place = {tag: column for column, tag in enumerate(tags)}
        signs_UG = np.zeros((len(self), len(tags)), dtype=np.float32)
        for row, (liked, disliked) in enumerate(zip(self.liked, self.disliked, strict=True)):
            signs_UG[row, [place[tag] for tag in disliked if tag in place]] = -1
            signs_UG[row, [place[tag] for tag in liked if tag in place]] = 1
        return signs_UG

    def features(self, tags: Sequence[str]) -> np.ndarray:
        """(U, 5 + G) float32 features of a user for observations: gender, age in centuries, traits, `tag_signs`."""
        traits_U3 = np.stack([getattr(self, f"{name}_U") for name in TRAITS], axis=1)
        person_U5 = np.concatenate([self.gender_U[:, None], self.age_U[:, None] / 100, (traits_U3 - 2.0)], axis=1)
        return np.concatenate([person_U5.astype(np.float32), self.tag_signs(tags)], axis=1)
