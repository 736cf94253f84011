"""`recgpt runs ...`: list, show, resume, fork, verify, export and bundle simulation runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recgpt.cli.options import ConfigFile, Overrides, Plugins, allow_plugins, resumable
from recgpt.cli.simulation_options import Concurrency
from recgpt.tables import print_tables
from recgpt.terminal import plain, print_json, say

if TYPE_CHECKING:
    from recgpt.simulate.store import Run, RunSummary

runs_app = typer.Typer(
    help="List, show, report, resume, fork, verify, export and bundle simulation runs.", no_args_is_help=True
)

RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="id of the run; runs are folders below $RECGPT_RUNS, by default `runs`")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@runs_app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List all runs, sorted by id.

    Example: recgpt runs list
    """
    from rich.table import Table

    from recgpt.simulate.store import list_runs

    found = list_runs()
    if as_json:
        print_json([each.model_dump() for each in found])
        return
    table = Table("run", "world", "steps", "events", "state", "forked from", "hash", box=None)
    for each in found:
        counts = f"{each.n_steps:,}", f"{each.n_rows:,}"
        table.add_row(each.run, each.world, *counts, _state(each), each.forked_from, each.hash[:12])
    print_tables(table if found else "no runs yet")


def _state(summary: "RunSummary") -> str:
    if summary.error is not None:
        return f"unreadable: `recgpt runs show {summary.run}` gives the reason"
    return "finished" if summary.finished else "not finished"


@runs_app.command()
def show(run_id: RunId, as_json: AsJson = False) -> None:
    """Show a run: state, failures by reason, settings, language-model cost, measures, and how to go on.

    Example: recgpt runs show demo

    Example: recgpt runs show demo --json
    """
    from rich.table import Table
    from rich.text import Text

    from recgpt.simulate.overview import overview
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import WORLDS, world_of

    with Run.open(run_id) as run:
        if as_json:
            found: dict[str, Any] = {
                **run.summary().model_dump(exclude={"error"}),
                "counts": run.counts_by_kind(),
                "metrics": run.metrics,
                "calls": run.calls_summary(),
                "manifest": run.manifest.model_dump(),
            }
            print_json(found)
            return
        table = Table(box=None, show_header=False)
        for name, lines in overview(run).items():
            table.add_row(name, Text("\n".join(map(plain, lines))))
        measures = [world_of(run.manifest.world).summary(run)] if run.n_steps and run.manifest.world in WORLDS else []
    print_tables(table, *measures)


@runs_app.command()
def resume(
    run_id: RunId,
    max_calls: Annotated[int | None, typer.Option(min=0, help="new upper limit of calls over the whole run")] = None,
    max_usd: Annotated[
        float | None, typer.Option(min=0, help="new upper limit of cost in USD over the whole run")
    ] = None,
    max_failed: Annotated[
        float | None,
        typer.Option(
            min=0, help="new limit of agents that fail for reasons that may pass: below 1 a share, else a number"
        ),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Ask the language model again for agents that failed, in a new run RUN-retry1 that shares all that"
            " came before; RUN stays as it is.",
        ),
    ] = False,
    plugin: Plugins = None,
    concurrency: Concurrency = 8,
) -> None:
    """Continue a stopped or killed run; the result is the same as if it had never been stopped.

    Example: recgpt runs resume demo

    Example: recgpt runs resume demo --retry-failed
    """
    allow_plugins(*(plugin or ()))
    from recgpt.simulate import runner
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import world_of

    with Run.open(run_id) as run:
        world = world_of(run.manifest.world)
        if retry_failed:
            run_id = runner.fork_failed(run)
    with Run.open(run_id) as run:
        finished = run.finished
    if finished:
        say(f"{run_id} is already finished: nothing to do")
    with resumable(run_id, world.step_name), Run.open(run_id, write=not finished) as run:
        if not finished:
            runner.resume(run, concurrency=concurrency, max_calls=max_calls, max_usd=max_usd, max_failed=max_failed)
        say(f"{run_id}: {run.n_steps:,} steps, {run.n_rows:,} events, hash {run.hash}")
        say(f"report: {world.report(run)}")
        say_failures(run)


def say_failures(run: "Run") -> None:
    """Print failures of a finished run by reason, and end the command with 1 where every agent failed."""
    from recgpt.simulate.overview import failure_lines, n_agents, n_failed

    lines, agents = failure_lines(run), n_agents(run)
    if not lines:
        return
    say(f"failed: {n_failed(run):,} of {agents:,} agents", *(f"  {line}" for line in lines))
    if run.manifest.config.get("mind") == "llm":
        say(f"to ask again for them: recgpt runs resume {run.run_id} --retry-failed")
    if n_failed(run) == agents:
        raise typer.Exit(1)


