"""Mind that repeats the decisions of a recorded run, without the mind that made them."""

from collections.abc import Callable
from typing import Self

import numpy as np
import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.agents.memory import Memory
from recgpt.simulate.events import by_kind
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.minds.replay import recorded_events
from recgpt.simulate.worlds.feed.minds.base import Decisions, Interviews, Pages


class ReplayMind:
    """Repeats the decisions of a run; every page has to be equal to the recorded one.

    Parameters
    ----------
    events
        Events of all steps of the recorded run.
    """

    name = "replay"

    def __init__(self, events: pl.DataFrame) -> None:
        self._steps = {int(step): rows for (step,), rows in events.partition_by("step", as_dict=True).items()}

    @classmethod
    def from_options(cls, options: MindOptions) -> Self:
        """Mind that repeats the run in the options.

        Raises
        ------
        SimulationError
            They name no run.
        """
        return cls(recorded_events(options))

    def decide(self, pages: Pages, memory: Memory) -> Decisions:
        """The recorded decisions about these pages.

        Raises
        ------
        SimulationError
            An agent has another page than in the record, or none there.
        """
        of_kind = self._of_step(pages.step, pages.agent_A)
        self._check(of_kind("shown"), pages)
        shape = pages.items_AS.shape
        words: list[list[str | None]] = [[None] * shape[1] for _ in range(shape[0])]
        for row, slot, text in of_kind("felt").select("row", "slot", "text").iter_rows():
            words[row][slot] = text
        failed, satisfied, exited = of_kind("failed"), of_kind("satisfied"), of_kind("exited")
        return Decisions(
            aligned_AS=_cells(of_kind("aligned"), shape, True, False),
            watched_AS=_cells(of_kind("watched"), shape, True, False),
            rating_AS=_cells(of_kind("rated"), shape, "value", np.nan),
            feeling_AS=_cells(of_kind("felt"), shape, "value", np.nan),
            satisfied_A=_marked(satisfied.filter(pl.col("value") == 1), shape[0]),
            exit_A=_marked(exited.filter(pl.col("text").is_null()), shape[0]),  # the others saw all pages
            failed_A=_marked(failed, shape[0]),
            feeling_texts=words,
            reasons=_texts(pl.concat([satisfied, failed]), shape[0]),
            retrieved=_texts(of_kind("retrieved"), shape[0]),
            thoughts=_texts(of_kind("thought"), shape[0]),
        )

    def interview(self, pages: Pages, memory: Memory) -> Interviews:
        """The recorded interviews."""
        rows = self._of_step(pages.step, pages.agent_A)("interviewed")
        satisfaction_A = np.full(len(pages), np.nan, dtype=np.float32)
        satisfaction_A[rows["row"].to_numpy()] = rows["value"].fill_null(np.nan).to_numpy()
        return Interviews(satisfaction_A, _texts(rows, len(pages)))

    def estimate(self, n_agents: int, n_pages: int, page_size: int) -> None:
        """No calls. See `Mind`."""

    def _of_step(self, step: int, agent_A: np.ndarray) -> Callable[[str], pl.DataFrame]:
        """The record of these agents at a step by kind, with a column `row`: the agent's place in `agent_A`."""
        if step not in self._steps:
            raise SimulationError(f"the record ends before page {step}: ask for fewer pages")
        places = pl.DataFrame({"agent": agent_A, "row": np.arange(len(agent_A))})
        rows = self._steps[step].join(places, on="agent", how="inner", maintain_order="left")
        parts = by_kind(rows)
        return lambda kind: parts.get(kind, rows.clear())

    def _check(self, shown: pl.DataFrame, pages: Pages) -> None:
        in_page = shown.filter(pl.col("slot") < pages.items_AS.shape[1])
        differs_AS = _cells(in_page, pages.items_AS.shape, "item", -1) != pages.items_AS
        differs_A = differs_AS.any(axis=1)
        differs_A[shown.filter(pl.col("slot") >= pages.items_AS.shape[1])["row"].to_numpy()] = True
        if differs_A.any():
            agent = pages.agent_A[differs_A][0]
            raise SimulationError(
                f"agent {agent} has another page {pages.step} than in the record: replay with the same data set, "
                "recommender, seed and rules"
            )


def _cells(rows: pl.DataFrame, shape: tuple[int, ...], value: str | bool, elsewhere: float | bool) -> np.ndarray:
    """(A, S) the column `value`, or True, at the rows' slots."""
    cells_AS = np.full(shape, elsewhere)
    values = rows[value].cast(pl.Float64).fill_null(np.nan).to_numpy() if isinstance(value, str) else value
    cells_AS[rows["row"].to_numpy(), rows["slot"].to_numpy()] = values
    return cells_AS


def _marked(rows: pl.DataFrame, n_agents: int) -> np.ndarray:
    """(A,) bool, whether an agent has a row."""
    marked_A = np.zeros(n_agents, dtype=bool)
    marked_A[rows["row"].to_numpy()] = True
    return marked_A


def _texts(rows: pl.DataFrame, n_agents: int) -> list[str | None]:
    """Text of each agent's row; None without a row."""
    said = dict(zip(rows["row"].to_list(), rows["text"].to_list(), strict=True))
    return [said.get(row) for row in range(n_agents)]
