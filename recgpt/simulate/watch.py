"""What a page shows of a run: frames step by step, and any past moment, as plain JSON.

    watch = world_of("society").watch(run)
    for rows in run.iter_steps():
        frame = watch.add(rows)                # figures, activities and log lines of the step
    watch.moment(3)                            # panels as they were after step 3
    watch.agent(3, agent=7)                    # card of one agent at that time

Live and replayed, a page calls the same functions in the same order, so that both show the same. Texts of items and
agents are unescaped, as in the log: escape them in HTML.
"""

from typing import Any, Literal, NotRequired, Protocol, TypedDict

import polars as pl


class Figure(TypedDict):
    """A figure of every step, drawn as a line over steps; figures of one `chart` share its axes."""

    name: str
    label: str
    chart: str
    help: str


class ActivityKind(TypedDict):
    """An activity of agents, with the colour of its nodes in graphs."""

    name: str
    label: str
    color: str


class About(TypedDict):
    """Constants of a run.

    `n_steps` is the largest possible number of steps. `kinds` are the kinds of log lines. `can` lists what a page may
    offer for agents: `interview`, `take_over`, `edit`.
    """

    run: str
    world: str
    step_name: str
    people: str
    seed: int
    n_agents: int
    n_items: int
    n_steps: int
    figures: list[Figure]
    activities: list[ActivityKind]
    kinds: list[str]
    has_graph: bool
    has_map: NotRequired[bool]
    can: list[Literal["interview", "take_over", "edit"]]


class LogLine(TypedDict):
    """One line of the log: agent -1 is the run itself; `seq` numbers the lines of an agent in a step."""

    step: int
    agent: int
    seq: int
    name: str
    kind: str
    text: str


class Mark(TypedDict):
    """A moment worth finding on the time line, such as an intervention."""

    step: int
    label: str


class Frame(TypedDict):
    """A step: `values` by figure; `activity` by agent, an index of `About.activities`, None above 20,000 agents."""

    step: int
    time: int
    now: str
    values: dict[str, float | None]
    activity: list[int] | None
    counts: dict[str, int]
    log: list[LogLine]
    n_log: int
    marks: list[Mark]


class Panel(TypedDict):
    """A table, or with kind `figures` rows of label and value; `tab` groups panels on the page."""

    tab: str
    title: str
    kind: Literal["figures", "table"]
    columns: list[str]
    rows: list[list[str | int | float | None]]
    help: NotRequired[str]


class Moment(TypedDict):
    """Panels of a run as they were after a step; 0: before the first."""

    step: int
    time: int
    now: str
    panels: list[Panel]


class ProfileEntry(TypedDict):
    """Entry of a profile; `name` is the key by which it is edited, None where it cannot be."""

    name: str | None
    label: str
    value: str | int | float | None


class AgentEvent(TypedDict):
    """Activity of an agent: index of `About.activities`, text, simulated seconds of its start and end."""

    activity: int
    text: str
    start: int | None
    end: int | None


class AgentCard(TypedDict):
    """An agent as it was after a step; `role` is agent or, where a person decides for it in the next step, user."""

    step: int
    id: int
    name: str
    role: Literal["agent", "user"]
    event: AgentEvent
    profile: list[ProfileEntry]
    panels: list[Panel]


class Found(TypedDict):
    """An agent found by a search."""

    id: int
    name: str


class Watch(Protocol):
    """Reader of one run for a page: `add` is called once for each step in order, the others for steps added."""

    def about(self) -> About:
        """Constants of the run."""
        ...

    def start(self) -> Frame:
        """Frame of step 0, before the first step."""
        ...

    def add(self, rows: pl.DataFrame) -> Frame:
        """Frame of the next step, from its events."""
        ...

    def moment(self, step: int) -> Moment:
        """Panels after a step."""
        ...

    def graph(self, step: int, ego: int | None = None) -> dict[str, Any] | None:
        """Social graph after a step: nodes, links, clusters, cluster_links, rule; None without one.

        With `ego` the nodes are that agent and its friends, for agents left out of a large graph.

        Raises
        ------
        SimulationError
            The run has no agent `ego`.
        """
        ...

    def find(self, query: str, limit: int) -> list[Found]:
        """Agents whose name or number begins with or contains the query, by number."""
        ...

    def agent(self, step: int, agent: int) -> AgentCard:
        """Card of an agent after a step.

        Raises
        ------
        SimulationError
            The run has no such agent.
        """
        ...

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
        """Latest log lines up to a step that match, newest first.

        Parameters
        ----------
        since
            First step that is searched.
        """
        ...
