"""Reader of a run of a society: its events once, step by step, then any past moment without reading them again.

    reader = Reader(run)
    for rows in run.iter_steps():
        reader.add(rows)
    reader.at(3).people.label(7)               # the state after round 3

The view, the report and the page are made from it. States of past rounds come from snapshots.

Shapes: A agents, B busy agents.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.progress import track
from recgpt.simulate.agents.memory import Memory
from recgpt.simulate.events import by_kind
from recgpt.simulate.store import Run
from recgpt.simulate.world import States, stored_config
from recgpt.simulate.worlds.society.activity import Activity, Busy
from recgpt.simulate.worlds.society.config import NAME, SocietyConfig, SocietyRules
from recgpt.simulate.worlds.society.hearing import hearings
from recgpt.simulate.worlds.society.measures import Tally, top
from recgpt.simulate.worlds.society.messages import still_watching
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.ties import are_among

_KEPT_STATES = 8
_READING_MINDS = ("llm", "replay")  # whose decisions note the memories that they read
_SCORES = ("recency", "relevance", "importance", "score")
HEARD = pl.Schema(dict.fromkeys(("step", "agent", "item", "source", "other"), pl.Int32))
"""Columns of `Reader.heard`: round, who hears of the item, its `Source`, from whom (-1: the schedule)."""
_RATED = pl.Schema({"step": pl.Int64, "agent": pl.Int64, "item": pl.Int64, "value": pl.Float64})


@dataclass(frozen=True)
class Doing:
    """Activities of the busy agents in a round.

    Attributes
    ----------
    agent_B, kind_B, since_B, until_B
        (B,) ascending agents, their `Busy`, and simulated seconds of start and end.
    partners
        Ascending keys `agent * A + other` of agents that chat with each other, both ways.
    """

    n_agents: int
    agent_B: np.ndarray
    kind_B: np.ndarray
    since_B: np.ndarray
    until_B: np.ndarray
    partners: np.ndarray

    @classmethod
    def of(cls, activity: Activity) -> "Doing":
        """The activities of a state."""
        busy = np.flatnonzero(activity.kind_A != Busy.IDLE)
        columns = (activity.kind_A[busy], activity.since_A[busy], activity.until_A[busy])
        return cls(len(activity.kind_A), busy.astype(np.int32), *columns, activity.partners_P)

    @property
    def kind_A(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(A,) int8 of `Busy`."""
        kinds = np.zeros(self.n_agents, dtype=np.int8)
        kinds[self.agent_B] = self.kind_B
        return kinds

    def of_agent(self, agent: int) -> tuple[Busy, int | None, int | None]:
        """Activity of an agent, its start and its end; None where idle."""
        if not are_among(np.array([agent]), self.agent_B)[0]:
            return Busy.IDLE, None, None
        row = int(np.searchsorted(self.agent_B, agent))
        return Busy(int(self.kind_B[row])), int(self.since_B[row]), int(self.until_B[row])

    def partners_of(self, agent: int) -> list[int]:
        """Agents that one chats with."""
        first, last = np.searchsorted(self.partners, [agent * self.n_agents, (agent + 1) * self.n_agents])
        return [int(key % self.n_agents) for key in self.partners[first:last]]


