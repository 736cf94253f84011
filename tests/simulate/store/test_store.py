"""The store of runs. Run as a script, this file is a server of writers to kill, see `test_kill_at_any_moment`."""

import io
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recgpt.errors import StoreError
from recgpt.simulate.events import KINDS, SCHEMA, assemble, chained_hash, piece
from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.store import Manifest, Run, list_runs

STEPS_A_LIFE = 5
KILLS = 60


def manifest(run: str = "demo", **fields: object) -> Manifest:
    about = {"world": "feed", "config": {"pages": 3}, "seed": 7, "made_with": {"recgpt": "0"}, "dataset": {"name": "d"}}
    return Manifest(**{**about, "run": run, "repeatable": "always: the agents are scripted", **fields})


def step_rows(step: int, n_agents: int = 40) -> pl.DataFrame:
    rng = np.random.default_rng(step)
    agent = np.arange(n_agents)
    words = [None if a % 3 else f"page {step} was fine, said {a} – ünï" for a in agent]
    return assemble(
        step,
        [
            piece(
                "shown", agent.repeat(3), item=rng.integers(0, 99, 3 * n_agents), slot=np.tile(np.arange(3), n_agents)
            ),
            piece("rated", agent, item=rng.integers(0, 99, n_agents), value=rng.normal(size=n_agents)),
            piece("satisfied", agent, value=rng.integers(0, 2, n_agents), text=words),
        ],
    )


def a_call(key: str = "k1", **fields: object) -> LLMCall:
    about = {"purpose": "decide", "model": "m", "request": '{"messages": []}', "reply": '{"ok": "ü"}', "failure": None}
    figures = {"tokens_in": 10, "tokens_out": 3, "cost_usd": 0.25, "seconds": 0.1, "attempts": 1, "server": "local"}
    return LLMCall(**{**about, **figures, "key": key, **fields})


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.create("demo", manifest()) as made:
        yield made


@contextmanager
def raw(root: Path, run: str = "demo") -> Iterator[sqlite3.Connection]:
    """The file itself, as somebody else might change it."""
    connection = sqlite3.connect(root / run / "run.sqlite")
    with connection:
        yield connection
    connection.close()


# --- what goes in comes out ---

