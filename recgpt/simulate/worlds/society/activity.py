"""Who is busy until when, and who acts in a round.

    activity = Activity(rules, n_agents)
    agents = who_acts(rules, activity, step=1, seed=0)

Watching takes 2 hours and blocks everything; a chat takes as long as it was begun for, and several add their partners
up while the later end counts; a post takes 6 minutes and blocks nothing.

Shapes: A agents, P pairs of agents that chat.
"""

from enum import IntEnum
from typing import Self

import numpy as np
import polars as pl

from recgpt.simulate import rng
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.parts import ArrayPart
from recgpt.simulate.worlds.society.rounds import date_of_round
from recgpt.simulate.worlds.society.ties import are_among, distinct

WATCHING_S, POSTING_S = 2 * 3600, 360
ACTED = ("rested", "entered", "went", "failed")
"""Kinds of events of which an agent that acts in a round has one."""


class Busy(IntEnum):
    """Activity of an agent."""

    IDLE = 0
    WATCHING = 1
    CHATTING = 2
    POSTING = 3


class Activity(ArrayPart):
    """Activities after the events so far.

    Attributes
    ----------
    kind_A
        (A,) int8 of `Busy`.
    since_A, until_A
        (A,) int64 seconds since the start of the run; 0 where idle.
    idle_rounds_A
        (A,) int64 rounds since each agent acted or watched.
    partners_P
        (P,) int64 sorted keys `agent * A + other` of those that chat with each other, both ways.
    """

    PREFIX = "activity"
    ARRAYS = ("kind_A", "since_A", "until_A", "idle_rounds_A", "partners_P")

    def __init__(self, rules: SocietyRules, n_agents: int) -> None:
        self._rules = rules
        self.kind_A = np.zeros(n_agents, dtype=np.int8)
        self.since_A, self.until_A, self.idle_rounds_A = np.zeros((3, n_agents), dtype=np.int64)
        self.partners_P = np.empty(0, dtype=np.int64)

    def are_chatting(self, agents: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Whether each agent and the other one chat with each other."""
        return are_among(np.asarray(agents, dtype=np.int64) * len(self.kind_A) + others, self.partners_P)

    def partners(self, agent: int) -> list[int]:
        """Agents that one chats with."""
        n_agents = len(self.kind_A)
        first, last = np.searchsorted(self.partners_P, [agent * n_agents, (agent + 1) * n_agents])
        return [int(key % n_agents) for key in self.partners_P[first:last]]

    def apply(self, of_kind: dict[str, pl.DataFrame], step: int) -> None:
        """Update with the events of a round, and advance to the next one."""
        self._begin(of_kind, step)
        self._release(seconds_of_round(self._rules, step + 1))

    def during(self, of_kind: dict[str, pl.DataFrame], step: int) -> Self:
        """Activities in the round itself, before agents become idle: a copy."""
        copied = self.copy()
        copied._begin(of_kind, step)
        return copied

    def _begin(self, of_kind: dict[str, pl.DataFrame], step: int) -> None:
        now = seconds_of_round(self._rules, step)
        self.idle_rounds_A = np.where(self.kind_A == Busy.WATCHING, self.idle_rounds_A, self.idle_rounds_A + 1)
        for kind in ACTED:
            if kind in of_kind:
                self.idle_rounds_A[of_kind[kind]["agent"].to_numpy()] = 0
        if "posted" in of_kind:
            self._post(of_kind["posted"]["agent"].to_numpy(), now)
        if "chatted" in of_kind:
            self._chat(of_kind["chatted"], now)
        if "watched" in of_kind:
            agents, n_watched = np.unique(of_kind["watched"]["agent"].to_numpy(), return_counts=True)
            self.kind_A[agents], self.since_A[agents] = Busy.WATCHING, now
            self.until_A[agents] = now + n_watched * WATCHING_S

    def _post(self, agents: np.ndarray, now: int) -> None:
        agents = distinct(agents)  # the schedule may post in the name of the busy, and of one agent several times
        agents = agents[np.isin(self.kind_A[agents], (Busy.IDLE, Busy.POSTING))]
        self.kind_A[agents], self.since_A[agents], self.until_A[agents] = Busy.POSTING, now, now + POSTING_S

    def _chat(self, chatted: pl.DataFrame, now: int) -> None:
        one, other = chatted["agent"].to_numpy(), chatted["other"].to_numpy()
        agents, until = np.concatenate([one, other]), np.tile(now + chatted["value"].to_numpy() * 3600, 2)
        new = distinct(agents[self.kind_A[agents] != Busy.CHATTING])
        self.kind_A[new], self.since_A[new], self.until_A[new] = Busy.CHATTING, now, now
        np.maximum.at(self.until_A, agents, until.astype(np.int64))
        keys = agents * len(self.kind_A) + np.concatenate([other, one])
        self.partners_P = distinct(np.concatenate([self.partners_P, keys]))

    def _release(self, next_round: int) -> None:
        done = (self.kind_A != Busy.IDLE) & (self.until_A <= next_round)
        self.kind_A[done], self.since_A[done], self.until_A[done] = Busy.IDLE, 0, 0
        agents, others = np.divmod(self.partners_P, len(self.kind_A))
        both = (self.kind_A[agents] == Busy.CHATTING) & (self.kind_A[others] == Busy.CHATTING)
        self.partners_P = self.partners_P[both]


def seconds_of_round(rules: SocietyRules, step: int) -> int:
    """Seconds between the start of the run and round `step`."""
    return int((date_of_round(rules.start_time, rules.interval, step) - rules.start_time).total_seconds())


def probabilities(rules: SocietyRules, idle_rounds_A: np.ndarray, seed: int) -> np.ndarray:
    """(A,) probability to act.

    `active_prob` for all; or x / max x of draws x from a Lomax distribution of shape 10 `active_prob`; or that times
    one more than the rounds since the agent acted.
    """
    n_agents = len(idle_rounds_A)
    if rules.active_method == "random":
        return np.full(n_agents, rules.active_prob)
    drawn_A = rng.uniform(seed, np.arange(n_agents), step=0, purpose="active")[:, 0]
    shares_A = scaled_lomax(drawn_A, 10 * rules.active_prob)
    return shares_A if rules.active_method == "sample" else shares_A * (idle_rounds_A + 1)


def scaled_lomax(drawn_A: np.ndarray, shape: float) -> np.ndarray:
    """(A,) draws from a Lomax distribution by inversion, `(1 - u)^(-1 / shape) - 1`, over their maximum."""
    raw_A = np.expm1(-np.log1p(-drawn_A) / shape)
    highest = raw_A.max(initial=0)
    return np.divide(raw_A, highest, out=np.ones_like(raw_A), where=highest > 0)


def who_acts(rules: SocietyRules, activity: Activity, step: int, seed: int) -> np.ndarray:
    """Agents that act in a round, ascending: never the watching; above the threshold a random subset of them."""
    n_agents = len(activity.kind_A)
    drawn_A2 = rng.uniform(seed, np.arange(n_agents), step=step, purpose="act", n=2)
    probability_A = probabilities(rules, activity.idle_rounds_A, seed)
    agents = np.flatnonzero((activity.kind_A != Busy.WATCHING) & (drawn_A2[:, 0] <= probability_A))
    threshold = rules.active_agent_threshold
    if threshold and len(agents) > threshold:
        order = np.lexsort((agents, drawn_A2[agents, 1]))
        agents = np.sort(agents[order[:threshold]])
    return agents
