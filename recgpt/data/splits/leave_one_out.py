"""Ask near the end of every user's sequence: the last item, or the second last to choose models on.

`zero_shot` and `published_steam_style` ask the same with another past or another rule for repeats.
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
    """Ask for every user's last item, given all items before it.

    Users with fewer than three items are not asked; their whole sequence is in the past.

    Parameters
    ----------
    past
        `train`: sequences less their last two items, what published models are trained on.
        `train+valid`: less their last one, what a deployed system would know.
    max_users
        Ask only this many users, drawn with `seed`; the past is that of all users.
    """
    params = {"past": past, "max_users": max_users}
    held_back = {"train": 2, "train+valid": 1}[past]
    return _ask_near_the_end(dataset, "leave_one_out", 1, held_back, params, seed)


def second_last(dataset: Dataset, *, max_users: int | None = None, seed: int = 0) -> Split:
    """Ask for every user's second-last item: what models and weights are chosen on, so that the last stays unseen.

    Parameters as of `leave_one_out`, whose past with `past="train"` is the past here.
    """
    return _ask_near_the_end(dataset, "second_last", 2, 2, {"max_users": max_users}, seed)


def zero_shot(dataset: Dataset, *, max_users: int | None = None, seed: int = 0) -> Split:
    """Ask for every user's last item of recommenders that have met nothing of this domain: the past is empty.

    Only texts and the user's own history are left, so recommenders that read other users' pasts have no place here.
    """
    return _ask_near_the_end(dataset, "zero_shot", 1, None, {"max_users": max_users}, seed)


def published_steam_style(dataset: Dataset, *, max_users: int | None = None, seed: int = 0) -> Split:
    """Ask for every user's last item with repeated user-item records kept, as RecGPT's published evaluation did.

    There, "recommend what the user took last" beats the published model: read *all* beside *repeat* and *explore*.

    Raises
    ------
    DataError
        Repeats were dropped when the data set was loaded.
    """
    if dataset.manifest["repeats"] != "keep":
        raise DataError(
            f"published_steam_style keeps repeats, but {dataset.name} was loaded with repeats "
            f"{dataset.manifest['repeats']}: load it with repeats keep"
        )
    return _ask_near_the_end(dataset, "published_steam_style", 1, 1, {"max_users": max_users}, seed)


def _ask_near_the_end(
    dataset: Dataset, protocol: str, from_end: int, held_back: int | None, params: dict[str, Any], seed: int
) -> Split:
    """Ask for the item `from_end` places from the end; the past of users so asked ends `held_back` places from it.

    No past at all where `held_back` is None.
    """
    lengths, stops = dataset.sequences.lengths, dataset.offsets[1:]
    asked = lengths >= 3
    users = sample(np.flatnonzero(asked), params["max_users"], seed)
    target_rows = stops[users] - from_end
    past_ends = dataset.offsets[:-1] if held_back is None else stops - np.where(asked, held_back, 0)
    return Split(
        dataset=dataset,
        protocol=protocol,
        seed=seed,
        params=params,
        in_past=np.arange(len(dataset.interactions)) < past_ends[dataset.interactions.user],
        histories=dataset.sequences.spans(dataset.offsets[users], target_rows),
        target_rows=target_rows,
    )
