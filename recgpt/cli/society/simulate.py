"""`recgpt simulate society`: agents with friends who browse a recommender, chat and post."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recgpt.cli.options import ConfigFile, Overrides, Seed, allow_plugins
from recgpt.cli.simulate import play
from recgpt.cli.simulation_options import (
    MEMORY_PRESETS,
    MIND_FLAGS,
    Agents,
    BaseUrl,
    Concurrency,
    KeyEnv,
    LLMModel,
    MaxCalls,
    MaxFailed,
    MaxUsd,
    Mind,
    Model,
    Overwrite,
    Recommender,
    Reflect,
    Replay,
    RunName,
    given_settings,
)

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.config import SocietyConfig

_SAME = ("dataset", "users", "relationships", "agents", "people", "rounds", "interval", "recommender", "model")
FLAGS = {
    **{name: name for name in (*_SAME, "page_size", "mind", "memory", "retrain_every", "seed")},
    **MIND_FLAGS,
}
"""Flag of `recgpt simulate society` -> setting."""


def society(
    ctx: typer.Context,
    run_id: RunName,
    dataset: Annotated[
        Path | None,
        typer.Option(
            help="data set folder, or folder of RecAgent's CSV files (item.csv); by default made-up films",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help="CSV file of people: id,name,gender,age,traits,status,interest,feature")
    ] = None,
    relationships: Annotated[
        Path | None, typer.Option(help="CSV file of ties: user_1,user_2,relationship,closeness")
    ] = None,
    agents: Agents = 100,
    people: Annotated[
        Literal["auto", "given", "users", "drawn"],
        typer.Option(
            help="given: of --users; users: made from users of the data set; drawn: made up; auto: the first there is"
        ),
    ] = "auto",
    rounds: Annotated[int, typer.Option(min=1, help="number of rounds")] = 5,
    interval: Annotated[
        str, typer.Option(help="simulated time of a round: a whole number and s, m, h, d, M (month) or y")
    ] = "5h",
    recommender: Recommender = "recgpt",
    model: Model = None,
    retrain_every: Annotated[int, typer.Option(min=0, help="refit the recommender after so many rounds; 0: never")] = 0,
    page_size: Annotated[int, typer.Option(min=1, help="items per page")] = 5,
    mind: Mind = "scripted",
    memory: Annotated[
        str,
        typer.Option(
            help=f"preset of the agents' memory: {MEMORY_PRESETS}; none switches memory off; auto: recagent with llm"
            " and person, else none"
        ),
    ] = "auto",
    replay: Replay = None,
    base_url: BaseUrl = None,
    llm_model: LLMModel = "gpt-4o-mini",
    key_env: KeyEnv = "OPENAI_API_KEY",
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    max_failed: MaxFailed = None,
    reflect: Reflect = False,
    concurrency: Concurrency = 8,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate people with friends who browse a recommender, chat and post. A killed run resumes.

    The schedule of interventions, surveys and polls is a list in the file of --config: see docs/worlds/society.md.

    Example: recgpt simulate society --agents 50 --rounds 10 --recommender item_knn --run talk

    Example: recgpt simulate society --dataset data/recagent --users data/recagent/user_1000.csv --relationships
    data/recagent/relationship_1000.csv --agents 1000 --rounds 50 --recommender mf --run published
    """
    allow_plugins(recommender, mind, overrides=overrides or ())
    from recgpt.simulate.worlds.society.config import NAME, SocietyConfig

    flags = given_settings(ctx, FLAGS, config, concurrency)
    settings = SocietyConfig.load(config, overrides or (), flags)
    check(settings)
    play(run_id, settings, world=NAME, concurrency=concurrency, overwrite=overwrite)


def check(config: "SocietyConfig") -> None:
    """Refuse what can be refused before torch is loaded."""
    from recgpt.cli.checks import check_dataset, check_file, check_model, check_recommenders
    from recgpt.simulate.worlds.society.schedule import SwapRecommender

    swapped = [each.name for each in config.schedule if isinstance(each, SwapRecommender)]
    check_recommenders([config.recommender, *swapped], model=config.model)
    check_model(config.model)
    for option in ("users", "relationships"):
        if (path := getattr(config, option)) is not None:
            check_file(Path(path), f"--{option}")
    if config.dataset is not None and not (Path(config.dataset) / "item.csv").is_file():
        check_dataset(Path(config.dataset))
