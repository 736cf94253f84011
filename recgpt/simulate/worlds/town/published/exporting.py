"""A run as a published simulation, up to a tick: movement of every tick, profiles, memories.

    simulation = simulation_of(run, cursor_of(run))
    write_simulation(simulation, Path("storage/demo"))          # or write_demo

An imported run gives back its files; blocks played after the import are added to them. A run of our own has the
published settings in the fields that a town does not use.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from recgpt.errors import SimulationError
from recgpt.files import file_name
from recgpt.simulate.store import Run
from recgpt.simulate.world import stored_config
from recgpt.simulate.worlds.town.activities import ACTIVITIES, TALKING, WAITING
from recgpt.simulate.worlds.town.artifacts import stored_setting
from recgpt.simulate.worlds.town.config import NAME, TownConfig
from recgpt.simulate.worlds.town.cursor import last_tick
from recgpt.simulate.worlds.town.events import Event, from_rows
from recgpt.simulate.worlds.town.life import Life
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.published.fields import Tile
from recgpt.simulate.worlds.town.published.importing import Kept, kept_of
from recgpt.simulate.worlds.town.published.nodes import Lines, nodes_of, strengths_of, vectors_of
from recgpt.simulate.worlds.town.published.personas import Node, Persona
from recgpt.simulate.worlds.town.published.replaying import PERSON, RANDOM
from recgpt.simulate.worlds.town.published.scratch import Moment, scratch_of
from recgpt.simulate.worlds.town.published.simulation import Meta, Shown, Simulation
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.state import TownState

NO_EMOJI = "💭"
"""Shown over a resident with an activity in free words."""


@dataclass
class _Talk:
    """A talk in progress: first tick, first tick after it, lines by their place."""

    start: int
    end: int
    said: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def lines(self) -> Lines:
        """Speaker and text of each line."""
        return tuple(self.said[place] for place in sorted(self.said))


class Recorder:
    """Follows a run tick by tick and records the content of the movement files.

    Parameters
    ----------
    first
        First tick that is recorded.
    """

    def __init__(self, state: TownState, names: Sequence[str], first: int) -> None:
        self.state = state
        self.names = names
        self.environment: dict[int, dict[str, Tile]] = {}
        self.movement: dict[int, dict[str, Shown]] = {}
        self.lines: list[dict[int, Lines]] = [{} for _ in names]
        self._talks: list[_Talk | None] = [None] * len(names)
        self._first = first

    def play(self, blocks: Iterator[Sequence[Event]], until: int) -> None:
        """Follow the run up to a tick; the state is then that of its block, or in the middle of it."""
        per_block = self.state.rules.ticks_per_block
        for events in blocks:
            start = self.state.tick
            if start >= until:
                break
            stop = min(start + per_block, until)
            within = [event for event in events if event.tick < stop]
            self._play_block(within, range(start, stop))
            self.state.memory.apply(within, seconds_per_tick=self.state.rules.seconds_per_tick)
            self.state.step += 1
        self.environment[until] = self._positions(until)

    def _play_block(self, events: Sequence[Event], ticks: range) -> None:
        waiting = list(reversed(events))
        for tick in ticks:
            if tick >= self._first:
                self.environment[tick] = self._positions(tick)
            now = []
            while waiting and waiting[-1].tick == tick:
                now.append(waiting.pop())
                self.state.apply_event(now[-1])
            self._listen(now)
            if tick >= self._first:
                self.movement[tick] = {name: self._shown(agent, tick) for agent, name in enumerate(self.names)}

    def _listen(self, events: Sequence[Event]) -> None:
        """Record the talks of a tick; a listener's line may come before the row of the talk."""
        for event in events:
            if event.kind == "talked" and event.other is not None:
                talk = _Talk(event.tick, event.tick + self.state.ticks(event.value or 0))
                self._talks[event.agent] = self._talks[event.other] = talk
        for event in events:
            if event.kind == "said" and event.other is not None:
                self._hear(event, event.other)

    def _hear(self, event: Event, listener: int) -> None:
        talk = self._talks[event.agent]
        if talk is not None:
            talk.said[event.slot or 0] = (self.names[event.agent], event.text or "")
            second = talk.start * self.state.rules.seconds_per_tick
            for agent in (event.agent, listener):
                self.lines[agent][second] = talk.lines

    def _positions(self, tick: int) -> dict[str, Tile]:
        town_map = self.state.setting.map
        return {name: town_map.xy(life.tile(tick)) for name, life in zip(self.names, self.state.lives, strict=True)}

    def moment(self, agent: int, tick: int) -> Moment:
        """Surroundings of a resident at the end of the record."""
        state, life, town_map = self.state, self.state.lives[agent], self.state.setting.map
        resident = state.residents[agent]
        home = town_map.places[resident.bed]
        memory = state.memory.entries
        return Moment(
            start=state.rules.start_time,
            seconds_per_tick=state.rules.seconds_per_tick,
            tick=tick,
            names=self.names,
            living_area=town_map.address(home.parent if home.level == "object" else home.number),
            address=address_of(life, self.names, state.setting),
            emoji=emoji_of(life),
            tile=self.environment[max(tick - 1, self._first)][self.names[agent]],
            path=[town_map.xy(tile) for tile in life.path[max(tick - life.left_at, 0) + 1 :]],
            chat=self._chat(agent, tick - 1),
            left=max(round(memory.preset.reflects_at - memory.entries.accumulated_A[agent]), 0),
            most=round(memory.preset.reflects_at),
        )

    def _chat(self, agent: int, tick: int) -> Lines | None:
        """Lines of the talk of a resident in a tick."""
        talk = self._talks[agent]
        return talk.lines if talk is not None and talk.start <= tick < talk.end else None

    def _shown(self, agent: int, tick: int) -> Shown:
        life, chat = self.state.lives[agent], self._chat(agent, tick)
        tile = self.state.setting.map.xy(life.tile(tick + 1))
        return Shown(tile, emoji_of(life), description_of(life, self.names, self.state.setting), chat)


