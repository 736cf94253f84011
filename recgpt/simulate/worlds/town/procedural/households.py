"""Households of drawn towns: sizes, ages, and what the members are to each other.

sizes = household_sizes(1_000, seed=7)
members = compose(4, draws)                          # a couple with two children, or housemates, ...
kin(members[0], members[2])                          # child: what the second is to the first
"""

from dataclasses import dataclass
from typing import Literal

from recgpt.simulate.worlds.town.procedural.draws import Draws

Role = Literal["single", "partner", "child", "grandparent", "housemate"]
SIZES: dict[int, float] = {1: 0.28, 2: 0.32, 3: 0.18, 4: 0.16, 5: 0.06}
"""Shares of households by size."""
KINDS: dict[int, dict[str, float]] = {
    1: {"single": 0.7, "old": 0.3},
    2: {"couple": 0.42, "old": 0.26, "parent": 0.14, "housemates": 0.18},
    3: {"family": 0.62, "parent": 0.14, "housemates": 0.14, "generations": 0.1},
    4: {"family": 0.74, "housemates": 0.12, "generations": 0.14},
    5: {"family": 0.7, "housemates": 0.08, "generations": 0.22},
}
"""Shares of kinds of households by size; larger ones are as those of five."""
STUDIES_FROM, RETIRES_AT = 18, 67
_LARGEST = max(KINDS)


@dataclass(frozen=True)
class Member:
    """A member of a household."""

    role: Role
    age: int


def household_sizes(n_people: int, seed: int) -> list[int]:
    """Sizes of households that make `n_people`."""
    draws = Draws(seed, "household sizes")
    sizes: list[int] = []
    left = n_people
    while left:
        sizes.append(min(draws.weighted(SIZES), left))
        left -= sizes[-1]
    return sizes


def compose(size: int, draws: Draws) -> list[Member]:
    """Members of a household."""
    kind = draws.weighted(KINDS[min(size, _LARGEST)])
    if kind == "single":
        return [Member("single", draws.between(22, 64))]
    if kind == "old":
        first = draws.between(66, 84)
        role: Role = "single" if size == 1 else "partner"
        return [Member(role, first if k == 0 else _near(first, 4, draws)) for k in range(size)]
    if kind == "housemates":
        return [Member("housemate", draws.between(19, 31)) for _ in range(size)]
    if kind == "couple":
        first = draws.between(23, 64)
        return [Member("partner", first), Member("partner", _near(first, 5, draws))]
    return _family(size, kind, draws)


def _family(size: int, kind: str, draws: Draws) -> list[Member]:
    grandparents = 1 if kind == "generations" else 0
    parents = 1 if kind == "parent" else 2
    first = draws.between(34, 54)
    members = [Member("partner" if parents == 2 else "single", first)]
    if parents == 2:
        members.append(Member("partner", _near(first, 5, draws)))
    youngest = min(member.age for member in members)
    for _ in range(size - parents - grandparents):
        members.append(Member("child", max(6, min(youngest - draws.between(22, 34), 21))))
    members += [Member("grandparent", youngest + draws.between(26, 32)) for _ in range(grandparents)]
    return members


def _near(age: int, spread: int, draws: Draws) -> int:
    return max(20, age + draws.between(-spread, spread))


def kin(one: Member, other: Member) -> str:
    """What the other is to the one, both of the same household."""
    pair = (one.role, other.role)
    if "housemate" in pair:
        return "housemate"
    return _KIN[pair]


_KIN: dict[tuple[Role, Role], str] = {
    ("partner", "partner"): "spouse",
    ("single", "child"): "child",
    ("partner", "child"): "child",
    ("child", "single"): "parent",
    ("child", "partner"): "parent",
    ("child", "child"): "sibling",
    ("grandparent", "child"): "grandchild",
    ("child", "grandparent"): "grandparent",
    ("partner", "grandparent"): "parent",
    ("single", "grandparent"): "parent",
    ("grandparent", "partner"): "child",
    ("grandparent", "single"): "child",
}
