"""Mind whose first agent is the user: pages are shown in the terminal, answers are the agent's decisions."""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.prompt import Confirm, Prompt, PromptBase
from rich.table import Table
from rich.text import Text

from recgpt.console import SafeConsole
from recgpt.errors import SimulationError
from recgpt.simulate.agents.memory import Memory
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.llm.text import cleaned
from recgpt.simulate.worlds.feed.minds.base import Decisions, Interviews, Mind, Pages
from recgpt.terminal import plain

T = TypeVar("T")

YOU = 0  # the user's agent


class PersonMind:
    """The user in the terminal decides for the first agent, another mind for all others.

    Parameters
    ----------
    others
        Decides for the others.
    """

    name = "person"

    def __init__(self, others: Mind, facts: ItemFacts, console: Console | None = None) -> None:
        self._others = others
        self._facts = facts
        self._console = console or SafeConsole()

    def decide(self, pages: Pages, memory: Memory) -> Decisions:
        """See `Mind`."""
        decided = self._others.decide(pages, memory)
        if YOU not in pages.agent_A:
            return decided
        row = int(np.flatnonzero(pages.agent_A == YOU)[0])
        items_S = pages.items_AS[row]
        self._show(pages.step, items_S, pages.advert_AS[row])
        numbers = [str(slot + 1) for slot in np.flatnonzero(items_S >= 0)]
        fits = self._chosen("Which fit your taste? Numbers, or nothing", numbers)
        watched = self._chosen("Which of them do you watch?", fits)
        aligned_AS, watched_AS = decided.aligned_AS.copy(), decided.watched_AS.copy()
        rating_AS, feeling_AS = decided.rating_AS.copy(), decided.feeling_AS.copy()
        aligned_AS[row] = [str(slot + 1) in fits for slot in range(len(items_S))]
        watched_AS[row] = [str(slot + 1) in watched for slot in range(len(items_S))]
        rating_AS[row] = feeling_AS[row] = np.nan
        for slot in np.flatnonzero(watched_AS[row]):
            stars = int(self._ask(Prompt, f"Stars for {self._title(items_S[slot])}", choices=list("12345")))
            rating_AS[row, slot], feeling_AS[row, slot] = stars, (stars - 3) / 2
        satisfied_A, exit_A, failed_A = (
            values.copy() for values in (decided.satisfied_A, decided.exit_A, decided.failed_A)
        )
        satisfied_A[row] = self._ask(Confirm, "Did the page please you?")
        exit_A[row] = not self._ask(Confirm, "Go to the next page?")
        failed_A[row] = False
        return replace(
            decided,
            aligned_AS=aligned_AS,
            watched_AS=watched_AS,
            rating_AS=rating_AS,
            feeling_AS=feeling_AS,
            satisfied_A=satisfied_A,
            exit_A=exit_A,
            failed_A=failed_A,
        )

    def interview(self, pages: Pages, memory: Memory) -> Interviews:
        """See `Mind`."""
        said = self._others.interview(pages, memory)
        if YOU not in pages.agent_A:
            return said
        row = int(np.flatnonzero(pages.agent_A == YOU)[0])
        satisfaction_A, reasons = said.satisfaction_A.copy(), list(said.reasons or [None] * len(pages))
        scores = [str(score) for score in range(1, 11)]
        satisfaction_A[row] = int(self._ask(Prompt, "How satisfied are you, from 1 to 10?", choices=scores))
        reasons[row] = cleaned(self._ask(Prompt, "Why?", default="")) or None
        return Interviews(satisfaction_A, reasons)

    def estimate(self, n_agents: int, n_pages: int, page_size: int) -> CostEstimate | None:
        """Calls for the other agents. See `Mind`."""
        return self._others.estimate(n_agents - 1, n_pages, page_size)

    def _show(self, page: int, items_S: np.ndarray, advert_S: np.ndarray) -> None:
        table = Table("", "title", "rated", "", title=f"Page {page}", box=None)
        for slot in np.flatnonzero(items_S >= 0):
            rating = self._facts.mean_rating_N[items_S[slot]]
            stars = "" if np.isnan(rating) else f"{rating:.1f}"
            table.add_row(str(slot + 1), Text(self._title(items_S[slot])), stars, "advert" if advert_S[slot] else "")
        self._console.print(table)

    def _title(self, item: int) -> str:
        return plain(self._facts.items["title"][int(item)])

    def _chosen(self, question: str, among: list[str]) -> list[str]:
        if not among:
            return []
        while True:
            answer = self._ask(Prompt, f"{question} ({', '.join(among)})", default="")
            chosen = answer.replace(",", " ").split()
            if set(chosen) <= set(among):
                return chosen
            self._console.print(f"numbers out of {', '.join(among)}, please")

    def _ask(self, kind: type[PromptBase[T]], question: str, **options: Any) -> T:
        try:
            # As `Text`: a title may hold what Rich would take for markup.
            return kind.ask(Text(question), console=self._console, show_choices=False, **options)
        except EOFError as error:
            raise SimulationError(
                "the input ended before all questions were answered: the mind person needs a terminal. Finished pages "
                "are kept, `recgpt runs resume` goes on"
            ) from error
