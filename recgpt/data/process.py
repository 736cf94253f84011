"""Writing a data set folder from raw tables, and merging data sets: the published steps, out of core.

Tables are scanned, not loaded: memory holds one raw column and the dense event arrays of one data set (20 bytes an
event), never the texts or the embeddings of a catalogue.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recgpt.bounds import read_json
from recgpt.data.dataset import Dataset, Repeats, new_dataset_folder
from recgpt.data.fingerprint import fingerprint_path, fingerprint_sha256, save_blocks, write_json
from recgpt.data.schema import collect, scan_parquet, scan_table
from recgpt.data.text import ALL_TEXT_COLUMNS, has_text
from recgpt.errors import DataError
from recgpt.progress import Meter, note, track

PUBLISHED_MIN_RECORDS = 5
ROWS_PER_BLOCK = 1 << 16
# Fingerprint keys that differ between catalogues; all others must agree before arrays are merged.
CATALOGUE_KEYS = ("items_sha256", "embeddings_sha256", "shape", "dtype", "crc32")


@contextmanager
def workspace(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Make a data set: yields a folder for raw tables, whose parent is the draft that becomes `out` at the end.

    A killed process leaves `out` as it was; the next one deletes the draft and starts over.

    Raises
    ------
    DataError
        `out` holds a data set already and `overwrite` is False.
    StorageError
        Another process is writing `out`, or the disk is full, read-only, ...
    """
    with new_dataset_folder(out, overwrite=overwrite) as draft:
        raw = draft / ".raw"
        raw.mkdir()
        yield raw
        shutil.rmtree(raw)


