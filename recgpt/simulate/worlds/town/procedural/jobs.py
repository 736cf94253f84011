"""Jobs and places of study of drawn people, in proportion to the places that a map has.

    jobs = assign(members, town_map, draws)              # (occupation, sector or -1) of each person

Each place has posts in an order: all places get their first one before any gets its second.
"""

from collections.abc import Sequence
from itertools import cycle

from recgpt.simulate.worlds.town.places import Place, TownMap
from recgpt.simulate.worlds.town.procedural.draws import Draws
from recgpt.simulate.worlds.town.procedural.households import RETIRES_AT, STUDIES_FROM, Member

POSTS: dict[str, tuple[str, ...]] = {
    "cafe": ("cafe owner", "barista", "waiter"),
    "bar": ("bar owner", "bartender", "bartender"),
    "restaurant": ("cook", "waiter", "cook", "waiter"),
    "cinema": ("cinema manager",),
    "bookshop": ("bookseller", "bookseller"),
    "shop": ("shopkeeper", "shopkeeper", "shopkeeper"),
    "pharmacy": ("pharmacist", "pharmacist"),
    "school": ("teacher", "professor", "teacher", "teacher", "teacher", "professor"),
    "library": ("librarian", "librarian"),
    "office": ("clerk", "programmer", "engineer", "journalist", "clerk", "programmer"),
    "workshop": ("printer", "carpenter", "engineer", "printer", "carpenter", "printer"),
    "park": ("gardener",),
    "hall": ("town clerk", "town clerk", "town clerk"),
    "clinic": ("doctor", "nurse", "nurse", "doctor", "nurse"),
    "gym": ("trainer", "trainer"),
}
"""Occupations of the posts of a place, by kind, in the order in which they are filled."""
GROWING = {"office": 18, "workshop": 12}
"""Kinds of places that take as many people as work is looked for, and the most that fit."""
AT_HOME: dict[str, float] = {"writer": 0.3, "artist": 0.3, "musician": 0.2, "homemaker": 0.2}
"""Occupations at home."""
FREE_SHARES = {"home": 0.09, "none": 0.04}
STUDENT_SHARE = 0.55
"""Share of students among people of 18 to 22; housemates of up to 27 as well."""

Job = tuple[str, int]
_RETIRED: Job = ("retired", -1)


def assign(members: Sequence[Member], town_map: TownMap, draws: Draws) -> list[Job]:
    """Occupation and sector (-1: none) of each person."""
    places = [place for place in town_map.places if place.level == "sector"]
    schools = cycle([place.number for place in places if place.kind == "school"] or [-1])
    jobs: list[Job] = [_RETIRED] * len(members)
    seekers = []
    for number, member in enumerate(members):
        if member.age < STUDIES_FROM:
            jobs[number] = ("pupil", next(schools))
        elif _studies(member, draws):
            jobs[number] = ("student", next(schools))
        elif member.age < RETIRES_AT:
            seekers.append(number)
    posts = _posts(places)
    for seeker in draws.sample(seekers, len(seekers)):
        share = draws.share()
        if len(seekers) > 20 and share < FREE_SHARES["none"]:
            jobs[seeker] = ("none", -1)
        elif not posts or (len(seekers) > 20 and share < sum(FREE_SHARES.values())):
            jobs[seeker] = (draws.weighted(AT_HOME), -1)
        else:
            jobs[seeker] = posts.pop()
    return jobs


def _studies(member: Member, draws: Draws) -> bool:
    limit = 27 if member.role == "housemate" else 22
    return member.age <= limit and draws.share() < STUDENT_SHARE


def _posts(places: Sequence[Place]) -> list[Job]:
    """Posts of all places, those to be filled first at the end."""
    most = max([*map(len, POSTS.values()), *GROWING.values()])
    rounds: list[Job] = []
    for k in range(most):
        for place in places:
            posts = POSTS.get(place.kind, ())
            if k < len(posts) or k < GROWING.get(place.kind, 0):
                rounds.append((posts[k % len(posts)], place.number))
    return rounds[::-1]
