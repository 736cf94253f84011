"""`recgpt town new`, `recgpt town run`, `recgpt simulate town`: a town is made, and played as far as wanted."""

from typing import TYPE_CHECKING, Annotated

import typer

from recgpt.cli.options import ConfigFile, Overrides, Plugins, Seed, allow_plugins, resumable, typed
from recgpt.cli.runs import RunId
from recgpt.cli.simulate import play as play_whole
from recgpt.cli.simulation_options import (
    BaseUrl,
    Concurrency,
    KeyEnv,
    LLMModel,
    MaxCalls,
    MaxFailed,
    MaxUsd,
    Overwrite,
    RunName,
)
from recgpt.cli.town.options import (
    FLAGS,
    OWN_TOWN,
    Day,
    Days,
    People,
    Plan,
    Think,
    TownMind,
    TownRecommender,
    time_of_day,
)
from recgpt.errors import ConfigError
from recgpt.terminal import say

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.config import TownConfig


def new(
    ctx: typer.Context,
    run_id: RunName,
    people: People = 25,
    plan: Plan = None,
    days: Days = 1,
    mind: TownMind = "scripted",
    think: Think = "all",
    recommender: TownRecommender = None,
    base_url: BaseUrl = None,
    llm_model: LLMModel = "gpt-4o-mini",
    key_env: KeyEnv = "OPENAI_API_KEY",
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    max_failed: MaxFailed = None,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a town, and play nothing yet: everybody is in bed. `recgpt town run` plays it.

    Example: recgpt town new --run hazelbrook

    Example: recgpt town new --run large --people 100 --seed 7 --days 2
    """
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.town.config import NAME

    settings = _settings(ctx, config, overrides)
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


def town(
    ctx: typer.Context,
    run_id: RunName,
    people: People = 25,
    plan: Plan = None,
    days: Days = 1,
    mind: TownMind = "scripted",
    think: Think = "all",
    recommender: TownRecommender = None,
    base_url: BaseUrl = None,
    llm_model: LLMModel = "gpt-4o-mini",
    key_env: KeyEnv = "OPENAI_API_KEY",
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    max_failed: MaxFailed = None,
    concurrency: Concurrency = 8,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a town of people with homes, work, plans, talks and memories. A killed run resumes.

    Example: recgpt simulate town --run hazelbrook

    Example: recgpt simulate town --people 3 --mind llm --think talks --base-url http://127.0.0.1:8080/v1 --llm-model
    smollm2 --key-env "" --run morning
    """
    from recgpt.simulate.worlds.town.config import NAME

    settings = _settings(ctx, config, overrides)
    play_whole(run_id, settings, world=NAME, concurrency=concurrency, overwrite=overwrite)


def _settings(ctx: typer.Context, config: ConfigFile, overrides: Overrides) -> "TownConfig":
    """Settings of the flags that are given; a town of many residents is drawn, unless there is a plan."""
    given = ctx.params
    allow_plugins(given["mind"], *filter(None, [given["recommender"]]), overrides=overrides or ())
    from recgpt.cli.checks import check_file, check_recommenders
    from recgpt.simulate.worlds.town.config import TownConfig

    flags = typed(ctx, FLAGS)
    if flags.get("llm.key_env") == "":
        flags["llm.key_env"] = None
    if "hours" in flags:
        flags["hours"] *= 24
    if "town" in flags:
        check_file(given["plan"], "--map")
    elif flags.get("people", 0) > OWN_TOWN:
        flags["town"] = "procedural"
    settings = TownConfig.load(config, overrides or (), flags)
    if settings.recommender is not None:
        check_recommenders([settings.recommender], model=settings.model)
    return settings
