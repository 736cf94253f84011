"""Answers to invitations: by conflicts with work, plan, sleep and other gatherings, then by interest and relation."""

from dataclasses import dataclass
from datetime import timedelta

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.minds.news import interest_of
from recgpt.simulate.worlds.town.occupations import occupation_of
from recgpt.simulate.worlds.town.residents import Fact

_OUTINGS = frozenset((a.CINEMA, a.MEETING, a.GATHERING, a.PREPARING))
_DAY = 24 * 60
_LATE = 45  # minutes after the usual bedtime, or of a shift, for which a guest makes an exception


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a guest accepts; key of its words in `phrases.json`; the plan that it conflicts with."""

    accepts: bool
    key: str
    plan: str = ""


def answer_to(guest: Scene, inviter: int, number: int, luck: float) -> Answer:
    """The answer of a guest to an invitation to a gathering.

    A conflict declines, but for a favourite topic or a close host in a quarter of cases. Without one the chance to
    accept is .5 + .3 interest + .25 affinity to the inviter + .2 affinity to the host + .3 (extroversion - .5).
    """
    fact = guest.setting.people.facts[number]
    interest = interest_of(guest.resident, fact)
    affinity, to_host = (guest.life.relation(other).affinity for other in (inviter, fact.about))
    conflict = conflict_with(guest, number)
    if conflict is not None:
        bends = conflict.key != "decline_other_gathering" and interest + to_host > 0.9
        return Answer(True, "accept_relation") if bends and luck < 0.25 else conflict
    wish = 0.5 + 0.3 * interest + 0.25 * affinity + 0.2 * to_host + 0.3 * (guest.resident.extroversion - 0.5)
    if luck < wish:
        return Answer(True, _reason_for(interest, max(affinity, to_host), luck))
    return Answer(False, _reason_against(guest, interest, affinity))


def _reason_for(interest: float, affinity: float, luck: float) -> str:
    if interest:
        return "accept_interest"
    return "accept_relation" if affinity > 0.4 and luck < 0.4 else "accept_free"


def _reason_against(guest: Scene, interest: float, affinity: float) -> str:
    if guest.resident.extroversion < 0.4:
        return "decline_shy"
    return "decline_relation" if interest or affinity < 0.2 else "decline_interest"


def conflict_with(guest: Scene, number: int) -> Answer | None:
    """Conflict of a guest's life with a gathering; None for none."""
    fact = guest.setting.people.facts[number]
    begins, ends = fact.starts, fact.starts + max(fact.minutes, 30)
    for other, accepted in guest.life.appointments.items():
        theirs = guest.setting.people.facts[other]
        if accepted and other != number and _overlap(begins, ends, theirs.starts, theirs.starts + theirs.minutes):
            return Answer(False, "decline_other_gathering")
    for other in guest.life.facts:
        own = guest.setting.people.facts[other]
        is_own = own.kind == "gathering" and own.about == guest.agent
        if is_own and _overlap(begins, ends, own.starts, own.starts + own.minutes):
            return Answer(False, "decline_other_gathering")
    moment = guest.rules.start_time + timedelta(minutes=fact.starts)
    minute = moment.hour * 60 + moment.minute
    if _is_asleep(guest, minute + min(fact.minutes, 60) - _LATE):
        return Answer(False, "decline_sleep")
    if _works(guest, fact, minute, moment.weekday()):
        return Answer(False, "decline_work")
    days = (moment.date() - guest.rules.start_time.date()).days
    return _planned(guest, minute) if days == guest.life.plan_day else None


def _overlap(begins: int, ends: int, other: int, other_ends: int) -> bool:
    return other >= 0 and begins < other_ends and other < ends


def _is_asleep(guest: Scene, minute: int) -> bool:
    asleep_for = (minute - guest.resident.sleeps) % _DAY
    return asleep_for < (guest.resident.wakes - guest.resident.sleeps) % _DAY


def _works(guest: Scene, fact: Fact, minute: int, weekday: int) -> bool:
    """Whether the guest works through most of a gathering that is not at its own place of work."""
    resident, town_map = guest.resident, guest.setting.map
    occupation = occupation_of(resident, town_map)
    if not occupation.tasks or weekday not in occupation.days or resident.work < 0:
        return False
    if town_map.sector_of(fact.place) == town_map.sector_of(resident.work):
        return False
    begins, ends = occupation.hours
    hours = town_map.places[town_map.sector_of(resident.work)].hours
    if occupation.follows_hours and hours is not None:
        begins, ends = hours
        ends += _DAY if ends < begins else 0
    shared = min(minute + fact.minutes, ends) - max(minute, begins)
    return 2 * shared > fact.minutes


def _planned(guest: Scene, minute: int) -> Answer | None:
    """An outing or an appointment of the present plan at a minute of its day."""
    start = 0
    for block in guest.life.plan:
        if start <= minute < start + block.minutes:
            return Answer(False, "decline_plan", block.text) if block.activity in _OUTINGS else None
        start += block.minutes
    return None
