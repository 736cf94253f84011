"""Printing of tables on standard output: wrapped at the width of a terminal, unlimited in files and pipes.

print_tables(report.table())              # fits the terminal; in a file or a pipe nothing wraps
print_tables(report.table(), wide=True)   # nothing wraps on the terminal either
"""

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from recgpt.console import SafeConsole

_UNLIMITED = 10_000  # columns; a table is only as wide as its content

Wide = Annotated[bool, typer.Option("--wide", help="Tables as wide as their content, also on a narrow terminal.")]


def table_console(*, wide: bool = False) -> "SafeConsole":
    """Console on standard output that wraps at the terminal's width (or COLUMNS, if set), or not at all.

    Parameters
    ----------
    wide
        No wrapping on a terminal either.
    """
    from recgpt.console import SafeConsole

    limited = not wide and (sys.stdout.isatty() or "COLUMNS" in os.environ)
    return SafeConsole() if limited else SafeConsole(width=_UNLIMITED)


def print_tables(*shown: Any, wide: bool = False) -> None:
    """Print tables and other rich renderables.

    Parameters
    ----------
    wide
        See `table_console`.
    """
    table_console(wide=wide).print(*shown)


def decimal(value: float, digits: int = 4) -> str:
    """Number with `digits` decimals, below 1 without the leading zero: `.0568`, `1.03`, `-.5000`."""
    text = f"{value:,.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def signed(value: float) -> str:
    """`decimal` with its sign: `+.0123`."""
    return f"{'-' if value < 0 else '+'}{decimal(abs(value))}"


def figure(value: float | None) -> str:
    """Number of any size: `decimal` below 1, else three significant digits; a dash for None."""
    if value is None:
        return "–"
    if 0 < value < 0.00005:
        return "< .0001"
    return decimal(value) if abs(value) < 1 else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def legend(meanings: dict[str, str]) -> "Table":
    """Legend with one row (term, meaning) each, printed below all tables of a command."""
    from rich.table import Table

    rows = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False, style="dim")
    rows.add_column(no_wrap=True)
    rows.add_column()
    for term, meaning in meanings.items():
        rows.add_row(term, meaning)
    return rows
