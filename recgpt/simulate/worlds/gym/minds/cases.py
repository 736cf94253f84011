"""Facts of a question as prompts show them: quoted texts, ratings on the prompt's scale, feelings and traits in words.

    cases = Cases(domain, rater, rules)
    case = cases.case(person, item, recalled=[("Heat", 9.0)], times_met=1)

Texts of users and items are data: JSON-encoded, on one line, of limited length (`llm.text.quoted`). Numbers about
ratings are fields, which are put on the scale of the prompt; no text is searched for digits.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from recgpt.simulate.llm.text import quoted
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import Domain, Rater
from recgpt.simulate.worlds.gym.emotions import emotions_of
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.raters import NUMBER_WORDS, ordinal, rating_in_prompt
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

MAX_ABOUT_CHARS = 1500
"""Characters of a user's description; the published ones have at most 1,400."""
MAX_OVERVIEW_CHARS = 1000
ADULT_AGE = 18

ACTIVITY = (
    "Hardly ever drawn to recommendations, and gone at the first disappointment.",
    "Looks at recommendations now and then, and leaves after some disappointments.",
    "An enthusiast who looks at everything and forgives disappointments.",
)
CONFORMITY = (
    "Follows the average rating of others.",
    "Balances the average rating of others against own impressions.",
    "Ignores the average rating of others.",
)
DIVERSITY = (
    "Has an exclusive taste: little beyond the favourites pleases.",
    "Has a niche, and likes some things beside it.",
    "Seeks the unusual.",
)
_VALENCE = {-1: "unpleasant", 0: "neither pleasant nor unpleasant", 1: "pleasant"}
_AROUSAL = {0.0: " and dull", 0.5: "", 1.0: " and exciting"}


@dataclass(frozen=True)
class PersonFacts:
    """A user, with a persona's name as in `Users.persona`; `gender` is 0 for M and 1 for F."""

    name: str
    gender: int
    age: int
    about: str
    activity: int
    conformity: int
    diversity: int
    liked: Sequence[str]
    disliked: Sequence[str]
    persona: str = ""

    @classmethod
    def from_users(cls, users: Users, user: int) -> "PersonFacts":
        """One of the users."""
        return cls(
            name=users.names[user],
            gender=int(users.gender_U[user]),
            age=int(users.age_U[user]),
            about=users.descriptions[user],
            activity=int(users.activity_U[user]),
            conformity=int(users.conformity_U[user]),
            diversity=int(users.diversity_U[user]),
            liked=users.liked[user],
            disliked=users.disliked[user],
            persona=users.persona[user],
        )


@dataclass(frozen=True)
class ItemFacts:
    """An item; `average` is on the domain's scale, NaN where unknown."""

    title: str
    year: str
    about: str
    tags: Sequence[str]
    people: Sequence[str]
    average: float

    @classmethod
    def from_items(cls, items: Items, item: int) -> "ItemFacts":
        """One of the items."""
        return cls(
            title=items.titles[item],
            year=items.years[item],
            about=items.descriptions[item],
            tags=items.tags[item],
            people=items.people[item],
            average=float(items.average_N[item]),
        )


