"""Atomic files and folders: whole or absent after any kill, one writer a target, safe names, errors of storage."""

import errno
import multiprocessing
import os
import random
import signal
import string
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from recgpt.errors import StorageError
from recgpt.files import (
    NAME_BYTES,
    explain_storage_error,
    file_name,
    new_file,
    new_files,
    new_folder,
    only_writer,
    require_writable,
    write_text,
)

HOSTILE = (
    "../../escaped",
    "/etc/passwd",
    "..",
    ".",
    "",
    "...",
    ".hidden",
    "a/b\\c:d",
    "nul",
    "CON.txt",
    "line\nbreak",
    "\x00",
    "\x1b[31mred",
    "\u202egnp.exe",
    "x" * 5000,
    "日" * 500,
    "~",
    "$HOME",
    "*?[a]",
    "-rf",
    " ",
    "\ud800",
)


def children(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


# --- names ---


@pytest.mark.parametrize("text", HOSTILE)
def test_file_name_of_hostile_text_stays_one_short_name_in_its_folder(text, tmp_path):
    name = file_name(text)

    path = tmp_path / name
    path.write_text("x")
    assert children(tmp_path) == {name}
    assert path.resolve().parent == tmp_path.resolve()
    assert not name.startswith((".", "-")) and len(name.encode()) <= NAME_BYTES


def test_file_name_keeps_plain_names_and_tells_others_apart():
    assert [file_name(text) for text in ("ml-1m", "a_b.c@d+e", "movies2024")] == ["ml-1m", "a_b.c@d+e", "movies2024"]
    assert len({file_name(text) for text in HOSTILE}) == len(HOSTILE)
    letters = string.printable + "é日/\\.\u202e"
    rng = random.Random(0)  # noqa: S311
    texts = {"".join(rng.choices(letters, k=rng.randrange(1, 8))) for _ in range(2000)}
    assert len({file_name(text) for text in texts}) == len(texts)


# --- files ---


def test_new_file_failed_block_keeps_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    with pytest.raises(ValueError, match="broken"), new_file(path) as draft:
        draft.write_text("half")
        raise ValueError("broken")

    assert path.read_text() == "old" and children(tmp_path) == {"a.json"}


def test_new_file_replaces_and_makes_its_folder(tmp_path):
    path = tmp_path / "deep" / "a.json"
    for text in ("one", "two"):
        with new_file(path) as draft:
            draft.write_text(text)
    assert path.read_text() == "two" and children(path.parent) == {"a.json"}


def test_new_files_are_replaced_together_or_not_at_all(tmp_path):
    array, note = tmp_path / "a.npy", tmp_path / "a.json"
    for text in ("one", "two"):
        with new_files(array, note) as drafts:
            for draft in drafts:
                draft.write_text(text)
    with pytest.raises(ValueError, match="broken"), new_files(array, note) as drafts:
        drafts[0].write_text("three")
        raise ValueError("broken")
    assert (array.read_text(), note.read_text(), children(tmp_path)) == ("two", "two", {"a.npy", "a.json"})


def test_write_text_keeps_a_link_and_the_permissions(tmp_path):
    real, link = tmp_path / "real" / "a.json", tmp_path / "a.json"
    write_text(real, "old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink() and real.read_text() == "new" and real.stat().st_mode & 0o777 == 0o640


def test_write_text_into_devices_and_pipes_leaves_them_in_place(tmp_path):
    pipe, seen = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: seen.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "into a pipe")
    reader.join(10)
    assert seen == ["into a pipe"] and pipe.is_fifo() and children(tmp_path) == {"pipe"}
    write_text(Path("/dev/null"), "lost")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(StorageError, match="/dev/full: the disk is full"):
        write_text(Path("/dev/full"), "no room")


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_write_text_to_stdout_comes_after_what_was_printed(name, tmp_path):
    code = f"from pathlib import Path; from recgpt.files import write_text; print('1'); write_text(Path('{name}'), '2')"
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", f"{code}; print('3')"], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "1\n23\n"


def test_write_text_into_a_process_substitution():
    code = (
        "import sys; from pathlib import Path; from recgpt.files import write_text; write_text(Path(sys.argv[1]), '7')"
    )
    script = f'"{sys.executable}" -c "{code}" >(cat) | cat'
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout == "7"


def test_write_text_to_a_folder_or_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="this is a folder: name a file in it"):
        write_text(tmp_path, "x")
    with pytest.raises(StorageError, match="file: a part of this path is a file"):
        write_text(tmp_path / "file" / "below.json", "x")


