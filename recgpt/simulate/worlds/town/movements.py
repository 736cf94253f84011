"""Movements of a block as compact JSON, from which a page draws the town at any tick of it.

    movements = Movements(TownState(rules, setting, seed))
    block = movements.add(rows)                  # of the next block
    block["walks"]                               # [agent, tick, tile, delta, count, delta, count, ...]

Only walks, activities and talks are followed: no memories, so that a long run is read quickly.

Shapes: W tiles on which residents stood in a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypedDict

import numpy as np
import polars as pl

from recgpt.simulate.worlds.town.activities import ACTIVITIES
from recgpt.simulate.worlds.town.events import Event, from_rows
from recgpt.simulate.worlds.town.places import GROUNDS
from recgpt.simulate.worlds.town.state import TownState

FOLLOWED = ("acted", "moved", "showed", "waited", "talked", "said", "happened")
"""Kinds of events that a map shows."""


class TalkShown(TypedDict):
    """A talk: its first tick, the first one after it, and its lines as pairs of resident and text."""

    start: int
    end: int
    pair: tuple[int, int]
    summary: str
    lines: list[tuple[int, str]]


class BlockShown(TypedDict):
    """Movements of a block.

    `actions`: resident, tick, text, activity, place, end, other, emojis (-1: none). `walks`: resident, tick, tile, and
    pairs of a step between tiles and how often it is taken. `states`: place, tick, end, text. Texts are numbers in
    `texts`. The first action and walk of each resident is how the block finds it.
    """

    block: int
    first: int
    texts: list[str]
    actions: list[list[int]]
    walks: list[list[int]]
    talks: list[TalkShown]
    states: list[list[int]]


@dataclass
class _Texts:
    """Texts by number, each once."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


class Movements:
    """Reader of the movements of a run, block by block.

    Parameters
    ----------
    state
        State before the first block; only its lives are followed.
    """

    def __init__(self, state: TownState) -> None:
        self._state = state
        self._talks: list[TalkShown] = []
        self._states: list[tuple[int, int, int, str]] = []

    @property
    def state(self) -> TownState:
        """State after the last block, as far as it is followed: walks and activities."""
        return self._state

    def add(self, rows: pl.DataFrame) -> BlockShown:
        """Movements of the next block."""
        state = self._state
        first, texts = state.tick, _Texts()
        self._talks = [talk for talk in self._talks if talk["end"] > first]
        self._states = [each for each in self._states if each[2] > first]
        agents = range(len(state.lives))
        actions = [self._action(agent, state.lives[agent].action.start, texts) for agent in agents]
        walks = {agent: [self._walk(agent, first)] for agent in agents}
        followed = rows.filter(pl.col("kind").is_in(FOLLOWED))
        for event in from_rows(followed, seconds_per_tick=state.rules.seconds_per_tick):
            state.apply_event(event)
            for agent in self._touched(event):
                if event.kind != "showed":
                    _add_walk(walks[agent], self._walk(agent, event.tick))
                if event.kind != "moved":
                    actions.append(self._action(agent, event.tick, texts))
        state.step += 1
        states = [[place, start, end, texts.number(text)] for place, start, end, text in self._states]
        return BlockShown(
            block=state.step,
            first=first,
            texts=list(texts.numbers),
            actions=actions,
            walks=[[agent, tick, *_run_lengths(path)] for agent, of_agent in walks.items() for tick, path in of_agent],
            talks=self._talks.copy(),
            states=states,
        )

    def _touched(self, event: Event) -> Sequence[int]:
        """Residents whose walk or activity an event changed; talks and states are noted."""
        other = -1 if event.other is None else event.other
        match event.kind:
            case "happened":
                text, end = self._state.happenings[event.place or 0]
                self._states.append((event.place or 0, event.tick, end, text))
                return ()
            case "said":
                self._say(event, other)
                return ()
            case "talked":
                end = self._state.lives[event.agent].action.end
                talk = TalkShown(
                    start=event.tick, end=end, pair=(event.agent, other), summary=event.text or "", lines=[]
                )
                self._talks.append(talk)
                return (event.agent, other)
        return (event.agent,)

    def _say(self, event: Event, other: int) -> None:
        pair = {event.agent, other}
        for talk in reversed(self._talks):
            if set(talk["pair"]) == pair:
                talk["lines"].append((event.agent, event.text or ""))
                return

    def _action(self, agent: int, tick: int, texts: _Texts) -> list[int]:
        life = self._state.lives[agent]
        action = life.action
        emoji = life.emoji or (ACTIVITIES[action.activity].emoji if action.activity >= 0 else "")
        text, shown = texts.number(action.text), texts.number(emoji) if emoji else -1
        return [agent, tick, text, action.activity, action.place, action.end, action.other, shown]

    def _walk(self, agent: int, tick: int) -> tuple[int, tuple[int, ...]]:
        """Tick and tiles of the walk that a resident is on; of one that has arrived its end."""
        life = self._state.lives[agent]
        return (life.left_at, life.path) if life.walks(tick) else (tick, (life.tile(tick),))