def emoji_of(life: Life) -> str:
    """Emojis over a resident."""
    if life.emoji is not None:
        return life.emoji
    return ACTIVITIES[life.action.activity].emoji if life.action.activity >= 0 else NO_EMOJI


def description_of(life: Life, names: Sequence[str], setting: Setting) -> str:
    """Action and address, `reading @ world:sector:arena:object`; the action alone where it has no place."""
    address = address_of(life, names, setting)
    return f"{life.action.text} @ {address}" if address else life.action.text


def address_of(life: Life, names: Sequence[str], setting: Setting) -> str:
    """Published address of an action: of a place, of a partner, of the tile where one waits; maybe empty."""
    action, town_map = life.action, setting.map
    if action.activity == TALKING and action.other >= 0:
        return f"{PERSON}{names[action.other]}"
    if action.activity == WAITING and action.place < 0:
        return "<waiting> {} {}".format(*town_map.xy(life.path[-1]))
    if action.place < 0:
        return ""
    return town_map.address(action.place) + (RANDOM if town_map.places[action.place].level == "arena" else "")


class Ending:
    """A run at a tick, as the published files would show it.

    Parameters
    ----------
    first
        First tick whose movement is recorded; by default the first one that is known.

    Raises
    ------
    SimulationError
        The run is of another world or has no such tick, or two residents have one name.
    """

    def __init__(self, run: Run, tick: int, first: int | None = None) -> None:
        config, kept, setting = stored_config(run, NAME, TownConfig), kept_of(run), stored_setting(run)
        known = 0 if kept is None else kept.first_step
        if not known <= tick <= last_tick(run):
            raise SimulationError(
                f"run {run.run_id} has no tick {tick:,}: choose one from {known:,} to {last_tick(run):,}"
            )
        state = TownState(config.rules(), setting, config.seed)
        self.setting, self.tick = setting, tick
        self.names = [resident.name for resident in state.residents]
        _check_names(self.names)
        start = known if first is None else max(first, known)
        self._recorder = Recorder(state, self.names, start)
        seconds = config.seconds_per_tick
        self._recorder.play((list(from_rows(rows, seconds_per_tick=seconds)) for rows in run.iter_steps()), tick)
        if kept is not None and start == known and (kept.meta.step or not tick):
            self._recorder.environment[known] = dict(kept.start)
        maze = file_name(setting.map.name.lower().replace(" ", "_"))
        self._config, self._kept, self._meta = config, kept, _meta(run, config, kept, self.names, tick, maze)

    @property
    def lives(self) -> Sequence[Life]:
        """Lives at the start of the tick."""
        return self._recorder.state.lives

    def persona(self, agent: int) -> Persona:
        """A resident as the published files have it."""
        return _persona(self._recorder, agent, self._config, self._kept, self.tick)

    def simulation(self) -> Simulation:
        """All files."""
        meta = self._meta
        personas = {name: self.persona(agent) for agent, name in enumerate(self.names)}
        offset = meta.step - self.tick
        environment = {offset + step: positions for step, positions in self._recorder.environment.items()}
        movement = {offset + step: shown for step, shown in self._recorder.movement.items()}
        return Simulation(meta, personas, environment, movement)


