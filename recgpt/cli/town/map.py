"""`recgpt town map`: picture of a map, its places, and its published grids."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recgpt.cli.options import Overwrite
from recgpt.errors import ConfigError
from recgpt.tables import print_tables
from recgpt.terminal import say

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.places import TownMap


def map_command(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="run whose map is shown")] = None,
    plan: Annotated[Path | None, typer.Option(help="plan, a text file, instead of a run; it is checked")] = None,
    out: Annotated[
        Path | None, typer.Option(help="file for the picture (.png), or folder for the published grids (`matrix`)")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """List the places of a map, draw it, or write it as published grids and tables. By default that of our own town.

    Example: recgpt town map

    Example: recgpt town map --out hazelbrook.png

    Example: recgpt town map hazelbrook --out hazelbrook/matrix
    """
    if run_id is not None and plan is not None:
        raise ConfigError(f"--plan {plan} and RUN {run_id} exclude each other: give one")
    town_map = _map(run_id, plan)
    if out is None:
        print_tables(_table(town_map))
    elif out.suffix == ".png":
        _draw(town_map, out, overwrite=overwrite)
    else:
        from recgpt.simulate.worlds.town.published_map import write_published_map

        write_published_map(town_map, out, overwrite=overwrite)
        say(f"{out}: {town_map.name}, {town_map.width} x {town_map.height} tiles, as published grids and tables")


def _map(run_id: str | None, plan: Path | None) -> "TownMap":
    from recgpt.simulate.worlds.town.plan import load_default_map, load_plan

    if plan is not None:
        return load_plan(plan)
    if run_id is None:
        return load_default_map()
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import stored_config
    from recgpt.simulate.worlds.town.artifacts import stored_setting
    from recgpt.simulate.worlds.town.config import NAME, TownConfig

    with Run.open(run_id) as run:
        stored_config(run, NAME, TownConfig)
        return stored_setting(run).map


def _draw(town_map: "TownMap", out: Path, *, overwrite: bool) -> None:
    from recgpt.errors import StorageError
    from recgpt.files import new_file
    from recgpt.simulate.worlds.town.picture import picture

    if out.exists() and not overwrite:
        raise StorageError(f"{out} exists already: choose another file, or pass --overwrite")
    with new_file(out) as draft:
        draft.write_bytes(picture(town_map))
    say(f"{out}: {town_map.name}, {town_map.width} x {town_map.height} tiles")


def _table(town_map: "TownMap") -> object:
    """Sectors with kind, hours, rooms and number of objects."""
    from rich.table import Table

    table = Table("sector", "kind", "open", "rooms", "objects", box=None)
    for place in town_map.places:
        if place.level != "sector":
            continue
        rooms = town_map.children(place.number)
        objects = sum(len(town_map.children(room)) for room in rooms)
        hours = "always" if place.hours is None else "-".join(f"{each // 60:02}:{each % 60:02}" for each in place.hours)
        names = ", ".join(town_map.places[room].name for room in rooms)
        table.add_row(place.name, place.kind, hours, names, str(objects))
    return table
