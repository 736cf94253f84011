"""Readers of runs for pages: pieces that all share, and the reader of worlds without one of their own.

    watch = watch_of(run)
    for rows in run.iter_steps():
        frame = watch.add(rows)
    watch.log(3, agent=7)

A world's watch extends `EventWatch` by its figures, activities, panels and words. Panels are kept when their step is
added; events of an agent and log lines are read from the run.

Shapes: A agents.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.events import EventKinds
from recgpt.simulate.store import Run, Subject
from recgpt.simulate.watch import (
    About,
    ActivityKind,
    AgentCard,
    Figure,
    Found,
    Frame,
    LogLine,
    Mark,
    Moment,
    Panel,
    ProfileEntry,
    Watch,
)
from recgpt.simulate.world import State, States, world_of

FRAME_LINES = 100
"""Log lines of a frame at most."""
MAX_ACTIVITIES = 20_000
"""Agents up to which a frame holds the activity of each."""
ROWS_OF_CARD = 200
"""Rows of a table of an agent at most, the latest."""
MAX_DIGITS = 6

GREY, BLUE, GREEN, ORANGE, PURPLE, RED = "#8a8f98", "#2f7ed8", "#2a9d5c", "#d9822b", "#8e5cc4", "#cf4444"
"""Colours of activities, told apart on white and on black, also with deuteranopia."""

IDLE, ACTIVE = range(2)
_ACTIVITIES: list[ActivityKind] = [
    {"name": "idle", "label": "idle", "color": GREY},
    {"name": "active", "label": "acting", "color": BLUE},
]

Words = Callable[[dict[str, Any]], str]
"""Text of a log line, from a row of the log as a dictionary."""


def watch_of(run: Run) -> Watch:
    """Watch of a run: that of its world, or `EventWatch` for a world without one.

    Raises
    ------
    SimulationError
        This version of recgpt has no such world.
    """
    make = world_of(run.manifest.world).watch
    return EventWatch(run) if make is None else make(run)


# --- pieces ---


class RecentStates:
    """States of a run at any step; the last few are kept and shared, so read them only.

    Parameters
    ----------
    size
        Number of states kept.
    """

    def __init__(self, run: Run, size: int = 8) -> None:
        self._states, self._size = States(run), size
        self._kept: OrderedDict[int, State] = OrderedDict()

    def at(self, step: int) -> State:
        """State after a step; 0: before the first.

        Raises
        ------
        SimulationError
            The run has no such step.
        """
        found = self._kept.pop(step, None) or self._states.at(step)
        self._kept[step] = found
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return found


class Names:
    """Names of agents by number, and the search among them.

    Parameters
    ----------
    names
        Name of each agent; agents beyond are called `agent` and their number.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = names

    def of(self, agent: int) -> str:
        """Name of an agent; empty for -1, the run itself."""
        if agent < 0:
            return ""
        return self._names[agent] if agent < len(self._names) else f"agent {agent}"

    def containing(self, text: str) -> list[int]:
        """Named agents whose name contains a text, in any case; an agent without a name by `agent` and its number."""
        wanted = text.casefold()
        number = wanted.removeprefix("agent ").strip()
        unnamed = [int(number)] if number.isdecimal() and wanted.startswith("agent ") else []
        return [agent for agent, name in enumerate(self._names) if wanted in name.casefold()] or unnamed

    def find(self, query: str, limit: int, n_agents: int) -> list[Found]:
        """Agents whose number begins with the query, or whose name contains it, by number."""
        wanted, found = query.strip().casefold(), list[Found]()
        for agent in range(n_agents):
            name = self.of(agent)
            if str(agent).startswith(wanted) or wanted in name.casefold():
                found.append(Found(id=agent, name=name))
                if len(found) == limit:
                    break
        return found


class Book(Protocol):
    """Log lines of a run, as a watch shows them; a world may have a book of its own."""

    def of_step(self, rows: pl.DataFrame) -> tuple[list[LogLine], int]:
        """The first lines of a step, and their number in all."""
        ...

    def latest(
        self, step: int, *, agent: int | None, kind: str | None, text: str, limit: int, since: int
    ) -> list[LogLine]:
        """Latest lines from step `since` up to a step that match, newest first."""
        ...


