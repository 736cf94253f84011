"""Data sets of a pre-training on many catalogues: a pool to train on, and others to validate on."""

from collections.abc import Sequence
from pathlib import Path

from recgpt.data.dataset import Dataset
from recgpt.errors import DataError


def load_pool(domains: Sequence[Path], valid: Sequence[Path]) -> dict[Path, Dataset]:
    """Load the data sets of both lists without repeats, by folder.

    Raises
    ------
    DataError
        A list is empty, a folder is no data set, or two have the same name or catalogue.
    """
    names = [path.name for path in (*domains, *valid)]
    if not domains or not valid:
        raise DataError(
            "name at least one data set to train on and one to validate on (--valid):"
            f" there is none to {'validate on' if domains else 'train on'}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{', '.join(twice)} is named twice: validate on other data sets than you train on")
    datasets = {path: Dataset.load(path, repeats="drop") for path in (*domains, *valid)}
    if len({dataset.items_sha256 for dataset in datasets.values()}) < len(datasets):
        raise DataError("two of the folders hold the same catalogue: validate on other data sets than you train on")
    return datasets
