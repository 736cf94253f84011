"""Watch of a town for pages: figures and log of each block, movements for the map, and any moment with its residents.

watch = TownWatch(run)
for rows in run.iter_steps():
    frame = watch.add(rows)
watch.block(49)                                  # movements of a block, gzipped JSON
watch.person(tick=3000, agent=4)
"""

import gzip
import json
from collections import OrderedDict
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.watch import About, ActivityKind, AgentCard, Figure, Mark, Moment, Panel, ProfileEntry
from recgpt.simulate.watching import (
    CALL_FIGURES,
    CallCounts,
    EventWatch,
    RecentStates,
    calls_panel,
    figures_panel,
    finite,
    table_panel,
)
from recgpt.simulate.worlds.town import residents_view
from recgpt.simulate.worlds.town.config import BLOCK_SECONDS, TownConfig
from recgpt.simulate.worlds.town.log_words import words_of
from recgpt.simulate.worlds.town.movements import Movements, drawn_map, stood
from recgpt.simulate.worlds.town.state import TownState
from recgpt.simulate.worlds.town.whereabouts import ASLEEP, WALKING, WHEREABOUTS, whereabouts

_MOST_IN_GRAPH = 1000
_KEPT_MOMENTS = 4  # states in the middle of a block
_COUNTED = {
    "talks": ("talked", "talks that began", "talks"),
    "lines": ("said", "lines said", "talks"),
    "reflections": ("thought", "conclusions of reflections and talks", "thoughts"),
    "told": ("told", "facts passed on", "news"),
    "invited": ("invited", "invitations", "news"),
    "mentioned": ("mentioned", "items recommended by word of mouth", "items"),
    "wished": ("wished", "items that residents came to want", "items"),
    "adopted": ("adopted", "items watched, bought or eaten", "items"),
    "turned_away": ("turned_away", "no seat or copy was left", "items"),
    "failed": ("failed", "decisions for which the language model gave nothing valid", "failures"),
}
_LABELS = {"told": "news passed on", "invited": "invitations", "mentioned": "recommended", "wished": "wanted"}
_ACTIVITIES = [ActivityKind(name=name, label=label, color=color) for name, (label, color) in WHEREABOUTS.items()]


