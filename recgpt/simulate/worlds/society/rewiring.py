"""Rewiring: friends drawn among agents of a different or the same main interest; old ties stay.

The published code removes all ties first and then ties low numbers among themselves, with hubs and isolates; the paper
adds friends to each agent, as here.

Shapes: A agents, T agents that get friends, K draws for each, R new ties.
"""

from typing import Literal

import numpy as np

from recgpt.data.ragged import offsets_from_lengths
from recgpt.simulate import rng
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.ties import Ties


def main_interests(people: People) -> np.ndarray:
    """(A,) int64 number of each agent's main interest, the first in its list."""
    first = [interest.split(",")[0].strip().lower() for interest in people.interest]
    return np.unique(first, return_inverse=True)[1]


def drawn_friends(
    friends: Ties,
    group_A: np.ndarray,
    agents: np.ndarray,
    n: int,
    interest: Literal["different", "same", "any"],
    *,
    seed: int,
    step: int,
    purpose: str,
) -> tuple[np.ndarray, np.ndarray]:
    """(R,) agents and (R,) new friends: `n` for each agent, or all candidates where there are fewer.

    Parameters
    ----------
    friends
        Ties that exist; no friend is drawn.
    group_A
        (A,) number of each agent's main interest.
    agents
        (T,) agents that get friends.
    """
    order, group_T = np.argsort(group_A, kind="stable"), group_A[agents]
    start_G = offsets_from_lengths(np.bincount(group_A))
    start_T, size_T = start_G[group_T], np.diff(start_G)[group_T]
    drawn_TK = rng.uniform(seed, agents, step=step, purpose=purpose, n=2 * n + 8)
    if interest == "same":
        place_TK = start_T[:, None] + (drawn_TK * size_T[:, None]).astype(np.int64)
    elif interest == "any":
        place_TK = (drawn_TK * len(group_A)).astype(np.int64)
    else:
        place_TK = (drawn_TK * (len(group_A) - size_T)[:, None]).astype(np.int64)
        place_TK += np.where(place_TK >= start_T[:, None], size_T[:, None], 0)
    friend_TK = order[np.minimum(place_TK, len(group_A) - 1)]
    usable_TK = _is_new(friends, agents, friend_TK) & ~repeats_earlier(friend_TK)
    if interest == "different":
        usable_TK &= (size_T < len(group_A))[:, None]
    row, column = np.nonzero(usable_TK & (usable_TK.cumsum(axis=1) <= n))
    enough_T = usable_TK.sum(axis=1) >= n
    kept = enough_T[row]
    source, target = [agents[row[kept]]], [friend_TK[row[kept], column[kept]]]
    for agent in agents[~enough_T].tolist():  # few candidates: choose among all of them
        chosen = _chosen(friends, group_A, agent, interest, n, seed=seed, step=step, purpose=purpose)
        source.append(np.full(len(chosen), agent))
        target.append(chosen)
    return np.concatenate(source), np.concatenate(target)


def _chosen(
    friends: Ties, group_A: np.ndarray, agent: int, interest: str, n: int, *, seed: int, step: int, purpose: str
) -> np.ndarray:
    is_candidate = np.ones(len(group_A), dtype=bool)
    if interest != "any":
        is_candidate = (group_A == group_A[agent]) == (interest == "same")
    is_candidate[agent] = False
    is_candidate[friends.of(np.array([agent])).values] = False
    candidates = np.flatnonzero(is_candidate)
    draws = rng.uniform(seed, candidates, step=step, purpose=f"{purpose} of agent {agent}")[:, 0]
    return candidates[np.argsort(draws, kind="stable")[:n]]


def _is_new(friends: Ties, agents: np.ndarray, friend_TK: np.ndarray) -> np.ndarray:
    agent_TK = np.broadcast_to(agents[:, None], friend_TK.shape)
    new: np.ndarray = (friend_TK != agent_TK) & ~friends.has(agent_TK, friend_TK)
    return new


def repeats_earlier(values_TK: np.ndarray) -> np.ndarray:
    """(T, K) bool, whether a value is in an earlier column of its row."""
    order = np.argsort(values_TK, axis=1, kind="stable")
    ascending = np.take_along_axis(values_TK, order, axis=1)
    repeats_TK = np.zeros(values_TK.shape, dtype=bool)
    repeated = np.zeros(values_TK.shape, dtype=bool)
    repeated[:, 1:] = ascending[:, 1:] == ascending[:, :-1]
    np.put_along_axis(repeats_TK, order, repeated, axis=1)
    return repeats_TK
