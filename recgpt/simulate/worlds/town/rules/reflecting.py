"""When a reflection is due, the statements for its questions, and how insights are read.

if is_due(left, has_entries=True):
    texts = statements(nodes, since)
    insights(reply)                                        # {"Klaus is busy": (0, 2)}
"""

import re
from collections.abc import Sequence

from recgpt.simulate.worlds.town.rules.nodes import Node
from recgpt.simulate.worlds.town.rules.scoring import candidates

TRIGGER = 150
"""Importance that a reflection follows, of the three residents' town; 250 of the town of 25."""
_EVIDENCE = re.compile(r"^(?P<text>.*?)\s*\(because of\s*(?P<numbers>[^)]*)\)")
_NUMBERING = re.compile(r"^\s*\d+[.)]\s*")
_NO_INSIGHT = "this is blank"
_FIRST_NODE = "node_1"


def is_due(left: float, *, has_entries: bool) -> bool:
    """Whether a reflection is due: the count of importance is used up, and memory is not empty."""
    return has_entries and left <= 0


def counted_down(left: float, importance: float) -> float:
    """The count after an entry of that importance."""
    return left - importance


def statements(nodes: Sequence[Node], since: int, *, published: bool = False) -> list[str]:
    """Keys of the last `since` entries by access, the one read last at the end; as published all for `since` 0."""
    kept = candidates(nodes, published=published)
    if published:
        return [node.key for node in kept[-since:]]
    return [node.key for node in kept[max(len(kept) - since, 0) :]]


def insights(reply: str, *, published: bool = False) -> dict[str, tuple[int, ...]] | None:
    """Insights of a reply in lines `1. Klaus is busy (because of 0, 2)`, with the numbers of their evidence.

    Published: None for the whole reply if any line lacks evidence, and a text begins after its last full stop.
    Corrected: lines without evidence are left out, and a text is whole.
    """
    read: dict[str, tuple[int, ...]] = {}
    for line in reply.split("\n"):
        found = _EVIDENCE.match(line.split(". ")[-1] if published else _NUMBERING.sub("", line))
        if found:
            read[found["text"].strip()] = tuple(int(number) for number in re.findall(r"\d+", found["numbers"]))
        elif published:
            return None
    return read


def with_evidence(
    read: dict[str, tuple[int, ...]] | None, names: Sequence[str], *, published: bool = False
) -> dict[str, tuple[str, ...]]:
    """Insights with the names of their evidence.

    Published: if there are none, or a number has no memory, the only insight is `this is blank`. Corrected: numbers
    without a memory are left out, and insights without evidence, so that a failed reply never becomes a thought.
    """
    if published:
        if read is None or any(number >= len(names) for numbers in read.values() for number in numbers):
            return {_NO_INSIGHT: (_FIRST_NODE,)}
        return {text: tuple(names[number] for number in numbers) for text, numbers in read.items()}
    known = {text: tuple(names[n] for n in numbers if n < len(names)) for text, numbers in (read or {}).items()}
    return {text: evidence for text, evidence in known.items() if evidence}
