"""Imports of tables with faulty rows: one refusal with all reasons, or left out and counted; ids in two spellings."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from recgpt.cli.app import app
from recgpt.data.dataset import Dataset
from recgpt.data.ids import IdMap
from recgpt.data.past import read_past
from recgpt.data.readers import tables
from recgpt.errors import ConfigError, DataError

EVENTS = "user_id,item_id,timestamp,rating\n"
ITEMS = "item_id,title\n1,Cup\n2,Plate\n3,Fork\n"
FAULTY = (
    EVENTS
    + "a,1,2024-01-02,5\n,2,2024-01-01,4\nb,,2024-01-01,4\nb,9,2024-01-01,4\nb,2,yesterday,4\nb,2,,4\n"
    + "b,3,2024-01-05,good\nc,3,2024-01-05,inf\nc,3,2024-01-05\nc,3,2024-01-05,1,2\nNULL,1,2024-01-02,5\n"
    + "b,1,2024-01-02,5\nb,1,2024-01-04,5\nb,1,2024-01-03,5\n"
)
FAULTY_ITEMS = "item_id,title\n1,Cup\n2,\n3,Fork\n3,Spoon\n,Knife\n"
REASONS = {
    "items": {"with no text": 1, "with an item id that an earlier row has": 1, "with no item id": 1},
    "interactions": {
        "with no user": 2,
        "with no item": 1,
        "with an item that is not in items.csv": 1,
        "with a time that cannot be read": 1,
        "with no time": 1,
        "with a rating that is no number": 1,
        "with an infinite rating": 1,
        "with too few fields": 1,
        "with too many fields": 1,
    },
}


def write(folder: Path, events: str | bytes, items: str | bytes = ITEMS) -> tuple[Path, Path]:
    paths = folder / "events.csv", folder / "items.csv"
    for path, content in zip(paths, (events, items), strict=True):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return paths


def read(folder: Path, events: str | bytes, items: str | bytes = ITEMS, **options) -> Dataset:
    paths = write(folder, events, items)
    options = {"time": "timestamp", "rating": "rating", **options}
    tables.read(paths[0], folder / "out", items=paths[1], overwrite=True, **options)
    return Dataset.load(folder / "out")


def sequences(dataset: Dataset) -> dict:
    return {
        user: dataset.item_map.to_outside(items).to_list()
        for user, items in zip(dataset.user_map.ids, dataset.sequences, strict=True)
    }


def test_one_refusal_lists_every_reason(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, FAULTY, FAULTY_ITEMS)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("13 rows of items.csv and events.csv cannot be used: ")
    assert message.endswith("Correct them, or leave them out: --holes drop")
    for part in (
        "1 with no text (items.csv:3 '2')",
        "1 with an item id that an earlier row has (items.csv:5 '3')",
        "1 with no item id (items.csv:6)",
        "2 with no user (events.csv:3, events.csv:12)",
        "1 with no item (events.csv:4)",
        "1 with an item that is not in items.csv (events.csv:5 '9')",
        "1 with a time that cannot be read (events.csv:6 'yesterday')",
        "1 with no time (events.csv:7)",
        "1 with a rating that is no number (events.csv:8 'good')",
        "1 with an infinite rating (events.csv:9 'inf')",
        "1 with too few fields (events.csv:10 '3 instead of 4')",
        "1 with too many fields (events.csv:11 '5 instead of 4')",
    ):
        assert part in message
    assert not (tmp_path / "out").exists()


def test_a_refusal_counts_all_and_shows_three(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, EVENTS + "a,77,2024-01-01,5\n" * 500)
    assert "500 with an item that is not in items.csv (events.csv:2 '77', events.csv:3 '77', events.csv:4 '77')" in str(
        caught.value
    )


def test_holes_are_dropped_and_counted(tmp_path, capsys):
    dataset = read(tmp_path, FAULTY, FAULTY_ITEMS, holes="drop")
    assert sequences(dataset) == {"a": [1], "b": [1, 1, 1]}
    assert dataset.item_map.ids.to_list() == [1, 3]
    assert dataset.manifest["read"] == {"users": 3, "items": 5, "interactions": 14}
    assert dataset.manifest["left_out"] == {**REASONS, "users": {"without a usable interaction": 1}}
    printed = capsys.readouterr().err
    assert "left out of events.csv: 2 with no user (events.csv:3, events.csv:12)" in printed
    assert "read: 3 users, 5 items, 14 interactions" in printed


def test_users_below_the_minimum_are_counted(tmp_path, capsys):
    events = EVENTS + "a,1,2024-01-01,5\n" + "b,1,2024-01-01,5\nb,2,2024-01-02,4\n"
    dataset = read(tmp_path, events, min_records=2)
    assert dataset.manifest["read"] == {"users": 2, "items": 3, "interactions": 3}
    assert dataset.manifest["left_out"] == {
        "users": {"with fewer than 2 interactions": 1},
        "interactions": {"of users with fewer than 2 interactions": 1},
    }
    assert (
        "left out: 1 user with fewer than 2 interactions, 1 interaction of users with fewer" in capsys.readouterr().err
    )


def test_events_of_dropped_items_are_dropped_too(tmp_path):
    dataset = read(
        tmp_path, EVENTS + "a,1,2024-01-01,5\na,2,2024-01-01,5\n", "item_id,title\n1,Cup\n2,\n", holes="drop"
    )
    assert dataset.manifest["left_out"]["interactions"] == {"with an item of items.csv that is left out": 1}
    with pytest.raises(DataError, match="No event is left"):
        read(tmp_path, EVENTS + "a,9,2024-01-01,5\n", holes="drop")
    with pytest.raises(ConfigError, match="holes='maybe' is unknown"):
        read(tmp_path, EVENTS + "a,1,2024-01-01,5\n", holes="maybe")


@pytest.mark.parametrize(
    ("events", "items", "expected"),
    [
        (["1.0", "2.0"], ["1", "2"], [1, 2]),
        (["1", "2"], ["1.0", "2.0"], [1, 2]),
        (["1.0", "2.0"], ["1.0", "2.0"], ["1.0", "2.0"]),
        ([" 1 ", "2"], ["1", "2 "], [1, 2]),
        (["007", "7"], ["7", "007"], ["007", "7"]),
        (["A1", "2"], ["A1", "2"], ["A1", "2"]),
        (["1", "2"], ["1", "B2", "2"][:3], ["1", "2"]),
    ],
)
def test_ids_of_two_files_are_joined(tmp_path, events, items, expected):
    lines = "".join(f"a,{item},2024-01-0{day},5\n" for day, item in enumerate(events, start=1))
    listed = "".join(f"{item},title\n" for item in items)
    assert sequences(read(tmp_path, EVENTS + lines, "item_id,title\n" + listed)) == {"a": expected}


def test_what_is_done_to_ids_is_printed(tmp_path, capsys):
    read(tmp_path, EVENTS + " a ,1.0,2024-01-01,5\n")
    printed = capsys.readouterr().err
    assert "'user_id' has blanks around 1 ids: they are taken off" in printed
    assert "are written with and without a fraction (123.0 and 123): read as 123" in printed


def test_numbers_in_one_file_and_text_in_the_other(tmp_path, capsys):
    pl.DataFrame({"user_id": [1.0], "item_id": [1], "timestamp": [1_704_067_200]}).write_parquet(tmp_path / "e.parquet")
    (tmp_path / "items.csv").write_text("item_id,title\n1,Cup\nB2,Plate\n")
    tables.read(tmp_path / "e.parquet", tmp_path / "out", items=tmp_path / "items.csv", time="timestamp")
    assert sequences(Dataset.load(tmp_path / "out")) == {1: ["1"]}
    printed = capsys.readouterr().err
    assert "numbers in one file and text in the other: compared as text" in printed
    assert "'user_id' of e.parquet are fractional numbers without fractions" in printed


def test_places_in_typed_files_are_rows(tmp_path):
    pl.DataFrame({"user_id": ["a", None], "item_id": [1, 1]}).write_parquet(tmp_path / "e.parquet")
    (tmp_path / "items.csv").write_text(ITEMS)
    with pytest.raises(DataError, match=r"1 with no user \(e.parquet row 1\)"):
        tables.read(tmp_path / "e.parquet", tmp_path / "out", items=tmp_path / "items.csv")


def test_decimal_commas_are_read_and_named(tmp_path, capsys):
    dataset = read(tmp_path, EVENTS.replace(",", ";") + "a;1;2024-01-01;4,5\na;2;2024-01-02;3\n")
    assert dataset.interactions.rating.tolist() == [4.5, 3.0]
    assert "'rating' has decimal commas, 4,5 is read as 4.5" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"1 with a rating that is no number \(events.csv:2 '4,5'\)"):
        read(tmp_path, EVENTS.replace(",", ";") + "a;1;2024-01-01;4,5\na;2;2024-01-02;3.5\n")


def test_a_time_like_none_of_the_others_is_a_hole(tmp_path):
    events = EVENTS + "a,1,1704067200,5\na,2,1704067300,4\na,3,0,4\n"
    with pytest.raises(DataError, match=r"1 with a time that cannot be read \(events.csv:4 '0'\)"):
        read(tmp_path, events)
    assert sequences(read(tmp_path, events, holes="drop")) == {"a": [1, 2]}
    with pytest.raises(DataError, match="its day and month cannot be told apart"):
        read(tmp_path, EVENTS + "a,1,03/04/2021,5\na,2,05/06/2021,5\n", holes="drop")
    with pytest.raises(DataError, match="mixes Unix seconds"):
        read(tmp_path, EVENTS + "a,1,1704067200,5\na,2,1704067200000,5\na,2,1704067201,5\n", holes="drop")


def test_the_manifest_names_what_the_files_were_read_as(tmp_path, capsys):
    dataset = read(
        tmp_path, (EVENTS + "a,1,2024-01-01,5\n").encode("utf-16"), "item_id;title\n1;Café\n".encode("cp1252")
    )
    assert dataset.manifest["files"] == {
        "events.csv": "UTF-16, separator ','",
        "items.csv": "Windows-1252 (cp1252), separator ';'",
    }
    assert dataset.items["title"].to_list() == ["Café"]
    assert "items.csv: read as Windows-1252 (cp1252), separator ';'" in capsys.readouterr().err


def test_options_of_the_command(tmp_path):
    events, items = write(tmp_path, (FAULTY).encode("cp1252"), FAULTY_ITEMS.replace(",", ":"))
    command = ["data", "import", "tables", str(events), "--items", str(items), "--out", str(tmp_path / "out")]
    command += ["--time", "timestamp", "--rating", "rating", "--holes", "drop", "--ids", "text"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code != 0
    items.write_text(FAULTY_ITEMS)
    done = CliRunner().invoke(app, [*command, "--separator", ",", "--encoding", "cp1252"])
    assert done.exit_code == 0, done.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["left_out"] == {**REASONS, "users": {"without a usable interaction": 1}}


def test_catalogues_and_interactions_of_the_api(tmp_path):
    events, items = write(
        tmp_path, "user_id;item_id;timestamp\n a ;1;2024-01-02\na;2;2024-01-01\n", "title\nCafé\n".encode("cp1252")
    )
    known = IdMap(pl.Series("item_id", [1, 2]), "items.csv")
    past = read_past(events, known)
    assert past.item.tolist() == [1, 0]
    assert past.timestamp.tolist() == [1_704_067_200, 1_704_153_600]
    assert tables.read_items(items)["title"].to_list() == ["Café"]
    events, items = write(tmp_path, "user_id,item_id\na\n,2\n", "item_id,title\n1,a,b\n")
    with pytest.raises(DataError, match=r"1 with too few fields \(events.csv:2 .*1 with no user \(events.csv:3\)"):
        read_past(events, known)
    with pytest.raises(DataError, match=r"1 row of items.csv cannot be used: 1 with too many fields"):
        tables.read_items(items)