def simulation_of(run: Run, tick: int) -> Simulation:
    """A run up to a tick as a published simulation; see `Ending` for the errors."""
    return Ending(run, tick).simulation()


def ending_of(run: Run, tick: int) -> Ending:
    """A run at a tick, without the movement before it."""
    return Ending(run, tick, max(tick - 1, 0))


def _check_names(names: Sequence[str]) -> None:
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise SimulationError(
            f"{names.count(double)} residents are called {double!r}: published files need a name for each"
        )


def _meta(run: Run, config: TownConfig, kept: Kept | None, names: Sequence[str], tick: int, maze: str) -> Meta:
    """Meta data; steps are counted from midnight, as the published pages do."""
    start = config.start_time
    midnight = datetime.combine(start.date(), datetime.min.time())
    step = tick + int((start - midnight).total_seconds()) // config.seconds_per_tick
    if kept is not None:
        return kept.meta if step == kept.meta.step else kept.meta.up_to(step)
    now = start + timedelta(seconds=tick * config.seconds_per_tick)
    return Meta(run.run_id, midnight, now, config.seconds_per_tick, maze, tuple(names), step)


def _persona(recorder: Recorder, agent: int, config: TownConfig, kept: Kept | None, tick: int) -> Persona:
    name = recorder.names[agent]
    before = None if kept is None else kept.personas[name]
    imported = 0 if kept is None else kept.meta.step
    nodes = _nodes(recorder, agent, config, before, imported, tick)
    vectors = vectors_of(nodes, (before and before.embeddings) or {})
    if before is not None and tick == imported:
        return replace(before, nodes=nodes, embeddings=vectors)
    return Persona(
        name,
        scratch_of(
            recorder.state.residents[agent],
            recorder.state.lives[agent],
            recorder.moment(agent, tick),
            None if before is None else before.scratch,
        ),
        tree_of(recorder.state.setting.map) if before is None else before.spatial,
        nodes,
        vectors,
        strengths_of(nodes),
    )


def _nodes(
    recorder: Recorder, agent: int, config: TownConfig, before: Persona | None, imported: int, tick: int
) -> tuple[Node, ...]:
    """Imported memories up to the tick, then those made since the import."""
    start, spt = config.start_time, config.seconds_per_tick
    end = start + timedelta(seconds=tick * spt)
    old = [node for node in (before.nodes if before else ()) if tick >= imported or node.created < end]
    entries = recorder.state.memory.of(agent)
    since = imported * spt / 3600
    texts = {(node.created, node.description): node.number for node in old}
    numbers = {
        entry.id: texts[key]
        for entry in entries
        if (key := (start + timedelta(seconds=round(entry.created * 3600)), entry.text)) in texts
    }
    new = [entry for entry in entries if entry.created >= since and entry.id not in numbers]
    return nodes_of(
        recorder.names[agent],
        new,
        names=recorder.names,
        start=start,
        before=old,
        numbers=numbers,
        lines=recorder.lines[agent],
    )


def tree_of(town_map: TownMap) -> dict[str, Any]:
    """World, sectors, arenas and objects of a map, as the published spatial memory."""
    sectors = [place for place in town_map.places if place.level == "sector"]
    return {
        town_map.name: {
            sector.name: {
                town_map.places[arena].name: [town_map.places[each].name for each in town_map.children(arena)]
                for arena in town_map.children(sector.number)
            }
            for sector in sectors
        }
    }
