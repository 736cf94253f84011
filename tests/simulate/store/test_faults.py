"""The store when disks fill, files break and writers die.

Run as a script, this file is a server of writers to kill, see `test_kill_at_any_moment`.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal
from store_rows import manifest, step_rows

from recgpt.errors import StoreError
from recgpt.simulate.store import Run

STEPS_A_LIFE = 5
KILLS = 60 if os.environ.get("THOROUGH") else 20


@contextmanager
def no_more_than(n_bytes: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_no_more_loses_nothing(root: Path, run: Run) -> None:
    run.append(step_rows(1))
    before = run.hash
    with no_more_than(400_000):
        with pytest.raises(StoreError, match="All that was stored before is whole"):
            run.append(step_rows(2, 20_000))
        assert (run.n_steps, run.hash) == (1, before)
        run.check()
        with pytest.raises(StoreError):
            run.put_artifact("items.parquet", bytes(10**6))
    run.append(step_rows(2))
    run.check()


def test_a_full_disk_loses_nothing(run: Run) -> None:
    run.append(step_rows(1))
    run._connection.execute("PRAGMA max_page_count = 60")  # SQLite's own name for a full disk
    with pytest.raises(StoreError, match="the disk is full"):
        run.append(step_rows(2, 20_000))
    assert run.n_steps == 1
    run.append(step_rows(2))
    run.check()


def test_a_run_that_cannot_be_made_leaves_the_old_one(root: Path, run: Run) -> None:
    run.append(step_rows(1))
    run.close()
    with no_more_than(8_000), pytest.raises(StoreError):
        Run.create("demo", manifest(), overwrite=True)
    assert not list(root.glob("*/*.draft*"))
    with Run.open("demo") as old:
        assert old.n_steps == 1
        old.check()


def test_a_read_only_folder(repo: Path, root: Path, run: Run) -> None:
    run.append(step_rows(1))
    run.close()
    code = """
from recgpt.errors import StoreError
from recgpt.simulate.store import Manifest, Run
fields = {"world": "feed", "config": {}, "seed": 7, "made_with": {}, "dataset": {}, "repeatable": ""}
for attempt in (
    lambda: Run.open("demo"),
    lambda: Run.open("demo", write=True),
    lambda: Run.create("demo", Manifest(run="demo", **fields), overwrite=True),
    lambda: Run.create("new", Manifest(run="new", **fields)),
):
    try:
        print("opened", attempt())
    except StoreError as error:
        print(error)
"""
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:  # whom permissions do not bind until the capability is dropped
        if shutil.which("setpriv") is None:
            pytest.skip("root without setpriv")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    for path in (root / "demo" / "run.sqlite", root / "demo" / "writer.sqlite"):
        path.chmod(0o400)
    for path in (root / "demo", root):
        path.chmod(0o500)
    try:
        told = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    finally:
        for path in (root, root / "demo"):
            path.chmod(0o700)
    assert told.stderr == ""
    *existing, replaced, new = told.stdout.splitlines()
    assert len(existing) == 2
    assert all("must be writable, even for reading: change" in line for line in existing)
    assert "permission denied: choose another folder, or change its permissions" in replaced
    assert "cannot be written: Permission denied" in new
    with Run.open("demo") as old:
        assert old.n_steps == 1
        old.check()


def test_a_damaged_file(root: Path, run: Run) -> None:
    for step in range(1, 6):
        run.append(step_rows(step, 400))
    run.close()
    path = root / "demo" / "run.sqlite"
    whole = path.read_bytes()
    for damaged in (b"", b"x" * 5000, whole[: len(whole) // 2], whole[:3000]):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"damaged|format 0"), Run.open("demo") as opened:
            opened.check()


def test_a_flipped_byte_is_found_wherever_it_matters(root: Path, run: Run) -> None:
    for step in range(1, 4):
        run.append(step_rows(step, 100))
    run.close()
    path = root / "demo" / "run.sqlite"
    whole, rng = path.read_bytes(), random.Random(0)  # noqa: S311
    with Run.open("demo") as opened:
        before = opened.events()
    found = 0
    for _ in range(60):
        place = rng.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        try:
            with Run.open("demo") as opened:
                opened.check()
                assert_frame_equal(opened.events(), before)  # it lay in space that is not used
        except StoreError:
            found += 1
    assert found > 20


@pytest.mark.slow
def test_kill_at_any_moment(repo: Path, root: Path) -> None:
    """Processes that write are killed at random moments: only whole steps are there, and the next one goes on."""
    n_steps = KILLS * STEPS_A_LIFE
    hashes = [""]
    began = time.perf_counter()
    with Run.create("undisturbed", manifest("undisturbed")) as undisturbed:
        for step in range(1, n_steps + 1):
            undisturbed.append(step_rows(step))
            hashes.append(undisturbed.hash)
    seconds_a_step = (time.perf_counter() - began) / n_steps
    Run.create("demo", manifest()).close()
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    server = subprocess.Popen(
        [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    delay, reached = random.Random(0), set()  # noqa: S311
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        for life in range(KILLS):
            server.stdin.write("live\n")
            writer = int(server.stdout.readline())
            for _ in range(delay.randrange(STEPS_A_LIFE)):  # a slow disk delays the kill: work was done before it
                assert server.stdout.readline() == "appended\n"
            time.sleep(delay.uniform(0, seconds_a_step))
            os.kill(writer, signal.SIGKILL)
            while (line := server.stdout.readline()) == "appended\n":
                pass
            assert line == f"killed by {signal.SIGKILL}\n"
            with Run.open("demo") as run:
                last = run.n_steps
                assert run.hash == hashes[last]
                assert len(run.events(range(max(last, 1), n_steps + 1))) == (200 if last else 0)
                if life % 10 == 0:
                    run.check()
                reached.add(last)
        server.stdin.close()
    assert len(reached) > KILLS // 4  # they were killed at work, not before it
    with Run.open("demo", write=True) as run:
        for step in range(run.n_steps + 1, n_steps + 1):
            run.append(step_rows(step))
        run.check()
        assert run.hash == hashes[-1]


MEMORY = """
import resource
from store_rows import manifest, step_rows

from recgpt.simulate.store import Run

peaks = []
with Run.create("demo", manifest()) as run:
    for step in range(1, 9):
        run.append(step_rows(step, 20_000))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    total = sum(len(rows) for rows in run.iter_steps())
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(total, peaks[-1] - peaks[2], peaks)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_steps(repo: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{repo}:{Path(__file__).parent}"}
    command = [sys.executable, "-c", MEMORY]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    total, growth_kb = map(int, told.split()[:2])
    assert total == 8 * 100_000
    assert growth_kb < 15_000, told  # five more steps are 30 MB as frames


def _serve_writers() -> None:
    """For each line of stdin, fork a writer that prints its id and a line a step, and waits until it is killed.

    Forking spares each the seconds of the imports; polars has no threads yet that a fork would lose,
    as long as nothing in this file uses it on import.
    """
    for _ in sys.stdin:
        writer = os.fork()
        if not writer:
            run = Run.open("demo", write=True)
            steps = [step_rows(run.n_steps + ahead) for ahead in range(1, STEPS_A_LIFE + 1)]
            print(os.getpid(), flush=True)
            for rows in steps:
                run.append(rows)
                print("appended", flush=True)
            signal.pause()
        _, status = os.waitpid(writer, 0)
        print("killed by", os.WTERMSIG(status), flush=True)


if __name__ == "__main__":
    _serve_writers()
