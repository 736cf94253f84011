"""Runs: made, opened again, forked, listed; several writers and readers at once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal
from store_rows import a_call, manifest, raw, step_rows

from recgpt.errors import StoreError
from recgpt.simulate.events import chained_hash
from recgpt.simulate.store import Run, list_runs


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
    with pytest.raises(StoreError, match="cannot be forked at step 4: choose one from 0 to 3"):
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
    with pytest.raises(StoreError, match="the manifest, which is of run other"):
        Run.create("demo", manifest("other"))
    with pytest.raises(StoreError, match="manifest is not JSON"):
        Run.create("demo", manifest(config={"rate": float("nan")}))
    with pytest.raises(StoreError, match="manifest is not JSON"):
        Run.create("demo", manifest(config={"items": {1, 2}}))


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


def test_a_run_that_another_thread_closed_is_one_line(run: Run) -> None:
    run.append(step_rows(1))
    run.close()
    for read in (lambda: run.events(1), lambda: run.hash, lambda: run.n_steps):
        with pytest.raises(StoreError, match="closed meanwhile: open it again"):
            read()


def test_calls_are_counted_by_the_step_that_was_played(run: Run) -> None:
    run.record_call(a_call("k1", failure="timeout", reply=None))
    run.append(step_rows(1))
    run.record_call(a_call("k2"))
    found = run.calls_after(0)
    assert found.rows() == [(1, 1, 1, 13, 0.25), (2, 2, 0, 13, 0.25)]
    assert run.calls_after(1).rows() == found.rows()[1:]
    with run.fork("forked", 1) as forked:
        assert forked.calls_after(0).is_empty()


def test_calls_of_an_earlier_version_have_no_step_until_the_run_goes_on(run: Run, root: Path) -> None:
    run.record_call(a_call("k1"))
    run.append(step_rows(1))
    run.close()
    with raw(root) as file:
        file.execute("ALTER TABLE llm_calls DROP COLUMN step")
    with Run.open("demo") as old:
        assert old.calls_after(0) is None and old.call("k1") == a_call("k1")
        with old.fork("forked", 1) as forked:
            assert forked.calls_summary()["inherited"] == 1
    with Run.open("demo", write=True) as resumed:
        resumed.record_call(a_call("k2"))
        assert resumed.calls_after(0)["step"].to_list() == [None, 2]
