"""`recgpt simulate`, `recgpt agent4rec`, `recgpt agents`, `recgpt experiment`: the command line of simulated users."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recgpt.cli.options import ConfigFile, Overrides, Plugins, Seed, allow_plugins, resumable, typed
from recgpt.cli.runs import say_failures
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
from recgpt.errors import ConfigError
from recgpt.tables import print_tables
from recgpt.terminal import plain, print_json, say

if TYPE_CHECKING:
    from recgpt.simulate.world import WorldConfig
    from recgpt.simulate.worlds.feed.config import FeedConfig

simulate_app = typer.Typer(help="Simulate users of a recommender.", no_args_is_help=True)
agents_app = typer.Typer(help="Show agents (simulated users), and fit their behaviour to data.", no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="data set folder", exists=True, file_okay=False)]


@simulate_app.callback()
def simulate() -> None:
    """Group of commands, one a world, and `world` for all others."""


@simulate_app.command()
def feed(
    ctx: typer.Context,
    run_id: RunName,
    dataset: Annotated[
        Path | None,
        typer.Option(help="data set folder; needed, here or as `dataset` in --config", exists=True, file_okay=False),
    ] = None,
    recommender: Recommender = "recgpt",
    model: Model = None,
    agents: Agents = 100,
    pages: Annotated[int, typer.Option(min=1, help="maximum pages per agent")] = 5,
    page_size: Annotated[int, typer.Option(min=1, help="items per page")] = 4,
    mind: Mind = "scripted",
    people: Annotated[
        Literal["real", "synthetic"], typer.Option(help="real: users of the data set; synthetic: sampled")
    ] = "real",
    memory: Annotated[
        str, typer.Option(help=f"preset of the agents' memory: {MEMORY_PRESETS}; none switches memory off")
    ] = "recgpt",
    retrain_every: Annotated[int, typer.Option(min=0, help="refit the recommender after so many pages; 0: never")] = 0,
    truth_first: Annotated[
        bool,
        typer.Option(
            "--truth-first",
            help="First show what the user really took later (held out): an upper bound for the recommender.",
        ),
    ] = False,
    advert: Annotated[
        Literal["none", "all", "pop_high", "pop_low", "unpop_high", "unpop_low"],
        typer.Option(
            help="items advertised in the first slot: pop/unpop: more/fewer interactions than the median item;"
            " high/low: mean rating above/below the median"
        ),
    ] = "none",
    advert_text: Annotated[str | None, typer.Option(help="text shown next to an advertisement")] = None,
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
    """Simulate users who browse a recommender's pages; it sees the items they watch. A killed run resumes.

    Example: recgpt simulate feed --dataset data/demo --recommender recgpt --agents 1000 --run demo

    Example: recgpt simulate feed --dataset data/demo --agents 20 --mind llm --base-url http://127.0.0.1:8080/v1
    --llm-model smollm2 --key-env "" --run talk
    """
    allow_plugins(recommender, mind, overrides=overrides or ())
    from recgpt.simulate.worlds.feed.config import FeedConfig

    if dataset is None and config is None and not any(text.startswith("dataset=") for text in overrides or ()):
        raise ConfigError("a data set is needed: pass --dataset FOLDER, or set `dataset` in the file of --config")
    flags = given_settings(ctx, FEED_FLAGS, config, concurrency)
    if flags.get("memory") == "none":
        flags |= {"memory": "recgpt", "uses_memory": False}
    settings = FeedConfig.load(config, overrides or (), flags)
    _check(settings)
    play(run_id, settings, concurrency=concurrency, overwrite=overwrite)


@simulate_app.command("world")
def world_command(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="WORLD", help="registered or installed world, or module:SPEC")],
    run_id: RunName,
    concurrency: Concurrency = 8,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    plugin: Plugins = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate any world by its name, with settings from --config and --set. A killed run resumes.

    Example: recgpt simulate world feed --set dataset=data/demo --set agents=20 --run demo
    """
    allow_plugins(name, *(plugin or ()), overrides=overrides or ())
    from recgpt.simulate.world import world_of

    settings = world_of(name).config.load(config, overrides or (), typed(ctx, {"seed": "seed"}))
    play(run_id, settings, world=name, concurrency=concurrency, overwrite=overwrite)


_SAME = ("dataset", "recommender", "model", "agents", "pages", "page_size", "mind", "people", "memory", "seed")
FEED_FLAGS = {
    **{name: name for name in (*_SAME, "retrain_every", "truth_first", "advert", "advert_text")},
    **MIND_FLAGS,
}
"""Flag of `recgpt simulate feed` -> setting."""


OPENAI = "https://api.openai.com/v1"
PUBLISHED_RECOMMENDERS = {
    "Random": "random",
    "Pop": "popularity",
    "MF": "mf",
    "MultVAE": "mult_vae",
    "LightGCN": "lightgcn",
}


