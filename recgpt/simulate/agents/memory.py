"""Memories of agents: entries in arrays over all agents, retrieved by the published rules.

    memory = Memory(n_agents=1000, capacity=50, preset=PRESETS["recgpt"], width=384)
    said = memory.texts.ids_of([f"I watched {title} and loved it." for title in titles], unit_NE[items])
    memory.add(agents, Kind.EVENT, said, created=3, importance=6, valence=1, item=items)
    retrieved = memory.retrieve(agents, queries_AE, k=5, now=4)
    memory.describe(7)

Time is simulated: hours for RecAgent and Generative Agents, interactions or pages for EmoSim-RL; a preset names its
unit. Results do not depend on the batch: agents share only the table of texts, and the sums of a cosine are exact (see
`grid_rows`).

Shapes: A agents queried, R rows added, C capacity (slots of one agent), E embedding width, k entries retrieved.
"""

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate.agents.memory_entries import MAX_EVIDENCE, Entries, Entry, Kind, Stage
from recgpt.simulate.agents.memory_presets import PRESETS, Preset
from recgpt.simulate.agents.memory_scores import Retrieved, Scores
from recgpt.simulate.agents.memory_stages import Draws, StagedMemory, counter_draws
from recgpt.simulate.agents.memory_texts import Embed, Texts

__all__ = ["PRESETS", "Added", "Entry", "Kind", "Memory", "Preset", "Retrieved", "Stage"]

_AGENTS_PER_RANKING = 4096
_LONGEST = 1e12  # units of time


