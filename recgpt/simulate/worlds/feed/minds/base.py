"""Protocol of the feed's minds: pages go in, typed decisions come out.

A mind decides for many agents at once. A decision never depends on the other agents of the call.

Shapes: A agents of a call, S slots of a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recgpt.simulate.agents.memory import Memory
from recgpt.simulate.llm.budget import CostEstimate

MEMORIES_PER_PAGE = 5  # entries of an agent that a decision reads


@dataclass(frozen=True)
class Pages:
    """Pages of A agents, one each, and counts over their pages so far.

    Attributes
    ----------
    step
        Number of the page, from 1.
    agent_A
        (A,) int64, ascending.
    items_AS
        (A, S) int64 items on the page; -1 for an empty slot.
    advert_AS
        (A, S) bool, whether a slot is an advertisement.
    advert_text
        Text next to an advertisement; None for none.
    shown_before_A, aligned_before_A, watched_before_A, liked_before_A, rated_before_A
        (A,) int64 counts over the pages before.
    stars_before_A
        (A,) float64 sums of the stars given on the pages before.
    """

    step: int
    agent_A: np.ndarray
    items_AS: np.ndarray
    advert_AS: np.ndarray
    advert_text: str | None
    shown_before_A: np.ndarray
    aligned_before_A: np.ndarray
    watched_before_A: np.ndarray
    liked_before_A: np.ndarray
    rated_before_A: np.ndarray
    stars_before_A: np.ndarray

    def __len__(self) -> int:
        return len(self.agent_A)

    def rows(self, chosen: slice | np.ndarray) -> "Pages":
        """The pages of some of the agents."""
        return Pages(
            self.step,
            self.agent_A[chosen],
            self.items_AS[chosen],
            self.advert_AS[chosen],
            self.advert_text,
            self.shown_before_A[chosen],
            self.aligned_before_A[chosen],
            self.watched_before_A[chosen],
            self.liked_before_A[chosen],
            self.rated_before_A[chosen],
            self.stars_before_A[chosen],
        )


@dataclass(frozen=True)
class Decisions:
    """Decisions of A agents about their pages.

    Attributes
    ----------
    aligned_AS
        (A, S) bool, the item fits the agent's taste.
    watched_AS
        (A, S) bool, the item was watched; implies aligned.
    rating_AS
        (A, S) float32 stars of watched items; NaN elsewhere.
    feeling_AS
        (A, S) float32 from -1 to 1, of watched items; NaN elsewhere.
    satisfied_A
        (A,) bool, whether the agent is satisfied with the page.
    exit_A
        (A,) bool, whether the agent leaves after this page.
    failed_A
        (A,) bool, the mind gave no decision: the rest of the row is ignored, and the agent leaves.
    feeling_texts, reasons
        Texts (A, S) and (A,); None if the mind gives none.
    retrieved
        A strings of JSON, `ids` of the memories each decision used and maybe more; None where none were read.
    thoughts
        Conclusions of A agents from reflections, None for the others; they become memories.
    """

    aligned_AS: np.ndarray
    watched_AS: np.ndarray
    rating_AS: np.ndarray
    feeling_AS: np.ndarray
    satisfied_A: np.ndarray
    exit_A: np.ndarray
    failed_A: np.ndarray
    feeling_texts: Sequence[Sequence[str | None]] | None = None
    reasons: Sequence[str | None] | None = None
    retrieved: Sequence[str | None] | None = None
    thoughts: Sequence[str | None] | None = None


@dataclass(frozen=True)
class Interviews:
    """Interviews of agents that have left.

    Attributes
    ----------
    satisfaction_A
        (A,) float32 from 1 to 10; NaN where the mind gave none.
    reasons
        Why, in words; None where the mind has no words.
    """

    satisfaction_A: np.ndarray
    reasons: Sequence[str | None] | None = None


class Mind(Protocol):
    """Decides for agents."""

    name: str

    def decide(self, pages: Pages, memory: Memory) -> Decisions:
        """Decisions of the agents about their pages."""
        ...

    def interview(self, pages: Pages, memory: Memory) -> Interviews:
        """Satisfaction of agents that have left. Only the counts of `pages` are read, which then include every page."""
        ...

    def estimate(self, n_agents: int, n_pages: int, page_size: int) -> CostEstimate | None:
        """Calls of a language model if every agent sees every page; None for a mind that makes no calls."""
        ...