properties = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
int64 = st.integers(-(2**63), 2**63 - 1)
unicode_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@st.composite
def frames(draw: st.DrawFn, min_size: int = 0) -> pl.DataFrame:
    agents = sorted(draw(st.lists(st.integers(0, 2**62), min_size=min_size, max_size=30)))
    rows = [
        (
            1,
            agent,
            place - agents.index(agent),
            draw(st.sampled_from(sorted(KINDS))),
            draw(st.none() | int64),
            draw(st.none() | int64),
            draw(st.none() | st.floats()),
            draw(st.none() | unicode_text),
        )
        for place, agent in enumerate(agents)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def canonical(rows: pl.DataFrame) -> pl.DataFrame:
    value = [None if v is None or np.isnan(v) else 0.0 if v == 0 else v for v in rows["value"].to_list()]
    return rows.with_columns(pl.Series("value", value, dtype=pl.Float64))


def at(step: int, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(step=pl.lit(step, dtype=pl.Int64))


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
    agent, seq = rows.row(data.draw(st.integers(0, len(rows) - 1)))[1:3]
    column = data.draw(st.sampled_from(["kind", "item", "slot", "value", "text", "row"]))
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
    run.append(assemble(1, []))
    run.append(step_rows(2))
    assert run.n_steps == 2
    assert run.hash == chained_hash(chained_hash("", assemble(1, [])), step_rows(2))
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


# --- one run after another ---


def test_a_run_is_reopened_and_goes_on(run: Run) -> None:
    run.append(step_rows(1))
    before = run.hash
    run.close()
    with Run.open("demo", write=True) as again:
        assert again.manifest == manifest()
        assert (again.n_steps, again.hash, again.finished) == (1, before, False)
        again.append(step_rows(2))
        assert again.hash == chained_hash(before, step_rows(2))
        again.finish()
    with Run.open("demo", write=True) as done:
        assert done.finished
        with pytest.raises(StoreError, match="finished: fork"):
            done.append(step_rows(3))


def test_an_existing_run_is_replaced_only_when_told(run: Run) -> None:
    run.append(step_rows(1))
    run.close()
    with pytest.raises(StoreError, match="exists already"):
        Run.create("demo", manifest())
    with Run.create("demo", manifest(seed=8), overwrite=True) as new:
        assert (new.n_steps, new.hash, new.manifest.seed) == (0, "", 8)


def test_a_run_whose_making_was_cut_short_leaves_no_trace(root: Path, run: Run) -> None:
    run.close()
    (root / "new").mkdir()
    (root / "new" / "run.sqlite.draft").write_bytes((root / "demo" / "run.sqlite").read_bytes()[:5000])
    assert [each.run for each in list_runs()] == ["demo"]
    with Run.create("new", manifest("new")) as new:
        new.append(step_rows(1))
        new.check()


def test_leftovers_of_the_old_log_do_not_reach_the_new_one(root: Path) -> None:
    writer = Run.create("demo", manifest())
    writer.append(step_rows(1))
    wal = (root / "demo" / "run.sqlite-wal").read_bytes()
    assert wal
    writer.close()
    (root / "demo" / "run.sqlite-wal").write_bytes(wal)
    with Run.create("demo", manifest(), overwrite=True) as new:
        assert new.n_steps == 0
        new.check()


def test_fork_shares_the_steps_before_and_none_after(run: Run) -> None:
    for step in (1, 2, 3):
        run.append(step_rows(step))
    run.put_artifact("population.parquet", b"people")
    run.record_call(a_call())
    run.set_metrics({"satisfied": 0.5})
    run.finish()
    with run.fork("other", 2) as fork:
        assert fork.manifest == manifest("other", forked_from="demo@2")
        assert_frame_equal(fork.events(), run.events(range(1, 3)))
        assert not fork.finished
        assert fork.metrics == {}
        assert fork.artifact("population.parquet") == b"people"
        assert fork.call("k1") == a_call()
        assert fork.calls_summary() | {"failures": {}} == {
            **{"n": 0, "failed": 0, "tokens_in": 0, "tokens_out": 0, "cost_usd": 0.0, "failures": {}, "inherited": 1}
        }
        fork.append(step_rows(3))
        assert fork.hash == run.hash
        fork.check()
    with run.fork("from-start", 0) as fork:
        assert (fork.n_steps, fork.hash) == (0, "")
    with pytest.raises(StoreError, match="has steps 0 to 3: it cannot be forked at 4"):
        run.fork("late", 4)
    with pytest.raises(StoreError, match="exists already"):
        run.fork("other", 1)


def test_list_runs_names_what_cannot_be_read(root: Path, run: Run) -> None:
    run.append(step_rows(1))
    assert run.summary().n_rows == 200
    (root / "broken").mkdir()
    (root / "broken" / "run.sqlite").write_bytes(b"no database, but long enough to be looked at" * 100)
    (root / "accuracy").mkdir()  # something else's folder
    broken, demo = list_runs()
    assert "damaged" in (broken.error or "")
    assert demo == run.summary()


def test_no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "nowhere"))
    assert list_runs() == []
    with pytest.raises(StoreError, match="there is no run demo"):
        Run.open("demo", write=True)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", "../x", "a/b", "/etc/x", "a\\b", "-a", ".a", "a b", "ä", "a" * 65, "a\n"]
)
def test_ids_are_never_paths(tmp_path: Path, run_id: str) -> None:
    for attempt in (lambda: Run.open(run_id), lambda: Run.create(run_id, manifest(run_id))):
        with pytest.raises(StoreError, match="is no id of a run"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_is_that_of_the_run() -> None:
    with pytest.raises(StoreError, match="given the manifest of run other"):
        Run.create("demo", manifest("other"))
    with pytest.raises(StoreError, match="manifest is not JSON"):
        Run.create("demo", manifest(config={"rate": float("nan")}))
    with pytest.raises(StoreError, match="manifest is not JSON"):
        Run.create("demo", manifest(config={"items": {1, 2}}))


# --- calls, artifacts, metrics ---


def test_calls_are_kept_all_and_found_by_key(run: Run) -> None:
    failed, answered = a_call(reply=None, failure="timeout", tokens_out=0, cost_usd=0), a_call(attempts=2)
    other = a_call("k2", reply=None, failure="refused", attempts=3)
    assert run.call("k1") is None
    for call in (failed, other, answered, other):
        run.record_call(call)
    assert run.call("k1") == answered
    assert run.call("k2") == other
    found = run.calls_summary()
    assert found.pop("cost_usd") == pytest.approx(0.75)
    assert found == {
        "n": 4,
        "failed": 3,
        "failures": {"refused": 2, "timeout": 1},
        "tokens_in": 40,
        "tokens_out": 9,
        "inherited": 0,
    }


def test_a_call_survives_a_step_that_fails_and_is_no_part_of_the_hash(run: Run) -> None:
    run.record_call(a_call())
    with pytest.raises(StoreError):
        run.append(step_rows(5))
    assert run.call("k1") == a_call()
    assert run.hash == ""


def test_no_secret_is_ever_stored(root: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-fake-0123456789abcdef"  # noqa: S105
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    run.record_call(a_call(reply=f"wrong key: {secret}!", server=secret, request=f'{{"authorization": "{secret}"}}'))
    kept = run.call("k1")
    assert kept is not None
    assert (kept.reply, kept.server) == ("wrong key: [OPENAI_API_KEY]!", "[OPENAI_API_KEY]")
    with pytest.raises(StoreError, match="the value of OPENAI_API_KEY"):
        Run.create("leak", manifest("leak", config={"key": secret}))
    assert "leak" not in {each.run for each in list_runs()}
    run.record_call(a_call(request='{"key_env": "OPENAI_API_KEY"}'))
    run.append(step_rows(1))
    files = [path for path in root.rglob("*") if path.is_file()]
    assert root / "demo" / "run.sqlite-wal" in files
    assert all(secret.encode() not in path.read_bytes() for path in files)


def test_half_a_character_is_refused(run: Run) -> None:
    with pytest.raises(StoreError, match="lone surrogates"):
        run.record_call(a_call(reply="\ud83d"))
    run.record_call(a_call())


def test_artifacts(run: Run) -> None:
    content = io.BytesIO()
    pl.DataFrame({"user": [1, 2]}).write_parquet(content)
    run.put_artifact("population.parquet", b"old")
    run.put_artifact("population.parquet", content.getvalue())
    assert run.artifact("population.parquet") == content.getvalue()
    with pytest.raises(StoreError, match=r"no artifact items.parquet: it has population.parquet"):
        run.artifact("items.parquet")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | unicode_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(unicode_text, inner, max_size=3),
)


@properties
@given(st.dictionaries(unicode_text, json_values, max_size=5))
def test_metrics_come_back_exactly_and_in_order(run: Run, metrics: dict[str, object]) -> None:
    run.set_metrics({"old": 1})
    run.set_metrics(metrics)
    assert repr(run.metrics) == repr(metrics)


def test_metrics_that_are_not_json_leave_the_old_ones(run: Run) -> None:
    run.set_metrics({"share": 0.5})
    with pytest.raises(StoreError, match="the metric bad is not JSON"):
        run.set_metrics({"share": 0.6, "bad": float("nan")})
    assert run.metrics == {"share": 0.5}


# --- several at once ---


def test_one_writer_many_readers(run: Run) -> None:
    run.append(step_rows(1))
    for attempt in (
        lambda: Run.open("demo", write=True),
        lambda: Run.create("demo", manifest(), overwrite=True),
    ):
        with pytest.raises(StoreError, match="being written by another process"):
            attempt()
    with Run.open("demo") as reader, Run.open("demo") as other:
        run.append(step_rows(2))
        assert reader.n_steps == other.n_steps == 2
        reader.check()
        for write in (lambda: reader.append(step_rows(3)), reader.finish, lambda: reader.record_call(a_call())):
            with pytest.raises(StoreError, match="open for reading"):
                write()
        with reader.fork("fork-of-a-running-run", 1) as fork:
            fork.check()
    run.close()
    with Run.open("demo", write=True) as next_writer:
        next_writer.append(step_rows(3))


def test_a_writer_in_another_process_is_refused_and_reads(repo: Path, run: Run) -> None:
    run.append(step_rows(1))
    code = """
from recgpt.errors import StoreError
from recgpt.simulate.store import Run
print(Run.open("demo").n_steps)
try:
    Run.open("demo", write=True)
except StoreError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True).stdout
    assert told.startswith("1\nrun demo is being written by another process")


def test_another_program_that_locks_the_file(root: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recgpt.simulate.store.file.BUSY_S", 0.1)
    run.close()
    with raw(root) as file, Run.open("demo", write=True) as writer:
        file.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program keeps it locked"):
            writer.append(step_rows(1))
        file.rollback()
        writer.append(step_rows(1))


def test_threads_share_a_run(run: Run) -> None:
    def ask(number: int) -> None:
        run.record_call(a_call(f"k{number}"))
        assert len(run.events()) % 200 == 0  # never part of a step

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, number) for number in range(40)]
        for step in range(1, 11):
            run.append(step_rows(step))
        for each in asked:
            each.result()
    assert run.calls_summary()["n"] == 40
    run.check()


# --- when things go wrong ---


@contextmanager
def no_more_than(n_bytes: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_no_more_loses_nothing(root: Path, run: Run) -> None:
    run.append(step_rows(1))
    before = run.hash
    with no_more_than(400_000):
        with pytest.raises(StoreError, match="All that was stored before is whole"):
            run.append(step_rows(2, 20_000))
        assert (run.n_steps, run.hash) == (1, before)
        run.check()
        with pytest.raises(StoreError):
            run.put_artifact("items.parquet", bytes(10**6))
    run.append(step_rows(2))
    run.check()


def test_a_full_disk_loses_nothing(run: Run) -> None:
    run.append(step_rows(1))
    run._connection.execute("PRAGMA max_page_count = 60")  # SQLite's own name for a full disk
    with pytest.raises(StoreError, match="the disk is full"):
        run.append(step_rows(2, 20_000))
    assert run.n_steps == 1
    run.append(step_rows(2))
    run.check()


def test_a_run_that_cannot_be_made_leaves_the_old_one(root: Path, run: Run) -> None:
    run.append(step_rows(1))
    run.close()
    with no_more_than(8_000), pytest.raises(StoreError):
        Run.create("demo", manifest(), overwrite=True)
    assert not list(root.glob("*/*.draft*"))
    with Run.open("demo") as old:
        assert old.n_steps == 1
        old.check()


def test_a_read_only_folder(repo: Path, root: Path, run: Run) -> None:
    run.append(step_rows(1))
    run.close()
    code = """
from recgpt.errors import StoreError
from recgpt.simulate.store import Manifest, Run
fields = {"world": "feed", "config": {}, "seed": 7, "made_with": {}, "dataset": {}, "repeatable": ""}
for attempt in (
    lambda: Run.open("demo"),
    lambda: Run.open("demo", write=True),
    lambda: Run.create("demo", Manifest(run="demo", **fields), overwrite=True),
    lambda: Run.create("new", Manifest(run="new", **fields)),
):
    try:
        print("opened", attempt())
    except StoreError as error:
        print(error)
"""
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:  # whom permissions do not bind until the capability is dropped
        if shutil.which("setpriv") is None:
            pytest.skip("root without setpriv")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    for path in (root / "demo" / "run.sqlite", root / "demo" / "writer.sqlite"):
        path.chmod(0o400)
    for path in (root / "demo", root):
        path.chmod(0o500)
    try:
        told = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    finally:
        for path in (root, root / "demo"):
            path.chmod(0o700)
    assert told.stderr == ""
    *existing, new = told.stdout.splitlines()
    assert len(existing) == 3
    assert all("must be writable, even for reading: change" in line for line in existing)
    assert "cannot be written: Permission denied" in new
    with Run.open("demo") as old:
        assert old.n_steps == 1
        old.check()


def test_a_damaged_file(root: Path, run: Run) -> None:
    for step in range(1, 6):
        run.append(step_rows(step, 400))
    run.close()
    path = root / "demo" / "run.sqlite"
    whole = path.read_bytes()
    for damaged in (b"", b"x" * 5000, whole[: len(whole) // 2], whole[:3000]):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"damaged|format 0"), Run.open("demo") as opened:
            opened.check()


def test_a_flipped_byte_is_found_wherever_it_matters(root: Path, run: Run) -> None:
    for step in range(1, 4):
        run.append(step_rows(step, 100))
    run.close()
    path = root / "demo" / "run.sqlite"
    whole, rng = path.read_bytes(), random.Random(0)  # noqa: S311
    with Run.open("demo") as opened:
        before = opened.events()
    found = 0
    for _ in range(60):
        place = rng.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        try:
            with Run.open("demo") as opened:
                opened.check()
                assert_frame_equal(opened.events(), before)  # it lay in space that is not used
        except StoreError:
            found += 1
    assert found > 20


@pytest.mark.slow
def test_kill_at_any_moment(repo: Path, root: Path) -> None:
    """Processes that write are killed at random moments: only whole steps are there, and the next one goes on."""
    n_steps = KILLS * STEPS_A_LIFE
    hashes = [""]
    with Run.create("undisturbed", manifest("undisturbed")) as undisturbed:
        for step in range(1, n_steps + 1):
            undisturbed.append(step_rows(step))
            hashes.append(undisturbed.hash)
    Run.create("demo", manifest()).close()
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    server = subprocess.Popen(
        [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    delay, reached = random.Random(0), set()  # noqa: S311
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        for life in range(KILLS):
            server.stdin.write("live\n")
            writer = int(server.stdout.readline())
            time.sleep(delay.uniform(0, 0.03))
            os.kill(writer, signal.SIGKILL)
            assert server.stdout.readline() == f"killed by {signal.SIGKILL}\n"
            with Run.open("demo") as run:
                last = run.n_steps
                assert run.hash == hashes[last]
                assert len(run.events(range(max(last, 1), n_steps + 1))) == (200 if last else 0)
                if life % 10 == 0:
                    run.check()
                reached.add(last)
        server.stdin.close()
    assert len(reached) > KILLS // 4  # they were killed at work, not before it
    with Run.open("demo", write=True) as run:
        for step in range(run.n_steps + 1, n_steps + 1):
            run.append(step_rows(step))
        run.check()
        assert run.hash == hashes[-1]


MEMORY = """
import resource
from tests_of_store import Run, manifest, step_rows

peaks = []
with Run.create("demo", manifest()) as run:
    for step in range(1, 9):
        run.append(step_rows(step, 20_000))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    total = sum(len(rows) for rows in run.iter_steps())
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(total, peaks[-1] - peaks[2], peaks)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_steps(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "tests_of_store.py").symlink_to(__file__)
    environment = {**os.environ, "PYTHONPATH": f"{repo}:{tmp_path}"}
    command = [sys.executable, "-c", MEMORY]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    total, growth_kb = map(int, told.split()[:2])
    assert total == 8 * 100_000
    assert growth_kb < 15_000, told  # five more steps are 30 MB as frames


def _serve_writers() -> None:
    """For each line of stdin, fork a writer that says its id, writes some steps and waits until it is killed.

    Forking spares each the seconds of the imports; polars has no threads yet that a fork would lose,
    as long as nothing in this file uses it on import.
    """
    for _ in sys.stdin:
        writer = os.fork()
        if not writer:
            run = Run.open("demo", write=True)
            steps = [step_rows(run.n_steps + ahead) for ahead in range(1, STEPS_A_LIFE + 1)]
            print(os.getpid(), flush=True)
            for rows in steps:
                run.append(rows)
            signal.pause()
        _, status = os.waitpid(writer, 0)
        print("killed by", os.WTERMSIG(status), flush=True)


if __name__ == "__main__":
    _serve_writers()
