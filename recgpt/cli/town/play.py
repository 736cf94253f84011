"""`recgpt town new`, `recgpt town run`, `recgpt simulate town`: a town is made, and played as far as wanted."""

from typing import TYPE_CHECKING, Annotated

import typer

from recgpt.cli.options import Plugins, allow_plugins, resumable
from recgpt.cli.runs import RunId
from recgpt.cli.simulate import play as play_whole
from recgpt.cli.simulation_options import Concurrency
from recgpt.cli.town.new_options import new_town_options
from recgpt.cli.town.options import Day, time_of_day
from recgpt.errors import ConfigError
from recgpt.terminal import say

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.config import TownConfig


@new_town_options
def new(run_id: str, settings: "TownConfig", overwrite: bool) -> None:
    """Make a town, and play nothing yet: everybody is in bed. `recgpt town run` plays it.

    Example: recgpt town new --run hazelbrook

    Example: recgpt town new --run large --people 100 --seed 7 --days 2
    """
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.town.config import NAME

    with runner.start(NAME, run_id, settings, overwrite=overwrite, until=0):
        say(
            f"{run_id}: {settings.people:,} residents, {settings.n_blocks * settings.ticks_per_block:,} steps of"
            f" {settings.seconds_per_tick} s. To play it: recgpt town run {run_id} --until 18:00"
        )


def run(
    run_id: RunId,
    steps: Annotated[int | None, typer.Option(min=1, help="steps to play, each of 10 s unless configured")] = None,
    until: Annotated[str | None, typer.Option(help="time of day to play up to, such as 18:00")] = None,
    day: Day = None,
    plugin: Plugins = None,
    concurrency: Concurrency = 8,
) -> None:
    """Play a town for some steps, up to a time of day, or to its end. It goes on where it stopped.

    The log has whole blocks of ten minutes; the place reached may lie within the last one.

    Example: recgpt town run hazelbrook --until 18:00

    Example: recgpt town run hazelbrook --steps 100
    """
    allow_plugins(*(plugin or ()))
    if steps is not None and until is not None:
        raise ConfigError(f"--steps {steps} and --until {until} exclude each other: give one")
    if day is not None and until is None:
        raise ConfigError(f"--day {day} needs a time: add --until, such as --until 18:00")
    moment = None if until is None else time_of_day(until, "--until")
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import stored_config
    from recgpt.simulate.worlds.town.config import NAME, TownConfig
    from recgpt.simulate.worlds.town.cursor import cursor_of
    from recgpt.simulate.worlds.town.playing import moment_of, play_to, tick_of

    with resumable(run_id, "block"), Run.open(run_id, write=True) as run:
        settings = stored_config(run, NAME, TownConfig)
        tick = settings.n_blocks * settings.ticks_per_block
        if steps is not None:
            tick = cursor_of(run) + steps
        elif moment is not None:
            tick = tick_of(run, moment, day)
        play_to(run, tick, concurrency=concurrency)
        say(f"{run_id}: {moment_of(run, tick):%B %d, %Y, %H:%M:%S}, step {tick:,}, hash {run.hash}")
        if run.finished:
            say("the run is finished")


@new_town_options
def town(run_id: str, settings: "TownConfig", overwrite: bool, *, concurrency: Concurrency = 8) -> None:
    """Simulate a town of people with homes, work, plans, talks and memories. A killed run resumes.

    Example: recgpt simulate town --run hazelbrook

    Example: recgpt simulate town --people 3 --mind llm --think talks --base-url http://127.0.0.1:8080/v1 --llm-model
    smollm2 --key-env "" --run morning
    """
    from recgpt.simulate.worlds.town.config import NAME

    play_whole(run_id, settings, world=NAME, concurrency=concurrency, overwrite=overwrite)
