"""Scripted mind of a town: needs, habits and rules of talks, without a language model.

    mind = ScriptedMind(setting, rules, seed=0)
    act = mind.act(scene, Notes())

Composed of parts: `days` (plans), `acting` (activities), `talking`, `reflecting`, `importance` and `leisure`.
"""

from collections.abc import Sequence

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.life import PlanBlock
from recgpt.simulate.worlds.town.minds import leisure, talking
from recgpt.simulate.worlds.town.minds.acting import Acting
from recgpt.simulate.worlds.town.minds.base import (
    Act,
    Chosen,
    Notes,
    Rating,
    Reaction,
    Scene,
    Seen,
    Talk,
    Thought,
)
from recgpt.simulate.worlds.town.minds.days import Days
from recgpt.simulate.worlds.town.minds.importance import importance_of
from recgpt.simulate.worlds.town.minds.leisure_choice import Choices
from recgpt.simulate.worlds.town.minds.parameters import Parameters
from recgpt.simulate.worlds.town.minds.reflecting import reflect
from recgpt.simulate.worlds.town.minds.venues import Venues
from recgpt.simulate.worlds.town.setting import Setting


class ScriptedMind:
    """Decides by needs, habits and rules.

    Parameters
    ----------
    parameters
        Numbers of the days; by default the shipped ones.
    """

    name = "scripted"

    def __init__(self, setting: Setting, rules: TownRules, *, seed: int, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters.load()
        venues = Venues(setting)
        choices = Choices(venues, self.parameters.leisure, rules.seconds_per_tick, seed)
        self._days = Days(venues, self.parameters, choices)
        self._acting = Acting(venues, self.parameters, choices, self._days)

    def plan_day(self, scene: Scene, notes: Notes) -> Sequence[PlanBlock]:
        """See `Mind`."""
        return self._days.plan(scene)

    def act(self, scene: Scene, notes: Notes) -> Act:
        """See `Mind`."""
        return self._acting.act(scene)

    def importance(self, scene: Scene, seen: Sequence[Seen], notes: Notes) -> Sequence[float]:
        """See `Mind`."""
        return importance_of(scene, seen, notes)

    def react(self, scene: Scene, other: int, notes: Notes) -> Reaction:
        """See `Mind`."""
        return talking.react(scene, other, notes)

    def talk(self, scene: Scene, partner: Scene, notes: Notes) -> Talk:
        """See `Mind`."""
        return talking.talk(scene, partner, notes)

    def reflect(self, scene: Scene, notes: Notes) -> Sequence[Thought]:
        """See `Mind`."""
        return reflect(scene, notes)

    def browse(self, scene: Scene, items: Sequence[int], notes: Notes) -> Sequence[Chosen]:
        """See `Mind`."""
        return leisure.browse(scene, items)

    def choose(self, scene: Scene, place: int, items: Sequence[int], notes: Notes) -> Chosen | None:
        """See `Mind`."""
        return leisure.choose(scene, place, items)

    def rate(self, scene: Scene, item: int, notes: Notes) -> Rating:
        """See `Mind`."""
        return leisure.rate(scene, item)

    def estimate(self, n_agents: int, n_blocks: int) -> CostEstimate | None:
        """See `Mind`."""
        return None
