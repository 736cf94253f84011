"""`recgpt gym play`: episodes at the terminal, by a policy or from a list of items."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recgpt.cli.gym.options import gym_options
from recgpt.cli.options import Seed
from recgpt.errors import SimulationError

if TYPE_CHECKING:
    from recgpt.simulate.worlds.gym.config import GymSettings
    from recgpt.simulate.worlds.gym.policies.base import Policy


DEMOS: dict[str, dict[str, Any]] = {
    domain: {
        "rater": "0Shot_cotlite_our",
        "retrieval": "decay_emotion_3",
        "consider_arousal": True,
        "shaping": "churn_satisfaction",
        "churn_ema_alpha": alpha,
        "churn_low_threshold": 2.0,
    }
    for domain, alpha in (("movies", 0.1), ("books", 0.3))
}
"""Defaults of the published demos."""


def _play(
    settings: "GymSettings",
    policy: Annotated[
        str, typer.Option(help="what recommends: see `recgpt gym list`, or the folder of a trained policy")
    ] = "random",
    model: Annotated[str | None, typer.Option(help="model folder, for recommenders that use one")] = None,
    max_steps: Annotated[int, typer.Option(min=1, help="maximum items for each user")] = 5,
    num_users: Annotated[int, typer.Option(min=1, help="number of users, one episode each")] = 1,
    user_start_id: Annotated[
        int | None, typer.Option(min=0, help="number of the first user, from 0; the next ones follow; by default drawn")
    ] = None,
    replay_csv: Annotated[
        Path | None,
        typer.Option(help="show the items in this CSV file instead, in its order; column item_id, movie_id or id"),
    ] = None,
    output_csv: Annotated[Path | None, typer.Option(help="write a row for each step to this CSV file")] = None,
    render: Annotated[
        Literal["human", "ansi", "csv"],
        typer.Option(help="human: with colours on a terminal; ansi: plain lines; csv: rows as of --output-csv"),
    ] = "human",
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the last line, with the averages.")] = False,
    seed: Seed = 42,
) -> None:
    """Play episodes and print them: user, items shown and recalled, ratings, emotions, satisfaction, end.

    Example: recgpt gym play --domain movies --policy popularity --num-users 2

    Example: recgpt gym play --domain books --reward-shaping churn_satisfaction --max-steps 20 --output-csv steps.csv
    """
    from recgpt.cli.checks import check_file, check_model, check_output
    from recgpt.simulate.worlds.gym.policies import check_policy

    check_policy(policy)
    check_output(output_csv)
    if replay_csv is not None:
        check_file(replay_csv, "--replay-csv")
    if model is not None:
        check_model(model)

    from recgpt.cli.gym.printing import Printer
    from recgpt.progress import note
    from recgpt.simulate.worlds.gym.engine import Engine
    from recgpt.simulate.worlds.gym.inputs import load_inputs
    from recgpt.simulate.worlds.gym.minds import make_mind
    from recgpt.simulate.worlds.gym.playing import ItemList, play_episode
    from recgpt.simulate.worlds.gym.policies import make_policy
    from recgpt.simulate.worlds.gym.policies.base import Setting

    inputs = load_inputs(settings)
    users = _numbers(user_start_id, num_users, len(inputs.users))
    mind = make_mind(settings, inputs, seed=seed)
    if (estimate := mind.estimate(len(users) * max_steps)) is not None:
        note(f"estimated language-model use: {estimate}")
    chosen: Policy
    if replay_csv is None:
        chosen = make_policy(policy, Setting(inputs.domain, inputs.items, inputs.users, mind, seed, model))
    else:
        chosen = ItemList.from_csv(replay_csv, inputs.items)
        max_steps = min(max_steps, len(chosen))
    engine = Engine(inputs, mind, 1)
    printer = Printer(inputs, "none" if quiet else render)
    try:
        for number, user in enumerate(users):
            engine.reset([seed + number], None if user is None else [user])
            printer.begin(int(engine.user_E[0]))
            for steps in play_episode(engine, chosen, max_steps):
                printer.step(steps)
    finally:
        if output_csv is not None:
            printer.write(output_csv)
    printer.end()


def _numbers(start: int | None, n: int, n_users: int) -> list[int] | list[None]:
    """Numbers of the users; None where they are drawn."""
    if start is None:
        return [None] * n
    if start + n > n_users:
        raise SimulationError(
            f"--user-start-id {start} with --num-users {n}: there are {n_users:,} users, numbered from 0: choose others"
        )
    return list(range(start, start + n))


play = gym_options()(_play)


def published_demo(domain: str) -> Callable[..., None]:
    """`play` in one domain, with the defaults of the published demo."""
    return gym_options(fixed={"domain": domain}, **DEMOS[domain])(_play)
