"""Facts in talks: forgetting, trust, and the choice of one to pass on.

A fact known with trust t is remembered with certainty t 2^(-d / h) after d days, where the half-life h grows with the
importance of the fact: from 1.4 days at 1 to 5 days at 10. Below `FORGOTTEN` it does not pass. It never passes to
its source, to the resident that it is about, or to one that knows it; a secret passes to close ones only.
"""

from dataclasses import dataclass
from typing import Final

from recgpt.simulate.worlds.town.life import Known, Relation
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.relations import is_close
from recgpt.simulate.worlds.town.residents import Fact, Resident

FORGOTTEN: Final = 0.2
"""Certainty below which a fact does not come to mind."""
_FAINT = 0.45
_SECONDS_PER_DAY = 86_400


def certainty(known: Known, fact: Fact, days: float) -> float:
    """How sure a resident is of a fact, `days` after it learned of it."""
    half_life = 1.0 + 0.4 * fact.importance
    return float(known.trust * 2 ** (-days / half_life))


def days_since(scene: Scene, tick: int) -> float:
    """Days from a tick to the scene's."""
    return max(scene.tick - tick, 0) * scene.rules.seconds_per_tick / _SECONDS_PER_DAY


def is_over(scene: Scene, fact: Fact) -> bool:
    """Whether a gathering has begun or is over."""
    return 0 <= fact.starts * 60 <= scene.seconds


def interest_of(resident: Resident, fact: Fact) -> float:
    """Interest in the topic of a fact: 1 if it is among the resident's, 0 if not."""
    topic = fact.topic.lower()
    return float(any(topic == each.lower() or topic in each.lower().split() for each in resident.interests))


def trust_of(relation: Relation, certain: float, first_hand: bool) -> float:
    """Trust of a listener in a fact, by its `relation` to the teller.

    First hand: .9 at affinity 0. Second hand: .8 of the teller's certainty.
    """
    base = 0.9 if first_hand else 0.8 * certain
    return min(max(base + 0.1 * relation.affinity, 0.05), 1.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fact that a teller could pass on, its wish to do so from 0 to 1, and its certainty."""

    fact: int
    wish: float
    certain: float

    @property
    def is_faint(self) -> bool:
        """Whether the teller is unsure of it."""
        return self.certain < _FAINT


def tellable(teller: Scene, listener: Scene) -> list[Candidate]:
    """Facts that one could pass on to another, by descending wish."""
    found = []
    for number, known in teller.life.facts.items():
        fact = teller.setting.people.facts[number]
        if listener.agent in (known.source, fact.about) or number in listener.life.facts or is_over(teller, fact):
            continue
        if fact.kind == "secret" and not is_close(teller.life.relation(listener.agent)):
            continue
        certain = certainty(known, fact, days_since(teller, known.tick))
        if fact.about == teller.agent:
            certain = 1.0
        if certain >= FORGOTTEN:
            found.append(Candidate(number, _wish(teller, listener, fact, certain), certain))
    return sorted(found, key=lambda each: (-each.wish, each.fact))


def _wish(teller: Scene, listener: Scene, fact: Fact, certain: float) -> float:
    """Wish to pass a fact on: its importance, the interest of both, own concern and how sure the teller is."""
    wish = 0.03 + 0.055 * fact.importance
    wish *= 0.6 + 0.4 * interest_of(teller.resident, fact) + 0.2 * interest_of(listener.resident, fact)
    if fact.about == teller.agent:
        wish = max(wish, 0.3) + 0.25
    if fact.kind == "secret":
        wish *= 0.3
    affinity = teller.life.relation(listener.agent).affinity
    return min(wish * (0.5 + 0.5 * certain) * (0.9 + 0.3 * affinity), 0.95)


def fresh_about(asker: Scene, other: Scene) -> list[int]:
    """Facts about the other that the asker heard since their last talk, and may bring up."""
    since = asker.life.relation(other.agent).talked_at
    facts = asker.setting.people.facts
    return [
        number
        for number, known in asker.life.facts.items()
        if facts[number].about == other.agent
        and facts[number].kind != "secret"
        and known.source not in (-1, other.agent)
        and known.tick > since
        and not is_over(asker, facts[number])
    ]


def fresh_shared(asker: Scene, other: Scene) -> list[int]:
    """Facts that both know from others, and that the asker heard since their last talk."""
    since = asker.life.relation(other.agent).talked_at
    facts = asker.setting.people.facts
    return [
        number
        for number, known in asker.life.facts.items()
        if known.source not in (-1, other.agent)
        and known.tick > since
        and facts[number].kind != "secret"
        and facts[number].about not in (asker.agent, other.agent)
        and (theirs := other.life.facts.get(number)) is not None
        and theirs.source != asker.agent
        and not is_over(asker, facts[number])
    ]
