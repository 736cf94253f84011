"""Items of a catalogue by row or by outside id: what callers pass becomes rows, what they get can be ids again.

    ids = CatalogueIds(3, IdMap(pl.Series("item_id", ["b7", "007", "x"]), "the items table"))
    ids.histories([["007", "b7"]])              # [[1, 0]]: texts are outside ids
    ids.histories([[1, 0]])                     # [[1, 0]]: whole numbers are rows, unless they could be both
    ids.histories([[27, 5]], "outside")         # where the outside ids are whole numbers, say which is meant

Without `ids`, texts are outside ids and whole numbers are rows. Whole numbers that could be both, each an outside id
and each a row, but of other items, are refused.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from recgpt.data.ids import IdMap, dense_ids
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.data.schema import collect, scan_parquet
from recgpt.errors import DataError
from recgpt.files import new_file

IdKind = Literal["rows", "outside"]
"""`rows`: numbers of the catalogue's rows, from 0. `outside`: the ids of its column `item_id`."""

ITEM_IDS_FILE, USER_IDS_FILE = "item_ids.parquet", "user_ids.parquet"
_REMEDY = 'pass ids="outside" for the column item_id, or ids="rows" for rows counted from 0'


class CatalogueIds:
    """Outside ids of the rows of a catalogue.

    Parameters
    ----------
    n_items
        Number of items.
    given
        Ids of the column `item_id`; None for a catalogue without that column, whose ids are its row numbers.
    """

    def __init__(self, n_items: int, given: IdMap | None = None) -> None:
        self.n_items = n_items
        numbers = None if given is None or given.is_text else given.ids.to_numpy()
        self._are_rows = given is None or (numbers is not None and np.array_equal(numbers, np.arange(n_items)))
        self._given = given

    @cached_property
    def id_map(self) -> IdMap:
        """Mapping of outside ids to rows and back."""
        if self._given is not None:
            return self._given
        return IdMap(pl.Series("item_id", range(self.n_items), dtype=pl.Int64), "the catalogue's rows")

    @cached_property
    def array(self) -> np.ndarray:
        """(N,) outside ids, int64 or objects of text."""
        return np.arange(self.n_items) if self._given is None else self._given.ids.to_numpy()

    def of_rows(self, rows: np.ndarray) -> list[int | str]:
        """Outside ids of rows."""
        return list(rows.tolist() if self._given is None else self.id_map.to_outside(rows).to_list())

    def histories(self, histories: Any, ids: IdKind | None = None) -> Any:
        """Histories as rows; `Ragged` ones are rows already.

        Raises
        ------
        DataError
            An unknown or ambiguous id, or not a list of lists.
        """
        _check_kind(ids)
        if ids != "outside" and (isinstance(histories, Ragged) or self._given is None):
            return histories
        if isinstance(histories, str | bytes) or not isinstance(histories, Iterable):
            raise DataError(f"histories={histories!r}: pass a list of histories, each a list of items")
        lists = [_listed(history, f"history {place}") for place, history in enumerate(histories)]
        flat = [item for history in lists for item in history]
        if not self._is_outside(flat, ids, "a history"):
            return lists
        return Ragged(self._rows(flat), offsets_from_lengths(np.array([len(each) for each in lists], dtype=np.int64)))

    def items(self, items: Any, ids: IdKind | None = None, what: str = "candidates") -> np.ndarray:
        """(m,) int64 rows of items.

        Raises
        ------
        DataError
            An unknown or ambiguous id.
        """
        _check_kind(ids)
        if ids != "outside" and self._given is None:
            return dense_ids(items, what)
        listed = _listed(items, what)
        return self._rows(listed) if self._is_outside(listed, ids, what) else dense_ids(listed, what)

    def _rows(self, outside: list[Any]) -> np.ndarray:
        return self.id_map.to_dense(outside).astype(np.int64)

    def _is_outside(self, values: list[Any], ids: IdKind | None, what: str) -> bool:
        if ids is not None:
            return ids == "outside"
        texts = [isinstance(value, str) or not isinstance(value, int | float | np.generic) for value in values]
        if any(texts):
            return True  # also of mixed lists, which `IdMap` refuses
        if self.id_map.is_text or self._are_rows or not values:
            return False
        numbers = np.unique(np.asarray(values))
        if numbers.dtype.kind not in "iu" or not np.isin(numbers, self.id_map.ids.to_numpy()).all():
            return False
        beyond = numbers[(numbers < 0) | (numbers >= self.n_items)]
        if len(beyond):
            raise DataError(f"{what} holds {beyond[0]}, which is an item_id and no row of the catalogue: {_REMEDY}")
        shown = ", ".join(map(str, numbers[:3].tolist()))
        raise DataError(f"{what} holds {shown}, which may be rows of the catalogue or its item_id: {_REMEDY}")

    # --- files ---

    def save(self, folder: Path) -> None:
        """Write the ids beside an index, as `item_ids.parquet`; nothing for row numbers."""
        if self._given is None:
            (folder / ITEM_IDS_FILE).unlink(missing_ok=True)
            return
        draft = folder / "item_ids.draft"
        self.id_map.ids.rename("item_id").to_frame().write_parquet(draft)
        draft.replace(folder / ITEM_IDS_FILE)

    @classmethod
    def open(cls, folder: Path, n_items: int) -> "CatalogueIds":
        """Read what `save` wrote.

        Raises
        ------
        DataError
            The file is damaged, or of another number of items.
        """
        path = folder / ITEM_IDS_FILE
        if not path.is_file():
            return cls(n_items)
        try:
            ids = collect(scan_parquet(path).select("item_id"), str(path)).to_series()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path} is damaged ({error}): index the catalogue again") from error
        if len(ids) != n_items:
            raise DataError(f"{path} has {len(ids)} ids for {n_items} items: index the catalogue again")
        return cls(n_items, IdMap(ids, str(path)))


