"""Memories of agents during the fit: in simulated feeds, and along the published trace.

Shapes: P pages of the trace, A agents, S slots, N items, E embedding width.
"""

import numpy as np

from recgpt.simulate.agents.memory import PRESETS, Kind, Memory
from recgpt.simulate.agents.memory_texts import grid_rows
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.memory import MEMORY_CAPACITY
from recgpt.simulate.worlds.feed.minds.base import Decisions, Pages
from recgpt.simulate.worlds.feed.minds.fitting.sources import Source
from recgpt.simulate.worlds.feed.minds.fitting.trace import Trace
from recgpt.simulate.worlds.feed.minds.scripted import recalled

DISLIKED_VALENCE = -0.5  # of a memory of an item that did not fit; of a watched one it is the feeling


def empty_memory(facts: ItemFacts, n_agents: int) -> tuple[Memory, np.ndarray]:
    """An empty memory whose table of texts has the titles, and the numbers of the titles in it."""
    memory = Memory(n_agents, MEMORY_CAPACITY, PRESETS["recgpt"], width=facts.unit_NE.shape[1])
    return memory, memory.texts.ids_of(
        [f"{number} {title}" for number, title in enumerate(facts.items["title"])], facts.unit_NE
    )


def remember(memory: Memory, text_N: np.ndarray, pages: Pages, decisions: Decisions) -> None:
    """Remember watched items with their feeling, and items that did not fit with displeasure."""
    valence_AS = np.where(decisions.watched_AS, decisions.feeling_AS, DISLIKED_VALENCE)
    row, slot = np.nonzero((pages.items_AS >= 0) & (decisions.watched_AS | ~decisions.aligned_AS))
    item = pages.items_AS[row, slot]
    memory.add(
        pages.agent_A[row],
        Kind.EVENT,
        text_N[item],
        created=pages.step,
        importance=5,
        valence=valence_AS[row, slot],
        item=item,
    )


def recalled_in(trace: Trace, source: Source, mean_of_agents: float) -> np.ndarray:
    """(P, S) `recalled` of the scripted mind at each page of the trace."""
    memory, text_N = empty_memory(source.facts, len(source.population))
    text_NE = grid_rows(source.facts.unit_NE)
    found_PS = np.zeros(trace.items_PS.shape)
    feeling_PS = np.clip((trace.rating_PS - mean_of_agents) / 2, -1, 1)
    for page in range(1, int(trace.page_P.max()) + 1):
        rows = np.flatnonzero(trace.page_P == page)
        pages = pages_of(page, trace.agent_P[rows], trace.items_PS[rows], np.zeros((6, len(rows)), dtype=np.int64))
        found_PS[rows] = recalled(memory, pages, text_NE)[0]
        none = np.zeros(len(rows), dtype=bool)
        decided = Decisions(
            trace.aligned_PS[rows], trace.watched_PS[rows], trace.rating_PS[rows], feeling_PS[rows], none, none, none
        )
        remember(memory, text_N, pages, decided)
    return found_PS


def pages_of(step: int, agent_A: np.ndarray, items_AS: np.ndarray, before_6A: np.ndarray) -> Pages:
    """Pages without advertisements; `before_6A`: items shown, aligned, watched, liked, rated before, and stars."""
    return Pages(step, agent_A, items_AS, np.zeros(items_AS.shape, dtype=bool), None, *before_6A)
