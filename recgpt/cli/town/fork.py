"""`recgpt town fork`: another course of a town, from any block on."""

from typing import Annotated, Any

import typer

from recgpt.cli.options import ConfigFile, Overrides, Plugins, allow_plugins
from recgpt.cli.runs import RunId
from recgpt.cli.town.options import AtTime, Day
from recgpt.errors import ConfigError
from recgpt.terminal import say


def fork(
    run_id: RunId,
    new_id: Annotated[str, typer.Argument(metavar="NEW", help="id of the new run")],
    at: AtTime = None,
    day: Day = None,
    whisper: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME: TEXT", help="thought that a resident gets at the fork; repeat the flag"),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Make a new run that shares the blocks up to a time, and goes on with other thoughts or settings.

    A time within a block stands for the end of that block. Other edits are entries of `schedule` in --config.

    Example: recgpt town fork hazelbrook rival --at 12:00 --whisper "Nora Whitlock: You want to run for mayor."
    """
    allow_plugins(*(plugin or ()), overrides=overrides or ())
    from recgpt.cli.town.times import chosen_tick
    from recgpt.simulate import runner
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import stored_config
    from recgpt.simulate.worlds.town.artifacts import stored_setting
    from recgpt.simulate.worlds.town.config import NAME, TownConfig
    from recgpt.simulate.worlds.town.console import resident_of
    from recgpt.simulate.worlds.town.playing import moment_of

    with Run.open(run_id) as run:
        settings = stored_config(run, NAME, TownConfig)
        block = -(-chosen_tick(run, at, day) // settings.ticks_per_block)
        changed: dict[str, Any] = {}
        if whisper:
            names = [each.name for each in stored_setting(run).people.residents]
            entries = [_whisper(each, block + 1, names, resident_of) for each in whisper]
            changed["schedule"] = [*settings.model_dump(mode="json")["schedule"], *entries]
        with runner.fork(run, new_id, block, config_file=config, overrides=overrides or (), settings=changed) as new:
            tick = block * settings.ticks_per_block
            say(
                f"{new_id}: {new.n_steps:,} blocks of {run_id}, up to {moment_of(run, tick):%B %d, %Y, %H:%M:%S}. To go"
                f" on: recgpt town run {new_id}"
            )


def _whisper(text: str, block: int, names: list[str], resident_of: Any) -> dict[str, Any]:
    """Entry of the schedule for `NAME: TEXT`."""
    name, found, words = text.partition(":")
    if not found or not words.strip():
        raise ConfigError(f"--whisper {text!r}: write a name, a colon and the thought")
    return {"kind": "whisper", "block": block, "agent": resident_of(name.strip(), names), "text": words.strip()}
