"""Arms of the evaluation: parts of a resident's memory that an interview may use.

    scene = scene_in(ARMS["no reflection"], state, agent=7)

Every arm keeps the profile, the household and the ties of before the first tick.
"""

from dataclasses import dataclass, replace

import numpy as np

from recgpt.simulate.agents.memory import Kind
from recgpt.simulate.agents.memory_entries import CONCLUSIONS
from recgpt.simulate.worlds.town.life import Relation
from recgpt.simulate.worlds.town.memory import TownMemory
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.state import TownState


@dataclass(frozen=True)
class Arm:
    """Parts of the memory that an interview may use, beside the profile."""

    reflects: bool = True
    plans: bool = True
    remembers: bool = True


FULL = "full"
ARMS = {
    FULL: Arm(),
    "no reflection": Arm(reflects=False),
    "no reflection, no planning": Arm(reflects=False, plans=False),
    "no memory": Arm(reflects=False, plans=False, remembers=False),
}
"""Published arms without that of crowdworkers, from the most to the least memory."""


def memory_in(arm: Arm, memory: TownMemory) -> TownMemory:
    """The memories of an arm; others are as if they had never been."""
    if arm.reflects and arm.remembers:
        return memory
    arrays = memory.to_arrays()
    dropped_AC = np.ones_like(arrays["memory_id_AC"], dtype=bool)
    if arm.remembers:
        of_the_run_AC = arrays["memory_created_AC"] > 0
        dropped_AC = of_the_run_AC & np.isin(arrays["memory_kind_AC"], [int(Kind(kind)) for kind in CONCLUSIONS])
    kept = memory.copy()
    kept.restore({**arrays, "memory_id_AC": np.where(dropped_AC, -1, arrays["memory_id_AC"])})
    return kept


def scene_in(arm: Arm, state: TownState, agent: int, memory: TownMemory) -> Scene:
    """Situation of a resident alone at the next tick of a state.

    Parameters
    ----------
    memory
        From `memory_in`.
    """
    life = state.lives[agent]
    if not arm.plans:
        life = replace(life, plan=(), plan_day=-1)
    if not arm.remembers:
        people = state.setting.people
        ties = {tie.other: tie for tie in people.ties if tie.agent == agent}
        life = replace(
            life,
            relations={other: Relation(tie.label, tie.familiarity, tie.affinity) for other, tie in ties.items()},
            facts={number: known for number, known in life.facts.items() if agent in people.facts[number].known_by},
            appointments={},
            heard={},
            wishes={},
            adopted={},
            recent=(),
        )
    lives = [*state.lives[:agent], life, *state.lives[agent + 1 :]]
    return Scene(
        rules=state.rules,
        setting=state.setting,
        seed=state.seed,
        agent=agent,
        tick=state.tick,
        resident=state.residents[agent],
        lives=lives,
        near=(),
        memory=memory,
    )
