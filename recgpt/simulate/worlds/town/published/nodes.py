"""Memories of a run as nodes of the published `nodes.json`, with their vectors.

nodes = nodes_of("Maria Lopez", entries, names=names, start=datetime(2023, 2, 13))
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from recgpt.simulate.agents.memory import Entry
from recgpt.simulate.agents.memory_texts import hashed_words
from recgpt.simulate.worlds.town.published.fields import CREATED
from recgpt.simulate.worlds.town.published.personas import Node, parse_nodes
from recgpt.simulate.worlds.town.rules.nodes import last_part

WIDTH = 1536
"""Width of the published vectors."""
KEPT_DAYS = 30
"""Days until a thought expires, which is stored and never used."""
_TYPES = {"chat": "chat", "event": "event", "feeling": "event"}
Lines = tuple[tuple[str, str], ...]


def nodes_of(
    name: str,
    entries: Sequence[Entry],
    *,
    names: Sequence[str],
    start: datetime,
    before: Sequence[Node] = (),
    numbers: Mapping[int, int] | None = None,
    lines: Mapping[int, Lines] | None = None,
) -> tuple[Node, ...]:
    """Nodes of a resident, newest first.

    Parameters
    ----------
    entries
        Its memories beyond `before`, oldest first.
    start
        Time from which the hours of entries count.
    before
        Nodes that it was imported with.
    numbers
        Id of an entry -> number of its node, of the imported ones.
    lines
        Second of creation of a talk -> its lines.
    """
    known = dict(numbers or {})
    counts = {kind: sum(node.kind == kind for node in before) for kind in ("event", "thought", "chat")}
    made = {f"node_{node.number}": node.values for node in before}
    for number, entry in enumerate(entries, max((node.number for node in before), default=0) + 1):
        known[entry.id] = number
        kind = _TYPES.get(entry.kind.lower(), "thought")
        counts[kind] += 1
        made[f"node_{number}"] = {
            "node_count": number,
            "type_count": counts[kind],
            **_values(name, entry, kind, names, start),
            "filling": _filling(entry, kind, known, lines or {}),
        }
    return parse_nodes(made, f"memories of {name}")


def _values(name: str, entry: Entry, kind: str, names: Sequence[str], start: datetime) -> dict[str, Any]:
    created = start + timedelta(seconds=round(entry.created * 3600))
    other = names[entry.other] if entry.other >= 0 else name
    subject, predicate, of = (name, "chat with", other) if kind == "chat" else triple(entry.text, name, other)
    return {
        "type": kind,
        "depth": entry.depth if kind == "thought" else 0,
        "created": created.strftime(CREATED),
        "expiration": (created + timedelta(days=KEPT_DAYS)).strftime(CREATED) if kind == "thought" else None,
        "subject": subject,
        "predicate": predicate,
        "object": of,
        "description": entry.text,
        "embedding_key": entry.text,
        "poignancy": round(entry.importance),
        "keywords": list(dict.fromkeys(last_part(word) for word in (subject, predicate, of))),
    }


def triple(text: str, name: str, other: str) -> tuple[str, str, str]:
    """Subject, predicate and object of a sentence: `X is Y`, or a name and the next word, else the own name."""
    for subject in (other, name):
        if text.startswith(f"{subject} ") and (rest := text.removeprefix(f"{subject} ").split(maxsplit=1)):
            return subject, rest[0], rest[1] if len(rest) > 1 else rest[0]
    subject, found, of = text.partition(" is ")
    return (subject, "is", of) if found else (name, "think", text)


def _filling(entry: Entry, kind: str, known: Mapping[int, int], lines: Mapping[int, Lines]) -> list[Any]:
    if kind == "chat":
        return [list(line) for line in lines.get(round(entry.created * 3600), ())]
    return [f"node_{known[memory]}" for memory in entry.evidence if memory in known]


def vectors_of(nodes: Sequence[Node], known: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Vector of the key of each node: the imported one, else one of hashed words, as wide as the imported ones."""
    keys = dict.fromkeys(str(node.values["embedding_key"]) for node in reversed(nodes))
    missing = [key for key in keys if key not in known]
    width = next((len(vector) for vector in known.values()), WIDTH)
    vectors_nE = hashed_words(missing, width)
    vectors_nE[~vectors_nE.any(axis=1), 0] = 1.0  # a text without words, as cosines divide by the length
    return {**known, **dict(zip(missing, vectors_nE.tolist(), strict=True))}


def strengths_of(nodes: Sequence[Node]) -> dict[str, dict[str, int]]:
    """Counted keywords of events and thoughts; idle ones do not count."""
    counted: dict[str, dict[str, int]] = {"kw_strength_event": {}, "kw_strength_thought": {}}
    for node in reversed(nodes):
        found = counted.get(f"kw_strength_{node.kind}")
        if found is not None and node.values["object"] != "idle":
            for word in node.values["keywords"]:
                found[word.lower()] = found.get(word.lower(), 0) + 1
    return counted
