"""`recgpt town import`, `recgpt town export`: published simulations and demos become runs, runs published files."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from recgpt.cli.options import Overrides, Overwrite, Seed, typed
from recgpt.cli.runs import RunId
from recgpt.cli.simulation_options import Overwrite as OverwriteRun
from recgpt.cli.simulation_options import RunName
from recgpt.cli.town.options import AtTime, Day, TownMind
from recgpt.terminal import say


def import_command(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(help="folder of a simulation (storage/NAME) or of a demo (compressed_storage/NAME)")
    ],
    run_id: RunName,
    map_folder: Annotated[
        Path | None, typer.Option(help="folder `matrix` of the map; by default the one beside the storage")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="CSV file of sentences known from the start, Name,Whisper; for a base")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3660, help="days in all; by default the begun one")] = None,
    mind: TownMind = "scripted",
    seed: Seed = 0,
    overrides: Overrides = None,
    overwrite: OverwriteRun = False,
) -> None:
    """Make a run of a published simulation: a base starts it, a saved run or demo is replayed by it and goes on.

    Example: recgpt town import storage/base_the_ville_n25 --run ville --history agent_history_init_n25.csv

    Example: recgpt town import compressed_storage/demo --run demo
    """
    from recgpt.cli.options import allow_plugins

    allow_plugins(mind, overrides=overrides or ())
    from recgpt.simulate.worlds.town.cursor import cursor_of
    from recgpt.simulate.worlds.town.playing import moment_of
    from recgpt.simulate.worlds.town.published.importing import import_run

    changes: dict[str, Any] = typed(ctx, {"mind": "mind", "seed": "seed"})
    if days is not None:
        changes["hours"] = 24 * days
    with import_run(
        path,
        run_id,
        map_folder=map_folder,
        history=history,
        changes=changes,
        overrides=overrides or (),
        overwrite=overwrite,
    ) as run:
        tick = cursor_of(run)
        people = run.manifest.config["people"]
        say(
            f"{run_id}: {people:,} residents, {tick:,} steps, up to {moment_of(run, tick):%B %d, %Y, %H:%M:%S}"
            f" ({run.n_rows:,} events). To watch it: recgpt web {run_id}; to go on: recgpt town run {run_id}"
        )


def export(
    run_id: RunId,
    out: Annotated[Path, typer.Option(help="folder for the files", file_okay=False)],
    form: Annotated[
        Literal["storage", "demo"],
        typer.Option("--as", help="storage: folder of a simulation; demo: compressed, of all steps from the first"),
    ] = "storage",
    at: AtTime = None,
    day: Day = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a run as published files, which the pages of Generative Agents open, and `recgpt town import` reads.

    Example: recgpt town export ville --out storage/ville

    Example: recgpt town export ville --out compressed_storage/ville --as demo --at 18:00
    """
    from recgpt.cli.town.times import chosen_tick
    from recgpt.simulate.store import Run
    from recgpt.simulate.worlds.town.published.demo import write_demo
    from recgpt.simulate.worlds.town.published.exporting import simulation_of
    from recgpt.simulate.worlds.town.published.simulation import write_simulation

    with Run.open(run_id) as run:
        simulation = simulation_of(run, chosen_tick(run, at, day))
    write = write_demo if form == "demo" else write_simulation
    write(simulation, out, overwrite=overwrite)
    names, last = simulation.meta.names, simulation.meta.curr_time
    say(f"{out}: {len(names):,} personas, {len(simulation.movement):,} steps, up to {last:%B %d, %Y, %H:%M:%S}")
