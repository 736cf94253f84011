"""Entries of all agents' memories as arrays: C slots an agent, columns that few memories need only once they are used.

    entries = Entries(n_agents=1000, capacity=50)
    ids_R = entries.write(agents_R, entries.oldest_slots(agents_R), rows, Stage.LONG)

Shapes: A agents, C slots of one agent, R rows of distinct agents, M evidence ids of one entry.
"""

from enum import IntEnum
from typing import ClassVar, NamedTuple

import numpy as np

from recgpt.simulate.agents.memory_texts import StringTable

MAX_EVIDENCE = 32  # ids of one entry: bounds the array that holds them


class Kind(IntEnum):
    """Kind of an entry: an event, a feeling about one, a conclusion drawn from entries, an utterance.

    An insight is a conclusion from entries that leave RecAgent's short-term memory, a thought one of a reflection.
    """

    EVENT = 0
    FEELING = 1
    THOUGHT = 2
    CHAT = 3
    INSIGHT = 4


CONCLUSIONS = (Kind.THOUGHT, Kind.INSIGHT)
"""Kinds of entries that are drawn from other entries."""


class Stage(IntEnum):
    """Store that holds an entry. Only RecAgent's presets have short-term memory.

    A shell is what is left of a forgotten or merged entry in RecAgent's code: never retrieved, but counted.
    """

    LONG = 0
    SHORT = 1
    SHELL = 2


class Entry(NamedTuple):
    """One entry in plain values.

    Attributes
    ----------
    id
        Number of the entry among all that its agent ever had, from 0.
    item, other
        Item and agent that it is about; -1 for none.
    depth
        0 for events; for a thought 1 more than its deepest evidence (Park et al. 2023, section 4.2).
    evidence
        Ids of the agent's entries that it was drawn from.
    triple
        Subject, predicate and object; None without.
    """

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
    other: int = -1
    depth: int = 0
    evidence: tuple[int, ...] = ()
    triple: tuple[str, str, str] | None = None


