"""The truth about each resident at a moment, read from the log alone.

truth = Truth(setting.people)
for rows in run.iter_steps():
    truth.add(rows.filter(pl.col("time") <= second))
truth.talks[7]                             # talks of resident 7
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

import polars as pl

from recgpt.simulate.worlds.town.residents import People
from recgpt.simulate.worlds.town.rules.schedules import Block, block_at
from recgpt.simulate.worlds.town.spread import Spread

_FOLLOWED = ("talked", "planned", "thought", "invited", "related", "said")


@dataclass(frozen=True, slots=True)
class HadTalk:
    """A talk from one side: its second, the other side, minutes and summary."""

    second: int
    other: int
    minutes: float
    summary: str


@dataclass(frozen=True, slots=True)
class Concluded:
    """A conclusion of a reflection; `other` -1: about no resident."""

    second: int
    other: int
    text: str


class Truth:
    """Facts, talks, plans and conclusions of all residents, block by block.

    Attributes
    ----------
    spread
        Knowers of facts, acquaintance, and names known.
    talks, concluded
        By resident, in order of time.
    plans, planned
        Last plan of a day by resident, and its second; -1: none.
    affinity
        By resident and other.
    """

    def __init__(self, people: People) -> None:
        self.people = people
        self.spread = Spread(people)
        self.talks: list[list[HadTalk]] = [[] for _ in people.residents]
        self.concluded: list[list[Concluded]] = [[] for _ in people.residents]
        self.plans: list[list[Block]] = [[] for _ in people.residents]
        self.planned = [-1] * len(people)
        self.affinity: list[defaultdict[int, float]] = [defaultdict(float) for _ in people.residents]
        for tie in people.ties:
            self.affinity[tie.agent][tie.other] = tie.affinity

    def add(self, rows: pl.DataFrame) -> None:
        """Follow the events of a block, or of its beginning."""
        self.spread.add(rows)
        followed = rows.filter(pl.col("kind").is_in(_FOLLOWED)).sort("time", "agent", "seq")
        columns = ("time", "agent", "kind", "other", "slot", "value", "text")
        for second, agent, kind, other, slot, value, text in followed.select(columns).iter_rows():
            if kind == "talked":
                for one, two in ((agent, other), (other, agent)):
                    self.talks[one].append(HadTalk(second, two, value or 0.0, text or ""))
            elif kind == "planned":
                self.plans[agent] = [*(self.plans[agent] if slot else []), (text or "", int(value or 0))]
                self.planned[agent] = second
            elif kind == "thought" and slot == 1:
                self.concluded[agent].append(Concluded(second, -1 if other is None else other, text or ""))
            elif kind == "related":
                self.affinity[agent][other] = min(max(self.affinity[agent][other] + (value or 0.0), -1.0), 1.0)

    def planned_at(self, agent: int, minute: int) -> str | None:
        """Activity on the plan of the day at a minute; None without a plan."""
        plan = self.plans[agent]
        return plan[block_at(plan, minute)][0] if plan else None

    def talks_with(self, agent: int) -> Counter[int]:
        """Number of talks by the other side."""
        return Counter(talk.other for talk in self.talks[agent])

    def knows(self, agent: int, fact: int) -> bool:
        """Whether a resident knows a fact."""
        return agent in self.spread.knowers[fact]

    def overheard(self, agent: int, fact: int) -> bool:
        """Whether a resident only overheard a fact: to claim it is neither right nor wrong."""
        return agent in self.spread.overheard[fact] and not self.knows(agent, fact)

    def is_aware_of(self, agent: int, other: int) -> bool:
        """Whether a resident has a tie to another, saw it, talked with it, or heard its name."""
        return other in self.spread.aware_of(agent)
