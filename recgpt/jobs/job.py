"""Bulk job over rows in shards of fixed bounds; each shard is a file written atomically.

    job = Job("square", Path("out/.parts"), {"of": "numbers"}, n_rows=1_000_000, shard_rows=65_536)
    if not job.resumes():
        job.begin(overwrite=False, remedy="...")
    job.run(open_worker, make_task, workers=2)    # now each of job.shards has its file job.path(shard)
    job.finish()

The content of a shard's file depends on the shard alone, not on the process that wrote it nor on earlier kills. So the
files of one process and of many (`recgpt.jobs.ray_workers`) are equal, byte for byte.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recgpt.bounds import read_json
from recgpt.data.fingerprint import write_json
from recgpt.data.identity import code_version, different, plain
from recgpt.errors import DataError
from recgpt.files import make_folder, require_writable
from recgpt.jobs.shards import OpenWorker, Shard, write_shard
from recgpt.program import resumable
from recgpt.progress import Meter


@dataclass(frozen=True)
class Job:
    """A bulk job: its rows, its identity and the folder of its shards.

    Attributes
    ----------
    title
        Name in progress bars and messages.
    folder
        Folder of the shards' files and `job.json`, for this job only.
    identity
        Resume key: JSON values that determine the content of the files; a job resumes only where they agree.
    n_rows, shard_rows
        Number of rows in all, and in each shard but the last.
    row_bytes
        Bytes of a row in a shard, and about as many in the result: the job starts only where all of them fit.
    """

    title: str
    folder: Path
    identity: Mapping[str, Any]
    n_rows: int
    shard_rows: int
    row_bytes: int = 0

    @cached_property
    def shards(self) -> list[Shard]:
        """All shards, in the order of their rows."""
        starts = range(0, self.n_rows, self.shard_rows)
        return [Shard(start, min(start + self.shard_rows, self.n_rows)) for start in starts]

    def path(self, shard: Shard) -> Path:
        """File of a shard."""
        return self.folder / f"shard-{shard.start:010d}.npy"

    @property
    def _about(self) -> Path:
        return self.folder / "job.json"

    @property
    def _stated(self) -> dict[str, Any]:
        return plain({**code_version(), **self.identity, "shard_size": self.shard_rows})

    def is_begun(self) -> bool:
        """Whether the folder holds an unfinished job, this one or another."""
        return self._about.is_file()

    def resumes(self) -> bool:
        """Whether the folder holds this job, unfinished: the same identity and shard size."""
        return self.is_begun() and not different(read_json(self._about), self._stated)

    def begin(self, *, overwrite: bool, remedy: str) -> None:
        """Create the folder of this job, empty but for `job.json`.

        Raises
        ------
        DataError
            The folder holds another unfinished job and `overwrite` is False; the message ends with `remedy`.
        """
        if self.is_begun() and not overwrite:
            differences = ", ".join(different(read_json(self._about), self._stated))
            raise DataError(
                f"{self.folder} holds an unfinished job made with other settings ({differences}): "
                f"finish it with those, or {remedy}"
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        make_folder(self.folder)
        write_json(self._about, self._stated)

    def start(self, result: Path, *, overwrite: bool, remedy: str) -> bool:
        """Resume or begin the job; returns False if `result` exists and is to be kept."""
        if self.resumes():
            return True
        if result.is_file() and not overwrite:
            if not self.is_begun():  # killed within `finish`
                shutil.rmtree(self.folder, ignore_errors=True)
            return False
        self.begin(overwrite=overwrite, remedy=remedy)
        return True

    def run(
        self, open_worker: OpenWorker, make_task: Callable[[Shard], Any], *, workers: int = 1
    ) -> tuple[Counter, int]:
        """Write the missing shards; finished shards stay on disk, whatever ends the run.

        Parameters
        ----------
        open_worker
            Loader, called once in each process if any shard is missing.
        make_task
            Function from a shard to the input of its worker; called in this process just before the shard starts.
        workers
            Number of processes: 1 is this process, more run on Ray.

        Returns
        -------
        The summed counts of the shards written now, and their number of rows.

        Raises
        ------
        WorkerError
            Ray is not installed, has too few cores, or the workers of a shard died repeatedly.
        StorageError
            The disk has no room for the missing shards and the result.
        """
        for left_by_a_kill in (*self.folder.glob(".*.draft"), *self.folder.glob(".*.lock")):
            left_by_a_kill.unlink(missing_ok=True)
        missing = [shard for shard in self.shards if not self.path(shard).is_file()]
        n_missing = sum(map(len, missing))
        require_writable(self.folder, (n_missing + self.n_rows) * self.row_bytes)
        figures: Counter = Counter()
        stops = resumable("finished shards are kept: the same command goes on")
        with stops, Meter(self.title, self.n_rows, done=self.n_rows - n_missing) as meter:
            if missing and workers > 1:
                from recgpt.jobs.ray_workers import write_on_ray

                files = {shard: self.path(shard).resolve() for shard in missing}
                figures = write_on_ray(self.title, files, open_worker, make_task, workers, meter)
            elif missing:
                work = open_worker()
                for shard in missing:
                    figures.update(write_shard(work, make_task(shard), self.path(shard), meter))
        return figures, n_missing

    def finish(self) -> None:
        """Remove the folder."""
        self._about.unlink()  # first, so that the remains after a kill here are not resumed
        shutil.rmtree(self.folder)
