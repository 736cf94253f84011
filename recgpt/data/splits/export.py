"""Splits as files with outside ids, for other tools, and read back to the same split.

    export_split(split, Path("out"), "csv")            # train.csv, histories.csv, targets.csv, items.csv, export.json
    export_split(split, Path("out"), "recbole")        # NAME.train.inter, NAME.valid.inter, NAME.test.inter, NAME.item
    read_export(Path("out"), dataset)                  # the same split; rows of csv and parquet in any order

`train` holds the interactions to learn from (`user_id, item_id, position`, and `timestamp`, `rating` where known),
`targets` one row a query (`query, user_id, item_id, position`), `histories` its input (`query, step, item_id`), oldest
first. `position` counts a user's interactions in the data set.

RecBole's files are of its sequential benchmarks (`benchmark_filename: [train, valid, test]`, `alias_of_item_id:
[item_id_list]`): one target a row, after `item_id_list`. Training rows are the later interactions of each user's past,
after at most `RECBOLE_ITEMS` items; the last of a user is a row of `valid` instead.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import read_json, write_json
from recgpt.data.identity import dataset_identity, different
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.data.schema import scan_parquet
from recgpt.data.splits.base import Split
from recgpt.errors import ConfigError, DataError
from recgpt.files import file_name, new_folder

ExportFormat = Literal["csv", "parquet", "recbole"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = ("csv", "parquet", "recbole")
RECBOLE_ITEMS = 50
"""Longest `item_id_list` of a training row, RecBole's default of MAX_ITEM_LIST_LENGTH."""
_ABOUT = "export.json"


def export_split(split: Split, folder: Path, form: ExportFormat, *, overwrite: bool = False) -> list[Path]:
    """Write a split with outside ids into a folder, and return the files.

    Raises
    ------
    ConfigError
        Unknown format.
    DataError
        RecBole cannot hold the ids: they contain blanks.
    StorageError
        The folder holds an export already and `overwrite` is False, or it cannot be written.
    """
    if form not in EXPORT_FORMATS:
        raise ConfigError(f"unknown format {form!r} of an export: choose among {', '.join(EXPORT_FORMATS)}")
    with new_folder(
        folder, overwrite=overwrite, what="split's export", holds=lambda path: (path / _ABOUT).exists()
    ) as draft:
        about: dict[str, Any] = {
            "format": form,
            "dataset": split.dataset.name,
            "protocol": split.protocol,
            "seed": split.seed,
            "params": dict(split.params),
            "queries": len(split),
            "n_eligible": split.n_eligible,
            **dataset_identity(split.dataset),
        }
        if form == "recbole":
            stem = file_name(split.dataset.name)
            about["files"] = {part: f"{stem}.{part}.inter" for part in ("train", "valid", "test", "past")}
            _write_recbole(split, draft, stem)
        else:
            for name, table in {**_tables(split), "items": _catalogue(split.dataset)}.items():
                _write(table, draft / f"{name}.{form}")
        write_json(draft / _ABOUT, about)
        names = sorted(path.name for path in draft.iterdir())
    return [folder / name for name in names]


def read_export(folder: Path, dataset: Dataset) -> Split:
    """Read the split that `export_split` wrote; rows of csv and parquet files in any order.

    Raises
    ------
    DataError
        The folder holds no export, one of another data set, or rows that are not of this data set.
    """
    path = folder / _ABOUT
    if not path.is_file():
        raise DataError(f"{folder} holds no {_ABOUT}: name a folder that `recgpt data split --export` wrote")
    about = read_json(path)
    if differences := different(about, dataset_identity(dataset)):
        raise DataError(
            f"{folder} was exported from another data set than {dataset.name} ({', '.join(differences)}): export the"
            " split again"
        )
    if about.get("format") not in EXPORT_FORMATS:
        raise DataError(
            f"{path}: format={about.get('format')!r} is not one of {', '.join(EXPORT_FORMATS)}: export the split again"
        )
    if about["format"] == "recbole":
        train, targets, histories = _read_recbole(folder, about["files"], dataset)
    else:
        train, targets, histories = (_read(folder / f"{name}.{about['format']}", dataset) for name in _NAMES)
    in_past = np.zeros(dataset.n_interactions, dtype=bool)
    in_past[_rows(train, dataset, str(folder))] = True
    targets = targets.sort("query")
    lengths = np.bincount(histories["query"].to_numpy(), minlength=len(targets))
    if len(targets) != about.get("queries") or len(lengths) != len(targets):
        raise DataError(
            f"{folder} has {len(targets):,} targets, {about.get('queries'):,} were exported: export it again"
        )
    items = dataset.item_map.to_dense(histories.sort("query", "step")["item_id"])
    return Split(
        dataset=dataset,
        protocol=about["protocol"],
        seed=about["seed"],
        params=about["params"],
        n_eligible=about["n_eligible"],
        in_past=in_past,
        histories=Ragged(items, offsets_from_lengths(lengths)),
        target_rows=_rows(targets, dataset, str(folder)),
    )


