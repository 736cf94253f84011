"""Files and folders that are whole or absent: atomic writes, one writer a target, safe names, errors of storage.

    write_text(out / "report.json", text)                       # whole and on disk, or the old file stays
    with new_file(out / "cases.parquet") as draft:              # the same for writers that want a path
        table.write_parquet(draft)
    with new_folder(out, overwrite=overwrite, what="data set") as draft:     # the old folder until the new one is whole
        table.write_parquet(draft / "items.parquet")
    with only_writer(run):                                      # a second process is refused in one line
        train(run)
    path = folder / f"{file_name(dataset.name)}.html"           # no text from a file becomes a path

What a killed process leaves behind (`.NAME.*.draft`, `.NAME.lock`) is deleted by the next writer of the same target.
"""

import ctypes
import errno
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from recgpt.errors import RecGPTError, StorageError

NAME_BYTES = 100
"""Longest file name made from a text; file systems allow 255 bytes, and suffixes are added."""

STDOUT = "-"
"""Name of an output file that means the terminal."""
_DRAFT = ".draft"
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or choose a folder on another disk",
    errno.EDQUOT: "the disk quota is used up: free some space, or choose a folder on another disk",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "permission denied: choose another folder, or change its permissions",
    errno.EPERM: "permission denied: choose another folder, or change its permissions",
    errno.ENOTDIR: "a part of this path is a file: choose another folder",
    errno.EISDIR: "this is a folder: name a file in it",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ELOOP: "the links of this path lead in a circle: choose another path",
    errno.EIO: "the disk reports an input/output error: choose another disk",
    errno.EFBIG: "the file is larger than the file system or the limit of this shell (ulimit -f) allows: raise it",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n)",
    errno.ENFILE: "the system has too many open files: close some programs",
    errno.ENOENT: "no such file or folder",
    errno.EEXIST: "it exists already: choose another name",
    errno.EBUSY: "it is in use, or it is the root of a disk: choose a folder inside it",
    errno.EXDEV: "it lies on another disk than its parent folder: choose a folder inside it",
}
# Libraries that write files report the same errors in texts of their own.
_TEXTS = {
    "no space left on device": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "requested and": errno.ENOSPC,  # numpy: "1024 requested and 512 written"
    "disk quota exceeded": errno.EDQUOT,
    "read-only file system": errno.EROFS,
    "attempt to write a readonly database": errno.EACCES,
    "permission denied": errno.EACCES,
    "file too large": errno.EFBIG,
    "input/output error": errno.EIO,
}


# --- errors ---


def explain_storage_error(error: BaseException, path: str | Path) -> StorageError | None:
    """Error of one line for a failed access to storage; None if `error` is about something else.

    Parameters
    ----------
    error
        An `OSError`, or the error of a library (polars, numpy, safetensors, SQLite) that wraps one.
    path
        The file or folder in use; the error's own file name, if it has one, is better and replaces it.
    """
    if isinstance(error, StorageError):
        return error
    if isinstance(error, RecGPTError):
        return None
    code = error.errno if isinstance(error, OSError) else None
    if code not in _REMEDIES:
        text = str(error).casefold()
        code = next((number for words, number in _TEXTS.items() if words in text), None)
    if code is None:
        return None
    named = getattr(error, "filename2", None) or getattr(error, "filename", None) or path
    place = path if any(part.endswith(_DRAFT) for part in Path(str(named)).parts) else named
    return StorageError(f"{place}: {_REMEDIES[code]}")


@contextmanager
def storage_errors(path: str | Path) -> Iterator[None]:
    """Turn failed accesses to storage inside the block into a `StorageError` that names the place and the remedy.

    A missing file is not one of them: its reader knows what to say.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        explained = explain_storage_error(error, path)
        if explained is None or explained is error:
            raise
        raise explained from error


def require_writable(folder: Path, n_bytes: int = 0) -> None:
    """Check, before any work, that files can be written below `folder`, and that `n_bytes` are free there.

    The folder need not exist.

    Raises
    ------
    StorageError
        It is read-only, not a folder, or its disk has too little space.
    """
    existing = next((place for place in (folder, *folder.absolute().parents) if os.path.lexists(place)), Path("/"))
    if not existing.is_dir():
        raise StorageError(f"{existing} is not a folder, and {folder} is to be written there: choose another path")
    with storage_errors(folder):
        probe = existing / f".{uuid.uuid4().hex}{_DRAFT}"
        probe.touch()
        probe.unlink()
        free = shutil.disk_usage(existing).free
    if free < n_bytes:
        raise StorageError(
            f"{folder}: {n_bytes / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free on its disk: "
            "free some space, or choose a folder on another disk"
        )


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, if necessary.

    Raises
    ------
    StorageError
        A part of the path is a file, or the storage fails.
    """
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise StorageError(f"{error.filename}: {_REMEDIES[errno.ENOTDIR]}") from error


# --- one writer ---

_held: dict[Path, tuple[int, int]] = {}
"""Locked target -> descriptor of its lock file, and the thread that holds it."""


