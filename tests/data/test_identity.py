"""Identity of data: hashes that see every column, folders of two generations, arrays that changed under their name."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import check_embeddings, fingerprint_path, load_array, save_array
from recgpt.data.identity import different
from recgpt.errors import DataError
from tests.data.conftest import INTERACTIONS, ITEMS


def changed(column: str, values: pl.Expr) -> Dataset:
    return Dataset.from_frames("small", INTERACTIONS.with_columns(values.alias(column)), ITEMS)


@pytest.mark.parametrize(
    "other",
    [
        changed("timestamp", pl.col("timestamp") + 1),
        changed("rating", pl.lit(3.0)),
        changed("split", pl.lit("train")),
        changed("user_id", pl.col("user_id") + 100),
        changed("item_id", pl.col("item_id").replace(7, 40)),
        Dataset.from_frames("small", INTERACTIONS, ITEMS.with_columns(title=pl.col("title").reverse())),
        Dataset.from_frames("small", INTERACTIONS, ITEMS.with_columns(price=pl.lit(2.5))),
        Dataset.from_frames("small", INTERACTIONS.drop("rating"), ITEMS),
    ],
    ids=["timestamp", "rating", "split", "user ids", "sequences", "texts", "further column", "no ratings"],
)
def test_the_content_hash_sees_every_column(small, other):
    assert other.content_sha256 != small.content_sha256


def test_the_content_hash_ignores_the_layout_and_the_name(small, tmp_path: Path):
    small.save(tmp_path / "other name")
    assert Dataset.load(tmp_path / "other name").content_sha256 == small.content_sha256
    shuffled = Dataset.from_frames("x", INTERACTIONS.sort("user_id", "position"), ITEMS)
    assert shuffled.content_sha256 == small.content_sha256


def test_further_columns_of_the_catalogue_count(small):
    dear, cheap = (
        Dataset.from_frames("small", INTERACTIONS, ITEMS.with_columns(price=pl.lit(price), tags=pl.lit(["a"])))
        for price in (2.5, 1.0)
    )
    assert dear.content_sha256 != cheap.content_sha256


def test_a_folder_of_two_generations_is_refused(folder: Path, tmp_path: Path):
    fewer = INTERACTIONS.filter(pl.col("user_id") != 30)
    Dataset.from_frames("small", fewer, ITEMS).save(tmp_path / "new")
    (tmp_path / "new" / "interactions.parquet").replace(folder / "interactions.parquet")
    with pytest.raises(DataError, match=r"are not the two that manifest\.json describes: they were replaced half-way"):
        Dataset.load(folder)


def test_a_folder_without_hashes_in_its_manifest_loads(folder: Path):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    kept = {name: value for name, value in manifest.items() if not name.endswith("sha256")}
    (folder / "manifest.json").write_text(json.dumps(kept), encoding="utf-8")
    assert Dataset.load(folder).n_users == 3


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "embeddings.npy"
    save_array(path, np.random.default_rng(0).normal(size=(2_000, 8)).astype(np.float16), {"of": "these"})
    return path


@pytest.mark.parametrize("change", [lambda rows: rows[::-1], lambda rows: rows * 2, lambda rows: np.roll(rows, 1)])
def test_an_array_with_other_numbers_is_refused(stored: Path, change):
    rows = np.load(stored)
    np.save(stored, change(rows))
    with pytest.raises(DataError, match=r"embeddings\.npy was changed since it was made: .*: encode again"):
        load_array(stored, {"of": "these"}, remedy="encode again")


def test_an_array_of_an_earlier_version_has_no_checksum_and_loads(stored: Path):
    about = json.loads(fingerprint_path(stored).read_text(encoding="utf-8"))
    del about["crc32"]
    fingerprint_path(stored).write_text(json.dumps(about), encoding="utf-8")
    assert load_array(stored, {"of": "these"}, remedy="").shape == (2_000, 8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    ("value", "held"), [(0.0, "zeros only"), (np.nan, "NaN or infinity"), (-np.inf, "NaN or infinity")]
)
def test_an_unusable_row_is_named(tmp_path: Path, dtype, value, held):
    rows = np.ones((700_000, 8), dtype)
    rows[654_321] = value
    save_array(tmp_path / "x.npy", rows, {})
    with pytest.raises(DataError, match=rf"x\.npy holds {held} in row 654321: do it again"):
        load_array(tmp_path / "x.npy", {}, remedy="do it again")
    with pytest.raises(DataError, match=rf"given: the embedding of item 654321 holds {held}"):
        check_embeddings(rows, "given")


def test_differences_of_two_identities():
    stored = {"recgpt": "0.0.1", "k": 5, "texts": "a" * 99, "shape": [1, 2]}
    wanted = {"recgpt": "0.1.0", "k": 10, "texts": "b" * 99, "shape": (1, 2), "seed": 0}
    assert different(stored, wanted) == ["recgpt 0.0.1, not 0.1.0", "k=5, not 10", "another texts", "no seed"]
    assert different(stored, stored) == []
