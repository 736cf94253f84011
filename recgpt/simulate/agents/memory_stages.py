"""RecAgent's memory in three stages: sensory, short-term, long-term (Wang et al. 2023, section 2.1.2).

An observation that passes the sensory threshold enters short-term memory and may enhance similar entries there; one
that was enhanced often enough is promoted to long-term memory, where near-duplicates are merged and weak entries are
forgotten.

Shapes: A or R distinct agents, C slots of one agent, P promoted entries.
"""

from dataclasses import dataclass

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.agents.memory_entries import Entries, Kind, Stage
from recgpt.simulate.agents.memory_presets import Preset, Stages, sigmoid
from recgpt.simulate.agents.memory_scores import Scores, first_least
from recgpt.simulate.agents.memory_texts import Texts


@dataclass(frozen=True)
class StagedMemory:
    """The rules of `stages` over the entries that `scores` reads.

    Attributes
    ----------
    seed
        Key of the draws that enhance and forget.
    """

    scores: Scores
    stages: Stages
    seed: int

    @property
    def _entries(self) -> Entries:
        return self.scores.entries

    @property
    def _preset(self) -> Preset:
        return self.scores.preset

    @property
    def _texts(self) -> Texts:
        return self.scores.texts

    def observe(self, agents_R: np.ndarray, rows: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Add one row of each of R distinct agents.

        Returns
        -------
        (R,) int64 the new ids, -1 for a row that was not kept or was merged into an older entry; and (P, 2) int64 agent
        and id of the entries that it promoted to long-term memory.
        """
        ids_R = np.full(len(agents_R), -1, dtype=np.int64)
        is_thought_R = rows["kind"] == Kind.THOUGHT
        is_kept_R = rows["importance"] * self._preset.importance_scale > self.stages.sensory_threshold
        sensed_R = ~is_thought_R & is_kept_R
        promoted = self._enhance(agents_R[sensed_R], rows["text"][sensed_R], rows["created"][sensed_R])
        self._drop_short(agents_R[sensed_R])
        for chosen_R, stage in ((sensed_R, Stage.SHORT), (is_thought_R, Stage.LONG)):
            agents, picked = agents_R[chosen_R], {name: column[chosen_R] for name, column in rows.items()}
            slots = self.scores.slots_to_write(agents, picked["created"])
            ids_R[chosen_R] = self._entries.write(agents, slots, picked, stage)
            if stage == Stage.LONG:
                merged = self._merge(agents, slots, picked["created"])
                ids_R[np.flatnonzero(chosen_R)[merged]] = -1
        return ids_R, promoted

    def _is_in(self, stage: Stage, agents_R: np.ndarray) -> np.ndarray:
        """(R, C) bool, whether a slot holds an entry of the stage."""
        return (self._entries.id_AC[agents_R] >= 0) & (self._entries.stage_AC[agents_R] == stage)

    def _enhance(self, agents_R: np.ndarray, text_R: np.ndarray, now_R: np.ndarray) -> np.ndarray:
        """Enhance short-term entries similar to the observations; (P, 2) agents and ids of entries promoted by it."""
        entries = self._entries
        probability_RC = sigmoid(self.scores.cosines(agents_R, self._texts.embeddings[text_R]))
        # Agent and number of its observation are the key of a draw, so that the batch does not matter.
        keys_R = agents_R * 2**32 + entries.next_id_A[agents_R]
        drawn_RC = rng.uniform(self.seed, keys_R, step=0, purpose="enhance", n=entries.capacity)
        is_short_RC = self._is_in(Stage.SHORT, agents_R)
        is_enhanced_RC = is_short_RC & (probability_RC >= self.stages.similar) & (drawn_RC <= probability_RC)
        entries.enhanced_AC[agents_R] += is_enhanced_RC
        return self._promote(agents_R, is_short_RC & (entries.enhanced_AC[agents_R] >= self.stages.enhancements), now_R)

    def _promote(self, agents_R: np.ndarray, promoted_RC: np.ndarray, now_R: np.ndarray) -> np.ndarray:
        """Move entries to long-term memory: (P, 2) agent and id of each one that was not merged into an older one."""
        entries = self._entries
        promoted = [np.empty((0, 2), dtype=np.int64)]
        # One entry of an agent at a time, the oldest first: two that are promoted together may be near-duplicates.
        while promoted_RC.any():
            rows = np.flatnonzero(promoted_RC.any(axis=1))
            agents = agents_R[rows]
            slots = first_least(np.where(promoted_RC[rows], 0.0, np.inf), entries.id_AC[agents])
            promoted_RC[rows, slots] = False
            entries.stage_AC[agents, slots] = Stage.LONG
            points = self.scores.points(entries.kind_AC[agents, slots], entries.importance_AC[agents, slots])
            entries.accumulated_A[agents] += points
            ids = np.stack([agents, entries.id_AC[agents, slots]], axis=1)
            merged = self._merge(agents, slots, now_R[rows])
            promoted.append(ids[~merged])
        return np.concatenate(promoted)

    def _merge(self, agents_R: np.ndarray, slots_R: np.ndarray, now_R: np.ndarray) -> np.ndarray:
        """Merge new long-term entries into near-duplicates: (R,) bool, whether there was one.

        The older entry stays, with the greater importance of the two and as if just read.
        """
        entries = self._entries
        cosine_RC = self.scores.cosines(agents_R, self._texts.embeddings[entries.text_AC[agents_R, slots_R]])
        other_RC = self._is_in(Stage.LONG, agents_R)
        other_RC[np.arange(len(agents_R)), slots_R] = False
        is_like_RC = other_RC & (sigmoid(cosine_RC) >= self.stages.duplicate)
        merged_R = is_like_RC.any(axis=1)
        here, gone = agents_R[merged_R], slots_R[merged_R]
        kept = first_least(np.where(is_like_RC, -cosine_RC, np.inf)[merged_R], entries.id_AC[here])
        importance_AC = entries.importance_AC
        importance_AC[here, kept] = np.maximum(importance_AC[here, kept], importance_AC[here, gone])
        entries.accessed_AC[here, kept] = now_R[merged_R]
        entries.id_AC[here, gone] = -1
        return np.asarray(merged_R)

    def _drop_short(self, agents_R: np.ndarray) -> None:
        """Where short-term memory is full, drop its least important entry (ties: least enhanced, oldest)."""
        entries = self._entries
        is_short_RC = self._is_in(Stage.SHORT, agents_R)
        full_R = is_short_RC.sum(axis=1) >= self.stages.short_capacity
        agents, is_short_RC = agents_R[full_R], is_short_RC[full_R]
        importance_RC = np.where(is_short_RC, entries.importance_AC[agents], np.inf)
        order_RC = entries.enhanced_AC[agents].astype(np.int64) * 2**32 + entries.id_AC[agents]
        entries.id_AC[agents, first_least(importance_RC, order_RC)] = -1

    def forget(self, agents_A: np.ndarray, now: float) -> np.ndarray:
        """Forget weak long-term entries: (A,) int64, how many each of the A distinct agents lost.

        An entry that was not read for more than `never_younger` hours is lost with probability (1 - strength) over the
        sum of 1 - strength of all long-term entries; see `forgetting_strength`.
        """
        entries = self._entries
        long_AC = self._is_in(Stage.LONG, agents_A)
        weakness_AC = np.where(long_AC, 1 - self.scores.strength(agents_A, now), 0)
        probability_AC = weakness_AC / np.maximum(weakness_AC.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        purpose = f"forget at {float(now)!r}"
        drawn_AC = rng.uniform(self.seed, agents_A, step=0, purpose=purpose, n=entries.capacity)
        old_AC = now - entries.accessed_AC[agents_A] > self.stages.never_younger
        lost_AC = long_AC & old_AC & (drawn_AC < probability_AC)
        row, slot = np.nonzero(lost_AC)
        entries.id_AC[agents_A[row], slot] = -1
        return lost_AC.sum(axis=1)
