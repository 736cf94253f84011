"""`recgpt runs interview`: a question to an agent of a stored society, without a trace in the run."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recgpt.cli.runs import RunId
from recgpt.cli.simulation_options import BaseUrl, KeyEnv
from recgpt.errors import LLMError, SimulationError
from recgpt.terminal import print_json, say

if TYPE_CHECKING:
    from recgpt.simulate.minds.options import MindOptions


def interview(
    run_id: RunId,
    agent: Annotated[int, typer.Option(min=0, help="number of the agent")],
    question: Annotated[str, typer.Option(help="the question")],
    at: Annotated[
        int | None,
        typer.Option(min=0, help="round after which to ask; 0: before the first; by default after the last"),
    ] = None,
    mind: Annotated[
        Literal["scripted", "llm"] | None,
        typer.Option(
            help="what answers: scripted (facts of the agent, in sentences) or llm (a language model); by default the"
            " mind of the run"
        ),
    ] = None,
    base_url: BaseUrl = None,
    llm_model: Annotated[
        str | None, typer.Option(help="name of the language model on its server; by default that of the run")
    ] = None,
    key_env: KeyEnv = "OPENAI_API_KEY",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Ask an agent of a society a question, as it was after any round; the run does not change.

    An answer that agents remember is an entry `interview` of the schedule with `is_remembered`, in a fork of the run.

    Example: recgpt runs interview talk --agent 3 --question "Which film would you recommend?"

    Example: recgpt runs interview talk --agent 3 --question "What did you hear of?" --at 2 --mind llm --base-url
    http://127.0.0.1:8080/v1 --llm-model smollm2 --key-env ""
    """
    from recgpt.progress import note
    from recgpt.simulate.store import Run
    from recgpt.simulate.worlds.society.config import NAME
    from recgpt.simulate.worlds.society.interviewing import interview as ask

    llm: dict[str, list[str] | str | None] = {"base_urls": base_url, "model": llm_model}
    changed: dict[str, Any] = {f"llm.{name}": value for name, value in llm.items() if value is not None}
    changed |= {"llm.key_env": key_env or None} if base_url is not None or not key_env else {}
    with Run.open(run_id) as run:
        if run.manifest.world != NAME:
            raise SimulationError(f"run {run_id} is of the world {run.manifest.world!r}: only agents of {NAME} answer")
        step = run.n_steps if at is None else at
        found = ask(run, step, agent, question, _options(run.manifest.config, mind, changed))
    if found.spent.calls:
        note(f"{found.spent.calls:,} calls, {found.spent.tokens:,} tokens, ${found.spent.usd:.4f}")
    if found.text is None:
        raise LLMError(f"agent {agent} gave no answer: {found.failure or 'unknown'}: ask again, or another model")
    if as_json:
        print_json({"run": run_id, "round": step, "agent": agent, "question": question, "answer": found.text})
        return
    say(found.text)


def _options(config: dict[str, Any], mind: str | None, changed: dict[str, Any]) -> "MindOptions":
    """Mind of the run, changed by flags."""
    from recgpt.simulate.minds.options import MindOptions
    from recgpt.simulate.worlds.society.config import SocietyConfig

    options = SocietyConfig(**config).part(MindOptions)
    return options.changed(flags=changed | ({} if mind is None else {"mind": mind}))
