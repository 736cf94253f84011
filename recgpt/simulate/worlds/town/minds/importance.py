"""Importance of sights, from 1 to 10, by a table of activities, the relation and alarming words."""

from collections.abc import Sequence
from typing import Final

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.minds.base import Notes, Scene, Seen

ALARMING: Final = ("fire", "burn", "smok", "broken", "flood", "accident", "hurt", "ambulance", "police", "alarm")
"""Beginnings of words of what everybody remembers."""
_OBJECT = 2.0
_USUAL = 5.0
_BY_ACTIVITY: Final = {
    **dict.fromkeys((a.TALKING, a.MEETING, a.TEACHING, a.CARING, a.PLAYING, a.MUSIC), 5.5),
    **dict.fromkeys((a.DINING, a.DRINKS, a.COFFEE, a.CINEMA, a.GAME, a.DINNER), 5.5),
    a.PREPARING: 6.0,
    a.GATHERING: 7.0,
}
_LONGEST_SIGHT = 10.0


def importance_of(scene: Scene, seen: Sequence[Seen], notes: Notes) -> list[float]:
    """Importance of each.

    Another resident counts 5, a gathering 7, a shared table 5.5; up to 2.5 more for one that matters to the resident;
    objects in use 2; fire, accidents and the like 9. So a day of 185 to 247 events has 6 to 9 reflections.
    """
    del notes
    return [_of(scene, each) for each in seen]


def _of(scene: Scene, seen: Seen) -> float:
    words = seen.text.lower()
    if any(f" {beginning}" in words for beginning in ALARMING):
        return 9.0
    if seen.other < 0:
        return _OBJECT
    relation = scene.life.relation(seen.other)
    value = _BY_ACTIVITY.get(scene.lives[seen.other].action.activity, _USUAL)
    value += 1.5 * relation.familiarity + 1.0 * abs(relation.affinity)
    return round(min(value, _LONGEST_SIGHT), 2)
