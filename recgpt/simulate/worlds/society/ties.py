"""Ties between agents: a directed graph in arrays, each agent's ties together.

    ties = Ties.from_edges(3, source_R=[0, 1], target_R=[1, 0], closeness_R=[.9, .9], label_R=["friend", "friend"])
    ties.of(agents)                    # targets of these agents, one after the other

Shapes: A agents, R directed ties.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recgpt.data.ragged import Ragged, offsets_from_lengths


@dataclass
class Ties:
    """Directed ties, sorted by source and then target, no tie twice and none to oneself; never changed in place.

    Attributes
    ----------
    offsets
        (A + 1,) int64: the ties of agent a are the rows `offsets[a]` to `offsets[a + 1]`.
    target_R
        (R,) int32 the other agent.
    closeness_R
        (R,) float32 from 0 to 1.
    label_R
        (R,) int16 number in `labels` of what the source is to the target.
    labels
        Texts of labels.
    """

    offsets: np.ndarray
    target_R: np.ndarray
    closeness_R: np.ndarray
    label_R: np.ndarray
    labels: list[str]

    @classmethod
    def from_edges(
        cls,
        n_agents: int,
        source_R: np.ndarray,
        target_R: np.ndarray,
        closeness_R: np.ndarray | None = None,
        label_R: Sequence[str] | None = None,
    ) -> "Ties":
        """Sort directed edges; of repeated ones the first counts, edges to oneself are left out."""
        source_R, target_R = np.asarray(source_R, dtype=np.int64), np.asarray(target_R, dtype=np.int64)
        closeness_R = np.full(len(source_R), 0.5) if closeness_R is None else np.asarray(closeness_R)
        labels = sorted(set(label_R)) if label_R is not None else ["friend"]
        number_of = {label: number for number, label in enumerate(labels)}
        numbers_R = np.array([number_of[label] for label in label_R] if label_R is not None else [0] * len(source_R))
        _, first = np.unique(source_R * n_agents + target_R, return_index=True)
        kept = first[source_R[first] != target_R[first]]
        return cls(
            offsets_from_lengths(np.bincount(source_R[kept], minlength=n_agents)),
            target_R[kept].astype(np.int32),
            closeness_R[kept].astype(np.float32),
            numbers_R[kept].astype(np.int16),
            labels,
        )

    def __len__(self) -> int:
        """R, the number of directed ties."""
        return len(self.target_R)

    @property
    def n_agents(self) -> int:
        """A."""
        return len(self.offsets) - 1

    @property
    def degree_A(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(A,) int64 number of ties of each agent."""
        return np.diff(self.offsets)

    @property
    def source_R(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(R,) int64 source of each tie."""
        return np.repeat(np.arange(self.n_agents), self.degree_A)

    def of(self, agents: np.ndarray) -> Ragged:
        """Targets of these agents, a sequence each."""
        return Ragged(self.target_R, self.offsets)[agents]

    @property
    def density(self) -> float:
        """Share of all possible ties that exist, `R / (A (A - 1))`; 0 for fewer than two agents."""
        n_possible = self.n_agents * (self.n_agents - 1)
        return len(self) / n_possible if n_possible else 0.0

    @cached_property
    def keys(self) -> np.ndarray:
        """(R,) int64 `source * A + target` of each tie, ascending."""
        return self.source_R * self.n_agents + self.target_R

    @cached_property
    def n_mutual(self) -> int:
        """Number of pairs of agents that are tied both ways."""
        mirrored = np.sort(self.target_R.astype(np.int64) * self.n_agents + self.source_R)
        return int(are_among(mirrored, self.keys).sum()) // 2

    def has(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Whether each of these ties exists; arrays of one shape."""
        return are_among(np.asarray(source, dtype=np.int64) * self.n_agents + target, self.keys)

    def with_added(
        self, source: np.ndarray, target: np.ndarray, closeness: np.ndarray, labels: Sequence[str]
    ) -> "Ties":
        """The ties with others added; an existing tie gets the new closeness and label, the last of repeated ones."""
        if not len(source):
            return self
        kept = self.without(source, target)
        texts = kept.labels + sorted(set(labels) - set(kept.labels))
        number_of = {label: number for number, label in enumerate(texts)}
        new_N = np.array([number_of[label] for label in labels], dtype=np.int16)
        new_keys = np.asarray(source, dtype=np.int64) * self.n_agents + target
        last = len(new_keys) - 1 - np.unique(new_keys[::-1], return_index=True)[1]
        last = last[np.asarray(source)[last] != np.asarray(target)[last]]
        place = np.searchsorted(kept.keys, new_keys[last])
        keys = np.insert(kept.keys, place, new_keys[last])
        return Ties(
            offsets_from_lengths(np.bincount(keys // self.n_agents, minlength=self.n_agents)),
            (keys % self.n_agents).astype(np.int32),
            np.insert(kept.closeness_R, place, np.asarray(closeness, dtype=np.float32)[last]),
            np.insert(kept.label_R, place, new_N[last]),
            texts,
        )

    def without(self, source: np.ndarray, target: np.ndarray) -> "Ties":
        """The ties without these; missing ones are ignored."""
        removed = distinct(np.asarray(source, dtype=np.int64) * self.n_agents + target)
        kept = ~are_among(self.keys, removed)
        if kept.all():
            return self
        return Ties(
            offsets_from_lengths(np.bincount(self.source_R[kept], minlength=self.n_agents)),
            self.target_R[kept],
            self.closeness_R[kept],
            self.label_R[kept],
            self.labels,
        )

    def to_arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Numeric arrays of the ties, named with a prefix."""
        return {
            f"{prefix}_offsets": self.offsets,
            f"{prefix}_target_R": self.target_R,
            f"{prefix}_closeness_R": self.closeness_R,
            f"{prefix}_label_R": self.label_R,
            f"{prefix}_labels": text_bytes(self.labels),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str) -> "Ties":
        """Ties from the arrays of `to_arrays`."""
        return cls(
            arrays[f"{prefix}_offsets"],
            arrays[f"{prefix}_target_R"],
            arrays[f"{prefix}_closeness_R"],
            arrays[f"{prefix}_label_R"],
            texts_of(arrays[f"{prefix}_labels"]),
        )


def distinct(values: np.ndarray) -> np.ndarray:
    """Ascending integers, each once: `np.unique` by sorting, which for millions of keys is many times faster."""
    ascending = np.sort(values)
    is_first = np.ones(len(ascending), dtype=bool)
    is_first[1:] = ascending[1:] != ascending[:-1]
    return ascending[is_first]


def are_among(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Whether each of `values` occurs in an ascending array."""
    return places_among(values, ascending)[1]


def places_among(values: np.ndarray, ascending: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each of `values` in an ascending array, and whether it is there; faster for ascending values."""
    if not len(ascending):
        return np.zeros(np.shape(values), dtype=np.int64), np.zeros(np.shape(values), dtype=bool)
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return place, ascending[place] == values


def text_bytes(value: Any) -> np.ndarray:
    """JSON values as uint8 bytes, for snapshots, which hold numbers only."""
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def texts_of(content: np.ndarray) -> Any:
    """JSON values of the bytes of `text_bytes`."""
    return json.loads(content.tobytes())
