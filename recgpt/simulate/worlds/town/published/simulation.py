"""Folder of a published simulation, `storage/NAME`: meta, positions, movements, personas.

    simulation = read_simulation(Path("storage/base_the_ville_isabella_maria_klaus"))
    simulation.meta.step, simulation.movement[5]["Maria Lopez"].description

`environment/N.json` has the positions at the start of step N, `movement/N.json` the tile that each goes to in step N.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from recgpt.bounds import read_json
from recgpt.errors import DataError
from recgpt.files import new_folder
from recgpt.progress import Meter
from recgpt.simulate.worlds.town.published.fields import DAY, MAX_SIDE, MOMENT, Fields, Tile, check_name
from recgpt.simulate.worlds.town.published.personas import Persona, read_persona, write_json, write_persona

MAX_STEP = 1_000_000
"""Last step that is read, over 100 days."""
MAX_PERSONAS = 10_000
META = "reverie/meta.json"
_STEP_FILE = re.compile(r"(0|[1-9]\d{0,8})\.json")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Meta:
    """Meta data of a simulation.

    Attributes
    ----------
    names
        Personas, in the order of acting.
    step
        Steps done so far.
    """

    fork_sim_code: str
    start_date: datetime
    curr_time: datetime
    sec_per_step: int
    maze_name: str
    names: tuple[str, ...]
    step: int

    def time_of(self, step: int) -> datetime:
        """Simulated time at the start of a step."""
        return self.start_date + timedelta(seconds=step * self.sec_per_step)

    def up_to(self, step: int) -> "Meta":
        """The meta data as they were at the start of a step."""
        return replace(self, step=step, curr_time=self.time_of(step))

    def to_json(self) -> dict[str, Any]:
        """Content of `meta.json`."""
        return {
            "fork_sim_code": self.fork_sim_code,
            "start_date": self.start_date.strftime(DAY),
            "curr_time": self.curr_time.strftime(MOMENT),
            "sec_per_step": self.sec_per_step,
            "maze_name": self.maze_name,
            "persona_names": list(self.names),
            "step": self.step,
        }


@dataclass(frozen=True)
class Shown:
    """A persona in a movement file.

    Attributes
    ----------
    tile
        Tile that it goes to in the step.
    description
        Action and address, `reading @ world:sector:arena:object`.
    chat
        Speaker and text of each line of its talk; None: it is in no talk.
    """

    tile: Tile
    emoji: str
    description: str
    chat: tuple[tuple[str, str], ...] | None

    @property
    def action(self) -> str:
        """The action without its address."""
        return self.description.rpartition(" @ ")[0] or self.description

    @property
    def address(self) -> str:
        """The address; empty: none."""
        return self.description.rpartition(" @ ")[2] if " @ " in self.description else ""

    def to_json(self) -> dict[str, Any]:
        """The four fields of a movement file."""
        return {
            "movement": list(self.tile),
            "pronunciatio": self.emoji,
            "description": self.description,
            "chat": None if self.chat is None else [list(line) for line in self.chat],
        }


@dataclass(frozen=True)
class Simulation:
    """A published simulation.

    Attributes
    ----------
    environment
        Positions at the start of a step, by step and name.
    movement
        By step and name.
    """

    meta: Meta
    personas: dict[str, Persona]
    environment: dict[int, dict[str, Tile]]
    movement: dict[int, dict[str, Shown]]


def read_simulation(folder: Path) -> Simulation:
    """Read the folder of a simulation.

    Raises
    ------
    DataError
        A file is missing or damaged, a persona unknown, or the movement files do not lead up to the step of meta.json.
    """
    meta = read_meta(folder / META)
    names = meta.names
    environment = _by_step(folder / "environment", meta.step, lambda fields: _positions(fields, names))
    movement = _by_step(folder / "movement", meta.step - 1, lambda fields: movement_of(fields.part("persona"), names))
    if not environment:
        raise DataError(f"{folder / 'environment'} has no file N.json of a step up to {meta.step}: copy it again")
    if meta.step and sorted(movement) != list(range(min(movement, default=0), meta.step)):
        raise DataError(
            f"{folder / 'movement'} has not each file up to {meta.step - 1}.json, as step={meta.step} in meta.json"
            " needs: copy it again, or correct the step"
        )
    return Simulation(meta, read_personas(folder / "personas", names), environment, movement)


def write_simulation(simulation: Simulation, folder: Path, *, overwrite: bool = False) -> None:
    """Write the folder of a simulation.

    Raises
    ------
    DataError
        The folder exists and is not to be replaced, or a name could be a path.
    """
    names = [check_name(name, "the simulation") for name in simulation.meta.names]
    meta = simulation.meta
    with new_folder(folder, overwrite=overwrite, what="simulation", holds=is_simulation) as draft:
        for part in ("reverie", "environment", "movement", "personas"):
            (draft / part).mkdir()
        write_json(draft / META, meta.to_json())
        for name in names:
            write_persona(simulation.personas[name], draft / "personas" / name)
        with Meter("files", len(simulation.environment) + len(simulation.movement)) as meter:
            for step, positions in simulation.environment.items():
                content = {name: {"maze": meta.maze_name, "x": x, "y": y} for name, (x, y) in positions.items()}
                write_json(draft / "environment" / f"{step}.json", content)
                meter.update(1)
            for step, shown in simulation.movement.items():
                persona = {name: each.to_json() for name, each in shown.items()}
                clock = {"curr_time": meta.time_of(step).strftime(MOMENT)}
                write_json(draft / "movement" / f"{step}.json", {"persona": persona, "meta": clock})
                meter.update(1)


def is_simulation(folder: Path) -> bool:
    """Whether a folder holds a published simulation."""
    return (folder / META).is_file()


def read_meta(path: Path) -> Meta:
    """Read `meta.json` of a simulation or a demo.

    Raises
    ------
    DataError
        It is missing or damaged, or a value is not valid.
    """
    return parse_meta(Fields(read_json(path), str(path)))


def parse_meta(fields: Fields) -> Meta:
    """Meta data of the content of `meta.json`.

    Raises
    ------
    DataError
        A value is missing or not valid.
    """
    names = fields["persona_names"]
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_PERSONAS or len(set(map(str, names))) < len(names):
        raise fields.wrong("persona_names", f"a list of 1 to {MAX_PERSONAS:,} different names")
    return Meta(
        fork_sim_code=fields.text("fork_sim_code"),
        start_date=fields.moment("start_date", DAY),
        curr_time=fields.moment("curr_time"),
        sec_per_step=fields.whole("sec_per_step", 1, 86_400),
        maze_name=fields.text("maze_name"),
        names=tuple(check_name(name, f"{fields.where}, persona_names") for name in names),
        step=fields.whole("step", 0, MAX_STEP),
    )


def read_personas(folder: Path, names: tuple[str, ...]) -> dict[str, Persona]:
    """Read the personas of these names.

    Raises
    ------
    DataError
        A name has no folder, or a persona cannot be read.
    """
    found = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    for name in names:
        if name not in found:
            raise DataError(f"{folder} has no folder of {name!r}, only of {', '.join(sorted(found)) or 'none'}")
    return {name: read_persona(found[name]) for name in names}


def movement_of(fields: Fields, names: tuple[str, ...], *, whole: bool = True) -> dict[str, Shown]:
    """Each persona in a movement file.

    Parameters
    ----------
    whole
        Whether every persona must be there.

    Raises
    ------
    DataError
        A persona is unknown or missing, or a value is not valid.
    """
    _check_names(fields, names, whole=whole)
    return {name: _shown(fields.part(name)) for name in fields.values}


def _shown(fields: Fields) -> Shown:
    chat = None if fields["chat"] is None else fields.lines("chat")
    return Shown(fields.tile("movement"), fields.text("pronunciatio"), fields.text("description"), chat)


def _positions(fields: Fields, names: tuple[str, ...]) -> dict[str, Tile]:
    _check_names(fields, names, whole=True)
    parts = {name: fields.part(name) for name in fields.values}
    return {name: (part.whole("x", 0, MAX_SIDE), part.whole("y", 0, MAX_SIDE)) for name, part in parts.items()}


def _check_names(fields: Fields, names: tuple[str, ...], *, whole: bool) -> None:
    unknown = [name for name in fields.values if name not in names]
    missing = [name for name in names if name not in fields.values] if whole else []
    if unknown or missing:
        what = f"has the unknown persona {unknown[0]!r}" if unknown else f"lacks {missing[0]!r}"
        raise DataError(f"{fields.where} {what}: the personas of meta.json are {', '.join(names)}")


def _by_step(folder: Path, last: int, read: Callable[[Fields], _Value]) -> dict[int, _Value]:
    """Content of the files `N.json` of a folder up to a step, ascending."""
    matches = [_STEP_FILE.fullmatch(path.name) for path in folder.iterdir()] if folder.is_dir() else []
    steps = sorted(step for match in matches if match and (step := int(match[1])) <= last)
    found = {}
    for step in steps:
        path = folder / f"{step}.json"
        found[step] = read(Fields(read_json(path), str(path)))
    return found
