"""Needs of a resident at a tick, by rule from its last activity.

    needs_at(life, resident, tick, seconds_per_tick=10)       # (energy, food, hygiene, company, fun, duty)

Each falls at a rate of its own while the resident is awake, slower asleep, and rises by the gains of the activity; see
`minds/scripted.json` for rates and reasons.
"""

from functools import cache

from recgpt.simulate.worlds.town.activities import ACTIVITIES, NEEDS, SLEEPING
from recgpt.simulate.worlds.town.life import Life
from recgpt.simulate.worlds.town.minds.parameters import Needs, Parameters
from recgpt.simulate.worlds.town.residents import Resident

_SECONDS_PER_HOUR = 3600


def needs_at(life: Life, resident: Resident, tick: int, seconds_per_tick: int) -> tuple[float, ...]:
    """The needs at a tick; `life.needs` if that is the tick at which they were noted, or an earlier one."""
    hours = (tick - life.needs_at) * seconds_per_tick / _SECONDS_PER_HOUR
    if hours <= 0:
        return life.needs
    changes = changes_of(life.action.activity, resident)
    return tuple(min(max(need + change * hours, 0.0), 1.0) for need, change in zip(life.needs, changes, strict=True))


def changes_of(activity: int, resident: Resident) -> tuple[float, ...]:
    """Changes of the needs in an hour of an activity."""
    return _changes(activity, resident.age, resident.extroversion, resident.conscientiousness)


@cache
def _rates() -> Needs:
    return Parameters.load().needs


@cache
def _changes(activity: int, age: int, extroversion: float, conscientiousness: float) -> tuple[float, ...]:
    gains = ACTIVITIES[activity].gains if activity >= 0 else {}
    rates = _rates()
    share = rates.asleep if activity == SLEEPING else 1.0
    old = 1.0 + rates.age * max(age - rates.ageing, 0)
    falls = {
        "energy": 0.0 if activity == SLEEPING else rates.energy * old,
        "food": rates.food * share,
        "hygiene": rates.hygiene * share,
        "company": rates.company * share * (0.5 + extroversion),
        "fun": rates.fun * share,
        "duty": rates.duty * share * (0.5 + conscientiousness),
    }
    return tuple(gains.get(need, 0.0) - falls[need] for need in NEEDS)
