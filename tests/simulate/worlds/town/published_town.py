"""A made-up simulation in the published form: two personas, seven steps, a walk and a talk."""

from datetime import datetime
from typing import Any

from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.published.fields import Tile
from recgpt.simulate.worlds.town.published.personas import Persona, parse_nodes
from recgpt.simulate.worlds.town.published.simulation import Meta, Shown, Simulation
from tests.simulate.worlds.town.small_town import map_in_a_row

NAMES = ("Ann Lee", "Bo Ray")
LINES = (("Bo Ray", "Hi"), ("Ann Lee", "Hello, Bo"), ("Bo Ray", "Bye"))


def two_homes() -> TownMap:
    """Map of two homes and a cafe."""
    return map_in_a_row(
        [("Lee house", "home", ["bed", "desk"]), ("Ray house", "home", ["bed"]), ("Cup cafe", "cafe", ["counter"])],
        name="Row",
    )


def made_up_simulation(step: int = 7) -> Simulation:
    """Ann walks to her desk, then Bo, in her house, talks with her from step 4 on."""
    meta = Meta("base", datetime(2023, 2, 13), datetime(2023, 2, 13), 10, "row", NAMES, 0).up_to(step)
    ann: list[Tile] = [(1, 1), (2, 1), (2, 2), (2, 2), (2, 2), (2, 2), (2, 2)]
    movement = {}
    for now in range(step):
        talks = now >= 4
        movement[now] = {
            "Ann Lee": _shown(ann[now], "Bo Ray" if talks else None, "reading @ Row:Lee house:main room:desk"),
            "Bo Ray": _shown((4, 4), "Ann Lee" if talks else None, "waiting @ <waiting> 4 4"),
        }
    environment: dict[int, dict[str, Tile]] = {0: {"Ann Lee": (1, 1), "Bo Ray": (4, 4)}}
    environment |= {now + 1: {name: shown.tile for name, shown in movement[now].items()} for now in movement}
    return Simulation(meta, {name: _persona(name, step) for name in NAMES}, environment, movement)


def _shown(tile: Tile, partner: str | None, alone: str) -> Shown:
    if partner is None:
        return Shown(tile, "📖", alone, None)
    return Shown(tile, "💬", f"greeting @ <persona> {partner}", LINES)


def _persona(name: str, step: int) -> Persona:
    house = f"Row:{name.split()[1]} house:main room"
    scratch: dict[str, Any] = {
        **{"vision_r": 8, "att_bandwidth": 8, "retention": 8, "curr_time": "February 13, 2023, 00:01:00"},
        **{"curr_tile": [2, 2], "name": name, "age": 30, "innate": "kind", "learned": f"{name} is a baker."},
        **{"currently": f"{name} bakes.", "lifestyle": "sleeps", "living_area": house, "daily_plan_req": ""},
        **{"f_daily_schedule": [["sleeping", 400], ["reading", 1040]], "f_daily_schedule_hourly_org": []},
        **{"act_start_time": None, "act_duration": None},
    }
    first = {
        **{"node_count": 1, "type_count": 1, "type": "thought", "depth": 1, "created": "2023-02-13 00:00:10"},
        **{"expiration": None, "subject": name, "predicate": "is", "object": "glad", "filling": []},
        **{"description": f"{name.split()[0]} is glad", "embedding_key": "glad", "poignancy": 3, "keywords": ["glad"]},
    }
    second = first | {"node_count": 2, "type_count": 2, "created": "2023-02-13 00:00:40", "filling": ["node_1"]}
    nodes = parse_nodes({"node_2": second, "node_1": first}, name)
    return Persona(name, scratch, {"Row": {}}, nodes, {"glad": [0.5, -0.25]}, {"kw_strength_thought": {}})