class Added(NamedTuple):
    """Outcome of adding R rows.

    Attributes
    ----------
    ids_R
        (R,) int64 the new entries; -1 for a row that was not kept or was merged into an older entry.
    promoted
        (P, 2) int64, agent and id of the entries that the rows promoted from short-term to long-term memory, in the
        order of their agents: the caller may add an insight for each.
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
        One of `PRESETS`, or another.
    width, embed
        Embedding width E and encoder of the table of texts, see `Texts`.
    seed
        Key of RecAgent's draws.
    draws
        RecAgent's draws; by default keyed by the seed.

    Attributes
    ----------
    texts
        The table of texts.
    entries
        The arrays.

    Raises
    ------
    SimulationError
        No agents, or a capacity that is too small for the preset.
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
        draws: Draws | None = None,
    ) -> None:
        least = 1 if preset.stages is None else preset.stages.short_capacity + 1
        if n_agents < 1:
            raise SimulationError(f"n_agents={n_agents}: at least one agent is needed")
        if capacity < least:
            raise SimulationError(f"capacity={capacity}: the memory {preset.name!r} needs at least {least}")
        self.preset = preset
        self.seed = seed
        self._draws = draws or counter_draws(seed)
        self._hold(Entries(n_agents, capacity), Texts(width, embed))

    def _hold(self, entries: Entries, texts: Texts) -> None:
        self.entries = entries
        self.texts = texts
        self._scores = Scores(entries, texts, self.preset)
        stages = self.preset.stages
        self._staged = None if stages is None else StagedMemory(self._scores, stages, self._draws)

    def __len__(self) -> int:
        return len(self.entries.id_AC)

    @property
    def capacity(self) -> int:
        """C."""
        return self.entries.capacity

    def counts(self) -> np.ndarray:
        """(A,) int64 entries of each agent."""
        return (self.entries.id_AC >= 0).sum(axis=1)

    # --- snapshots ---

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole memory but for preset, seed and encoder, as arrays by name (copies)."""
        return self.entries.to_arrays() | {f"texts_{name}": array for name, array in self.texts.to_arrays().items()}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], preset: Preset, *, embed: Embed | None = None, seed: int = 0
    ) -> "Memory":
        """Rebuild a memory from copies of the arrays of `to_arrays`.

        Parameters
        ----------
        preset, embed, seed
            As of the memory that was stored.

        Raises
        ------
        SimulationError
            An array is missing.
        """
        missing = {*Entries.REQUIRED, *(f"texts_{name}" for name in Texts.REQUIRED)} - set(arrays)
        if missing:
            raise SimulationError(f"the arrays of a memory lack {', '.join(sorted(missing))}: make the snapshot again")
        texts = Texts.from_arrays({name: arrays[f"texts_{name}"] for name in Texts.REQUIRED}, embed)
        entries = Entries.from_arrays(arrays)
        n_agents, capacity = entries.id_AC.shape
        memory = cls(n_agents, capacity, preset, width=texts.width, embed=embed, seed=seed)
        memory._hold(entries, texts)
        return memory

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays and of the table of texts."""
        return sum(array.nbytes for array in self.to_arrays().values())

    # --- writing ---

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
        other: int | np.ndarray = -1,
        evidence: Sequence[Sequence[int]] | None = None,
        triples: Sequence[tuple[str, str, str]] | None = None,
    ) -> Added:
        """Add R entries. Rows of one agent are taken in their order; agents do not affect each other.

        Parameters
        ----------
        agents_R
            (R,) integers, any agent any number of times.
        texts
            R texts, or an array of their numbers in `texts`.
        kind, created, importance, valence, arousal, item, other
            Of each row, or one for all. Importance is from 1 to 10, valence from -1 to 1, arousal from 0 to 1; `item`
            and `other` (an agent) are what the entry is about, -1 for none.
        evidence
            For each row the ids of entries of the same agent that it was drawn from, `MAX_EVIDENCE` at most.
        triples
            For each row subject, predicate and object.

        Raises
        ------
        SimulationError
            An agent, text or value out of its range, or evidence that the agent never had.
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
        other_R = _within("other", other, -1, len(self) - 1).astype(np.int32)
        if (other_R >= 0).any():
            columns["other"] = other_R
        rows = {name: np.broadcast_to(column, agents_R.shape) for name, column in columns.items()}
        if evidence is not None and any(map(len, evidence)):
            rows["evidence"] = self._evidence(agents_R, evidence)
        if triples is not None:
            numbers = [[self.entries.strings.number(part) for part in triple] for triple in triples]
            rows["triple"] = np.array(numbers, dtype=np.int32).reshape(len(agents_R), 3)
        return self._add(agents_R, rows)

    def _add(self, agents_R: np.ndarray, rows: dict[str, np.ndarray]) -> Added:
        ids_R = np.full(len(agents_R), -1, dtype=np.int64)
        promoted = [np.empty((0, 2), dtype=np.int64)]
        for chosen in _rounds(agents_R):
            agents, round_ = agents_R[chosen], {name: column[chosen] for name, column in rows.items()}
            if self._staged is None:
                slots = self._scores.slots_to_write(agents, round_["created"])
                ids_R[chosen] = self.entries.write(agents, slots, round_, Stage.LONG)
                points = self._scores.points(round_["kind"], round_["importance"])
                self.entries.accumulated_A[agents] += points
            else:
                ids_R[chosen], risen = self._staged.observe(agents, round_)
                promoted.append(risen)
        found = np.concatenate(promoted)
        return Added(ids_R, found[np.argsort(found[:, 0], kind="stable")])

    def _checked(self, agents: np.ndarray) -> np.ndarray:
        agents = np.asarray(agents, dtype=np.int64)
        if len(agents) and not 0 <= agents.min() <= agents.max() < len(self):
            wrong = agents[(agents < 0) | (agents >= len(self))][0]
            raise SimulationError(f"agent {wrong}: this memory has the agents 0 to {len(self) - 1}")
        return agents

    def _evidence(self, agents_R: np.ndarray, evidence: Sequence[Sequence[int]]) -> np.ndarray:
        """(R, M) int32 evidence ids, padded with -1."""
        if len(evidence) != len(agents_R):
            raise SimulationError(f"evidence for {len(evidence)} of {len(agents_R)} rows: give each row its ids")
        width = max(map(len, evidence))
        if width > MAX_EVIDENCE:
            raise SimulationError(f"evidence of {width} ids: an entry has {MAX_EVIDENCE} at most")
        ids_RM = np.full((len(agents_R), width), -1, dtype=np.int32)
        for row, (agent, ids) in enumerate(zip(agents_R.tolist(), evidence, strict=True)):
            wrong = [each for each in ids if not 0 <= each < self.entries.next_id_A[agent]]
            if wrong:
                raise SimulationError(f"evidence {wrong[0]}: agent {agent} never had an entry of this id")
            ids_RM[row, : len(ids)] = ids
        return ids_RM

    def touch(self, agents_R: np.ndarray, ids_R: np.ndarray, now: float) -> None:
        """Record that entries were read at `now`.

        Ids that an agent does not have are ignored, and all where the preset's recency does not depend on reading.
        """
        if self.preset.reading_renews:
            agents_R = self._checked(agents_R)
            row, slot = np.nonzero(self.entries.id_AC[agents_R] == np.asarray(ids_R)[:, None])
            self.entries.accessed_AC[agents_R[row], slot] = now

    def enhance_by(self, agents_R: np.ndarray, ids_R: np.ndarray, now: float) -> np.ndarray:
        """Let retrieved entries enhance short-term ones, where the preset has it: (P, 2) agents and promoted ids.

        Ids that an agent does not have are ignored. Rows of one agent are taken in their order.
        """
        agents_R = self._checked(agents_R)
        found_RC = self.entries.id_AC[agents_R] == np.asarray(ids_R)[:, None]
        held = found_RC.any(axis=1)
        return self.enhance_with(agents_R[held], self.entries.text_AC[agents_R, found_RC.argmax(axis=1)][held], now)

    def enhance_with(self, agents_R: np.ndarray, text_R: np.ndarray, now: float) -> np.ndarray:
        """As `enhance_by`, with texts by their numbers in `texts`."""
        promoted = [np.empty((0, 2), dtype=np.int64)]
        if self._staged is not None and self._staged.stages.reading_enhances:
            for rows in _rounds(agents_R):
                now_R = np.full(len(rows), float(now))
                promoted.append(self._staged.enhance(agents_R[rows], text_R[rows], now_R))
        return np.concatenate(promoted)

    def enhancers(self, agent: int, entry_id: int) -> list[str]:
        """Texts that enhanced an entry, oldest first; none where the preset does not note them."""
        slots = np.flatnonzero(self.entries.id_AC[agent] == entry_id)
        if self.entries.enhancer_ACN is None or not len(slots):
            return []
        return [self.texts[number] for number in self.entries.enhancer_ACN[agent, slots[0]].tolist() if number >= 0]

    def merge_cited(self, agents_R: np.ndarray, thoughts_R: np.ndarray, now: float) -> None:
        """Merge what new thoughts cite into them, where the preset has it; see `StagedMemory.merge_cited`."""
        if self._staged is not None and not self._staged.stages.merges_on_entry:
            self._staged.merge_cited(self._checked(agents_R), np.asarray(thoughts_R), now)

    def after_reading(self, agents_R: np.ndarray, ids_R: np.ndarray, now: float) -> "Memory":
        """The memory as `touch` would leave it, to retrieve from: it shares all arrays but the times of reading."""
        entries, memory = copy(self.entries), copy(self)
        entries.accessed_AC = self.entries.accessed_AC.copy()
        memory._hold(entries, self.texts)
        memory.touch(agents_R, ids_R, now)
        return memory

    # --- reflection and forgetting ---

    def due_A(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(A,) bool, whether a reflection is due."""
        return self.entries.accumulated_A >= self.preset.reflects_at

    def reflected(self, agents: np.ndarray, *, keeps_excess: bool = False) -> None:
        """Reset the accumulated importance after a reflection, whose conclusions are added as `Kind.THOUGHT`.

        Parameters
        ----------
        keeps_excess
            Whether importance above the threshold counts towards the next reflection: for worlds that look for due
            reflections less often than after each entry.
        """
        agents = self._checked(agents)
        excess = self.entries.accumulated_A[agents] - self.preset.reflects_at
        self.entries.accumulated_A[agents] = np.maximum(excess, 0) if keeps_excess else 0

    def forget(self, agents_A: np.ndarray, now: float) -> np.ndarray:
        """Forget as RecAgent does, see `StagedMemory.forget`: (A,) int64 lost entries; other presets never forget."""
        agents_A = self._checked(agents_A)
        return np.zeros(len(agents_A), dtype=np.int64) if self._staged is None else self._staged.forget(agents_A, now)

    # --- reading, which changes nothing ---

    def retrieve(self, agents_A: np.ndarray, queries_AE: np.ndarray, k: int, now: float) -> Retrieved:
        """The `k` long-term entries of each agent that score highest for its query. `touch` records the reading.

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
            raise SimulationError(f"k={k}: at least one entry has to be retrieved")
        needed = (len(agents_A), self.texts.width)
        if queries_AE.shape != needed:
            raise SimulationError(f"queries of shape {queries_AE.shape}: {needed} is needed, a row for each agent")
        blocks = [slice(start, start + _AGENTS_PER_RANKING) for start in range(0, len(agents_A), _AGENTS_PER_RANKING)]
        parts = [self._scores.best(agents_A[block], queries_AE[block], k, now) for block in blocks or [slice(0)]]
        return Retrieved(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def describe(self, agent: int) -> list[Entry]:
        """All entries of an agent, oldest first."""
        self._checked(np.array([agent]))
        id_C = self.entries.id_AC[agent]
        slots = np.argsort(id_C, kind="stable")
        return [self.entry(agent, int(slot)) for slot in slots if id_C[slot] >= 0]

    def entry(self, agent: int, slot: int) -> Entry:
        """The entry at a slot, for example one of `Retrieved.slots_Ak`.

        Raises
        ------
        SimulationError
            The slot is empty.
        """
        if self.entries.id_AC[agent, slot] < 0:
            raise SimulationError(f"agent {agent} has no memory at slot {slot}: `describe` lists its entries")
        return self.entries.entry(agent, slot, self.texts[int(self.entries.text_AC[agent, slot])])


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


def _within(name: str, values: float | np.ndarray, lowest: float, highest: float) -> np.ndarray:
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.number) or not ((array >= lowest) & (array <= highest)).all():
        wrong = array.ravel()[~((array >= lowest) & (array <= highest)).ravel()]
        raise SimulationError(f"{name} {wrong[0]}: a number from {lowest} to {highest} is needed")
    return array
