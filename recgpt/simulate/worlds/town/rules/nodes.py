"""Memory entries of the published files, and their look-up by keyword.

node = Node(1, "event", "piano is being tuned", "piano is being tuned", ("the Ville:Hobbs Cafe:cafe:piano", "be",
    "tuned"), 4, created, created)
found(nodes, ("Maria Lopez", "study", "book"))             # nodes about Maria or the book
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Triple = tuple[str, str, str]
"""Subject, predicate and object."""
_WHOLE_AND_PART = re.compile(r"^(.*?\b(?:is|are|was|were)\b)[^(]*\((.*)\)[^)]*$", re.DOTALL)
_IDLE = ("is", "idle")
_WORDS_KEPT = 3


@dataclass(frozen=True, slots=True)
class Node:
    """An entry of a memory stream.

    Attributes
    ----------
    number
        From 1, in the order of creation.
    text, key
        Description, and the text whose embedding stands for it.
    read
        Time of the last access.
    evidence
        Names `node_N` of the entries that a thought was drawn from.
    """

    number: int
    kind: Literal["event", "thought", "chat"]
    text: str
    key: str
    triple: Triple
    importance: float
    created: datetime
    read: datetime
    depth: int = 0
    evidence: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name in the published files, such as `node_7`."""
        return f"node_{self.number}"

    @property
    def keywords(self) -> frozenset[str]:
        """Last parts of the addresses of subject and object."""
        return frozenset({last_part(self.triple[0]), last_part(self.triple[2])})


def last_part(address: str) -> str:
    """Last part of an address; a text without colons itself."""
    return address.rsplit(":", 1)[-1]


def stored_text(text: str, *, published: bool = False) -> str:
    """Description as it is stored: of `Maria Lopez is working (writing)` the subject and the part, `… is writing`.

    Published: the first three words, for a name of two, and the last parenthesis, even inside of another.
    """
    if published:
        if "(" not in text:
            return text
        return " ".join(text.split()[:_WORDS_KEPT]) + " " + text.split("(")[-1][:-1]
    found = _WHOLE_AND_PART.match(text)
    return f"{found[1]} {found[2]}" if found else text


def depth_of(evidence: Sequence[str], depths: Mapping[str, int], *, published: bool = False) -> int:
    """Depth of a thought: one more than its deepest evidence, which is 0 for events.

    Published: 1 where any of the evidence is unknown. Corrected: the known ones count.
    """
    if published and not all(name in depths for name in evidence):
        return 1
    return 1 + max((depths[name] for name in evidence if name in depths), default=0)


def latest_triples(nodes: Sequence[Node], retention: int) -> set[Triple]:
    """Triples of the last events, so many of them; `nodes` oldest first."""
    events = [node.triple for node in nodes if node.kind == "event"]
    return set(events[len(events) - min(retention, len(events)) :])


def found(nodes: Sequence[Node], triple: Triple, *, published: bool = False) -> dict[str, list[Node]]:
    """Events and thoughts about the subject, predicate or object of a triple, newest first, under `events`, `thoughts`.

    Published: stored keywords are in lower case and those looked up as they stand, so that names never match; an
    address never matches its last part. Corrected: both in lower case, addresses by their last part.
    """
    wanted = set(triple) if published else {last_part(word).lower() for word in triple}
    matching = [node for node in reversed(nodes) if wanted & {word.lower() for word in node.keywords}]
    return {f"{kind}s": [node for node in matching if node.kind == kind] for kind in ("event", "thought")}


def last_chat(nodes: Sequence[Node], name: str) -> Node | None:
    """The last chat with a person; None: there was none."""
    words = name.lower()
    chats = (node for node in reversed(nodes) if node.kind == "chat")
    return next((chat for chat in chats if words in {word.lower() for word in chat.keywords}), None)


def keyword_strength(nodes: Sequence[Node], kind: Literal["event", "thought"]) -> dict[str, int]:
    """Number of entries by keyword in lower case, without idle objects: counted in the published files, never used."""
    counted = [node for node in nodes if node.kind == kind and node.triple[1:] != _IDLE]
    return dict(Counter(word.lower() for node in counted for word in node.keywords))


def is_idle(node: Node, *, published: bool = False) -> bool:
    """Whether an entry says that something is idle. Published: its key has the letters, as `idle talk` has them."""
    return "idle" in node.key if published else node.triple[1:] == _IDLE
