"""RecAgent's memory in three stages: sensory, short-term, long-term (Wang et al. 2023, section 2.1.2).

An observation that passes the sensory threshold enters short-term memory and may enhance similar entries there; one
that was enhanced often enough is promoted to long-term memory, where near-duplicates are merged and weak entries are
forgotten.

Shapes: A or R distinct agents, C slots of one agent, P promoted entries.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.agents.memory_entries import CONCLUSIONS, Entries, Stage
from recgpt.simulate.agents.memory_presets import Preset, Stages, sigmoid
from recgpt.simulate.agents.memory_scores import Scores, first_least
from recgpt.simulate.agents.memory_texts import Texts

Draws = Callable[[str, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Maps purpose, (R,) keys, (R, C) bool where a draw is needed, and (R, C) ids to (R, C) uniform numbers."""


def counter_draws(seed: int) -> Draws:
    """Draws keyed by seed, purpose and key: the batch does not matter."""

    def draws(purpose: str, keys_R: np.ndarray, needed_RC: np.ndarray, id_RC: np.ndarray) -> np.ndarray:
        return rng.uniform(seed, keys_R, step=0, purpose=purpose, n=needed_RC.shape[1])

    return draws


@dataclass(frozen=True)
class StagedMemory:
    """The rules of `stages` over the entries that `scores` reads.

    Attributes
    ----------
    draws
        Random numbers that enhance and forget.
    """

    scores: Scores
    stages: Stages
    draws: Draws

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
        is_thought_R = np.isin(rows["kind"], CONCLUSIONS)
        is_kept_R = rows["importance"] * self._preset.importance_scale > self.stages.sensory_threshold
        sensed_R = ~is_thought_R & is_kept_R
        promoted = self.enhance(agents_R[sensed_R], rows["text"][sensed_R], rows["created"][sensed_R])
        self._drop_short(agents_R[sensed_R])
        for chosen_R, stage in ((sensed_R, Stage.SHORT), (is_thought_R, Stage.LONG)):
            agents, picked = agents_R[chosen_R], {name: column[chosen_R] for name, column in rows.items()}
            slots = self.scores.slots_to_write(agents, picked["created"])
            ids_R[chosen_R] = self._entries.write(agents, slots, picked, stage)
            if stage == Stage.LONG:
                self._entries.accumulated_A[agents] += self.scores.points(picked["kind"], picked["importance"])
            if stage == Stage.LONG and self.stages.merges_on_entry:
                merged = self._merge(agents, slots, picked["created"])
                ids_R[np.flatnonzero(chosen_R)[merged]] = -1
        return ids_R, promoted

    def _is_in(self, stage: Stage, agents_R: np.ndarray) -> np.ndarray:
        """(R, C) bool, whether a slot holds an entry of the stage."""
        return (self._entries.id_AC[agents_R] >= 0) & (self._entries.stage_AC[agents_R] == stage)

    def enhance(self, agents_R: np.ndarray, text_R: np.ndarray, now_R: np.ndarray) -> np.ndarray:
        """Enhance short-term entries similar to texts; (P, 2) agents and ids of entries promoted by it."""
        entries, stages = self._entries, self.stages
        is_short_RC = self._is_in(Stage.SHORT, agents_R)
        similarity_RC = self.scores.cosines(agents_R, self._texts.embeddings[text_R])
        if stages.newest_bonus:
            id_RC = np.where(is_short_RC, entries.id_AC[agents_R], -1)
            similarity_RC = similarity_RC + stages.newest_bonus * (id_RC == id_RC.max(axis=1, keepdims=True))
        probability_RC = sigmoid(similarity_RC)
        # Agent and number of its observation are the key of a draw, so that the batch does not matter.
        keys_R = agents_R * 2**32 + entries.next_id_A[agents_R]
        is_similar_RC = is_short_RC & (probability_RC >= stages.similar)
        drawn_RC = self.draws("enhance", keys_R, is_similar_RC, entries.id_AC[agents_R])
        is_enhanced_RC = is_similar_RC & (drawn_RC <= probability_RC)
        if stages.reading_enhances:
            self._note_enhancers(agents_R, is_enhanced_RC, text_R)
        entries.enhanced_AC[agents_R] += is_enhanced_RC
        return self._promote(agents_R, is_short_RC & (entries.enhanced_AC[agents_R] >= stages.enhancements), now_R)

    def _note_enhancers(self, agents_R: np.ndarray, is_enhanced_RC: np.ndarray, text_R: np.ndarray) -> None:
        entries = self._entries
        if entries.enhancer_ACN is None:
            shape = (*entries.id_AC.shape, self.stages.enhancements)
            entries.enhancer_ACN = np.full(shape, -1, dtype=np.int32)
        row, slot = np.nonzero(is_enhanced_RC)
        agents = agents_R[row]
        entries.enhancer_ACN[agents, slot, entries.enhanced_AC[agents, slot]] = text_R[row]

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
            if self.stages.keeps_shells:
                self._renumber(agents, slots, now_R[rows])
            points = self.scores.points(entries.kind_AC[agents, slots], entries.importance_AC[agents, slots])
            entries.accumulated_A[agents] += points
            ids = np.stack([agents, entries.id_AC[agents, slots]], axis=1)
            if self.stages.merges_on_entry:
                ids = ids[~self._merge(agents, slots, now_R[rows])]
            promoted.append(ids)
        return np.concatenate(promoted)

    def _renumber(self, agents: np.ndarray, slots: np.ndarray, now_R: np.ndarray) -> None:
        """Give promoted entries the next id and time, as new ones: RecAgent's code numbers them in long-term memory."""
        entries = self._entries
        entries.id_AC[agents, slots] = entries.next_id_A[agents]
        entries.next_id_A[agents] += 1
        entries.created_AC[agents, slots] = entries.accessed_AC[agents, slots] = now_R

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
        slots = first_least(importance_RC, order_RC)
        entries.id_AC[agents, slots] = -1
        self._undo_enhancements(agents, entries.text_AC[agents, slots])

    def _undo_enhancements(self, agents_R: np.ndarray, text_R: np.ndarray) -> None:
        """Take a dropped text out of the enhancers of the other short-term entries (as published)."""
        entries = self._entries
        if entries.enhancer_ACN is None:
            return
        enhancer_RCN = entries.enhancer_ACN[agents_R]
        gone_RCN = (enhancer_RCN == text_R[:, None, None]) & self._is_in(Stage.SHORT, agents_R)[:, :, None]
        order_RCN = np.argsort(gone_RCN | (enhancer_RCN < 0), axis=2, kind="stable")
        kept_RCN = np.where(gone_RCN, -1, enhancer_RCN)
        entries.enhancer_ACN[agents_R] = np.take_along_axis(kept_RCN, order_RCN, axis=2)
        entries.enhanced_AC[agents_R] -= gone_RCN.sum(axis=2).astype(np.int8)

    def merge_cited(self, agents_R: np.ndarray, thoughts_R: np.ndarray, now: float) -> None:
        """Merge the evidence of new thoughts, given by their ids, into them where it says nearly the same."""
        entries = self._entries
        if entries.evidence_ACM is None:
            return
        slots_R = (entries.id_AC[agents_R] == thoughts_R[:, None]).argmax(axis=1)
        cosine_RC = self.scores.cosines(agents_R, self._texts.embeddings[entries.text_AC[agents_R, slots_R]])
        evidence_RM = entries.evidence_ACM[agents_R, slots_R]
        is_cited_RC = (entries.id_AC[agents_R][:, :, None] == evidence_RM[:, None, :]).any(axis=2)
        is_like_RC = is_cited_RC & self._is_in(Stage.LONG, agents_R) & (sigmoid(cosine_RC) >= self.stages.duplicate)
        self._lose(agents_R, is_like_RC, now)

    def forget(self, agents_A: np.ndarray, now: float) -> np.ndarray:
        """Forget weak long-term entries: (A,) int64, how many each of the A distinct agents lost.

        An entry that was not read for more than `never_younger` hours is lost with probability `most_forgotten`
        × (1 - strength), whatever the other entries are; see `forgetting_strength`. The paper gives 1 - strength, with
        which hardly an entry would outlive its second day. Without `most_forgotten`, as in the published code,
        1 - strength is divided by its sum over all long-term entries: about one entry goes, a lone old one for sure.
        """
        entries = self._entries
        long_AC = self._is_in(Stage.LONG, agents_A)
        counted_AC = long_AC | self._is_in(Stage.SHELL, agents_A)
        weakness_AC = np.where(counted_AC, 1 - self.scores.strength(agents_A, now), 0)
        if self.stages.most_forgotten is None:
            probability_AC = weakness_AC / np.maximum(weakness_AC.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        else:
            probability_AC = self.stages.most_forgotten * weakness_AC
        old_AC = counted_AC & (now - entries.accessed_AC[agents_A] > self.stages.never_younger)
        drawn_AC = self.draws(f"forget at {float(now)!r}", agents_A, old_AC, entries.id_AC[agents_A])
        lost_AC = old_AC & (drawn_AC < probability_AC)
        self._lose(agents_A, lost_AC, now)
        return (lost_AC & long_AC).sum(axis=1)

    def _lose(self, agents_A: np.ndarray, lost_AC: np.ndarray, now: float) -> None:
        """Remove entries; where shells are kept, leave one of greatest importance, as if just read."""
        entries = self._entries
        row, slot = np.nonzero(lost_AC)
        agents = agents_A[row]
        if not self.stages.keeps_shells:
            entries.id_AC[agents, slot] = -1
            return
        entries.stage_AC[agents, slot] = Stage.SHELL
        entries.importance_AC[agents, slot] = 1 / self._preset.importance_scale
        entries.accessed_AC[agents, slot] = now