class LogLines:
    """Log lines of a run.

    Parameters
    ----------
    words
        Text of a line.
    titles
        Titles of the items, for the search.
    quiet
        Kinds of events left out unless a filter names them.
    """

    def __init__(
        self, run: Run, words: Words, names: Names, *, titles: Sequence[str] = (), quiet: Sequence[str] = ()
    ) -> None:
        self._run, self._words, self._names, self._titles = run, words, names, titles
        self.kinds = list(run.manifest.kinds)
        self._loud = [kind for kind in self.kinds if kind not in quiet]

    def of_step(self, rows: pl.DataFrame) -> tuple[list[LogLine], int]:
        """The first `FRAME_LINES` lines of a step, and their number in all."""
        loud = rows.filter(pl.col("kind").is_in(self._loud))
        return [self._line(row) for row in loud.head(FRAME_LINES).iter_rows(named=True)], len(loud)

    def latest(
        self,
        step: int,
        *,
        agent: int | None = None,
        kind: str | None = None,
        text: str = "",
        limit: int = 200,
        since: int = 1,
    ) -> list[LogLine]:
        """Latest lines up to a step that match, newest first.

        Parameters
        ----------
        text
            Part of an event's text, of the title of its item, or of the name of an agent of it.
        since
            First step that is searched.
        """
        kinds = self._loud if kind is None else [kind]
        about = self._subject(text.strip()) if text.strip() else None
        rows = self._run.newest_events(range(since, step + 1), limit, agent=agent, kinds=kinds, about=about)
        return [self._line(row) for row in rows.iter_rows(named=True)]

    def _subject(self, text: str) -> Subject:
        folded = text.casefold()
        items = [item for item, title in enumerate(self._titles) if folded in title.casefold()]
        return Subject(text, items, self._names.containing(text))

    def text(self, row: dict[str, Any]) -> str:
        """Text of one line."""
        return self._words(row)

    def _line(self, row: dict[str, Any]) -> LogLine:
        return LogLine(
            step=row["step"],
            agent=row["agent"],
            seq=row["seq"],
            name=self._names.of(row["agent"]),
            kind=row["kind"],
            text=self._words(row),
        )


class CallCounts:
    """Calls of a language model and their cost, by the step that was played; steps are read in order.

    Values are None for a run of an earlier version, which did not store the steps of calls.
    """

    def __init__(self, run: Run) -> None:
        self._run, self._last = run, 0
        self._totals: dict[str, float] = {"calls": 0, "failed_calls": 0, "tokens": 0, "cost_usd": 0.0}
        self._later: list[dict[str, Any]] = []

    def up_to(self, step: int) -> dict[str, float | None]:
        """`calls`, of them `failed_calls`, `tokens` and `cost_usd` up to a step."""
        new = self._run.calls_after(self._last)
        if new is None:
            return dict.fromkeys(self._totals)
        calls = [*self._later, *new.iter_rows(named=True)]
        self._last = new["id"].to_list()[-1] if len(new) else self._last
        self._later = [call for call in calls if call["step"] is not None and call["step"] > step]
        for call in calls:
            if call["step"] is not None and call["step"] <= step:
                for name, column in _OF_CALLS.items():
                    self._totals[name] += call[column] if column else 1
        return {name: finite(total) for name, total in self._totals.items()}


_OF_CALLS = {"calls": "", "failed_calls": "failed", "tokens": "tokens", "cost_usd": "cost_usd"}
CALL_FIGURES: list[Figure] = [
    Figure(name="calls", label="calls", chart="calls", help="calls of the language model so far"),
    Figure(name="cost_usd", label="cost, USD", chart="cost", help="cost of the calls so far"),
]
"""Figures of worlds whose minds may be a language model."""


def calls_panel(counts: Mapping[str, float | None]) -> Panel:
    """Panel of `CallCounts.up_to`."""
    labels = {"calls": "calls", "failed_calls": "failed", "tokens": "tokens", "cost_usd": "cost, USD"}
    return figures_panel("calls", "Language model", {label: counts[name] for name, label in labels.items()})


