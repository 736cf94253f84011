"""Retrieval of memories by recency, relevance and importance, of the paper and of the published code.

    chosen = retrieve(nodes, vectors, query, now, n=30)                        # the paper's formula
    chosen = retrieve(nodes, vectors, query, now, n=30, rule=CODE_AS_PUBLISHED)

`recgpt.simulate.agents.memory` has the same formulas over arrays, as presets; these ones, over single entries, also
keep the published fault of recency counted from the wrong end.

Shapes: E embedding width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np

from recgpt.simulate.worlds.town.rules.nodes import Node, is_idle

DECAY = 0.995
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Rule:
    """A rule of retrieval.

    Attributes
    ----------
    weights
        Of recency, relevance and importance.
    recency
        `hours`: decay to the power of the hours since the last access; `rank`: to the power of the rank, 1 for the
        entry read last; `inverted`: 1 for the entry not read for the longest time.
    """

    weights: tuple[float, float, float]
    recency: Literal["hours", "rank", "inverted"] = "hours"

    @property
    def published(self) -> bool:
        """Whether candidates and their order are as published too."""
        return self.recency == "inverted"


PAPER = Rule((1.0, 1.0, 1.0))
CODE = Rule((0.5, 3.0, 2.0))
CODE_BY_RANK = Rule((0.5, 3.0, 2.0), "rank")
CODE_AS_PUBLISHED = Rule((0.5, 3.0, 2.0), "inverted")


@dataclass(frozen=True)
class Scored:
    """A candidate with the parts of its score: recency, relevance and importance, and the same scaled from 0 to 1."""

    node: Node
    parts: tuple[float, float, float]
    scaled: tuple[float, float, float]
    score: float


def scaled(
    values: Mapping[str, float], low: float = 0.0, high: float = 1.0, *, published: bool = False
) -> dict[str, float]:
    """Values scaled from `low` to `high`; equal ones lie in the middle, as published at half the width."""
    if not values:
        return {}
    least, most = min(values.values()), max(values.values())
    if least == most:
        return dict.fromkeys(values, (high - low) / 2 if published else (low + high) / 2)
    return {name: (value - least) * (high - low) / (most - least) + low for name, value in values.items()}


def candidates(nodes: Sequence[Node], *, published: bool = False) -> list[Node]:
    """Events and thoughts, the one read last at the end; no chats, and nothing that says that something is idle.

    Of equal times of reading the last one is the newest. Published: the oldest, and an event before a thought.
    """
    kept = [node for node in nodes if node.kind != "chat" and not is_idle(node, published=published)]
    if published:
        kept = sorted(kept, key=lambda node: (node.kind == "thought", -node.number))
        return sorted(kept, key=lambda node: node.read)
    return sorted(kept, key=lambda node: (node.read, node.number))


def retrieve(
    nodes: Sequence[Node],
    vectors: Mapping[str, np.ndarray],
    query_E: np.ndarray,
    now: datetime,
    n: int,
    *,
    rule: Rule = PAPER,
    decay: float = DECAY,
) -> list[Scored]:
    """The `n` candidates of the highest scores, best first, newest of equal ones; `touched` records the reading.

    Parameters
    ----------
    vectors
        (E,) by the key of an entry.

    Returns
    -------
    list
        Empty for an empty memory, where the published code raises a ValueError.
    """
    chosen = scores(nodes, vectors, query_E, now, rule=rule, decay=decay)
    if rule.published:
        return sorted(chosen, key=lambda each: each.score, reverse=True)[:n]
    return sorted(chosen, key=lambda each: (-each.score, -each.node.number))[:n]


def scores(
    nodes: Sequence[Node],
    vectors: Mapping[str, np.ndarray],
    query_E: np.ndarray,
    now: datetime,
    *,
    rule: Rule = PAPER,
    decay: float = DECAY,
) -> list[Scored]:
    """All candidates with their scores, in the order of `candidates`."""
    kept = candidates(nodes, published=rule.published)
    names = [node.name for node in kept]
    columns: list[dict[str, float]] = [
        dict(zip(names, _recency(kept, now, rule, decay), strict=True)),
        {node.name: _cosine(vectors[node.key], query_E) for node in kept},
        {node.name: node.importance for node in kept},
    ]
    scaled_columns = [scaled(column) for column in columns]
    found = []
    for node in kept:
        recency, relevance, importance = (column[node.name] for column in scaled_columns)
        score = rule.weights[0] * recency + rule.weights[1] * relevance + rule.weights[2] * importance
        parts = (columns[0][node.name], columns[1][node.name], columns[2][node.name])
        found.append(Scored(node, parts, (recency, relevance, importance), score))
    return found


def touched(nodes: Sequence[Node], read: Sequence[Scored], now: datetime) -> list[Node]:
    """The nodes, those retrieved as read now."""
    names = {each.node.number for each in read}
    return [replace(node, read=now) if node.number in names else node for node in nodes]


def _recency(kept: Sequence[Node], now: datetime, rule: Rule, decay: float) -> list[float]:
    if rule.recency == "hours":
        return [float(decay ** ((now - node.read).total_seconds() / _SECONDS_PER_HOUR)) for node in kept]
    ranks = range(1, len(kept) + 1)
    return [float(decay**rank) for rank in (ranks if rule.recency == "inverted" else reversed(ranks))]


def _cosine(one_E: np.ndarray, other_E: np.ndarray) -> float:
    return float(one_E @ other_E / (np.linalg.norm(one_E) * np.linalg.norm(other_E)))
