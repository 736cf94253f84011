"""Bulk work over rows that are cut into shards of fixed bounds, each a file that appears whole, by renaming.

    job = Job("square", Path("out/.parts"), {"of": "numbers"}, n_rows=1_000_000, shard_rows=65_536)
    if not job.resumes():
        job.begin(overwrite=False, remedy="...")
    job.run(open_worker, task_of, workers=2)      # now every one of job.shards has its file job.path(shard)
    job.finish()

What a shard's file holds depends on the shard alone: not on the process that wrote it, nor on a kill before. So the
files of one process and of many (`recgpt.jobs.ray_workers`) are equal, byte for byte.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recgpt.data.fingerprint import read_json, write_json
from recgpt.errors import DataError
from recgpt.jobs.shards import OpenWorker, Shard, write_shard
from recgpt.progress import Meter


@dataclass(frozen=True)
class Job:
    """What is to be done, and the folder that holds what is done of it.

    Attributes
    ----------
    what
        For progress and messages.
    folder
        Of the shards' files and `job.json`; nothing else writes there.
    identity
        JSON values that decide what the files hold; they must agree for a job to be resumed.
    n_rows, shard_rows
        Rows in all, and in each shard but the last.
    """

    what: str
    folder: Path
    identity: Mapping[str, Any]
    n_rows: int
    shard_rows: int

    @cached_property
    def shards(self) -> list[Shard]:
        """All of them, in the order of their rows."""
        starts = range(0, self.n_rows, self.shard_rows)
        return [Shard(start, min(start + self.shard_rows, self.n_rows)) for start in starts]

    def path(self, shard: Shard) -> Path:
        """The file of a shard."""
        return self.folder / f"shard-{shard.start:010d}.npy"

    @property
    def _about(self) -> Path:
        return self.folder / "job.json"

    @property
    def _stated(self) -> dict[str, Any]:
        return {**self.identity, "shard_size": self.shard_rows}

    def is_begun(self) -> bool:
        """Whether the folder holds an unfinished job, be it another one."""
        return self._about.is_file()

    def resumes(self) -> bool:
        """Whether the folder holds the beginnings of this very job."""
        return self.is_begun() and read_json(self._about) == self._stated

    def begin(self, *, overwrite: bool, remedy: str) -> None:
        """Make the folder ready for this job.

        Raises
        ------
        DataError
            Another job's beginnings are there, and `overwrite` is False; `remedy` says what to do instead.
        """
        if self.is_begun() and not overwrite:
            other = read_json(self._about)
            differences = ", ".join(
                f"{key}={other.get(key)!r}, not {value!r}"
                for key, value in self._stated.items()
                if other.get(key) != value
            )
            raise DataError(
                f"{self.folder} holds an unfinished job made with other settings ({differences}): "
                f"finish it with those, or {remedy}"
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        write_json(self._about, self._stated)

    def start(self, result: Path, *, overwrite: bool, remedy: str) -> bool:
        """Whether there is anything to do: True, with the folder ready, unless `result` is there and may stay."""
        if self.resumes():
            return True
        if result.is_file() and not overwrite:
            if not self.is_begun():  # a kill in the midst of `finish`
                shutil.rmtree(self.folder, ignore_errors=True)
            return False
        self.begin(overwrite=overwrite, remedy=remedy)
        return True

    def run(self, open_worker: OpenWorker, task_of: Callable[[Shard], Any], *, workers: int = 1) -> tuple[Counter, int]:
        """Write the shards that are not there yet; what is written stays, whatever ends the run.

        Parameters
        ----------
        open_worker
            Called once in each process, if there is anything to do.
        task_of
            What a worker is told of a shard; called in this process when its turn comes.
        workers
            1 works in this process; more work on Ray.

        Returns
        -------
        The summed figures of the shards written now, and how many rows those have.

        Raises
        ------
        WorkerError
            Ray is not installed, has too few cores, or a shard's worker died again and again.
        """
        for draft in self.folder.glob(".*.draft"):  # of a worker that was killed
            draft.unlink(missing_ok=True)
        missing = [shard for shard in self.shards if not self.path(shard).is_file()]
        n_missing = sum(map(len, missing))
        figures: Counter = Counter()
        with Meter(self.what, self.n_rows, done=self.n_rows - n_missing) as meter:
            if missing and workers > 1:
                from recgpt.jobs.ray_workers import write_on_ray

                files = {shard: self.path(shard).resolve() for shard in missing}
                figures = write_on_ray(self.what, files, open_worker, task_of, workers, meter)
            elif missing:
                work = open_worker()
                for shard in missing:
                    figures.update(write_shard(work, task_of(shard), self.path(shard), meter))
        return figures, n_missing

    def finish(self) -> None:
        """Remove the folder."""
        self._about.unlink()  # first: what is left of the folder after a kill here resumes nothing
        shutil.rmtree(self.folder)
