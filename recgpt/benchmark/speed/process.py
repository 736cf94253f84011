"""Work measured in a process of its own, so that its memory is its own; `recgpt.benchmark.speed.child` is that process.

Peak memory is read for each point: `VmHWM`, reset before it, with the pages of mapped files that the system takes back
when it needs them; and the largest `RssAnon` seen, which is what has to fit.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch

from recgpt.benchmark.speed.setting import Setting
from recgpt.errors import DataError

SAMPLE_S = 0.005
STATUS = Path("/proc/self/status")
CLEAR_PEAK = "5"  # what /proc/self/clear_refs wants to be told
MARK = "point "  # before a line of results: others may print, too


@contextmanager
def peak_memory() -> Iterator[dict[str, float]]:
    """Fill a dict with `peak_gigabytes` and `private_gigabytes` (pages of no file) while what is inside runs.

    They are there when it is done, and NaN where the system does not tell.
    """
    found = {"peak_gigabytes": float("nan"), "private_gigabytes": float("nan")}
    if not STATUS.is_file():
        yield found
        return
    Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
    private, stop = [_status("RssAnon")], threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_S):
            private.append(_status("RssAnon"))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield found
    finally:
        stop.set()
        sampler.join()
        found["peak_gigabytes"] = _status("VmHWM")
        found["private_gigabytes"] = max(private)


def _status(key: str) -> float:
    """A line of /proc/self/status in GB."""
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(key))


def run_child(
    setting: Setting,
    tasks: Mapping[str, Sequence[int]],
    *,
    processes: int = 1,
    threads: int | None = None,
) -> dict[str, list[dict[str, float]]]:
    """Run some `TASKS` of `recgpt.benchmark.speed.child`, each at its points, one after the other.

    Parameters
    ----------
    processes
        Above 1, the tasks run in so many, which know of each other.
    threads
        Of torch in each; by default as many as here.

    Raises
    ------
    DataError
        The process failed; the message ends with what it said last.
    """
    with tempfile.TemporaryDirectory() as folder:
        job = {
            "tasks": {name: list(points) for name, points in tasks.items()},
            "folder": folder,
            "data": None if setting.dataset is None else str(setting.dataset.path),
            "sizes": asdict(setting.sizes),
            "seed": setting.seed,
            "threads": threads or torch.get_num_threads(),
        }
        module = ["-m", "recgpt.benchmark.speed.child", json.dumps(job)]
        if processes > 1:
            module = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), *module]
        done = subprocess.run([sys.executable, *module], capture_output=True, text=True)
    if done.returncode:
        raise DataError(
            f"measuring {', '.join(tasks)} in {processes} process(es) failed: {done.stderr.strip()[-2000:]}"
        )
    found: dict[str, list[dict[str, float]]] = {name: [] for name in tasks}
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            point = json.loads(line.removeprefix(MARK))
            found[point.pop("task")].append(point)
    return found
