"""Ties of drawn people: kin, colleagues, classmates, neighbours and friends, each seen from both sides.

    ties = draw_ties(persons, town_map, seed=7)

Friends are chosen among people of similar age, those with common interests before others.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.procedural.draws import Draws
from recgpt.simulate.worlds.town.procedural.households import STUDIES_FROM, Member, kin
from recgpt.simulate.worlds.town.residents import Resident, TieOfResidents

COLLEAGUES, NEIGHBOURS, FRIENDS, ACQUAINTANCES = 4, 2, 3, 3
"""Ties of these kinds that each resident begins, at most; those begun by others come on top."""
_FEWEST_OF_ACQUAINTANCES = 60  # residents: in a smaller town these would be nearly all
_CANDIDATES, _YEARS_OF_FRIENDS = 14, 15
_STRENGTH: dict[str, tuple[float, float]] = {
    **{"spouse": (1.0, 0.75), "child": (1.0, 0.8), "parent": (1.0, 0.6), "sibling": (1.0, 0.5)},
    **{"grandchild": (0.95, 0.8), "grandparent": (0.95, 0.65), "housemate": (0.85, 0.4), "friend": (0.75, 0.6)},
    **{"colleague": (0.6, 0.25), "classmate": (0.55, 0.3), "neighbour": (0.4, 0.15), "acquaintance": (0.25, 0.1)},
}
"""Familiarity and mean affinity by label."""
_TEXTS = {
    "housemate": "{other} shares {home} with me.",
    "friend": "{other} is my friend; we talk about {topic}.",
    "colleague": "{other} works with me at {work}.",
    "classmate": "{other} goes to {work} with me.",
    "neighbour": "{other} lives at {other_home}, close to me.",
    "acquaintance": "{other} and I greet each other in the street.",
}


@dataclass(frozen=True)
class _Pair:
    """Two residents, and what the second is to the first and the first to the second."""

    agent: int
    other: int
    labels: tuple[str, str]


def draw_ties(
    residents: Sequence[Resident], members: Sequence[Member], town_map: TownMap, seed: int
) -> tuple[TieOfResidents, ...]:
    """Ties of all residents, ordered by agent and other; closer kinds of ties replace wider ones."""
    pairs: dict[tuple[int, int], _Pair] = {}
    draws = Draws(seed, "ties")
    for pair in (
        *_kin(residents, members),
        *_friends(residents, draws),
        *_at_work(residents, draws),
        *_neighbours(residents, draws),
        *_acquaintances(residents, draws),
    ):
        pairs.setdefault((min(pair.agent, pair.other), max(pair.agent, pair.other)), pair)
    ties = []
    for pair in pairs.values():
        for agent, other, label in ((pair.agent, pair.other, pair.labels[0]), (pair.other, pair.agent, pair.labels[1])):
            ties.append(_tie(agent, other, label, residents, town_map, draws))
    return tuple(sorted(ties, key=lambda tie: (tie.agent, tie.other)))


def _tie(
    agent: int, other: int, label: str, residents: Sequence[Resident], town_map: TownMap, draws: Draws
) -> TieOfResidents:
    familiarity, affinity = _STRENGTH[label]
    one, two = residents[agent], residents[other]
    common = [interest for interest in one.interests if interest in two.interests]
    text = _TEXTS.get(label, "{other} is my {label}.").format(
        other=two.name,
        label=label,
        home=town_map.places[one.home].name,
        other_home=town_map.places[two.home].name,
        work=town_map.places[one.work].name if one.work >= 0 else "work",
        topic=(common or list(two.interests) or ["the town"])[0],
    )
    drawn = affinity + 0.3 * (draws.share() - 0.5) + 0.3 * (one.agreeableness - 0.5)
    close = familiarity + 0.1 * (draws.share() - 0.5)
    return TieOfResidents(agent, other, label, round(min(close, 1.0), 2), round(min(max(drawn, -1.0), 1.0), 2), text)


def _kin(residents: Sequence[Resident], members: Sequence[Member]) -> Iterable[_Pair]:
    households: dict[int, list[int]] = defaultdict(list)
    for number, resident in enumerate(residents):
        households[resident.household].append(number)
    for group in households.values():
        for agent, other in combinations(group, 2):
            yield _Pair(agent, other, (kin(members[agent], members[other]), kin(members[other], members[agent])))


def _at_work(residents: Sequence[Resident], draws: Draws) -> Iterable[_Pair]:
    at: dict[int, list[int]] = defaultdict(list)
    for number, resident in enumerate(residents):
        if resident.work >= 0:
            at[resident.work].append(number)
    learners = ("pupil", "student")
    for group in at.values():
        for number in group:
            learns = residents[number].occupation in learners
            alike = [
                other for other in group if (residents[other].occupation in learners) == learns and other != number
            ]
            label = "classmate" if learns else "colleague"
            for other in draws.sample(alike, COLLEAGUES):
                yield _Pair(number, other, (label, label))


def _neighbours(residents: Sequence[Resident], draws: Draws) -> Iterable[_Pair]:
    homes: dict[int, list[int]] = defaultdict(list)
    for number, resident in enumerate(residents):
        homes[resident.home].append(number)
    in_order = sorted(homes)
    for home, following in pairwise(in_order):
        for number in homes[home][:NEIGHBOURS]:
            yield _Pair(number, draws.pick(homes[following]), ("neighbour", "neighbour"))


def _friends(residents: Sequence[Resident], draws: Draws) -> Iterable[_Pair]:
    by_age = sorted(range(len(residents)), key=lambda number: (residents[number].age, number))
    place = {number: k for k, number in enumerate(by_age)}
    most = max(1, len(residents) // 25)
    for number, resident in enumerate(residents):
        near = by_age[max(0, place[number] - 4 * _CANDIDATES) : place[number] + 4 * _CANDIDATES]
        seen = [other for other in draws.sample(near, _CANDIDATES) if _may_be_friends(resident, residents[other])]
        liked = sorted(seen, key=lambda other: -len(set(residents[other].interests) & set(resident.interests)))
        for other in liked[: min(round(FRIENDS * (0.5 + resident.extroversion)), most)]:
            yield _Pair(number, other, ("friend", "friend"))


def _may_be_friends(one: Resident, other: Resident) -> bool:
    same_generation = (one.age < STUDIES_FROM) == (other.age < STUDIES_FROM)
    return one.home != other.home and same_generation and abs(one.age - other.age) <= _YEARS_OF_FRIENDS


def _acquaintances(residents: Sequence[Resident], draws: Draws) -> Iterable[_Pair]:
    if len(residents) < _FEWEST_OF_ACQUAINTANCES:
        return
    for number in range(len(residents)):
        for _ in range(draws.below(ACQUAINTANCES + 1)):
            other = draws.below(len(residents))
            if other != number:
                yield _Pair(number, other, ("acquaintance", "acquaintance"))
