"""Events of a town from the movement files and memories of a published simulation, so that it replays as it was.

    events = Replay(simulation, town_map).events()
    events[0]                                  # Event(0, 0, "moved", slot=2033)

A movement file becomes rows where it differs from the one before: `moved` to the tile that is gone to, `acted` where
the description changes, `showed` where the emojis do, `talked` and `said` where a talk begins. Memories become
`perceived` and `thought` rows at the time of their creation, talks before the first movement file rows of their own.
A line that names a fact of the town becomes a `told` row, see `news`.

Shapes: A residents.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from recgpt.errors import SimulationError
from recgpt.simulate.agents.memory_entries import MAX_EVIDENCE
from recgpt.simulate.worlds.town.activities import TALKING
from recgpt.simulate.worlds.town.config import BLOCK_SECONDS
from recgpt.simulate.worlds.town.events import Event
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.published.fields import Fields, Tile
from recgpt.simulate.worlds.town.published.news import Tellings
from recgpt.simulate.worlds.town.published.personas import Node, Persona, check_schedule
from recgpt.simulate.worlds.town.published.simulation import Shown, Simulation
from recgpt.simulate.worlds.town.residents import Fact
from recgpt.simulate.worlds.town.rules.schedules import filled
from recgpt.simulate.worlds.town.rules.talks import minutes_of_talk

PERSON, RANDOM = "<persona> ", ":<random>"
_ORDER = ("moved", "planned", "talked", "said", "told", "acted", "showed", "perceived", "thought", "cited")
_TRUST = 1.0  # in what was told: the files do not say
_Lines = tuple[tuple[str, str], ...]


class _Talk(NamedTuple):
    """A talk: its first tick, both sides, lines, summary and minutes."""

    tick: int
    one: int
    two: int
    lines: _Lines
    summary: str
    minutes: float


class _Item(NamedTuple):
    """An event, and the memory that it comes from."""

    event: Event
    node: Node | None = None


class Replay:
    """Turns a simulation into events.

    Parameters
    ----------
    simulation
        With movement up to its step.
    town_map
        Its map.
    n_histories
        Memories of each resident before the first tick; memories are numbered from there.
    facts
        Facts of the town.
    """

    def __init__(
        self,
        simulation: Simulation,
        town_map: TownMap,
        n_histories: Sequence[int] = (),
        facts: Sequence[Fact] = (),
    ) -> None:
        self._simulation = simulation
        self._map = town_map
        self._meta = simulation.meta
        self._names = simulation.meta.names
        self._places = {town_map.address(place.number): place.number for place in town_map.places}
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._facts = facts
        self._n_memories = list(n_histories) or [0] * len(self._names)

    def events(self) -> list[Event]:
        """All events: by tick, then resident."""
        if not self._meta.step:
            return []
        items = [item for agent in range(len(self._names)) for item in self._of(agent)]
        items += [_Item(event) for event in self._said()]
        order = {kind: place for place, kind in enumerate(_ORDER)}
        items.sort(key=lambda item: (item.event.tick, item.event.agent, order[item.event.kind]))  # stable
        return list(self._with_evidence(items))

    def _of(self, agent: int) -> Iterator[_Item]:
        """Events of a resident without its talks."""
        yield _Item(Event(0, agent, "moved", slot=self._tile(agent, self._start(agent))))
        for event in (*self._planned(agent), *self._moves(agent), *self._actions(agent)):
            yield _Item(event)
        for node in reversed(self._simulation.personas[self._names[agent]].nodes):
            if node.kind != "chat":
                yield _Item(self._remembered(agent, node), node)

    def _shown(self, agent: int) -> Iterator[tuple[int, Shown]]:
        name = self._names[agent]
        return ((step, shown[name]) for step, shown in self._simulation.movement.items())

    # --- day and walks ---

    def _start(self, agent: int) -> Tile:
        """Tile at the first known step."""
        return self._simulation.environment[min(self._simulation.environment)][self._names[agent]]

    def _planned(self, agent: int) -> Iterator[Event]:
        """The schedule of the last day, from its first tick; it fills the day."""
        blocks = check_schedule(self._fields(agent), "f_daily_schedule")
        blocks = [(text, minutes) for text, minutes in blocks if minutes > 0]
        per_day = 86_400 // self._meta.sec_per_step
        tick = (self._meta.step - 1) // per_day * per_day
        for slot, (text, minutes) in enumerate(filled(blocks) if blocks else ()):
            yield Event(tick, agent, "planned", slot=slot, value=float(minutes), text=text)

    def _fields(self, agent: int) -> Fields:
        persona: Persona = self._simulation.personas[self._names[agent]]
        return Fields(persona.scratch, f"scratch.json of {persona.name}")

    def _moves(self, agent: int) -> Iterator[Event]:
        last = self._start(agent)
        for step, shown in self._shown(agent):
            if shown.tile != last:
                last = shown.tile
                yield Event(step, agent, "moved", slot=self._tile(agent, last))

    def _tile(self, agent: int, tile: Tile) -> int:
        x, y = tile
        if x >= self._map.width or y >= self._map.height:
            raise SimulationError(
                f"{self._names[agent]} is at the tile {list(tile)}, outside of the map of {self._map.width} x"
                f" {self._map.height} tiles: give the map of this simulation (--map-folder)"
            )
        return self._map.tile(x, y)

    def _actions(self, agent: int) -> Iterator[Event]:
        """Each action, from the step in which its description is new to the next one, with its emojis."""
        steps: list[tuple[int, Shown]] = []
        for step, shown in self._shown(agent):
            if not steps or shown.description != steps[-1][1].description:
                steps.append((step, shown))
        ends = [step for step, _ in steps[1:]]
        for (step, shown), end in zip(steps, [*ends, None], strict=True):
            yield self._acted(agent, step, shown, self._end_of_last(agent) if end is None else end)
        yield from self._emojis(agent, {step for step, _ in steps})

    def _emojis(self, agent: int, begun: set[int]) -> Iterator[Event]:
        """Emojis where an action begins, or where they change."""
        last = None
        for step, shown in self._shown(agent):
            if step in begun or shown.emoji != last:
                last = shown.emoji
                yield Event(step, agent, "showed", text=last)

    def _acted(self, agent: int, step: int, shown: Shown, end: int) -> Event:
        """An action; one at an unknown address keeps the whole description as its text."""
        partner = self._numbers.get(shown.address.removeprefix(PERSON))
        place = self._places.get(shown.address.removesuffix(RANDOM))
        is_known = partner is not None or place is not None
        return Event(
            step,
            agent,
            "acted",
            other=partner,
            item=None if partner is None else TALKING,
            place=place,
            value=(end - step) * self._meta.sec_per_step / 60,
            text=shown.action if is_known else shown.description,
        )

    def _end_of_last(self, agent: int) -> int:
        """Tick at which the action in progress ends, at the earliest the end of the simulation."""
        fields = self._fields(agent)
        if fields.values.get("act_start_time") is None:
            return self._meta.step
        minutes = fields.whole("act_duration", 0, 1440)
        return max(
            self._ticks(fields.moment("act_start_time")) + minutes * 60 // self._meta.sec_per_step, self._meta.step
        )

    # --- memories ---

    def _remembered(self, agent: int, node: Node) -> Event:
        other = self._numbers.get(node.subject, agent)
        about = None if other == agent else other
        value = min(max(node.poignancy, 1.0), 10.0)
        if node.kind == "thought":
            from_reflection = int(bool(node.evidence))
            return Event(
                self._created(node),
                agent,
                "thought",
                other=about,
                slot=from_reflection,
                value=value,
                text=node.description,
            )
        place = self._places.get(node.subject)
        return Event(
            self._created(node), agent, "perceived", other=about, place=place, value=value, text=node.description
        )

    def _created(self, node: Node) -> int:
        """Tick of a memory, within the simulation."""
        return min(max(self._ticks(node.created), 0), self._meta.step - 1)

    def _ticks(self, moment: datetime) -> int:
        return int((moment - self._meta.start_date).total_seconds()) // self._meta.sec_per_step

    def _with_evidence(self, items: Sequence[_Item]) -> Iterator[Event]:
        """The events, and `cited` rows after each thought with the ids of its evidence.

        A memory of the same block has no id yet when the block is stored: it is left out.
        """
        per_block = BLOCK_SECONDS // self._meta.sec_per_step
        made: dict[tuple[int, int], tuple[int, int]] = {}  # resident and number of the memory -> block and id
        for event, node in items:
            yield event
            block = event.tick // per_block
            if event.kind == "talked":
                self._n_memories[event.agent] += 1
                self._n_memories[event.other or 0] += 1
            elif event.kind == "told":
                self._n_memories[event.other or 0] += 1
            if node is None:
                continue
            for number in node.evidence[:MAX_EVIDENCE] if node.kind == "thought" else ():
                before, memory = made.get((event.agent, number), (block, -1))
                if before < block:
                    yield Event(event.tick, event.agent, "cited", slot=memory)
            made[event.agent, node.number] = (block, self._n_memories[event.agent])
            self._n_memories[event.agent] += 1

    # --- talks ---

    def _said(self) -> Iterator[Event]:
        """Events of all talks, in the order of time: facts pass on from one to the next."""
        tellings = Tellings(self._facts, self._names)
        for talk in sorted(self._talks(), key=lambda talk: talk.tick):
            events = list(_events_of(talk))
            yield from events
            lines = [(event.agent, event.other or 0, event.text or "") for event in events if event.kind == "said"]
            for teller, listener, fact in tellings.of_talk(lines):
                yield Event(talk.tick, teller, "told", other=listener, item=fact, value=_TRUST)

    def _talks(self) -> Iterator[_Talk]:
        """Talks of the movement files, and those before the first file that a side remembers; each once."""
        seen: set[_Lines] = set()
        for talk in (*self._seen_talks(), *self._remembered_talks()):
            if talk.lines not in seen:
                seen.add(talk.lines)
                yield talk

    def _seen_talks(self) -> Iterator[_Talk]:
        """Talks of the movement files, once for each side."""
        for agent in range(len(self._names)):
            begun: list[tuple[int, int, Shown]] = []  # first step, step after the last one
            for step, shown in self._shown(agent):
                if begun and begun[-1][1] == step and begun[-1][2].chat == shown.chat:
                    begun[-1] = (begun[-1][0], step + 1, shown)
                elif shown.chat:
                    begun.append((step, step + 1, shown))
            for step, end, shown in begun:
                minutes = (end - step) * self._meta.sec_per_step / 60
                yield from self._talk(agent, step, shown.chat or (), shown.action, minutes)

    def _remembered_talks(self) -> Iterator[_Talk]:
        first = min(self._simulation.movement)
        for agent, name in enumerate(self._names):
            for node in self._simulation.personas[name].nodes:
                if node.kind == "chat" and node.lines and self._ticks(node.created) < first:
                    minutes = float(minutes_of_talk(node.lines))
                    yield from self._talk(agent, self._created(node), node.lines, node.description, minutes)

    def _talk(self, agent: int, tick: int, lines: _Lines, summary: str, minutes: float) -> Iterator[_Talk]:
        """The talk, begun by its first speaker, if both sides are residents."""
        speakers = [self._numbers.get(speaker) for speaker, _ in lines]
        other = next((number for number in speakers if number is not None and number != agent), None)
        if other is not None:
            one, two = (agent, other) if speakers[0] == agent else (other, agent)
            yield _Talk(tick, one, two, lines, summary, minutes)


def _events_of(talk: _Talk) -> Iterator[Event]:
    """Rows of a talk; lines of a third speaker count as those of the second."""
    yield Event(talk.tick, talk.one, "talked", other=talk.two, value=talk.minutes, text=talk.summary)
    first = talk.lines[0][0]
    for slot, (speaker, text) in enumerate(talk.lines):
        one, two = (talk.one, talk.two) if speaker == first else (talk.two, talk.one)
        yield Event(talk.tick, one, "said", other=two, slot=slot, text=text)
