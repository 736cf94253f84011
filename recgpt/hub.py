"""From a folder's path or a repository's name to a folder on this machine."""

from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from recgpt.errors import CheckpointError

OPTIONS = ("revision", "token", "cache_dir", "force_download", "local_files_only")  # of `snapshot_download`


def local_folder(path_or_repository: str | Path, **options: Any) -> Path:
    """The folder itself, or where the hub's repository was downloaded to with these `OPTIONS`.

    Raises
    ------
    CheckpointError
        It is neither, or a file.
    """
    path = Path(path_or_repository)
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(f"{path} is a file: name the folder that holds it")
    try:
        return Path(snapshot_download(str(path_or_repository), **options))
    except (HFValidationError, OSError) as error:  # all the hub's network errors are OSErrors
        raise CheckpointError(
            f"{str(path_or_repository)!r} is neither a folder here nor a repository that the hub gives "
            f"({type(error).__name__}): check the path, the name and the connection"
        ) from error
