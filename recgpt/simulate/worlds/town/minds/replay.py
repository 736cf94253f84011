"""Mind that repeats the decisions of a recorded town, without the mind that made them.

    recgpt town new --run again --set mind=replay --set replayed=demo

The residents have to be in the same situations as in the record, so that a replayed run has the hash of the record.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.minds.replay import recorded_events
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.life import PlanBlock, Source
from recgpt.simulate.worlds.town.minds.base import (
    Act,
    Chosen,
    Invitation,
    Line,
    Mention,
    Notes,
    Rating,
    Reaction,
    Response,
    Scene,
    Seen,
    Talk,
    Thought,
    Told,
)

Row = dict[str, Any]
_REMEDY = "replay with the same town, people, seed, rules and schedule"
_OF_TALK = ("said", "told", "mentioned", "invited", "related")
_OF_ITEMS = ("wished", "adopted", "turned_away", "rated")


@dataclass
class _Moment:
    """Rows of a resident at a tick by kind, and the rows that decisions left beside their results."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def of(self, *kinds: str) -> list[Row]:
        """Rows of some kinds, in their order."""
        return sorted((row for kind in kinds for row in self.rows.get(kind, ())), key=lambda row: row["seq"])


class ReplayMind:
    """Repeats the decisions of a run.

    Parameters
    ----------
    events
        Events of all blocks of the recorded run.
    """

    name = "replay"

    def __init__(self, events: pl.DataFrame, rules: TownRules) -> None:
        self._moments: dict[tuple[int, int], _Moment] = {}
        ordered = events.sort("step", "agent", "seq").iter_rows(named=True)
        pending: list[Row] = []
        at, moment = (-2, -1), _Moment()
        for row in ordered:
            key = (row["agent"], row["time"] // rules.seconds_per_tick)
            if key != at:
                moment.notes["seen"] += pending
                at, pending = key, []
                moment = self._moments.setdefault(at, _Moment())
            pending = _sorted_in(moment, row, pending)
        moment.notes["seen"] += pending

    @classmethod
    def from_options(cls, options: MindOptions, rules: TownRules) -> Self:
        """Mind that repeats the run in the options.

        Raises
        ------
        SimulationError
            They name no run.
        """
        return cls(recorded_events(options), rules)

    def plan_day(self, scene: Scene, notes: Notes) -> Sequence[PlanBlock]:
        """See `Mind`.

        Raises
        ------
        SimulationError
            The record has no such decision. So in all methods.
        """
        rows = self._at(scene).of("planned")
        begins = [place for place, row in enumerate(rows) if row["slot"] == 0]
        _require(bool(begins), scene, "plans a day")
        last = rows[begins[-1] :]
        return [PlanBlock(row["text"], int(row["value"]), _number(row["item"]), _number(row["place"])) for row in last]

    def act(self, scene: Scene, notes: Notes) -> Act:
        """See `Mind`."""
        moment = self._at(scene)
        rows = moment.of("acted")
        _require(bool(rows), scene, "acts")
        _repeat(moment.notes["act"], notes)
        row = rows[-1]
        return Act(row["text"], int(row["value"]), _number(row["item"]), _number(row["place"]), _number(row["other"]))

    def importance(self, scene: Scene, seen: Sequence[Seen], notes: Notes) -> Sequence[float]:
        """See `Mind`; what later decisions of the tick read is repeated here."""
        moment = self._at(scene)
        points = {row["text"]: row["value"] for row in moment.of("perceived")}
        _require(all(each.text in points for each in seen), scene, "sees something")
        _repeat(moment.notes["seen"], notes)
        return [float(points[each.text]) for each in seen]

    def react(self, scene: Scene, other: int, notes: Notes) -> Reaction:
        """See `Mind`."""
        moment = self._at(scene)
        for row in moment.of("waited"):
            if row["other"] == other:
                return Reaction(Response.WAIT, int(row["value"]))
        talks = any(row["other"] == other for row in moment.of("talked"))
        return Reaction(Response.TALK if talks else Response.GO_ON)

    def talk(self, scene: Scene, partner: Scene, notes: Notes) -> Talk:
        """See `Mind`."""
        sides = (self._at(scene), self._at(partner))
        begun = [row for row in sides[0].of("talked") if row["other"] == partner.agent]
        _require(bool(begun), scene, "begins a talk")
        _repeat(sides[1].notes["talk"], notes)
        rows = [row for side in sides for row in side.of(*_OF_TALK)]
        by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in _OF_TALK}
        change = {row["agent"]: float(row["value"]) for row in by_kind["related"]}
        return Talk(
            lines=tuple(
                Line(row["agent"], row["text"]) for row in sorted(by_kind["said"], key=lambda row: row["slot"])
            ),
            minutes=int(begun[0]["value"]),
            summary=begun[0]["text"],
            told=tuple(Told(row["agent"], row["item"], row["value"]) for row in by_kind["told"]),
            mentions=tuple(Mention(row["agent"], row["item"], row["value"]) for row in by_kind["mentioned"]),
            invitations=tuple(
                Invitation(row["agent"], row["item"], bool(row["value"]), row["text"]) for row in by_kind["invited"]
            ),
            thoughts=tuple(thought for side in sides for thought in _thoughts(side, 0)),
            affinity=(change.get(scene.agent, 0.0), change.get(partner.agent, 0.0)),
        )

    def reflect(self, scene: Scene, notes: Notes) -> Sequence[Thought]:
        """See `Mind`."""
        return _thoughts(self._at(scene), 1)

    def browse(self, scene: Scene, items: Sequence[int], notes: Notes) -> Sequence[Chosen]:
        """See `Mind`."""
        moment = self._at(scene)
        _repeat(moment.notes["items"], notes)
        return [_chosen(row) for row in moment.of("wished") if row["slot"] == Source.PAGE and row["item"] in set(items)]

    def choose(self, scene: Scene, place: int, items: Sequence[int], notes: Notes) -> Chosen | None:
        """See `Mind`; one that was sold out is not among the items of the next choice."""
        moment = self._at(scene)
        rows = [row for row in moment.of("turned_away", "adopted") if row["item"] in set(items)]
        if not any(row["kind"] == "turned_away" and row["item"] not in set(items) for row in moment.of("turned_away")):
            _repeat(moment.notes["items"], notes)
        return _chosen(rows[0]) if rows else None

    def rate(self, scene: Scene, item: int, notes: Notes) -> Rating:
        """See `Mind`."""
        moment = self._at(scene)
        rows = [row for row in moment.of("rated") if row["item"] == item]
        _require(bool(rows), scene, "rates an item")
        _repeat(moment.notes["items"], notes)
        return Rating(int(rows[0]["value"]), rows[0]["text"] or "")

    def estimate(self, n_agents: int, n_blocks: int) -> CostEstimate | None:
        """None: no language model is called."""
        return None

    def _at(self, scene: Scene) -> _Moment:
        return self._moments.get((scene.agent, scene.tick)) or _Moment()


