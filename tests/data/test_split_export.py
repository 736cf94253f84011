"""Exported splits: outside ids, files of other tools, and the same split when read back."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from recgpt.cli.app import app
from recgpt.data.dataset import Dataset
from recgpt.data.splits import Split, leave_one_out, make_split, zero_shot
from recgpt.data.splits.export import EXPORT_FORMATS, export_split, read_export
from recgpt.errors import ConfigError, DataError, StorageError


@pytest.fixture
def texts(tmp_path) -> Dataset:
    """Ids that numbers would spoil, in a stored data set."""
    items = pl.DataFrame({"item_id": ["007", "7", "B-1", "x"], "title": ["Bond", "Se7en", "A\tB", 'Quo "Vadis"']})
    events = pl.DataFrame(
        {
            "user_id": ["u1"] * 4 + ["01"] * 3 + ["1"],
            "item_id": ["007", "7", "x", "B-1", "7", "007", "x", "x"],
            "position": [0, 1, 2, 3, 0, 1, 2, 0],
            "timestamp": [10, 20, 30, 40, 15, None, 35, 5],
        }
    )
    Dataset.from_frames("texts", events, items).save(tmp_path / "texts")
    return Dataset.load(tmp_path / "texts", repeats="drop")


def assert_same(one: Split, other: Split) -> None:
    assert (one.protocol, one.seed, dict(one.params)) == (other.protocol, other.seed, dict(other.params))
    np.testing.assert_array_equal(one.in_past, other.in_past)
    np.testing.assert_array_equal(one.target_rows, other.target_rows)
    assert [h.tolist() for h in one.histories] == [h.tolist() for h in other.histories]


@pytest.mark.parametrize("form", EXPORT_FORMATS)
@pytest.mark.parametrize("protocol", ["leave_one_out", "zero_shot", "global_time", "cold_item"])
def test_an_export_is_read_back(small, texts, tmp_path, form, protocol):
    for dataset in (small.drop_repeats("drop"), texts):
        try:
            split = make_split(dataset, protocol)
        except DataError:
            continue
        export_split(split, tmp_path / dataset.name / "out", form)
        assert_same(split, read_export(tmp_path / dataset.name / "out", dataset))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_ids_are_those_of_the_source(texts, tmp_path, form):
    split = leave_one_out(texts, past="train")
    files = export_split(split, tmp_path / "out", form)
    assert [path.name for path in files] == sorted(
        ["export.json", *(f"{name}.{form}" for name in ("histories", "items", "targets", "train"))]
    )
    path = tmp_path / "out" / f"targets.{form}"
    table = pl.read_parquet(path) if form == "parquet" else pl.read_csv(path, infer_schema=False)
    assert set(table["item_id"]) <= {"007", "7", "B-1", "x"}
    assert set(table["user_id"]) == {"u1", "01"}


def test_rows_may_be_sorted_by_another_tool(texts, tmp_path):
    split = zero_shot(texts)
    export_split(split, tmp_path / "out", "csv")
    for name in ("train", "targets", "histories"):
        path = tmp_path / "out" / f"{name}.csv"
        pl.read_csv(path, infer_schema=False).reverse().write_csv(path)
    assert_same(split, read_export(tmp_path / "out", texts))


def test_recbole_files(texts, tmp_path):
    split = leave_one_out(texts, past="train")
    export_split(split, tmp_path / "out", "recbole")
    lines = (tmp_path / "out" / "texts.test.inter").read_text().splitlines()
    assert lines[0] == "user_id:token\titem_id_list:token_seq\titem_id:token\tposition:float\ttimestamp:float"
    assert "u1\t007 7 x\tB-1\t3\t40" in lines
    catalogue = (tmp_path / "out" / "texts.item").read_text().splitlines()
    assert catalogue[0].startswith("item_id:token\ttitle:token_seq")
    assert catalogue[3].split("\t")[:2] == ["B-1", "A B"]
    spaced = pl.DataFrame({"item_id": ["a b", "c"], "title": ["x", "y"]})
    events = pl.DataFrame({"user_id": [1, 1], "item_id": ["a b", "c"], "position": [0, 1]})
    with pytest.raises(DataError, match="item_id 'a b' is empty or holds a space"):
        export_split(zero_shot(Dataset.from_frames("spaced", events, spaced)), tmp_path / "spaced", "recbole")


def test_exports_of_something_else_are_refused(texts, small, tmp_path):
    split = zero_shot(texts)
    export_split(split, tmp_path / "out", "csv")
    with pytest.raises(StorageError, match="holds a split's export already"):
        export_split(split, tmp_path / "out", "csv")
    with pytest.raises(ConfigError, match="unknown format 'xls'"):
        export_split(split, tmp_path / "other", "xls")
    with pytest.raises(DataError, match="was exported from another data set than small"):
        read_export(tmp_path / "out", small)
    with pytest.raises(DataError, match=r"holds no export.json"):
        read_export(tmp_path, texts)
    path = tmp_path / "out" / "targets.csv"
    text = path.read_text()
    path.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match=r"targets, .* were exported"):
        read_export(tmp_path / "out", texts)
    path.write_text(text.replace("u1,B-1,3", "u1,x,3"))
    with pytest.raises(DataError, match="interactions that texts does not have"):
        read_export(tmp_path / "out", texts)
    path.unlink()
    with pytest.raises(DataError, match=r"targets.csv does not exist"):
        read_export(tmp_path / "out", texts)


def test_a_hostile_name_stays_in_the_folder(texts, tmp_path):
    texts.name = "../../escaped"
    export_split(zero_shot(texts), tmp_path / "a" / "b" / "out", "recbole")
    assert not list(tmp_path.rglob("escaped*"))
    about = json.loads((tmp_path / "a" / "b" / "out" / "export.json").read_text())
    about["files"]["past"] = "../../../texts/past.inter"
    (tmp_path / "a" / "b" / "out" / "export.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"out/past.inter does not exist"):
        read_export(tmp_path / "a" / "b" / "out", texts)


@pytest.mark.parametrize("form", EXPORT_FORMATS)
def test_the_command_exports_beside_the_split(texts, tmp_path, form):
    out = tmp_path / "split"
    command = ["data", "split", str(texts.path), "zero_shot", "--out", str(out), "--export", form]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert_same(Split.load(out, texts), read_export(out / form, texts))