class TownWatch(EventWatch):
    """Watch of the run of a town. See `recgpt.simulate.watch.Watch`.

    Raises
    ------
    SimulationError
        The run is of another world.
    """

    people = "residents"
    activities = _ACTIVITIES

    def __init__(self, run: Run) -> None:
        self._states = RecentStates(run, size=3)
        start = self._states.at(0)
        if not isinstance(start, TownState):
            raise SimulationError(f"run {run.run_id} is of the world {run.manifest.world!r}, not a town")
        self.config = TownConfig(**run.manifest.config)
        self._start, self._map = start, drawn_map(start)
        self._movements = Movements(start.copy())
        self._blocks: list[bytes] = []
        self._stood: list[tuple[np.ndarray, np.ndarray]] = []
        self._moments_within: OrderedDict[int, TownState] = OrderedDict()
        self._has_calls = self.config.mind == "llm"
        self._call_counts, self._calls = CallCounts(run), list[dict[str, float | None]]()
        title = residents_view.titles_of(start)
        n_items = 0 if start.setting.catalogue is None else len(start.setting.catalogue)
        self.figures = [
            Figure(name="awake", label="awake", chart="residents", help="residents awake at the end of the block"),
            Figure(name="walking", label="walking", chart="residents", help=""),
            *(
                Figure(name=name, label=_LABELS.get(name, name.replace("_", " ")), chart=chart, help=help)
                for name, (_, help, chart) in _COUNTED.items()
            ),
            *(CALL_FIGURES if self._has_calls else []),
        ]
        names = [resident.name for resident in start.residents]
        super().__init__(
            run,
            names=names,
            words=words_of(start),
            titles=[title(item) for item in range(n_items)],
            quiet=("planned", "perceived", "moved", "showed", "retrieved", "cited", "offered", "shown"),
            n_agents=len(names),
        )

    def about(self) -> About:
        """Constants of the run."""
        can: list[Any] = ["interview"] if self.config.mind in ("scripted", "llm") else []
        return {**super().about(), "has_graph": True, "has_map": True, "can": can}

    def max_steps(self, config: dict[str, Any]) -> int:
        """Blocks in all."""
        return self.config.n_blocks

    # --- a block ---

    def count(self, rows: pl.DataFrame) -> None:
        """Follow the movements of the next block."""
        self.time = self.step * BLOCK_SECONDS
        block = self._movements.add(rows)
        self._stood.append(stood(block, self._start.rules.ticks_per_block))
        self._blocks.append(_gzipped(block))

    def now(self) -> str:
        """Date and time at the end of the block."""
        return self._now(self.step)

    def _now(self, step: int) -> str:
        return self._start.now(step * self._start.rules.ticks_per_block).isoformat()

    def values(self, rows: pl.DataFrame) -> dict[str, float | None]:
        """Figures of the block."""
        counts = dict(rows["kind"].value_counts().iter_rows())
        where = self.activity(rows)
        self._calls[self.step :] = [self._call_counts.up_to(self.step) if self._has_calls else {}]
        of_calls = {figure["name"]: self._calls[-1][figure["name"]] for figure in CALL_FIGURES if self._has_calls}
        return {
            "awake": int((where != ASLEEP).sum()),
            "walking": int((where == WALKING).sum()),
            **{name: counts.get(kind, 0) for name, (kind, *_) in _COUNTED.items()},
            **of_calls,
        }

    def activity(self, rows: pl.DataFrame) -> np.ndarray:
        """(A,) index of the activity of each resident at the end of the block."""
        state = self._movements.state
        return np.array([whereabouts(state, agent) for agent in range(len(state.lives))], dtype=np.int64)

    def marks(self, rows: pl.DataFrame) -> list[Mark]:
        """Gatherings that begin, and entries of the schedule that take effect."""
        first, last = (self.step - 1) * BLOCK_SECONDS // 60, self.step * BLOCK_SECONDS // 60
        meets = [fact.text for fact in self._start.setting.people.facts if first <= fact.starts < last]
        edits = rows.filter(pl.col("kind").is_in(["edited", "happened"]))
        found = [Mark(step=self.step, label=text) for text in meets if self.step]
        return found + [Mark(step=self.step, label=self.lines.text(row)) for row in edits.iter_rows(named=True)]

    def panels(self, rows: pl.DataFrame) -> list[Panel]:
        """None: `moment` makes them when they are wanted."""
        return []

    # --- any block ---

    def moment(self, step: int) -> Moment:
        """Panels after a block.

        Raises
        ------
        SimulationError
            No such step was added.
        """
        self.check_step(step)
        state = self.state_at(step)
        knows = [[fact["text"], fact["kind"], len(fact["known"])] for fact in residents_view.facts_on_their_way(state)]
        adopted = sum(len(life.adopted) for life in state.lives)
        figures = {
            "residents": len(state.lives),
            "density of acquaintances": finite(residents_view.density(state), 4),
            "items adopted": adopted,
            "items wanted": sum(len(life.wishes) for life in state.lives),
        }
        panels = [
            figures_panel("town", "The town", figures),
            table_panel("town", "Who knows what", ["fact", "kind", "residents"], knows),
        ]
        panels += [calls_panel(self._calls[step])] if self._has_calls else []
        return Moment(step=step, time=step * BLOCK_SECONDS, now=self._now(step), panels=panels)

    def graph(self, step: int, ego: int | None = None) -> dict[str, Any]:
        """Acquaintances after a block, or of one resident.

        Raises
        ------
        SimulationError
            The run has no agent `ego`, or no such step was added.
        """
        self.check_step(step)
        state = self.state_at(step)
        shown = list(range(min(len(state.lives), _MOST_IN_GRAPH)))
        if ego is not None:
            self.check_agent(ego)
            shown = sorted({ego, *state.lives[ego].relations})
        kinds = list(WHEREABOUTS)
        names = [kinds[whereabouts(state, agent)] for agent in range(len(state.lives))]
        return residents_view.acquaintances(state, shown, names)

    def agent(self, step: int, agent: int) -> AgentCard:
        """Card of a resident after a block.

        Raises
        ------
        SimulationError
            The run has no such agent, or no such step was added.
        """
        self.check_step(step)
        self.check_agent(agent)
        tick = step * self._start.rules.ticks_per_block
        found = self._person(self.state_at(step), self._rows(step), max(tick - 1, 0), agent)
        relations = [
            [f"{each['name']} (#{each['agent']})", each["label"], each["affinity"]] for each in found["relations"]
        ]
        memories = [[each["kind"], each["text"], each["importance"]] for each in found["memories"]]
        action = self.state_at(step).lives[agent].action
        return AgentCard(
            step=step,
            id=agent,
            name=found["name"],
            role="agent",
            event={
                "activity": whereabouts(self.state_at(step), agent),
                "text": action.text,
                "start": None,
                "end": None,
            },
            profile=[ProfileEntry(name=None, label=label, value=value) for label, value in found["profile"] if value],
            panels=[
                table_panel("plan", "Plan of the day", ["at", "activity"], [_planned(each) for each in found["plan"]]),
                table_panel("relations", "Relations", ["resident", "label", "affinity"], relations),
                table_panel("memory", "Memories, the latest first", ["kind", "memory", "importance"], memories),
            ],
        )

    # --- any tick, for the map ---

    def town_map(self) -> dict[str, Any]:
        """The static map. See `movements.drawn_map`."""
        return self._map

    @cached_property
    def map_content(self) -> bytes:
        """The static map as gzipped JSON."""
        return _gzipped(self._map)

    def block_of(self, tick: int) -> int:
        """Block that a tick belongs to; the end of the log to its last block.

        Raises
        ------
        SimulationError
            The run has no such tick.
        """
        per_block, n_blocks = self._start.rules.ticks_per_block, self.run.n_steps
        if not 0 <= tick <= n_blocks * per_block:
            last = n_blocks * per_block
            raise SimulationError(f"run {self.run.run_id} has no tick {tick}: choose one from 0 to {last}")
        return min(tick // per_block + 1, n_blocks)

    def block(self, block: int) -> bytes:
        """Movements of a block as gzipped JSON. See `movements.BlockShown`.

        Raises
        ------
        SimulationError
            No such block was added.
        """
        if not 1 <= block <= self.step:
            raise SimulationError(f"run {self.run.run_id} has no block {block}: choose one from 1 to {self.step}")
        return self._blocks[block - 1]

    def person(self, tick: int, agent: int) -> dict[str, Any]:
        """A resident at a tick. See `residents_view.person`.

        Raises
        ------
        SimulationError
            The run has no such agent, or the tick was not added.
        """
        self.check_agent(agent)
        state, rows = self._within(tick)
        return self._person(state, rows, tick, agent)

    def facts(self, tick: int) -> dict[str, Any]:
        """Facts and the residents that know them at a tick, with the density of acquaintances.

        Raises
        ------
        SimulationError
            The tick was not added.
        """
        state, _ = self._within(tick)
        return {
            "tick": tick,
            "facts": residents_view.facts_on_their_way(state),
            "density": finite(residents_view.density(state), 4),
        }

    def heat(self, first: int, last: int) -> dict[str, Any]:
        """Tiles on which residents stood from one block to another, and how many ticks in all.

        Raises
        ------
        SimulationError
            There is no such block.
        """
        for block in (first, last):
            self.block(block)
        chosen = self._stood[first - 1 : last]
        size = self._map["width"] * self._map["height"]
        total = np.zeros(size, dtype=np.int64)
        for tiles, ticks in chosen:
            total[tiles] += ticks
        tiles = np.flatnonzero(total)
        counts = total[tiles].tolist()
        return {"first": first, "last": last, "tiles": tiles.tolist(), "counts": counts, "most": max(counts, default=0)}

    # --- states ---

    def state_at(self, step: int) -> TownState:
        """State after a block; shared, so read it only."""
        state = self._states.at(step)
        assert isinstance(state, TownState)  # noqa: S101  # of the world of this run
        return state

    def _rows(self, block: int) -> pl.DataFrame:
        return self.run.events(block) if block >= 1 else self.run.events(1).clear()

    def _within(self, tick: int) -> tuple[TownState, pl.DataFrame]:
        """State at a tick, and the events of its block up to it."""
        block = self.block_of(tick)
        self.block(block)
        rows = self.run.events(block)
        until = rows.filter(pl.col("time") <= tick * self._start.rules.seconds_per_tick)
        if tick not in self._moments_within:
            self._moments_within[tick] = self.state_at(block - 1).until(rows, tick + 1)
            if len(self._moments_within) > _KEPT_MOMENTS:
                self._moments_within.popitem(last=False)
        return self._moments_within[tick], until

    def _person(self, state: TownState, rows: pl.DataFrame, tick: int, agent: int) -> dict[str, Any]:
        own = rows.filter(pl.col("agent") == agent)
        found = residents_view.person(state, own, tick=tick, agent=agent)
        if found["read"] is None:  # of an earlier block
            step = min(tick // self._start.rules.ticks_per_block, self.step)
            reads = self.run.newest_events(range(1, step + 1), 1, agent=agent, kinds=["retrieved"])
            found["read"] = residents_view.last_read(reads)
        return found


def _gzipped(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=5, mtime=0)


def _planned(block: list[Any]) -> list[Any]:
    begins, _, text, *_ = block
    return [f"{begins // 60:02}:{begins % 60:02}", text]