# --- tables ---

_NAMES = ("train", "targets", "histories")


def _tables(split: Split) -> dict[str, pl.DataFrame]:
    rows = np.flatnonzero(split.in_past)
    queries = np.arange(len(split))
    lengths = split.histories.lengths
    steps = np.arange(len(split.histories.values)) - np.repeat(split.histories.offsets[:-1], lengths)
    return {
        "train": _events(split.dataset, rows),
        "targets": _events(split.dataset, split.target_rows).insert_column(0, pl.Series("query", queries)),
        "histories": pl.DataFrame(
            {
                "query": np.repeat(queries, lengths),
                "step": steps,
                "item_id": split.dataset.item_map.to_outside(split.histories.values),
            }
        ),
    }


def _events(dataset: Dataset, rows: np.ndarray) -> pl.DataFrame:
    """Events at `rows` with outside ids."""
    flat = dataset.interactions.select(rows)
    columns: dict[str, Any] = {
        "user_id": dataset.user_map.to_outside(flat.user),
        "item_id": dataset.item_map.to_outside(flat.item),
        "position": rows - dataset.offsets[flat.user],
    }
    if flat.timestamp is not None:
        columns["timestamp"] = pl.Series(flat.timestamp).replace(-1, None)
    if flat.rating is not None:
        columns["rating"] = pl.Series(flat.rating).fill_nan(None)
    return pl.DataFrame(columns)


def _catalogue(dataset: Dataset) -> pl.DataFrame:
    return dataset.items.select("item_id", *dataset.text_columns)