def test_new_file_full_disk_is_one_line(tmp_path):
    with (
        pytest.raises(StorageError, match=r"a\.json: the disk is full: free some space"),
        new_file(tmp_path / "a.json"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/mnt/x"), "/mnt/x: the file system is read-only"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "out: the disk is full"),
        (OSError("1024 requested and 512 written"), "out: the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "out: the disk quota is used up"),
    ],
)
def test_explain_storage_error_names_place_and_remedy(error, message):
    explained = explain_storage_error(error, "out")
    assert explained is not None and str(explained).startswith(message)
    assert explain_storage_error(ValueError("a wrong shape"), "out") is None


# --- folders ---


def write(draft: Path, text: str) -> None:
    (draft / "one").write_text(text)
    (draft / "two").write_text(text)


def test_new_folder_overwrite_keeps_other_files(tmp_path):
    out = tmp_path / "out"
    with new_folder(out) as draft:
        write(draft, "old")
    (out / "notes").mkdir()
    (out / "notes" / "mine.txt").write_text("kept")

    with new_folder(out, overwrite=True) as draft:
        write(draft, "new")

    assert (out / "one").read_text() == (out / "two").read_text() == "new"
    assert (out / "notes" / "mine.txt").read_text() == "kept"
    assert children(tmp_path) == {"out"}


def test_new_folder_existing_result_without_overwrite_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one").write_text("old")
    with pytest.raises(StorageError, match="holds a model already"), new_folder(tmp_path / "out", what="model"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is a file"), new_folder(tmp_path / "file"):
        pass


def test_new_folder_failed_block_keeps_the_old_folder(tmp_path):
    with new_folder(tmp_path / "out") as draft:
        write(draft, "old")
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out", overwrite=True) as draft:
        write(draft, "new")
        raise RuntimeError
    assert (tmp_path / "out" / "one").read_text() == "old" and children(tmp_path) == {"out"}


def _rewrite_for_ever(out: Path) -> None:
    number = 0
    while True:
        number += 1
        with new_folder(out, overwrite=True) as draft:
            write(draft, str(number))


def test_new_folder_killed_at_any_moment_leaves_a_whole_folder(tmp_path):
    out = tmp_path / "out"
    context = multiprocessing.get_context("fork")
    rng = random.Random(0)  # noqa: S311
    for _ in range(25):
        process = context.Process(target=_rewrite_for_ever, args=(out,))
        process.start()
        time.sleep(0.02 + rng.random() * 0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        if out.exists():
            assert (out / "one").read_text() == (out / "two").read_text()
    with new_folder(out, overwrite=True) as draft:
        write(draft, "end")
    assert children(tmp_path) == {"out"} and children(out) == {"one", "two"}


# --- one writer ---


def _hold(target: Path, held: multiprocessing.Event) -> None:
    with only_writer(target):
        held.set()
        time.sleep(60)


def test_only_writer_second_process_is_refused_until_the_first_is_gone(tmp_path):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "out", held))
    process.start()
    assert held.wait(20)
    with pytest.raises(StorageError, match="is being written by another process"), only_writer(tmp_path / "out"):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with only_writer(tmp_path / "out"):
        pass
    assert children(tmp_path) == set()


def test_only_writer_may_be_taken_again_by_its_thread_alone(tmp_path):
    refused = []

    def other() -> None:
        try:
            with only_writer(tmp_path / "out"):
                pass
        except StorageError as error:
            refused.append(error)

    with only_writer(tmp_path / "out"), new_folder(tmp_path / "out"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1


def _hold_with_child(target: Path, held: multiprocessing.Event) -> None:
    with only_writer(target):
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        held.set()
        time.sleep(60)


def test_only_writer_killed_process_frees_the_lock_although_its_child_lives(tmp_path):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=_hold_with_child, args=(tmp_path / "out", held))
    process.start()
    assert held.wait(20)
    process.kill()
    process.join()
    with only_writer(tmp_path / "out"):
        pass


def test_new_folder_is_not_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    with pytest.raises(StorageError, match="is the current folder"), new_folder(Path(), overwrite=True):
        pass


def test_require_writable_says_what_is_missing(tmp_path):
    require_writable(tmp_path / "not" / "yet", 1000)
    assert children(tmp_path) == set()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file is not a folder"):
        require_writable(tmp_path / "file" / "below")
    with pytest.raises(StorageError, match="MB are needed"):
        require_writable(tmp_path, 1 << 60)
