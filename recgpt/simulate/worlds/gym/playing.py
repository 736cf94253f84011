"""Episodes one after another, step by step: for the terminal and for demonstrations.

    for steps in play_episode(engine, policy, max_steps=5):
        print(steps.rating_E)

`ItemList` is the policy that shows given items in their order. Evaluation plays all users at once instead.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recgpt.errors import DataError
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.policies.base import Policy, Views
from recgpt.simulate.worlds.gym.steps import Left, Steps
from recgpt.terminal import plain

ITEM_COLUMNS = ("item_id", "movie_id", "id")
"""Columns of a file for `ItemList` that may hold the items, in order of preference."""
_LISTED = 5  # ids in messages


def play_episode(engine: Engine, policy: Policy, max_steps: int) -> Iterator[Steps]:
    """Outcomes of the steps of an engine's episodes, until the first one ends or after `max_steps`."""
    for _ in range(max_steps):
        views = engine.views()
        item_E = policy.act(views)
        steps = engine.decide(item_E)
        engine.apply(steps)
        policy.observe(views, item_E, steps.rating_E)
        yield steps
        if steps.left_E[0] != Left.NOT:
            return


class ItemList:
    """Policy that shows each user the same items in the same order.

    Parameters
    ----------
    items
        Rows of the catalogue; at least as many as there are steps.
    """

    name = "replay"

    def __init__(self, items: Sequence[int]) -> None:
        self._items = np.asarray(items, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._items)

    def act(self, views: Views) -> np.ndarray:
        """(E,) items at the episodes' places in the list. See `Policy`."""
        return self._items[views.step_E - 1]

    def observe(self, views: Views, item_E: np.ndarray, rating_E: np.ndarray) -> None:
        """Learns nothing. See `Policy`."""

    @classmethod
    def from_csv(cls, path: Path, items: Items) -> "ItemList":
        """Read the items from a column of a CSV file, by their outside ids.

        Raises
        ------
        DataError
            The file cannot be read, has none of `ITEM_COLUMNS`, no rows, or an item that the catalogue lacks.
        """
        place = {name: row for row, name in enumerate(items.ids)}
        found = []
        for line, name in _column(path):
            if name not in place:
                known = ", ".join(map(plain, items.ids[:_LISTED]))
                raise DataError(
                    f"{path}, line {line}: no item {plain(name)!r} among the {len(items):,} of the catalogue: use its"
                    f" ids, such as {known}"
                )
            found.append(place[name])
        if not found:
            raise DataError(f"{path} has no rows: write one for each item to show")
        return cls(found)


def _column(path: Path) -> Iterator[tuple[int, str]]:
    """Line and item of each row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            names = list(rows.fieldnames or ())
            column = next((name for name in ITEM_COLUMNS if name in names), None)
            if column is None:
                raise DataError(
                    f"{path} has no column {', '.join(ITEM_COLUMNS)}: it has {', '.join(map(plain, names)) or 'none'}"
                )
            for row in rows:
                yield rows.line_num, (row[column] or "").strip()
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8 ({error}): export it as one") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): name a CSV file") from error