class Entries:
    """Arrays over agents and slots.

    Parameters
    ----------
    n_agents
        A.
    capacity
        C.

    Attributes
    ----------
    id_AC, text_AC, item_AC
        int32; an id of -1 is an empty slot.
    kind_AC, stage_AC, enhanced_AC
        int8.
    valence_AC, arousal_AC, importance_AC
        float32.
    created_AC, accessed_AC
        float64, in the preset's unit of time.
    other_AC
        int32 agent that an entry is about, -1 for none; None until an entry has one.
    triple_AC3
        int32 subject, predicate and object by their numbers in `strings`, -1 for none; None until an entry has one.
    enhancer_ACN
        int32 numbers of the texts that enhanced a short-term entry, -1 for none; None until one was enhanced.
    evidence_ACM, depth_AC
        int32 ids padded with -1, and int8; None until an entry has evidence. M grows to `MAX_EVIDENCE`.
    next_id_A
        int32 id of each agent's next entry.
    accumulated_A
        float64 importance since the last reflection, in the preset's scale; or entries, where it counts those.
    strings
        Table of the triples' strings.
    """

    _COLUMNS: ClassVar = {
        "id_AC": (np.int32, -1),
        "text_AC": (np.int32, 0),
        "item_AC": (np.int32, -1),
        "kind_AC": (np.int8, 0),
        "stage_AC": (np.int8, 0),
        "enhanced_AC": (np.int8, 0),
        "valence_AC": (np.float32, 0),
        "arousal_AC": (np.float32, 0),
        "importance_AC": (np.float32, 0),
        "created_AC": (np.float64, 0),
        "accessed_AC": (np.float64, 0),
    }
    _OF_AGENTS: ClassVar = ("next_id_A", "accumulated_A")
    _OPTIONAL: ClassVar = ("other_AC", "triple_AC3", "enhancer_ACN", "evidence_ACM", "depth_AC")

    REQUIRED: ClassVar = (*_COLUMNS, *_OF_AGENTS, "strings_bytes", "strings_offsets")

    id_AC: np.ndarray
    text_AC: np.ndarray
    item_AC: np.ndarray
    kind_AC: np.ndarray
    stage_AC: np.ndarray
    enhanced_AC: np.ndarray
    valence_AC: np.ndarray
    arousal_AC: np.ndarray
    importance_AC: np.ndarray
    created_AC: np.ndarray
    accessed_AC: np.ndarray

    def __init__(self, n_agents: int, capacity: int) -> None:
        for name, (dtype, fill) in self._COLUMNS.items():
            setattr(self, name, np.full((n_agents, capacity), fill, dtype=dtype))
        self.other_AC: np.ndarray | None = None
        self.triple_AC3: np.ndarray | None = None
        self.enhancer_ACN: np.ndarray | None = None
        self.evidence_ACM: np.ndarray | None = None
        self.depth_AC: np.ndarray | None = None
        self.next_id_A = np.zeros(n_agents, dtype=np.int32)
        self.accumulated_A = np.zeros(n_agents, dtype=np.float64)
        self.strings = StringTable()

    @property
    def capacity(self) -> int:
        """C."""
        return self.id_AC.shape[1]

    # --- writing ---

    def oldest_slots(self, agents_R: np.ndarray) -> np.ndarray:
        """(R,) int64 for each agent an empty slot, or else the slot of its oldest entry."""
        return self.id_AC[agents_R].argmin(axis=1)  # an empty slot's id is -1, less than any

    def write(self, agents_R: np.ndarray, slots_R: np.ndarray, rows: dict[str, np.ndarray], stage: Stage) -> np.ndarray:
        """Write one entry of each of R distinct agents into its slot; (R,) int32 ids of the new entries."""
        ids_R = self.next_id_A[agents_R]
        at = agents_R, slots_R
        self.next_id_A[agents_R] += 1
        self._write_optional(agents_R, slots_R, rows)  # reads evidence, which may be in the slot, before it is lost
        self.id_AC[at] = ids_R
        self.text_AC[at], self.item_AC[at], self.kind_AC[at] = rows["text"], rows["item"], rows["kind"]
        self.valence_AC[at], self.arousal_AC[at] = rows["valence"], rows["arousal"]
        self.importance_AC[at] = rows["importance"]
        self.created_AC[at] = self.accessed_AC[at] = rows["created"]
        self.stage_AC[at], self.enhanced_AC[at] = stage, 0
        return ids_R

    def _write_optional(self, agents_R: np.ndarray, slots_R: np.ndarray, rows: dict[str, np.ndarray]) -> None:
        at, none = (agents_R, slots_R), np.full((len(agents_R), 1), -1)
        if "other" in rows and self.other_AC is None:
            self.other_AC = np.full(self.id_AC.shape, -1, dtype=np.int32)
        if self.other_AC is not None:
            self.other_AC[at] = rows.get("other", none[:, 0])
        if "triple" in rows and self.triple_AC3 is None:
            self.triple_AC3 = np.full((*self.id_AC.shape, 3), -1, dtype=np.int32)
        if self.triple_AC3 is not None:
            self.triple_AC3[at] = rows.get("triple", none)
        if self.enhancer_ACN is not None:
            self.enhancer_ACN[at] = -1
        if "evidence" in rows:
            self._make_room_for_evidence(rows["evidence"].shape[1])
        if self.evidence_ACM is not None and self.depth_AC is not None:
            evidence_RM = rows.get("evidence", none)
            depth_R = 1 + self._greatest_depth(self.depth_AC[agents_R], agents_R, evidence_RM)
            self.depth_AC[at] = np.where(np.isin(rows["kind"], CONCLUSIONS), depth_R, 0)
            self.evidence_ACM[at] = -1
            self.evidence_ACM[agents_R, slots_R, : evidence_RM.shape[1]] = evidence_RM

    def _make_room_for_evidence(self, n: int) -> None:
        """Let every entry hold `n` evidence ids at least."""
        if self.evidence_ACM is None:
            self.evidence_ACM = np.full((*self.id_AC.shape, n), -1, dtype=np.int32)
            self.depth_AC = np.isin(self.kind_AC, CONCLUSIONS).astype(np.int8)
        elif n > self.evidence_ACM.shape[2]:
            more = n - self.evidence_ACM.shape[2]
            self.evidence_ACM = np.pad(self.evidence_ACM, ((0, 0), (0, 0), (0, more)), constant_values=-1)

    def _greatest_depth(self, depth_RC: np.ndarray, agents_R: np.ndarray, evidence_RM: np.ndarray) -> np.ndarray:
        """(R,) greatest depth of the evidence; 0 without any, and for evidence that was forgotten."""
        id_R1C = self.id_AC[agents_R][:, None, :]
        is_evidence_RMC = (id_R1C == evidence_RM[:, :, None]) & (id_R1C >= 0)
        return np.where(is_evidence_RMC, depth_RC[:, None, :], 0).max(axis=(1, 2), initial=0)

    # --- reading ---

    def entry(self, agent: int, slot: int, text: str) -> Entry:
        """The entry at a slot that holds one, with the text that it refers to."""
        evidence = () if self.evidence_ACM is None else self.evidence_ACM[agent, slot]
        kind = Kind(self.kind_AC[agent, slot])
        depth = int(kind in CONCLUSIONS) if self.depth_AC is None else int(self.depth_AC[agent, slot])
        return Entry(
            id=int(self.id_AC[agent, slot]),
            kind=kind.name.lower(),
            stage=Stage(self.stage_AC[agent, slot]).name.lower(),
            text=text,
            item=int(self.item_AC[agent, slot]),
            valence=float(self.valence_AC[agent, slot]),
            arousal=float(self.arousal_AC[agent, slot]),
            importance=float(self.importance_AC[agent, slot]),
            created=float(self.created_AC[agent, slot]),
            last_accessed=float(self.accessed_AC[agent, slot]),
            other=-1 if self.other_AC is None else int(self.other_AC[agent, slot]),
            depth=depth,
            evidence=tuple(int(number) for number in evidence if number >= 0),
            triple=self._triple(agent, slot),
        )

    def _triple(self, agent: int, slot: int) -> tuple[str, str, str] | None:
        if self.triple_AC3 is None or self.triple_AC3[agent, slot, 0] < 0:
            return None
        subject, predicate, object_ = (self.strings[number] for number in self.triple_AC3[agent, slot].tolist())
        return subject, predicate, object_

    # --- snapshots ---

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All columns that are in use, by name, and the table of strings; copies."""
        names = [*self._COLUMNS, *self._OF_AGENTS, *self._OPTIONAL]
        columns = {name: getattr(self, name) for name in names}
        packed = {f"strings_{name}": array for name, array in self.strings.to_arrays().items()}
        return {name: array.copy() for name, array in columns.items() if array is not None} | packed

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Entries":
        """Rebuild entries from copies of the arrays of `to_arrays`, which include `REQUIRED`."""
        entries = cls(*arrays["id_AC"].shape)
        for name in (*cls._COLUMNS, *cls._OF_AGENTS, *cls._OPTIONAL):
            if name in arrays:
                setattr(entries, name, arrays[name].copy())
        strings = {name: arrays[f"strings_{name}"] for name in StringTable.REQUIRED}
        entries.strings = StringTable.from_arrays(strings)
        return entries
