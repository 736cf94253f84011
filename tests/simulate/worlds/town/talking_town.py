"""Residents of Hazelbrook who meet at a place of the made-up map, for tests of talks."""

from dataclasses import dataclass, field

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.life import Action, Known, Life, PlanBlock, Relation
from recgpt.simulate.worlds.town.memory import TownMemory
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.people import load_people
from recgpt.simulate.worlds.town.setting import Setting
from tests.simulate.worlds.town.small_town import hazelbrook

MAP = hazelbrook()
SETTING = Setting(MAP, load_people(MAP))
RULES = TownRules()
NAMES = [resident.first_name for resident in SETTING.people.residents]
PLAN = (
    *(PlanBlock("sleeping", 420, a.SLEEPING), PlanBlock("having breakfast", 60, a.BREAKFAST)),
    *(PlanBlock("working", 240, a.WORKING), PlanBlock("having lunch", 60, a.LUNCH)),
    *(PlanBlock("working", 240, a.WORKING), PlanBlock("walking in the park", 60, a.WALKING)),
    *(PlanBlock("having dinner", 60, a.DINNER), PlanBlock("reading", 180, a.READING)),
    PlanBlock("sleeping", 120, a.SLEEPING),
)


def number(first_name: str) -> int:
    """Number of a resident."""
    return NAMES.index(first_name)


def fact_about(first_name: str, kind: str) -> int:
    """Number of the fact of a kind about a resident."""
    facts = SETTING.people.facts
    return next(k for k, fact in enumerate(facts) if fact.about == number(first_name) and fact.kind == kind)


def _lives() -> list[Life]:
    facts = SETTING.people.facts
    lives = [
        Life(
            path=(MAP.places[resident.bed].tiles[0],),
            action=Action("having coffee", a.COFFEE, -1, 0, 6),
            plan=PLAN,
            plan_day=0,
            facts={k: Known(-1, 0, 1.0) for k, fact in enumerate(facts) if agent in fact.known_by},
        )
        for agent, resident in enumerate(SETTING.people.residents)
    ]
    for tie in SETTING.people.ties:
        lives[tie.agent].relations[tie.other] = Relation(tie.label, tie.familiarity, tie.affinity)
    return lives


@dataclass
class Meeting:
    """Lives and memories of all residents, and scenes of two of them at a tick."""

    lives: list[Life] = field(default_factory=_lives)
    memory: TownMemory = field(default_factory=lambda: TownMemory("generative_agents", SETTING, seed=0))
    seed: int = 0

    def scenes(self, one: str, two: str, *, tick: int = 4320, place: str = "Lantern Cafe") -> tuple[Scene, Scene]:
        """Scenes of two that stand in the same room."""
        pair = (number(one), number(two))
        tile = MAP.places[MAP.place_of(f"Hazelbrook:{place}:main room")].tiles[-1]
        for agent in pair:
            self.lives[agent].path = (tile,)
        first, second = (
            Scene(RULES, SETTING, self.seed, me, tick, SETTING.people.residents[me], self.lives, (you,), self.memory)
            for me, you in (pair, pair[::-1])
        )
        return first, second
