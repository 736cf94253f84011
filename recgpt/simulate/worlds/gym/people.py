"""Generated populations: ages, jobs, hobbies, tastes and traits by the published rules, texts from templates.

    people = draw_people(600, TASTES, seed=0, titles=titles_by_tag(items))
    users = users_of(people)

Every draw is a hash of (seed, number of the person, purpose): the first n people are the same however many there are.

Shapes: U users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.simulate import rng
from recgpt.simulate.worlds.gym import people_words as words
from recgpt.simulate.worlds.gym.domains.texts import tag_of, tags_of
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.users import Users

AGES = (4, 15, 25, 35, 45, 55, 65)
AGE_SHARES = (0.182, 0.130, 0.137, 0.131, 0.123, 0.129, 0.168)
"""Ten-year classes of age by their first year, and their shares."""
TRAIT_SHARES = {"activity": (0.3, 0.5, 0.2), "conformity": (0.25, 0.5, 0.25), "diversity": (0.3, 0.5, 0.2)}
"""Shares of the levels 1, 2 and 3."""
COLUMNS = ("name", "gender", "description", "age", "job", "hobby")
"""Columns of every file of users."""
_TITLES = 5  # of a tag, from which favourites are drawn
CHILD_BELOW, STUDENT_BELOW, RETIRED_ABOVE = 16, 25, 60


@dataclass(frozen=True)
class Tastes:
    """Tags that people may like, and how many of them a description names.

    Attributes
    ----------
    likes
        Probability that a tag is liked, by tag; empty for people without stated tastes.
    most
        Largest number of liked tags, and of others, that are named.
    items
        Word for the items, plural.
    prefix
        Of the columns `<prefix>_liked` and `<prefix>_disliked` of files.
    order
        Columns of files, where they are not `COLUMNS` and these two; an empty name is the number of the row.
    without_favourites
        Share of people without favourite items.
    chosen_by_model
        Whether a language model, where one writes the texts, chooses the tags as well.
    """

    likes: Mapping[str, float]
    most: int
    items: str
    prefix: str = "tags"
    order: tuple[str, ...] = ()
    without_favourites: float = 0.5
    chosen_by_model: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of files."""
        return self.order or (*COLUMNS, f"{self.prefix}_liked", f"{self.prefix}_disliked")


@dataclass(frozen=True)
class Kind:
    """A user data set.

    Attributes
    ----------
    tastes
        Tags that its people may like.
    file, levels
        File of the published folder, and that with its users' traits; None for none.
    """

    tastes: Tastes
    file: str | None = None
    levels: str | None = None


@dataclass(frozen=True)
class Lists:
    """Hobbies and jobs that people are drawn from."""

    hobbies: Sequence[str] = words.HOBBIES
    children_hobbies: Sequence[str] = words.CHILDREN_HOBBIES
    jobs: Sequence[str] = words.JOBS


@dataclass(frozen=True)
class Person:
    """A person; texts as they are written to files. For `persona` see `Users`."""

    name: str
    gender: str
    age: int
    job: str
    hobby: str
    liked: tuple[str, ...]
    disliked: tuple[str, ...]
    description: str
    activity: int = 2
    conformity: int = 2
    diversity: int = 2
    favourites: tuple[str, ...] = ()
    persona: str = ""


def draw_people(
    n: int,
    tastes: Tastes,
    *,
    seed: int,
    lists: Lists | None = None,
    titles: Mapping[str, Sequence[str]] | None = None,
    without_favourites: float | None = None,
    stated: Sequence[tuple[tuple[str, ...], tuple[str, ...]]] | None = None,
) -> list[Person]:
    """Draw people; the descriptions are made from templates.

    Parameters
    ----------
    lists
        Hobbies and jobs; by default the package's own.
    titles
        Titles of items by tag, for favourites; by default, none.
    without_favourites
        Share of people without favourite items; by default that of `tastes`.
    stated
        Liked and disliked tags of each person, where they are known.
    """
    lists = lists or Lists()
    without = tastes.without_favourites if without_favourites is None else without_favourites
    number_U = np.arange(n)

    def draw(purpose: str, each: int = 1) -> np.ndarray:
        return rng.uniform(seed, number_U, step=0, purpose=f"person {purpose}", n=each)

    decade_U = np.searchsorted(np.cumsum(AGE_SHARES)[:-1], draw("age class")[:, 0], side="right")
    age_U = np.array(AGES)[decade_U] + (10 * draw("age")[:, 0]).astype(int)
    traits = drawn_traits(n, seed)
    tags = list(tastes.likes)
    likes_UG = draw("likes", max(1, len(tags)))[:, : len(tags)] < np.array(list(tastes.likes.values()))
    order_UG = np.argsort(draw("order of tags", max(1, len(tags)))[:, : len(tags)], axis=1, kind="stable")
    facts, texts = draw("facts", 5), draw("texts", 12)
    favourites = draw("favourites", 3)
    people = []
    for row in range(n):
        ranked = [tags[column] for column in order_UG[row] if likes_UG[row, column]]
        others = [tags[column] for column in order_UG[row] if not likes_UG[row, column]]
        liked, disliked = (ranked[: tastes.most], others[: tastes.most]) if stated is None else stated[row]
        age, gender = int(age_U[row]), "F" if facts[row, 0] < 0.5 else "M"
        job, hobby = _occupation(age, facts[row, 1:3], lists)
        names = words.WOMEN if gender == "F" else words.MEN
        person = Person(
            name=f"{_pick(names, facts[row, 3])} {_pick(words.SURNAMES, facts[row, 4])}",
            gender=gender,
            age=age,
            job=job,
            hobby=hobby,
            liked=tuple(liked),
            disliked=tuple(disliked),
            description="",
            activity=int(traits["activity"][row]),
            conformity=int(traits["conformity"][row]),
            diversity=int(traits["diversity"][row]),
            favourites=_favourites(liked, titles, favourites[row], without),
        )
        people.append(described(person, tastes.items, texts[row]))
    return people


