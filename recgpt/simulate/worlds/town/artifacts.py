"""Artifacts of a run: its map, people and catalogue, readable without the files that they came from.

setting = stored_setting(run)
"""

import io
import json
from dataclasses import asdict
from typing import Any

import numpy as np

from recgpt.bounds import load_npz, parse_json
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.catalogue import OFFERS, stored_catalogue
from recgpt.simulate.worlds.town.places import Place, TownMap
from recgpt.simulate.worlds.town.residents import People
from recgpt.simulate.worlds.town.setting import Setting

MAP, PLACES, PEOPLE = "map.npz", "places.json", "people.json"
_GRIDS = ("walls_HW", "sector_HW", "arena_HW", "object_HW", "ground_HW")


def artifacts_of(setting: Setting) -> dict[str, bytes]:
    """Content of each artifact by its name."""
    grids = io.BytesIO()
    arrays: dict[str, Any] = {name: getattr(setting.map, name) for name in _GRIDS}
    np.savez(grids, **arrays)
    town_map = setting.map
    places = {
        "name": town_map.name,
        "places": [asdict(place) for place in town_map.places],
        "spawns": town_map.spawns,
    }
    found = {MAP: grids.getvalue(), PLACES: _json(places), PEOPLE: _json(setting.people.to_json())}
    return found if setting.catalogue is None else {**found, **setting.catalogue.artifacts()}


def stored_setting(run: Run) -> Setting:
    """Map, people and catalogue of a run."""
    grids = load_npz(run.artifact(MAP), f"{run.path}: {MAP}")
    values = parse_json(run.artifact(PLACES).decode(), f"{run.path}: {PLACES}")
    places = tuple(
        Place(**{**each, "tiles": tuple(each["tiles"]), "hours": each["hours"] and tuple(each["hours"])})
        for each in values["places"]
    )
    spawns = {name: tuple(tiles) for name, tiles in values["spawns"].items()}
    town_map = TownMap(values["name"], **{name: grids[name] for name in _GRIDS}, places=places, spawns=spawns)
    people = People.from_json(parse_json(run.artifact(PEOPLE).decode(), f"{run.path}: {PEOPLE}"))
    has_items = run.artifact_sha256(OFFERS) is not None
    return Setting(town_map, people, stored_catalogue(run, town_map) if has_items else None)


def _json(values: Any) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