def write_dataset(
    out: Path,
    work: Path,
    *,
    interactions: pl.LazyFrame,
    items: pl.LazyFrame,
    source: str,
    min_records: int = 1,
    holes: Literal["drop", "refuse"] = "drop",
    keep_cold_items: bool = True,
    read: Mapping[str, int] | None = None,
    left_out: Mapping[str, Mapping[str, int]] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a data set folder from the two tables of a reader.

    The manifest counts the rows read, and those left out by kind (users, items, interactions) and reason.

    Parameters
    ----------
    out, work
        Data set folder, and its `workspace`, into whose parent the data set is written.
    interactions
        Columns `user_id, item_id`, optional `rating`, `split`. Sorted by `position` if present, else by `timestamp`
        (Unix seconds; ties in the order of the source), else in the order of the source.
    items
        Columns `item_id, title` and any of the other text columns.
    source
        Origin of the data, for the manifest.
    min_records
        Minimum number of events of a user; users with fewer are dropped.
    holes
        `drop`: items without text, further rows of an item, and events of such items are dropped and counted, as public
        dumps contain them. `refuse`: they are errors, or appear in `inspect`.
    keep_cold_items
        Whether the catalogue keeps items without interactions.
    read, left_out
        What the reader read before it left rows out, and what it left out, by kind and reason.
    about
        Further entries of the manifest.
    """
    columns = interactions.collect_schema().names()
    order = next((pl.col(c) for c in ("position", "timestamp") if c in columns), pl.int_range(pl.len()))
    raw = work / "raw.parquet"
    _sink(interactions.with_columns(order.alias("position")), raw, source)
    events = scan_parquet(raw)
    if unordered := int(events.select(pl.col("position").null_count()).collect().item()):
        raise DataError(
            f"{source}: {unordered:,} events have no time, so their order is unknown: give them a time, or a"
            " position that orders them"
        )
    read = {"items": _count(items), "interactions": _count(events), **(read or {})}
    kinds = ("users", "items", "interactions")
    reasons = {kind: dict((left_out or {}).get(kind, {})) for kind in kinds}
    if holes == "drop":
        items = items.filter(has_text([c for c in ALL_TEXT_COLUMNS if c in items.collect_schema()]))
        items = items.unique("item_id", keep="first", maintain_order=True)
        _sink(items, work / "items.parquet", source)
        items = scan_parquet(work / "items.parquet")
        known = collect(items.select("item_id"), str(work)).to_series()
        kept = events.filter(pl.col("item_id").is_in(known.implode()))
        n_events = _count(kept)
        if n_events < read["interactions"]:
            read["users"] = int(collect(events.select(pl.col("user_id").n_unique()), source).item())
        reasons["items"] = {"without text or listed before": read["items"] - len(known)}
        reasons["interactions"] = {"of unknown items or items without text": read["interactions"] - n_events}
        kept.sink_parquet(work / "interactions.parquet", compression="lz4", maintain_order=True)
        events = scan_parquet(work / "interactions.parquet")

    dataset = Dataset.from_frames(out.name, events, items, manifest={"source": source, **(about or {})})
    read = {"users": read.get("users", dataset.n_users), **read}
    reasons["users"]["without a usable interaction"] = read["users"] - dataset.n_users
    if min_records > 1 or not keep_cold_items:
        whole = dataset
        dataset = keep_active(whole, user_records=min_records, keep_cold_items=keep_cold_items)
        few = f"fewer than {min_records} interactions"
        reasons["users"][f"with {few}"] = whole.n_users - dataset.n_users
        reasons["interactions"][f"of users with {few}"] = whole.n_interactions - dataset.n_interactions
        reasons["items"]["without interactions"] = whole.n_items - dataset.n_items
    counted = {kind: {reason: n for reason, n in counts.items() if n} for kind, counts in reasons.items()}
    dataset.manifest.update(read=read, left_out={kind: counts for kind, counts in counted.items() if counts})
    dataset.write_files(work.parent)
    note(_summary(out, dataset))


def _summary(out: Path, dataset: Dataset) -> str:
    """One line: size of the data set and, where rows are left out, their number and the reasons."""
    counts = {"users": dataset.n_users, "items": dataset.n_items, "interactions": dataset.n_interactions}
    line = f"{out}: " + ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
    left_out = [
        f"{n:,} {kind if n > 1 else kind[:-1]} {reason}"
        for kind, reasons in dataset.manifest["left_out"].items()
        for reason, n in reasons.items()
    ]
    if left_out:
        read = ", ".join(f"{n:,} {kind}" for kind, n in dataset.manifest["read"].items())
        line += f" (read: {read}; left out: {', '.join(left_out)})"
    return line


def _sink(table: pl.LazyFrame, path: Path, source: str) -> None:
    try:
        table.sink_parquet(path, compression="lz4", maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{source} cannot be read: {error}") from error


def _count(table: pl.LazyFrame) -> int:
    return int(table.select(pl.len()).collect().item())


def keep_active(
    dataset: Dataset,
    *,
    user_records: int = PUBLISHED_MIN_RECORDS,
    item_records: int = 1,
    keep_cold_items: bool = True,
) -> Dataset:
    """k-core filter: drop users and items with fewer events than required, until none is left to drop.

    The published rule is five events a user and any number an item; equal numbers give the k-core.
    """
    user, item = dataset.interactions.user, dataset.interactions.item
    kept = np.ones(len(user), dtype=bool)
    while True:
        users = np.bincount(user[kept], minlength=dataset.n_users)
        items = np.bincount(item[kept], minlength=dataset.n_items)
        still = kept & (users[user] >= user_records) & (items[item] >= item_records)
        if still.sum() == kept.sum():
            break
        kept = still
    active = dataset.select(kept, keep_cold_items=keep_cold_items)
    active.manifest.update(min_user_records=user_records, min_item_records=item_records)
    return active


def merge(paths: Sequence[Path], out: Path, *, repeats: Repeats = "keep", overwrite: bool = False) -> None:
    """Merge data set folders into one, with items and users numbered consecutively in the order of `paths`.

    `maps.parquet` in `out` maps ids back: `dataset, item_id` (as text), `merged_id`. One data set is in memory at a
    time.

    Raises
    ------
    DataError
        `out` holds a data set, two of the data sets have one name, or their rules for repeats differ.
    """
    names = [Path(p).resolve().name for p in paths]
    if len(set(names)) < len(names):
        raise DataError(f"data sets to merge need different folder names, got {', '.join(names)}")
    schemas = [scan_table(Path(p) / "interactions.parquet").collect_schema() for p in paths]
    optional = [c for c in ("timestamp", "rating") if any(c in schema for schema in schemas)]
    types = {"timestamp": pa.int64(), "rating": pa.float32()}
    fields = [("user_id", pa.int64()), ("item_id", pa.int64()), ("position", pa.int64())]
    merged_schema = pa.schema(fields + [(c, types[c]) for c in optional])
    catalogues, maps, merged, sources, rules = [], [], [], [], set()
    n_users = n_items = n_events = 0
    with workspace(out, overwrite=overwrite) as work:
        with (
            pq.ParquetWriter(work / "interactions.parquet", merged_schema) as writer,
            Meter("merge data sets", len(paths)) as meter,
        ):
            for name, path in zip(names, paths, strict=True):
                dataset = Dataset.load(path, repeats=repeats)
                flat = dataset.interactions
                unknown = {"timestamp": np.int64(-1), "rating": np.float32("nan")}
                columns: dict[str, np.ndarray] = {
                    "user_id": flat.user.astype(np.int64) + n_users,
                    "item_id": flat.item.astype(np.int64) + n_items,
                    "position": np.arange(len(flat)) - dataset.offsets[flat.user],
                }
                for column in optional:
                    values = getattr(flat, column)
                    columns[column] = np.full(len(flat), unknown[column]) if values is None else values
                writer.write_table(pa.table(columns, schema=merged_schema))
                merged_id = np.arange(n_items, n_items + dataset.n_items)
                outside = dataset.item_map.ids.cast(pl.String)
                maps.append(
                    pl.LazyFrame({"item_id": outside, "merged_id": merged_id}).with_columns(dataset=pl.lit(name))
                )
                catalogues.append(dataset.scan_items(dataset.text_columns, first_id=n_items))
                merged.append({"name": name, "items": dataset.n_items, "items_sha256": dataset.items_sha256})
                sources += [source.shifted(n_events).to_dict() for source in dataset.sources]
                rules.add(dataset.manifest["repeats"])
                n_users += dataset.n_users
                n_items += dataset.n_items
                n_events += len(flat)
                meter.update(note=name)
        if len(rules) > 1:
            raise DataError(f"the rules for repeats differ ({', '.join(sorted(rules))}): pass the strictest to all")
        items = pl.concat(catalogues, how="diagonal").with_columns(pl.col(pl.String).fill_null(""))
        items.sink_parquet(work / "items.parquet", maintain_order=True)
        manifest = {"name": out.name, "repeats": rules.pop(), "merged": merged, "sources": sources}
        write_json(work / "manifest.json", manifest)
        Dataset.load(work).write_files(work.parent)
        pl.concat(maps).select("dataset", "item_id", "merged_id").sink_parquet(
            work.parent / "maps.parquet", maintain_order=True
        )


def merge_arrays(paths: Sequence[Path], out: Path, array: Literal["embeddings", "tokens"]) -> None:
    """Merge the embeddings (or tokens) of merged data sets into those of `out`, through memory maps, block by block.

    Parameters
    ----------
    paths
        Folders that `out` was merged from, in the same order.

    Raises
    ------
    DataError
        `out` was merged from other folders, or their arrays were made with different encoders or tokenizers.
    """
    merged = Dataset.load(out)
    datasets = [Dataset.load(path) for path in paths]
    expected = [source["items_sha256"] for source in merged.manifest.get("merged", [])]
    if expected != [dataset.items_sha256 for dataset in datasets]:
        raise DataError(f"{out} was not merged from {', '.join(map(str, paths))} in this order: see its manifest.json")
    parts = [getattr(dataset, array)() for dataset in datasets]
    fingerprint = _common_fingerprint([Path(path) / f"{array}.npy" for path in paths])
    fingerprint["items_sha256"] = merged.items_sha256
    embeddings_fingerprint = fingerprint_path(out / "embeddings.npy")
    if array == "tokens" and embeddings_fingerprint.is_file():
        fingerprint["embeddings_sha256"] = fingerprint_sha256(read_json(embeddings_fingerprint))
    blocks = [part[start : start + ROWS_PER_BLOCK] for part in parts for start in range(0, len(part), ROWS_PER_BLOCK)]
    save_blocks(
        out / f"{array}.npy",
        track(blocks, f"merge {array}", total=len(blocks)),
        shape=(merged.n_items, parts[0].shape[1]),
        dtype=parts[0].dtype,
        fingerprint=fingerprint,
    )


def _common_fingerprint(array_paths: Sequence[Path]) -> dict[str, Any]:
    fingerprints = [
        {k: v for k, v in read_json(fingerprint_path(path)).items() if k not in CATALOGUE_KEYS} for path in array_paths
    ]
    for path, fingerprint in zip(array_paths, fingerprints, strict=True):
        if fingerprint != fingerprints[0]:
            raise DataError(
                f"{path} was made with {fingerprint}, {array_paths[0]} with {fingerprints[0]}: make both the same way"
            )
    return fingerprints[0]
