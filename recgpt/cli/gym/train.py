"""`recgpt gym train`: reinforcement learning of a policy, and the published training modules."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recgpt.cli.gym.options import gym_options
from recgpt.cli.options import Overwrite, Seed
from recgpt.errors import ConfigError, StorageError
from recgpt.terminal import print_json, say

if TYPE_CHECKING:
    from recgpt.simulate.worlds.gym.policies.base import Setting
    from recgpt.simulate.worlds.gym.training.settings import TrainSettings

_CONFIG = "recgpt.simulate.worlds.gym.training.settings:TrainSettings"
_LEARNING = "Learning"
CONTINUED_SEED, CONTINUED_STEPS = 1_200_000, 400_000
"""Added to the seed, and steps, of a published training that starts from stored weights (--path-ckpt)."""

Policy = Annotated[
    Literal["cf", "cf_seen", "item_embedding", "recgpt"],
    typer.Option(
        help="network: cf (a weight for each user and item, published), cf_seen (SUBER's TRPO), item_embedding (texts,"
        " also for new items and users), recgpt (item_embedding that starts from RecGPT's ranking)",
        rich_help_panel=_LEARNING,
    ),
]
Preset = Annotated[
    Literal["recgpt", "suber", "emosim"],
    typer.Option(help="hyperparameters: recgpt (ours), suber or emosim (published)", rich_help_panel=_LEARNING),
]
Steps = Annotated[
    int, typer.Option(min=1, help="steps of training, all environments together", rich_help_panel=_LEARNING)
]
Envs = Annotated[
    int | None,
    typer.Option(
        min=1, help="environments at once; by default 64, in the published presets 1", rich_help_panel=_LEARNING
    ),
]
UpdateSteps = Annotated[
    int | None,
    typer.Option(
        min=1, help="steps of each environment before an update; by default the preset's", rich_help_panel=_LEARNING
    ),
]
Rate = Annotated[float | None, typer.Option(help="learning rate; by default the preset's", rich_help_panel=_LEARNING)]
Gamma = Annotated[float, typer.Option(min=0, max=1, help="discount of later rewards", rich_help_panel=_LEARNING)]
Width = Annotated[int, typer.Option(min=1, help="width of user and item vectors", rich_help_panel=_LEARNING)]
Device = Annotated[
    str, typer.Option(help="device of the network: auto, cpu, cuda, cuda:0 ...", rich_help_panel=_LEARNING)
]
EvalEvery = Annotated[int, typer.Option(min=1, help="steps between two evaluations")]
EvalEpisodes = Annotated[int, typer.Option(min=1, help="episodes of an evaluation, greedy, seed + 600")]
CheckpointEvery = Annotated[int, typer.Option(min=1, help="steps between two checkpoints")]
KeepEvery = Annotated[int, typer.Option(min=1, help="steps between two copies of the policy that are kept")]
PathCkpt = Annotated[str | None, typer.Option(help="folder of a trained policy whose weights the training starts from")]
Tracker = Annotated[Literal["none", "tensorboard"], typer.Option(help="also log to TensorBoard")]


@gym_options(_CONFIG)
def train(
    settings: "TrainSettings",
    out: Annotated[Path, typer.Option(help="run folder", file_okay=False)],
    algo: Annotated[
        Literal["a2c", "ppo", "trpo", "dqn", "maskable_ppo"],
        typer.Option(help="algorithm: a2c, ppo, trpo, dqn or maskable_ppo", rich_help_panel=_LEARNING),
    ] = "maskable_ppo",
    policy: Policy = "item_embedding",
    preset: Preset = "recgpt",
    total_timesteps: Steps = 100_000,
    n_envs: Envs = None,
    n_steps: UpdateSteps = None,
    learning_rate: Rate = None,
    gamma: Gamma = 0.975,
    embedding_dim: Width = 32,
    model_device: Device = "auto",
    model: Annotated[
        str | None, typer.Option(help="foundation model of --policy recgpt; by default the shipped one")
    ] = None,
    eval_every: EvalEvery = 10_000,
    eval_episodes: EvalEpisodes = 10,
    checkpoint_every: CheckpointEvery = 50_000,
    keep_every: KeepEvery = 200_000,
    path_ckpt: PathCkpt = None,
    tracker: Tracker = "none",
    seed: Seed = 42,
    overwrite: Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False,
) -> None:
    """Train a policy by reinforcement learning. Stopped or killed, it goes on by the same command, bit for bit.

    The run folder holds the policy, the learning curve (curve.csv, curve.png) and the episodes (rewards.csv); the
    folder is a policy for `recgpt gym play` and `recgpt gym evaluate`.

    Example: recgpt gym train --algo maskable_ppo --policy item_embedding --total-timesteps 20000 --out runs/films

    Example: recgpt gym train --domain books --algo a2c --policy cf --preset suber --max-episode-steps 20
    --total-timesteps 2000 --out runs/books
    """
    run_training(settings, out, overwrite=overwrite, as_json=as_json)


def run_training(
    settings: "TrainSettings", out: Path, *, overwrite: bool = False, as_json: bool = False
) -> "tuple[list[dict[str, Any]], Setting]":
    """Train into a folder and print the last point of the learning curve; returns the curve and the setting."""
    _require_library()
    if overwrite:
        _delete(out)
    from recgpt.program import resumable
    from recgpt.simulate.worlds.gym.training.algorithms import device_named
    from recgpt.simulate.worlds.gym.training.run import TrainingRun
    from recgpt.simulate.worlds.gym.training.worlds import make_world

    device_named(settings.model_device)
    world = make_world(settings, calls=out / "calls.sqlite")
    with resumable("to continue, repeat the command"):
        points = TrainingRun(settings, world, out).train()
    last = points[-1]
    if as_json:
        print_json({"out": str(out), "curve": points})
        return points, world.setting
    interval = f"{last['low']:.2f} to {last['high']:.2f}"
    say(
        f"{settings.algo}, {settings.policy}, {last['step']:,} steps: reward an item {last['reward']:.2f} ({interval},"
        f" 95 %), before the training {points[0]['reward']:.2f}; items an episode {last['episode_length']:.1f}",
        f"policy, curve.png, curve.csv, rewards.csv: {out}",
    )
    return points, world.setting


def _require_library() -> None:
    """Refuse to begin without the libraries of the extra `rl`."""
    import importlib.util

    missing = [name for name in ("gymnasium", "stable_baselines3", "sb3_contrib") if not importlib.util.find_spec(name)]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}: pip install 'recgpt[rl]'")


def _delete(out: Path) -> None:
    """Delete a training run, and nothing else.

    Raises
    ------
    StorageError
        The folder is no training run.
    """
    import shutil

    if not out.exists():
        return
    if not (out / "training.json").is_file():
        raise StorageError(f"{out} holds no training, so --overwrite does not delete it: choose another --out")
    shutil.rmtree(out)


# --- published modules ---


def published_training(domain: str, algo: str, *, steps: int, **defaults: Any) -> Callable[..., None]:
    """Command of a published module: training of the collaborative-filtering network on one domain.

    Parameters
    ----------
    steps
        Published number of steps.
    defaults
        Defaults of its flags, see `gym_options`.
    """

    def command(
        settings: "TrainSettings",
        policy: Policy = "cf",
        preset: Preset = "emosim",
        total_timesteps: Steps = steps,
        n_envs: Envs = None,
        n_steps: UpdateSteps = None,
        learning_rate: Rate = None,
        gamma: Gamma = 0.975,
        embedding_dim: Width = 32,
        model_device: Device = "auto",
        out: Annotated[
            Path | None,
            typer.Option(help="run folder; by default below tmp/, by domain and algorithm", file_okay=False),
        ] = None,
        eval_every: EvalEvery = 10_000,
        eval_episodes: EvalEpisodes = 10,
        checkpoint_every: CheckpointEvery = 50_000,
        keep_every: KeepEvery = 200_000,
        path_ckpt: Annotated[
            str | None,
            typer.Option(
                help="folder of a trained policy: its weights are trained 400,000 steps more, with the seed + 1,200,000"
            ),
        ] = None,
        resume_from: Annotated[
            Path | None, typer.Option(help="weights, or the folder of a trained policy, that the training starts from")
        ] = None,
        tracker: Tracker = "none",
        seed: Seed = 42,
        overwrite: Overwrite = False,
    ) -> None:
        settings, continued = _continued(settings, path_ckpt, resume_from, steps)
        folder = Path("tmp") / domain / f"CF_{algo.upper()}{'-continued' if continued else ''}"
        run_training(settings, out or folder, overwrite=overwrite)

    fixed = {"domain": domain, "algo": algo}
    defaults = {"policy": "cf", "preset": "emosim", "total_timesteps": steps, **defaults}
    return gym_options(_CONFIG, fixed=fixed, **defaults)(command)


def _continued(
    settings: "TrainSettings", path_ckpt: str | None, resume_from: Path | None, steps: int
) -> "tuple[TrainSettings, bool]":
    """Settings of a training from stored weights, and whether it is one."""
    if path_ckpt is not None and resume_from is not None:
        raise ConfigError("--path-ckpt and --resume-from both name weights: give one of them")
    if path_ckpt is not None:
        more = CONTINUED_STEPS if settings.total_timesteps == steps else settings.total_timesteps
        return settings.changed(flags={"seed": settings.seed + CONTINUED_SEED, "total_timesteps": more}), True
    if resume_from is not None:
        folder = resume_from.parent if resume_from.is_file() else resume_from
        return settings.changed(flags={"path_ckpt": str(folder)}), True
    return settings, False


def published_analysis(domain: str) -> Callable[..., None]:
    """Command of a published module: every user is shown ten items by a trained policy."""

    def command(
        settings: Any,
        path: Annotated[Path, typer.Option(help="folder of a trained policy, or its weights")],
        logs_path: Annotated[Path, typer.Option(help="CSV file for a row a rating", dir_okay=False)] = Path(
            "./tmp/render/render.csv"
        ),
        steps: Annotated[int, typer.Option(min=1, help="items that each user is shown")] = 10,
        seed: Seed = 42,
    ) -> None:
        from recgpt.cli.checks import check_output

        check_output(logs_path)
        from recgpt.simulate.worlds.gym.training.analysis import analyse

        analyse(settings, path.parent if path.is_file() else path, logs_path, n_steps=steps, seed=seed)

    return gym_options(fixed={"domain": domain})(command)


def published_recommender() -> Callable[..., None]:
    """Command of the published `train_recommender`: a short training, and an evaluation."""

    def command(
        settings: "TrainSettings",
        algo: Annotated[Literal["ppo", "a2c"], typer.Option(help="algorithm: ppo or a2c")] = "ppo",
        total_timesteps: Steps = 1000,
        n_envs: Envs = None,
        n_steps: UpdateSteps = None,
        save_path: Annotated[Path, typer.Option(help="run folder", file_okay=False)] = Path("tmp/recommender"),
        eval_episodes: Annotated[int, typer.Option(min=1, help="episodes of the evaluation")] = 2,
        offline_random_rater: Annotated[
            bool, typer.Option("--offline-random-rater", help="Users rate at random: a control, no language model.")
        ] = False,
        seed: Seed = 42,
        overwrite: Overwrite = False,
    ) -> None:
        if offline_random_rater:
            from recgpt import plugins

            name = "recgpt.simulate.worlds.gym.training.random_rater:RandomRater"
            plugins.allow([name])
            settings = settings.changed(flags={"mind": name})
        run_training(settings, save_path, overwrite=overwrite)

    defaults: dict[str, Any] = {"domain": "books", "algo": "ppo", "total_timesteps": 1000, "eval_episodes": 2}
    return gym_options(_CONFIG, **defaults)(command)
