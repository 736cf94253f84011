"""Published module commands, such as `python -m ablations.movies.run`: one command each, run like `recgpt`."""

from collections.abc import Callable

import typer

from recgpt.program import run


def run_command(command: Callable[..., None], name: str, about: str | None) -> None:
    """Run one command with its own flags; see `recgpt.program` for errors and exit codes.

    Parameters
    ----------
    name
        Name for messages: `python -m ablations.movies.run`.
    about
        Help text: the module's docstring.
    """
    run(app_of(command, about), name)


def app_of(command: Callable[..., None], about: str | None) -> typer.Typer:
    """Application of one command with that help text."""
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_show_locals=False)
    app.command(help=about)(command)
    return app
