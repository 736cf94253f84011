"""Lists of other tools: read with the ids of the data set, evaluated beside the recommenders, refused in one line."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.errors import DataError
from recgpt.evaluate import evaluate
from recgpt.evaluate.lists import StoredLists, read_lists
from recgpt.recommenders import make

N_USERS, N_ITEMS = 10, 20


@pytest.fixture(scope="module", params=["text", "numbers"])
def dataset(request) -> Dataset:
    """Ten users with five items each; ids with leading zeros, or numbers."""
    as_text = request.param == "text"
    users = [f"0{user}" if as_text else user + 100 for user in range(N_USERS)]
    items = [f"00{item}" if as_text else item + 1_000 for item in range(N_ITEMS)]
    rows = [(users[user], items[(3 * user + place) % N_ITEMS], place) for user in range(N_USERS) for place in range(5)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "position"], orient="row")
    catalogue = pl.DataFrame({"item_id": items, "title": [f"Film {item}" for item in range(N_ITEMS)]})
    return Dataset.from_frames("films", events, catalogue)


def ranked_by(dataset: Dataset, name: str, k: int) -> pl.DataFrame:
    """Lists of a recommender as another tool would write them: outside ids and ranks."""
    split = leave_one_out(dataset)
    ids_BK = make(name).fit(split.known).rank(split.histories, k, exclude="history").ids
    users = dataset.user_map.to_outside(np.repeat(split.users, k))
    return pl.DataFrame(
        {
            "user_id": users,
            "item_id": dataset.item_map.to_outside(ids_BK.ravel()),
            "rank": np.tile(np.arange(1, k + 1), len(ids_BK)),
        }
    )


def write(table: pl.DataFrame, path: Path) -> Path:
    writers = {".csv": table.write_csv, ".jsonl": table.write_ndjson, ".parquet": table.write_parquet}
    if path.suffix == ".tsv":
        table.write_csv(path, separator="\t")
    else:
        writers[path.suffix](path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("order", ["rank", "score"])
def test_lists_of_a_recommender_have_its_figures(dataset, tmp_path, suffix, order):
    table = ranked_by(dataset, "popularity", 10).sample(fraction=1, shuffle=True, seed=1)
    if order == "score":
        table = table.with_columns(score=10.5 - pl.col("rank")).drop("rank")
    lists = StoredLists.read("theirs", write(table, tmp_path / f"lists{suffix}"), dataset)
    report = evaluate(leave_one_out(dataset), [make("popularity")], lists=[lists], progress=False)
    found = {result.recommender: result for result in report.results if result.slice == "explore"}
    assert found["theirs"].metrics == found["popularity"].metrics
    assert found["theirs"].ci95 == found["popularity"].ci95
    assert report.supervision["theirs"] == "outside"
    facts = report.to_dict()["lists"]["theirs"]
    assert facts["users_without_list"] == facts["unknown_users"] == facts["tied_scores"] == 0


def test_users_without_a_list_are_misses_and_counted(dataset, tmp_path, capsys):
    split = leave_one_out(dataset)
    targets = pl.DataFrame(
        {
            "user_id": dataset.user_map.to_outside(split.users),
            "item_id": dataset.item_map.to_outside(split.targets),
            "rank": 1,
        }
    )
    lists = StoredLists.read("theirs", write(targets.head(4), tmp_path / "lists.csv"), dataset)
    report = evaluate(split, [make("popularity")], lists=[lists], progress=False)
    assert next(r for r in report.results if (r.recommender, r.slice) == ("theirs", "explore")).metrics["hit@1"] == 0.4
    written = capsys.readouterr().err
    assert "theirs: 6 of 10 users have no list, which counts as a miss" in written
    assert "theirs: 4 lists have fewer than 10 items" in written


def test_tied_scores_stand_in_catalogue_order_and_are_counted(dataset, tmp_path):
    users, items = dataset.user_map.to_outside([0]), dataset.item_map.to_outside([5, 3, 9])
    table = pl.DataFrame({"user_id": [users[0]] * 3, "item_id": items, "score": [1.0, 1.0, 2.0]})
    lists = StoredLists.read("theirs", write(table, tmp_path / "lists.parquet"), dataset)
    assert lists.item.tolist() == [9, 3, 5]
    assert lists.about["tied_scores"] == 2


def test_unknown_users_are_left_out_and_counted(dataset, tmp_path, capsys):
    table = ranked_by(dataset, "popularity", 3)
    stranger = "nobody" if dataset.user_map.is_text else 5
    strangers = table.head(3).with_columns(user_id=pl.lit(stranger, dtype=table["user_id"].dtype))
    lists = StoredLists.read("theirs", write(pl.concat([table, strangers]), tmp_path / "lists.csv"), dataset)
    lists.facts(leave_one_out(dataset), 3)
    assert "theirs: 1 users are not in the data set and are left out" in capsys.readouterr().err


def changed(table: pl.DataFrame, row: int, **values: object) -> pl.DataFrame:
    rows = table.cast(pl.String).to_dicts()
    rows[row] |= values
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: changed(table, 4, item_id="no such"), "1 items are not in films: 'no such'; write item_id as"),
        (lambda table: changed(table, 1, item_id=str(table["item_id"][0])), "twice, in rows 1 and 2: keep one"),
        (lambda table: changed(table, 1, rank="1"), "has two items at rank 1, one in row 1"),
        (lambda table: changed(table, 2, rank="first"), "rank in row 3 is 'first', a finite number is needed"),
        (lambda table: changed(table, 2, rank="nan"), "rank in row 3 is 'nan', a finite number is needed"),
        (lambda table: changed(table, 2, rank="inf"), "rank in row 3 is 'inf', a finite number is needed"),
        (lambda table: changed(table, 2, rank=None), "rank in row 3 is missing, a finite number is needed"),
        (lambda table: changed(table, 0, user_id=None), "user_id in row 1 is missing, an id is needed"),
        (lambda table: changed(table, 0, item_id=None), "item_id in row 1 is missing, an id is needed"),
        (lambda table: table.drop("rank"), "has no column rank or score (it has user_id, item_id)"),
        (lambda table: table.drop("item_id"), "has no column item_id"),
        (lambda table: table.rename({"user_id": "user"}), "has no column user_id (it has user, item_id, rank"),
        (lambda table: table.head(0), "holds no list"),
        (lambda table: table.with_columns(user_id=pl.lit("x")), "none of its users is in films: it has 'x'"),
    ],
)
def test_what_no_list_can_be_is_refused_in_one_line(dataset, tmp_path, change, message):
    path = write(change(ranked_by(dataset, "popularity", 5)), tmp_path / "lists.csv")
    with pytest.raises(DataError) as caught:
        StoredLists.read("theirs", path, dataset)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lists.csv", "is not NAME=FILE"),
        ("=lists.csv", "is not NAME=FILE"),
        ("theirs=", "is not NAME=FILE"),
        ("popularity=lists.csv", "the name 'popularity' is taken"),
        ("theirs=nowhere.csv", "nowhere.csv does not exist"),
    ],
)
def test_wrong_options_are_named(dataset, text, message):
    with pytest.raises(DataError, match=message):
        read_lists([text], dataset)


def test_files_that_are_none_are_refused(dataset, tmp_path):
    for name, content in (("a.xlsx", b"PK"), ("a.parquet", b"no Parquet"), ("a.csv", b""), ("a.jsonl", b"{")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as caught:
            StoredLists.read("theirs", tmp_path / name, dataset)
        assert "\n" not in str(caught.value)


def test_evaluate_shows_them_beside_the_recommenders(run_recgpt, feed_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    data = Dataset.load(feed_folder)
    path = write(ranked_by(data, "popularity", 10), tmp_path / "lists.csv")
    options = ("--model", feed_folder / "model", "--json", tmp_path / "report.json")
    done = run_recgpt("evaluate", feed_folder, *options, "--lists", f"theirs={path}")
    assert done.code == 0, done.stderr
    assert "theirs" in done.stdout
    assert "outside" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["lists"]["theirs"]["file"] == str(path)
    done = run_recgpt(
        "compare", tmp_path / "report.json", tmp_path / "report.json", "--recommenders", "theirs:popularity"
    )
    assert done.code == 0, done.stderr
