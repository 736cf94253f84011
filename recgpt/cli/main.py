"""Entry point of the `recgpt` command."""

from recgpt.cli.app import app
from recgpt.program import run


def main() -> None:
    """Run the command line; see `recgpt.program` for errors and exit codes."""
    run(app, "recgpt")


if __name__ == "__main__":
    main()
