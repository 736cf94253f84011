"""A stand-in engine for tests of days: residents act and walk, without perception, talks and items."""

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

import numpy as np

from recgpt.simulate.worlds.town.activities import SLEEPING
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.life import Action, Known, Life
from recgpt.simulate.worlds.town.memory import TownMemory
from recgpt.simulate.worlds.town.minds.base import Act, Notes, Scene
from recgpt.simulate.worlds.town.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.town.needs import needs_at
from recgpt.simulate.worlds.town.paths import Paths
from recgpt.simulate.worlds.town.people import load_people
from recgpt.simulate.worlds.town.plan import load_default_map
from recgpt.simulate.worlds.town.setting import Setting


@dataclass
class Acted:
    """An activity as it was done."""

    agent: int
    tick: int
    act: Act
    tile: int
    steps: int
    taken: int


class PlayedDays:
    """Days of a setting, played by the scripted mind."""

    def __init__(self, setting: Setting, days: int = 1, seed: int = 0, rules: TownRules | None = None) -> None:
        self.rules = rules or TownRules(hours=24 * days)
        self.setting, self.seed, self.map = setting, seed, setting.map
        self.mind = ScriptedMind(setting, self.rules, seed=seed)
        self.memory: TownMemory = None  # type: ignore[assignment]  # days read none
        self.paths = Paths(setting.map)
        self.lives = [self._begun(agent) for agent in range(len(setting.people))]
        self.acted: list[Acted] = []
        self.plans: dict[tuple[int, int], tuple] = {}
        self.ticks = days * self.rules.ticks_per_day

    def _begun(self, agent: int) -> Life:
        resident = self.setting.people.residents[agent]
        known = {
            number: Known(-1, 0, 1.0) for number, fact in enumerate(self.setting.people.facts) if agent in fact.known_by
        }
        tile = self.map.places[resident.bed].tiles[0]
        return Life(path=(tile,), action=Action("sleeping", SLEEPING, resident.bed, 0, 0), facts=known)

    def scene(self, agent: int, tick: int, taken: int = -1) -> Scene:
        resident = self.setting.people.residents[agent]
        here = self.map.arena_at(self.lives[agent].tile(tick))
        near = [each for each in range(len(self.lives)) if each != agent and self._sees(agent, each, tick, here)]
        return Scene(
            self.rules, self.setting, self.seed, agent, tick, resident, self.lives, tuple(near), self.memory, taken
        )

    def _sees(self, agent: int, other: int, tick: int, here: int) -> bool:
        tile = self.lives[other].tile(tick)
        (x, y), (to_x, to_y) = self.map.xy(self.lives[agent].tile(tick)), self.map.xy(tile)
        return max(abs(x - to_x), abs(y - to_y)) <= 8 and self.map.arena_at(tile) == here

    def play(self) -> "PlayedDays":
        due = [(0, agent, False) for agent in range(len(self.lives))]
        while due:
            tick, agent, arrival = heapq.heappop(due)
            if tick >= self.ticks:
                continue
            life = self.lives[agent]
            taken = -1
            if arrival:
                if life.action.end <= tick or life.arrives != tick or not self._is_taken(agent, tick):
                    continue
                taken = life.action.place
            elif life.action.end != tick and tick > 0:
                continue
            self._decide(agent, tick, taken)
            life = self.lives[agent]
            heapq.heappush(due, (life.action.end, agent, False))
            if life.arrives < life.action.end:
                heapq.heappush(due, (max(life.arrives, tick + 1), agent, True))
        return self

    def _is_taken(self, agent: int, tick: int) -> bool:
        place = self.lives[agent].action.place
        if place < 0:
            return False
        sector = self.map.places[self.map.sector_of(place)]
        resident = self.setting.people.residents[agent]
        own = sector.number in (resident.home, self.map.sector_of(resident.work) if resident.work >= 0 else -1)
        if not own and not sector.is_open(tick * self.rules.seconds_per_tick // 60 % 1440):
            return True
        there = [
            each for each, life in enumerate(self.lives)
            if each != agent and life.action.place == place and life.arrives <= tick < life.action.end
        ]  # fmt: skip
        return len(there) >= self.map.places[place].capacity

    def _decide(self, agent: int, tick: int, taken: int) -> None:
        scene = self.scene(agent, tick, taken)
        if self.lives[agent].plan_day != scene.day:
            plan = tuple(self.mind.plan_day(scene, Notes()))
            self.plans[agent, scene.day] = plan
            self.lives[agent].plan, self.lives[agent].plan_day = plan, scene.day
            scene = self.scene(agent, tick, taken)
        act = self.mind.act(scene, Notes())
        life = self.lives[agent]
        tile = scene.tile
        needs = needs_at(life, scene.resident, tick, self.rules.seconds_per_tick)
        path = (tile,) if act.place < 0 else self.paths.path(tile, self._goal(agent, act.place, tile))
        end = tick + act.minutes * 60 // self.rules.seconds_per_tick
        self.acted.append(Acted(agent, tick, act, tile, len(path) - 1, taken))
        life.path, life.left_at, life.needs, life.needs_at = path, tick, needs, tick
        life.action = Action(act.text, act.activity, act.place, tick, end, act.other)

    def _goal(self, agent: int, place: int, tile: int) -> int:
        tiles = self.map.places[place].tiles
        if tile in tiles:
            return tile
        key = np.random.default_rng([self.seed, agent, place])
        return int(key.choice(tiles))

    def counts(self) -> dict[str, list[float]]:
        """Actions and steps walked of each resident a day."""
        days = self.ticks / self.rules.ticks_per_day
        actions, steps = Counter(each.agent for each in self.acted), defaultdict(int)
        for each in self.acted:
            steps[each.agent] += each.steps
        n = range(len(self.lives))
        return {"actions": [actions[k] / days for k in n], "steps": [steps[k] / days for k in n]}

    def diary(self, agent: int) -> str:
        lines = []
        for each in self.acted:
            if each.agent == agent:
                seconds = each.tick * self.rules.seconds_per_tick
                day, rest = divmod(seconds, 86_400)
                where = self.map.address(each.act.place).split(":", 1)[1] if each.act.place >= 0 else "-"
                mark = f" (taken: {self.map.places[each.taken].name})" if each.taken >= 0 else ""
                lines.append(
                    f"{day} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02} {each.act.minutes:4} min  "
                    f"{each.act.text:45} @ {where}{mark} [{each.steps}]"
                )
        return "\n".join(lines)


def default_setting(n: int = 25) -> Setting:
    """The default town and its people, without a catalogue."""
    town_map = load_default_map()
    return Setting(town_map, load_people(town_map, n))


def with_people(setting: Setting, **changes) -> Setting:
    """A setting with changed people."""
    return replace(setting, people=replace(setting.people, **changes))