@contextmanager
def only_writer(target: Path) -> Iterator[None]:
    """Hold the lock of a file or folder while writing it; drafts of a killed writer are deleted first.

    The lock ends with the process, however it ends. The thread that holds it may take it again.

    Raises
    ------
    StorageError
        Another process, or another thread of this one, is writing `target`.
    """
    target = _real(target)
    if _is_mine(target):
        yield
        return
    with storage_errors(target):
        make_folder(target.parent)
        locked = _lock(target)
    if not locked:
        raise StorageError(f"{target} is being written by another process: wait until it has ended, or stop it")
    try:
        _delete_drafts(target)
        yield
    finally:
        _unlock(target)


def _real(path: Path) -> Path:
    """Absolute path behind links, so that every name of a file leads to one lock."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle
        explained = explain_storage_error(error, path)
        raise explained or StorageError(f"{path}: {_REMEDIES[errno.ELOOP]}") from error


def _is_mine(target: Path) -> bool:
    return target in _held and _held[target][1] == threading.get_ident()


def _lock_path(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def _lock(target: Path) -> bool:
    """Lock a target; returns False if another writer holds it."""
    path = _lock_path(target)
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        with suppress(FileNotFoundError):  # deleted by the last holder between `open` and `flock`
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                _held[target] = descriptor, threading.get_ident()
                return True
        os.close(descriptor)


def _unlock(target: Path) -> None:
    descriptor, _ = _held.pop(target, (None, 0))
    if descriptor is None:  # in a forked process
        return
    with suppress(OSError):  # a folder that has become read-only keeps its lock file, which is harmless
        _lock_path(target).unlink()
    os.close(descriptor)


def _leave_locks_to_parent() -> None:
    """Close inherited locks in a forked process, which would keep them locked after its parent was killed."""
    for descriptor, _ in _held.values():
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_leave_locks_to_parent)


def _delete_drafts(target: Path) -> None:
    """Delete the drafts beside `target` and inside it; only the holder of its lock may do so."""
    mine = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{32}" + re.escape(_DRAFT))
    for draft in target.parent.glob(f".*{_DRAFT}"):
        if mine.fullmatch(draft.name):
            _delete(draft)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_in_draft(path: Path) -> bool:
    """Whether a folder around the path is a draft, which is flushed and renamed as a whole."""
    return any(part.startswith(".") and part.endswith(_DRAFT) for part in path.parts)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{_DRAFT}")


# --- atomic writes ---


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Write a file atomically: yields the path of a draft, which replaces `path` when the block ends without error.

    See `new_files`.
    """
    with new_files(path) as (draft,):
        yield draft


