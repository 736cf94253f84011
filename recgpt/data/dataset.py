"""One data set in memory: a catalogue, the users' sequences in order, and the arrays made from its texts.

    dataset = Dataset.load("data/steam", repeats="drop")
    dataset.sequences[0]                      # dense item ids of the first user, oldest first
    dataset.item_map.to_outside([3, 1, 4])    # the ids of the source

Ids are dense in memory (items 0..N-1 in catalogue order, users 0..U-1 in the order of their outside ids); `IdMap` alone
translates. Texts and other item columns are read from disk on use only.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from recgpt.arguments import check_path, check_type
from recgpt.bounds import read_json
from recgpt.data import identity, schema
from recgpt.data.fingerprint import fingerprint_path, fingerprint_sha256, load_array, save_array, write_json
from recgpt.data.ids import IdMap, check_whole, dense_ids, some
from recgpt.data.provenance import Source, sources_as_read
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.data.text import ALL_TEXT_COLUMNS, TEXT_TEMPLATES
from recgpt.data.times import read_times
from recgpt.errors import DataError
from recgpt.files import new_folder

Repeats = Literal["keep", "drop-consecutive", "drop"]
REPEATS: tuple[Repeats, ...] = ("keep", "drop-consecutive", "drop")
ROWS_PER_BLOCK = 1 << 17


@dataclass(frozen=True, eq=False)
class Interactions:
    """Interactions as flat arrays, in order.

    Parameters
    ----------
    user, item
        (R,) int32, dense ids.
    timestamp
        (R,) int64, Unix seconds, -1 where unknown; None where the source has none.
    rating
        (R,) float32, NaN where unknown; None where the source has none.

    Raises
    ------
    DataError
        An id or a time is no whole number, times are no Unix seconds, a rating is infinite, or lengths differ.
    """

    user: np.ndarray
    item: np.ndarray
    timestamp: np.ndarray | None = None
    rating: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("user", "item", "timestamp"):
            values = getattr(self, name)
            if isinstance(values, np.ndarray):
                check_whole(values, f"{name} of the interactions")
            elif values is not None:
                object.__setattr__(self, name, dense_ids(values, f"{name} of the interactions"))
        if self.timestamp is not None and len(self.timestamp) and self.timestamp.max() > schema.MAX_SECONDS:
            raise DataError(
                f"timestamp of the interactions holds {self.timestamp.max()}: Unix seconds are needed, -1 = unknown"
            )
        if self.rating is not None and np.isinf(self.rating).any():
            raise DataError("rating of the interactions holds infinity: finite ratings are needed, NaN = unknown")
        lengths = {name: len(values) for name, values in vars(self).items() if values is not None}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns of the interactions have different lengths: {lengths}")

    def __len__(self) -> int:
        return len(self.user)

    def select(self, rows: np.ndarray) -> "Interactions":
        """The events at `rows` (indices or a mask), in that order."""
        return Interactions(
            self.user[rows],
            self.item[rows],
            None if self.timestamp is None else self.timestamp[rows],
            None if self.rating is None else self.rating[rows],
        )


class Dataset:
    """A catalogue and the interactions of its users, validated. Make one with `load` or `from_frames`.

    Attributes
    ----------
    name
        Name of the data set, for reports.
    path
        Folder; None for a data set made in memory.
    manifest
        Source, counts, and the rule applied to repeats.
    interactions
        R events, user by user, within a user by `position`; ties are never re-sorted.
    offsets
        (U + 1,) int64: user u's events are `offsets[u]:offsets[u + 1]`.
    item_map, user_map
        Mappings of outside ids to dense ids and back.
    split
        (R,) int8 index into `schema.SPLIT_NAMES`, the published split; None without one.
    """

    def __init__(
        self,
        *,
        name: str,
        path: Path | None,
        manifest: dict[str, Any],
        items: pl.LazyFrame,
        item_map: IdMap,
        user_map: IdMap,
        interactions: Interactions,
        split: np.ndarray | None,
        sources: Sequence[Source] | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.manifest = manifest
        self.item_map = item_map
        self.user_map = user_map
        self.interactions = interactions
        self.split = split
        self.offsets = offsets_from_lengths(np.bincount(interactions.user, minlength=len(user_map)))
        self._items = items
        self._sources = sources

    # --- making and writing ---

    @classmethod
    def load(cls, path: str | Path, *, repeats: Repeats = "keep", items: str = "items.parquet") -> "Dataset":
        """Read and validate a data set folder.

        Parameters
        ----------
        path
            Folder with `interactions.parquet` (`user_id, item_id, position`, optional `timestamp, rating, split`;
            timestamps are Unix seconds if they are whole numbers, else see `recgpt.data.times`) and
            `items.parquet` (`item_id, title`, optional `categories, brand, description`, more allowed).
        repeats
            Rule for repeated items of a user, see `drop_repeats`.
        items
            File name of the catalogue, for folders with several.

        Raises
        ------
        DataError
            Anything missing, damaged, of the wrong type, unknown or double; the message names it and its place.
        """
        check_path(path, "the folder of a data set")
        path = Path(path)
        manifest_path = path / "manifest.json"
        manifest = read_json(manifest_path) if manifest_path.is_file() else {}
        manifest.pop("items_sha256", None)  # `save` computes the hashes again
        stored_sha256 = manifest.pop("interactions_sha256", None)
        if manifest.get("repeats", "keep") not in REPEATS:
            raise DataError(f"{manifest_path}: repeats={manifest['repeats']!r} is not one of {', '.join(REPEATS)}")
        name = manifest.get("name", path.resolve().name)
        if not isinstance(name, str):
            raise DataError(f"{manifest_path}: name={name!r} is no text: write a name in quotes")
        dataset = cls._build(
            name=name,
            path=path,
            manifest=manifest,
            interactions=schema.scan_table(path / "interactions.parquet"),
            items=schema.scan_table(path / items),
            where=(str(path / "interactions.parquet"), str(path / items)),
        )
        is_own_catalogue = items == "items.parquet"
        if is_own_catalogue and stored_sha256 not in (None, dataset.interactions_sha256):
            raise DataError(
                f"{path}: interactions.parquet and items.parquet are not the two that {manifest_path.name} describes:"
                " they were replaced half-way, or by hand. Make the data set again, or delete interactions_sha256 from"
                f" {manifest_path} if they belong together"
            )
        return dataset.drop_repeats(repeats)

    @classmethod
    def from_frames(
        cls,
        name: str,
        interactions: pl.DataFrame | pl.LazyFrame,
        items: pl.DataFrame | pl.LazyFrame,
        *,
        manifest: Mapping[str, Any] | None = None,
    ) -> "Dataset":
        """Make a data set from two tables (or lazy frames) with the columns and checks of `load`."""
        for what, table in (("interactions", interactions), ("items", items)):
            check_type(table, (pl.DataFrame, pl.LazyFrame), what, "give a polars table (polars.from_pandas converts)")
        return cls._build(
            name=name,
            path=None,
            manifest=dict(manifest or {}),
            interactions=interactions.lazy(),
            items=items.lazy(),
            where=(f"{name}: interactions", f"{name}: items"),
        )

    @classmethod
    def _build(
        cls,
        *,
        name: str,
        path: Path | None,
        manifest: dict[str, Any],
        interactions: pl.LazyFrame,
        items: pl.LazyFrame,
        where: tuple[str, str],
    ) -> "Dataset":
        in_interactions, in_items = where
        items = schema.check_items(items, in_items)
        item_map = IdMap(_column(items, "item_id", in_items), in_items)
        columns = interactions.collect_schema()
        if "timestamp" in columns and not columns["timestamp"].is_integer():
            times = read_times(interactions, "timestamp", in_interactions)
            interactions = interactions.with_columns(timestamp=times.seconds)
        interactions = schema.check_interactions(interactions, item_map.ids.dtype, in_interactions)

        # One column at a time: a single raw column (text ids may be long) is in memory beside the dense arrays.
        users = _column(interactions, "user_id", in_interactions)
        if users.is_empty():
            raise DataError(f"{in_interactions} is empty: a data set needs at least one interaction")
        user_map = IdMap(users.unique().sort(), in_interactions)
        user = user_map.to_dense(users)
        del users
        item = item_map.to_dense(_column(interactions, "item_id", in_interactions))
        order = _order(user, _column(interactions, "position", in_interactions).to_numpy())
        optional: dict[str, np.ndarray | None] = {"timestamp": None, "rating": None, "split": None}
        present = interactions.collect_schema()
        for column in optional:
            if column in present:
                optional[column] = _column(interactions, column, in_interactions).to_numpy()
        flat = Interactions(user, item, optional["timestamp"], optional["rating"])
        split = optional["split"]
        if order is not None:
            flat, split = flat.select(order), None if split is None else split[order]
        manifest = {"name": name, "repeats": "keep", **manifest, **_counts(flat, item_map, user_map)}
        return cls(
            name=name,
            path=path,
            manifest=manifest,
            items=items,
            item_map=item_map,
            user_map=user_map,
            interactions=flat,
            split=split,
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write `interactions.parquet`, `items.parquet` and `manifest.json`; `load` returns the same data set.

        The folder is written aside and takes its place as a whole; its other files stay.

        Raises
        ------
        DataError
            The folder holds a data set already and `overwrite` is False.
        StorageError
            Another process is writing the folder, or the disk is full, read-only, ...
        """
        with new_dataset_folder(Path(path), overwrite=overwrite) as draft:
            self.write_files(draft)

    def write_files(self, folder: Path) -> None:
        """Write the two tables and `manifest.json` into a folder in the making, see `new_dataset_folder`."""
        flat = self.interactions
        position = np.arange(len(flat)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))
        columns: dict[str, Any] = {
            "user_id": self.user_map.to_outside(flat.user),
            "item_id": self.item_map.to_outside(flat.item),
            "position": position,
        }
        if flat.timestamp is not None:
            columns["timestamp"] = flat.timestamp
        if flat.rating is not None:
            columns["rating"] = flat.rating
        if self.split is not None:
            columns["split"] = pl.Series(self.split).replace_strict(
                dict(enumerate(schema.SPLIT_NAMES)), return_dtype=pl.String
            )
        pl.LazyFrame(columns).sink_parquet(folder / "interactions.parquet", maintain_order=True)
        self._items.sink_parquet(folder / "items.parquet", maintain_order=True)
        hashes = {"items_sha256": self.items_sha256, "interactions_sha256": self.interactions_sha256}
        sources = [source.to_dict() for source in self._made_from() if source.is_stored]
        write_json(folder / "manifest.json", {**self.manifest, **hashes, "sources": sources})

    @cached_property
    def sources(self) -> Sequence[Source]:
        """Data sets, as they were read, that the events come from; this one alone if it was read from two tables."""
        return sources_as_read(self) if self._sources is None else self._sources

    def _made_from(self) -> Sequence[Source]:
        """Sources other than this data set itself."""
        return self.sources[1:] if self._sources is None else self.sources

    # --- users and their sequences ---

    @property
    def n_users(self) -> int:
        """Number of users, U."""
        return len(self.user_map)

    @property
    def n_items(self) -> int:
        """Number of catalogue items, N, with or without interactions."""
        return len(self.item_map)

    @property
    def n_interactions(self) -> int:
        """Number of interactions, R."""
        return len(self.interactions)

    @property
    def sequences(self) -> Ragged:
        """Dense item ids, one sequence a user."""
        return Ragged(self.interactions.item, self.offsets)

    def drop_repeats(self, rule: Repeats) -> "Dataset":
        """Apply a rule to repeated items of a user; users and catalogue stay, the manifest states the rule.

        Parameters
        ----------
        rule
            `keep`: nothing is dropped. `drop-consecutive`: a run of one item becomes its first event.
            `drop`: every user-item pair keeps its first event only.
        """
        if rule not in REPEATS:
            raise DataError(f"repeats={rule!r} is not one of {', '.join(REPEATS)}")
        if REPEATS.index(rule) <= REPEATS.index(self.manifest["repeats"]):
            return self
        user, item = self.interactions.user, self.interactions.item
        if rule == "drop":
            kept = (pl.Series(user).cast(pl.Int64) * self.n_items + pl.Series(item)).is_first_distinct().to_numpy()
        else:
            kept = np.ones(len(user), dtype=bool)
            kept[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
        dataset = self.select(kept)
        dataset.manifest["repeats"] = rule
        return dataset

    def select(self, kept: np.ndarray, *, keep_cold_items: bool = True) -> "Dataset":
        """Keep the events where the mask `kept` (R,) is true, and the users with at least one of them.

        Parameters
        ----------
        keep_cold_items
            Whether the catalogue keeps items without a kept event; if not, dense item ids change.

        Raises
        ------
        DataError
            No event is kept.
        """
        flat = self.interactions.select(kept)
        if not len(flat):
            raise DataError(f"{self.name}: no interaction is left: leave out fewer of them")
        items, item_map, user_map = self._items, self.item_map, self.user_map
        events_of_user = np.bincount(flat.user, minlength=self.n_users)
        if not events_of_user.all():
            users = np.flatnonzero(events_of_user)
            user_map = IdMap(user_map.to_outside(users), user_map.where)
            user = np.repeat(np.arange(len(users), dtype=np.int32), events_of_user[users])
            flat = replace(flat, user=user)
        if not keep_cold_items:
            taken = np.bincount(flat.item, minlength=self.n_items) > 0
            ids = item_map.to_outside(np.flatnonzero(taken))
            items = items.filter(pl.col("item_id").is_in(ids.implode()))
            item_map = IdMap(ids, item_map.where)
            flat = replace(flat, item=(np.cumsum(taken, dtype=np.int32) - 1)[flat.item])
        return Dataset(
            name=self.name,
            path=self.path if keep_cold_items else None,
            manifest={**self.manifest, **_counts(flat, item_map, user_map)},
            items=items,
            item_map=item_map,
            user_map=user_map,
            interactions=flat,
            split=None if self.split is None else self.split[kept],
            sources=[source.select(kept) for source in self.sources],
        )

    @cached_property
    def interactions_sha256(self) -> str:
        """Hash of all users' sequences of dense item ids."""
        digest = hashlib.sha256(f"{self.n_users} {self.n_items}".encode())
        digest.update(np.ascontiguousarray(self.interactions.user).data)
        digest.update(np.ascontiguousarray(self.interactions.item).data)
        return digest.hexdigest()

    @cached_property
    def content_sha256(self) -> str:
        """Hash of all columns of both tables, see `recgpt.data.identity`."""
        return identity.content_sha256(self)

    # --- the catalogue ---

    @cached_property
    def items(self) -> pl.DataFrame:
        """The catalogue, row i is dense item i; `item_id` is the outside id. Read whole on first use."""
        return schema.collect(self._items, f"{self.name}: items")

    def scan_items(self, columns: list[str], first_id: int) -> pl.LazyFrame:
        """Some columns of the catalogue as a lazy frame, under new ids counted from `first_id`."""
        return self._items.select(columns).with_row_index("item_id", offset=first_id).cast({"item_id": pl.Int64})

    @property
    def text_columns(self) -> list[str]:
        """Catalogue columns that text templates read."""
        present = self._items.collect_schema()
        return [c for c in ALL_TEXT_COLUMNS if c in present]

    @property
    def other_columns(self) -> list[str]:
        """Catalogue columns that are neither the id nor read by text templates."""
        return [c for c in self._items.collect_schema() if c not in ("item_id", *ALL_TEXT_COLUMNS)]

    def item_blocks(self, columns: list[str], start: int = 0, stop: int | None = None) -> Iterator[pl.DataFrame]:
        """Some columns of items start..stop, read and yielded block by block."""
        stop = self.n_items if stop is None else min(stop, self.n_items)
        for first in range(start, stop, ROWS_PER_BLOCK):
            block = self._items.select(columns).slice(first, min(ROWS_PER_BLOCK, stop - first))
            yield schema.collect(block, f"{self.name}: items")

    def iter_texts(self, start: int = 0, stop: int | None = None, template: str = "fields") -> Iterator[str]:
        """The texts of items start..stop, read block by block.

        Raises
        ------
        DataError
            Unknown template, or items without any text; the message names the first of them.
        """
        if template not in TEXT_TEMPLATES:
            raise DataError(f"text template {template!r} is not one of {', '.join(TEXT_TEMPLATES)}")
        for block in self.item_blocks(["item_id", *self.text_columns], start, stop):
            texts = TEXT_TEMPLATES[template](block)
            if not all(texts):
                textless = block["item_id"].filter(pl.Series(texts) == "")
                raise DataError(
                    f"{self.name}: items without any text: {some(textless)} ({len(textless):,} in this block)."
                    " Give them a title, or leave them and their interactions out"
                )
            yield from texts

    def texts(self, template: str = "fields") -> list[str]:
        """The texts of all items, N strings; see `iter_texts`."""
        return list(self.iter_texts(template=template))

    @cached_property
    def items_sha256(self) -> str:
        """Hash of the item ids and all text columns, independent of the layout of the file."""
        columns = ["item_id", *self.text_columns]
        # Lengths and letters are hashed apart: the hash does not depend on block bounds, and two tables with the same
        # letters in different cells differ.
        lengths = {c: hashlib.sha256(c.encode()) for c in columns}
        letters = {c: hashlib.sha256() for c in columns}
        for block in self.item_blocks(columns):
            for column in columns:
                text = block[column].cast(pl.String).fill_null("")
                lengths[column].update(text.str.len_bytes().to_numpy().astype("<u4").data)
                letters[column].update(text.str.join("").item().encode())
        return hashlib.sha256(b"".join(lengths[c].digest() + letters[c].digest() for c in columns)).hexdigest()

    # --- arrays made from the catalogue ---

    def _array_path(self, name: str) -> Path:
        if self.path is None:
            raise DataError(f"{self.name} was made in memory, so it has no {name}: save it to a folder first")
        return self.path / name

    def embeddings(self, expect: Mapping[str, Any] | None = None) -> np.ndarray:
        """(N, E) float16 text embeddings, memory-mapped from `embeddings.npy`.

        Parameters
        ----------
        expect
            Further fingerprint keys and values that must agree, for example the encoder's name.

        Raises
        ------
        DataError
            Missing, damaged, made from other items or with another encoder, or with NaN or infinity.
        """
        path = self._array_path("embeddings.npy")
        remedy = f"run `recgpt encode {self.path}`"
        expected = {"items_sha256": self.items_sha256, **(expect or {})}
        return load_array(path, expected, remedy=remedy, rows=(self.n_items, "float16", "width"))

    def tokens(self, expect_tokenizer: str | None = None) -> np.ndarray:
        """(N, K) uint16 item codes, memory-mapped from `tokens.npy`.

        Parameters
        ----------
        expect_tokenizer
            Required hash of the tokenizer (`tokenizer_sha256` in the fingerprint); None accepts any.

        Raises
        ------
        DataError
            Missing, damaged, made by another tokenizer, or from other embeddings than those in the folder.
        """
        path = self._array_path("tokens.npy")
        remedy = f"run `recgpt tokenize {self.path} --tokenizer PATH`"
        expect = {"items_sha256": self.items_sha256}
        if expect_tokenizer is not None:
            expect["tokenizer_sha256"] = expect_tokenizer
        embeddings_fingerprint = fingerprint_path(self._array_path("embeddings.npy"))
        if embeddings_fingerprint.is_file():
            expect["embeddings_sha256"] = fingerprint_sha256(read_json(embeddings_fingerprint))
        return load_array(path, expect, remedy=remedy, rows=(self.n_items, "uint16", "K"))

    def save_tokens(self, tokens_NK: np.ndarray, *, tokenizer_sha256: str, embeddings: Mapping[str, Any]) -> None:
        """Write `tokens.npy` and the fingerprint that `tokens` checks.

        Parameters
        ----------
        tokens_NK
            (N, K) codes, below 65,536.
        tokenizer_sha256
            Hash of the tokenizer.
        embeddings
            Fingerprint of the tokenized embeddings.
        """
        if tokens_NK.size and not 0 <= int(tokens_NK.min()) <= int(tokens_NK.max()) < 1 << 16:
            raise DataError(
                f"{self.name}: codes run from {tokens_NK.min()} to {tokens_NK.max()}, 0 to 65,535 can be stored:"
                " tokenize the items again"
            )
        fingerprint = {
            "items_sha256": self.items_sha256,
            "tokenizer_sha256": tokenizer_sha256,
            "embeddings_sha256": fingerprint_sha256(embeddings),
        }
        save_array(self._array_path("tokens.npy"), tokens_NK.astype(np.uint16), fingerprint)


@contextmanager
def new_dataset_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write a data set folder atomically: yields a draft folder, which takes the place of `path` at the end.

    Raises
    ------
    DataError
        `path` holds a data set already and `overwrite` is False.
    StorageError
        Another process is writing the folder, or the disk is full, read-only, ...
    """
    if _holds_dataset(path) and not overwrite:
        raise DataError(f"{path} holds a data set already: choose another folder or overwrite it (--overwrite)")
    with new_folder(path, overwrite=overwrite, what="data set", holds=_holds_dataset) as draft:
        yield draft


def _holds_dataset(folder: Path) -> bool:
    return (folder / "interactions.parquet").exists()


def _column(table: pl.LazyFrame, name: str, where: str) -> pl.Series:
    """One column of a checked table, in file order, in one piece."""
    column = schema.collect(table.select(name), where).to_series().rechunk()
    schema.check_values(column, where)
    return column


def _order(user: np.ndarray, position: np.ndarray) -> np.ndarray | None:
    """Row order by user, then position, ties unchanged; None if the rows are sorted already."""
    same_user = user[1:] == user[:-1]
    if bool(np.all((user[1:] > user[:-1]) | (same_user & (position[1:] >= position[:-1])))):
        return None
    frame = pl.DataFrame({"user": user, "position": position})
    return frame.select(pl.arg_sort_by("user", "position", maintain_order=True)).to_series().to_numpy()


def _counts(flat: Interactions, item_map: IdMap, user_map: IdMap) -> dict[str, int]:
    return {"users": len(user_map), "items": len(item_map), "interactions": len(flat)}
