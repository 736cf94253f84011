"""Models and files of data sets on the Hugging Face hub; folders of weights shipped with the project."""

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HFValidationError

from recgpt.errors import CheckpointError, DataError

OPTIONS = ("revision", "token", "cache_dir", "force_download", "local_files_only")  # of `snapshot_download`


DATASET_FILES = re.compile(r"hf://datasets/(?P<name>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?/(?P<files>.+)")
SHIPPED_MODEL, SHIPPED_TOKENIZER = "ckpt/recgpt-minilm", "vae_ckpt/minilm"
SHIPPED_GENERATIVE = "ckpt/recgpt-generative-minilm"
PUBLISHED_FILE = re.compile(r"\.(pt|pkl|zip|part[a-z]+)$")
PUBLISHED_TOKENIZER = "vae_ckpt/vae_len4_fsq88865_ep90.pt"


def shipped_folder(name: str) -> Path:
    """Folder of shipped weights: inside the package where it was installed from a wheel, else beside it.

    Parameters
    ----------
    name
        `SHIPPED_MODEL`, `SHIPPED_GENERATIVE` or `SHIPPED_TOKENIZER`.
    """
    package = Path(__file__).parent
    return package / name if (package / name).is_dir() else package.parent / name


def local_folder(path_or_repository: str | Path, **options: Any) -> Path:
    """Local folder of a model: an existing folder, shipped weights by name, or a repository downloaded from the hub.

    `ckpt/recgpt-minilm`, `ckpt/recgpt-generative-minilm` and `vae_ckpt/minilm` are the shipped weights, unless the
    current folder has such a folder.

    Parameters
    ----------
    path_or_repository
        Path of a folder, or `owner/name` on the hub.
    options
        Keyword arguments of `huggingface_hub.snapshot_download` that are in `OPTIONS`.

    Raises
    ------
    CheckpointError
        A file, or neither a folder nor a repository that can be downloaded.
    """
    path = Path(path_or_repository)
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(f"{path} is a file: name its folder")
    if str(path_or_repository) in (SHIPPED_MODEL, SHIPPED_GENERATIVE, SHIPPED_TOKENIZER):
        return shipped_folder(str(path_or_repository))
    try:
        return Path(snapshot_download(str(path_or_repository), **options))
    except (HFValidationError, OSError) as error:  # all the hub's network errors are OSErrors
        raise CheckpointError(
            f"{str(path_or_repository)!r} is neither a folder nor a repository that can be downloaded "
            f"({type(error).__name__}): check the path, the name and the connection"
        ) from error


def dataset_files(address: str) -> list[Path]:
    """Local copies of files of a data set on the hub, downloaded unless they are cached, in order of their names.

    Parameters
    ----------
    address
        `hf://datasets/owner/name/path`, or `owner/name@revision`; `*` in the path stands for any part of a name, `**`
        for folders.

    Raises
    ------
    DataError
        No such address, data set or file, or no connection.
    """
    match = DATASET_FILES.fullmatch(address)
    if match is None:
        raise DataError(f"{address!r} is no address of files: use hf://datasets/owner/name/path")
    revision = match["revision"] and unquote(match["revision"])
    try:
        folder = snapshot_download(match["name"], repo_type="dataset", revision=revision, allow_patterns=match["files"])
    except (HFValidationError, OSError) as error:  # all the hub's network errors are OSErrors
        raise DataError(
            f"{address!r} cannot be downloaded ({type(error).__name__}): check the address and the connection, or "
            "download the file and name its path"
        ) from error
    exact = Path(folder) / match["files"]
    found = [exact] if exact.is_file() else sorted(path for path in Path(folder).glob(match["files"]) if path.is_file())
    if not found:
        raise DataError(f"{address!r} matches no file of the data set: check the name of the file on the hub")
    return found


def uploaded(
    save: Callable[[str], object],
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    **upload: Any,
) -> str:
    """Upload a saved model to the repository `repo_id` on the hub; returns the URL of the commit.

    Parameters
    ----------
    repo_id
        "owner/name"; created if it does not exist.
    private
        Visibility of a new repository.
    token
        Access token of the hub, as in `huggingface_hub.HfApi`.
    upload
        Further options of `huggingface_hub.HfApi.upload_folder`: `commit_message`, `revision`, `create_pr`.
    """
    api = HfApi(token=token)
    repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    with TemporaryDirectory() as folder:
        save(folder)
        return str(api.upload_folder(repo_id=repo_id, folder_path=folder, **upload))
