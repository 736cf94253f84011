"""Compressed demo, `compressed_storage/NAME`: meta, personas, and the changes of each step in one file.

    simulation = read_demo(Path("compressed_storage/demo"))
    write_demo(simulation, Path("copy"))
    compressed(movement)["2"]                  # step -> persona -> its four fields, where one of them has changed

Step 0 has all personas; a later step the changed ones.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recgpt.bounds import read_json
from recgpt.errors import DataError
from recgpt.files import new_folder
from recgpt.simulate.worlds.town.published.fields import Fields, check_name
from recgpt.simulate.worlds.town.published.personas import write_json, write_persona
from recgpt.simulate.worlds.town.published.simulation import (
    MAX_STEP,
    Shown,
    Simulation,
    movement_of,
    read_meta,
    read_personas,
)

META, MOVEMENT = "meta.json", "master_movement.json"
MAX_BYTES = 1 << 28


def is_demo(folder: Path) -> bool:
    """Whether a folder holds a compressed demo."""
    return (folder / META).is_file() and (folder / MOVEMENT).is_file()


def compressed(movement: Mapping[int, Mapping[str, Shown]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Content of `master_movement.json`: the changes of each step.

    Parameters
    ----------
    movement
        Of each step from 0, without gaps.
    """
    last: dict[str, Shown] = {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for step in range(len(movement)):
        changed = {name: shown for name, shown in movement[step].items() if last.get(name) != shown}
        found[str(step)] = {name: shown.to_json() for name, shown in changed.items()}
        last |= changed
    return found


def expanded(content: Mapping[str, Any], names: tuple[str, ...], where: str) -> dict[int, dict[str, Shown]]:
    """Movement of every step from the changes of each step.

    Raises
    ------
    DataError
        Steps are missing, step 0 lacks a persona, or a value is not valid.
    """
    if not 1 <= len(content) <= MAX_STEP or any(str(step) not in content for step in range(len(content))):
        raise DataError(f"{where} has not the keys 0, 1, 2 and so on without a gap: compress the simulation again")
    last: dict[str, Shown] = {}
    found: dict[int, dict[str, Shown]] = {}
    for step in range(len(content)):
        changed = movement_of(Fields(content, where).part(str(step)), names, whole=step == 0)
        last = {**last, **changed} if changed else last
        found[step] = last
    return found


def read_demo(folder: Path) -> Simulation:
    """Read a compressed demo as a simulation: each step in full; positions are those of the movement.

    Raises
    ------
    DataError
        A file is missing or damaged, or steps are missing.
    """
    meta = read_meta(folder / META)
    content = read_json(folder / MOVEMENT, most_bytes=MAX_BYTES)
    movement = expanded(content, meta.names, str(folder / MOVEMENT))
    if meta.step < len(movement):
        raise DataError(
            f"{folder / META}: step={meta.step}, but {MOVEMENT} has {len(movement):,} steps: copy the demo again"
        )
    meta = meta if meta.step == len(movement) else meta.up_to(len(movement))
    positions = {0: {name: shown.tile for name, shown in movement[0].items()}}
    return Simulation(meta, read_personas(folder / "personas", meta.names), positions, movement)


def write_demo(simulation: Simulation, folder: Path, *, overwrite: bool = False) -> None:
    """Write a simulation as a compressed demo.

    Raises
    ------
    DataError
        Movement does not begin with step 0, as in an excerpt.
    """
    movement, meta = simulation.movement, simulation.meta
    if sorted(movement) != list(range(meta.step)):
        raise DataError(
            f"movement begins with step {min(movement, default=0):,} of {meta.step:,}: a demo needs each step from 0;"
            " export it as a simulation"
        )
    names = [check_name(name, "the simulation") for name in meta.names]
    with new_folder(folder, overwrite=overwrite, what="demo", holds=is_demo) as draft:
        write_json(draft / META, meta.to_json())
        (draft / MOVEMENT).write_text(json.dumps(compressed(movement), allow_nan=False), encoding="utf-8")
        (draft / "personas").mkdir()
        for name in names:
            write_persona(simulation.personas[name], draft / "personas" / name)
