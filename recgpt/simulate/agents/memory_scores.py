"""Scores of entries: recency, relevance and importance, combined by a preset; strength against overflow.

    scores = Scores(entries, texts, PRESETS["recgpt"])
    retrieved = scores.best(agents_A, queries_AE, k=5, now=4.0)

Shapes: A or R agents, C slots of one agent, E embedding width, k entries retrieved.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recgpt.simulate.agents.memory_entries import CONCLUSIONS, Entries, Kind, Stage
from recgpt.simulate.agents.memory_presets import Preset, distance_relevance, emotional_score, forgetting_strength
from recgpt.simulate.agents.memory_texts import Texts, grid_rows

_AGENTS_PER_BLOCK = 256  # of 50 entries, 384 wide: 20 MB at a time


class Retrieved(NamedTuple):
    """The k best entries of A agents, best first, ties by age; -1 and NaN where an agent has fewer.

    `slots_Ak` are valid until something is added, `ids_Ak` for good. `recency_Ak`, `relevance_Ak` and `importance_Ak`
    are as `Preset` defines them, neither scaled nor weighted.
    """

    slots_Ak: np.ndarray
    ids_Ak: np.ndarray
    scores_Ak: np.ndarray
    recency_Ak: np.ndarray
    relevance_Ak: np.ndarray
    importance_Ak: np.ndarray


@dataclass(frozen=True)
class Scores:
    """Scores of `entries`, whose texts are in `texts`, by the rules of `preset`. Nothing is changed."""

    entries: Entries
    texts: Texts
    preset: Preset

    def cosines(self, agents_R: np.ndarray, query_RE: np.ndarray) -> np.ndarray:
        """(R, C) float64 cosines of each agent's entries with its query (`grid_rows`); undefined for empty slots."""
        cosine_RC = np.empty((len(agents_R), self.entries.capacity), dtype=np.float32)
        for start in range(0, len(agents_R), _AGENTS_PER_BLOCK):
            block = slice(start, start + _AGENTS_PER_BLOCK)
            entries_bCE = self.texts.embeddings[self.entries.text_AC[agents_R[block]]]
            cosine_RC[block] = (entries_bCE @ query_RE[block, :, None])[:, :, 0]
        return np.clip(cosine_RC, -1, 1).astype(np.float64)

    def importance(self, agents_R: np.ndarray) -> np.ndarray:
        """(R, C) float64 importance in the preset's scale."""
        return self.entries.importance_AC[agents_R].astype(np.float64) * self.preset.importance_scale

    def recency(self, agents_R: np.ndarray, now: float | np.ndarray) -> np.ndarray:
        """(R, C) float64 `decay` to the power of the time since each entry was last read, or else was made."""
        return self.preset.decay ** np.maximum(now - self.entries.accessed_AC[agents_R], 0)

    def strength(self, agents_R: np.ndarray, now: float | np.ndarray) -> np.ndarray:
        """(R, C) float64: the weakest entry makes room, see `Preset.overflow`."""
        recency_RC, importance_RC = self.recency(agents_R, now), self.importance(agents_R)
        if self.preset.stages is not None:
            return forgetting_strength(recency_RC, importance_RC, self.preset.stages)
        return recency_RC * (0.5 + importance_RC / 2)

    def points(self, kind_R: np.ndarray, importance_R: np.ndarray) -> np.ndarray:
        """(R,) float64 what entries count towards the next reflection; thoughts count nothing, insights as staged."""
        insights_count = self.preset.stages is not None and self.preset.stages.insights_count
        idle = (Kind.THOUGHT,) if insights_count else CONCLUSIONS
        points_R = 1.0 if self.preset.counts_entries else importance_R.astype(np.float64) * self.preset.importance_scale
        return np.where(np.isin(kind_R, idle), 0, points_R)

    def slots_to_write(self, agents_R: np.ndarray, now_R: np.ndarray) -> np.ndarray:
        """(R,) int64 for each of R distinct agents an empty slot, or else that of the entry that has to make room."""
        slots_R = self.entries.oldest_slots(agents_R)
        if self.preset.overflow == "oldest":
            return slots_R
        full = np.flatnonzero(self.entries.id_AC[agents_R, slots_R] >= 0)
        if len(full):
            agents = agents_R[full]
            strength_RC = self.strength(agents, now_R[full, None])
            if self.preset.stages is not None:
                strength_RC = np.where(self.entries.stage_AC[agents] == Stage.LONG, strength_RC, np.inf)
            slots_R[full] = first_least(strength_RC, self.entries.id_AC[agents])
        return slots_R

    def best(self, agents_A: np.ndarray, queries_AE: np.ndarray, k: int, now: float) -> Retrieved:
        """The `k` long-term entries of each agent that score highest for its query."""
        id_AC = self.entries.id_AC[agents_A].astype(np.int64)
        valid_AC = (id_AC >= 0) & (self.entries.stage_AC[agents_A] == Stage.LONG)
        # Without a text there is no embedding to compare with, and no entry either.
        relevance_AC = self.cosines(agents_A, grid_rows(queries_AE)) if len(self.texts) else np.zeros(id_AC.shape)
        recency_AC = self.recency(agents_A, now)
        importance_AC = self.importance(agents_A)
        score_AC = self._combined(agents_A, recency_AC, relevance_AC, importance_AC, valid_AC)
        order_Ak = np.lexsort((id_AC, np.where(valid_AC, -score_AC, np.inf)), axis=1)[:, :k]
        order_Ak = np.pad(order_Ak, ((0, 0), (0, max(0, k - self.entries.capacity))))
        found_Ak = np.arange(k) < valid_AC.sum(axis=1)[:, None]

        def picked(values_AC: np.ndarray, missing: float) -> np.ndarray:
            return np.where(found_Ak, np.take_along_axis(values_AC, order_Ak, axis=1), missing)

        return Retrieved(
            np.where(found_Ak, order_Ak, -1),
            picked(id_AC, -1),
            picked(score_AC, np.nan),
            picked(recency_AC, np.nan),
            picked(relevance_AC, np.nan),
            picked(importance_AC, np.nan),
        )

    def _combined(
        self,
        agents_A: np.ndarray,
        recency_AC: np.ndarray,
        relevance_AC: np.ndarray,
        importance_AC: np.ndarray,
        valid_AC: np.ndarray,
    ) -> np.ndarray:
        match self.preset.score:
            case "relevance":
                return relevance_AC
            case "product":
                return np.maximum(relevance_AC, 0) * recency_AC * (0.5 + importance_AC / 2)
            case "distance sum":
                relevance_AC = distance_relevance(relevance_AC, self._indexed(agents_A))
            case "emotional":
                return self._emotional(agents_A, relevance_AC, valid_AC)
            case "scaled sum":
                recency_AC, relevance_AC, importance_AC = (
                    _scaled(part, valid_AC) for part in (recency_AC, relevance_AC, importance_AC)
                )
        of_recency, of_relevance, of_importance = self.preset.weights
        return of_recency * recency_AC + of_relevance * relevance_AC + of_importance * importance_AC

    def _indexed(self, agents_A: np.ndarray) -> np.ndarray:
        """(A, C) bool, whether RecAgent's index holds the entry: long-term ones and their shells."""
        return (self.entries.id_AC[agents_A] >= 0) & (self.entries.stage_AC[agents_A] != Stage.SHORT)

    def _emotional(self, agents_A: np.ndarray, relevance_AC: np.ndarray, valid_AC: np.ndarray) -> np.ndarray:
        created_AC = self.entries.created_AC[agents_A]
        latest_AC = np.where(valid_AC, -created_AC, np.inf)
        # Compared with the emotion of the entry that is the latest by time, of several with the last added.
        latest_A1 = first_least(latest_AC, -self.entries.id_AC[agents_A])[:, None]
        valence_AC = self.entries.valence_AC[agents_A].astype(np.float64)
        arousal_AC = self.entries.arousal_AC[agents_A].astype(np.float64)
        return emotional_score(
            relevance_AC,
            np.where(valid_AC, np.take_along_axis(created_AC, latest_A1, axis=1) - created_AC, 0),
            1 - np.abs(valence_AC - np.take_along_axis(valence_AC, latest_A1, axis=1)) / 2,
            1 - np.abs(arousal_AC - np.take_along_axis(arousal_AC, latest_A1, axis=1)),
            self.preset.arousal_weight,
        )


def first_least(values_RC: np.ndarray, ids_RC: np.ndarray) -> np.ndarray:
    """(R,) the column of each row's least value; of several that of the least id."""
    is_least_RC = values_RC == values_RC.min(axis=1, keepdims=True)
    return np.where(is_least_RC, ids_RC.astype(np.int64), np.iinfo(np.int64).max).argmin(axis=1)


def _scaled(part_AC: np.ndarray, valid_AC: np.ndarray) -> np.ndarray:
    """Each row scaled from 0 to 1 over its valid entries; .5 where they are all equal."""
    low_A1 = np.where(valid_AC, part_AC, np.inf).min(axis=1, keepdims=True)
    high_A1 = np.where(valid_AC, part_AC, -np.inf).max(axis=1, keepdims=True)
    spread_A1 = np.where(high_A1 > low_A1, high_A1 - low_A1, 1)
    return np.where(high_A1 > low_A1, (part_AC - np.where(high_A1 > low_A1, low_A1, 0)) / spread_A1, 0.5)
