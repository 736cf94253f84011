"""Expected calls and cost of a town of a language model, before its start.

    costs = Costs(mind, setting, rules)
    costs.calls(n_agents=25, n_blocks=144)               # calls by prompt
    costs.estimate(n_agents=25, n_blocks=144)

Calls an agent-day are those of a scripted day (`CALLS_A_DAY`, of `benchmarks/town/llm_mind.py calls`): the model
takes the same decisions as often. Sizes are those of real prompts of some residents in the middle of the first morning.
Repeated requests are not counted.
"""

from typing import TYPE_CHECKING

import numpy as np

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.llm.requests import Request
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.life import Action, Life
from recgpt.simulate.worlds.town.memory import TownMemory
from recgpt.simulate.worlds.town.minds.base import Notes, Scene
from recgpt.simulate.worlds.town.setting import Setting

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.minds.llm import LLMMind

CALLS_A_DAY = {
    "plan": 1.0,
    "act": 87.1,
    "importance": 3.0,
    "react": 3.3,
    "talk": 3.0,
    "reflect": 7.0,
    "browse": 1.6,
    "choose": 1.6,
    "rate": 1.1,
}
"""Calls of a resident on a day by prompt; a talk is one call for two residents."""
_OF_ITEMS = ("browse", "choose", "rate")
_BLOCKS_A_DAY = 144
_MAX_SAMPLES = 8  # residents whose prompts are rendered
_SAMPLE_MINUTE = 600
_N_ITEMS = 10


class Costs:
    """Estimates of one mind.

    Parameters
    ----------
    mind
        Nothing is sent.
    """

    def __init__(self, mind: "LLMMind", setting: Setting, rules: TownRules) -> None:
        self._mind = mind
        self._setting = setting
        self._rules = rules
        self._memory = TownMemory(rules.memory, setting, 0)
        residents = setting.people.residents
        chosen = np.linspace(0, len(residents) - 1, _MAX_SAMPLES).astype(np.int64)
        self._agents: list[int] = np.unique(chosen).tolist()
        self._lives = [_at_home(setting, agent) for agent in range(len(residents))]

    def estimate(self, n_agents: int, n_blocks: int) -> CostEstimate:
        """Calls, tokens and cost of so many blocks of so many residents."""
        expected = CostEstimate(0, 0, 0, 0.0)
        for prompt, n_calls in self.calls(n_agents, n_blocks).items():
            if n_calls:
                samples = [self._request(prompt, agent) for agent in self._agents]
                expected += self._mind.client.estimate(samples, n_calls)
        return expected

    def calls(self, n_agents: int, n_blocks: int) -> dict[str, int]:
        """Expected number of calls by prompt, of the decisions that the model takes."""
        days = n_agents * n_blocks / _BLOCKS_A_DAY
        has_items = self._setting.catalogue is not None
        return {
            prompt: round(calls * days)
            for prompt, calls in CALLS_A_DAY.items()
            if prompt in self._mind.thinks and (has_items or prompt not in _OF_ITEMS)
        }

    def _request(self, prompt: str, agent: int) -> Request:
        mind, scene, notes = self._mind, self._scene(agent), Notes()
        other = (agent + 1) % len(self._lives)
        items = list(range(min(_N_ITEMS, 0 if self._setting.catalogue is None else len(self._setting.catalogue))))
        match prompt:
            case "plan":
                return mind.plan_request(scene, notes)
            case "act":
                return mind.act_request(scene, notes, mind.offers.now(scene))
            case "importance":
                return mind.importance_request(scene, ["Somebody is having a cup of coffee"])
            case "react":
                return mind.react_request(scene, other, notes)
            case "talk":
                return mind.talks.request(mind.talks.draft(scene, self._scene(other), notes))
            case "reflect":
                return mind.reflect_request(scene, [entry.text for entry in self._memory.of(agent)] * 5)
            case "browse":
                return mind.browse_request(scene, items, notes)
            case "choose":
                return mind.choose_request(scene, items, notes)
        return mind.rate_request(scene, items[0], notes)

    def _scene(self, agent: int) -> Scene:
        """A resident at home in the middle of the first morning."""
        tick = _SAMPLE_MINUTE * 60 // self._rules.seconds_per_tick
        resident = self._setting.people.residents[agent]
        return Scene(self._rules, self._setting, 0, agent, tick, resident, self._lives, (), self._memory)


def _at_home(setting: Setting, agent: int) -> Life:
    """Life of a resident that got up, and knows what it knows from the start."""
    bed = setting.people.residents[agent].bed
    action = Action(a.ACTIVITIES[a.BREAKFAST].text, a.BREAKFAST, bed, 0, 0)
    return Life((setting.map.places[bed].tiles[0],), action)
