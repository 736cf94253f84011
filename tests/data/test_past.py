"""Past interactions from tables of every kind: equal ids, order and times, however they are given."""

import uuid
from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from recgpt.data.dataset import Interactions
from recgpt.data.ids import IdMap
from recgpt.data.past import item_ids, read_past
from recgpt.errors import DataError
from recgpt.hub import dataset_files

T0 = 1_614_834_367  # 2021-03-04T05:06:07Z
ITEMS = pl.DataFrame({"item_id": ["007", "7", "A"], "title": ["a", "b", "c"]})
# User u1 takes A, 007, 7 within one second, u2 takes 7; the rows are in no order.
EVENTS = pl.DataFrame(
    {
        "user_id": ["u2", "u1", "u1", "u1"],
        "item_id": ["7", "7", "007", "A"],
        "timestamp": [T0 * 1000 + 5, T0 * 1000 + 900, T0 * 1000 + 500, T0 * 1000 + 100],
        "rating": [1.0, 2.0, None, 4.0],
    }
)


def sequences(past: Interactions) -> list[list[int]]:
    return [past.item[past.user == user].tolist() for user in range(past.user.max() + 1)]


def check(past: Interactions) -> None:
    assert sequences(past) == [[2, 0, 1], [1]]
    assert past.timestamp.tolist() == [T0] * 4
    assert past.rating[past.user == 0].tolist() == pytest.approx([4.0, np.nan, 2.0], nan_ok=True)


IDS = item_ids(ITEMS)


@pytest.mark.parametrize(
    "form",
    [
        lambda events: events,
        lambda events: events.lazy(),
        lambda events: events.to_pandas(),
        lambda events: events.to_arrow(),
        lambda events: duckdb.sql("select * from events"),
        lambda events: events.cast({"user_id": pl.Categorical, "item_id": pl.Categorical}),
        lambda events: events.to_pandas().astype({"user_id": "category", "item_id": "category"}),
        lambda events: events.to_pandas().astype({"user_id": object, "item_id": object}),
        lambda events: events.sort("timestamp"),
        lambda events: events.reverse().to_pandas(),
        lambda events: events.with_columns(timestamp=pl.from_epoch("timestamp", "ms")),
        lambda events: events.with_columns(timestamp=pl.from_epoch("timestamp", "ms").dt.replace_time_zone("UTC")),
        lambda events: events.with_columns(timestamp=pl.from_epoch("timestamp", "ms")).to_pandas(),
        lambda events: events.with_columns(timestamp=pl.from_epoch("timestamp", "ms").dt.strftime("%FT%T%.3fZ")),
        lambda events: events.with_columns(timestamp=pl.col("timestamp") / 1000),
        lambda events: events.with_columns(timestamp=pl.col("timestamp") * 1000),
        lambda events: events.with_columns(timestamp=pl.col("timestamp") * 1_000_000).to_pandas(),
        lambda events: events.with_columns(timestamp=pl.col("timestamp").cast(pl.String)),
        lambda events: events.with_columns(other=pl.lit(1), position=pl.col("timestamp").rank()),
    ],
)
def test_tables_of_every_kind(form):
    check(read_past(form(EVENTS), IDS))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "ndjson", "parquet"])
@pytest.mark.parametrize("rows", [slice(None), slice(None, None, -1)])
def test_files_of_every_format_and_in_any_order(tmp_path, suffix, rows):
    path, events = tmp_path / f"past.{suffix}", EVENTS[rows]
    match suffix:
        case "parquet":
            events.write_parquet(path)
        case "jsonl" | "ndjson":
            events.write_ndjson(path)
        case _:
            events.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    check(read_past(path, IDS))
    check(read_past(str(path), IDS))


def test_a_pattern_is_one_table(tmp_path):
    for part in range(2):
        EVENTS[part::2].write_csv(tmp_path / f"past-{part}.csv")
    check(read_past(tmp_path / "past-*.csv", IDS))
    check(read_past(f"{tmp_path}/past-[0-9].csv", IDS))
    with pytest.raises(DataError, match=r"no file matches .*none-\*.csv"):
        read_past(tmp_path / "none-*.csv", IDS)
    EVENTS.drop("timestamp").write_csv(tmp_path / "past-2.csv")
    with pytest.raises(DataError, match=r"past-2.csv has no column 'timestamp', which another file"):
        read_past(tmp_path / "past-*.csv", IDS)
    EVENTS.write_parquet(tmp_path / "past-3.parquet")
    with pytest.raises(DataError, match="of several formats"):
        read_past(tmp_path / "past-*", IDS)


