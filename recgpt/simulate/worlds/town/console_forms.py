"""Printed forms of the console: schedules, memories, known places, tiles.

lines = memory_lines(nodes, "event", published=False)

The published forms are those of the published console; the corrected ones have a line for each thing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from recgpt.simulate.worlds.town.activities import ACTIVITIES
from recgpt.simulate.worlds.town.life import Life
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.published.personas import Node, Persona
from recgpt.simulate.worlds.town.rules.schedules import printed

Event = tuple[str, str | None, str | None, str | None]
"""Subject, predicate, object and description; None: idle."""


def schedule_lines(persona: Persona, key: str, *, published: bool) -> list[str]:
    """Lines of a schedule: `06:00 || sleeping`."""
    blocks = [(text, minutes) for text, minutes in persona.scratch[key]]
    return [line for line in printed(blocks, published=published).split("\n") if line]


def buffer_lines(persona: Persona, *, published: bool) -> list[str]:
    """Steps until each other may be talked to again."""
    entries = [f"{name}: {steps}" for name, steps in persona.scratch["chatting_with_buffer"].items()]
    return ["".join(entries)] if published else entries


def memory_lines(nodes: Sequence[Node], kind: str, *, published: bool) -> list[str]:
    """Memories of a kind, newest first; published: thoughts on one line, talks without their lines."""
    chosen = [node for node in nodes if node.kind == kind]
    lines: list[str] = []
    for number, node in zip(range(len(chosen), 0, -1), chosen, strict=True):
        values = node.values
        triple = (values["subject"], values["predicate"], values["object"])
        lines.append(str((kind.title(), number, ": ", triple, " -- ", node.description)))
        if not published:
            lines += [f"    {speaker}: {text}" for speaker, text in node.lines]
    return ["".join(lines)] if published and kind == "thought" else lines


def place_lines(spatial: Mapping[str, Any], depth: int = 0) -> list[str]:
    """Tree of known places, a ` >` for each level."""
    lines = []
    for name, below in spatial.items():
        lines.append(f"{' >' * depth} {name}")
        if isinstance(below, list):
            lines.append(f"{' >' * (depth + 1)} {below}")
        else:
            lines += place_lines(below, depth + 1)
    return lines


def tile_events(
    town_map: TownMap, lives: Sequence[Life], names: Sequence[str], tile: int, tick: int, *, published: bool
) -> list[Event]:
    """The object at a tile, in use or idle, and each resident that stands there."""
    events: list[Event] = []
    place = town_map.at(tile)
    if place >= 0 and town_map.places[place].level == "object":
        address = town_map.address(place)
        user = None if published else _user(lives, place, tick)
        if user is None or user.action.activity < 0:
            state = "being used" if user is not None else None
        else:
            state = ACTIVITIES[user.action.activity].object_state
        part = town_map.places[place].name
        events.append((address, *((None,) * 3 if state is None else ("is", state, f"{part} is {state}"))))
    for name, life in zip(names, lives, strict=True):
        if life.tile(tick) == tile:
            events.append((name, "is", life.action.text, f"{name} is {life.action.text}"))
    return events


def _user(lives: Sequence[Life], place: int, tick: int) -> Life | None:
    """The first resident that uses an object, after its walk there."""
    return next((life for life in lives if life.action.place == place and not life.walks(tick)), None)


def tile_lines(town_map: TownMap, tile: int, events: Sequence[Event]) -> list[str]:
    """World, place by level, spawning location, wall and events of a tile."""
    names = {"sector": "", "arena": "", "object": ""}
    place = town_map.at(tile)
    while place >= 0:
        found = town_map.places[place]
        names[found.level] = found.name
        place = found.parent
    spawn = next((name for name, tiles in town_map.spawns.items() if tile in tiles), "")
    return [
        f"world: {town_map.name}",
        f"sector: {names['sector']}",
        f"arena: {names['arena']}",
        f"game_object: {names['object']}",
        f"spawning_location: {spawn}",
        f"collision: {bool(town_map.walls_HW.flat[tile])}",
        f"events: {{{', '.join(map(str, events))}}}" if events else "events: set()",
    ]
