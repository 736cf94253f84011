"""`recgpt gym evaluate`: policies on the same users, with intervals and paired differences."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recgpt.cli.gym.options import gym_options
from recgpt.cli.options import Seed, allow_plugins
from recgpt.terminal import print_json, say

if TYPE_CHECKING:
    from recgpt.simulate.worlds.gym.config import GymConfig


@gym_options("recgpt.simulate.worlds.gym.config:GymConfig")
def evaluate(
    settings: "GymConfig",
    policies: Annotated[
        str,
        typer.Option(
            help="policies, separated by commas: random, popularity, average, linucb, thompson, oracle, any recommender"
            " such as hybrid_knn or recgpt, or the folder of a trained policy"
        ),
    ] = "random,popularity,average,hybrid_knn,linucb,oracle",
    run_id: Annotated[
        str, typer.Option("--run", help="beginning of the ids of the runs, one for each policy and seed")
    ] = "evaluation",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="number of seeds, from --seed on")] = 5,
    seed: Seed = 0,
    steps: Annotated[int, typer.Option(min=1, help="items that each user is shown")] = 10,
    n_users: Annotated[int | None, typer.Option(min=1, help="number of users, from the first; by default all")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="policy from which the others differ; by default popularity where it is among them"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="model folder, for recommenders that use one; by default the shipped one")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG file for a plot of the policies", dir_okay=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the stored runs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Compare policies: every user rates items of each, with each seed. The same command goes on after a stop.

    Example: recgpt gym evaluate --policies random,popularity,linucb,oracle --n-users 100 --seeds 2

    Example: recgpt gym evaluate --items data/movielens_small --policies popularity,hybrid_knn,recgpt --run real
    --plot policies.png
    """
    names = [name for part in policies.split(",") if (name := part.strip())]
    allow_plugins(*names)
    from recgpt.program import resumable
    from recgpt.simulate.worlds.gym import comparison
    from recgpt.tables import print_tables

    with resumable("every finished step is stored: the same command goes on"):
        compared = comparison.evaluate(run_id, names, settings, n_seeds=seeds, baseline=baseline, overwrite=overwrite)
    figures = compared.figures()
    if plot is not None:
        comparison.plot(figures, plot)
    if as_json:
        print_json(figures)
        return
    print_tables(*comparison.tables(figures), wide=True)
    if plot is not None:
        say(f"plot: {plot}")
    say(f"runs: recgpt runs report {compared.runs[names[0]][0]} writes the page of one")