def _write(table: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        table.write_parquet(path)
    else:
        path.write_bytes(table.write_csv().encode())


def _read(path: Path, dataset: Dataset) -> pl.DataFrame:
    """A table of an export, ids of the types of the data set."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: export the split again")
    try:
        if path.suffix == ".parquet":
            table = scan_parquet(path).collect()
        else:
            table = pl.read_csv(path.read_bytes(), infer_schema=False)
        kinds: dict[str, pl.DataType] = dict.fromkeys(("query", "step", "position"), pl.Int64())
        kinds |= {"user_id": dataset.user_map.ids.dtype, "item_id": dataset.item_map.ids.dtype}
        return table.cast({name: kind for name, kind in kinds.items() if name in table.columns})
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} cannot be read ({' '.join(str(error).split())}): export the split again") from error


def _rows(table: pl.DataFrame, dataset: Dataset, where: str) -> np.ndarray:
    """Rows of the data set's interactions that have the users, positions and items of a table."""
    users = dataset.user_map.to_dense(table["user_id"]).astype(np.int64)
    items = dataset.item_map.to_dense(table["item_id"])
    rows = dataset.offsets[users] + table["position"].to_numpy()
    inside = (rows >= dataset.offsets[users]) & (rows < dataset.offsets[users + 1])
    if not inside.all() or not np.array_equal(dataset.interactions.item[rows], items):
        raise DataError(f"{where} has interactions that {dataset.name} does not have: export the split again")
    return rows


# --- RecBole ---


def _write_recbole(split: Split, folder: Path, stem: str) -> None:
    dataset = split.dataset
    users, items = (_tokens(id_map.ids) for id_map in (dataset.user_map, dataset.item_map))
    past_rows = np.flatnonzero(split.in_past)
    past_users = dataset.interactions.user[past_rows]
    is_first = np.ones(len(past_rows), dtype=bool)
    is_first[1:] = past_users[1:] != past_users[:-1]
    is_last = np.ones(len(past_rows), dtype=bool)
    is_last[:-1] = past_users[1:] != past_users[:-1]
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(past_rows)), 0))
    past_items = dataset.interactions.item[past_rows]
    for part, chosen in (("train", ~is_first & ~is_last), ("valid", ~is_first & is_last)):
        queries = ((past_rows[n], past_items[max(starts[n], n - RECBOLE_ITEMS) : n]) for n in np.flatnonzero(chosen))
        _write_rows(folder / f"{stem}.{part}.inter", dataset, users, items, queries)
    tests = zip(split.target_rows, split.histories, strict=True)
    _write_rows(folder / f"{stem}.test.inter", dataset, users, items, tests)
    past: Iterator[tuple[int, np.ndarray | None]] = ((int(row), None) for row in past_rows)
    _write_rows(folder / f"{stem}.past.inter", dataset, users, items, past, with_list=False)
    with (folder / f"{stem}.item").open("w", encoding="utf-8") as file:
        columns = dataset.text_columns
        file.write("\t".join(["item_id:token", *(f"{name}:token_seq" for name in columns)]) + "\n")
        texts = dataset.items.select(pl.col(columns).str.replace_all(r"\s+", " ").str.strip_chars())
        for token, row in zip(items, texts.iter_rows(), strict=True):
            file.write("\t".join([token, *row]) + "\n")


def _write_rows(
    path: Path,
    dataset: Dataset,
    users: list[str],
    items: list[str],
    rows: Iterator[tuple[int, np.ndarray | None]],
    *,
    with_list: bool = True,
) -> None:
    flat = dataset.interactions
    header = ["user_id:token", *(["item_id_list:token_seq"] if with_list else []), "item_id:token", "position:float"]
    header += ["timestamp:float"] if flat.timestamp is not None else []
    with path.open("w", encoding="utf-8") as file:
        file.write("\t".join(header) + "\n")
        for row, history in rows:
            user = flat.user[row]
            fields = [users[user]]
            if history is not None:
                fields.append(" ".join(items[item] for item in history))
            fields += [items[flat.item[row]], str(row - dataset.offsets[user])]
            fields += [str(flat.timestamp[row])] if flat.timestamp is not None else []
            file.write("\t".join(fields) + "\n")


def _tokens(ids: pl.Series) -> list[str]:
    tokens = ids.cast(pl.String)
    blank = tokens.str.contains(r"\s") | (tokens == "")
    if blank.any():
        raise DataError(
            f"{ids.name} {tokens.filter(blank)[0]!r} is empty or holds a space, which RecBole reads as two ids:"
            " export as csv (--export csv)"
        )
    return tokens.to_list()


def _read_recbole(
    folder: Path, files: dict[str, str], dataset: Dataset
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    past = _read_inter(folder / Path(files["past"]).name, dataset)
    test = _read_inter(folder / Path(files["test"]).name, dataset)
    test = test.with_row_index("query").cast({"query": pl.Int64})
    listed = test.select("query", item_id=pl.col("item_id_list").fill_null("").str.split(" "))
    histories = listed.explode("item_id").filter(pl.col("item_id") != "")
    histories = histories.with_columns(step=pl.int_range(pl.len()).over("query"))
    return past, test, histories.cast({"item_id": dataset.item_map.ids.dtype})


def _read_inter(path: Path, dataset: Dataset) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path} does not exist: export the split again")
    try:
        table = pl.read_csv(path.read_bytes(), separator="\t", quote_char=None, infer_schema=False)
        table = table.rename({name: name.partition(":")[0] for name in table.columns})
        return table.cast(
            {"user_id": dataset.user_map.ids.dtype, "item_id": dataset.item_map.ids.dtype, "position": pl.Int64}
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} cannot be read ({' '.join(str(error).split())}): export the split again") from error