def drawn_traits(n: int, seed: int) -> dict[str, np.ndarray]:
    """(U,) int8 levels of the three traits."""
    levels = {}
    for trait, shares in TRAIT_SHARES.items():
        u_U = rng.uniform(seed, np.arange(n), step=0, purpose=f"person {trait}")[:, 0]
        levels[trait] = (1 + np.searchsorted(np.cumsum(shares)[:-1], u_U, side="right")).astype(np.int8)
    return levels


def users_of(people: Sequence[Person], made_from: str = "") -> Users:
    """Users without a past, numbered from 0."""
    return Users(
        ids=[str(number) for number in range(len(people))],
        names=[person.name for person in people],
        descriptions=[person.description for person in people],
        jobs=[person.job for person in people],
        hobbies=[person.hobby for person in people],
        gender_U=np.array([person.gender == "F" for person in people], dtype=np.int8),
        age_U=np.array([person.age for person in people], dtype=np.int16),
        liked=[tags_of(person.liked) for person in people],
        disliked=[tags_of(person.disliked) for person in people],
        activity_U=np.array([person.activity for person in people], dtype=np.int8),
        conformity_U=np.array([person.conformity for person in people], dtype=np.int8),
        diversity_U=np.array([person.diversity for person in people], dtype=np.int8),
        persona=[person.persona for person in people],
        histories=Ragged.from_lists([[] for _ in people]),
        ratings=np.empty(0),
        made_from=made_from,
        favourites=[person.favourites for person in people],
    )


def described(person: Person, items: str, u: np.ndarray) -> Person:
    """The person with a description from templates: a predicate that goes on after "X is N years old, she is".

    Parameters
    ----------
    items
        Word for the items, plural.
    u
        Twelve uniform numbers that choose the words.
    """
    return Person(**{**vars(person), "description": _description(person, items, u)})


def _occupation(age: int, u: np.ndarray, lists: Lists) -> tuple[str, str]:
    if age < CHILD_BELOW:
        return "schoolchild", _pick(lists.children_hobbies, u[1])
    hobby = _pick(lists.hobbies, u[1])
    if age > RETIRED_ABOVE:
        return "retired", hobby
    if age < STUDENT_BELOW:
        return ("student" if u[0] < 0.5 else "apprentice"), hobby
    return _pick(lists.jobs, u[0]), hobby


def _favourites(
    liked: Sequence[str], titles: Mapping[str, Sequence[str]] | None, u: np.ndarray, without: float
) -> tuple[str, ...]:
    if titles is None or u[0] < without:
        return ()
    found = [titles[tag] for tag in map(tag_of, liked) if titles.get(tag)]
    chosen = [_pick(of_tag, each) for of_tag, each in zip(found, u[1:], strict=False)]
    return tuple(dict.fromkeys(chosen))


def _description(person: Person, items: str, u: np.ndarray) -> str:
    she, her = ("she", "her") if person.gender == "F" else ("he", "him")
    child = person.age < CHILD_BELOW
    who = {"retired": "retired", "schoolchild": "a schoolchild"}.get(person.job) or with_article(
        in_sentence(person.job)
    )
    openings = (
        f"{who}, and a lover of {person.hobby.lower()}.",
        f"{who}, with a passion for {person.hobby.lower()}.",
        f"{who}; {'most afternoons go' if child else 'every free hour goes'} into {person.hobby.lower()}.",
        f"{who}, known to all friends for one thing: {person.hobby.lower()}.",
    )
    character = f"{she.capitalize()} is {_pick(words.CHARACTERS, u[1])} and {_pick(words.MORE_CHARACTERS, u[2])}"
    spare = _pick(words.CHILD_FREE_TIME if child else words.FREE_TIME, u[3])
    parts = [_pick(openings, u[0]), f"{character} and {spare}." if u[4] < 0.6 else f"{she.capitalize()} {spare}."]
    if person.liked:
        reason = _pick(words.REASONS, u[5]).format(her=her)
        verb = _pick(("enjoys", "loves", "is fond of"), u[6])
        parts.append(f"{she.capitalize()} {verb} {listed(person.liked)} {items}, {reason}.")
    if person.disliked:
        objection = _pick(words.OBJECTIONS, u[7])
        opening = _pick((f"{she.capitalize()} avoids", f"{she.capitalize()} does not care for"), u[8])
        parts.append(f"{opening} {listed(person.disliked)} {items}: {she} finds them {objection}.")
    if person.favourites:
        verb = "is" if len(person.favourites) == 1 else "are"
        parts.append(f"Among {'her' if she == 'she' else 'his'} favourites {verb} {listed(person.favourites)}.")
    return " ".join(parts)


def titles_by_tag(items: Items) -> dict[str, list[str]]:
    """Titles of the five items of each tag that have most ratings."""
    titles: dict[str, list[str]] = {}
    for item in np.argsort(-items.count_N, kind="stable").tolist():
        for tag in items.tags[item]:
            of_tag = titles.setdefault(tag, [])
            if len(of_tag) < _TITLES:
                of_tag.append(items.titles[item])
    return titles


def listed(names: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def in_sentence(text: str) -> str:
    """A text as it stands within a sentence: `Bus Driver` in lower case, but `CIO` as it is."""
    return " ".join(word if word[1:].isupper() or word[:1] == "(" else word.lower() for word in text.split())


def with_article(noun: str) -> str:
    """`an actor`, `a baker`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _pick(options: Sequence[str], u: float) -> str:
    return options[min(int(u * len(options)), len(options) - 1)]