def test_a_name_with_the_signs_of_a_pattern_is_a_name(tmp_path):
    EVENTS.write_csv(tmp_path / "past-[12].csv")
    (tmp_path / "past-1.csv").write_text("wrong")
    check(read_past(tmp_path / "past-[12].csv", IDS))


def test_files_of_the_hub(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    for part in range(2):
        EVENTS[part::2].write_parquet(tmp_path / "data" / f"past-{part}.parquet")
    asked = []

    def download(name, **options):
        asked.append((name, options))
        if name == "owner/offline":
            raise OSError("no connection")
        return str(tmp_path)

    monkeypatch.setattr("recgpt.hub.snapshot_download", download)
    check(read_past("hf://datasets/owner/name/data/*.parquet", IDS))
    check(read_past("hf://datasets/owner/name@refs%2Fpr%2F1/**/past-?.parquet", IDS))
    assert asked[0] == ("owner/name", {"repo_type": "dataset", "revision": None, "allow_patterns": "data/*.parquet"})
    assert asked[1][1]["revision"] == "refs/pr/1"
    assert dataset_files("hf://datasets/owner/name/data/past-0.parquet") == [tmp_path / "data" / "past-0.parquet"]
    for address, message in (
        ("hf://datasets/owner/name/none.parquet", "matches no file"),
        ("hf://datasets/owner", "is no address of files: use hf://datasets/owner/name/path"),
        ("hf://owner/name/past.parquet", "is no address of files"),
        ("hf://datasets/owner/offline/past.parquet", r"cannot be downloaded \(OSError\)"),
    ):
        with pytest.raises(DataError, match=message):
            read_past(address, IDS)


def test_the_order_is_that_of_position_then_time_then_rows():
    events = pl.DataFrame({"user_id": [1, 1, 1], "item_id": [0, 1, 2]})
    ids = item_ids(["a", "b", "c"])
    assert sequences(read_past(events, ids)) == [[0, 1, 2]]
    timed = events.with_columns(timestamp=pl.Series([T0, None, T0 - 1]))
    assert sequences(read_past(timed, ids)) == [[2, 0, 1]]
    assert read_past(timed, ids).timestamp.tolist() == [T0 - 1, T0, -1]
    ties = events.with_columns(timestamp=pl.Series([T0, T0, T0]))
    assert sequences(read_past(ties, ids)) == [[0, 1, 2]]
    placed = timed.with_columns(position=pl.Series([2, 1, 3]))
    assert sequences(read_past(placed, ids)) == [[1, 0, 2]]


def test_ids_of_untyped_files_follow_the_catalogue(tmp_path):
    (tmp_path / "past.csv").write_text("user_id,item_id\n007,7\n7,5\n")
    numbers, texts = (IdMap(pl.Series("item_id", ids), "items.csv") for ids in ([5, 7], ["5", "7"]))
    for ids in (numbers, texts):
        past = read_past(tmp_path / "past.csv", ids)
        assert past.item.tolist() == [1, 0]
        assert past.user.tolist() == [0, 1], "007 and 7 are two users"
    (tmp_path / "past.csv").write_text("user_id,item_id\n1,7.0\n1,5.0\n")
    assert read_past(tmp_path / "past.csv", numbers).item.tolist() == [1, 0], "as pandas writes numbers beside gaps"
    (tmp_path / "past.jsonl").write_text('{"user_id": 1, "item_id": "7"}\n{"user_id": 1, "item_id": "5"}\n')
    assert read_past(tmp_path / "past.jsonl", numbers).item.tolist() == [1, 0]
    (tmp_path / "past.jsonl").write_text('{"user_id": 1, "item_id": 7}\n{"user_id": 1, "item_id": 5}\n')
    assert read_past(tmp_path / "past.jsonl", texts).item.tolist() == [1, 0]
    (tmp_path / "past.csv").write_text("user_id,item_id\n1,7\n1,05\n")
    with pytest.raises(DataError, match=r"past.csv: 'item_id' '05' is not in items.csv, whose ids are numbers"):
        read_past(tmp_path / "past.csv", numbers)


def test_users_are_numbered_alike_in_files_and_tables(tmp_path):
    events = pl.DataFrame({"user_id": [10, 9, 100], "item_id": [0, 1, 2]})
    events.write_csv(tmp_path / "past.csv")
    for source in (events, tmp_path / "past.csv"):
        assert read_past(source, item_ids(["a", "b", "c"])).user.tolist() == [1, 0, 2]


def test_a_format_of_times():
    events = EVENTS.with_columns(timestamp=pl.Series(["03/04/2021", "05/04/2021", "04/04/2021", "03/04/2021"]))
    with pytest.raises(DataError, match=r"'03/04/2021'.*day and month cannot be told apart.*time_format"):
        read_past(events, IDS)
    past = read_past(events, IDS, time_format="%d/%m/%Y")
    assert sequences(past) == [[2, 0, 1], [1]]
    assert past.timestamp.max() == datetime(2021, 4, 5, tzinfo=UTC).timestamp()


A_UUID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({"item_id": ["7"]}, r"has no column 'user_id' \(it has item_id\)"),
        ({"user_id": ["u"]}, r"has no column 'item_id'"),
        ({"user_id": ["u", None], "item_id": ["7", "7"]}, r"'user_id' is missing in row 1"),
        ({"user_id": [1.5], "item_id": ["7"]}, r"'user_id' is Float64 \(1.5\)"),
        ({"user_id": [True], "item_id": ["7"]}, r"'user_id' is Boolean"),
        ({"user_id": ["u"], "item_id": [7]}, r"'item_id' is Int64 \(7\), the ids of the items table are String"),
        ({"user_id": ["u"], "item_id": ["07"]}, r"not in the items table: '07'"),
        ({"user_id": ["u"], "item_id": ["7"], "rating": [float("inf")]}, "'rating' is infinite"),
        ({"user_id": ["u"], "item_id": ["7"], "rating": ["good"]}, "'rating' is 'good'"),
        ({"user_id": ["u"], "item_id": ["7"], "rating": [True]}, "'rating' is True"),
        ({"user_id": ["u"], "item_id": ["7"], "position": [None]}, "'position'"),
        ({"user_id": ["u"], "item_id": ["7"], "position": ["first"]}, "'position' in row 0 is no number"),
        ({"user_id": ["u"], "item_id": ["7"], "position": [float("nan")]}, "'position' in row 0 is no number"),
        ({"user_id": ["u"], "item_id": ["7"], "timestamp": [5]}, "'timestamp' has '5'"),
    ],
)
def test_tables_that_do_not_fit(events, message):
    with pytest.raises(DataError, match=message):
        read_past(pl.DataFrame(events), IDS)


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ([1, "u"], r"'user_id' holds values of 2 types \('u' is str, 1 is int\)"),
        ([1.5, "u"], r"'user_id' holds values of 2 types"),
        ([A_UUID, A_UUID], None),
        ([1, 2], None),
        ([2**63, 2**64 - 1], None),
        ([b"u", b"v"], r"'user_id' is Binary|is bytes"),
    ],
)
def test_python_objects_in_pandas(users, message):
    frame = pd.DataFrame({"user_id": pd.Series(users, dtype=object), "item_id": ["7", "A"]})
    if message is None:
        assert read_past(frame, IDS).item.tolist() == [1, 2]
        return
    with pytest.raises(DataError, match=message):
        read_past(frame, IDS)