class Cases:
    """Makes the values of prompts for one rater."""

    def __init__(self, domain: Domain, rater: Rater, rules: GymRules) -> None:
        self._domain = domain
        self._rater = rater
        self._rules = rules

    @property
    def shared(self) -> dict[str, Any]:
        """Values that do not depend on the question: words of the domain, scale, and examples."""
        domain, rater = self._domain, self._rater
        return {
            "item_word": domain.item_word,
            "item_words": domain.item_words,
            "tag_word": domain.tag_word,
            "people_word": domain.people_word,
            "met": domain.met_word,
            "lowest": str(rater.lowest),
            "highest": str(rater.highest),
            "reasons": rater.reasons,
            "words": rater.words,
            **(self._examples() if rater.shots else {}),
        }

    def case(
        self, person: PersonFacts, item: ItemFacts, recalled: Sequence[tuple[str, float]], times_met: int
    ) -> dict[str, Any]:
        """Values of a question: person, item to rate, and recalled titles with ratings, the best match first."""
        return {
            "person": self._person(person),
            "item": self._item(item),
            "recalled": self._recalled(recalled),
            "times": ordinal(times_met),
        }

    def number(self, rating: float) -> str:
        """A rating on the prompt's scale, with at most one decimal."""
        return f"{round(rating_in_prompt(self._rater, rating), 1):g}"

    def reply(self, rating: float, reason: str = "") -> str:
        """JSON of a valid reply with a rating of the domain's scale."""
        number = int(rating_in_prompt(self._rater, rating))
        said: int | str = NUMBER_WORDS[number - 1] if self._rater.words else number
        return json.dumps({**({"reason": reason} if self._rater.reasons else {}), "rating": said})

    def _person(self, person: PersonFacts) -> dict[str, Any]:
        return {
            "name": quoted(person.name.split()[0]) if person.name.split() else None,
            "noun": _noun(person),
            "age": person.age,
            "about": quoted(person.about, MAX_ABOUT_CHARS) if person.about.strip() else None,
            "liked": _listed(person.liked),
            "disliked": _listed(person.disliked),
            "traits": [
                ACTIVITY[person.activity - 1],
                CONFORMITY[person.conformity - 1],
                DIVERSITY[person.diversity - 1],
                *self._persona(person.persona),
            ],
        }

    def _persona(self, persona: str) -> list[str]:
        """What a persona of the studies does by construction."""
        lowest, highest = (self.number(rating) for rating in (self._domain.scale.lowest, self._domain.scale.highest))
        items, tags = self._domain.item_words, self._domain.tag_word
        if persona == "always_high":
            return [f"Gives every one of the {items} the highest rating, {highest}."]
        if persona == "always_low":
            return [f"Gives every one of the {items} the lowest rating, {lowest}."]
        if persona == "lover":
            loved_from, others_to = map(self.number, lover_bands(self._domain.scale))
            loved = highest if loved_from == highest else f"from {loved_from} to {highest}"
            return [f"Rates {items} of the favourite {tags} {loved}, and all others from {lowest} to {others_to}."]
        return []

    def _item(self, item: ItemFacts) -> dict[str, Any]:
        return {
            "title": quoted(item.title),
            "year": item.year if item.year.isdecimal() else None,
            "about": quoted(item.about, MAX_OVERVIEW_CHARS) if item.about.strip() else None,
            "tags": _listed(item.tags),
            "people": _listed(item.people),
            "average": None if math.isnan(item.average) else self.number(item.average),
        }

    def _recalled(self, recalled: Sequence[tuple[str, float]]) -> list[dict[str, str]]:
        ratings = np.array([rating for _, rating in recalled], dtype=np.float64)
        valence, arousal = emotions_of(ratings, self._domain.scale, self._rules)
        return [
            {
                "title": quoted(title),
                "rating": self.number(rating),
                "feeling": _VALENCE[int(valence[place])] + _AROUSAL[float(arousal[place])],
            }
            for place, (title, rating) in enumerate(recalled)
        ]

    def _examples(self) -> dict[str, Any]:
        """`example_a` and `example_b`: cases with the `reply` that is right."""
        made = {}
        for name, facts in _example_facts(self._domain.package, self._rater.prompt.rpartition("/")[0]).items():
            recalled = [(str(title), float(rating)) for title, rating in facts["recalled"]]
            case = self.case(PersonFacts(**facts["person"]), ItemFacts(**facts["item"]), recalled, 1)
            made[f"example_{name}"] = {**case, "reply": self.reply(facts["rating"], facts["reason"])}
        return made


def lover_bands(scale: Scale) -> tuple[float, float]:
    """Ratings of the persona `lover`: from which on it rates favourites, and up to which all others.

    8 and 5 of 10, 5 and 3 of 5, as the published studies have them.
    """
    span = (scale.highest - scale.lowest) / scale.step
    steps_loved, steps_others = math.ceil(span * 7 / 9 - 1e-9), math.floor(span / 2)
    return scale.lowest + scale.step * steps_loved, scale.lowest + scale.step * steps_others


def _noun(person: PersonFacts) -> str:
    if person.age < ADULT_AGE:
        return "girl" if person.gender else "boy"
    return "woman" if person.gender else "man"


def _listed(entries: Sequence[str]) -> str | None:
    return quoted(", ".join(entries)) if entries else None


@cache
def _example_facts(package: str, folder: str) -> dict[str, Any]:
    text = (files(package) / "prompts").joinpath(*folder.split("/"), "examples.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
