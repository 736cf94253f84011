"""What agents remember: entries in arrays over all agents, and the published rules by which they come back to mind.

    memory = Memory(n_agents=1000, capacity=50, preset=PRESETS["recgpt"], width=384)
    said = memory.texts.ids_of([f"I watched {title} and loved it." for title in titles], unit_NE[items])
    memory.add(agents, Kind.EVENT, said, created=3, importance=6, valence=1, item=items)
    retrieved = memory.retrieve(agents, queries_AE, k=5, now=4)
    memory.describe(7)

Time is simulated: hours for RecAgent and Generative Agents, interactions or pages for EmoSim-RL; a preset names its
unit. Nothing here depends on who else is in a call: agents never share anything but the table of texts, and the sums
of a cosine are exact (see `grid_rows`), so that they come out the same in any batch.

Shapes: A agents asked, R rows added, C capacity (slots of one agent), E embedding width, T texts.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate import rng
from recgpt.simulate.agents.memory_presets import PRESETS, Preset, Stages, emotional_score, forgetting_strength, sigmoid
from recgpt.simulate.agents.memory_texts import Embed, Texts, grid_rows

__all__ = ["PRESETS", "Added", "Entry", "Kind", "Memory", "Preset", "Retrieved", "Stage"]

_AGENTS_PER_BLOCK = 256  # of 50 memories, 384 wide: 20 MB at a time
_AGENTS_PER_RANKING = 4096
_LONGEST = 1e12  # units of time


class Kind(IntEnum):
    """What an entry is: something that happened, how it felt, a conclusion drawn from entries, something said."""

    EVENT = 0
    FEELING = 1
    THOUGHT = 2
    CHAT = 3


class Stage(IntEnum):
    """Where an entry lies. Only RecAgent's preset has short-term memory."""

    LONG = 0
    SHORT = 1


class Entry(NamedTuple):
    """One memory, to be read by people and minds. `id` counts the agent's entries; `item` is -1 where there is none."""

    id: int
    kind: str
    stage: str
    text: str
    item: int
    valence: float
    arousal: float
    importance: float
    created: float
    last_accessed: float


class Retrieved(NamedTuple):
    """What came to the minds of A agents, best first, ties by age; -1 and NaN where there was no more.

    `slots_Ak` hold until something is added; `ids_Ak` stay. Parts are as `Preset` defines them, neither scaled nor
    weighted.
    """

    slots_Ak: np.ndarray
    ids_Ak: np.ndarray
    scores_Ak: np.ndarray
    recency_Ak: np.ndarray
    relevance_Ak: np.ndarray
    importance_Ak: np.ndarray


class Added(NamedTuple):
    """What became of R rows, and which entries were promoted to long-term memory by them.

    Attributes
    ----------
    ids_R
        (R,) int64 the new entries; -1 for a row that was not kept, or that became one with an older entry.
    promoted
        (P, 2) int64, agent and id of entries that came from short-term to long-term memory, in the order of their
        agents: the caller may add an insight for each.
    """

    ids_R: np.ndarray
    promoted: np.ndarray


