"""RecBole's atomic files, whole and as benchmarks, and files that are none."""

import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.readers import recbole
from recgpt.data.schema import SPLIT_NAMES
from recgpt.errors import DataError

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ITEM = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
ITEMS = "1\tToy Story\t1995\tAnimation Children's Comedy\n22\tBraveheart\t1995\tAction Drama War\n3\tHeat\t1995\t\n"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "ml"
    folder.mkdir()
    (folder / "ml.inter").write_text(INTER + "196\t22\t3.0\t881250949.0\n186\t3\t3\t891717742\n196\t1\t5\t881250940\n")
    (folder / "ml.item").write_text(ITEM + ITEMS)
    return folder


@pytest.mark.parametrize("source", ["", "ml.inter"])
def test_atomic_files(folder, tmp_path, source):
    recbole.read(folder / source, tmp_path / "out")
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.user_map.ids.to_list() == [186, 196]
    assert [dataset.item_map.to_outside(items).to_list() for items in dataset.sequences] == [[3], [1, 22]]
    assert dataset.interactions.timestamp.tolist() == [891717742, 881250940, 881250949]
    assert dataset.interactions.rating.tolist() == [3, 5, 3]
    assert dataset.texts() == ["Toy Story. Animation, Children's, Comedy", "Braveheart. Action, Drama, War", "Heat"]


def test_a_benchmark_has_a_split(folder, tmp_path):
    (folder / "ml.inter").unlink()
    for name, line in zip(SPLIT_NAMES, ("7\t1", "7\t22", "7\t3"), strict=True):
        (folder / f"ml.{name}.inter").write_text(f"user_id:token\titem_id:token\n{line}\n")
    recbole.read(folder, tmp_path / "out")
    dataset = Dataset.load(tmp_path / "out")
    assert [SPLIT_NAMES[code] for code in dataset.split] == ["train", "valid", "test"]
    assert dataset.item_map.to_outside(dataset.sequences[0]).to_list() == [1, 22, 3]


@pytest.mark.parametrize(
    ("time_format", "text"), [("ms", "881250949000"), ("%d/%m/%Y %H:%M:%S", "04/12/1997 15:55:49")]
)
def test_times_may_have_a_format(folder, tmp_path, time_format, text):
    (folder / "ml.inter").write_text(INTER + f"196\t22\t3\t{text}\n")
    recbole.read(folder, tmp_path / "out", time_format=time_format)
    assert Dataset.load(tmp_path / "out").interactions.timestamp.tolist() == [881250949]


def test_fields_can_be_named(folder, tmp_path):
    (folder / "ml.item").write_text("sku:token\tlabel:token_seq\n" + "1\tCup\n22\tPlate\n3\tFork\n")
    with pytest.raises(DataError, match=r"ml.item has no column 'item_id' \(it has sku, label\)"):
        recbole.read(folder, tmp_path / "out", title="label")
    (folder / "ml.item").write_text("item_id:token\tlabel:token_seq\n" + "1\tCup\n22\tPlate\n3\tFork\n")
    with pytest.raises(DataError, match=r"no field with a usual name for titles \(it has item_id, label\).*--title"):
        recbole.read(folder, tmp_path / "out")
    recbole.read(folder, tmp_path / "out", title="label")
    assert Dataset.load(tmp_path / "out").texts() == ["Cup", "Plate", "Fork"]


def test_files_that_do_not_fit(folder, tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        recbole.read(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(DataError, match=r"has no .*\.inter"):
        recbole.read(tmp_path, tmp_path / "out")
    (folder / "ml.inter").write_text("user_id\titem_id:token\n1\t1\n")
    with pytest.raises(DataError, match=r"ml.inter has a field 'user_id' without type in its header"):
        recbole.read(folder, tmp_path / "out")
    (folder / "ml.inter").write_text(INTER + "1\t99\t3\t881250949\n\t1\t3\t881250949\n1\t1\tgood\t881250949\n1\t1\n")
    with pytest.raises(DataError) as caught:
        recbole.read(folder, tmp_path / "out")
    for part in (
        "item that is not in ml.item (ml.inter:2 '99')",
        "no user (ml.inter:3)",
        "(ml.inter:4 'good')",
        "2 instead of 4",
    ):
        assert part in str(caught.value)
    (folder / "ml.item").unlink()
    with pytest.raises(DataError, match=r"ml.item does not exist: RecGPT needs the texts of the items"):
        recbole.read(folder, tmp_path / "out")
