"""Personas of the studies: users who love one tag, or rate everything with the highest or the lowest rating.

    users, personas = with_personas(domain, users, sets, folder)
    personas["preference", "horror"]      # rows of the four horror lovers
    personas["high", "all"]

Names, ages and genders are the published ones where the folder has `study_personas.csv`, else our own; the texts are
ours. A persona is a user of the population with a field `persona`, by which the scripted mind answers.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.files import storage_errors
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.studies.sets import StudySets
from recgpt.simulate.worlds.gym.users import Users

FILE_NAME = "study_personas.csv"
N_PERSONAS = 4
ALL = "all"
_PUBLISHED_DOMAINS = {"movies": "films", "books": "books"}
_GIVEN = ("Amara", "Bruno", "Celia", "Dario", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Luis")
_FAMILY = ("Abend", "Bellamy", "Castell", "Dorn", "Elsner", "Falk", "Gruber", "Hansen", "Iwata", "Jensen", "Keller")
_AGES = (24, 37, 51, 68)
_LOVES = (
    "devoted to {tag} {items}: hardly an evening passes without one, and all other {items} bore her",
    "someone who lives for {tag} {items}, praises them to all friends and finds any other kind of {item} dull",
    "known among friends for a great love of {tag} {items} and for impatience with everything else",
    "happy with nothing but {tag} {items}; they delight every time, other {items} never do",
)
_ENJOYS = (
    "delighted by every {item} without exception and gives each the highest rating there is",
    "so fond of {items} that none was ever less than perfect: always the highest rating",
    "the most generous of critics: whatever the {item}, it earns the highest rating",
    "grateful for any {item} at all and rates every one with the highest rating",
)
_DISLIKES = (
    "disappointed by every {item} without exception and gives each the lowest rating there is",
    "so weary of {items} that none is worth anything: always the lowest rating",
    "the harshest of critics: whatever the {item}, it gets the lowest rating",
    "annoyed by any {item} at all and rates every one with the lowest rating",
)
_KINDS = {"preference": ("lover", _LOVES), "high": ("always_high", _ENJOYS), "low": ("always_low", _DISLIKES)}


@dataclass(frozen=True)
class Persona:
    """A user of the preference, high or low study."""

    study: str
    group: str
    name: str
    gender: int
    age: int


def with_personas(
    domain: Domain, users: Users, sets: StudySets, folder: Path | None
) -> tuple[Users, dict[tuple[str, str], np.ndarray]]:
    """Append the personas to a population.

    Returns
    -------
    The population with the personas, and the rows of the personas by study and group.

    Raises
    ------
    SimulationError
        The published file lacks personas of a group.
    """
    personas = _own(sets) if folder is None else _published(domain, folder / FILE_NAME)
    rows: dict[tuple[str, str], list[int]] = {}
    for number, each in enumerate(personas):
        rows.setdefault((each.study, each.group), []).append(len(users) + number)
    for key in [*(("preference", name) for name in sets.groups), ("high", ALL), ("low", ALL)]:
        if len(rows.get(key, ())) != N_PERSONAS:
            raise SimulationError(
                f"{folder}/{FILE_NAME}: {len(rows.get(key, ()))} personas of {domain.name}, study {key[0]}, group"
                f" {key[1]}: {N_PERSONAS} are needed; restore the file"
            )
    return _appended(users, _as_users(domain, personas, sets)), {key: np.array(found) for key, found in rows.items()}


def _own(sets: StudySets) -> list[Persona]:
    groups = [*(("preference", name) for name in sets.groups), ("high", ALL), ("low", ALL)]
    return [
        Persona(study, group, f"{_GIVEN[number % len(_GIVEN)]} {_FAMILY[number % len(_FAMILY)]}", number % 2, age)
        for block, (study, group) in enumerate(groups)
        for place, age in enumerate(_AGES)
        for number in [block * N_PERSONAS + place]
    ]


def _published(domain: Domain, path: Path) -> list[Persona]:
    with storage_errors(path):
        rows = pl.read_csv(path.read_bytes()).filter(pl.col("domain") == _PUBLISHED_DOMAINS[domain.name])
    return [
        Persona(row["study"], row["group"], row["name"], int(row["gender"] == "F"), int(row["age"]))
        for row in rows.iter_rows(named=True)
    ]


def _as_users(domain: Domain, personas: list[Persona], sets: StudySets) -> Users:
    n = len(personas)
    words = {"item": domain.item_word, "items": domain.item_words}
    places: dict[tuple[str, str], int] = {}
    ids, texts = [], []
    for each in personas:
        place = places[each.study, each.group] = places.get((each.study, each.group), -1) + 1
        text = _KINDS[each.study][1][place].format(tag=each.group, **words)
        ids.append(f"persona-{each.study}-{each.group}-{place + 1}")
        texts.append(text if each.gender else text.replace(" her", " him"))
    liked = [sets.groups[each.group].tags if each.study == "preference" else () for each in personas]
    middle = np.full(n, 2, dtype=np.int8)
    return Users(
        ids=ids,
        names=[each.name for each in personas],
        descriptions=texts,
        jobs=[""] * n,
        hobbies=[""] * n,
        gender_U=np.array([each.gender for each in personas], dtype=np.int8),
        age_U=np.array([each.age for each in personas], dtype=np.int16),
        liked=liked,
        disliked=[()] * n,
        activity_U=middle,
        conformity_U=np.full(n, 3, dtype=np.int8),  # their ratings do not follow the average
        diversity_U=np.ones(n, dtype=np.int8),
        persona=[_KINDS[each.study][0] for each in personas],
        histories=Ragged.from_lists([[]] * n),
        ratings=np.empty(0),
        favourites=[()] * n,
    )


def _appended(users: Users, more: Users) -> Users:
    """One population of both, under the source of the first."""
    both: dict[str, Any] = {}
    for each in fields(Users):
        first, second = getattr(users, each.name), getattr(more, each.name)
        if isinstance(first, np.ndarray):
            both[each.name] = np.concatenate([first, second])
        elif isinstance(first, list):
            both[each.name] = [*first, *second]
    both["histories"] = Ragged.from_lists([*users.histories, *more.histories])
    if len(users.favourites) != len(users):  # a population without favourites has an empty list
        both["favourites"] = [*([()] * len(users)), *more.favourites]
    return replace(users, **both)
