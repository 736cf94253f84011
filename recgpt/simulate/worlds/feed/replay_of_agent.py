"""Memory of one agent of a stored feed, from its own events alone.

    memory = MemoryOfAgent(rules, population, facts, 7, run.events_of(7, range(1, 4)))
    memory.apply(step=1)
    memory.used(items, ids, step)

Agents share only the table of memory texts, so that an agent is replayed alone in milliseconds, where the state of all
agents takes seconds. A text that several agents' minds concluded word by word has here the agent's own embedding.
"""

from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.agents.memory_entries import Entry
from recgpt.simulate.agents.memory_stages import counter_draws
from recgpt.simulate.agents.population import Population
from recgpt.simulate.events import by_kind
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.memory import MEMORY_CAPACITY, FeedMemory, seen_items
from recgpt.simulate.worlds.feed.state import FeedRules

_KEY_OF_AGENT = 2**32  # as in the keys of staged memory, which hold the agent's number


class MemoryOfAgent:
    """One agent, before its first page.

    Parameters
    ----------
    agent
        Its number in the run.
    events
        Its events.
    """

    def __init__(
        self, rules: FeedRules, population: Population, facts: ItemFacts, agent: int, events: pl.DataFrame
    ) -> None:
        drawn, key = counter_draws(rules.seed), agent * _KEY_OF_AGENT

        def draws(purpose: str, keys_R: np.ndarray, needed_RC: np.ndarray, id_RC: np.ndarray) -> np.ndarray:
            return drawn(purpose, keys_R + key, needed_RC, id_RC)

        self._facts = facts
        alone = population.rows(np.array([agent]))
        self._in_mind = FeedMemory(rules.memory, rules.seed, alone, facts, draws=draws)
        of_kind = by_kind(events.with_columns(agent=pl.lit(0, pl.Int64)))
        none = events.clear()
        parts = of_kind.get("retrieved", none), of_kind.get("thought", none), seen_items(of_kind, facts)
        self._by_step = [_by_step(part) for part in parts]
        self._none = [part.clear() for part in parts]

    def apply(self, step: int) -> None:
        """Take in the events of a step, the next one of the agent."""
        parts = (part.get(step, none) for part, none in zip(self._by_step, self._none, strict=True))
        self._in_mind.take_in(step, *parts)

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return self._in_mind.memory.describe(0)

    def used(self, items: list[int], ids: list[int], step: int) -> list[dict[str, Any]]:
        """Entries that the decision on a page of `items` read, with the parts of their score for this page.

        Parameters
        ----------
        ids
            Of the entries, as logged.
        """
        query_1E = self._facts.unit_NE[items].sum(axis=0, keepdims=True)
        found = self._in_mind.memory.retrieve(np.array([0]), query_1E, MEMORY_CAPACITY, step)
        place_of = {number: place for place, number in enumerate(found.ids_Ak[0].tolist())}
        text_of = {entry.id: entry.text for entry in self.entries()}
        return [
            {
                "id": number,
                "text": text_of[number],
                "score": float(found.scores_Ak[0, place_of[number]]),
                "relevance": float(found.relevance_Ak[0, place_of[number]]),
                "recency": float(found.recency_Ak[0, place_of[number]]),
                "importance": float(found.importance_Ak[0, place_of[number]]),
            }
            for number in ids
            if number in place_of and number in text_of
        ]


def _by_step(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    return {int(step): part for (step,), part in rows.partition_by("step", as_dict=True).items()}
