"""`recgpt gym`: play, train, evaluate and study in environments with simulated users; a line for each command."""

import typer

gym_app = typer.Typer(
    help="Gymnasium environments with simulated users who rate, feel and leave: play, train, evaluate, study.",
    no_args_is_help=True,
)


@gym_app.callback()
def gym() -> None:
    """Group of commands, one file each."""
