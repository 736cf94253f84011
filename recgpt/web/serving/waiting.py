"""Waiting line in front of a function that is faster on many arguments at once: one call takes all that wait.

    line = WaitingLine(most_waiting=512)
    line.start()
    ranking = await line.call(service.rank, request)    # with the requests that wait beside it: one call on a thread
    await line.close()                                  # after the last job

All functions run on one thread, in the order of arrival, so that an update never meets a ranking. Nothing waits for
others to come: a batch has the jobs that arrived during the batch before it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

MOST_TOGETHER = 64
MOST_WAITING = 512
PATIENCE_S = 10.0

Work = Callable[[Sequence[Any]], Sequence[Any]]
"""Results of several arguments, in their order; an exception among the results is the failure of one argument."""


class BusyError(Exception):
    """More requests wait than the service takes, or one has waited too long; to be sent again a little later."""


@dataclass(frozen=True)
class Job:
    """One argument that waits, the future of its result, and the time of its arrival."""

    work: Work
    argument: Any
    done: "asyncio.Future[Any]"
    since: float


class WaitingLine:
    """Jobs in order of arrival, worked on one thread; neighbours with the same function go in one call.

    Parameters
    ----------
    most_waiting
        Jobs that may wait; further ones are refused.
    most_together
        Jobs of one call.
    patience_s
        Seconds a job may wait for its turn.

    Attributes
    ----------
    on_batch
        Called with the number of jobs of each call.
    """

    def __init__(
        self,
        most_waiting: int = MOST_WAITING,
        most_together: int = MOST_TOGETHER,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._most_waiting, self._most_together, self._patience_s = most_waiting, most_together, patience_s
        self.on_batch: Callable[[int], None] = lambda n_jobs: None
        self._jobs: deque[Job] = deque()
        self._arrival = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recgpt-serving")
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def start(self) -> None:
        """Begin to work; inside a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Work all jobs that wait, then end the thread."""
        self._closing = True
        self._arrival.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def call(self, work: Work, argument: Any) -> Any:
        """Result of `work` on one argument.

        Raises
        ------
        BusyError
            Too many jobs wait, or this one has waited too long.
        """
        if len(self._jobs) >= self._most_waiting:
            raise BusyError(f"{len(self._jobs):,} requests wait already: send it again in a second")
        job = Job(work, argument, asyncio.get_running_loop().create_future(), time.monotonic())
        self._jobs.append(job)
        self._arrival.set()
        return await job.done

    async def _run(self) -> None:
        while self._jobs or not self._closing:
            if not self._jobs:
                self._arrival.clear()
                await self._arrival.wait()
                continue
            batch = self._next_batch()
            if batch:
                self.on_batch(len(batch))
                await self._work(batch)

    def _next_batch(self) -> list[Job]:
        """Jobs from the head of the line with the same function, without cancelled ones."""
        batch: list[Job] = []
        while self._jobs and len(batch) < self._most_together:
            job = self._jobs[0]
            if batch and job.work != batch[0].work:
                break
            self._jobs.popleft()
            waited_s = time.monotonic() - job.since
            if job.done.done():
                continue
            if waited_s > self._patience_s:
                job.done.set_exception(BusyError(f"it waited {waited_s:.0f} s for its turn: send it again later"))
                continue
            batch.append(job)
        return batch

    async def _work(self, batch: list[Job]) -> None:
        arguments = [job.argument for job in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._thread, batch[0].work, arguments)
        except Exception as error:  # each of the requests is answered with it
            results = [error] * len(batch)
        for job, result in zip(batch, results, strict=True):
            if job.done.done():  # its request was cancelled
                continue
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)
