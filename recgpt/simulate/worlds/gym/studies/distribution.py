"""Distribution: users drawn for each item rate it without memory; their shares of ratings are compared to real ones.

Films: 25 users for each item of the catalogue. Books, other domains and the quick form: 2,000 random pairs.
"""

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.studies.questions import Block, StudySetting

NAME = "distribution"
USERS_PER_ITEM, N_PAIRS = 25, 2_000


def blocks(setting: StudySetting) -> list[Block]:
    """Questions to drawn users on drawn items."""
    n_users, n_items = setting.n_people, len(setting.items)
    if setting.domain.name == "movies" and not setting.quick:
        keys_NU = np.stack([_keys(setting, n_users, item, "users") for item in range(n_items)])
        user_Q = np.argsort(keys_NU, axis=1, kind="stable")[:, :USERS_PER_ITEM].ravel()
        item_Q = np.repeat(np.arange(n_items), min(USERS_PER_ITEM, n_users))
    else:
        user_Q, item_Q = _pairs(setting, n_users, n_items)
    return [Block(NAME, "", [""] * len(user_Q), user_Q, item_Q)]


def _pairs(setting: StudySetting, n_users: int, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct pairs of a user and an item, in random order."""
    n = min(N_PAIRS, n_users * n_items)
    drawn = np.empty(0, dtype=np.int64)
    for attempt in range(64):
        keys = rng.bits(setting.seed, np.arange(2 * N_PAIRS), step=attempt, purpose="distribution pairs")[:, 0]
        drawn = np.concatenate([drawn, (keys % np.uint64(n_users * n_items)).astype(np.int64)])
        _, first = np.unique(drawn, return_index=True)
        drawn = drawn[np.sort(first)]
        if len(drawn) >= n:
            break
    return drawn[:n] // n_items, drawn[:n] % n_items


def _keys(setting: StudySetting, n: int, step: int, purpose: str) -> np.ndarray:
    return rng.uniform(setting.seed, np.arange(n), step=step, purpose=f"distribution {purpose}")[:, 0]
