"""Measurements in a child process (`recgpt.benchmark.speed.child`), whose memory is not mixed with other work.

Two peaks for each point: `VmHWM`, reset before it, which includes reclaimable pages of mapped files; and the largest
sampled `RssAnon`, the memory that has to fit.
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
CLEAR_PEAK = "5"  # written to /proc/self/clear_refs, resets VmHWM
MARK = "point "  # prefix of result lines: libraries may print, too


@contextmanager
def peak_memory() -> Iterator[dict[str, float]]:
    """Context manager that measures peak memory: `peak_gigabytes`, and `private_gigabytes` without mapped files.

    The dict is filled on exit; values are NaN on systems without `/proc/self/status`.
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
    """Value of /proc/self/status in GB."""
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(key))


def run_child(
    setting: Setting,
    tasks: Mapping[str, Sequence[int]],
    *,
    processes: int = 1,
    threads: int | None = None,
) -> dict[str, list[dict[str, float]]]:
    """Run tasks of `recgpt.benchmark.speed.child` in a child process, each at its points, one after the other.

    Parameters
    ----------
    processes
        Number of child processes; above 1 a distributed process group.
    threads
        Torch threads in each; by default those of this process.

    Raises
    ------
    DataError
        The process failed; the message ends with the end of its output.
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
