"""RecAgent's memory with the words of a language model, in the order of the published code.

    memory = RecAgentMemory(Memory(1, 200, PRESETS["recagent_code"], embed=embed), agent=0, words=words)
    memory.observe("David told me about Heat.", points=8, now=20.0)
    memory.recall("What should I watch?", now=25.0)

Every observation and every reading may promote entries, each with an insight, then reflect, then forget (Wang et al.,
TOIS 43(2):55, 2025, section 3.2). `recgpt.simulate.worlds.society.memory` keeps the memories of a whole society
without a call.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from recgpt.simulate.agents.memory import Entry, Kind, Memory

RETRIEVED = 5
"""Long-term entries in a prompt."""
REFLECTS_ON = 50
"""Last entries that a reflection asks about."""


class Words(Protocol):
    """What a language model contributes."""

    def insight(self, texts: Sequence[str]) -> tuple[str, int]:
        """Insight over an entry and its enhancers, and its importance from 1 to 10."""
        ...

    def question(self, texts: Sequence[str]) -> str:
        """Question about the last entries."""
        ...

    def conclude(self, question: str, texts: Sequence[str]) -> tuple[str, Sequence[int]]:
        """Conclusion from retrieved entries, and the numbers in long-term memory of those that it rests on."""
        ...


class RecAgentMemory:
    """Memory of one agent.

    Parameters
    ----------
    memory
        Memory whose preset has stages; the agent's part of it is used.
    agent
        Number of the agent in it.
    words
        Language model.
    """

    def __init__(self, memory: Memory, agent: int, words: Words) -> None:
        self.memory = memory
        self._agent_1 = np.array([agent])
        self._words = words

    def observe(self, text: str, points: int, now: float) -> bool:
        """Take in an observation of that importance, from 1 to 10; returns whether it was kept."""
        added = self.memory.add(self._agent_1, Kind.EVENT, [text], created=now, importance=points)
        if added.ids_R[0] < 0:
            return False
        self._conclude(added.promoted, now)
        self.memory.forget(self._agent_1, now)
        return True

    def recall(self, query: str, now: float) -> list[str]:
        """Texts for a prompt: the best long-term entries, which count as read, then all short-term ones."""
        ids = self._best(query, now)
        texts = [self._text(number) for number in ids]
        promoted = [np.empty((0, 2), dtype=np.int64)]
        for number in ids:
            promoted.append(self.memory.enhance_by(self._agent_1, np.array([number]), now))
        self._conclude(np.concatenate(promoted), now)
        self.memory.forget(self._agent_1, now)
        return texts + [entry.text for entry in self._entries() if entry.stage == "short"]

    def _best(self, query: str, now: float) -> list[int]:
        """Ids of the best long-term entries, which count as read."""
        texts = self.memory.texts
        found = self.memory.retrieve(self._agent_1, texts.embedded([query]), RETRIEVED, now).ids_Ak[0]
        ids = [int(number) for number in found if number >= 0]
        self.memory.touch(np.repeat(self._agent_1, len(ids)), np.array(ids, dtype=np.int64), now)
        return ids

    def _conclude(self, promoted: np.ndarray, now: float) -> None:
        """Add an insight for each promoted entry; reflect where that is due."""
        for number in promoted[:, 1].tolist():
            enhancers = self.memory.enhancers(int(self._agent_1[0]), number)
            text, points = self._words.insight([self._text(number), *enhancers])
            self.memory.add(self._agent_1, Kind.INSIGHT, [text], created=now, importance=points, evidence=[[number]])
        if self.memory.due_A()[self._agent_1[0]]:
            self._reflect(now)

    def _reflect(self, now: float) -> None:
        long = [entry for entry in self._entries() if entry.stage != "short"]
        question = self._words.question([entry.text for entry in long[-REFLECTS_ON:]])
        texts = [self._text(number) for number in self._best(question, now)]
        text, cited = self._words.conclude(question, texts)
        evidence = [long[place] for place in dict.fromkeys(cited) if 0 <= place < len(long)]
        self.memory.reflected(self._agent_1)
        if not evidence:
            return
        points = float(np.clip(np.mean([entry.importance for entry in evidence]), 1, 10))
        ids = [entry.id for entry in evidence]
        added = self.memory.add(self._agent_1, Kind.THOUGHT, [text], created=now, importance=points, evidence=[ids])
        self.memory.merge_cited(self._agent_1, added.ids_R, now)

    def _entries(self) -> list[Entry]:
        return self.memory.describe(int(self._agent_1[0]))

    def _text(self, number: int) -> str:
        return next(entry.text for entry in self._entries() if entry.id == number)