@contextmanager
def new_files(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Write files that belong together: yields their drafts, which replace them when the block ends without error.

    All drafts are flushed to disk first, then renamed one right after the other. The last file is the one that vouches
    for the others, such as a fingerprint: while they change it is absent. A symbolic link is kept and its target
    replaced. Of several writers at once, the last one wins. A draft of a device or a pipe is copied into it.

    Raises
    ------
    StorageError
        The disk is full, read-only, ...
    """
    if all(_is_in_draft(path) for path in paths):
        yield paths
        return
    streams = [path for path in paths if is_stream(path)]
    files = {path: _real(path) for path in paths if path not in streams}
    drafts = {path: _draft(target) for path, target in files.items()}
    locked: list[Path] = []
    with storage_errors(paths[0]), tempfile.TemporaryDirectory() if streams else nullcontext("") as scratch:
        drafts |= {path: Path(scratch) / str(place) for place, path in enumerate(streams)}
        try:
            for target in files.values():
                make_folder(target.parent)
                if target not in _held and _lock(target):
                    locked.append(target)
                    _delete_drafts(target)
            yield tuple(drafts[path] for path in paths)
            for path in streams:
                _copy_into(drafts[path], path)
            _put_files([(drafts[path], target) for path, target in files.items()])
        finally:
            for draft in drafts.values():
                with suppress(OSError):  # there is none, or its folder cannot be written
                    draft.unlink()
            for target in locked:
                _unlock(target)


def _put_files(files: list[tuple[Path, Path]]) -> None:
    """Flush all drafts, then put each in its place; the last of several is absent meanwhile."""
    for draft, target in files:
        if target.is_dir():
            raise StorageError(f"{target}: {_REMEDIES[errno.EISDIR]}")
        if target.exists():
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
        _flush(draft)
    if len(files) > 1:
        files[-1][1].unlink(missing_ok=True)
    for draft, target in files:
        draft.replace(target)
    for folder in dict.fromkeys(target.parent for _, target in files):
        _flush(folder)


def is_stream(path: Path) -> bool:
    """Whether a path is a device or a pipe, such as `/dev/null`, `/dev/stdout` or a process substitution."""
    if _own_descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


_DESCRIPTOR = re.compile(r"(?:/dev|/proc/self)/fd/(\d+)")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def _own_descriptor(path: Path) -> int | None:
    """Number of the open file that a path such as `/dev/stdout` names; to open the path would truncate that file."""
    found = _DESCRIPTOR.fullmatch(str(path))
    return int(found[1]) if found else _STANDARD.get(str(path))


def _copy_into(draft: Path, stream: Path) -> None:
    descriptor = _own_descriptor(stream)
    sys.stdout.flush()  # what was printed before comes first
    with (
        draft.open("rb") as source,
        stream.open("wb", buffering=0) if descriptor is None else os.fdopen(os.dup(descriptor), "wb") as target,
    ):
        shutil.copyfileobj(source, target)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8: atomically into a file, as it is into a device or a pipe, to stdout for `-`.

    Raises
    ------
    StorageError
        See `new_files`.
    """
    if str(path) == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with new_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


@contextmanager
def new_folder(
    path: Path, *, overwrite: bool = False, what: str = "result", holds: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """Write a folder atomically: yields a draft folder, which takes the place of `path` when the block ends well.

    Files of the old folder that the draft does not have stay, as they may be the user's.

    Parameters
    ----------
    path
        The folder to write.
    overwrite
        Whether the `what` that the folder holds may be replaced.
    what
        Noun for messages: "data set", "model".
    holds
        Function that says whether a folder holds such a result; by default, any folder that is not empty does.

    Raises
    ------
    StorageError
        The folder holds a result and `overwrite` is False, another process is writing it, or the storage fails.
    """
    path = _real(path)
    if _is_in_draft(path):
        path.mkdir(exist_ok=True)
        yield path
        return
    with only_writer(path), storage_errors(path):
        if path.exists() and not path.is_dir():
            raise StorageError(f"{path} is a file: choose another path for the {what}")
        if path.is_dir() and not overwrite and (holds or _is_not_empty)(path):
            raise StorageError(f"{path} holds a {what} already: choose another folder or overwrite it (--overwrite)")
        if os.path.ismount(path):
            raise StorageError(f"{path} is the root of a disk: choose a folder inside it")
        if Path.cwd().is_relative_to(path):
            raise StorageError(f"{path} is the current folder, which cannot be replaced: start from another folder")
        draft = _draft(path)
        draft.mkdir()
        try:
            yield draft
            put_folder(draft, path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def put_folder(draft: Path, path: Path, *, keep_others: bool = True) -> None:
    """Put a finished folder in the place of `path`, in one step.

    `draft` lies beside `path`, and no other process writes either.

    Parameters
    ----------
    keep_others
        Whether files of the old folder that `draft` does not have stay.
    """
    if path.is_dir() and keep_others:
        _carry_over(path, draft)
    _flush_tree(draft)
    if path.is_dir():
        _exchange(draft, path)
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.replace(path)
    _flush(path.parent)


def _is_not_empty(folder: Path) -> bool:
    return any(folder.iterdir())


def _carry_over(old: Path, new: Path) -> None:
    """Link the files of `old` that `new` does not have into `new`; drafts are left out."""
    for entry in old.iterdir():
        other = new / entry.name
        if entry.name.startswith(".") and entry.name.endswith(_DRAFT):
            continue
        if entry.is_dir() and not entry.is_symlink():
            if not os.path.lexists(other):
                other.mkdir()
            if other.is_dir():
                _carry_over(entry, other)
        elif not os.path.lexists(other):
            try:
                os.link(entry, other, follow_symlinks=False)
            except OSError:  # no hard links on this file system
                shutil.copy2(entry, other, follow_symlinks=False)


_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders: in one step where the system can (Linux), otherwise in two."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(code, os.strerror(code), str(other))
    between = _draft(other)
    other.replace(between)
    one.replace(other)
    between.replace(one)


def _flush_tree(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            _flush_tree(entry)
        elif entry.is_file():
            _flush(entry)
    _flush(folder)


def _flush(path: Path) -> None:
    """Write a file's content, or a folder's entries, from the system's memory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot flush folders
            raise
    finally:
        os.close(descriptor)


# --- names ---

_UNSAFE = re.compile(r"[^\w.@+-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def file_name(text: str) -> str:
    """File name for any text: letters, digits and `_ . @ + -` stay; different texts get different names.

    A text with other characters, a leading dot or dash, more than `NAME_BYTES` bytes or a name that Windows reserves is
    shortened and gets eight digits of its hash.
    """
    name = _UNSAFE.sub("_", text).lstrip(".-")
    name = "".join(itertools.takewhile(_fits(NAME_BYTES - 9), name))
    if name == text and text and not _RESERVED.fullmatch(text):
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name.rstrip('.')}-{digest}".lstrip("-") if not _RESERVED.fullmatch(name) else f"_{name}-{digest}"


def _fits(n_bytes: int) -> Callable[[str], bool]:
    """Predicate that is true for the first characters that fit into `n_bytes` of UTF-8."""
    used = 0

    def fits(character: str) -> bool:
        nonlocal used
        used += len(character.encode("utf-8", "surrogatepass"))
        return used <= n_bytes

    return fits
