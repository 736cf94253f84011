"""Needs, activities, occupations and parameters of the scripted mind of a town."""

import numpy as np
import pytest

from recgpt.errors import DataError
from recgpt.simulate.worlds.town import activities
from recgpt.simulate.worlds.town.activities import ACTIVITIES, ENERGY, FOOD, NEEDS, SLEEPING
from recgpt.simulate.worlds.town.life import Action, Life
from recgpt.simulate.worlds.town.minds.parameters import Parameters
from recgpt.simulate.worlds.town.needs import needs_at
from recgpt.simulate.worlds.town.occupations import OCCUPATIONS, occupation_of
from recgpt.simulate.worlds.town.places import KINDS_OF_SECTORS, TownMap
from recgpt.simulate.worlds.town.residents import Resident

ACTIVITY_NAMES = {
    name: number for name, number in vars(activities).items() if isinstance(number, int) and name.lower() not in NEEDS
}


def resident(**more) -> Resident:
    return Resident(
        **{
            **dict.fromkeys(("innate", "learned", "currently", "lifestyle", "daily_plan_req"), ""),
            **{"name": "Ada Reed", "age": 40, "household": 0, "home": 0, "bed": 1},
            **more,
        }
    )


def doing(activity: int) -> Life:
    return Life(path=(0,), action=Action("", activity, -1, 0, 8640), needs=(0.5,) * len(NEEDS))


def test_each_activity_has_one_constant_and_known_needs_and_kinds():
    assert sorted(ACTIVITY_NAMES.values()) == list(range(len(ACTIVITIES)))
    for activity in ACTIVITIES:
        assert set(activity.gains) <= set(NEEDS) and set(activity.kinds) <= set(KINDS_OF_SECTORS)
        assert activity.emoji and activity.predicate and activity.minutes >= 5
        assert activity.text.split()[0].endswith("ing")
    assert len({activity.text for activity in ACTIVITIES}) == len(ACTIVITIES)


def test_free_words_name_an_activity_or_none():
    assert activities.activity_of("Watching a film with Ana") == activities.CINEMA
    assert activities.activity_of("counting clouds") == -1


def test_sleep_restores_energy_and_a_day_awake_takes_it():
    asleep = needs_at(doing(SLEEPING), resident(), 6 * 360, 10)
    assert asleep[ENERGY] == 1.0 and asleep[FOOD] < 0.5
    awake = needs_at(doing(activities.WORKING), resident(), 6 * 360, 10)
    assert awake[ENERGY] < 0.5 and awake[NEEDS.index("duty")] > 0.5
    assert needs_at(doing(SLEEPING), resident(), 0, 10) == (0.5,) * 6


def test_needs_depend_on_age_and_traits_and_on_seconds_not_ticks():
    old, young = (needs_at(doing(activities.READING), resident(age=age), 360, 10)[ENERGY] for age in (80, 30))
    assert old < young
    out, shy = (
        needs_at(doing(activities.READING), resident(extroversion=each), 360, 10)[NEEDS.index("company")]
        for each in (1, 0)
    )
    assert out < shy
    assert needs_at(doing(0), resident(), 360, 10) == pytest.approx(needs_at(doing(0), resident(), 60, 60))
    assert all(0 <= need <= 1 for need in needs_at(doing(-1), resident(), 100_000, 10))


def test_occupations_name_known_kinds_and_have_tasks_for_their_hours():
    for name, occupation in OCCUPATIONS.items():
        assert name == occupation.name and set(occupation.kinds) <= set(KINDS_OF_SECTORS)
        assert bool(occupation.tasks) == (occupation.hours[1] > occupation.hours[0]) == bool(occupation.days)
        assert all(0 <= task.activity < len(ACTIVITIES) for task in occupation.tasks)


def test_an_occupation_is_read_from_words_workplace_or_age():
    town_map = TownMap("Town", np.zeros((1, 1), dtype=bool), *[np.full((1, 1), -1)] * 3, places=())
    assert occupation_of(resident(occupation="nurse"), town_map).name == "nurse"
    assert occupation_of(resident(learned="Ada is a cafe owner who loves to cook"), town_map).name == "cafe owner"
    assert occupation_of(resident(learned="She draws maps", age=70), town_map).name == "retired"
    assert occupation_of(resident(), town_map).name == "none"


def test_each_parameter_has_a_reason(tmp_path):
    parameters = Parameters.load()
    assert parameters.markdown().count("\n") == len(parameters.sources) + 1
    assert all(len(reason) > 4 for reason in parameters.sources.values())
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError, match="restore it from the package"):
        Parameters.load(tmp_path / "bad.json")
