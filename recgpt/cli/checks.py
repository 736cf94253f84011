"""Checks of options before anything heavy is loaded: a wrong name, file, model or output is refused at once.

    check_recommenders(["sasrec"], model=None)
    check_model("runs/demo/model/best")
    check_output(json_out)

None of them imports torch. What needs the data or the model is checked where these are read.
"""

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path

from recgpt.errors import CheckpointError, DataError, StorageError, WorkerError
from recgpt.files import is_stream, require_writable

PUBLISHED_SUFFIXES = (".pt", ".pkl", ".zip")


def check_recommenders(names: Iterable[str], *, model: str | None) -> None:
    """Check that recommenders exist and that what they need is named and installed.

    Raises
    ------
    DataError
        Unknown name, missing library, or a generative recommender without a model.
    """
    from recgpt.recommenders import check_names, registered_name

    names = list(names)
    check_names(names)
    if model is None and "recgpt_generative" in map(registered_name, names):
        raise DataError("the recommender recgpt_generative needs a generative model: name one with --model")


def check_dataset(folder: Path) -> None:
    """Check that a folder holds the tables of a data set.

    Raises
    ------
    DataError
        One of them is missing.
    """
    for name in ("interactions.parquet", "items.parquet"):
        if not (folder / name).is_file():
            raise DataError(
                f"{folder / name} does not exist: a data set folder needs interactions.parquet and items.parquet, "
                "make one with `recgpt data import`"
            )


def check_file(path: Path, option: str) -> None:
    """Check that a file of the user exists.

    Raises
    ------
    DataError
        It does not, or is a folder.
    """
    if not path.exists():
        raise DataError(f"{option} {path}: there is no such file")
    if path.is_dir():
        raise DataError(f"{option} {path} is a folder: name a file")


def check_model(path: str | None) -> None:
    """Check that a model is there; a repository of the hub is downloaded, unless it is cached.

    Parameters
    ----------
    path
        Folder, hub repository or published file; None for the shipped model.

    Raises
    ------
    CheckpointError
        It is neither a folder of a model, nor a published file, nor a repository.
    """
    from recgpt.hub import SHIPPED_MODEL, local_folder, shipped_folder

    if path is not None and Path(path).is_file():
        return
    if path is not None and path.endswith(PUBLISHED_SUFFIXES):
        raise CheckpointError(f"{path} does not exist: name a published file, or a model's folder")
    folder = shipped_folder(SHIPPED_MODEL) if path is None else local_folder(path)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder}/config.json does not exist: name the folder of a model")


def check_output(path: Path | None) -> None:
    """Check that a file can be written; None and devices, such as /dev/stdout, pass.

    Raises
    ------
    StorageError
        It is a folder, or it or its folder is read-only.
    """
    if path is None or str(path) == "-" or is_stream(path):
        return
    if path.is_dir():
        raise StorageError(f"{path} is a folder: name a file in it")
    if path.exists() and not os.access(path, os.W_OK):
        raise StorageError(f"{path}: permission denied: choose another file, or change its permissions")
    require_writable(path.absolute().parent)


def check_workers(workers: int) -> None:
    """Check that several processes can be started.

    Raises
    ------
    WorkerError
        Ray is not installed.
    """
    if workers > 1 and importlib.util.find_spec("ray") is None:
        raise WorkerError(f"{workers} workers run on Ray, which is not installed: pip install 'recgpt[ray]'")
