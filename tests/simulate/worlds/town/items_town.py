"""A town of four venues for the tests of items: no walls, all places on two tiles."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.town.catalogue import load_catalogue
from recgpt.simulate.worlds.town.config import TownConfig, TownRules
from recgpt.simulate.worlds.town.life import Action, Life
from recgpt.simulate.worlds.town.memory import TownMemory
from recgpt.simulate.worlds.town.minds import leisure
from recgpt.simulate.worlds.town.minds.base import Chosen, Mind, Notes, Rating, Scene
from recgpt.simulate.worlds.town.places import Place, TownMap
from recgpt.simulate.worlds.town.residents import People, Resident
from recgpt.simulate.worlds.town.setting import Setting

VENUES = ("cinema", "bookshop", "cafe", "bar")


def items_map(capacity: int = 40) -> TownMap:
    """Four venues of one room each: sector 2 i, arena 2 i + 1."""
    none = np.full((4, 4), -1, dtype=np.int32)
    places = []
    for number, kind in enumerate(VENUES):
        hours = (12 * 60, 24 * 60)
        places.append(Place(2 * number, "sector", kind, -1, kind, (0, 1), capacity, hours))
        places.append(Place(2 * number + 1, "arena", "room", 2 * number, kind, (0, 1), capacity, hours))
    return TownMap("Testville", none >= 0, none, none, none, tuple(places))


def items_people(n: int = 6) -> People:
    """Residents with and without interests that tags name."""
    interests = (("fantasy", "gardening"), ("crime films",), ())
    return People(
        tuple(
            Resident(f"Name{number} Last", 30, "", "", "", "", "", 0, 0, 0, work=0, interests=interests[number % 3])
            for number in range(n)
        )
    )


def items_setting(n: int = 6) -> Setting:
    """Setting of the four venues, with a catalogue."""
    people, town_map = items_people(n), items_map()
    return Setting(town_map, people, load_catalogue(TownConfig(seed=1), people, town_map))


def items_lives(n: int = 6) -> list[Life]:
    """Lives of residents asleep."""
    return [Life(path=(0,), action=Action("sleeping", 0, 0, 0, 0)) for _ in range(n)]


def items_scene(
    setting: Setting,
    agent: int,
    of: Sequence[Life] | None = None,
    tick: int = 19 * 360,
    *,
    near: tuple[int, ...] = (),
    rules: TownRules | None = None,
) -> Scene:
    """Scene without memories, by default in the evening of the first day."""
    return Scene(
        rules=rules or TownRules(),
        setting=setting,
        seed=3,
        agent=agent,
        tick=tick,
        resident=setting.people.residents[agent],
        lives=items_lives(len(setting.people)) if of is None else of,
        near=near,
        memory=cast(TownMemory, None),
    )


class LeisureMind:
    """The scripted decisions about items alone."""

    def browse(self, scene: Scene, items: Sequence[int], notes: Notes) -> Sequence[Chosen]:
        return leisure.browse(scene, items)

    def choose(self, scene: Scene, place: int, items: Sequence[int], notes: Notes) -> Chosen | None:
        return leisure.choose(scene, place, items)

    def rate(self, scene: Scene, item: int, notes: Notes) -> Rating:
        return leisure.rate(scene, item)

    def estimate(self, n_agents: int, n_blocks: int) -> CostEstimate | None:
        return None


def leisure_mind() -> Mind:
    """The mind above; it decides about items only."""
    return cast(Mind, LeisureMind())