def agent4rec(
    simulation_name: Annotated[str, typer.Option("--simulation_name", help="id of the run")] = "Test",
    modeltype: Annotated[
        str, typer.Option(help=f"{', '.join(PUBLISHED_RECOMMENDERS)}, the name of a recommender, or module:Class")
    ] = "MF",
    n_avatars: Annotated[int, typer.Option("--n_avatars", min=1, help="number of agents")] = 10,
    max_pages: Annotated[int, typer.Option("--max_pages", min=1, help="maximum pages per agent")] = 5,
    items_per_page: Annotated[int, typer.Option("--items_per_page", min=1, help="items per page")] = 4,
    execution_mode: Annotated[
        Literal["serial", "parallel"], typer.Option("--execution_mode", help="one call at a time, or 64")
    ] = "parallel",
    dataset: Data = Path("data/agent4rec_ml1m"),
    model_path: Annotated[str | None, typer.Option("--model_path", help="folder of a foundation model")] = None,
    seed: Seed = 101,
    val_users: Annotated[
        int,
        typer.Option(
            "--val_users",
            min=0,
            help="run taste alignment instead, with so many agents judging 20 items each; 0: run the feed",
        ),
    ] = 0,
    val_ratio: Annotated[
        int,
        typer.Option("--val_ratio", min=1, help="unseen items per item that the user really took, in taste alignment"),
    ] = 1,
    rec_gt: Annotated[
        bool,
        typer.Option(
            "--rec_gt",
            help="First show what the user really took later (held out): an upper bound for the recommender.",
        ),
    ] = False,
    add_advert: Annotated[bool, typer.Option("--add_advert", help="Put an advertisement in the first slot.")] = False,
    display_advert: Annotated[
        bool, typer.Option("--display_advert", help="Mark the advertisement with a text.")
    ] = False,
    advert_type: Annotated[
        Literal["all", "pop_high", "pop_low", "unpop_high", "unpop_low"],
        typer.Option("--advert_type", help="items to advertise; see recgpt simulate feed --help"),
    ] = "all",
    mind: Annotated[
        Literal["scripted", "llm"], typer.Option(help="how agents decide: by fitted models, or by a language model")
    ] = "scripted",
    base_url: BaseUrl = None,
    llm_model: LLMModel = "gpt-3.5-turbo",
    key_env: KeyEnv = "OPENAI_API_KEY",
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    max_failed: MaxFailed = None,
    overwrite: Overwrite = False,
) -> None:
    """Run a feed with the flags of the published Agent4Rec command.

    Example: recgpt agent4rec --simulation_name MyExp --modeltype MF --n_avatars 10 --max_pages 5 --items_per_page 4
    """
    name = PUBLISHED_RECOMMENDERS.get(modeltype, modeltype)
    allow_plugins(name)
    if val_users:
        from recgpt.simulate.experiments import run_experiment

        options = {"agents": val_users, "ratios": (val_ratio,), "seed": seed, "model": model_path}
        if mind == "llm":
            server = {"base_url": (base_url or [OPENAI])[0], "llm_model": llm_model, "key_env": key_env}
            limits = {"max_calls": max_calls, "max_failed": max_failed}
            options |= server | {name: limit for name, limit in limits.items() if limit is not None}
        print_tables(run_experiment("taste-alignment", dataset, None, options).table())
        return
    from recgpt.simulate.worlds.feed.config import FeedConfig

    concurrency = 64 if execution_mode == "parallel" else 1
    config = FeedConfig.load(
        flags={
            "dataset": str(dataset),
            "recommender": name,
            "model": model_path,
            "agents": n_avatars,
            "pages": max_pages,
            "page_size": items_per_page,
            "mind": mind,
            "truth_first": rec_gt,
            "advert": advert_type if add_advert else "none",
            "advert_text": "Recommended for everybody: do not miss it!" if display_advert else None,
            "llm": _llm(base_url, llm_model, key_env, max_calls, max_usd, max_failed, concurrency),
            "seed": seed,
        }
    )
    _check(config)
    play(simulation_name, config, concurrency=concurrency, overwrite=overwrite)


def _llm(
    base_urls: list[str] | None,
    model: str,
    key_env: str,
    max_calls: int | None,
    max_usd: float | None,
    max_failed: float | None,
    concurrency: int,
) -> dict[str, Any]:
    given = {"model": model, "key_env": key_env or None, "max_calls": max_calls, "max_usd": max_usd}
    addresses = {"base_urls": base_urls} if base_urls else {}
    stops = {} if max_failed is None else {"max_failed": max_failed}
    return {**given, **addresses, **stops, "concurrency": concurrency}


