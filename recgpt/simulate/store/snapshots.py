"""States of a run at some of its steps, as arrays on disk: a cache beside the log, never the truth.

    snapshots = Snapshots(run)
    snapshots.applied(step, len(rows), state.to_arrays)       # kept, where enough events lie between
    step, arrays = snapshots.latest(7)

`RUNS/<id>/snapshots/<step>-<key>.npz`. The key is a hash of the manifest and of the log up to the step, so that a
snapshot of another run of the same id is never read. The folder may be deleted at any time.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from recgpt.bounds import load_npz
from recgpt.errors import DataError
from recgpt.files import new_file
from recgpt.simulate.store.file import SNAPSHOTS_NAME
from recgpt.simulate.store.run import Run

LAYOUT = 2
"""Raise it when worlds keep other arrays for the same state."""
ROWS_BETWEEN = 2_000
"""Least events between two snapshots: replaying them takes some milliseconds."""
BYTES_PER_ROW = 2_048
"""Bytes by which the cache may grow for each event: snapshots of large states are further apart."""
LARGEST_BYTES = 64 << 20
"""Arrays of a state that is not kept, because the cache would outgrow its run."""


class Snapshots:
    """The snapshots of one run.

    Parameters
    ----------
    run
        Open for reading is enough.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._folder = run.path.with_name(SNAPSHOTS_NAME)
        self._rows = 0
        self._rows_between = ROWS_BETWEEN
        self._is_too_large = False

    def latest(self, step: int) -> tuple[int, dict[str, np.ndarray] | None]:
        """The last step up to `step` with a snapshot, and its arrays; 0 and None where there is none."""
        for candidate in sorted(self._steps(), reverse=True):
            if candidate <= step:
                arrays = self._read(self._path(candidate))
                if arrays is not None:
                    return candidate, arrays
        return 0, None

    def applied(self, step: int, n_rows: int, to_arrays: Callable[[], dict[str, np.ndarray]]) -> None:
        """Count a step's events and keep the state if enough came since the last snapshot; a failed write is ignored.

        Parameters
        ----------
        n_rows
            Events of the step.
        to_arrays
            The state's.
        """
        self._rows += n_rows
        if self._rows < self._rows_between or self._is_too_large:
            return
        self._rows, path = 0, self._path(step)
        if path.exists():
            return
        arrays = to_arrays()
        n_bytes = sum(array.nbytes for array in arrays.values())
        self._rows_between = max(ROWS_BETWEEN, n_bytes // BYTES_PER_ROW)
        if n_bytes > LARGEST_BYTES:
            self._is_too_large = True  # states grow: the arrays of later ones are not even made
            return
        with suppress(OSError), new_file(path) as draft, draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)  # a cache: where nothing can be written the run goes on

    def _steps(self) -> list[int]:
        names = [path.name.partition("-")[0] for path in self._folder.glob("*-*.npz")]
        return sorted({int(name) for name in names if name.isdecimal()})

    def _path(self, step: int) -> Path:
        manifest = self._run.manifest.model_dump_json(exclude={"dialects", "retries"})  # they decide no state
        content = f"{LAYOUT}\0{manifest}\0{self._run.hash_at(step)}"
        return self._folder / f"{step:06d}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.npz"

    def _read(self, path: Path) -> dict[str, np.ndarray] | None:
        try:
            return load_npz(path.read_bytes(), str(path))
        except (DataError, OSError):  # of another log, or cut short
            return None
