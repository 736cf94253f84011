"""Events of a run: what is stored is read again, and a change is found."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from store_rows import KINDS, at, canonical, frames, int64, manifest, raw, step_rows, unicode_text

from recgpt.errors import StoreError
from recgpt.simulate.events import SCHEMA, chained_hash
from recgpt.simulate.store import Run, Subject

properties = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@properties
@given(frames())
def test_rows_come_back_as_they_were_but_for_nan_and_negative_zero(run: Run, rows: pl.DataFrame) -> None:
    before, step = run.hash, run.n_steps + 1
    run.append(at(step, rows))
    assert_frame_equal(run.events(step), canonical(at(step, rows)), check_exact=True)
    assert run.hash == chained_hash(before, canonical(at(step, rows)))
    zeros = [value for value in run.events(step)["value"].to_list() if value == 0]
    assert not np.signbit(zeros).any()


@pytest.fixture
def twin() -> Iterator[Run]:
    with Run.create("twin", manifest("twin")) as made:
        yield made


@properties
@given(frames(min_size=1), st.lists(st.integers(0, 30), max_size=4))
def test_hash_does_not_depend_on_chunks(run: Run, twin: Run, rows: pl.DataFrame, cuts: list[int]) -> None:
    whole = at(run.n_steps + 1, rows).rechunk()
    bounds = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    run.append(whole)
    twin.append(pl.concat([whole[start:stop] for start, stop in pairwise(bounds)], rechunk=False))
    assert run.hash == twin.hash


@settings(properties, max_examples=25)
@given(frames(min_size=1), st.data())
def test_a_changed_or_missing_row_is_found(root: Path, rows: pl.DataFrame, data: st.DataObject) -> None:
    with Run.create("demo", manifest(), overwrite=True) as run:
        run.append(step_rows(1, 2))
        run.append(at(2, rows))
        run.append(step_rows(3, 2))
    agent, seq = rows.row(data.draw(st.integers(0, len(rows) - 1)))[2:4]
    column = data.draw(st.sampled_from(["time", "kind", "other", "item", "place", "slot", "value", "text", "row"]))
    where = f"WHERE step = 2 AND agent = {agent} AND seq = {seq}"
    with raw(root) as file:
        if column == "row":
            file.execute(f"DELETE FROM events {where}")  # noqa: S608
        else:
            (old,) = file.execute(f"SELECT {column} FROM events {where}").fetchone()  # noqa: S608
            new = data.draw(
                {"kind": st.sampled_from(sorted(KINDS)), "value": st.floats(allow_nan=False), "text": unicode_text}.get(
                    column, int64
                ).filter(lambda value: value != old)
            )
            file.execute(f"UPDATE events SET {column} = ? {where}", (new,))  # noqa: S608
    with Run.open("demo") as run, pytest.raises(StoreError, match="events of step 2 are not"):
        run.check()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE events SET item = 'x' WHERE step = 2", "damaged in or after step 2"),
        ("UPDATE events SET item = 1.5 WHERE step = 2", "damaged in or after step 2"),
        ("UPDATE events SET text = '' WHERE step = 2 AND text IS NULL", "step 2"),
        ("UPDATE events SET slot = 0 WHERE step = 3 AND slot IS NULL", "step 3"),
        ("UPDATE events SET seq = seq + 100 WHERE step = 1 AND agent = 5", "step 1"),
        ("UPDATE steps SET hash = 'x' WHERE step = 2", "step 2"),
        ("DELETE FROM steps WHERE step = 2", "step 2 is missing"),
        ("DELETE FROM steps WHERE step = 3", "events of step 3, which was never stored"),
        ("DELETE FROM events WHERE step = 2", "0 rows, 200 were stored"),
        ("UPDATE artifacts SET content = x'00'", "artifact items.parquet is damaged"),
        ("DELETE FROM manifest", "a row is missing"),
        ("UPDATE manifest SET content = '{'", "manifest is damaged"),
        ("PRAGMA user_version = 99", "has format 99"),
    ],
)
def test_every_kind_of_damage_is_named(root: Path, run: Run, damage: str, message: str) -> None:
    for step in (1, 2, 3):
        run.append(step_rows(step))
    run.put_artifact("items.parquet", b"items")
    run.check()
    run.close()
    with raw(root) as file:
        file.execute(damage)
    with pytest.raises(StoreError, match=message), Run.open("demo") as damaged:
        damaged.check()


def test_events_by_step_range_and_kind(run: Run) -> None:
    written = [step_rows(step) for step in (1, 2, 3, 4)]
    for rows in written:
        run.append(rows)
    assert run.n_steps == 4
    assert run.n_rows == sum(map(len, written))
    assert_frame_equal(run.events(), pl.concat(written))
    assert_frame_equal(run.events(2), written[1])
    assert_frame_equal(run.events(range(2, 4)), pl.concat(written[1:3]))
    assert_frame_equal(run.events(3, "rated"), written[2].filter(pl.col("kind") == "rated"))
    assert_frame_equal(run.events(9), pl.DataFrame(schema=SCHEMA))
    for stored, rows in zip(run.iter_steps(), written, strict=True):
        assert_frame_equal(stored, rows)
    assert run.counts_by_kind() == {"rated": 160, "satisfied": 160, "shown": 480}


def test_a_step_larger_than_a_block(run: Run) -> None:
    rows = step_rows(1, 9000)
    run.append(rows)
    assert_frame_equal(run.events(1), rows)
    run.check()


def test_a_step_may_be_empty(run: Run) -> None:
    run.append(KINDS.assemble(1, [], time=60))
    run.append(step_rows(2))
    assert run.n_steps == 2
    assert run.hash == chained_hash(chained_hash("", KINDS.assemble(1, [], time=60)), step_rows(2))
    run.check()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda: step_rows(3), "the next step is 2"),
        (lambda: step_rows(1), "the next step is 2"),
        (lambda: step_rows(2).reverse(), "out of order"),
        (lambda: pl.concat([step_rows(2), step_rows(2)]).sort("agent", "seq"), "double"),
        (lambda: step_rows(2).drop("text"), "columns"),
        (lambda: step_rows(2).with_columns(pl.col("agent").cast(pl.Int32)), "columns"),
        (lambda: step_rows(2).with_columns(kind=pl.lit(None, pl.String)), "'kind' is missing in row 0"),
    ],
)
def test_what_is_no_next_step_is_refused_and_nothing_is_stored(
    run: Run, rows: Callable[[], pl.DataFrame], message: str
) -> None:
    run.append(step_rows(1))
    before = run.hash
    with pytest.raises(StoreError, match=message):
        run.append(rows())
    assert (run.n_steps, run.hash, len(run.events())) == (1, before, 200)
    run.append(step_rows(2))


def test_events_of_one_agent_up_to_a_step(run: Run) -> None:
    for step in (1, 2, 3):
        run.append(step_rows(step))
    expected = run.events().filter((pl.col("agent") == 7) & (pl.col("step") <= 2))
    assert_frame_equal(run.events_of(7, range(1, 3)), expected)
    assert_frame_equal(run.events_of(7, range(1, 3), ["rated"]), expected.filter(pl.col("kind") == "rated"))
    assert run.events_of(99, range(1, 4)).is_empty()


def test_events_of_one_agent_are_found_by_the_primary_key(run: Run, root: Path) -> None:
    run.append(step_rows(1))
    with raw(root) as file:
        where = "step IN (SELECT step FROM steps WHERE step >= 1 AND step < 4) AND agent = 7"
        plan = file.execute(f"EXPLAIN QUERY PLAN SELECT * FROM events WHERE {where}").fetchall()  # noqa: S608
    assert "SEARCH events USING PRIMARY KEY (step=? AND agent=?)" in {row[3] for row in plan}


@pytest.mark.parametrize("agent", [None, 7])
def test_newest_events_come_first(run: Run, agent: int | None) -> None:
    for step in (1, 2, 3):
        run.append(step_rows(step))
    known = run.events(range(1, 3)) if agent is None else run.events_of(agent, range(1, 3))
    newest = run.newest_events(range(1, 3), 5, agent=agent, kinds=["rated", "satisfied"])
    assert_frame_equal(newest, known.filter(pl.col("kind") != "shown").reverse().head(5))


def test_newest_events_about_a_subject(run: Run) -> None:
    for step in (1, 2):
        run.append(step_rows(step))
    known, item = run.events().reverse(), run.events()["item"].drop_nulls()[0]
    said = known.filter(pl.col("text").str.to_lowercase().str.contains("page 2 was fine, said 9", literal=True))
    assert_frame_equal(run.newest_events(range(1, 3), 99, about=Subject("PAGE 2 was fine, SAID 9")), said)
    found = run.newest_events(range(1, 3), 999, about=Subject("no such text", [item], [3]))
    assert_frame_equal(found, known.filter((pl.col("item") == item) | (pl.col("agent") == 3)))
