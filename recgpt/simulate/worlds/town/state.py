"""State of a town, a function of its events: lives, profiles as edited, states of places, memories.

    state = TownState(rules, setting, seed=0)
    for rows in run.iter_steps():
        state.apply(rows)
    state.until(rows, tick=4000)                 # in the middle of the next block, without memories

Shapes: A residents.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.worlds.town import lives_json
from recgpt.simulate.worlds.town.activities import SLEEPING, TALKING, WAITING
from recgpt.simulate.worlds.town.adopting import Sold, add_sold
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.events import Event, from_rows
from recgpt.simulate.worlds.town.kinds import TOWN
from recgpt.simulate.worlds.town.life import Action, Adoption, Known, Life, PlanBlock, Relation, Source, Wish
from recgpt.simulate.worlds.town.memory import TownMemory
from recgpt.simulate.worlds.town.needs import needs_at
from recgpt.simulate.worlds.town.relations import after_talk, with_affinity
from recgpt.simulate.worlds.town.setting import Setting

ASLEEP = "sleeping"
"""Text of the first activity of every resident."""


class TownState:
    """State of a town after the blocks so far.

    Attributes
    ----------
    step
        Blocks so far.
    lives, residents
        Of each resident; profiles with their edits.
    sold
        Items taken by venue, item and period, see `adopting.add_sold`.
    happenings
        For places with a state of their own: its text, and the first tick after it.
    memory
        Memories at the end of the last block.
    """

    def __init__(self, rules: TownRules, setting: Setting, seed: int) -> None:
        self.rules = rules
        self.setting = setting
        self.seed = seed
        self.step = 0
        self.residents = list(setting.people.residents)
        self.lives = [self._born(agent) for agent in range(len(self.residents))]
        self.happenings: dict[int, tuple[str, int]] = {}
        self.sold: Sold = {}
        self.memory = TownMemory(rules.memory, setting, seed)
        self._start_relations()

    def _born(self, agent: int) -> Life:
        resident, facts = self.residents[agent], self.setting.people.facts
        tile = self.setting.map.places[resident.bed].tiles[0]
        known = {number: Known(-1, 0, 1.0) for number, fact in enumerate(facts) if agent in fact.known_by}
        return Life(path=(tile,), action=Action(ASLEEP, SLEEPING, resident.bed, 0, 0), facts=known)

    def _start_relations(self) -> None:
        for tie in self.setting.people.ties:
            relation = Relation(tie.label, tie.familiarity, tie.affinity)
            self.lives[tie.agent].relations[tie.other] = relation

    # --- time ---

    @property
    def tick(self) -> int:
        """First tick of the next block."""
        return self.step * self.rules.ticks_per_block

    def now(self, tick: int) -> datetime:
        """Simulated time of a tick."""
        return self.rules.start_time + timedelta(seconds=tick * self.rules.seconds_per_tick)

    def day(self, tick: int) -> int:
        """Day of a tick, from 0; days begin at midnight."""
        return (self.now(tick).date() - self.rules.start_time.date()).days

    def ticks(self, minutes: float) -> int:
        """Ticks of a duration, at least one."""
        return max(1, round(minutes * 60 / self.rules.seconds_per_tick))

    # --- events ---

    def apply(self, rows: pl.DataFrame) -> None:
        """Update with the events of one block."""
        events = list(from_rows(rows, seconds_per_tick=self.rules.seconds_per_tick))
        for event in events:
            self.apply_event(event)
        self.memory.apply(events, seconds_per_tick=self.rules.seconds_per_tick)
        self.step += 1

    def until(self, rows: pl.DataFrame, tick: int) -> Self:
        """Copy of the state in the middle of the next block, whose rows are given; memories are those of its start."""
        state = self.copy()
        for event in from_rows(rows, seconds_per_tick=self.rules.seconds_per_tick):
            if event.tick < tick:
                state.apply_event(event)
        return state

    def apply_event(self, event: Event) -> None:
        """Update with one event, but for memories, which change at the end of a block."""
        change = _CHANGES.get(event.kind)
        if change is not None:
            change(self, event)

    def _acted(self, event: Event) -> None:
        life, tick = self.lives[event.agent], event.tick
        self._spend_needs(event.agent, tick)
        here = life.tile(tick)
        goal = here if event.slot is None else event.slot
        life.path, life.left_at = self.setting.paths.path(here, goal), tick
        life.action = Action(
            event.text or "",
            -1 if event.item is None else event.item,
            -1 if event.place is None else event.place,
            tick,
            tick + self.ticks(event.value or 0),
            -1 if event.other is None else event.other,
        )
        life.emoji = None

    def _planned(self, event: Event) -> None:
        life = self.lives[event.agent]
        block = PlanBlock(
            event.text or "",
            int(event.value or 0),
            -1 if event.item is None else event.item,
            -1 if event.place is None else event.place,
        )
        life.plan = (*(life.plan if event.slot else ()), block)
        life.plan_day = self.day(event.tick)

    def _perceived(self, event: Event) -> None:
        life, retention = self.lives[event.agent], self.residents[event.agent].retention
        life.recent = (*life.recent, event.text or "")[-retention:]

    def _stopped(self, agent: int, tick: int, action: Action) -> None:
        """A resident stands still where it is, for another activity."""
        life = self.lives[agent]
        self._spend_needs(agent, tick)
        life.path, life.left_at, life.action, life.emoji = (life.tile(tick),), tick, action, None

    def _waited(self, event: Event) -> None:
        end = event.tick + self.ticks(event.value or 0)
        action = Action("waiting", WAITING, -1, event.tick, end, _number(event.other))
        self._stopped(event.agent, event.tick, action)

    def _talked(self, event: Event) -> None:
        end = event.tick + self.ticks(event.value or 0)
        other = _number(event.other)
        for one, two in ((event.agent, other), (other, event.agent)):
            self._stopped(one, event.tick, Action(event.text or "", TALKING, -1, event.tick, end, two))
            relations = self.lives[one].relations
            relations[two] = after_talk(self.lives[one].relation(two), minutes=event.value or 0, tick=end)

    def _told(self, event: Event) -> None:
        known = Known(event.agent, event.tick, event.value or 0.0)
        self.lives[_number(event.other)].facts.setdefault(_number(event.item), known)

    def _mentioned(self, event: Event) -> None:
        heard, item = self.lives[_number(event.other)].heard, _number(event.item)
        heard[item] = (*heard.get(item, ()), (event.agent, event.value or 0.0))

    def _invited(self, event: Event) -> None:
        guest, fact = self.lives[_number(event.other)], _number(event.item)
        guest.appointments[fact] = bool(event.value)
        guest.facts.setdefault(fact, Known(event.agent, event.tick, 1.0))

    def _related(self, event: Event) -> None:
        self._change_affinity(event.agent, _number(event.other), event.value or 0.0)

    def _change_affinity(self, agent: int, other: int, change: float) -> None:
        life = self.lives[agent]
        life.relations[other] = with_affinity(life.relation(other), change)

    def _moved(self, event: Event) -> None:
        life = self.lives[event.agent]
        life.path, life.left_at = (_number(event.slot),), event.tick

    def _showed(self, event: Event) -> None:
        self.lives[event.agent].emoji = event.text

    def _happened(self, event: Event) -> None:
        self.happenings[_number(event.place)] = (event.text or "", event.tick + self.ticks(event.value or 0))

    def _edited(self, event: Event) -> None:
        """Effects of a schedule's entry; those with events of their own (`moved`, `planned`, `happened`) have none."""
        entry = parse_json(event.text or "{}", "an event of the run")
        if entry["kind"] == "whisper" and entry["fact"] is not None:
            self.lives[event.agent].facts.setdefault(entry["fact"], Known(-1, event.tick, 1.0))
        elif entry["kind"] == "traits":
            self.residents[event.agent] = replace(self.residents[event.agent], **entry["changes"])
        elif entry["kind"] == "relation":
            relation = self.lives[event.agent].relation(entry["other"])
            self.lives[event.agent].relations[entry["other"]] = replace(relation, affinity=entry["affinity"])

    def _offered(self, event: Event) -> None:
        life = self.lives[event.agent]
        life.page = (*(life.page if event.slot else ()), _number(event.item))

    def _wished(self, event: Event) -> None:
        wish = Wish(Source(_number(event.slot)), _number(event.other), event.tick)
        self.lives[event.agent].wishes.setdefault(_number(event.item), wish)

    def _adopted(self, event: Event) -> None:
        life, item = self.lives[event.agent], _number(event.item)
        first = Adoption(Source(_number(event.slot)), _number(event.other), event.tick)
        life.adopted[item] = replace(life.adopted.get(item, first), tick=event.tick)
        life.wishes.pop(item, None)
        if self.setting.catalogue is not None:
            now = self.now(event.tick)
            minute = now.hour * 60 + now.minute
            add_sold(self.sold, self.setting.catalogue.programme, event, self.day(event.tick), minute)

    def _rated(self, event: Event) -> None:
        adopted, item = self.lives[event.agent].adopted, _number(event.item)
        adopted[item] = replace(adopted[item], stars=event.value or 0.0)

    def _spend_needs(self, agent: int, tick: int) -> None:
        life = self.lives[agent]
        life.needs = needs_at(life, self.residents[agent], tick, self.rules.seconds_per_tick)
        life.needs_at = tick

    # --- snapshots ---

    def copy(self) -> Self:
        """The same state, which changes on its own from here on; memories are shared: they change only in `apply`."""
        copied = object.__new__(type(self))
        copied.__dict__ |= self.__dict__
        copied.residents = list(self.residents)
        copied.lives = [life.copy() for life in self.lives]
        copied.sold = dict(self.sold)
        copied.happenings = dict(self.happenings)
        return copied

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as numeric arrays; texts as UTF-8 bytes of JSON."""
        start = self.setting.people.residents
        values = {
            "lives": [lives_json.to_json(life) for life in self.lives],
            "edits": {agent: lives_json.texts(now) for agent, now in enumerate(self.residents) if now != start[agent]},
            "sold": [[*key, number] for key, number in self.sold.items()],
            "happenings": [[place, *state] for place, state in self.happenings.items()],
        }
        content = np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
        return {"step": np.array([self.step]), "town": content, **self.memory.to_arrays()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`, from a state with the same rules and setting."""
        self.step = int(arrays["step"][0])
        values = json.loads(arrays["town"].tobytes())
        self.lives = [lives_json.from_json(life) for life in values["lives"]]
        self.residents = list(self.setting.people.residents)
        for agent, texts in values["edits"].items():
            self.residents[int(agent)] = replace(self.residents[int(agent)], **texts)
        self.sold = {(venue, item, period): number for venue, item, period, number in values["sold"]}
        self.happenings = {place: (text, end) for place, text, end in values["happenings"]}
        self.memory.restore(arrays)


def _number(value: int | None) -> int:
    """A column of numbers, -1 where it is null."""
    return TOWN if value is None else value


_CHANGES: dict[str, Callable[[TownState, Event], None]] = {
    name: getattr(TownState, f"_{name}")
    for name in (
        *("edited", "happened", "planned", "acted", "moved", "showed", "perceived", "waited", "talked", "told"),
        *("mentioned", "invited", "related", "offered", "wished", "adopted", "rated"),
    )
}