@runs_app.command()
def fork(
    run_id: RunId,
    new_id: Annotated[str, typer.Argument(metavar="NEW", help="id of the new run")],
    at: Annotated[
        int, typer.Option(min=0, help="last step that the new run shares with RUN; 0: before the first step")
    ],
    config: ConfigFile = None,
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Make a new run from the first steps of another one; it goes on with the present versions of recgpt.

    With --set or --config it goes on with other settings, for example another recommender or schedule. Settings that
    shaped the shared steps, such as the data set and the seed, cannot change.

    Example: recgpt runs fork demo demo-2 --at 3

    Example: recgpt runs fork demo demo-popular --at 3 --set recommender=popularity
    """
    allow_plugins(*(plugin or ()), overrides=overrides or ())
    from recgpt.simulate import runner
    from recgpt.simulate.store import Run

    with Run.open(run_id) as run, runner.fork(run, new_id, at, config_file=config, overrides=overrides or ()) as new:
        changed = ", ".join(new.manifest.changed)
        say(
            f"{new_id}: {new.n_steps:,} steps of {run_id}{f', changed: {changed}' if changed else ''}."
            f" To continue: recgpt runs resume {new_id}"
        )


@runs_app.command()
def verify(run_id: RunId, plugin: Plugins = None) -> None:
    """Recompute the hashes of the log and all metrics, and compare them with the stored ones.

    Example: recgpt runs verify demo
    """
    allow_plugins(*(plugin or ()))
    from recgpt.simulate.runner import verify as verify_run
    from recgpt.simulate.store import Run

    with Run.open(run_id) as run:
        found = verify_run(run)
    say(f"{run_id}: {found.n_steps:,} steps verified, hash {found.hash}")
    if found.n_metrics is None:
        say("the run is not finished and has no metrics yet")
        return
    say(f"all {found.n_metrics:,} metrics follow from the events")


@runs_app.command()
def report(run_id: RunId, plugin: Plugins = None) -> None:
    """Write the HTML report of a run again, and print where it is.

    Example: recgpt runs report demo
    """
    allow_plugins(*(plugin or ()))
    from recgpt.simulate.runner import report as write_report
    from recgpt.simulate.store import Run

    with Run.open(run_id) as run:
        say(str(write_report(run)))


@runs_app.command()
def export(
    run_id: RunId,
    out: Annotated[Path, typer.Option(help="folder for the files", file_okay=False)],
    only_simulated: Annotated[
        bool, typer.Option("--only-simulated", help="Leave out the histories that agents had before the run.")
    ] = False,
    plugin: Plugins = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing output.")] = False,
) -> None:
    """Export a run as a data set folder: the agents' histories, then the items they watched and their ratings.

    A world may add files, see its page: a society adds its messages, graphs and cascades.

    Example: recgpt runs export demo --out data/simulated
    """
    allow_plugins(*(plugin or ()))
    from recgpt.data.dataset import Dataset
    from recgpt.simulate import runner
    from recgpt.simulate.store import Run

    with Run.open(run_id) as run:
        paths = runner.export(run, out, only_simulated=only_simulated, overwrite=overwrite)
    folder = next((path.parent for path in paths if path.name == "interactions.parquet"), out)
    dataset = Dataset.load(folder)
    say(f"{folder}: {dataset.n_interactions:,} interactions of {dataset.n_users:,} agents, {dataset.n_items:,} items")
    say(f"files: {', '.join(str(path.relative_to(out)) for path in paths)}")


@runs_app.command()
def bundle(
    run_id: RunId,
    out: Annotated[Path, typer.Option(help="folder for the site", file_okay=False)],
    every: Annotated[
        int | None,
        typer.Option(min=1, help="panels of every N-th step; by default of so many that there are at most 101"),
    ] = None,
    plugin: Plugins = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing output.")] = False,
) -> None:
    """Write a run as a static site: the page of `recgpt web`, which opens from a file or from any web server.

    Figures are of all steps, panels of some, cards of up to 200 agents as after the last step; the page says which.

    Example: recgpt runs bundle demo --out demo-site

    Example: recgpt runs bundle demo --out demo-site --every 1 --overwrite
    """
    allow_plugins(*(plugin or ()))
    from recgpt.simulate.store import Run
    from recgpt.web.bundle import write_bundle

    with Run.open(run_id) as run:
        made = write_bundle(run, out, every=every, overwrite=overwrite)
    size = sum(path.stat().st_size for path in out.iterdir() if path.is_file())
    say(f"{out / 'index.html'}: {made.n_steps:,} steps, {len(made.moments):,} with panels, {len(made.agents):,} cards")
    say(f"{size / 1e6:,.1f} MB, open it in a browser")
