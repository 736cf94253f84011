"""Files of runs that would compute, claim or hide something when they are opened are refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recgpt.errors import StoreError
from recgpt.simulate.store import Run, list_runs
from tests.hostile import cheaply

COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (f"DROP TABLE manifest; CREATE VIEW manifest AS {COUNT} max(i) AS content, 1 AS finished FROM n", "the view"),
        (f"DROP TABLE steps; CREATE VIEW steps AS {COUNT} i AS step, 1 AS n_rows, 'x' AS hash FROM n", "the view"),
        (f"CREATE VIEW other AS {COUNT} i FROM n", "the view 'other'"),
        ("CREATE TRIGGER t AFTER INSERT ON steps BEGIN DELETE FROM events; END", "the trigger 't'"),
        ("CREATE VIRTUAL TABLE pages USING fts5(text)", "the table"),
        ("CREATE TABLE notes (text)", "the table 'notes'"),
        ("CREATE INDEX i ON events (abs(item))", "the index 'i'"),
        (
            "DROP TABLE metrics; CREATE TABLE metrics (name TEXT, value TEXT AS (hex(zeroblob(400000000))))",
            "computes the column 'value'",
        ),
        (
            "DROP TABLE manifest; CREATE TABLE manifest (finished INTEGER, content TEXT AS (hex(zeroblob(9))) STORED)",
            "computes the column 'content'",
        ),
        ("DROP TABLE manifest; CREATE TABLE manifest (colour TEXT)", "damaged"),
        ("DROP TABLE steps", "damaged"),
        ("UPDATE manifest SET content = '" + "[" * 100_000 + "'", "manifest is damaged"),
        ('UPDATE manifest SET content = \'{"seed": ' + "9" * 5_000 + "}'", "manifest is damaged"),
        ("UPDATE manifest SET content = hex(zeroblob(20000000))", "manifest is damaged"),
        ("UPDATE manifest SET content = x'ff'", "damaged"),
        ("UPDATE manifest SET content = 3", "manifest is damaged"),
        ("PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'nonsense'", "damaged"),
    ],
)
def test_a_file_holds_plain_tables_only(root: Path, run: Run, change: str, why: str) -> None:
    run.close()
    path = root / "demo" / "run.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.executescript(change)
    for write in (False, True):
        with cheaply(), pytest.raises(StoreError) as caught, Run.open("demo", write=write) as opened:
            opened.summary()
        assert why in str(caught.value)
        assert "\n" not in str(caught.value)
    assert list_runs()[0].error is not None


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO steps VALUES (1000000000000, 1000000000000, 'x')",
        "INSERT INTO steps VALUES (1, 9223372036854775807, 'x')",
        "INSERT INTO events VALUES (1, 'x', x'00', 'seq', 3, 'a', 'b', 'c', 'd', 'e', x'ff')",
        "INSERT INTO metrics VALUES ('a', '" + "[" * 100_000 + "')",
        "INSERT INTO artifacts VALUES ('a', 'b', 3)",
    ],
    ids=["steps", "rows", "types", "metrics", "artifacts"],
)
def test_values_that_no_run_has_are_refused(root: Path, run: Run, change: str) -> None:
    run.close()
    with closing(sqlite3.connect(root / "demo" / "run.sqlite", isolation_level=None)) as file:
        file.execute(change)
    with cheaply(), pytest.raises(StoreError) as caught, Run.open("demo") as opened:
        opened.check()
        assert opened.metrics == {}
    assert "\n" not in str(caught.value)


def test_a_run_as_it_was_written_is_opened(run: Run) -> None:
    run.put_artifact("a", b"b")
    run.close()
    with Run.open("demo") as opened:
        opened.check()
