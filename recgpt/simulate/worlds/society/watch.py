"""Watch of a society: figures, activities and log of each round, and any past round with its agents, for pages.

watch = SocietyWatch(run)
for rows in run.iter_steps():
    frame = watch.add(rows)
watch.agent(3, 7)["panels"]
"""

from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.store import Run
from recgpt.simulate.watch import About, ActivityKind, AgentCard, AgentEvent, Figure, Mark, Moment, Panel
from recgpt.simulate.watching import (
    BLUE,
    CALL_FIGURES,
    GREEN,
    GREY,
    ORANGE,
    CallCounts,
    EventWatch,
    Names,
    calls_panel,
)
from recgpt.simulate.worlds.society import view_agents, view_graph, view_parts
from recgpt.simulate.worlds.society.activity import Busy
from recgpt.simulate.worlds.society.log_lines import LogBook
from recgpt.simulate.worlds.society.measures import SOURCES
from recgpt.simulate.worlds.society.messages import WATCHING
from recgpt.simulate.worlds.society.panels import agent_panels, details, profile_entries, round_panels
from recgpt.simulate.worlds.society.reader import Reader

HISTORY = 100
"""Lines of an agent's history."""
_COUNTED = ("acted", "recommender", "social", "watched", "chats", "posts", "likes", "failed")
_FIGURES = (
    ("acted", "active agents", "activity", "agents that acted"),
    ("recommender", "in the recommender", "activity", "agents that opened the recommender"),
    ("social", "with others", "activity", "agents that turned to friends and posts"),
    ("failed", "failed decisions", "activity", "decisions for which the mind gave nothing valid"),
    ("watched", "films watched", "events", ""),
    ("chats", "chats", "events", ""),
    ("posts", "posts", "events", ""),
    ("likes", "likes", "events", ""),
    ("entropy", "entropy of genres shown", "entropy", "bits, mean over agents"),
    ("coverage", "coverage", "catalogue", "share of the films that were shown so far"),
    ("shown_gini", "Gini, shown", "catalogue", "0: all films alike, 1: one film only; so far"),
    ("watched_gini", "Gini, watched", "catalogue", "0: all films alike, 1: one film only; so far"),
    ("stars", "satisfaction", "satisfaction", "mean stars, 1 to 5"),
    ("opinion", "mean opinion", "opinions", "-1 to 1, of all opinions formed so far"),
    ("spread", "spread of opinions", "opinions", "standard deviation"),
    ("polarisation", "polarisation", "opinions", "twice the smaller of the shares of strong opinions for and against"),
    ("density", "network density", "ties", "share of all possible friendships"),
    ("follows", "follows", "follows", "agents that follow others, so far"),
)
_ADOPTIONS = tuple(
    Figure(
        name=f"adopted_{name}",
        label="not heard of" if name == "none" else f"heard of: {name}",
        chart="adoptions",
        help="films watched, by where the agent first heard of them",
    )
    for name in SOURCES
)

_ACTIVITIES: list[ActivityKind] = [
    {"name": "idle", "label": "idle", "color": GREY},
    {"name": "watching", "label": "watching a film", "color": BLUE},
    {"name": "chatting", "label": "chatting", "color": ORANGE},
    {"name": "posting", "label": "posting", "color": GREEN},
]


