"""From a split to what recommenders may know and to the slices that a table reports."""

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.splits import Split
from recgpt.topk import Exclude

SLICES: dict[str, Exclude] = {"explore": "history", "all": "nothing", "repeat": "nothing"}
"""Slice -> what is left out of its rankings; the headline comes first.

`explore`: the target is not in the history, and the history is not recommended again. `repeat`: the target is in the
history. `all`: both, ranked as the published system does.
"""


def slice_cases(split: Split) -> dict[str, np.ndarray]:
    """Which cases each slice of `SLICES` holds: (cases in the slice,) int64 places in `split`."""
    repeated = split.histories.contains(split.targets)
    return {
        "explore": np.flatnonzero(~repeated),
        "all": np.arange(len(split)),
        "repeat": np.flatnonzero(repeated),
    }


def known_dataset(dataset: Dataset, split: Split) -> Dataset:
    """The data set as recommenders may know it: the whole catalogue, and of the interactions only `split.past`.

    Times, ratings and the published split column are left out.
    """
    past = split.past
    users = np.repeat(np.arange(dataset.n_users, dtype=np.int32), past.lengths)
    return Dataset(
        name=dataset.name,
        path=dataset.path,
        manifest={**dataset.manifest, "interactions": len(past.values)},
        items=dataset.items.lazy(),
        item_map=dataset.item_map,
        user_map=dataset.user_map,
        interactions=Interactions(users, past.values),
        split=None,
    )
