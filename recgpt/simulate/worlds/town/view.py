"""View of a town after a block as plain JSON, with everything that its HTML report shows.

    view(run, step=72)["facts"]

Texts of residents are unescaped, as in the log: escape them in HTML.
"""

from typing import Any

import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.world import States, stored_config
from recgpt.simulate.worlds.town.config import BLOCK_SECONDS, NAME, TownConfig
from recgpt.simulate.worlds.town.life import Source
from recgpt.simulate.worlds.town.measures import town_measures
from recgpt.simulate.worlds.town.movements import Movements
from recgpt.simulate.worlds.town.residents_view import SOURCES, density, facts_on_their_way
from recgpt.simulate.worlds.town.state import TownState
from recgpt.simulate.worlds.town.whereabouts import WHEREABOUTS, whereabouts

MOST_RESIDENTS, MOST_TALKS = 100, 60
"""Residents with a strip of their day, and talks with their lines, at most; the latest talks."""
_BLOCKS_PER_DAY = 86_400 // BLOCK_SECONDS


def view(run: Run, step: int) -> dict[str, Any]:
    """View of a run after one of its blocks; 0: before the first.

    Returns
    -------
    dict
        `run, manifest, config, step, time` (simulated seconds), `now`, `finished`.
        `metrics` : see `town_measures`, of the blocks so far. `calls` : `Run.calls_summary` of the whole run.
        `whereabouts` : labels and colours. `glance` : for each resident its name, home, occupation, present activity,
        and whereabouts after each block of the day (of the last one that has begun). `first_block` : first block of
        that day. `facts` : residents that know each fact, with names, sources and times. `density` : of acquaintances.
        `talks` : the latest, with their lines. `adoptions` : items adopted by first source.

    Raises
    ------
    SimulationError
        The run is of another world, or has no such step.
    """
    config = stored_config(run, NAME, TownConfig)
    if not 0 <= step <= run.n_steps:
        raise SimulationError(f"run {run.run_id} has no step {step}: choose one from 0 to {run.n_steps}")
    states = States(run)
    state, start = states.at(step), states.at(0)
    assert isinstance(state, TownState) and isinstance(start, TownState)  # noqa: S101  # of this world
    first = max(0, step - 1) // _BLOCKS_PER_DAY * _BLOCKS_PER_DAY + 1
    is_end = run.finished and step == run.n_steps
    steps = (run.events(each) for each in range(1, step + 1))
    return {
        "run": run.summary().model_dump(),
        "manifest": run.manifest.model_dump(mode="json", exclude={"kinds"}),
        "config": config.model_dump(mode="json"),
        "step": step,
        "time": step * BLOCK_SECONDS,
        "now": state.now(state.tick).isoformat(),
        "finished": is_end,
        "town": start.setting.map.name,
        "metrics": run.metrics if is_end else town_measures(steps, start.setting, config.rules()),
        "calls": run.calls_summary(),
        "whereabouts": [[label, color] for label, color in WHEREABOUTS.values()],
        "glance": _glance(run, start, state, first, step),
        "first_block": first,
        "facts": [_fact(state, fact) for fact in facts_on_their_way(state)],
        "density": round(density(state), 4),
        "talks": _talks(run, state, step),
        "adoptions": _adoptions(state),
    }


def _glance(run: Run, start: TownState, end: TownState, first: int, step: int) -> list[dict[str, Any]]:
    agents = range(min(len(end.lives), MOST_RESIDENTS))
    strips: list[list[int]] = [[] for _ in agents]
    movements = Movements(start.copy())
    for block in range(1, step + 1):
        movements.add(run.events(block))
        if block >= first:
            for agent in agents:
                strips[agent].append(whereabouts(movements.state, agent))
    places = end.setting.map.places
    return [
        {
            "id": agent,
            "name": end.residents[agent].name,
            "home": places[end.residents[agent].home].name,
            "occupation": end.residents[agent].occupation,
            "activity": end.lives[agent].action.text,
            "strip": strips[agent],
        }
        for agent in agents
    ]


def _fact(state: TownState, fact: dict[str, Any]) -> dict[str, Any]:
    rows = sorted(fact["known"], key=lambda row: (row[2], row[0]))
    known = [
        {
            "id": agent,
            "name": state.residents[agent].name,
            "source": source,
            "from": state.residents[source].name if source >= 0 else None,
            "now": state.now(tick).isoformat(),
            "trust": trust,
        }
        for agent, source, tick, trust in rows
    ]
    return {**fact, "known": known, "tree": _tree(known)}


def _tree(known: list[dict[str, Any]]) -> list[list[int]]:
    """Places in `known` in the order of the tree, each with its depth: residents stand below the one that told them."""
    below: dict[int, list[int]] = {}
    present = {row["id"] for row in known}
    for place, row in enumerate(known):
        below.setdefault(row["source"] if row["source"] in present else -1, []).append(place)
    found: list[list[int]] = []
    waiting = [(place, 0) for place in reversed(below.get(-1, []))]
    while waiting:
        place, depth = waiting.pop()
        found.append([place, depth])
        waiting += [(each, depth + 1) for each in reversed(below.pop(known[place]["id"], []))]
    return found


def _talks(run: Run, state: TownState, step: int) -> list[dict[str, Any]]:
    rows = run.newest_events(range(1, step + 1), MOST_TALKS, kinds=["talked"]) if step else None
    if rows is None or rows.is_empty():
        return []
    blocks = range(rows["step"].to_numpy().min(), step + 1)
    said = run.events(blocks, "said")
    return [_talk(state, row, said) for row in rows.sort("time", "agent", descending=True).iter_rows(named=True)]


def _talk(state: TownState, row: dict[str, Any], said: pl.DataFrame) -> dict[str, Any]:
    pair = [row["agent"], row["other"]]
    lines = said.filter(
        (pl.col("time") == row["time"]) & pl.col("agent").is_in(pair) & pl.col("other").is_in(pair)
    ).sort("slot")
    return {
        "now": state.now(row["time"] // state.rules.seconds_per_tick).isoformat(),
        "names": [state.residents[agent].name for agent in pair],
        "minutes": row["value"],
        "summary": row["text"],
        "lines": [[state.residents[agent].name, text] for agent, text in lines.select("agent", "text").iter_rows()],
    }


def _adoptions(state: TownState) -> dict[str, int]:
    counts = dict.fromkeys(SOURCES.values(), 0)
    for life in state.lives:
        for adoption in life.adopted.values():
            counts[SOURCES[Source(adoption.source)]] += 1
    return counts
