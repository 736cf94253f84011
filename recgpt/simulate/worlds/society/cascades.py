"""Cascades: who took an item up after hearing of it from whom.

    forest = Forest.of(provenance)
    forest.table()                             # one row per tree

A node is an agent that watched an item, or named it in a chat or post. Its parent is the agent that it first heard of
the item from, if that was before; an agent without parent is the root of a tree. Structural virality is the mean
distance between all pairs of nodes of a tree (Goel, Anderson, Hofman, Watts, "The Structural Virality of Online
Diffusion", Management Science 62, 2016), in linear time: an edge above a subtree of s of n nodes lies on s (n - s) of
the n (n - 1) / 2 shortest paths.

Shapes: V nodes, T trees.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from recgpt.simulate.worlds.society.provenance import Provenance
from recgpt.simulate.worlds.society.ties import places_among


@dataclass(frozen=True)
class Forest:
    """Trees over V nodes; a parent is a number of a node, -1 at a root.

    Attributes
    ----------
    parent_V
        (V,) int64 parents.
    item_V, agent_V, step_V
        (V,) int64 item, agent, and round of its first watch or mention.
    watched_V
        (V,) bool, whether it watched the item at any time.
    """

    parent_V: np.ndarray
    item_V: np.ndarray
    agent_V: np.ndarray
    step_V: np.ndarray
    watched_V: np.ndarray

    @classmethod
    def of(cls, provenance: Provenance, step: int | None = None) -> Self:
        """The forest of a run, up to a step."""
        nodes = provenance.first_active(step)
        agent_V, item_V = nodes["agent"].to_numpy(), nodes["item"].to_numpy()
        key_V = agent_V * provenance.n_items + item_V
        by_key = np.argsort(key_V)
        other_V, heard_V = np.empty_like(key_V), np.empty_like(key_V)
        other_V[by_key], heard_V[by_key] = provenance.first_heard(agent_V[by_key], item_V[by_key])
        is_informed_V = (other_V >= 0) & (heard_V < nodes["order"].to_numpy())
        place_V, is_node_V = places_among(
            np.where(is_informed_V, other_V * provenance.n_items + item_V, -1), key_V[by_key]
        )
        parent_V = np.full(len(nodes), -1, dtype=np.int64)
        parent_V[is_node_V] = by_key[place_V[is_node_V]]
        return cls(parent_V, item_V, agent_V, nodes["step"].to_numpy(), nodes["watched"].to_numpy())

    def table(self, most: int | None = None) -> pl.DataFrame:
        """One row per tree, the largest first; by default all trees.

        Columns: item, root (agent), step (of the root), scale (nodes), watched (nodes that watched), depth (edges below
        the root), breadth (most nodes at one depth), virality (mean distance of two nodes; 0 for one node),
        steps_to_half (rounds until half of the nodes were active).
        """
        root_V, depth_V = _roots(self.parent_V)
        nodes = pl.DataFrame(
            {
                "root": root_V,
                "depth": depth_V,
                "paths": self._paths(root_V, depth_V),
                "step": self.step_V,
                "watched": self.watched_V,
            }
        )
        if most is not None:
            largest = np.argsort(-np.bincount(root_V), kind="stable")[:most]
            nodes = nodes.filter(pl.Series(np.isin(root_V, largest)))
        breadth = nodes.group_by("root", "depth").len().group_by("root").agg(pl.col("len").max().alias("breadth"))
        trees = nodes.group_by("root").agg(
            pl.len().cast(pl.Int64).alias("scale"),
            pl.col("watched").sum().cast(pl.Int64),
            pl.col("depth").max(),
            pl.col("paths").sum(),
            pl.col("step").min(),
            pl.col("step").sort().get((pl.len() - 1) // 2).alias("half"),
        )
        trees = trees.join(breadth, on="root").sort(["scale", "root"], descending=[True, False])
        root = trees["root"].to_numpy()
        pairs = pl.col("scale") * (pl.col("scale") - 1)
        return trees.select(
            pl.Series("item", self.item_V[root]),
            pl.Series("root", self.agent_V[root]),
            "step",
            "scale",
            "watched",
            "depth",
            pl.col("breadth").cast(pl.Int64),
            pl.when(pairs > 0).then(2 * pl.col("paths") / pairs).otherwise(0.0).alias("virality"),
            (pl.col("half") - pl.col("step")).alias("steps_to_half"),
        )

    def _paths(self, root_V: np.ndarray, depth_V: np.ndarray) -> np.ndarray:
        """(V,) number of shortest paths over the edge above each node; 0 at roots."""
        size_V = np.ones(len(root_V), dtype=np.int64)
        for depth in range(int(depth_V.max(initial=0)), 0, -1):
            at = np.flatnonzero(depth_V == depth)
            np.add.at(size_V, self.parent_V[at], size_V[at])
        paths_V: np.ndarray = np.where(self.parent_V >= 0, size_V * (size_V[root_V] - size_V), 0)
        return paths_V


def _roots(parent_V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root and depth of every node, by doubling of jumps."""
    jump_V = np.where(parent_V >= 0, parent_V, np.arange(len(parent_V)))
    depth_V = (parent_V >= 0).astype(np.int64)
    while (parent_V[jump_V] >= 0).any():
        depth_V = depth_V + depth_V[jump_V]
        jump_V = jump_V[jump_V]
    return jump_V, depth_V
