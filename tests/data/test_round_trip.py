"""Ids from a file through import, data set, ranking and merge: what comes out is what went in."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recgpt.bulk.rank import rank_dataset
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_array
from recgpt.data.process import merge
from recgpt.data.readers import tables
from recgpt.recommenders.popularity import Popularity

ENCODER = {"encoder": "films-encoder", "requested": "films-encoder", "template": "fields", "dim": 16}

TEXTS = [
    "007",
    "7",
    "00000027",
    "27",
    "0439023483",
    "439023483",
    "1e5",
    "12.0",
    "18446744073709551616",
    "+5",
    "A;b,c",
    "é",
]
FORMS = {
    "csv of texts like numbers": ("csv", TEXTS, TEXTS),
    "tsv of texts like numbers": ("tsv", TEXTS, TEXTS),
    "csv of canonical numbers": ("csv", ["7", "27", "0", "-3", "9223372036854775807"], [7, 27, 0, -3, 2**63 - 1]),
    "jsonl of texts": ("jsonl", ["7", "27", "0"], ["7", "27", "0"]),
    "jsonl of numbers": ("jsonl", [7, 27, 0, 2**64 - 1], [7, 27, 0, 2**64 - 1]),
    "parquet of texts": ("parquet", ["7", "27", "007"], ["7", "27", "007"]),
    "parquet of categories": ("parquet", pl.Series(["7", "007"], dtype=pl.Categorical), ["7", "007"]),
    "parquet of bytes": ("parquet", pl.Series([7, 27, 0], dtype=pl.Int8), [7, 27, 0]),
    "parquet of large numbers": ("parquet", pl.Series([2**63, 2**64 - 1, 5], dtype=pl.UInt64), [2**63, 2**64 - 1, 5]),
}


def write(table: pl.DataFrame, path) -> None:
    match path.suffix:
        case ".parquet":
            table.write_parquet(path)
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in table.iter_rows(named=True)))
        case _:
            table.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")


def imported(folder, suffix, values, **options) -> Dataset:
    """A data set of these ids, both of users and of items: everybody took everything but the own item."""
    ids = pl.Series("id", values)
    events = pl.DataFrame({"user_id": ids}).join(pl.DataFrame({"item_id": ids}), how="cross")
    events = events.filter(pl.col("user_id") != pl.col("item_id"))
    write(events, folder / f"events.{suffix}")
    write(pl.DataFrame({"item_id": ids, "title": [f"title {i}" for i in range(len(ids))]}), folder / f"items.{suffix}")
    tables.read(
        folder / f"events.{suffix}", folder / "out", items=folder / f"items.{suffix}", overwrite=True, **options
    )
    return Dataset.load(folder / "out")


@pytest.mark.parametrize("form", FORMS)
def test_ids_come_out_of_a_ranking_as_they_went_in(form, tmp_path, feed_folder):
    suffix, ids, expected = FORMS[form]
    dataset = imported(tmp_path, suffix, ids)
    assert dataset.item_map.ids.to_list() == expected
    assert dataset.user_map.ids.to_list() == sorted(expected)
    embeddings = np.random.default_rng(0).standard_normal((len(expected), 16)).astype(np.float16)
    save_array(tmp_path / "out" / "embeddings.npy", embeddings, {**ENCODER, "items_sha256": dataset.items_sha256})
    path = rank_dataset(dataset, feed_folder / "model", tmp_path / "ranked", k=len(expected))
    ranked = pl.read_parquet(path)
    assert dict(zip(ranked["user_id"].to_list(), ranked["item_id"].to_list(), strict=True)) == {i: i for i in expected}
    best = Popularity().fit(dataset).rank(dataset.sequences, 1)
    assert dataset.item_map.to_outside(best.ids[:, 0]).to_list() == sorted(expected)


def test_ids_come_out_of_a_merge_as_text(tmp_path):
    imported(tmp_path, "csv", TEXTS)
    merge([tmp_path / "out"], tmp_path / "merged")
    assert pl.read_parquet(tmp_path / "merged" / "maps.parquet")["item_id"].to_list() == TEXTS


@pytest.mark.parametrize("ids", ["auto", "text"])
def test_ids_as_text_on_demand(tmp_path, ids):
    found = imported(tmp_path, "csv", ["7", "27"], ids=ids).item_map.ids.to_list()
    assert found == (["7", "27"] if ids == "text" else [7, 27])


LIKE_NUMBERS = st.from_regex(r"[0-9+.eE-]{1,12}", fullmatch=True)


@given(st.lists(LIKE_NUMBERS, min_size=2, max_size=6, unique=True))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_like_a_number_comes_out_as_it_went_in(tmp_path, ids):
    found = imported(tmp_path, "csv", ids).item_map.ids.to_list()
    assert [str(i) for i in found] == ids
