"""Recommendation lists that other tools made, evaluated beside the recommenders on the same queries.

    lists = StoredLists.read("theirs", "lists.csv", dataset)
    report = evaluate(split, [make("popularity")], lists=[lists])

A file (CSV, TSV, JSON lines, Parquet) has the outside ids of the data set, `user_id` and `item_id`, and `rank` (the
first is the smallest) or `score` (the first is the largest), one row a recommended item. A user without a list counts
as a miss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.identity import file_sha256
from recgpt.data.ids import IdMap, outside_ids, some
from recgpt.data.schema import collect, is_text, scan_json_lines, scan_parquet
from recgpt.data.splits import Split
from recgpt.errors import DataError
from recgpt.progress import note
from recgpt.ranking import Exclude
from recgpt.recommenders import ALIASES, REGISTRY
from recgpt.recommenders.base import Supervision
from recgpt.terminal import plain


@dataclass(frozen=True)
class StoredLists:
    """The lists of one tool for the users of a data set.

    Attributes
    ----------
    name
        Name in reports.
    user, item
        (n,) dense ids of the recommended items, a list after the other, best first.
    about
        Facts for the report: the file, its hash, the users, the ties.
    """

    supervision: ClassVar[Supervision] = "outside"

    name: str
    user: np.ndarray
    item: np.ndarray
    about: dict[str, Any]

    @classmethod
    def read(cls, name: str, path: str | Path, dataset: Dataset) -> Self:
        """Read the lists of a file.

        Ties of scores are broken by the order of the catalogue, as everywhere, and counted. Lists of unknown users are
        left out, and counted.

        Raises
        ------
        DataError
            The file is missing or empty, lacks a column or a value, has an unknown item, an item twice in a list, two
            items of a list at one rank, or no user of the data set.
        """
        path = Path(path)
        rows, order = _rows(path)
        where = str(path)
        items = _dense(rows["item_id"], dataset.item_map, where)
        if (items < 0).any():
            unknown = rows["item_id"].filter(pl.Series(items < 0)).unique(maintain_order=True)
            raise DataError(
                f"{where}: {len(unknown):,} items are not in {plain(dataset.name)}: {some(unknown, 3)}; write item_id"
                " as in its catalogue"
            )
        users = _dense(rows["user_id"], dataset.user_map, where)
        known = users >= 0
        if not known.any():
            raise DataError(
                f"{where}: none of its users is in {plain(dataset.name)}: it has {some(rows['user_id'], 3)}, the data"
                f" set {some(dataset.user_map.ids, 3)}"
            )
        n_unknown = rows["user_id"].filter(pl.Series(~known)).n_unique()
        table = pl.DataFrame({"user": users, "item": items, "order": order, "row": np.arange(1, len(users) + 1)})
        table = table.filter(pl.Series(known))
        _check_once(table, rows, where)
        n_ties = _ties(table, rows, where)
        table = table.sort("user", "order", "item")
        about = {"file": where, "sha256": file_sha256(path), "users": table["user"].n_unique()}
        about |= {"unknown_users": n_unknown, "tied_scores": n_ties}
        return cls(name, table["user"].to_numpy(), table["item"].to_numpy(), about)

    def for_queries(self, split: Split, k: int) -> dict[Exclude, np.ndarray]:
        """(B, k) best items of each query, with nothing excluded and with its history excluded; -1 for padding."""
        k = min(k, split.dataset.n_items)
        starts, stops = (np.searchsorted(self.user, split.users, side) for side in ("left", "right"))
        lists: dict[Exclude, np.ndarray] = {
            "nothing": np.full((len(split), k), -1, dtype=np.int32),
            "history": np.full((len(split), k), -1, dtype=np.int32),
        }
        for query, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
            items = self.item[start:stop]
            new = items[~np.isin(items, split.histories[query])] if stop > start else items
            lists["nothing"][query, : len(items)] = items[:k]
            lists["history"][query, : len(new)] = new[:k]
        return lists

    def facts(self, split: Split, k: int) -> dict[str, Any]:
        """Facts for a report on these queries: `about`, users without a list, users whose list is shorter than k."""
        users = np.unique(split.users)
        lengths = np.searchsorted(self.user, users, "right") - np.searchsorted(self.user, users, "left")
        missing, short = int((lengths == 0).sum()), int(((lengths > 0) & (lengths < k)).sum())
        found = {**self.about, "users_without_list": missing, "users_with_short_list": short}
        notes = {
            f"{missing:,} of {len(users):,} users have no list, which counts as a miss": missing,
            f"{short:,} lists have fewer than {k} items": short,
            f"{self.about['unknown_users']:,} users are not in the data set and are left out": found["unknown_users"],
            f"{self.about['tied_scores']:,} items share a score and stand in catalogue order": found["tied_scores"],
        }
        for text, count in notes.items():
            if count:
                note(f"{self.name}: {text}", style="yellow")
        return found


def read_lists(named: Sequence[str], dataset: Dataset) -> list[StoredLists]:
    """Lists of texts NAME=FILE.

    Raises
    ------
    DataError
        A text is not NAME=FILE, a name is taken, or a file cannot be read, see `StoredLists.read`.
    """
    found: list[StoredLists] = []
    for text in named:
        name, equals, path = text.partition("=")
        name = name.strip()
        if not equals or not name or not path.strip():
            raise DataError(f"--lists {text!r} is not NAME=FILE, such as theirs=lists.csv")
        if name in {*REGISTRY, *ALIASES, *(each.name for each in found)}:
            raise DataError(f"--lists {text!r}: the name {name!r} is taken: choose another")
        found.append(StoredLists.read(name, path.strip(), dataset))
    return found


def _rows(path: Path) -> tuple[pl.DataFrame, pl.Series]:
    """Ids of a file as they are, and numbers that rise along each list."""
    table = _open(path)
    names = table.collect_schema().names()
    order = next((name for name in ("rank", "score") if name in names), None)
    missing = [name for name in ("user_id", "item_id") if name not in names] + ([] if order else ["rank or score"])
    if missing or order is None:
        raise DataError(
            f"{path} has no column {missing[0]} (it has {', '.join(map(plain, names)) or 'none'}): add it, or rename"
            " the right one"
        )
    rows = collect(table.select("user_id", "item_id", order), str(path))
    if not len(rows):
        raise DataError(f"{path} holds no list: write one row for each recommended item")
    numbers = rows[order].cast(pl.Float64, strict=False)
    for name, bad in (
        ("user_id", rows["user_id"].is_null()),
        ("item_id", rows["item_id"].is_null()),
        (order, ~(numbers.is_finite().fill_null(False))),
    ):
        if bad.any():
            row = int(bad.arg_max() or 0)
            found = "missing" if rows[name][row] is None else repr(rows[name][row])
            raise DataError(f"{path}: {name} in row {row + 1} is {found}, {_KINDS[name]} is needed: correct it")
    return rows, numbers if order == "rank" else -numbers


_KINDS = {"user_id": "an id", "item_id": "an id", "rank": "a finite number", "score": "a finite number"}


def _open(path: Path) -> pl.LazyFrame:
    if not path.is_file():
        raise DataError(f"{path} does not exist: name a file of recommendation lists")
    try:
        match path.suffix:
            case ".csv" | ".tsv":
                separator = "," if path.suffix == ".csv" else "\t"
                table = pl.scan_csv(path.absolute(), glob=False, separator=separator, infer_schema=False)
            case ".jsonl" | ".ndjson":
                table = scan_json_lines(path)
            case ".parquet":
                table = scan_parquet(path)
            case _:
                raise DataError(
                    f"{path}: {path.suffix or 'no suffix'} is none of .csv, .tsv, .jsonl, .ndjson, .parquet: rename"
                    " the file, or export it as CSV"
                )
        table.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read in the format of its suffix: {error}") from error
    return table


def _dense(ids: pl.Series, known: IdMap, where: str) -> np.ndarray:
    """(m,) dense ids, -1 for unknown ones; text of a file without types is compared with numbers as it is written."""
    outside = outside_ids(ids, ids.name, where)
    theirs = known.ids if is_text(outside.dtype) == known.is_text else known.ids.cast(pl.String)
    ours = outside.cast(theirs.dtype, strict=False)
    table = pl.DataFrame({"id": theirs, "dense": np.arange(len(theirs), dtype=np.int32)})
    found = ours.to_frame("id").join(table, on="id", how="left", maintain_order="left")["dense"]
    return found.fill_null(-1).to_numpy()


def _check_once(table: pl.DataFrame, rows: pl.DataFrame, where: str) -> None:
    twice = table.filter(pl.struct("user", "item").is_duplicated())
    if len(twice):
        first = twice["row"][0] - 1
        user, item = rows["user_id"][first], rows["item_id"][first]
        same = twice.filter(user=twice["user"][0], item=twice["item"][0])["row"]
        raise DataError(f"{where}: user {user!r} has item {item!r} twice, in rows {same[0]} and {same[1]}: keep one")


def _ties(table: pl.DataFrame, rows: pl.DataFrame, where: str) -> int:
    """Number of items that share a score with another of their list; DataError for a shared rank."""
    tied = table.filter(pl.struct("user", "order").is_duplicated())
    if len(tied) and "rank" in rows.columns:
        first = tied["row"][0] - 1
        raise DataError(
            f"{where}: user {rows['user_id'][first]!r} has two items at rank {rows['rank'][first]}, one in row"
            f" {first + 1}: give each item of a list its own rank"
        )
    return len(tied)
