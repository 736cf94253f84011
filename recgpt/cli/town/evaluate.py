"""`recgpt town evaluate`: interviews of residents with parts of their memory, and measures beside published ones."""

from contextlib import ExitStack
from datetime import datetime, time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recgpt.cli.simulation_options import BaseUrl, KeyEnv, MaxCalls, MaxUsd
from recgpt.errors import ConfigError, SimulationError
from recgpt.tables import Wide
from recgpt.terminal import print_json

if TYPE_CHECKING:
    from recgpt.simulate.store import Run
    from recgpt.simulate.store.calls import CallFile
    from recgpt.simulate.worlds.town.config import TownConfig
    from recgpt.simulate.worlds.town.evaluation.evaluating import Answer, Judge

_CALLS = "evaluation.sqlite"


def evaluate(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="ids of towns; several, of different seeds, give intervals")
    ],
    at: Annotated[str, typer.Option(help="time of day of the interviews, on the last day that has it")] = "18:00",
    arms: Annotated[
        str | None,
        typer.Option(
            help="memories that answers may use, separated by semicolons, by default all: full; no reflection; no"
            " reflection, no planning; no memory"
        ),
    ] = None,
    mind: Annotated[
        Literal["scripted", "llm"],
        typer.Option(help="what answers: scripted (by rule, from retrieved memories) or llm (a language model)"),
    ] = "scripted",
    judge: Annotated[
        bool, typer.Option("--judge", help="A language model compares every answer with the truth: one call an answer.")
    ] = False,
    base_url: BaseUrl = None,
    llm_model: Annotated[
        str | None, typer.Option(help="name of the language model on its server; by default that of the run")
    ] = None,
    key_env: KeyEnv = "OPENAI_API_KEY",
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables, with every answer.")] = False,
    wide: Wide = False,
) -> None:
    """Evaluate towns by 25 questions to every resident, scored by the log, and by measures beside the published ones.

    Questions are of self-knowledge, memory, plans, reactions and reflections; each is answered with the full memory and
    with parts of it left out.

    Example: recgpt town evaluate demo

    Example: recgpt town evaluate town0 town1 town2 --at 20:00 --json

    Example: recgpt town evaluate demo --mind llm --judge --base-url http://127.0.0.1:8080/v1 --llm-model smollm2
    --key-env ""
    """
    from recgpt.simulate.store import Run
    from recgpt.simulate.store.calls import CallFile
    from recgpt.simulate.world import stored_config
    from recgpt.simulate.worlds.town.answering import answer as by_rule
    from recgpt.simulate.worlds.town.config import NAME, TownConfig
    from recgpt.simulate.worlds.town.evaluation.evaluating import evaluate as interview_all
    from recgpt.simulate.worlds.town.evaluation.tables import tables
    from recgpt.simulate.worlds.town.measures import measures
    from recgpt.tables import print_tables

    moment, chosen = _time(at), _arms(arms)
    llm: dict[str, Any] = {"base_urls": base_url, "model": llm_model, "max_calls": max_calls, "max_usd": max_usd}
    changed = {f"llm.{name}": value for name, value in llm.items() if value is not None}
    changed |= {"llm.key_env": key_env or None} if base_url is not None or not key_env else {}
    with ExitStack() as stack:
        runs = [stack.enter_context(Run.open(run_id)) for run_id in run_ids]
        config = stored_config(runs[0], NAME, TownConfig).changed(flags=changed)
        calls = stack.enter_context(CallFile(runs[0].path.with_name(_CALLS))) if mind == "llm" or judge else None
        answer = _by_model(runs[0], config, calls) if mind == "llm" and calls else by_rule
        verdict = _judge(config, calls) if judge and calls else None
        found = interview_all(runs, at=moment, arms=chosen, answer=answer, judge=verdict)
        measured = [run.metrics if run.finished and run.metrics else measures(run) for run in runs]
    if as_json:
        print_json({**found, "measures": measured})
        return
    print_tables(*tables(found, measured), wide=wide)


def _by_model(run: "Run", config: "TownConfig", calls: "CallFile") -> "Answer":
    from recgpt.simulate.worlds.town.artifacts import stored_setting
    from recgpt.simulate.worlds.town.evaluation.by_model import by_model

    return by_model(config, stored_setting(run), calls)


def _judge(config: "TownConfig", calls: "CallFile") -> "Judge":
    from recgpt.simulate.worlds.town.evaluation.by_model import judging

    return judging(config.llm, calls, seed=config.seed)


def _time(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()
    except ValueError:
        raise ConfigError(f"--at {text}: give a time of day such as 18:00") from None


def _arms(text: str | None) -> list[str]:
    from recgpt.simulate.worlds.town.evaluation.arms import ARMS

    if text is None:
        return list(ARMS)
    names = [name for part in text.split(";") if (name := part.strip())]
    for name in names:
        if name not in ARMS:
            raise SimulationError(f"--arms: no arm {name!r}: choose among {'; '.join(ARMS)}")
    return names
