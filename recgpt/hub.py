"""Models on the Hugging Face hub: download and upload; folders of weights shipped with the project."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HFValidationError

from recgpt.errors import CheckpointError

OPTIONS = ("revision", "token", "cache_dir", "force_download", "local_files_only")  # of `snapshot_download`


SHIPPED_MODEL, SHIPPED_TOKENIZER = "ckpt/recgpt-minilm", "vae_ckpt/minilm"


def shipped_folder(name: str) -> Path:
    """Folder of shipped weights: inside the package where it was installed from a wheel, else beside it.

    Parameters
    ----------
    name
        `SHIPPED_MODEL` or `SHIPPED_TOKENIZER`.
    """
    package = Path(__file__).parent
    return package / name if (package / name).is_dir() else package.parent / name


def local_folder(path_or_repository: str | Path, **options: Any) -> Path:
    """Return an existing folder as it is; shipped weights by their name; else download a repository of the hub.

    `ckpt/recgpt-minilm` and `vae_ckpt/minilm` name the shipped weights where the current folder has no such folder.

    Parameters
    ----------
    path_or_repository
        Path of a folder, or `owner/name` on the hub.
    options
        Keyword arguments of `huggingface_hub.snapshot_download`, those in `OPTIONS`.

    Raises
    ------
    CheckpointError
        Neither a folder nor a repository that can be downloaded, or a file.
    """
    path = Path(path_or_repository)
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(f"{path} is a file: name the folder that holds it")
    if str(path_or_repository) in (SHIPPED_MODEL, SHIPPED_TOKENIZER):
        return shipped_folder(str(path_or_repository))
    try:
        return Path(snapshot_download(str(path_or_repository), **options))
    except (HFValidationError, OSError) as error:  # all the hub's network errors are OSErrors
        raise CheckpointError(
            f"{str(path_or_repository)!r} is neither a folder here nor a repository that the hub gives "
            f"({type(error).__name__}): check the path, the name and the connection"
        ) from error


def uploaded(
    save: Callable[[str], object],
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    **upload: Any,
) -> str:
    """Upload the files that `save` writes into a folder to the repository `repo_id`; returns the commit's address.

    Parameters
    ----------
    repo_id
        "owner/name", made if it is not there; `private` is for a new one.
    upload
        Further options of `huggingface_hub.HfApi.upload_folder`: `commit_message`, `revision`, `create_pr`.
    """
    api = HfApi(token=token)
    repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    with TemporaryDirectory() as folder:
        save(folder)
        return str(api.upload_folder(repo_id=repo_id, folder_path=folder, **upload))
