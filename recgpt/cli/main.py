"""Entry point of the `recgpt` command: errors a user can act on are printed without a traceback."""

import sys

from recgpt.cli.app import app
from recgpt.errors import RecGPTError


def main() -> None:
    """Run the command line."""
    try:
        app()
    except RecGPTError as error:
        print(f"recgpt: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
