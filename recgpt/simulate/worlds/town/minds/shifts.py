"""Working hours of a resident on a day, from its texts, its occupation and the opening hours of its workplace.

shift_on(venues, resident, weekday)                  # (start, end) in minutes of the day, or None
"""

import re
from functools import cache

from recgpt.simulate.worlds.town.minds.venues import Venues
from recgpt.simulate.worlds.town.occupations import Occupation, occupation_of
from recgpt.simulate.worlds.town.residents import Resident

_HOURS = re.compile(r"from (\d{1,2}):(\d\d) to (?:(\d{1,2}):(\d\d)|(midnight))")
_BEFORE_OPENING, _AFTER_CLOSING = 10, 10  # minutes that staff is there before the doors open and after they close
_HANDOVER = 60  # minutes: where the place is open for so much longer than a shift, a second one follows


def workplace(venues: Venues, resident: Resident) -> int:
    """Sector where a resident works or studies: its home if it has no other."""
    return venues.map.sector_of(resident.work) if resident.work >= 0 else resident.home


def shift_on(venues: Venues, agent: int, resident: Resident, weekday: int) -> tuple[int, int] | None:
    """Start and end of the shift on a day of the week (Monday 0); an end after midnight passes 1,440."""
    occupation = occupation_of(resident, venues.map)
    if weekday not in occupation.days:
        return None
    written = _written(resident.daily_plan_req)
    start, end = written or _by_place(venues, agent, resident, occupation)
    return (start, end) if end > start else None


@cache
def _written(text: str) -> tuple[int, int] | None:
    """Hours that a text names, as in `from 8:00 to 17:00`."""
    if (found := _HOURS.search(text)) is None:
        return None
    hours = found.groups()
    start = int(hours[0]) * 60 + int(hours[1])
    end = 1440 if hours[4] else int(hours[2]) * 60 + int(hours[3])
    return start, end if end > start else end + 1440


def _by_place(venues: Venues, agent: int, resident: Resident, occupation: Occupation) -> tuple[int, int]:
    start, end = occupation.hours
    sector = workplace(venues, resident)
    hours = venues.map.places[sector].hours
    if hours is None or sector == resident.home:
        return start, end
    opens = hours[0] - _BEFORE_OPENING
    closes = (hours[1] if hours[1] > hours[0] else hours[1] + 1440) + _AFTER_CLOSING
    if not occupation.follows_hours:
        return max(start, opens), min(end, closes)
    length = min(end - start, closes - opens)
    late = venues.staff[sector].index(agent) % 2 if agent in venues.staff.get(sector, ()) else 0
    if closes - opens > length + _HANDOVER and len(venues.staff.get(sector, ())) > 1:
        return (closes - length, closes) if late else (opens, opens + length)
    start = min(max(start, opens), closes - length)
    return start, start + length
