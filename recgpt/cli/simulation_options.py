"""Option types that the commands of simulated users share, and the settings that their flags stand for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from recgpt.cli.options import typed

MEMORY_PRESETS = (
    "recgpt, agent4rec, recagent, recagent_code, generative_agents, generative_agents_code, emosim, emosim_arousal"
)

RunName = Annotated[str, typer.Option("--run", help="id of the run")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run of this id.")]
Agents = Annotated[int, typer.Option(min=1, help="number of agents (simulated users)")]
Recommender = Annotated[
    str, typer.Option(help="recommender: a name such as recgpt or item_knn, or a class as module:Class")
]
Model = Annotated[
    str | None, typer.Option(help="model folder, for recommenders that use one; by default the shipped one")
]
Mind = Annotated[
    str,
    typer.Option(
        help="how agents decide: scripted (fitted models), llm (a language model), replay (as in a stored run),"
        " person (you at the terminal), or a class as module:Class"
    ),
]
Replay = Annotated[str | None, typer.Option(help="run whose decisions --mind replay repeats")]
BaseUrl = Annotated[
    list[str] | None, typer.Option(help="address of an OpenAI-compatible server; repeat the flag for several")
]
LLMModel = Annotated[str, typer.Option(help="name of the language model on its server")]
KeyEnv = Annotated[str, typer.Option(help="environment variable that holds the API key; empty: no key")]
MaxCalls = Annotated[int | None, typer.Option(min=0, help="upper limit of calls to the language model")]
MaxUsd = Annotated[float | None, typer.Option(min=0, help="upper limit of cost in USD")]
MaxFailed = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="stop, to be resumed, where more agents fail for reasons that may pass (429, 5xx, timeout): below 1 a"
        " share of the agents, else a number; by default .05",
    ),
]
Reflect = Annotated[
    bool,
    typer.Option(
        "--reflect",
        help="Agents of --mind llm draw conclusions once enough has happened: one more call each time.",
    ),
]
Concurrency = Annotated[int, typer.Option(min=1, help="calls, or blocks of agents, processed at a time")]

LLM_FLAGS = {
    "base_url": "llm.base_urls",
    "llm_model": "llm.model",
    "key_env": "llm.key_env",
    "max_calls": "llm.max_calls",
    "max_usd": "llm.max_usd",
    "max_failed": "llm.max_failed",
    "concurrency": "llm.concurrency",
}
"""Flag of a language model -> setting."""

MIND_FLAGS = {**LLM_FLAGS, "reflect": "llm.reflects", "replay": "replayed"}
"""Flag of a mind -> setting."""


def given_settings(
    ctx: typer.Context, settings: Mapping[str, str], config: Path | None, concurrency: int
) -> dict[str, Any]:
    """Settings that the flags of a command give; its default of `--concurrency` counts only without a file.

    Parameters
    ----------
    settings
        Parameter of the command -> dotted key of its setting.
    config
        File of `--config`.
    """
    flags = typed(ctx, settings)
    if config is None:
        flags["llm.concurrency"] = concurrency
    if flags.get("llm.key_env") == "":
        flags["llm.key_env"] = None
    return flags
