"""`recgpt runs variance`: shares of the variance of stars and opinions by persona, item and run."""

from contextlib import ExitStack
from typing import Annotated

import typer

from recgpt.cli.runs import AsJson
from recgpt.tables import decimal, print_tables
from recgpt.terminal import print_json


def variance(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="ids of two or more runs of a society")],
    as_json: AsJson = False,
) -> None:
    """Shares of the variance of stars and opinions by persona, item and run, over several runs of a society.

    Example: recgpt runs variance seed-1 seed-2 seed-3
    """
    from rich.table import Table

    from recgpt.simulate.store import Run
    from recgpt.simulate.worlds.society.variance_of_runs import FACTORS, variance_of_runs

    with ExitStack() as opened:
        found = variance_of_runs([opened.enter_context(Run.open(run_id)) for run_id in run_ids])
    if as_json:
        print_json(found)
        return
    table = Table("", "n", *FACTORS, "rest", box=None, caption="shares of variance, crossed random effects")
    for name, of in found.items():
        shares = ["–" if of[factor] is None else decimal(of[factor], 3) for factor in (*FACTORS, "rest")]
        table.add_row(name, f"{of['n']:,}", *shares)
    print_tables(table)