def _sorted_in(moment: _Moment, row: Row, pending: list[Row]) -> list[Row]:
    """Add a row to its moment; rows beside results go to the decision whose result follows. The rest of those."""
    kind = row["kind"]
    if kind in ("failed", "retrieved"):
        return [*pending, row]
    moment.rows[kind].append(row)
    if kind == "acted":
        moment.notes["act"] += pending
    elif kind in ("talked", "waited"):
        moment.notes["seen"] += pending
    elif kind in _OF_ITEMS:
        moment.notes["items"] += pending
    elif kind in _OF_TALK or (kind == "thought" and not row["slot"]):
        moment.notes["talk"] += pending
    else:
        return pending
    return []


def _thoughts(moment: _Moment, slot: int) -> list[Thought]:
    """Conclusions of a talk (0) or of a reflection (1), with their evidence."""
    found: list[tuple[Row, list[int]]] = []
    for row in moment.of("thought", "cited"):
        if row["kind"] == "thought":
            found.append((row, []))
        else:
            found[-1][1].append(row["slot"])
    return [
        Thought(row["agent"], row["text"], float(row["value"]), _number(row["other"]), tuple(evidence))
        for row, evidence in found
        if row["slot"] == slot
    ]


def _repeat(rows: Iterable[Row], notes: Notes) -> None:
    """Note failures and memories read as recorded."""
    for row in rows:
        (notes.failed if row["kind"] == "failed" else notes.retrieved).append((row["agent"], row["text"]))


def _chosen(row: Row) -> Chosen:
    source = Source.PASSING_BY if row["slot"] is None else Source(row["slot"])
    return Chosen(row["item"], source, _number(row["other"]))


def _number(value: int | None) -> int:
    return -1 if value is None else value


def _require(holds: bool, scene: Scene, does: str) -> None:
    if not holds:
        when = f"{scene.now:%H:%M} of day {scene.day}"
        raise SimulationError(f"{scene.resident.name} {does} at {when}, and does not in the record: {_REMEDY}")
