"""Memory of E users: all interactions in order, and the latest of each item in the order of first meeting.

    memory.add(rows, items, ratings)
    memory.remembered(rows)            # what retrieval reads

Time is the number of a user's interactions, from 1.

Shapes: R rows among the E.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recgpt.simulate.worlds.gym.retrieval import Remembered

_FIRST_CAPACITY = 32
_ARRAYS = (
    "items_EM",
    "ratings_EM",
    "times_EM",
    "met_EM",
    "n_E",
    "log_items_ET",
    "log_ratings_ET",
    "n_log_E",
    "clock_E",
)
_FILL = {"items_EM": -1, "log_items_ET": -1, "ratings_EM": np.nan, "log_ratings_ET": np.nan}


@dataclass(frozen=True)
class Past:
    """Memory of one user: its row of each array of `Memory`, without the unused places."""

    arrays: dict[str, np.ndarray]

    @staticmethod
    def flattened(pasts: Sequence["Past"]) -> dict[str, np.ndarray]:
        """All memories end to end, as a handful of arrays."""
        return {name: np.concatenate([np.empty(0), *(past.arrays[name] for past in pasts)]) for name in _ARRAYS}

    @staticmethod
    def unflattened(arrays: dict[str, np.ndarray]) -> list["Past"]:
        """The memories of `flattened`."""
        n_P, n_log_P = (arrays[name].astype(np.int64) for name in ("n_E", "n_log_E"))
        ends = {"EM": np.cumsum(n_P)[:-1], "ET": np.cumsum(n_log_P)[:-1]}
        parts = {name: np.split(arrays[name], ends.get(name[-2:], np.arange(1, len(n_P)))) for name in _ARRAYS}
        return [Past({name: parts[name][place] for name in _ARRAYS}) for place in range(len(n_P))]


class Memory:
    """Memory of E users.

    Attributes
    ----------
    items_EM, ratings_EM, times_EM, met_EM
        (E, M) item, rating and time of the latest interaction, and number of meetings, in the order of first meeting;
        -1 and NaN beyond the last.
    n_E
        (E,) items remembered.
    log_items_ET, log_ratings_ET
        (E, T) all interactions, oldest first; -1 and NaN beyond the last.
    n_log_E, clock_E
        (E,) interactions remembered, and time of the last one.
    """

    def __init__(self, n_rows: int) -> None:
        shape = (n_rows, _FIRST_CAPACITY)
        self.items_EM, self.log_items_ET = (np.full(shape, -1, dtype=np.int32) for _ in range(2))
        self.ratings_EM, self.log_ratings_ET = (np.full(shape, np.nan) for _ in range(2))
        self.times_EM, self.met_EM = (np.zeros(shape, dtype=np.int32) for _ in range(2))
        self.n_E, self.n_log_E, self.clock_E = np.zeros((3, n_rows), dtype=np.int64)

    def find(self, rows: slice | np.ndarray, item_R: np.ndarray) -> np.ndarray:
        """(R,) places of items among the remembered ones; -1 for an item not met."""
        width = self._width(self.n_E[rows])
        is_it_RM = self.items_EM[rows, :width] == item_R[:, None]
        place_R = is_it_RM.argmax(axis=1)
        return np.where(is_it_RM[np.arange(len(place_R)), place_R], place_R, -1)

    def met(self, rows: slice | np.ndarray, item_R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(R,) how often each item was met, and the number of interactions from then to the next one; 0 if never."""
        place_R = self.find(rows, item_R)
        known_R, at_R = place_R >= 0, np.maximum(place_R, 0)
        row_R = self._numbers(rows)
        gap_R = self.clock_E[row_R] + 1 - self.times_EM[row_R, at_R]
        return np.where(known_R, self.met_EM[row_R, at_R], 0).astype(np.int64), np.where(known_R, gap_R, 0)

    def add(
        self, row_R: np.ndarray, item_R: np.ndarray, rating_R: np.ndarray, time_R: np.ndarray | None = None
    ) -> None:
        """Remember one interaction for each of some distinct rows, by default at the next time."""
        if not len(row_R):
            return
        time_R = self.clock_E[row_R] + 1 if time_R is None else time_R
        place_R = self.find(row_R, item_R)
        new_R = place_R < 0
        place_R = np.where(new_R, self.n_E[row_R], place_R)
        self._grow(int(max(place_R.max(), self.n_log_E[row_R].max())) + 1)
        self.items_EM[row_R, place_R] = item_R
        self.ratings_EM[row_R, place_R] = rating_R
        self.times_EM[row_R, place_R] = time_R
        self.met_EM[row_R, place_R] += 1
        self.n_E[row_R] += new_R
        self.log_items_ET[row_R, self.n_log_E[row_R]] = item_R
        self.log_ratings_ET[row_R, self.n_log_E[row_R]] = rating_R
        self.n_log_E[row_R] += 1
        self.clock_E[row_R] = time_R

    def forget(self, rows: np.ndarray) -> None:
        """Empty the memories of some rows."""
        for name in _ARRAYS:
            getattr(self, name)[rows] = _FILL.get(name, 0)

    def remembered(self, rows: slice | np.ndarray) -> Remembered:
        """Items that the users remember, in the order of first meeting."""
        width = self._width(self.n_E[rows])
        return Remembered(self.items_EM[rows, :width], self.ratings_EM[rows, :width], self.times_EM[rows, :width])

    def latest(self, rows: slice | np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """(R, n) items and ratings of the latest interactions, newest first; -1 and NaN beyond them."""
        row_R1 = self._numbers(rows)[:, None]
        place_RH = self.n_log_E[row_R1] - 1 - np.arange(n)
        there_RH, at_RH = place_RH >= 0, np.maximum(place_RH, 0)
        items_RH = np.where(there_RH, self.log_items_ET[row_R1, at_RH], -1)
        return items_RH, np.where(there_RH, self.log_ratings_ET[row_R1, at_RH], np.nan)

    def log(self, rows: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(R, H) all interactions of some rows, oldest first; -1 and NaN beyond them. H is the longest."""
        width = self._width(self.n_log_E[rows])
        return self.log_items_ET[rows, :width].astype(np.int64), self.log_ratings_ET[rows, :width].copy()

    def past(self, row: int) -> Past:
        """Copy of one user's memory."""
        ends = {"EM": self.n_E[row], "ET": self.n_log_E[row]}
        rows = {name: getattr(self, name)[row] for name in _ARRAYS}
        return Past({name: np.atleast_1d(array)[: ends.get(name[-2:], 1)].copy() for name, array in rows.items()})

    def recall(self, row: int, past: Past) -> None:
        """Put a copy of a memory in the place of a row's."""
        self.forget(np.array([row]))
        self._grow(len(past.arrays["log_items_ET"]))
        for name, array in past.arrays.items():
            own = getattr(self, name)
            own[(row, slice(len(array))) if own.ndim == 2 else row] = array if own.ndim == 2 else array[0]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All memories as arrays, without the unused places."""
        widths = {"EM": self._width(self.n_E), "ET": self._width(self.n_log_E)}
        return {
            name: getattr(self, name)[:, : widths[name[-2:]]].copy()
            if name[-2:] in widths
            else getattr(self, name).copy()
            for name in _ARRAYS
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`."""
        self.forget(np.arange(len(self.n_E)))
        self._grow(max(arrays["log_items_ET"].shape[1], arrays["items_EM"].shape[1]))
        for name in _ARRAYS:
            own = getattr(self, name)
            own[(slice(None), slice(arrays[name].shape[1])) if own.ndim == 2 else slice(None)] = arrays[name]

    def _width(self, n_R: np.ndarray) -> int:
        return max(int(n_R.max(initial=0)), 1)

    def _numbers(self, rows: slice | np.ndarray) -> np.ndarray:
        return np.arange(len(self.n_E))[rows]

    def _grow(self, needed: int) -> None:
        capacity = self.items_EM.shape[1]
        if needed <= capacity:
            return
        more = max(needed, 2 * capacity) - capacity
        for name in _ARRAYS:
            array = getattr(self, name)
            if array.ndim == 2:
                setattr(self, name, np.pad(array, ((0, 0), (0, more)), constant_values=_FILL.get(name, 0)))
