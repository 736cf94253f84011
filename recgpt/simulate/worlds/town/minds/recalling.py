"""Memories that a talk draws on: the ones about the partner, retrieved by score and noted in the log."""

import json
from dataclasses import dataclass

from recgpt.simulate.worlds.town.minds.base import Notes, Scene

_N_RECALLED = 8


@dataclass(frozen=True, slots=True)
class Recalled:
    """Texts of memories with the hours at which they were made, best first, and their ids."""

    entries: tuple[tuple[str, float], ...] = ()
    ids: tuple[int, ...] = ()


def recall(scene: Scene, other: str, notes: Notes) -> Recalled:
    """Memories of a resident that score highest for another's name, and that are about it."""
    memory = scene.memory.entries
    found = scene.memory.retrieve(scene.agent, other, _N_RECALLED, hours=scene.seconds / 3600)
    slots = [int(slot) for slot in found.slots_Ak[0] if slot >= 0]
    if not slots:
        return Recalled()
    ids = [int(number) for number in found.ids_Ak[0][: len(slots)]]
    parts = {
        "recency": found.recency_Ak[0],
        "relevance": found.relevance_Ak[0],
        "importance": found.importance_Ak[0],
        "score": found.scores_Ak[0],
    }
    scores = {name: [round(float(each), 4) for each in part[: len(slots)]] for name, part in parts.items()}
    notes.retrieved.append((scene.agent, json.dumps({"for": f"a talk with {other}", "ids": ids, **scores})))
    columns = memory.entries
    entries = tuple(
        (memory.texts[int(columns.text_AC[scene.agent, slot])], float(columns.created_AC[scene.agent, slot]))
        for slot in slots
    )
    return Recalled(entries, tuple(ids))