class Reader:
    """A run read so far.

    Parameters
    ----------
    run
        Open for reading or writing.

    Attributes
    ----------
    config, setting
        Of the run.
    tally
        Figures of the rounds so far.
    n_steps
        Steps added so far.
    rounds
        Figures by round, see `Tally.add`; a round without events has none.
    tops
        By round, the items watched most, and talked of most, so far.
    took_effect, swaps
        Rounds and places in the schedule of its entries that took effect; rounds and names of other recommenders.
    answers
        By round and entry: `entry, round, n, failed`, `mean` and `spread` (standard deviation) of the values, and
        `options`, the number of answers by value.
    diaries
        By agent: `round, kind` (retrieved or thought), `text`, and `memories` with their text and scores.
    names
        Rounds in which an agent got another name, from 0, and the names of all agents from then on.

    Raises
    ------
    SimulationError
        The run is of another world.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.config = config_of(run)
        self._states = States(run)
        self._state = cast(SocietyState, self._states.at(0))
        self.setting = self._state.setting
        self.tally = Tally(self.setting, self.config.part(SocietyRules))
        # The tally follows ties, posts, opinions and profiles: the state reads them from there.
        self._state.social, self._state.profiles = self.tally.provenance.social, self.tally.provenance.profiles
        if self.config.mind not in _READING_MINDS:
            self._state.memory = None  # costs more than all the rest, and only cards show it: see `memory`
        self.n_steps = 0
        self.rounds: dict[int, dict[str, Any]] = {}
        self.tops: list[tuple[list[dict[str, int]], list[dict[str, int]]]] = [([], [])]
        self.took_effect: list[tuple[int, int]] = []
        self.swaps: list[tuple[int, str]] = []
        self.answers: list[dict[str, Any]] = []
        self.diaries: dict[int, list[dict[str, Any]]] = {}
        self.names = [(0, self._names())]
        self._named = self._state.people.name
        self._doing, self._watching = [Doing.of(self._state.activity)], [self._still_watching(0)]
        self._rated, self._heard = [pl.DataFrame(schema=_RATED)], [pl.DataFrame(schema=HEARD)]
        self._past: OrderedDict[int, SocietyState] = OrderedDict()

    @property
    def titles(self) -> pl.Series:
        """Titles of items."""
        return self.setting.facts.items["title"]

    # --- steps ---

    def add(self, rows: pl.DataFrame) -> None:
        """Read the next step."""
        step, state, of_kind = self.n_steps + 1, self._state, by_kind(rows)
        self._write_diaries(of_kind, step)
        self._doing.append(Doing.of(state.activity.during(of_kind, step)))
        self._watching.append(self._still_watching(step))
        heard = hearings(rows, state) if not len(rows) else None
        self.tally.add(rows, of_kind)
        state.apply_own(of_kind, rows, self.tally.provenance.heard if heard is None else heard)
        if len(rows):
            self.rounds[step] = self.tally.rounds[-1]
            named = self.tally.provenance.last_hearings().filter(pl.col("item") >= 0)
            self._heard.append(named.select(pl.col(name).cast(dtype) for name, dtype in HEARD.items()))
        self.tops.append((top(self.tally.watched_N), top(self.tally.talked_N)))
        self._note(of_kind, step)
        self.n_steps = step

    def _note(self, of_kind: dict[str, pl.DataFrame], step: int) -> None:
        if self._state.people.name is not self._named:
            self._named = self._state.people.name
            self.names.append((step, self._names()))
        if "intervened" in of_kind:
            self.took_effect += [(step, slot) for slot in of_kind["intervened"]["slot"].to_list()]
        if "swapped" in of_kind:
            self.swaps += [(step, name) for name in of_kind["swapped"]["text"].to_list()]
        if "rated" in of_kind:
            self._rated.append(of_kind["rated"].drop_nulls("value").select(_RATED.names()))
        for kind in ("answered", "interviewed"):
            if kind in of_kind:
                self.answers += [_answer(entry, step, part) for entry, part in _by_slot(of_kind[kind])]

    def _names(self) -> pl.Series:
        return pl.Series(self._state.people.name, dtype=pl.String)

    def _still_watching(self, step: int) -> pl.DataFrame:
        agents = np.flatnonzero(self._state.activity.kind_A == Busy.WATCHING)
        return still_watching(step, agents, self._state.viewing.watched_AB[agents, -1])

    def _write_diaries(self, of_kind: dict[str, pl.DataFrame], step: int) -> None:
        """Notes on memories read, which the state before the step still holds, and on conclusions."""
        memory = None if self._state.memory is None else self._state.memory.entries
        for kind in ("retrieved", "thought"):
            part = of_kind.get(kind)
            for agent, text in () if part is None else part.select("agent", "text").iter_rows():
                note = {"round": step, "kind": kind, "text": text, "memories": []}
                if kind == "retrieved":
                    note |= {"text": None, "memories": _read(memory, agent, text)}
                self.diaries.setdefault(agent, []).append(note)

    # --- past moments ---

    def at(self, step: int) -> SocietyState:
        """The state after a step that was added; not to be changed, and valid until the next one is added."""
        return self._state if step == self.n_steps else self._stored(step)

    def memory(self, step: int) -> Memory | None:
        """The memories of the agents after a step; None in a society without."""
        held = self.at(step).memory or (self._stored(step).memory if self.config.rules().memory != "none" else None)
        return None if held is None else held.entries

    def _stored(self, step: int) -> SocietyState:
        if step not in self._past:
            self._past[step] = cast(SocietyState, self._states.at(step))
            if len(self._past) > _KEPT_STATES:
                self._past.popitem(last=False)
        self._past.move_to_end(step)
        return self._past[step]

    def doing(self, step: int) -> Doing:
        """Activities in a step."""
        return self._doing[step]

    def watching(self, step: int) -> pl.DataFrame:
        """Rows of agents that a step finds still watching, see `messages.still_watching`."""
        return self._watching[step]

    def rated(self, step: int) -> pl.DataFrame:
        """Stars given up to a step: step, agent, item, value."""
        return pl.concat(self._rated).filter(pl.col("step") <= step)

    def heard(self, agents: Sequence[int], step: int) -> pl.DataFrame:
        """Hearings of items of some agents up to a step, in the order of time: columns of `HEARD`."""
        chosen = pl.col("agent").is_in(list(agents)) & (pl.col("step") <= step)
        return pl.concat([each.filter(chosen) for each in self._heard])

    def total(self, figure: str, step: int) -> int:
        """Sum of a figure over the rounds up to a step."""
        return sum(each[figure] for number, each in self.rounds.items() if number <= step)

    def recommender(self, step: int) -> str:
        """Name of the recommender in a step."""
        names = [name for number, name in self.swaps if number <= step]
        return names[-1] if names else self.config.recommender


def config_of(run: Run) -> SocietyConfig:
    """Configuration of the run of a society.

    Raises
    ------
    SimulationError
        The run is of another world.
    """
    return stored_config(run, NAME, SocietyConfig)


def read(run: Run, step: int) -> Reader:
    """Reader of a run with its steps up to `step`."""
    reader = Reader(run)
    for number in track(range(1, step + 1), f"reading run {run.run_id}", total=step):
        reader.add(run.events(number))
    return reader


def _read(memory: Memory | None, agent: int, text: str) -> list[dict[str, Any]]:
    """Texts and scores of the memories that an event `retrieved` names, the best first."""
    note = parse_json(text, "an event of the run")
    scores = [note.get(name) or [None] * len(note["ids"]) for name in _SCORES]
    found = []
    for number, *parts in zip(note["ids"], *scores, strict=True):
        words = None
        if memory is not None and len(slots := np.flatnonzero(memory.entries.id_AC[agent] == number)):
            words = memory.entry(agent, int(slots[0])).text
        found.append({"id": number, "text": words, **dict(zip(_SCORES, parts, strict=True))})
    return found


def _by_slot(rows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    return [(int(slot), part) for (slot,), part in rows.partition_by("slot", as_dict=True, maintain_order=True).items()]


def _answer(entry: int, step: int, part: pl.DataFrame) -> dict[str, Any]:
    values = part["value"].drop_nulls()
    counts = values.cast(pl.Int64).value_counts(sort=True, name="n").sort(values.name)
    return {
        "entry": entry,
        "round": step,
        "n": len(part),
        "failed": len(part) - len(values),
        "mean": values.mean(),
        "spread": values.std(ddof=0),
        "options": {str(option): n for option, n in counts.iter_rows()},
    }
