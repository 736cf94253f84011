"""Social graph of a society at a round, as plain JSON: nodes by activity, links, clusters of one main interest.

Rule for large societies: nodes and links are of `MAX_AGENTS` agents, found breadth-first from the agent with the most
friends; links of them up to `MAX_LINKS`, the closest first. All counts are of everybody, and so are `clusters`.
"""

from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.worlds.society.activity import Busy
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.reader import Doing, Reader
from recgpt.simulate.worlds.society.ties import Ties

MAX_AGENTS, MAX_LINKS, MAX_NEIGHBOURS = 1000, 5000, 30
ACTIVITIES = tuple(each.name.lower() for each in Busy)
"""Names of activities by number of `Busy`."""
_RULE = (
    f"at most {MAX_AGENTS:,} agents, breadth-first from the one with the most friends; at most {MAX_LINKS:,} directed"
    " ties of them, the closest first"
)


def connected_sample(ties: Ties, most: int) -> np.ndarray:
    """Up to `most` agents, breadth-first from agents with the most ties; ascending."""
    if ties.n_agents <= most:
        return np.arange(ties.n_agents)
    is_chosen = np.zeros(ties.n_agents, dtype=bool)
    for start in np.argsort(-ties.degree_A, kind="stable"):
        level = np.array([start])[~is_chosen[start : start + 1]]
        while len(level):
            level = level[: most - int(is_chosen.sum())]
            is_chosen[level] = True
            reached = np.unique(ties.of(level).values)
            level = reached[~is_chosen[reached]]
        if is_chosen.sum() >= most:
            break
    return np.flatnonzero(is_chosen)


def graph(reader: Reader, step: int) -> dict[str, Any]:
    """Nodes, links, clusters, links between clusters, the rule of choice."""
    state, doing = reader.at(step), reader.doing(step)
    shown = connected_sample(state.social.friends, MAX_AGENTS)
    return graph_of(shown, state.people, state.social.friends, doing)


def graph_of(shown: np.ndarray, people: People, friends: Ties, doing: Doing) -> dict[str, Any]:
    """Graph of chosen agents."""
    first = pl.Series(people.interest, dtype=pl.String).str.split(",").list.first().str.strip_chars()
    names, cluster_A = np.unique(first.replace("", "none").to_numpy(), return_inverse=True)
    source_R, target_R = friends.source_R, friends.target_R
    is_shown = np.zeros(len(people), dtype=bool)
    is_shown[shown] = True
    kept = np.flatnonzero(is_shown[source_R] & is_shown[target_R])
    kept = np.sort(kept[np.argsort(-friends.closeness_R[kept], kind="stable")[:MAX_LINKS]])
    between = np.bincount(cluster_A[source_R] * len(names) + cluster_A[target_R], minlength=len(names) ** 2)
    sizes = np.bincount(cluster_A, minlength=len(names))
    kind_A, degree_A = doing.kind_A, friends.degree_A
    return {
        "n_agents": len(people),
        "n_links": len(friends),
        "rule": _RULE,
        "nodes": [
            {
                "id": agent,
                "name": people.name[agent],
                "activity": ACTIVITIES[kind_A[agent]],
                "size": 2 if kind_A[agent] else 1,
                "friends": int(degree_A[agent]),
                "cluster": int(cluster_A[agent]),
            }
            for agent in shown.tolist()
        ],
        "links": [
            {"source": source, "target": target, "label": friends.labels[label], "closeness": round(closeness, 3)}
            for source, target, label, closeness in zip(
                source_R[kept].tolist(),
                target_R[kept].tolist(),
                friends.label_R[kept].tolist(),
                friends.closeness_R[kept].tolist(),
                strict=True,
            )
        ],
        "clusters": [
            {"id": number, "name": name, "agents": int(sizes[number])} for number, name in enumerate(names.tolist())
        ],
        "cluster_links": [
            {"source": int(pair // len(names)), "target": int(pair % len(names)), "n": int(between[pair])}
            for pair in np.flatnonzero(between)
        ],
    }


def ego(reader: Reader, step: int, agent: int, most: int = MAX_NEIGHBOURS) -> dict[str, Any]:
    """Graph of an agent and its friends, the closest first."""
    state = reader.at(step)
    friends = state.social.friends
    rows = np.arange(friends.offsets[agent], friends.offsets[agent + 1])
    closest = rows[np.argsort(-friends.closeness_R[rows], kind="stable")[:most]]
    shown = np.union1d([agent], friends.target_R[closest].astype(np.int64))
    return graph_of(shown, state.people, friends, reader.doing(step))
