"""Cold-start splits: users, or items, withheld from the training interactions."""

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits.base import Split, draw, sample

COLD_HISTORY_ITEMS = (2, 4)


def held_out_users(dataset: Dataset, *, fraction: float = 0.1, seed: int = 0) -> Split:
    """Held-out users: a share of the users is withheld from the past; the target is the last item of each.

    Withheld users with a single item have no query.
    """
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
    """Cold users: a share of the users is withheld; the target follows the first two, three or four items of each.

    The length of the history is drawn for each user; withheld users with fewer than three items have no query.
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
    """Cold items: a share of the items is withheld from the past; the target is the last withheld item of each user.

    Histories hold the user's other items before the target, so that any recommender can read them; events after the
    target are not in the past.
    """
    user, item = dataset.interactions.user, dataset.interactions.item
    taken = np.unique(item)
    cold = np.zeros(dataset.n_items, dtype=bool)
    cold[taken[draw(len(taken), fraction, seed)]] = True
    is_cold = cold[item]
    warm_before = np.cumsum(~is_cold) - ~is_cold
    warm_before -= warm_before[dataset.offsets[:-1]][user]
    possible_targets = np.flatnonzero(is_cold & (warm_before >= 1))
    last_first = possible_targets[::-1]
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
        n_eligible=len(last),
    )
