"""`recgpt town interview`: a question to a resident as of any moment, without a trace in the run."""

from typing import Annotated, Any

import typer

from recgpt.cli.runs import RunId
from recgpt.cli.simulation_options import BaseUrl, KeyEnv
from recgpt.cli.town.options import AtTime, Day, Resident
from recgpt.errors import LLMError
from recgpt.terminal import print_json, say


def interview(
    run_id: RunId,
    name: Resident,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="the question")],
    at: AtTime = None,
    day: Day = None,
    mind: Annotated[
        str | None,
        typer.Option(
            help="what answers: scripted (by rule, from memory) or llm (a language model); by default the run's mind"
        ),
    ] = None,
    base_url: BaseUrl = None,
    llm_model: Annotated[
        str | None, typer.Option(help="name of the language model on its server; by default that of the run")
    ] = None,
    key_env: KeyEnv = "OPENAI_API_KEY",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Ask a resident a question, with the memory of a moment; the run does not change.

    Example: recgpt town interview hazelbrook "Nora Whitlock" "Which gatherings have you heard of?" --at 18:00

    Example: recgpt town interview hazelbrook "Nora Whitlock" "What worries you?" --mind llm --base-url http://127.0.0.1:8080/v1
    --llm-model smollm2-135m --key-env ""
    """
    from recgpt.cli.town.times import chosen_tick
    from recgpt.progress import note
    from recgpt.simulate.minds.options import MindOptions
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import stored_config
    from recgpt.simulate.worlds.town.artifacts import stored_setting
    from recgpt.simulate.worlds.town.config import NAME, TownConfig
    from recgpt.simulate.worlds.town.console import resident_of
    from recgpt.simulate.worlds.town.interviewing import interview as ask

    llm: dict[str, list[str] | str | None] = {"base_urls": base_url, "model": llm_model}
    changed: dict[str, Any] = {f"llm.{key}": value for key, value in llm.items() if value is not None}
    changed |= {"llm.key_env": key_env or None} if base_url is not None or not key_env else {}
    changed |= {} if mind is None else {"mind": mind}
    with Run.open(run_id) as run:
        options = stored_config(run, NAME, TownConfig).part(MindOptions).changed(flags=changed)
        names = [each.name for each in stored_setting(run).people.residents]
        agent, tick = resident_of(name, names), chosen_tick(run, at, day)
        found = ask(run, tick, agent, question, options)
    if found.spent.calls:
        note(f"{found.spent.calls:,} calls, {found.spent.tokens:,} tokens, ${found.spent.usd:.4f}")
    if found.text is None:
        raise LLMError(f"{names[agent]} gave no answer: {found.failure or 'unknown'}: ask again, or another model")
    if as_json:
        print_json({"run": run_id, "step": tick, "name": names[agent], "question": question, "answer": found.text})
        return
    say(found.text)
