"""Leave-one-out splits: the target is every user's last item (test) or second-last item (validation).

`zero_shot` and `published_steam_style` have the same targets with another past or another rule for repeats.
"""

from typing import Any, Literal

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits.base import Split, sample
from recgpt.errors import DataError

Past = Literal["train", "train+valid"]


def leave_one_out(
    dataset: Dataset, *, past: Past = "train+valid", max_users: int | None = None, seed: int = 0
) -> Split:
    """Leave-one-out split: the target is the last item of each user, the history all items before it.

    Users with fewer than three items have no query; their whole sequence is in the past.

    Parameters
    ----------
    past
        `train`: sequences without their last two items, the training data of published models.
        `train+valid`: without the last item only, as in a deployed system.
    max_users
        Upper limit of users with a query, drawn with `seed` (None means all); the past is that of all users.
    """
    params = {"past": past, "max_users": max_users}
    held_back = {"train": 2, "train+valid": 1}[past]
    return leave_out(dataset, "leave_one_out", 1, held_back, params, seed)


def second_last(dataset: Dataset, *, max_users: int | None = None, seed: int = 0) -> Split:
    """Validation split: the target is the second-last item of each user, so that the last stays unseen.

    Parameters as of `leave_one_out`, whose past with `past="train"` is the past here.
    """
    return leave_out(dataset, "second_last", 2, 2, {"max_users": max_users}, seed)


def zero_shot(dataset: Dataset, *, max_users: int | None = None, seed: int = 0) -> Split:
    """Zero-shot split: leave-one-out targets with an empty past.

    Only item texts and the user's own history are left, so recommenders that read interactions cannot be compared here.
    """
    return leave_out(dataset, "zero_shot", 1, None, {"max_users": max_users}, seed)


def published_steam_style(dataset: Dataset, *, max_users: int | None = None, seed: int = 0) -> Split:
    """Leave-one-out split with repeated user-item records kept, as in RecGPT's published evaluation.

    There, recommending the user's last item again beats the published model: read *all* beside *repeat* and *explore*.

    Raises
    ------
    DataError
        Repeats were dropped when the data set was loaded.
    """
    if dataset.manifest["repeats"] != "keep":
        raise DataError(
            f"published_steam_style keeps repeats, but {dataset.name} was loaded with repeats "
            f"{dataset.manifest['repeats']}: load it with repeats keep (--repeats keep)"
        )
    return leave_out(dataset, "published_steam_style", 1, 1, {"max_users": max_users}, seed)


def leave_out(
    dataset: Dataset, protocol: str, from_end: int, held_back: int | None, params: dict[str, Any], seed: int
) -> Split:
    """Target `from_end` places from the end of each sequence; the past ends `held_back` places from it.

    The past is empty where `held_back` is None.
    """
    lengths, stops = dataset.sequences.lengths, dataset.offsets[1:]
    has_query = lengths >= 3
    users = sample(np.flatnonzero(has_query), params["max_users"], seed)
    target_rows = stops[users] - from_end
    past_ends = dataset.offsets[:-1] if held_back is None else stops - np.where(has_query, held_back, 0)
    return Split(
        dataset=dataset,
        protocol=protocol,
        seed=seed,
        params=params,
        in_past=np.arange(len(dataset.interactions)) < past_ends[dataset.interactions.user],
        histories=dataset.sequences.spans(dataset.offsets[users], target_rows),
        target_rows=target_rows,
        n_eligible=int(has_query.sum()),
    )
