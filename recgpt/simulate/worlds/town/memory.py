"""Memories of the residents, made from the events of a town without a call of a language model.

    memory = TownMemory("generative_agents", setting, seed=0)
    memory.apply(events, seconds_per_tick=10)            # of a block
    found = memory.retrieve(agent, "the party", k=30, hours=12.5)

Things perceived are events, talks are chats of both sides, whispers and conclusions are thoughts with evidence.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from recgpt.bounds import parse_json
from recgpt.simulate.agents.memory import PRESETS, Entry, Kind, Memory, Retrieved
from recgpt.simulate.agents.memory_entries import MAX_EVIDENCE
from recgpt.simulate.worlds.town.events import Event
from recgpt.simulate.worlds.town.setting import Setting

HISTORY, WHISPER, TALK, NEWS, TASTE = 5.0, 8.0, 4.0, 6.0, 4.0
"""Importance of what is known before the first tick, of a whisper, of a talk, of a fact heard, of an item adopted."""
_PREFIX = "memory_"


def capacity_of(n_residents: int) -> int:
    """Entries of one resident: all of some days in a small town, the latest in a large one."""
    return min(max(400_000 // n_residents, 256), 4096)


class _Row(NamedTuple):
    agent: int
    kind: Kind
    text: str
    hours: float
    importance: float
    other: int = -1
    item: int = -1
    valence: float = 0.0
    evidence: tuple[int, ...] = ()
    triple: tuple[str, str, str] = ("", "", "")


class TownMemory:
    """Memories of all residents; hours count from the start of the run.

    Parameters
    ----------
    preset
        Name of a preset of `recgpt.simulate.agents.memory_presets`.
    """

    def __init__(self, preset: str, setting: Setting, seed: int) -> None:
        self._preset = PRESETS[preset]
        self._seed = seed
        self._names = [resident.name for resident in setting.people.residents]
        self._facts = [fact.text for fact in setting.people.facts]
        self._titles = [] if setting.catalogue is None else setting.catalogue.facts.items["title"].to_list()
        self.entries = Memory(len(self._names), capacity_of(len(self._names)), self._preset, seed=seed)
        self._add(
            [
                _Row(agent, Kind.THOUGHT, text, 0.0, HISTORY)
                for agent, texts in enumerate(setting.people.histories)
                for text in texts
            ]
        )

    # --- reading ---

    def retrieve(self, agent: int, query: str, k: int, *, hours: float) -> Retrieved:
        """The `k` entries of a resident that score highest for a text; nothing is changed."""
        query_1E = self.entries.texts.embedded([query])
        return self.entries.retrieve(np.array([agent]), query_1E, k, hours)

    def texts(self, agent: int, found: Retrieved) -> list[str]:
        """Texts of entries retrieved for one resident, best first."""
        return [self.entries.entry(agent, int(slot)).text for slot in found.slots_Ak[0] if slot >= 0]

    def of(self, agent: int) -> list[Entry]:
        """All entries of a resident, oldest first."""
        return self.entries.describe(agent)

    def is_due(self, agent: int) -> bool:
        """Whether a reflection is due."""
        return bool(self.entries.entries.accumulated_A[agent] >= self._preset.reflects_at)

    # --- writing ---

    def apply(self, events: Iterable[Event], *, seconds_per_tick: int) -> None:
        """Add what the events of a block say, in their order, and record what was read.

        Parameters
        ----------
        events
            By tick, then resident.
        """
        rows: list[_Row] = []
        reflected: set[int] = set()
        thoughts: dict[int, int] = {}  # place in `rows` of the last thought of a resident
        for event in events:
            hours = event.tick * seconds_per_tick / 3600
            if event.kind == "retrieved":
                self._read(event, hours)
            elif event.kind == "cited":
                at = thoughts[event.agent]
                rows[at] = rows[at]._replace(evidence=(*rows[at].evidence, int(event.slot or 0))[:MAX_EVIDENCE])
            else:
                if event.kind == "thought":
                    thoughts[event.agent] = len(rows)
                elif event.kind == "reflected":
                    reflected.add(event.agent)
                rows += self._rows_of(event, hours)
        self._add(rows)
        if reflected:
            self.entries.reflected(np.array(sorted(reflected)), keeps_excess=True)

    def _read(self, event: Event, hours: float) -> None:
        ids = np.array(parse_json(event.text or "{}", "an event of the run")["ids"], dtype=np.int64)
        self.entries.touch(np.full(len(ids), event.agent), ids, hours)

    def _rows_of(self, event: Event, hours: float) -> list[_Row]:
        """Entries that an event makes."""
        agent, other, text = event.agent, -1 if event.other is None else event.other, event.text or ""
        value = 0.0 if event.value is None else event.value
        match event.kind:
            case "perceived":
                return [_Row(agent, Kind.EVENT, text, hours, value, other)]
            case "thought":
                return [_Row(agent, Kind.THOUGHT, text, hours, value, other)]
            case "talked":
                pair = ((agent, other), (other, agent))
                return [_Row(one, Kind.CHAT, self._talk(two, text), hours, TALK, two) for one, two in pair]
            case "told":
                heard = f"{self._names[agent]} told me: {self._facts[event.item or 0]}"
                return [_Row(other, Kind.EVENT, heard, hours, NEWS, agent)]
            case "mentioned":
                verb = "recommended" if value >= 0 else "advised against"
                said = f"{self._names[agent]} {verb} {self._titles[event.item or 0]}"
                return [_Row(other, Kind.EVENT, said, hours, NEWS, agent, event.item or 0, value)]
            case "rated":
                liked = f"{self._titles[event.item or 0]}: {value:.0f} of 5 stars. {text}".strip()
                return [_Row(agent, Kind.FEELING, liked, hours, TASTE, -1, event.item or 0, (value - 3) / 2)]
            case "edited":
                entry = parse_json(text, "an event of the run")
                if entry["kind"] == "whisper" and (words := self._whisper(entry)):
                    return [_Row(agent, Kind.THOUGHT, words, hours, WHISPER)]
        return []

    def _talk(self, other: int, summary: str) -> str:
        return f"I was {summary} with {self._names[other]}" if summary else f"I talked with {self._names[other]}"

    def _whisper(self, entry: dict[str, object]) -> str:
        fact = entry["fact"]
        return str(entry["text"]) or (self._facts[fact] if isinstance(fact, int) else "")

    def _add(self, rows: list[_Row]) -> None:
        if not rows:
            return
        columns = _Row(*zip(*rows, strict=True))  # type: ignore[arg-type]
        self.entries.add(
            np.array(columns.agent),
            np.array(columns.kind),
            columns.text,
            created=np.array(columns.hours),
            importance=np.clip(np.array(columns.importance, dtype=np.float64), 1, 10),
            valence=np.clip(np.array(columns.valence, dtype=np.float64), -1, 1),
            item=np.array(columns.item),
            other=np.array(columns.other),
            evidence=columns.evidence,  # type: ignore[arg-type]
        )

    # --- snapshots ---

    def copy(self) -> "TownMemory":
        """The same memories, which change on their own from here on."""
        copied = object.__new__(TownMemory)
        copied.__dict__ |= self.__dict__
        copied._restore(self.entries.to_arrays())
        return copied

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All memories as arrays, without the slots that no resident has used."""
        n_used = max(int(self.entries.counts().max()), 1)
        arrays = self.entries.to_arrays()
        return {f"{_PREFIX}{name}": array[:, :n_used] if _has_slots(name) else array for name, array in arrays.items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`."""
        mine = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)}
        capacity = self.entries.capacity
        self._restore(
            {name: _padded(name, array, capacity) if _has_slots(name) else array for name, array in mine.items()}
        )

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        self.entries = Memory.from_arrays(arrays, self._preset, seed=self._seed)


def _has_slots(name: str) -> bool:
    """Whether the second axis of an array of `Memory.to_arrays` are an agent's slots."""
    return name.partition("_")[2].startswith("AC")


def _padded(name: str, array: np.ndarray, capacity: int) -> np.ndarray:
    """The array with empty slots up to the capacity."""
    fill = -1 if name.partition("_")[0] in ("id", "item", "other", "triple", "evidence", "enhancer") else 0
    shape = (array.shape[0], capacity - array.shape[1], *array.shape[2:])
    return np.concatenate([array, np.full(shape, fill, dtype=array.dtype)], axis=1)
