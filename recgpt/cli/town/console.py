"""`recgpt town console`: the published console on a run."""

from typing import Annotated

import typer

from recgpt.terminal import say


def console(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="id of the run; by default two questions, as published")
    ] = None,
    fork: Annotated[
        str | None, typer.Option(help="id of a new run: the console plays a fork of RUN, which stays as it is")
    ] = None,
) -> None:
    """Play and question a town by the published commands, one a line; `help` lists them. Errors are one line.

    Without RUN it asks for the run and for the id of its fork. Nothing is deleted without a question.

    Example: recgpt town console ville

    Example: recgpt town console ville --fork ville-2
    """
    from recgpt.errors import RecGPTError
    from recgpt.simulate import runner
    from recgpt.simulate.store import Run
    from recgpt.simulate.worlds.town.console import NOTE, Console

    if run_id is None:
        run_id = _ask("Enter the name of the forked simulation: ").strip()
        fork = _ask("Enter the name of the new simulation: ").strip()
    if fork is not None:
        with Run.open(run_id) as run:
            runner.fork(run, fork, run.n_steps).close()
    session = Console(fork or run_id, ask=_ask, say=say)
    say(*NOTE)
    while not session.over:
        try:
            line = input("Enter option: ")
        except EOFError:
            return
        try:
            session.do(line)
        except RecGPTError as error:
            say(str(error))
        say("")


def _ask(question: str) -> str:
    """Answer at the terminal; the end of the input counts as the end of a talk."""
    try:
        return input(question)
    except EOFError:
        return "end_convo"
