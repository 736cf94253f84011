"""Attendance of gatherings: guests invited, guests present, and reasons of absent guests.

attendance(fact, number, spread, walks, town_map, seconds_per_tick=10)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.residents import Fact
from recgpt.simulate.worlds.town.spread import Invited, Spread
from recgpt.simulate.worlds.town.walks import Walk

LEAST_MINUTES = 5
"""Shortest presence at a gathering that counts."""
_SECONDS_PER_MINUTE = 60


@dataclass(frozen=True)
class Attendance:
    """Attendance of a gathering.

    Attributes
    ----------
    invited
        Last invitation of each guest.
    present
        Minutes of presence of each resident that was there long enough, the host aside.
    """

    fact: int
    invited: dict[int, Invited]
    present: dict[int, float]

    @property
    def came(self) -> list[int]:
        """Guests that came."""
        return [guest for guest in self.invited if guest in self.present]

    @property
    def stayed_away(self) -> dict[int, Invited]:
        """Guests that did not come, with their invitation."""
        return {guest: invited for guest, invited in self.invited.items() if guest not in self.present}

    def to_json(self) -> dict[str, Any]:
        """JSON values: numbers, and the reason of each guest that had declined and did not come, if it named one."""
        away = self.stayed_away
        return {
            "fact": self.fact,
            "invited": len(self.invited),
            "accepted": sum(invited.accepted for invited in self.invited.values()),
            "came": len(self.came),
            "came_uninvited": len(set(self.present) - set(self.invited)),
            "stayed_away": len(away),
            "named_a_reason": sum(not each.accepted and bool(each.reason) for each in away.values()),
            "reasons": {str(guest): each.reason for guest, each in sorted(away.items()) if not each.accepted},
        }


def attendance(
    fact: Fact,
    number: int,
    spread: Spread,
    walks: Sequence[Sequence[Walk]],
    town_map: TownMap,
    seconds_per_tick: int,
) -> Attendance:
    """Attendance of the gathering `fact`, from presence in the sector of its place in its time."""
    invited = {guest: each for (of, guest), each in spread.invited.items() if of == number and guest != fact.about}
    first = fact.starts * _SECONDS_PER_MINUTE // seconds_per_tick
    last = first + fact.minutes * _SECONDS_PER_MINUTE // seconds_per_tick
    tiles = set(np.flatnonzero(town_map.sector_HW == town_map.sector_of(fact.place)).tolist())
    ticks = [sum(walk.ticks_on(tiles, first, last) for walk in of_agent) for of_agent in walks]
    minutes = {agent: each * seconds_per_tick / _SECONDS_PER_MINUTE for agent, each in enumerate(ticks)}
    present = {agent: each for agent, each in minutes.items() if each >= LEAST_MINUTES and agent != fact.about}
    return Attendance(number, invited, present)
