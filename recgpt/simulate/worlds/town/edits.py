"""Events of the schedule's edits at the start of a block."""

from collections.abc import Iterator, Sequence

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.events import Event
from recgpt.simulate.worlds.town.kinds import TOWN
from recgpt.simulate.worlds.town.life import PlanBlock
from recgpt.simulate.worlds.town.schedule import Edit, Happening, Move, OfAgent, Plan, Relation, Whisper
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.state import TownState


def check_schedule(schedule: Sequence[Edit], setting: Setting) -> None:
    """Check that the residents, places and facts of a schedule exist.

    Raises
    ------
    SimulationError
        One does not.
    """
    for number, entry in enumerate(schedule):
        where = f"schedule, entry {number} ({entry.kind})"
        agents = [entry.agent] if isinstance(entry, OfAgent) else []
        agents += [entry.other] if isinstance(entry, Relation) else []
        for agent in agents:
            _in_range(f"{where}: resident", agent, len(setting.people))
        if isinstance(entry, Whisper) and entry.fact is not None:
            _in_range(f"{where}: fact", entry.fact, len(setting.people.facts))
        if isinstance(entry, Whisper) and entry.fact is None and not entry.text:
            raise SimulationError(f"{where}: neither text nor fact: give one")
        if isinstance(entry, Move | Happening | Plan) and entry.place:
            setting.map.place_of(entry.place)


def _in_range(what: str, number: int, n: int) -> None:
    if number >= n:
        raise SimulationError(f"{what} {number} does not exist: choose one from 0 to {n - 1}")


def edit_events(schedule: Sequence[Edit], block: int, state: TownState) -> Iterator[Event]:
    """Events of the edits of a block; apply each to the state before taking the next."""
    tick = state.tick
    for number, entry in enumerate(schedule):
        if entry.block == block:
            agent = entry.agent if isinstance(entry, OfAgent) else TOWN
            yield Event(tick, agent, "edited", slot=number, text=entry.model_dump_json())
            yield from _effects(entry, tick, state)


def _effects(entry: Edit, tick: int, state: TownState) -> Iterator[Event]:
    places = state.setting.map
    if isinstance(entry, Move):
        yield Event(tick, entry.agent, "moved", slot=places.places[places.place_of(entry.place)].tiles[0])
    elif isinstance(entry, Happening):
        place = places.place_of(entry.place)
        yield Event(tick, TOWN, "happened", place=place, value=float(entry.minutes), text=entry.text)
    elif isinstance(entry, Plan):
        for slot, block in enumerate(_with(entry, state)):
            columns = {"item": block.activity, "place": block.place}
            known = {name: None if number < 0 else number for name, number in columns.items()}
            minutes = float(block.minutes)
            yield Event(tick, entry.agent, "planned", slot=slot, value=minutes, text=block.text, **known)


def _with(entry: Plan, state: TownState) -> list[PlanBlock]:
    """The resident's plan of today with the activity of an edit in it; 1,440 minutes as before."""
    begins = entry.start.hour * 60 + entry.start.minute
    ends = min(begins + entry.minutes, 1440)
    place = state.setting.map.place_of(entry.place) if entry.place else -1
    inserted, blocks, clock = False, [], 0
    for block in state.lives[entry.agent].plan or (PlanBlock("at leisure", 1440),):
        before = max(min(clock + block.minutes, begins) - clock, 0)
        after = max(clock + block.minutes - max(clock, ends), 0)
        if before:
            blocks.append(PlanBlock(block.text, before, block.activity, block.place))
        if not inserted and clock + block.minutes > begins:
            blocks.append(PlanBlock(entry.text, ends - begins, -1, place))
            inserted = True
        if after:
            blocks.append(PlanBlock(block.text, after, block.activity, block.place))
        clock += block.minutes
    return blocks
