"""Memory of one agent of a stored feed, from its own events alone.

    memory = MemoryOfAgent(rules, population, facts, agent=7)
    memory.apply(rows_of_page)
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
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.state import MEMORY_CAPACITY, FeedRules, FeedState

_KEY_OF_AGENT = 2**32  # as in the keys of staged memory, which hold the agent's number


class MemoryOfAgent:
    """One agent, before its first page.

    Parameters
    ----------
    agent
        Its number in the run.
    """

    def __init__(self, rules: FeedRules, population: Population, facts: ItemFacts, agent: int) -> None:
        drawn, key = counter_draws(rules.seed), agent * _KEY_OF_AGENT

        def draws(purpose: str, keys_R: np.ndarray, needed_RC: np.ndarray, id_RC: np.ndarray) -> np.ndarray:
            return drawn(purpose, keys_R + key, needed_RC, id_RC)

        self._facts = facts
        self._state = FeedState(rules, population.rows(np.array([agent])), facts, draws=draws)

    def apply(self, rows: pl.DataFrame) -> None:
        """Take in the events of the agent's next page."""
        self._state.apply(rows.with_columns(agent=pl.lit(0, pl.Int64)))

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return self._state.memory.describe(0)

    def used(self, items: list[int], ids: list[int], step: int) -> list[dict[str, Any]]:
        """Entries that the decision on a page of `items` read, with the parts of their score for this page.

        Parameters
        ----------
        ids
            Of the entries, as logged.
        """
        query_1E = self._facts.unit_NE[items].sum(axis=0, keepdims=True)
        found = self._state.memory.retrieve(np.array([0]), query_1E, MEMORY_CAPACITY, step)
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
