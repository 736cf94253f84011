"""Ties between agents: a directed graph in arrays, each agent's ties together.

    ties = Ties.from_edges(3, source_R=[0, 1], target_R=[1, 0], closeness_R=[.9, .9], label_R=["friend", "friend"])
    ties.of(agents)                    # targets of these agents, one after the other

Shapes: A agents, R directed ties.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recgpt.data.ragged import Ragged, offsets_from_lengths


@dataclass
class Ties:
    """Directed ties, sorted by source and then target, no tie twice and none to oneself.

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
