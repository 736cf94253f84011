"""Shards on Ray: worker processes that load their model once and have at most two assigned shards at a time.

Without `RAY_ADDRESS` the workers run on this machine, in a Ray instance that ends with the job; with it they join that
cluster, whose machines must see the job's folder, and all files that the workers load, under the same paths.

Results are files, so this process holds only the tasks of assigned shards. A worker that dies is replaced and its shard
repeated; after `ATTEMPTS` deaths on one shard the job ends with an error.
"""

import logging
import math
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from recgpt.errors import WorkerError
from recgpt.jobs.shards import Counts, OpenWorker, Shard, Work, write_shard
from recgpt.progress import Meter, note

ASSIGNED = 2  # shards a worker: the current one and the next, so that it never waits
ATTEMPTS = 4  # deaths of workers on one shard before the job ends


class _Worker:
    """Worker process (a Ray actor)."""

    def __init__(self, open_worker: OpenWorker, n_threads: int) -> None:
        self._open_worker, self._n_threads = open_worker, n_threads
        self._work: Work | None = None

    def write(self, task: Any, path: Path) -> Counts:
        if self._work is None:  # here, not in __init__, so that its errors are reported like those of a shard
            torch.set_num_threads(self._n_threads)
            self._work = self._open_worker()
        return write_shard(self._work, task, path, Meter("", 0, disable=True))


@dataclass
class _Seat:
    """A worker and its assigned shards, the current one first."""

    actor: Any
    shards: deque[tuple[Shard, Any]] = field(default_factory=deque)


def write_on_ray(
    title: str,
    files: Mapping[Shard, Path],
    open_worker: OpenWorker,
    make_task: Callable[[Shard], Any],
    workers: int,
    meter: Meter,
) -> Counter:
    """Write each shard to its file on at most `workers` Ray workers. See `recgpt.jobs.job.Job.run`."""
    with _cluster(workers) as (ray, reserved, n_threads):
        hire = ray.remote(**reserved)(_Worker).remote
        seats = [_Seat(hire(open_worker, n_threads)) for _ in range(min(workers, len(files)))]
        try:
            return _drive(ray, title, files, seats, lambda: hire(open_worker, n_threads), make_task, meter)
        finally:
            for seat in seats:
                ray.kill(seat.actor)


def _drive(
    ray: Any,
    title: str,
    files: Mapping[Shard, Path],
    seats: list[_Seat],
    replacement: Callable[[], Any],
    make_task: Callable[[Shard], Any],
    meter: Meter,
) -> Counter:
    todo = deque(files)
    figures: Counter = Counter()
    deaths: Counter = Counter()
    while True:
        for _ in range(ASSIGNED):  # one each before any worker gets a second
            for seat in seats:
                if todo and len(seat.shards) < ASSIGNED:
                    shard = todo.popleft()
                    seat.shards.append((shard, seat.actor.write.remote(make_task(shard), files[shard])))
        heads = {seat.shards[0][1]: seat for seat in seats if seat.shards}
        if not heads:
            return figures
        done, _ = ray.wait(list(heads), num_returns=1)
        seat = heads[done[0]]
        shard = seat.shards[0][0]
        try:
            figures.update(ray.get(done[0]))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:  # the worker is gone: killed, out of memory, its machine lost
            deaths[shard] += 1
            if deaths[shard] == ATTEMPTS:
                raise WorkerError(
                    f"{title}: {ATTEMPTS} workers died while they worked on the rows {shard.start} to {shard.stop - 1} "
                    f"({str(error).splitlines()[0]}): use fewer workers if memory ran out; "
                    f"the same command goes on with what is done"
                ) from error
            note(
                f"{title}: a worker died ({type(error).__name__}); another takes over from row {shard.start}",
                style="yellow",
            )
            todo.extendleft(reversed([mine for mine, _ in seat.shards]))
            seat.shards.clear()
            ray.kill(seat.actor)  # it may only have been out of reach
            seat.actor = replacement()
            continue
        if not files[shard].is_file():
            raise WorkerError(
                f"{title}: a worker wrote {files[shard]}, which is not on this machine: "
                f"use a folder that all machines of the cluster share"
            )
        seat.shards.popleft()
        meter.update(len(shard))


@contextmanager
def _cluster(workers: int) -> Iterator[tuple[Any, dict[str, float], int]]:
    """Ray, the resources of each worker, and its number of threads."""
    try:
        import ray
    except ImportError as error:
        raise WorkerError(f"{workers} workers run on Ray, which is not installed: pip install 'recgpt[ray]'") from error
    joined = ray.is_initialized()  # by the calling program
    address = os.environ.get("RAY_ADDRESS")
    with redirect_stdout(sys.stderr):  # Ray prints dead workers, even on shutdown
        if not joined and address:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        elif not joined:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(
                "local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
            )
        try:
            yield ray, *_shares(ray, workers, alone=not (joined or address))
        finally:
            if not joined:
                ray.shutdown()


def _shares(ray: Any, workers: int, *, alone: bool) -> tuple[dict[str, float], int]:
    """Resources of each worker, and its number of threads."""
    if alone:
        n_threads = max(1, torch.get_num_threads() // workers)
        reserved: dict[str, float] = {"num_cpus": 1}
    else:
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        n_threads = cores_each([int(resources.get("CPU", 0)) for resources in alive], workers)
        reserved = {"num_cpus": n_threads}
    if n_gpus := int(ray.cluster_resources().get("GPU", 0)):
        reserved["num_gpus"] = 1 / math.ceil(workers / n_gpus)
    return reserved, n_threads


def cores_each(cores: Sequence[int], workers: int) -> int:
    """Largest number of cores that each worker can have, equal for all, on machines with `cores` each.

    Raises
    ------
    WorkerError
        There are fewer cores than workers.
    """
    for share in range(sum(cores) // workers, 0, -1):
        if sum(n // share for n in cores) >= workers:
            return share
    raise WorkerError(f"the cluster has {sum(cores)} cores for {workers} workers: ask for {sum(cores)} at most")