class Memory:
    """The memories of A agents.

    Parameters
    ----------
    n_agents
        A.
    capacity
        C, entries of one agent at most.
    preset
        One of `PRESETS`, or of one's own.
    width, embed
        Of the table of texts, see `Texts`.
    seed
        Of RecAgent's draws.

    Attributes
    ----------
    texts
        The table of texts.
    id_AC, text_AC, item_AC
        int32; an id of -1 is an empty slot.
    kind_AC, stage_AC, enhanced_AC
        int8.
    valence_AC, arousal_AC, importance_AC
        float32.
    created_AC, accessed_AC
        float64, in the preset's unit of time.
    accumulated_A
        float64 importance since the last reflection, in the preset's scale; entries where it counts those.

    Raises
    ------
    SimulationError
        No agents, or a capacity that the preset cannot work with.
    """

    def __init__(
        self,
        n_agents: int,
        capacity: int,
        preset: Preset,
        *,
        width: int = 256,
        embed: Embed | None = None,
        seed: int = 0,
    ) -> None:
        least = 1 if preset.stages is None else preset.stages.short_capacity + 1
        if n_agents < 1:
            raise SimulationError(f"n_agents={n_agents}: a memory is of at least one agent")
        if capacity < least:
            raise SimulationError(f"capacity={capacity}: the memory {preset.name!r} needs at least {least}")
        self.preset = preset
        self.seed = seed
        self.texts = Texts(width, embed)
        shape = (n_agents, capacity)
        self.id_AC = np.full(shape, -1, dtype=np.int32)
        self.text_AC = np.zeros(shape, dtype=np.int32)
        self.item_AC = np.full(shape, -1, dtype=np.int32)
        self.kind_AC = np.zeros(shape, dtype=np.int8)
        self.stage_AC = np.zeros(shape, dtype=np.int8)
        self.enhanced_AC = np.zeros(shape, dtype=np.int8)
        self.valence_AC = np.zeros(shape, dtype=np.float32)
        self.arousal_AC = np.zeros(shape, dtype=np.float32)
        self.importance_AC = np.zeros(shape, dtype=np.float32)
        self.created_AC = np.zeros(shape, dtype=np.float64)
        self.accessed_AC = np.zeros(shape, dtype=np.float64)
        self._next_id_A = np.zeros(n_agents, dtype=np.int32)
        self.accumulated_A = np.zeros(n_agents, dtype=np.float64)

    def __len__(self) -> int:
        return len(self.id_AC)

    @property
    def capacity(self) -> int:
        """C."""
        return self.id_AC.shape[1]

    def counts(self) -> np.ndarray:
        """(A,) int64 entries of each agent."""
        return (self.id_AC >= 0).sum(axis=1)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, the table of embeddings included, the characters of the texts not."""
        arrays = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        return sum(array.nbytes for array in arrays) + self.texts.embeddings.nbytes

    # --- what goes in ---

    def add(
        self,
        agents_R: np.ndarray,
        kind: Kind | np.ndarray,
        texts: Sequence[str] | np.ndarray,
        *,
        created: float | np.ndarray,
        importance: float | np.ndarray,
        valence: float | np.ndarray = 0.0,
        arousal: float | np.ndarray = 0.5,
        item: int | np.ndarray = -1,
    ) -> Added:
        """Remember R things. Rows of one agent are taken in their order; agents do not touch each other.

        Parameters
        ----------
        agents_R
            (R,) integers, any agent any number of times.
        texts
            R texts, or an array of their numbers in `texts`.
        kind, created, importance, valence, arousal, item
            For each row, or one for all. Importance is from 1 to 10, valence from -1 to 1, arousal from 0 to 1.

        Raises
        ------
        SimulationError
            An agent, text or value that there cannot be.
        """
        agents_R = self._checked(agents_R)
        text_R = texts if isinstance(texts, np.ndarray) else self.texts.ids_of(texts)
        columns: dict[str, np.ndarray] = {
            "kind": _within("kind", kind, min(Kind), max(Kind)).astype(np.int8),
            "text": _within("text", text_R, 0, len(self.texts) - 1).astype(np.int32),
            "item": _within("item", item, -1, np.iinfo(np.int32).max).astype(np.int32),
            "valence": _within("valence", valence, -1, 1).astype(np.float32),
            "arousal": _within("arousal", arousal, 0, 1).astype(np.float32),
            "importance": _within("importance", importance, 1, 10).astype(np.float32),
            "created": _within("created", created, -_LONGEST, _LONGEST).astype(np.float64),
        }
        rows = {name: np.broadcast_to(column, agents_R.shape) for name, column in columns.items()}
        ids_R = np.full(len(agents_R), -1, dtype=np.int64)
        promoted = [np.empty((0, 2), dtype=np.int64)]
        for chosen in _rounds(agents_R):
            agents, round_ = agents_R[chosen], {name: column[chosen] for name, column in rows.items()}
            if self.preset.stages is None:
                slots = self._room(agents, round_["created"])
                ids_R[chosen] = self._write(agents, slots, round_, Stage.LONG)
                self._accumulate(agents, round_["kind"], round_["importance"])
            else:
                ids_R[chosen], risen = self._observe(agents, round_, self.preset.stages)
                promoted.append(risen)
        found = np.concatenate(promoted)
        return Added(ids_R, found[np.argsort(found[:, 0], kind="stable")])

    def _checked(self, agents: np.ndarray) -> np.ndarray:
        agents = np.asarray(agents, dtype=np.int64)
        if len(agents) and not 0 <= agents.min() <= agents.max() < len(self):
            wrong = agents[(agents < 0) | (agents >= len(self))][0]
            raise SimulationError(f"agent {wrong}: this memory has the agents 0 to {len(self) - 1}")
        return agents

    def _room(self, agents: np.ndarray, now: np.ndarray) -> np.ndarray:
        """A slot for each of some distinct agents: the first that is empty, else that of what `overflow` gives up."""
        id_RC = self.id_AC[agents]
        slots = id_RC.argmin(axis=1)  # an empty one, -1, before the oldest
        if self.preset.overflow == "oldest":
            return slots
        full = np.flatnonzero(id_RC[np.arange(len(agents)), slots] >= 0)
        if len(full):
            strength_RC = self._strength(agents[full], now[full, None])
            if self.preset.stages is not None:
                strength_RC = np.where(self.stage_AC[agents[full]] == Stage.LONG, strength_RC, np.inf)
            slots[full] = _first_least(strength_RC, id_RC[full])
        return slots

    def _strength(self, agents: np.ndarray, now: float | np.ndarray) -> np.ndarray:
        recency_RC = self._recency(agents, now)
        importance_RC = self._importance(agents)
        if self.preset.stages is not None:
            return forgetting_strength(recency_RC, importance_RC, self.preset.stages)
        return recency_RC * (0.5 + importance_RC / 2)

    def _importance(self, agents: np.ndarray) -> np.ndarray:
        return self.importance_AC[agents].astype(np.float64) * self.preset.importance_scale

    def _recency(self, agents: np.ndarray, now: float | np.ndarray) -> np.ndarray:
        # `accessed_AC` stays at the time of creation where reading leaves no trace.
        return self.preset.decay ** np.maximum(now - self.accessed_AC[agents], 0)

    def _write(self, agents: np.ndarray, slots: np.ndarray, rows: dict[str, np.ndarray], stage: Stage) -> np.ndarray:
        ids = self._next_id_A[agents]
        at = agents, slots
        self._next_id_A[agents] += 1
        self.id_AC[at] = ids
        self.text_AC[at], self.item_AC[at], self.kind_AC[at] = rows["text"], rows["item"], rows["kind"]
        self.valence_AC[at], self.arousal_AC[at] = rows["valence"], rows["arousal"]
        self.importance_AC[at] = rows["importance"]
        self.created_AC[at] = self.accessed_AC[at] = rows["created"]
        self.stage_AC[at], self.enhanced_AC[at] = stage, 0
        return ids

    def _accumulate(self, agents: np.ndarray, kind: np.ndarray, importance: np.ndarray) -> None:
        points = 1.0 if self.preset.counts_entries else importance.astype(np.float64) * self.preset.importance_scale
        self.accumulated_A[agents] += np.where(kind == Kind.THOUGHT, 0, points)

    # --- RecAgent: sensory, short-term, long-term ---

    def _observe(
        self, agents: np.ndarray, rows: dict[str, np.ndarray], stages: Stages
    ) -> tuple[np.ndarray, np.ndarray]:
        """One row of each of some distinct agents. Returns the new ids and (P, 2) agents and ids promoted."""
        ids = np.full(len(agents), -1, dtype=np.int64)
        is_thought = rows["kind"] == Kind.THOUGHT
        sensed = ~is_thought & (rows["importance"] * self.preset.importance_scale > stages.sensory_threshold)
        promoted = self._enhance(agents[sensed], rows["text"][sensed], rows["created"][sensed], stages)
        self._drop_short(agents[sensed], stages)
        for chosen, stage in ((sensed, Stage.SHORT), (is_thought, Stage.LONG)):
            picked = {name: column[chosen] for name, column in rows.items()}
            slots = self._room(agents[chosen], picked["created"])
            ids[chosen] = self._write(agents[chosen], slots, picked, stage)
            if stage == Stage.LONG:
                merged = self._enter_long(agents[chosen], slots, picked["created"], stages)
                ids[np.flatnonzero(chosen)[merged]] = -1
        return ids, promoted

    def _enhance(self, agents: np.ndarray, text: np.ndarray, now: np.ndarray, stages: Stages) -> np.ndarray:
        """Let observations strengthen similar short-term entries; what has enough goes to long-term memory."""
        probability_RC = sigmoid(self._cosines(agents, self.texts.embeddings[text]))
        # Each draw has a key of its own, agent and the number of its observation, whatever else is in the call.
        keys = agents * 2**32 + self._next_id_A[agents]
        drawn_RC = rng.uniform(self.seed, keys, step=0, purpose="enhance", n=self.capacity)
        is_short_RC = (self.id_AC[agents] >= 0) & (self.stage_AC[agents] == Stage.SHORT)
        enhanced_RC = is_short_RC & (probability_RC >= stages.similar) & (drawn_RC <= probability_RC)
        self.enhanced_AC[agents] += enhanced_RC
        risen_RC = is_short_RC & (self.enhanced_AC[agents] >= stages.enhancements)
        promoted = [np.empty((0, 2), dtype=np.int64)]
        # One entry of an agent at a time, the oldest first: two that rise together may be near-duplicates.
        while risen_RC.any():
            rows = np.flatnonzero(risen_RC.any(axis=1))
            slots = _first_least(np.where(risen_RC[rows], 0.0, np.inf), self.id_AC[agents[rows]])
            risen_RC[rows, slots] = False
            self.stage_AC[agents[rows], slots] = Stage.LONG
            self._accumulate(agents[rows], self.kind_AC[agents[rows], slots], self.importance_AC[agents[rows], slots])
            promoted.append(np.stack([agents[rows], self.id_AC[agents[rows], slots]], axis=1))
            merged = self._enter_long(agents[rows], slots, now[rows], stages)
            promoted[-1] = promoted[-1][~merged]
        return np.concatenate(promoted)

    def _enter_long(self, agents: np.ndarray, slots: np.ndarray, now: np.ndarray, stages: Stages) -> np.ndarray:
        """Make one of new long-term entries and their near-duplicates, if any. Returns (R,) bool, whether there were.

        The older entry stays, with the greater importance of the two and as if just read.
        """
        cosine_RC = self._cosines(agents, self.texts.embeddings[self.text_AC[agents, slots]])
        other_RC = (self.id_AC[agents] >= 0) & (self.stage_AC[agents] == Stage.LONG)
        other_RC[np.arange(len(agents)), slots] = False
        like_RC = np.where(other_RC & (sigmoid(cosine_RC) >= stages.duplicate), -cosine_RC, np.inf)
        merged = np.isfinite(like_RC).any(axis=1)
        here, gone = agents[merged], slots[merged]
        kept = _first_least(like_RC[merged], self.id_AC[here])
        self.importance_AC[here, kept] = np.maximum(self.importance_AC[here, kept], self.importance_AC[here, gone])
        self.accessed_AC[here, kept] = now[merged]
        self.id_AC[here, gone] = -1
        return np.asarray(merged)

    def _drop_short(self, agents: np.ndarray, stages: Stages) -> None:
        """Where one more has no room, drop the least important short-term entry; of several the least enhanced."""
        is_short_RC = (self.id_AC[agents] >= 0) & (self.stage_AC[agents] == Stage.SHORT)
        full = is_short_RC.sum(axis=1) >= stages.short_capacity
        agents, is_short_RC = agents[full], is_short_RC[full]
        worth_RC = np.where(is_short_RC, self.importance_AC[agents], np.inf)
        slots = _first_least(worth_RC, self.enhanced_AC[agents].astype(np.int64) * 2**32 + self.id_AC[agents])
        self.id_AC[agents, slots] = -1

    def short_term(self, agents_A: np.ndarray) -> np.ndarray:
        """(A, S) int64 slots of short-term entries, oldest first, then -1; RecAgent reads them beside what comes back.

        S is the preset's capacity of short-term memory; 0 where it has none.
        """
        n = 0 if self.preset.stages is None else self.preset.stages.short_capacity
        agents_A = self._checked(agents_A)
        is_short_AC = (self.id_AC[agents_A] >= 0) & (self.stage_AC[agents_A] == Stage.SHORT)
        order_An = np.argsort(np.where(is_short_AC, self.id_AC[agents_A], np.iinfo(np.int32).max), axis=1)[:, :n]
        return np.where(np.take_along_axis(is_short_AC, order_An, axis=1), order_An, -1)

    # --- what comes back ---

    def _cosines(self, agents: np.ndarray, query_RE: np.ndarray) -> np.ndarray:
        """(R, C) float64 cosines of each agent's entries with its query, both `grid_rows`; empty slots: anything."""
        cosine_RC = np.empty((len(agents), self.capacity), dtype=np.float32)
        for start in range(0, len(agents), _AGENTS_PER_BLOCK):
            block = slice(start, start + _AGENTS_PER_BLOCK)
            entries_bCE = self.texts.embeddings[self.text_AC[agents[block]]]
            cosine_RC[block] = (entries_bCE @ query_RE[block, :, None])[:, :, 0]
        return np.clip(cosine_RC, -1, 1).astype(np.float64)

    def retrieve(self, agents_A: np.ndarray, queries_AE: np.ndarray, k: int, now: float) -> Retrieved:
        """The `k` entries of each agent that score highest for its query, out of long-term memory.

        Where `reading_renews`, what was retrieved counts as read at `now`; an agent that is asked twice in one call
        answers twice as it was before.

        Parameters
        ----------
        queries_AE
            (A, E) in the space of the texts' embeddings, of any length.
        now
            Simulated time.

        Raises
        ------
        SimulationError
            An unknown agent, queries of another shape, or k below 1.
        """
        agents_A = self._checked(agents_A)
        if k < 1:
            raise SimulationError(f"k={k}: at least one memory has to be asked for")
        needed = (len(agents_A), self.texts.width)
        if queries_AE.shape != needed:
            raise SimulationError(f"queries of shape {queries_AE.shape}: {needed} is needed, a row for each agent")
        blocks = [slice(start, start + _AGENTS_PER_RANKING) for start in range(0, len(agents_A), _AGENTS_PER_RANKING)]
        parts = [self._ranked(agents_A[block], queries_AE[block], k, now) for block in blocks or [slice(0)]]
        retrieved = Retrieved(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        if self.preset.reading_renews:
            row, place = np.nonzero(retrieved.ids_Ak >= 0)
            self.accessed_AC[agents_A[row], retrieved.slots_Ak[row, place]] = now
        return retrieved

    def _ranked(self, agents: np.ndarray, queries_AE: np.ndarray, k: int, now: float) -> Retrieved:
        id_AC = self.id_AC[agents].astype(np.int64)
        valid_AC = (id_AC >= 0) & (self.stage_AC[agents] == Stage.LONG)
        # With no text in the table there is no row to compare with, and no entry either.
        relevance_AC = self._cosines(agents, grid_rows(queries_AE)) if len(self.texts) else np.zeros(id_AC.shape)
        recency_AC = self._recency(agents, now)
        importance_AC = self._importance(agents)
        score_AC = self._scores(agents, recency_AC, relevance_AC, importance_AC, valid_AC)
        order_Ak = np.lexsort((id_AC, np.where(valid_AC, -score_AC, np.inf)), axis=1)[:, :k]
        order_Ak = np.pad(order_Ak, ((0, 0), (0, max(0, k - self.capacity))))
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

    def _scores(
        self,
        agents: np.ndarray,
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
            case "emotional":
                return self._emotional_scores(agents, relevance_AC, valid_AC)
            case "scaled sum":
                recency_AC, relevance_AC, importance_AC = (
                    _scaled(part, valid_AC) for part in (recency_AC, relevance_AC, importance_AC)
                )
        of_recency, of_relevance, of_importance = self.preset.weights
        return of_recency * recency_AC + of_relevance * relevance_AC + of_importance * importance_AC

    def _emotional_scores(self, agents: np.ndarray, relevance_AC: np.ndarray, valid_AC: np.ndarray) -> np.ndarray:
        created_AC = self.created_AC[agents]
        latest_AC = np.where(valid_AC, -created_AC, np.inf)
        # The emotion that counts is that of the latest entry by time, of several that of the last added.
        latest_A1 = _first_least(latest_AC, -self.id_AC[agents])[:, None]
        valence_AC = self.valence_AC[agents].astype(np.float64)
        arousal_AC = self.arousal_AC[agents].astype(np.float64)
        return emotional_score(
            relevance_AC,
            np.where(valid_AC, np.take_along_axis(created_AC, latest_A1, axis=1) - created_AC, 0),
            1 - np.abs(valence_AC - np.take_along_axis(valence_AC, latest_A1, axis=1)) / 2,
            1 - np.abs(arousal_AC - np.take_along_axis(arousal_AC, latest_A1, axis=1)),
            self.preset.arousal_weight,
        )

    def touch(self, agents_R: np.ndarray, ids_R: np.ndarray, now: float) -> None:
        """Count entries as read at `now`, as `retrieve` does: to replay what was retrieved.

        Ids that an agent does not have are passed over, and so is everything where reading leaves no trace.
        """
        if self.preset.reading_renews:
            agents_R = self._checked(agents_R)
            row, slot = np.nonzero(self.id_AC[agents_R] == np.asarray(ids_R)[:, None])
            self.accessed_AC[agents_R[row], slot] = now

    # --- reflection and forgetting ---

    def due_A(self, threshold: float | None = None) -> np.ndarray:  # noqa: N802  # shape suffix
        """(A,) bool, whether a reflection is due; at the preset's threshold by default."""
        return self.accumulated_A >= (self.preset.reflects_at if threshold is None else threshold)

    def reflected(self, agents: np.ndarray) -> None:
        """Begin to accumulate anew: these agents have reflected. What they thought is added as `Kind.THOUGHT`."""
        self.accumulated_A[self._checked(agents)] = 0

    def forget(self, agents_A: np.ndarray, now: float) -> np.ndarray:
        """Forget as the preset does. Returns (A,) int64, how many entries each of the (distinct) agents lost.

        RecAgent: a long-term entry that was not read for more than 24 hours goes with probability (1 - strength) over
        the sum of 1 - strength of all long-term entries; see `forgetting_strength`. Other presets never forget.
        """
        agents_A = self._checked(agents_A)
        stages = self.preset.stages
        if stages is None:
            return np.zeros(len(agents_A), dtype=np.int64)
        long_AC = (self.id_AC[agents_A] >= 0) & (self.stage_AC[agents_A] == Stage.LONG)
        weakness_AC = np.where(long_AC, 1 - self._strength(agents_A, now), 0)
        probability_AC = weakness_AC / np.maximum(weakness_AC.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        purpose = f"forget at {float(now)!r}"
        drawn_AC = rng.uniform(self.seed, agents_A, step=0, purpose=purpose, n=self.capacity)
        old_AC = now - self.accessed_AC[agents_A] > stages.never_younger
        lost_AC = long_AC & old_AC & (drawn_AC < probability_AC)
        row, slot = np.nonzero(lost_AC)
        self.id_AC[agents_A[row], slot] = -1
        return lost_AC.sum(axis=1)

    # --- reading ---

    def describe(self, agent: int) -> list[Entry]:
        """All that an agent remembers, oldest first."""
        self._checked(np.array([agent]))
        slots = np.argsort(self.id_AC[agent], kind="stable")
        return [self.entry(agent, int(slot)) for slot in slots if self.id_AC[agent, slot] >= 0]

    def entry(self, agent: int, slot: int) -> Entry:
        """The entry at a slot, such as `Retrieved.slots_Ak` gives.

        Raises
        ------
        SimulationError
            Nothing is there.
        """
        if self.id_AC[agent, slot] < 0:
            raise SimulationError(f"agent {agent} has no memory at slot {slot}: ask `describe` for those there are")
        return Entry(
            id=int(self.id_AC[agent, slot]),
            kind=Kind(self.kind_AC[agent, slot]).name.lower(),
            stage=Stage(self.stage_AC[agent, slot]).name.lower(),
            text=self.texts[int(self.text_AC[agent, slot])],
            item=int(self.item_AC[agent, slot]),
            valence=float(self.valence_AC[agent, slot]),
            arousal=float(self.arousal_AC[agent, slot]),
            importance=float(self.importance_AC[agent, slot]),
            created=float(self.created_AC[agent, slot]),
            last_accessed=float(self.accessed_AC[agent, slot]),
        )


def _rounds(agents_R: np.ndarray) -> list[np.ndarray]:
    """Rows split so that each part has an agent at most once, and an agent's rows keep their order."""
    order = np.argsort(agents_R, kind="stable")
    sorted_R = agents_R[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = sorted_R[1:] != sorted_R[:-1]
    places = np.arange(len(order))
    turn = places - np.maximum.accumulate(np.where(is_first, places, 0))
    by_turn = np.argsort(turn, kind="stable")
    return np.split(order[by_turn], np.cumsum(np.bincount(turn))[:-1]) if len(order) else []


def _first_least(values_RC: np.ndarray, ids_RC: np.ndarray) -> np.ndarray:
    """(R,) the column of each row's least value, of several that of the least id."""
    least_RC = values_RC == values_RC.min(axis=1, keepdims=True)
    return np.where(least_RC, ids_RC.astype(np.int64), np.iinfo(np.int64).max).argmin(axis=1)


def _scaled(part_AC: np.ndarray, valid_AC: np.ndarray) -> np.ndarray:
    """Each row from 0 to 1 over its valid entries; .5 where they are all equal."""
    low_A1 = np.where(valid_AC, part_AC, np.inf).min(axis=1, keepdims=True)
    high_A1 = np.where(valid_AC, part_AC, -np.inf).max(axis=1, keepdims=True)
    spread_A1 = np.where(high_A1 > low_A1, high_A1 - low_A1, 1)
    return np.where(high_A1 > low_A1, (part_AC - np.where(high_A1 > low_A1, low_A1, 0)) / spread_A1, 0.5)


def _within(name: str, values: float | np.ndarray, lowest: float, highest: float) -> np.ndarray:
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.number) or not ((array >= lowest) & (array <= highest)).all():
        wrong = array.ravel()[~((array >= lowest) & (array <= highest)).ravel()]
        raise SimulationError(f"{name} {wrong[0]}: a number from {lowest} to {highest} is needed")
    return array
