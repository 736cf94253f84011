"""Whereabouts of residents in a few words: asleep, at home, at work, elsewhere, walking, talking.

WHEREABOUTS[whereabouts(state, agent)]
"""

from recgpt.simulate.watching import BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from recgpt.simulate.worlds.town.activities import SLEEPING, TALKING
from recgpt.simulate.worlds.town.state import TownState

WHEREABOUTS = {
    "asleep": ("asleep", GREY),
    "home": ("at home", ORANGE),
    "work": ("at work", BLUE),
    "out": ("elsewhere", PURPLE),
    "walking": ("walking", GREEN),
    "talking": ("talking", RED),
}
"""Labels and colours by name."""
ASLEEP, HOME, WORK, OUT, WALKING, TALKS = range(len(WHEREABOUTS))


def whereabouts(state: TownState, agent: int) -> int:
    """Number of the whereabouts of a resident at the first tick of the next block."""
    life, resident, town_map = state.lives[agent], state.residents[agent], state.setting.map
    if life.walks(state.tick):
        return WALKING
    if life.action.activity in (SLEEPING, TALKING):
        return ASLEEP if life.action.activity == SLEEPING else TALKS
    sector = int(town_map.sector_HW.flat[life.tile(state.tick)])
    if sector == resident.home:
        return HOME
    return WORK if resident.work >= 0 and 0 <= sector == town_map.sector_of(resident.work) else OUT