def save_users(users: IdMap | None, folder: Path) -> None:
    """Write the ids of an index's users as `user_ids.parquet`; nothing without such ids."""
    path = folder / USER_IDS_FILE
    if users is None:
        path.unlink(missing_ok=True)
        return
    with new_file(path) as draft:
        users.ids.rename("user_id").to_frame().write_parquet(draft)


def open_users(folder: Path) -> IdMap | None:
    """Read what `save_users` wrote; None without such a file."""
    path = folder / USER_IDS_FILE
    if not path.is_file():
        return None
    return IdMap(collect(scan_parquet(path).select("user_id"), str(path)).to_series(), str(path))


def ids_from_texts(id_map: IdMap, texts: Sequence[str], what: str) -> np.ndarray:
    """(m,) dense ids of outside ids that were typed, such as on the command line.

    Raises
    ------
    DataError
        A text is no id of the map; the message names it.
    """
    values: list[Any] = list(texts)
    if not id_map.is_text:
        for text in texts:
            if not text.lstrip("-").isdecimal():
                raise DataError(
                    f"{what} {text!r}: the ids of {id_map.where} are whole numbers, such as {id_map.ids[0]}"
                )
        values = [int(text) for text in texts]
    known = set(id_map.ids.to_list())
    for value, text in zip(values, texts, strict=True):
        if value not in known:
            raise DataError(
                f"{what} {text!r} is not among the {len(id_map):,} ids of {id_map.where}: check its spelling"
            )
    return id_map.to_dense(values) if values else np.empty(0, dtype=np.int32)


def names_of_items(titles: Sequence[str] | None, id_map: IdMap) -> list[str]:
    """Name of each item for display: its title, or its id where it has none."""
    ids = id_map.ids.to_list()
    if titles is None:
        return [f"item {each}" for each in ids]
    return [title if title and title.strip() else str(each) for title, each in zip(titles, ids, strict=True)]


def _check_kind(ids: IdKind | None) -> None:
    if ids not in (None, "rows", "outside"):
        raise DataError(f'ids={ids!r} is unknown: use "rows" or "outside", or leave it out')


def _listed(values: Any, what: str) -> list[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise DataError(f"{what} is {values!r}: pass a list of items, also for a single one")
    if isinstance(values, np.ndarray):
        return list(values.tolist())
    to_list = getattr(values, "to_list", None)  # series of polars and pandas
    return list(values if to_list is None else to_list())