class SocietyWatch(EventWatch):
    """Watch of the run of a society. See `recgpt.simulate.watch.Watch`.

    Raises
    ------
    SimulationError
        The run is of another world.
    """

    figures = [Figure(name=name, label=label, chart=chart, help=help) for name, label, chart, help in _FIGURES] + list(
        _ADOPTIONS
    )
    activities = _ACTIVITIES

    def __init__(self, run: Run) -> None:
        self.reader = reader = Reader(run)
        people = reader.setting.people
        super().__init__(run, names=people.name, n_agents=len(people))
        self.book = LogBook(reader)
        self._call_counts = CallCounts(run)
        self._calls: list[dict[str, float | None]] = []
        self._has_calls = reader.config.mind == "llm"
        self.figures = [*self.figures, *(CALL_FIGURES if self._has_calls else [])]
        self.people, self.n_items = people.made_from, len(reader.titles)

    def about(self) -> About:
        """Constants of the run."""
        can: list[Any] = ["interview"] if self.reader.config.mind in ("scripted", "llm") else []
        kinds = [*self.kinds, WATCHING]
        return {**super().about(), "kinds": kinds, "has_graph": True, "can": [*can, "take_over", "edit"]}

    def max_steps(self, config: dict[str, Any]) -> int:
        """Rounds in all."""
        return self.reader.config.rounds

    # --- a step ---

    def count(self, rows: pl.DataFrame) -> None:
        """Read the next round."""
        self.reader.add(rows)
        self.time = view_parts.clock(self.reader, self.step)[0]
        if self.reader.names[-1][0] == self.step:
            self.names = Names(self.reader.names[-1][1].to_list())

    def now(self) -> str:
        """Date and time of the round."""
        return view_parts.clock(self.reader, self.step)[1]

    def values(self, rows: pl.DataFrame) -> dict[str, float | None]:
        """Figures of the round."""
        found = self.reader.rounds.get(self.step)
        self._calls[self.step :] = [self._call_counts.up_to(self.step) if self._has_calls else {}]
        of_calls = {figure["name"]: self._calls[-1][figure["name"]] for figure in CALL_FIGURES if self._has_calls}
        if found is None:
            return {figure["name"]: 0 if _is_count(figure["name"]) else None for figure in self.figures} | of_calls
        adopted = {f"adopted_{name}": found["adopted"][name] for name in SOURCES}
        return {name: found[name] for name, *_ in _FIGURES} | adopted | of_calls

    def activity(self, rows: pl.DataFrame) -> np.ndarray:
        """(A,) int8 of `Busy` in the round."""
        return self.reader.doing(self.step).kind_A

    def marks(self, rows: pl.DataFrame) -> list[Mark]:
        """Entries of the schedule that begin in this round."""
        took = self.reader.took_effect
        before = {slot for step, slot in took if step == self.step - 1}
        schedule = self.reader.config.schedule
        slots = [slot for step, slot in took if step == self.step and slot not in before]
        return [
            Mark(step=self.step, label=_label(schedule[slot].model_dump(mode="json"), self.reader.titles))
            for slot in slots
        ]

    def panels(self, rows: pl.DataFrame) -> list[Panel]:
        """None: `moment` makes them when they are wanted."""
        return []

    # --- any step ---

    def moment(self, step: int) -> Moment:
        """Panels after a round.

        Raises
        ------
        SimulationError
            No such step was added.
        """
        self.check_step(step)
        time, now = view_parts.clock(self.reader, step)
        panels = round_panels(self.reader, step)
        panels += [calls_panel(self._calls[step])] if self._has_calls else []
        return Moment(step=step, time=time, now=now, panels=panels)

    def graph(self, step: int, ego: int | None = None) -> dict[str, Any] | None:
        """Social graph after a round, or of one agent and its friends.

        Raises
        ------
        SimulationError
            The run has no agent `ego`, or no such step was added.
        """
        self.check_step(step)
        if ego is None:
            return view_graph.graph(self.reader, step)
        self.check_agent(ego)
        return view_graph.ego(self.reader, step, ego)

    def agent(self, step: int, agent: int) -> AgentCard:
        """Card of an agent after a round.

        Raises
        ------
        SimulationError
            The run has no such agent, or no such step was added.
        """
        self.check_agent(agent)
        lines = self.log(step, agent=agent, limit=HISTORY)
        history = [[line["step"], line["kind"], line["text"]] for line in lines]
        state = self.reader.at(step)
        return AgentCard(
            step=step,
            id=agent,
            name=state.people.name[agent],
            role="user" if self._is_played(step + 1, agent) else "agent",
            event=self._event(step, agent),
            profile=profile_entries(self.reader, step, agent),
            panels=agent_panels(self.reader, step, agent, history),
        )

    def _is_played(self, step: int, agent: int) -> bool:
        """Whether a person decides for the agent in a round, or in the last one if that is earlier."""
        config = self.reader.config
        step = min(step, config.rounds)
        return any(
            entry.kind == "person" and entry.agent == agent and entry.round <= step <= (entry.until or config.rounds)
            for entry in config.schedule
        )

    def _event(self, step: int, agent: int) -> AgentEvent:
        found, people = view_agents.event(self.reader, step, agent), self.reader.at(step).people
        kind = Busy[found["type"].upper()]
        if kind == Busy.CHATTING:
            targets = ", ".join(people.label(other) for other in found["targets"])
        else:
            targets = ", ".join(self.reader.titles[item] for item in found["targets"])
        text = f"{_DOING[kind]} {targets}" if targets else _ALONE[kind]
        return AgentEvent(activity=int(kind), text=text, start=found["start"], end=found["end"])


_DOING = {Busy.WATCHING: "watching", Busy.CHATTING: "chatting with", Busy.POSTING: "posting about"}
_ALONE = {Busy.IDLE: "idle", Busy.WATCHING: "watching", Busy.CHATTING: "chatting", Busy.POSTING: "posting"}


def _is_count(figure: str) -> bool:
    return figure in _COUNTED or figure.startswith("adopted_")


def _label(entry: dict[str, Any], titles: pl.Series) -> str:
    """Kind and details of an entry of the schedule."""
    found = details(entry, titles)
    return f"{entry['kind']}: {found}" if found else entry["kind"]
