"""`recgpt town`: make, play, import, export and question towns of simulated people; a line for each command."""

import typer

from recgpt.cli.town.console import console
from recgpt.cli.town.diary import diary
from recgpt.cli.town.evaluate import evaluate
from recgpt.cli.town.files import export, import_command
from recgpt.cli.town.fork import fork
from recgpt.cli.town.interview import interview
from recgpt.cli.town.map import map_command
from recgpt.cli.town.play import new, run

town_app = typer.Typer(
    help="A town of people with homes, work, plans, talks and memories (Generative Agents).", no_args_is_help=True
)


@town_app.callback()
def town() -> None:
    """Group of commands, one file a topic."""


town_app.command()(new)
town_app.command("run")(run)
town_app.command("import")(import_command)
town_app.command()(export)
town_app.command()(console)
town_app.command()(interview)
town_app.command()(fork)
town_app.command("map")(map_command)
town_app.command()(diary)
town_app.command()(evaluate)
