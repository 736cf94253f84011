"""Published analysis of a trained policy: every user once, greedily, ten items, no item twice; a log and figures.

analyse(settings, Path("tmp/movies/CF_A2C"), Path("tmp/render/render.csv"))
"""

import csv
import io
from pathlib import Path

import numpy as np

from recgpt.files import make_folder, write_text
from recgpt.simulate.worlds.gym.config import GymSettings
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.evaluation import METRICS, Episodes, summary
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.policies.base import Policy, Setting
from recgpt.simulate.worlds.gym.policies.trained import TrainedPolicy
from recgpt.tables import figure
from recgpt.terminal import say

LOG = ("user_id", "user_name", "time", "movie_id", "rating")


def analyse(settings: GymSettings, folder: Path, log: Path, *, n_steps: int = 10, seed: int = 42) -> Episodes:
    """Play an episode of each user, write the log, and print the figures.

    Parameters
    ----------
    folder
        Trained policy.
    log
        CSV file; `movie_id` is the number of the item, as published.
    """
    inputs = load_inputs(settings)
    mind = make_mind(settings, inputs, seed=seed)
    policy = TrainedPolicy.load(folder, Setting(inputs.domain, inputs.items, inputs.users, mind, seed))
    episodes = play_all(policy, Engine(inputs, mind, len(inputs.users)), n_steps=n_steps, seed=seed)
    _write(log, episodes, inputs)
    figures = summary([episodes], liked_from=inputs.domain.liked_from, n_items=len(inputs.items))
    for name in ("reward", "map@10", "mrr@10", "personalised"):
        of = figures[name]
        say(f"{name}: {figure(of['mean'])} ({figure(of['low'])} to {figure(of['high'])}, 95 %): {METRICS[name]}")
    say(f"{len(inputs.users):,} users, ratings: {log}")
    return episodes


def play_all(policy: Policy, engine: Engine, *, n_steps: int = 10, seed: int = 42) -> Episodes:
    """One episode of each user with a policy."""
    n_users = engine.n_users
    items: list[np.ndarray] = []
    ratings: list[np.ndarray] = []
    rewards: list[np.ndarray] = []
    engine.reset(np.full(n_users, seed), np.arange(n_users))
    failed_U, left_U = np.zeros(n_users, dtype=np.int64), np.zeros(n_users, dtype=np.int8)
    for _ in range(n_steps):
        on = np.flatnonzero(engine.left_E == 0)
        if not len(on):
            break
        views = engine.views(on)
        item_R = policy.act(views)
        steps = engine.decide(item_R, on)
        engine.apply(steps, on)
        policy.observe(views, item_R, steps.rating_E)
        items.append(_placed(np.where(steps.failed_E, -1, item_R), on, n_users, -1))
        ratings.append(_placed(steps.rating_E, on, n_users, np.nan))
        rewards.append(_placed(np.where(steps.failed_E, np.nan, steps.reward_E), on, n_users, np.nan))
        failed_U[on] += steps.failed_E
        left_U[on] = steps.left_E
    return Episodes(
        item_UT=np.stack(items, axis=1).astype(np.int64),
        rating_UT=np.stack(ratings, axis=1),
        reward_UT=np.stack(rewards, axis=1),
        n_failed_U=failed_U,
        left_U=left_U,
    )


def _placed(values: np.ndarray, rows: np.ndarray, n: int, empty: float) -> np.ndarray:
    placed = np.full(n, empty, dtype=np.float64)
    placed[rows] = values
    return placed


def _write(log: Path, episodes: Episodes, inputs: Inputs) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(LOG)
    for user, (items, ratings) in enumerate(zip(episodes.item_UT, episodes.rating_UT, strict=True)):
        for step, (item, rating) in enumerate(zip(items.tolist(), ratings.tolist(), strict=True)):
            if item >= 0:
                rows.writerow([user, inputs.users.names[user], step, item, f"{rating:g}"])
    make_folder(log.parent)
    write_text(log, text.getvalue())