def finite(value: float | None, digits: int = MAX_DIGITS) -> float | None:
    """A figure as JSON takes it: rounded; None for NaN and infinity."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def share(part: float, whole: float) -> float | None:
    """`part / whole`; None for a whole of 0."""
    return finite(part / whole) if whole else None


def clock_text(seconds: int) -> str:
    """Simulated time for reading, `day 2, 03:00`."""
    days, rest = divmod(int(seconds), 86_400)
    return f"day {days + 1}, {rest // 3600:02}:{rest % 3600 // 60:02}"


def figures_panel(tab: str, title: str, rows: Mapping[str, str | float | None], help: str = "") -> Panel:
    """Panel of figures by label."""
    listed: list[list[str | int | float | None]] = [[label, value] for label, value in rows.items()]
    return _with_help(Panel(tab=tab, title=title, kind="figures", columns=["figure", "value"], rows=listed), help)


def table_panel(
    tab: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[str | int | float | None]], help: str = ""
) -> Panel:
    """Panel of a table."""
    listed = [list(row) for row in rows]
    return _with_help(Panel(tab=tab, title=title, kind="table", columns=list(columns), rows=listed), help)


def _with_help(panel: Panel, text: str) -> Panel:
    return {**panel, "help": text} if text else panel


def generic_words(kinds: EventKinds) -> Words:
    """Words of a log line from the columns that its kind declares."""

    def words(row: dict[str, Any]) -> str:
        declared = [column for column in kinds[row["kind"]].columns if row[column] is not None]
        parts = [f"{name} {_short(row[name])}" for name in declared if name != "text"]
        said = [row["text"]] if "text" in declared else []
        return "; ".join([", ".join(parts), *said] if parts else said)

    return words


def _short(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- the watch ---


class EventWatch:
    """Watch of any world, from its events alone; see `Watch` for the methods.

    Figures are the numbers of events by kind, an agent acts in a step in which it has an event. A world's own watch
    gives names and words, and overrides `figures`, `activities`, `values`, `activity`, `marks`, `panels` and `agent`.
    A subclass counts the events of a step in `count`, which is called first.

    Parameters
    ----------
    names
        Names of the agents.
    words
        Text of log lines.
    titles
        Titles of the items.
    quiet
        Kinds of events whose lines are shown only where a filter names them.
    n_agents
        Number of agents; by default that of the configuration, else the agents met so far.
    """

    figures: Sequence[Figure] = ()
    activities: Sequence[ActivityKind] = _ACTIVITIES
    people = "agents"

    def __init__(
        self,
        run: Run,
        *,
        names: Sequence[str] = (),
        words: Words | None = None,
        titles: Sequence[str] = (),
        quiet: Sequence[str] = (),
        n_agents: int | None = None,
    ) -> None:
        self.run, self.spec = run, world_of(run.manifest.world)
        self.kinds = EventKinds.from_dict(run.manifest.kinds)
        self.names = Names(names)
        self.n_items = len(titles)
        self.lines = LogLines(run, words or generic_words(self.kinds), self.names, titles=titles, quiet=quiet)
        self.book: Book = self.lines
        self.n_agents = n_agents or run.manifest.config.get("agents") or 0
        self.step, self.time = 0, 0
        self._moments: list[Moment] = []
        self._activity_A = np.zeros(self.n_agents, dtype=np.int64)
        self._count_by_kind = dict.fromkeys(self.kinds, 0)
        self.figures = self.figures or [
            Figure(name=kind, label=kind, chart="events", help=self.kinds[kind].meaning) for kind in self.kinds
        ]

    # --- for worlds to override ---

    def count(self, rows: pl.DataFrame) -> None:
        """Count the events of the next step."""
        for kind, count in _counts(rows).items():
            self._count_by_kind[kind] += count

    def values(self, rows: pl.DataFrame) -> dict[str, float | None]:
        """Figures of the step counted last; before the first, `rows` is empty."""
        counts = _counts(rows)
        return {figure["name"]: counts.get(figure["name"], 0) for figure in self.figures}

    def activity(self, rows: pl.DataFrame) -> np.ndarray:
        """(A,) integers, the activity of each agent in the step counted last."""
        activity_A = np.full(self.n_agents, IDLE)
        agents = rows["agent"].to_numpy()
        activity_A[agents[agents >= 0]] = ACTIVE
        return activity_A

    def marks(self, rows: pl.DataFrame) -> list[Mark]:  # for worlds that have them
        """Marks of the step counted last on the time line."""
        return []

    def panels(self, rows: pl.DataFrame) -> list[Panel]:  # for worlds that need it
        """Panels after the step counted last."""
        return [table_panel("events", "Events so far", ["kind", "events"], list(self._count_by_kind.items()))]

    def log_of(self, rows: pl.DataFrame) -> tuple[list[LogLine], int]:
        """Up to `FRAME_LINES` log lines of the step counted last, and the number of all."""
        return self.book.of_step(rows)

    # --- Watch ---

    def about(self) -> About:
        """Constants of the run."""
        manifest, config = self.run.manifest, self.run.manifest.config
        return About(
            run=self.run.run_id,
            world=manifest.world,
            step_name=self.spec.step_name,
            people=self.people,
            seed=manifest.seed,
            n_agents=self.n_agents,
            n_items=self.n_items,
            n_steps=max(self.run.n_steps, self.max_steps(config)),
            figures=list(self.figures),
            activities=list(self.activities),
            kinds=list(self.kinds),
            has_graph=False,
            can=[],
        )

    def max_steps(self, config: dict[str, Any]) -> int:  # for worlds that know it
        """Largest possible number of steps; 0 if only the run's end will tell."""
        return 0

    def start(self) -> Frame:
        """Frame of step 0, before the first step."""
        return self._frame(self.run.events(0))

    def add(self, rows: pl.DataFrame) -> Frame:
        """Frame of the next step, from its events."""
        if not self._moments:
            self.start()
        self.step += 1
        self.time = max(self.spec.clock.at(self.step) if rows.is_empty() else int(rows["time"].to_numpy().max()), 0)
        self._grow(rows)
        self.count(rows)
        return self._frame(rows)

    def _grow(self, rows: pl.DataFrame) -> None:
        """Know the agents that were met first in this step, in worlds whose configuration has no number of them."""
        if not rows.is_empty():
            self.n_agents = max(self.n_agents, int(rows["agent"].to_numpy().max()) + 1)

    def _frame(self, rows: pl.DataFrame) -> Frame:
        now = self.now()
        moment = Moment(step=self.step, time=self.time, now=now, panels=self.panels(rows))
        self._moments[self.step :] = [moment]
        self._activity_A = self.activity(rows)
        numbers = np.bincount(self._activity_A, minlength=len(self.activities)).tolist()
        log, n_log = self.log_of(rows)
        return Frame(
            step=self.step,
            time=self.time,
            now=now,
            values=self.values(rows),
            activity=self._activity_A.tolist() if self.n_agents <= MAX_ACTIVITIES else None,
            counts={kind["name"]: n for kind, n in zip(self.activities, numbers, strict=True)},
            log=log,
            n_log=n_log,
            marks=self.marks(rows),
        )

    def now(self) -> str:
        """Simulated time after the step counted last, for reading."""
        return clock_text(self.time)

    def moment(self, step: int) -> Moment:
        """Panels after a step, which was added.

        Raises
        ------
        SimulationError
            No such step was added.
        """
        self.check_step(step)
        return self._moments[step]

    def graph(self, step: int, ego: int | None = None) -> dict[str, Any] | None:  # no graph
        """No graph."""
        return None

    def find(self, query: str, limit: int) -> list[Found]:
        """Agents whose name or number matches, by number."""
        return self.names.find(query, limit, self.n_agents)

    def agent(self, step: int, agent: int) -> AgentCard:
        """Card of an agent after a step, with its events.

        Raises
        ------
        SimulationError
            The run has no such agent, or no such step was added.
        """
        events = self.events_of(agent, step)
        rows = events.tail(ROWS_OF_CARD).reverse().iter_rows(named=True)
        lines = [[row["step"], row["kind"], self.lines.text(row)] for row in rows]
        acts = step > 0 and len(events) > 0 and events["step"].to_list()[-1] == step
        return self.card(
            step,
            agent,
            ACTIVE if acts else IDLE,
            profile=[ProfileEntry(name=None, label="number", value=agent)],
            panels=[table_panel("history", "Events, the latest first", ["step", "kind", "text"], lines)],
        )

    def log(
        self,
        step: int,
        *,
        agent: int | None = None,
        kind: str | None = None,
        text: str = "",
        limit: int = 200,
        since: int = 1,
    ) -> list[LogLine]:
        """Latest log lines from step `since` up to a step that match, newest first."""
        self.check_step(step)
        return self.book.latest(step, agent=agent, kind=kind, text=text, limit=limit, since=since)

    # --- for subclasses ---

    def check_step(self, step: int) -> None:
        """Raise SimulationError if the step was not added."""
        if not 0 <= step <= self.step or not self._moments:
            raise SimulationError(f"run {self.run.run_id} has no step {step}: choose one from 0 to {self.step}")

    def check_agent(self, agent: int) -> None:
        """Raise SimulationError if the run has no such agent."""
        if not 0 <= agent < self.n_agents:
            raise SimulationError(
                f"run {self.run.run_id} has no agent {agent}: its agents are 0 to {max(self.n_agents - 1, 0)}"
            )

    def events_of(self, agent: int, step: int) -> pl.DataFrame:
        """Events of an agent up to a step.

        Raises
        ------
        SimulationError
            The run has no such agent, or no such step was added.
        """
        self.check_step(step)
        self.check_agent(agent)
        return self.run.events_of(agent, range(1, step + 1))

    def card(
        self,
        step: int,
        agent: int,
        activity: int,
        *,
        profile: list[ProfileEntry],
        panels: list[Panel],
        text: str | None = None,
    ) -> AgentCard:
        """Card of an agent whose activity has no length."""
        label = self.activities[activity]["label"] if text is None else text
        return AgentCard(
            step=step,
            id=agent,
            name=self.names.of(agent),
            role="agent",
            event={"activity": activity, "text": label, "start": None, "end": None},
            profile=profile,
            panels=panels,
        )


def _counts(rows: pl.DataFrame) -> dict[str, int]:
    return {str(kind): int(n) for kind, n in rows.group_by("kind").len().iter_rows()}