def _add_walk(walks: list[tuple[int, tuple[int, ...]]], new: tuple[int, tuple[int, ...]]) -> None:
    """Add a walk; tiles that follow tick by tick, of imported runs, go on with the walk before."""
    tick, path = new
    before, tiles = walks[-1]
    if len(path) == 1 and tick - before == len(tiles):
        walks[-1] = (before, tiles + path)
    elif tick <= before and len(walks) > 1:
        walks[-1] = new
    else:
        walks.append(new)


def _run_lengths(path: Sequence[int]) -> list[int]:
    """The first tile, then each step between tiles and how often it is taken."""
    found = [int(path[0])]
    for here, there in pairwise(path):
        step = int(there - here)
        if len(found) > 1 and found[-2] == step:
            found[-1] += 1
        else:
            found += [step, 1]
    return found


def stood(block: BlockShown, n_ticks: int) -> tuple[np.ndarray, np.ndarray]:
    """(W,) tiles on which residents stood in a block, and (W,) how many ticks in all."""
    tiles, ticks = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    first, last = block["first"], block["first"] + n_ticks
    walks = block["walks"]
    for place, (agent, start, tile, *steps) in enumerate(walks):
        begins = max(start, first)
        is_last = place + 1 == len(walks) or walks[place + 1][0] != agent
        ends = last if is_last else max(walks[place + 1][1], begins)
        path = np.cumsum([tile, *np.repeat(steps[::2], steps[1::2])]) if steps else np.array([tile])
        at = np.minimum(np.arange(begins, ends) - start, len(path) - 1)
        if len(path) == 1:
            tiles.append(path)
            ticks.append(np.array([ends - begins]))
        elif len(at):
            tiles.append(path[at])
            ticks.append(np.ones(len(at), dtype=np.int64))
    tile_R, ticks_R = np.concatenate(tiles), np.concatenate(ticks)
    tile_W, place_R = np.unique(tile_R, return_inverse=True)
    return tile_W, np.bincount(place_R, weights=ticks_R, minlength=len(tile_W)).astype(np.int64)


def drawn_map(state: TownState) -> dict[str, Any]:
    """The static map as JSON values: size, time, grids as run lengths, places, residents, activities and facts."""
    town_map, people, rules = state.setting.map, state.setting.people, state.rules
    levels = ("sector", "arena", "object")
    return {
        "name": town_map.name,
        "width": town_map.width,
        "height": town_map.height,
        "start": rules.start_time.isoformat(),
        "seconds_per_tick": rules.seconds_per_tick,
        "ticks_per_block": rules.ticks_per_block,
        "grounds": list(GROUNDS),
        "grids": {
            "ground": _grid(town_map.ground_HW),
            "sector": _grid(town_map.sector_HW),
            "arena": _grid(town_map.arena_HW),
            "object": _grid(town_map.object_HW),
        },
        "places": [
            {
                "level": levels.index(place.level),
                "name": place.name,
                "parent": place.parent,
                "kind": place.kind,
                "hours": place.hours,
            }
            for place in town_map.places
        ],
        "residents": [resident.name for resident in people.residents],
        "activities": [[activity.text, activity.emoji] for activity in ACTIVITIES],
        "facts": [{"kind": fact.kind, "text": fact.text, "about": fact.about} for fact in people.facts],
    }


def _grid(grid_HW: np.ndarray) -> list[int]:
    """Values of a grid row by row, each with how often it follows itself."""
    flat = grid_HW.ravel().astype(np.int64)
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.append(starts, len(flat)))
    return np.column_stack([flat[starts], lengths]).ravel().tolist()