def _check(config: "FeedConfig") -> None:
    """Refuse what can be refused before torch is loaded."""
    from recgpt.cli.checks import check_dataset, check_model, check_recommenders

    check_recommenders([config.recommender], model=config.model)
    check_dataset(Path(config.dataset))
    check_model(config.model)


def play(run_id: str, config: "WorldConfig", *, world: str = "feed", concurrency: int, overwrite: bool) -> None:
    """Play a run to its end; print its measures, its hash, its report and its failures."""
    from recgpt.simulate import runner
    from recgpt.simulate.world import world_of

    spec = world_of(world)
    with (
        resumable(run_id, spec.step_name),
        runner.start(world, run_id, config, overwrite=overwrite, concurrency=concurrency) as run,
    ):
        print_tables(spec.summary(run))
        say(f"hash {run.hash}; report: {runner.report(run)}")
        say_failures(run)


@agents_app.command()
def show(
    dataset: Data,
    agent: Annotated[int, typer.Argument(min=0, help="number of the agent")] = 0,
    agents: Annotated[int, typer.Option(min=1, help="number of agents; the first ones do not depend on it")] = 100,
    people: Annotated[
        Literal["real", "synthetic"], typer.Option(help="real: users of the data set; synthetic: sampled")
    ] = "real",
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show the traits, tastes and latest history items of one agent.

    Example: recgpt agents show 3 --dataset data/demo
    """
    from rich.table import Table
    from rich.text import Text

    from recgpt.errors import SimulationError
    from recgpt.simulate.worlds.feed.config import FeedConfig
    from recgpt.simulate.worlds.feed.inputs import load_setting

    if agent >= agents:
        raise SimulationError(
            f"agent {agent} is none of the {agents} agents, who are numbered from 0: choose another, or raise --agents"
        )
    found = load_setting(FeedConfig(dataset=str(dataset), agents=agents, people=people, seed=seed))
    titles = found.facts.items["title"]
    about = json.loads(found.population.profile(agent).model_dump_json())  # JSON has null for unknown values
    about["latest"] = [titles[int(item)] for item in found.population.histories[agent][-10:]]
    if as_json:
        print_json(about)
        return
    table = Table(box=None, show_header=False)
    for name, value in about.items():
        lines = value if isinstance(value, list) else ["unknown" if value is None else str(value)]
        table.add_row(name, Text("\n".join(map(plain, lines))))
    print_tables(table, found.population.made_from)


@agents_app.command("fit")
def fit_command(
    ratings: Annotated[Path, typer.Option(help="data set folder with ratings and times", exists=True, file_okay=False)],
    agent4rec: Annotated[
        Path, typer.Option(help="folder of the published Agent4Rec profiles and trace", exists=True, file_okay=False)
    ],
    out: Annotated[Path, typer.Option(help="file for the parameters")] = Path("scripted.json"),
    encoder: Annotated[str, typer.Option(help="sentence-transformers model name or folder")] = "all-MiniLM-L6-v2",
    seed: Seed = 0,
) -> None:
    """Fit the scripted mind to real ratings and to the published trace; report its accuracy on held-out users.

    Example: recgpt agents fit --ratings data/movielens_small --agent4rec data/agent4rec_ml1m --out scripted.json
    """
    from recgpt.simulate.worlds.feed.minds.fitting import fit, report_tables, save

    content = fit(ratings, agent4rec, encoder=encoder, seed=seed)
    save(content, out)
    print_tables(report_tables(content["report"]))
    say(f"{out}: load it with `Parameters.load`; the shipped one is recgpt/simulate/worlds/feed/minds/scripted.json")


def experiment(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="taste-alignment, page-enhancement, filter-bubble, adverts, causal, ab, ablate or injection; of a"
            " society: believability, cocoon, conformity, intervention or word-of-mouth; of a town: town",
            metavar="NAME",
        ),
    ],
    dataset: Annotated[
        Path | None,
        typer.Option(
            help="data set folder; the town has a made-up catalogue without one", exists=True, file_okay=False
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the result", file_okay=False)] = Path("runs/experiments"),
    config: ConfigFile = None,
    option: Overrides = None,
    plugin: Plugins = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Run an experiment with simulated users; `--set help` lists its settings.

    Writes figures (JSON), a short report (Markdown) and a plot to --out.

    Example: recgpt experiment filter-bubble --dataset data/demo --set agents=200 --set rounds=4
    """
    allow_plugins(*(plugin or ()), overrides=option or ())
    from recgpt.simulate.experiments import experiment_of, run_experiment

    if option == ["help"]:
        print_tables(experiment_of(name).settings_table())
        return
    settings = experiment_of(name).settings.load(config, option or (), typed(ctx, {"seed": "seed"}))
    found = run_experiment(name, dataset, out, settings.model_dump())
    if as_json:
        print_json(found.to_dict())
        return
    print_tables(found.table(), f"report: {out / found.stem}.md")
