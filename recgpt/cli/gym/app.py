"""`recgpt gym`: play, train, evaluate and study in environments with simulated users; a line for each command."""

import typer

from recgpt.cli.gym.ablate import ablate, verify
from recgpt.cli.gym.evaluate import evaluate
from recgpt.cli.gym.list import list_names
from recgpt.cli.gym.play import play
from recgpt.cli.gym.train import train
from recgpt.cli.gym.users import users

gym_app = typer.Typer(
    help="Gymnasium environments with simulated users who rate, feel and leave: play, train, evaluate, study.",
    no_args_is_help=True,
)


@gym_app.callback()
def gym() -> None:
    """Group of commands, one file each."""


gym_app.command("list")(list_names)
gym_app.command("play")(play)
gym_app.command()(evaluate)
gym_app.command()(users)
gym_app.command()(train)
gym_app.command()(ablate)
gym_app.command()(verify)
