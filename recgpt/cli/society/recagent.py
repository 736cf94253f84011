"""`recgpt recagent`: a society with the options and the configuration file of the published RecAgent."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recgpt.cli.options import Plugins, allow_plugins, resumable
from recgpt.cli.runs import say_failures
from recgpt.cli.simulation_options import KeyEnv, MaxCalls, MaxFailed, MaxUsd, Overwrite
from recgpt.cli.society.simulate import check
from recgpt.errors import ConfigError
from recgpt.tables import print_tables
from recgpt.terminal import say

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.config import SocietyConfig

DEMO = "recagent-demo"
DEMO_SETTINGS: dict[str, Any] = {
    "agents": 30,
    "rounds": 5,
    "mean_friends": 6.0,
    "recommender": "item_knn",
    "schedule": [{"kind": "broadcast", "round": 2, "item": 0, "text": "Everybody talks about it."}],
}


def recagent(
    what: Annotated[
        Literal["demo"] | None,
        typer.Argument(metavar="[demo]", help="demo: a small society of made-up people and films"),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config_file", "-c", help="published configuration (YAML); needed, but for demo", dir_okay=False
        ),
    ] = None,
    output_file: Annotated[
        str, typer.Option("--output_file", "-o", help="name of the file of messages in output/message")
    ] = "messages.json",
    log_file: Annotated[str, typer.Option("--log_file", "-l", help="name of the log in output/log")] = "simulation.log",
    log_name: Annotated[
        str, typer.Option("--log_name", "-n", help="name at the beginning of each line of the log")
    ] = "recagent",
    play_role: Annotated[
        Literal["true", "false"],
        typer.Option(
            "--play_role", "-p", case_sensitive=False, help="true: you play one more person, Tommy, at the terminal"
        ),
    ] = "false",
    recagent_memory: Annotated[
        Literal["recagent", "other"] | None,
        typer.Option(
            "--recagent_memory",
            "-m",
            help="memory: the three stores of RecAgent, or that of Generative Agents; by default recagent with --mind"
            " llm, else none",
        ),
    ] = None,
    mind: Annotated[
        Literal["scripted", "llm"],
        typer.Option(help="how agents decide: by fitted models, or by the language model of the configuration"),
    ] = "scripted",
    key_env: KeyEnv = "OPENAI_API_KEY",
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    max_failed: MaxFailed = None,
    run_id: Annotated[
        str | None, typer.Option("--run", help="id of the run; by default the name of the output file without ending")
    ] = None,
    plugin: Plugins = None,
    overwrite: Overwrite = False,
) -> None:
    """Run a society from a published configuration, with the options of the published RecAgent.

    Every key of the file is used, or a warning says why it has no meaning. Writes output/message, output/log and the
    interactions.

    Example: recgpt recagent --config_file config.yaml --output_file messages.json --log_file simulation.log

    Example: recgpt recagent demo
    """
    allow_plugins(*(plugin or ()))
    if what == "demo":
        _demo()
        return
    if config_file is None:
        raise ConfigError("a configuration is needed: pass --config_file FILE, or run `recgpt recagent demo`")
    _check_names(output_file, log_file)
    limits = {"max_calls": max_calls, "max_usd": max_usd, "max_failed": max_failed}
    llm = {"key_env": key_env or None, **{name: limit for name, limit in limits.items() if limit is not None}}
    config, interactions = _read(config_file, mind, play_role == "true", recagent_memory, llm)
    check(config)
    run_name = run_id or Path(output_file).stem
    _play_and_write(run_name, config, (output_file, log_file, log_name), interactions, overwrite=overwrite)


def _read(
    config_file: Path, mind: str, plays_role: bool, memory: str | None, llm: dict[str, Any]
) -> tuple["SocietyConfig", Path | None]:
    """Settings of a society and the file for the interactions; warnings are printed."""
    from pydantic import ValidationError

    from recgpt.cli.society.published import translated
    from recgpt.config import config_error, read_yaml
    from recgpt.progress import note
    from recgpt.simulate.worlds.society.config import SocietyConfig

    found = translated(read_yaml(config_file), mind=mind, plays_role=plays_role, memory=memory)
    for warning in found.warnings:
        note(f"{config_file}: {warning}")
    try:
        config = SocietyConfig(**{**found.settings, "llm": {**found.settings["llm"], **llm}})
    except ValidationError as error:
        raise config_error(SocietyConfig, error, {(): str(config_file)}) from error
    return config, found.interaction_path


def _check_names(output_file: str, log_file: str) -> None:
    """Refuse paths: both files have a folder of their own."""
    for option, name in (("--output_file", output_file), ("--log_file", log_file)):
        if Path(name).name != name or not name:
            raise ConfigError(f"{option} {name!r} is no name of a file: it is written into the folder output")


def _play_and_write(
    run_id: str,
    config: "SocietyConfig",
    outputs: tuple[str, str, str],
    interactions: Path | None,
    *,
    overwrite: bool,
) -> None:
    from recgpt.cli.society.outputs import write_interactions, write_outputs
    from recgpt.simulate import runner
    from recgpt.simulate.world import world_of
    from recgpt.simulate.worlds.society.config import NAME

    spec = world_of(NAME)
    output_file, log_file, logger = outputs
    with (
        resumable(run_id, spec.step_name),
        runner.start(NAME, run_id, config, overwrite=overwrite, concurrency=config.llm.concurrency) as run,
    ):
        print_tables(spec.summary(run))
        paths = write_outputs(run, Path("output"), output_file, log_file, logger=logger)
        if interactions is not None:
            write_interactions(run, interactions)
            paths.append(interactions)
        say(f"hash {run.hash}; report: {runner.report(run)}", *(f"  {path}" for path in paths))
        say_failures(run)


def _demo() -> None:
    from recgpt.cli.simulate import play
    from recgpt.simulate.worlds.society.config import NAME, SocietyConfig

    play(DEMO, SocietyConfig(**DEMO_SETTINGS), world=NAME, concurrency=1, overwrite=True)
    say(f"what happened: recgpt runs show {DEMO}")
    say(f"ask somebody: recgpt runs interview {DEMO} --agent 0 --question 'Which film do you like?'")
