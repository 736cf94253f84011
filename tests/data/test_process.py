"""Filters, merging data sets into one id space and back, merged arrays."""

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import read_fingerprint, save_array
from recgpt.data.process import keep_active, merge, merge_arrays
from recgpt.errors import DataError

from .conftest import INTERACTIONS, ITEMS, times_of


def test_users_below_the_minimum_leave(small):
    active = keep_active(small, user_records=3)
    assert active.user_map.ids.to_list() == [2, 9]
    assert active.n_items == 5
    assert active.manifest["min_user_records"] == 3


def test_the_core_is_iterated_until_all_hold():
    # Item 12 has one record; without it user 2 has one fewer, and then item 5 has one fewer.
    events = pl.DataFrame(
        {
            "user_id": [1, 1, 2, 2, 3, 3, 4, 4],
            "item_id": [7, 40, 5, 12, 7, 40, 5, 7],
            "position": [0, 1] * 4,
        }
    )
    core = keep_active(
        Dataset.from_frames("core", events, ITEMS), user_records=2, item_records=2, keep_cold_items=False
    )
    assert core.user_map.ids.to_list() == [1, 3]
    assert core.item_map.ids.to_list() == [7, 40]
    assert core.texts() == ["Brazil. Comedy", "Casablanca. Drama"]
    assert [s.tolist() for s in core.sequences] == [[0, 1], [0, 1]]
    with pytest.raises(DataError, match="core: no interaction is left"):
        keep_active(core, user_records=9)


@pytest.fixture
def two(folder, tmp_path):
    items = pl.DataFrame({"item_id": ["x", "y"], "title": ["Xylophone", "Yo-yo"], "details": ["wood", None]})
    events = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["y", "x", "x"], "position": [0, 1, 0]})
    Dataset.from_frames("toys", events, items).save(tmp_path / "toys")
    return [folder, tmp_path / "toys"]


def test_merge_and_back(two, tmp_path):
    out = tmp_path / "all"
    merge(two, out)
    merged, first, second = Dataset.load(out), *map(Dataset.load, two)
    assert (merged.n_users, merged.n_items, merged.n_interactions) == (5, 7, 12)
    maps = pl.read_parquet(out / "maps.parquet")
    back = dict(zip(maps["merged_id"], zip(maps["dataset"], maps["item_id"], strict=True), strict=True))
    expected = [("small", [str(i) for i in first.item_map.to_outside(s)]) for s in first.sequences]
    expected += [("toys", second.item_map.to_outside(s).to_list()) for s in second.sequences]
    assert [[back[int(i)] for i in s] for s in merged.sequences] == [[(n, i) for i in ids] for n, ids in expected]
    assert merged.texts() == first.texts() + second.texts()
    assert merged.items["details"].to_list()[-2:] == ["wood", ""]
    assert times_of(merged, 4) == [-1]
    assert [s["name"] for s in merged.manifest["merged"]] == ["small", "toys"]


def test_merge_applies_one_rule_for_repeats(two, tmp_path):
    merge(two, tmp_path / "all", repeats="drop")
    merged = Dataset.load(tmp_path / "all")
    assert merged.manifest["repeats"] == "drop"
    assert merged.n_interactions == 10
    Dataset.load(two[1], repeats="drop").save(two[1], overwrite=True)
    with pytest.raises(DataError, match=r"the rules for repeats differ \(drop, keep\)"):
        merge(two, tmp_path / "all", overwrite=True)


def test_merge_refuses_equal_names_and_full_folders(two, tmp_path):
    with pytest.raises(DataError, match="need different folder names"):
        merge([two[0], two[0]], tmp_path / "all")
    merge(two, tmp_path / "all")
    with pytest.raises(DataError, match="holds a data set already"):
        merge(two, tmp_path / "all")


def encode(path, value: float, encoder: str = "tiny") -> np.ndarray:
    dataset = Dataset.load(path)
    embeddings = np.full((dataset.n_items, 4), value, dtype=np.float16)
    fingerprint = {"items_sha256": dataset.items_sha256, "encoder": encoder}
    save_array(path / "embeddings.npy", embeddings, fingerprint)
    made_from = read_fingerprint(path / "embeddings.npy", "")
    dataset.save_tokens(np.full((dataset.n_items, 2), value), tokenizer_sha256="t", embeddings=made_from)
    return embeddings


def test_merged_arrays(two, tmp_path):
    out = tmp_path / "all"
    merge(two, out)
    parts = [encode(path, value) for path, value in zip(two, (1, 2), strict=True)]
    merge_arrays(two, out, "embeddings")
    merge_arrays(two, out, "tokens")
    merged = Dataset.load(out)
    np.testing.assert_array_equal(merged.embeddings({"encoder": "tiny"}), np.concatenate(parts))
    assert merged.tokens("t")[:, 0].tolist() == [1] * 5 + [2] * 2
    with pytest.raises(DataError, match=r"was not merged from .* in this order"):
        merge_arrays(two[::-1], out, "embeddings")
    encode(two[1], 2, encoder="other")
    with pytest.raises(DataError, match=r"was made with \{'encoder': 'other'\}.*make both the same way"):
        merge_arrays(two, out, "embeddings")


def test_ids_of_merged_users_do_not_mix(two, tmp_path):
    merge(two, tmp_path / "all")
    merged = Dataset.load(tmp_path / "all")
    lengths = np.concatenate([Dataset.load(path).sequences.lengths for path in two])
    np.testing.assert_array_equal(merged.sequences.lengths, lengths)
    assert INTERACTIONS.height + 3 == merged.n_interactions
