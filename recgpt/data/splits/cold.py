"""Ask about users, or items, that nobody has learnt anything of."""

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits.base import Split, draw, sample

COLD_HISTORY_ITEMS = (2, 4)


def held_out_users(dataset: Dataset, *, fraction: float = 0.1, seed: int = 0) -> Split:
    """Withhold a share of the users from the past and ask for the last item of each (of those with two or more)."""
    sequences = dataset.sequences
    withheld = draw(dataset.n_users, fraction, seed)
    users = np.flatnonzero(withheld & (sequences.lengths >= 2))
    target_rows = dataset.offsets[users + 1] - 1
    return Split(
        dataset=dataset,
        protocol="held_out_users",
        seed=seed,
        params={"fraction": fraction},
        in_past=~withheld[dataset.interactions.user],
        histories=sequences.spans(dataset.offsets[users], target_rows),
        target_rows=target_rows,
    )


def cold_user(dataset: Dataset, *, fraction: float = 0.1, seed: int = 0) -> Split:
    """Withhold a share of the users and ask what each did after their first two, three or four items.

    The number is drawn for each user; users with fewer than three items are not asked.
    """
    sequences = dataset.sequences
    fewest, most = COLD_HISTORY_ITEMS
    withheld = draw(dataset.n_users, fraction, seed)
    users = np.flatnonzero(withheld & (sequences.lengths > fewest))
    longest = np.minimum(most, sequences.lengths[users] - 1)
    history_items = np.random.default_rng([seed, 1]).integers(fewest, longest, endpoint=True)
    starts = dataset.offsets[users]
    return Split(
        dataset=dataset,
        protocol="cold_user",
        seed=seed,
        params={"fraction": fraction},
        in_past=~withheld[dataset.interactions.user],
        histories=sequences.spans(starts, starts + history_items),
        target_rows=starts + history_items,
    )


def cold_item(dataset: Dataset, *, fraction: float = 0.1, max_users: int | None = None, seed: int = 0) -> Split:
    """Take a share of the items out of the past, and ask for the last of them that each user met.

    Histories hold the other items the user met before it, so that any recommender can read them; what a user did after
    the target is in no past.
    """
    user, item = dataset.interactions.user, dataset.interactions.item
    met = np.unique(item)
    cold = np.zeros(dataset.n_items, dtype=bool)
    cold[met[draw(len(met), fraction, seed)]] = True
    is_cold = cold[item]
    warm_before = np.cumsum(~is_cold) - ~is_cold
    warm_before -= warm_before[dataset.offsets[:-1]][user]
    askable = np.flatnonzero(is_cold & (warm_before >= 1))
    last_first = askable[::-1]
    users, last = np.unique(user[last_first], return_index=True)
    chosen = sample(np.arange(len(users)), max_users, seed)
    users, target_rows = users[chosen], last_first[last[chosen]]
    cut = dataset.offsets[1:].copy()
    cut[users] = target_rows
    in_past = ~is_cold & (np.arange(len(item)) < cut[user])
    return Split(
        dataset=dataset,
        protocol="cold_item",
        seed=seed,
        params={"fraction": fraction, "max_users": max_users},
        in_past=in_past,
        histories=dataset.sequences.filter(in_past)[users],
        target_rows=target_rows,
    )
