"""State of a resident as the published `scratch.json`, 47 keys.

scratch = scratch_of(resident, life, moment, before=None)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recgpt.simulate.worlds.town.activities import ACTIVITIES, TALKING
from recgpt.simulate.worlds.town.life import Life
from recgpt.simulate.worlds.town.published.fields import MOMENT, Tile
from recgpt.simulate.worlds.town.published.nodes import triple
from recgpt.simulate.worlds.town.residents import Resident

_SETTINGS: dict[str, Any] = {
    **{"concept_forget": 100, "daily_reflection_time": 180, "daily_reflection_size": 5, "overlap_reflect_th": 4},
    **{"kw_strg_event_reflect_th": 10, "kw_strg_thought_reflect_th": 9, "recency_w": 1, "relevance_w": 1},
    **{"importance_w": 1, "recency_decay": 0.995, "thought_count": 5, "daily_req": []},
    **{"f_daily_schedule": [], "f_daily_schedule_hourly_org": [], "importance_ele_n": 0},
}
"""Published settings that a town does not use, and values before the first plan."""
_COOLDOWN_STEPS = 800


@dataclass(frozen=True)
class Moment:
    """End of an export, as a resident is then.

    Attributes
    ----------
    start, seconds_per_tick, tick
        Time of the first tick, length of a tick, ticks so far.
    names
        Of all residents.
    living_area, address
        Addresses of the own room and of the action.
    tile
        Where it stood at the start of the last tick.
    path
        Tiles that it has still to walk.
    chat
        Lines of the talk in progress; None: none.
    left, most
        Importance until the next reflection, and after one.
    """

    start: datetime
    seconds_per_tick: int
    tick: int
    names: Sequence[str]
    living_area: str
    address: str
    emoji: str
    tile: Tile
    path: Sequence[Tile]
    chat: Sequence[tuple[str, str]] | None
    left: int
    most: int

    def time(self, tick: int) -> str:
        """Time of a tick as in the published files."""
        return (self.start + timedelta(seconds=tick * self.seconds_per_tick)).strftime(MOMENT)


def scratch_of(resident: Resident, life: Life, moment: Moment, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """The published keys of a resident.

    Parameters
    ----------
    before
        As imported; None: of our own town.
    """
    given = {**_SETTINGS, **_profile(resident, moment)} if before is None else dict(before)
    profile = {key: getattr(resident, key) for key in ("innate", "learned", "currently", "lifestyle", "daily_plan_req")}
    found = {**given, **profile, **_needs(moment), **_plan(life, given), **_talk(life, moment)}
    return {**found, **(_action(resident, life, moment) if moment.tick else _no_action(resident))}


def _profile(resident: Resident, moment: Moment) -> dict[str, Any]:
    first, _, last = resident.name.partition(" ")
    return {
        **{"name": resident.name, "first_name": first, "last_name": last, "age": resident.age},
        "living_area": moment.living_area,
        **{key: getattr(resident, key) for key in ("vision_r", "att_bandwidth", "retention")},
    }


def _needs(moment: Moment) -> dict[str, Any]:
    return {
        "curr_time": moment.time(moment.tick - 1) if moment.tick else None,
        "curr_tile": list(moment.tile) if moment.tick else None,
        "importance_trigger_max": moment.most,
        "importance_trigger_curr": moment.left,
    }


def _plan(life: Life, before: Mapping[str, Any]) -> dict[str, Any]:
    """Schedule of the day, if there is one; the hourly one is the same, as blocks are not split."""
    if life.plan_day < 0:
        return {}
    blocks = [[block.text, block.minutes] for block in life.plan]
    if blocks == before["f_daily_schedule"]:
        return {}
    texts = list(dict.fromkeys(block.text for block in life.plan))
    return {"f_daily_schedule": blocks, "f_daily_schedule_hourly_org": blocks, "daily_req": texts}


def _action(resident: Resident, life: Life, moment: Moment) -> dict[str, Any]:
    action, name = life.action, resident.name
    activity = ACTIVITIES[action.activity] if action.activity >= 0 else None
    event = (
        [name, activity.predicate, activity.of]
        if activity and activity.of
        else list(triple(f"{name} is {action.text}", name, name))
    )
    state = activity.object_state if activity else "being used"
    part = moment.address.rsplit(":", 1)[-1]
    has_object = action.place >= 0 and action.activity != TALKING
    return {
        "act_address": moment.address or None,
        "act_start_time": moment.time(action.start),
        "act_duration": round((action.end - action.start) * moment.seconds_per_tick / 60),
        "act_description": action.text,
        "act_pronunciatio": moment.emoji,
        "act_event": event,
        "act_obj_description": f"{part} is {state}" if has_object else None,
        "act_obj_pronunciatio": moment.emoji if has_object else None,
        "act_obj_event": [moment.address, "is", state] if has_object else [None, None, None],
        "act_path_set": bool(moment.path),
        "planned_path": [list(tile) for tile in moment.path],
    }


def _no_action(resident: Resident) -> dict[str, Any]:
    return {
        **dict.fromkeys(("act_address", "act_start_time", "act_duration", "act_description", "act_pronunciatio")),
        **{"act_event": [resident.name, None, None], "act_obj_description": None, "act_obj_pronunciatio": None},
        **{"act_obj_event": [None, None, None], "act_path_set": False, "planned_path": []},
    }


def _talk(life: Life, moment: Moment) -> dict[str, Any]:
    """Partner and lines of the talk in progress, and steps until each is talked to again."""
    talks = moment.chat is not None and life.action.other >= 0
    buffer = {
        moment.names[other]: _COOLDOWN_STEPS - (moment.tick - relation.talked_at)
        for other, relation in life.relations.items()
        if relation.talked_at >= 0
    }
    return {
        "chatting_with": moment.names[life.action.other] if talks else None,
        "chat": [list(line) for line in moment.chat or ()] if talks else None,
        "chatting_with_buffer": buffer,
        "chatting_end_time": moment.time(life.action.end) if talks else None,
    }
