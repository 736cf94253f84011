"""Collection: 100 users a series (quick: 50) rate its last part after they loved, or hated, all others.

The memory is shuffled: all parts but the last with the highest (lowest) rating, and as many items of other series as
this one has parts, with their average ratings. The same users and memories, but for the ratings, are in both parts.
"""

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.studies.questions import Block, StudySetting

NAME = "collection"
N_USERS, N_USERS_QUICK = 100, 50
_UNKNOWN_AVERAGE = {"movies": 6.53, "books": 4.21}  # of items without ratings, as published


def blocks(setting: StudySetting) -> list[Block]:
    """Questions after loved parts, and after hated ones.

    Raises
    ------
    SimulationError
        The catalogue has fewer than two series.
    """
    series = setting.sets.series
    check_series(setting)
    numbers, users = [], []
    for number in range(len(series)):
        drawn = _users(setting, number).tolist()
        numbers += [number] * len(drawn)
        users += drawn
    memories = [known_items(setting, number, user) for number, user in zip(numbers, users, strict=True)]
    scale = setting.domain.scale
    loved = [known_ratings(setting, *each, scale.highest) for each in zip(numbers, memories, strict=True)]
    hated = [known_ratings(setting, *each, scale.lowest) for each in zip(numbers, memories, strict=True)]
    groups = [name_of(setting, number) for number in numbers]
    user_Q, item_Q = np.array(users), np.array([series[number][-1] for number in numbers])
    return [
        Block(NAME, "+", groups, user_Q, item_Q, known_items=memories, known_ratings=loved),
        Block(NAME, "-", groups, user_Q, item_Q, known_items=memories, known_ratings=hated),
    ]


def check_series(setting: StudySetting) -> None:
    """Raise SimulationError if the catalogue has fewer than two series."""
    if len(setting.sets.series) < 2:
        raise SimulationError(
            f"catalogue {setting.items.made_from!r} has {len(setting.sets.series)} series, the studies collection and"
            " human need two: leave them out with --study preference,high,low,distribution, or take another catalogue"
        )


def _users(setting: StudySetting, number: int) -> np.ndarray:
    """Users of a series, each once."""
    n = min(N_USERS_QUICK if setting.quick else N_USERS, setting.n_people)
    keys_U = rng.uniform(setting.seed, np.arange(setting.n_people), step=number, purpose="collection users")[:, 0]
    return np.argsort(keys_U, kind="stable")[:n]


def name_of(setting: StudySetting, number: int) -> str:
    """Name of a series, else its number."""
    return setting.items.collection[setting.sets.series[number][-1]] or str(number + 1)


def known_items(setting: StudySetting, number: int, user: int) -> list[int]:
    """Memory of a user before the last part of a series."""
    parts = setting.sets.series[number]
    others = np.setdiff1d(np.array([item for each in setting.sets.series for item in each]), parts)
    step = number * setting.n_people + user
    keys_N = rng.uniform(setting.seed, others, step=step, purpose="collection others")[:, 0]
    memory = np.concatenate([parts[:-1], others[np.argsort(keys_N, kind="stable")[: len(parts)]]])
    order_M = rng.uniform(setting.seed, memory, step=step, purpose="collection order")[:, 0]
    return memory[np.argsort(order_M, kind="stable")].tolist()


def known_ratings(setting: StudySetting, number: int, memory: list[int], of_parts: float) -> list[float]:
    """Ratings of a memory: `of_parts` for the parts of the series, the average for other items."""
    parts, averages_N = setting.sets.series[number], _averages(setting)
    return [of_parts if row in parts else float(averages_N[row]) for row in memory]


def _averages(setting: StudySetting) -> np.ndarray:
    """(N,) average ratings; unknown ones as published, in other domains the mean of the known ones."""
    items, domain = setting.items, setting.domain
    is_known_N = np.isfinite(items.average_N) & (items.average_N > 0)
    middle = (domain.scale.lowest + domain.scale.highest) / 2
    mean = float(items.average_N[is_known_N].mean()) if is_known_N.any() else middle
    return np.where(is_known_N, items.average_N, _UNKNOWN_AVERAGE.get(domain.name, mean))
