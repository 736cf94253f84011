"""Split of a published protocol that ranks each target among 99 drawn items, for comparison with published figures.

    split = published_99_negatives(dataset)
    drawn_candidates(split)             # (B, 100) the items that are ranked for each query

Shapes: B queries, C candidates of a query.
"""

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits.base import Split
from recgpt.data.splits.leave_one_out import leave_out
from recgpt.errors import DataError

NEGATIVES = 99


def published_99_negatives(dataset: Dataset, *, max_users: int | None = None, seed: int = 0) -> Split:
    """Leave-one-out split of published tables in which each target is ranked among 99 drawn items.

    As SRPFN (arXiv 2606.15752) and S3-Rec: the past is all but each user's last item, and the 99 are drawn uniformly
    from the items that the user never takes. Such figures are far higher than those over the catalogue, and can order
    recommenders otherwise (Krichene and Rendle 2020): compare them with figures of the same protocol only.

    Raises
    ------
    DataError
        A user has taken so many items of the catalogue that fewer than 99 are left.
    """
    params = {"negatives": NEGATIVES, "max_users": max_users}
    split = leave_out(dataset, "published_99_negatives", 1, 1, params, seed)
    most = int(dataset.sequences.lengths.max(initial=0))
    if len(split) and dataset.n_items - most < NEGATIVES:
        raise DataError(
            f"{dataset.name} has {dataset.n_items} items and a user with {most}: {NEGATIVES} others cannot be drawn, "
            "evaluate with another protocol"
        )
    return split


def drawn_candidates(split: Split) -> np.ndarray | None:
    """(B, C) int64 target and drawn items of each query, by id; None for protocols that rank the whole catalogue.

    A user's draws depend on the seed and the user alone.
    """
    if split.protocol != published_99_negatives.__name__:
        return None
    drawn_BC = np.empty((len(split), NEGATIVES + 1), dtype=np.int64)
    for query, (user, target) in enumerate(zip(split.users.tolist(), split.targets.tolist(), strict=True)):
        rng = np.random.default_rng((split.seed, user))
        taken = set(split.dataset.sequences[user].tolist())
        drawn: dict[int, None] = {}
        while len(drawn) < NEGATIVES:
            more = rng.integers(split.dataset.n_items, size=2 * NEGATIVES).tolist()
            drawn |= dict.fromkeys(item for item in more if item not in taken)
        drawn_BC[query] = sorted([target, *list(drawn)[:NEGATIVES]])
    return drawn_BC