@pytest.mark.parametrize("source", [[("u", "7")], 5, {"user_id": ["u"]}, np.zeros(3)])
def test_what_is_no_source(source):
    with pytest.raises(DataError, match=r"interactions are a .*: pass Interactions, a table"):
        read_past(source, IDS)


def test_paths_that_are_none(tmp_path):
    for path, message in (
        (tmp_path / "nowhere.csv", "nowhere.csv does not exist"),
        (tmp_path, "is a folder: name the file in it"),
    ):
        with pytest.raises(DataError, match=message):
            read_past(path, IDS)
    (tmp_path / "past.xlsx").touch()
    with pytest.raises(DataError, match=r"\.xlsx is none of \.csv"):
        read_past(tmp_path / "past.xlsx", IDS)


def test_ids_of_catalogues():
    assert item_ids(ITEMS.to_pandas()).ids.to_list() == ["007", "7", "A"]
    assert item_ids(ITEMS.to_pandas().astype({"item_id": "category"})).ids.to_list() == ["007", "7", "A"]
    assert item_ids(ITEMS.drop("item_id")).ids.to_list() == [0, 1, 2]
    assert item_ids(np.zeros((2, 4))).ids.to_list() == [0, 1]
    assert item_ids(pl.DataFrame({"item_id": pl.Series([2**63, 1], dtype=pl.UInt64)})).ids.to_list() == [2**63, 1]
    with pytest.raises(DataError, match=r"the items table: 'item_id' is Float64 \(0.5, 1.0\)"):
        item_ids(pd.DataFrame({"item_id": [0.5, 1.0]}))
