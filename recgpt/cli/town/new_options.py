"""Options of a new town, which `recgpt town new` and `recgpt simulate town` share, and the settings they stand for."""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from recgpt.cli.options import ConfigFile, Overrides, Seed, allow_plugins, typed
from recgpt.cli.simulation_options import (
    BaseUrl,
    KeyEnv,
    LLMModel,
    MaxCalls,
    MaxFailed,
    MaxUsd,
    Overwrite,
    RunName,
)
from recgpt.cli.town.options import FLAGS, OWN_TOWN, Days, People, Plan, Think, TownMind, TownRecommender

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.config import TownConfig


def _options(
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
    """Options that every command has."""


def new_town_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command of a run's id, settings and `overwrite` the options of a new town; its own are keyword-only."""
    own = [
        each for each in inspect.signature(command).parameters.values() if each.kind is inspect.Parameter.KEYWORD_ONLY
    ]

    @functools.wraps(command)
    def with_settings(ctx: typer.Context, run_id: str, overwrite: bool, **values: Any) -> None:
        command(run_id, _settings(ctx), overwrite, **{each.name: values[each.name] for each in own})

    shared = inspect.signature(_options).parameters.values()
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*shared, *own)]
    with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_settings.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_settings


def _settings(ctx: typer.Context) -> "TownConfig":
    """Settings of the flags that are given; a town of many residents is drawn, unless there is a plan."""
    given = ctx.params
    overrides = given["overrides"] or ()
    allow_plugins(given["mind"], *filter(None, [given["recommender"]]), overrides=overrides)
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
    settings = TownConfig.load(given["config"], overrides, flags)
    if settings.recommender is not None:
        check_recommenders([settings.recommender], model=settings.model)
    return settings
