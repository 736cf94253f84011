"""Measures of a town, computed from its events only, so that `recgpt runs verify` can recompute them.

    found = town_measures(run.iter_steps(), setting, rules)
    found["acquaintance"]["end"]               # density of mutual acquaintance

The measures of the paper (Park et al., UIST 2023, section 7.1): spread of a candidacy and of a party, acquaintance,
false acquaintance, attendance; and a resident's day held to the published one, see `shipped_day`.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import polars as pl

from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.artifacts import stored_setting
from recgpt.simulate.worlds.town.attendance import attendance
from recgpt.simulate.worlds.town.config import BLOCK_SECONDS, TownConfig, TownRules
from recgpt.simulate.worlds.town.item_measures import ItemTally
from recgpt.simulate.worlds.town.paths import Paths
from recgpt.simulate.worlds.town.residents import Fact
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.shipped_day import DayFigures, held_to_ranges
from recgpt.simulate.worlds.town.spread import Spread
from recgpt.simulate.worlds.town.walks import Walks

PUBLISHED: dict[str, float] = {
    "candidacy, start": 0.04,
    "candidacy, end": 0.32,
    "party, start": 0.04,
    "party, end": 0.52,
    "acquaintance, start": 0.167,
    "acquaintance, end": 0.74,
    "false acquaintance": 6 / 453,
    "came": 5 / 12,
    "named a reason": 3 / 7,
}
"""Figures of the paper, shares after two days of 25 residents: of knowers, pairs, answers, guests, absent guests."""
_DIGITS = 4


def measures(run: Run) -> dict[str, Any]:
    """Measures of a run, computed from its events and artifacts only."""
    return town_measures(run.iter_steps(), stored_setting(run), TownConfig(**run.manifest.config).rules())


def town_measures(steps: Iterable[pl.DataFrame], setting: Setting, rules: TownRules) -> dict[str, Any]:
    """Compute all measures of a town, JSON values.

    Returns
    -------
    dict
        `agents, blocks, hours` : numbers. `totals` : numbers of events by kind. `failures` : numbers of failures of
        the language model by kind. `facts` : see `Spread.fact`. `candidacy, party` : the first candidacy, and the
        first gathering after the first day or else the first one; None without one. `acquaintance` : `start` and
        `end` density of mutual acquaintance, `pairs` at the end. `false_acquaintance` : residents `named` in lines and
        thoughts, those `unknown` by then, their `share`, and the first `examples`. `gatherings` : see
        `Attendance.to_json`, once they have ended. `day` : see `held_to_ranges`. `items` : see
        `ItemTally.measures`; None in a town without items.
    """
    tally = Tally(setting, rules)
    for rows in steps:
        tally.add(rows)
    return tally.measures()


class Tally:
    """Counts over the events of a run, updated block by block.

    Attributes
    ----------
    spread
        Facts and acquaintance.
    walks
        Walks of residents.
    items
        Wishes and adoptions; None in a town without items.
    """

    def __init__(self, setting: Setting, rules: TownRules) -> None:
        self._setting, self._rules = setting, rules
        people, places = setting.people, setting.map.places
        self.spread = Spread(people)
        self.walks = Walks(Paths(setting.map), [places[each.bed].tiles[0] for each in people.residents])
        self._days = DayFigures(len(people), rules.start_time)
        self._kinds: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self.items = None if setting.catalogue is None else ItemTally(setting, rules)
        self._n_blocks = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Count one block."""
        self._n_blocks += 1
        self._kinds.update(rows["kind"])
        failed = rows.filter(pl.col("kind") == "failed")["text"]
        self._failures.update((text or "unknown").partition(":")[0] for text in failed)
        self.spread.add(rows)
        self.walks.add(rows, seconds_per_tick=self._rules.seconds_per_tick)
        self._days.add(rows)
        if self.items is not None:
            self.items.add(rows)

    @property
    def n_seconds(self) -> int:
        """Simulated seconds so far."""
        return self._n_blocks * BLOCK_SECONDS

    def measures(self) -> dict[str, Any]:
        """All measures from the counts, at the end. See `town_measures`."""
        seconds_per_tick = self._rules.seconds_per_tick
        self.walks.ended(self.n_seconds // seconds_per_tick)
        facts = [self.spread.fact(number) for number in range(len(self._setting.people.facts))]
        days = self._days.table(self.walks.of, self.n_seconds, seconds_per_tick)
        return {
            "agents": len(self._setting.people),
            "blocks": self._n_blocks,
            "hours": self.n_seconds / 3600,
            "totals": dict(sorted(self._kinds.items())),
            "failures": dict(sorted(self._failures.items())),
            "facts": facts,
            "candidacy": _of(facts, self._first("candidacy")),
            "party": _of(facts, self._party()),
            "acquaintance": self._acquaintance(),
            "false_acquaintance": self._false_acquaintance(),
            "gatherings": self._gatherings(),
            "day": held_to_ranges(days),
            "items": None if self.items is None else self.items.measures(),
        }

    def _first(self, kind: str) -> int | None:
        return next((number for number, fact in enumerate(self._setting.people.facts) if fact.kind == kind), None)

    def _party(self) -> int | None:
        """The gathering that has the most time to become known: the first one of a later day, or else the first."""
        later = (number for number, fact in self._gathered() if self._days.day(fact.starts * 60) > 0)
        return next(later, self._first("gathering"))

    def _gathered(self) -> list[tuple[int, Fact]]:
        facts = enumerate(self._setting.people.facts)
        return [(number, fact) for number, fact in facts if fact.kind == "gathering" and fact.starts >= 0]

    def _acquaintance(self) -> dict[str, Any]:
        spread = self.spread
        start = spread.met_at_start / spread.n_pairs if spread.n_pairs else 0.0
        return {"start": round(start, _DIGITS), "end": round(spread.density, _DIGITS), "pairs": len(spread.met)}

    def _false_acquaintance(self) -> dict[str, Any]:
        named, unknown = self.spread.named, self.spread.unknown_names
        return {
            "named": named,
            "unknown": len(unknown),
            "share": round(len(unknown) / named, _DIGITS) if named else None,
            "examples": [{"agent": each.agent, "named": each.named, "text": each.text} for each in unknown[:3]],
        }

    def _gatherings(self) -> list[dict[str, Any]]:
        town_map, seconds_per_tick = self._setting.map, self._rules.seconds_per_tick
        return [
            attendance(fact, number, self.spread, self.walks.of, town_map, seconds_per_tick).to_json()
            for number, fact in self._gathered()
            if (fact.starts + fact.minutes) * 60 <= self.n_seconds
        ]


def _of(facts: list[dict[str, Any]], number: int | None) -> dict[str, Any] | None:
    return None if number is None else facts[number]
