"""SQLite file of a run: path, tables, write lock, and error messages.

`RUNS/<id>/run.sqlite`, where RUNS is the environment variable RECGPT_RUNS or `runs`.
"""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from recgpt.errors import StorageError, StoreError
from recgpt.files import new_file

FILE_NAME, LOCK_NAME, SNAPSHOTS_NAME = "run.sqlite", "writer.sqlite", "snapshots"
FORMAT = 2
"""Format of the runs that are written; format 1 (without other agent, place and time) can still be read."""
BUSY_S = 30.0  # seconds that a reader or writer waits for the other
_LOCK_S = 0.2  # seconds that a writer waits for its lock, which `is_being_written` holds for an instant
_TABLES = f"""
    BEGIN;
    PRAGMA user_version = {FORMAT};
    CREATE TABLE manifest (content TEXT NOT NULL, finished INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE steps (step INTEGER PRIMARY KEY, n_rows INTEGER NOT NULL, hash TEXT NOT NULL);
    CREATE TABLE events (
        step INTEGER NOT NULL, time INTEGER NOT NULL, agent INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL,
        other INTEGER, item INTEGER, place INTEGER, slot INTEGER, value REAL, text TEXT,
        PRIMARY KEY (step, agent, seq)
    ) WITHOUT ROWID;
    CREATE TABLE llm_calls (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, purpose TEXT NOT NULL, model TEXT NOT NULL, request TEXT NOT NULL,
        reply TEXT, failure TEXT, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost_usd REAL NOT NULL,
        seconds REAL NOT NULL, attempts INTEGER NOT NULL, server TEXT NOT NULL, inherited INTEGER NOT NULL DEFAULT 0,
        step INTEGER
    );
    CREATE INDEX llm_calls_key ON llm_calls (key);
    CREATE TABLE metrics (name TEXT NOT NULL UNIQUE, value TEXT NOT NULL);
    CREATE TABLE artifacts (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, content BLOB NOT NULL);
"""
_TABLE_NAMES, _INDICES = frozenset(re.findall(r"TABLE (\w+)", _TABLES)), frozenset(re.findall(r"INDEX (\w+)", _TABLES))

_JOURNALS = ("-wal", "-shm", "-journal")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_READ_ONLY = (
    "the file and its folder must be writable, even for reading: change their permissions, or copy the folder of the"
    " run to where you may write"
)
_MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full. Nothing of what was being written is stored, all that was stored before"
    " is whole: free space and resume the run",
    sqlite3.SQLITE_IOERR: "the disk refuses to read or write. All that was stored before is whole: see that the disk"
    " is neither full nor failing, and resume the run",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_BUSY: "another program keeps it locked: close that program",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked: close that program",
}
_DAMAGED = "it is damaged: restore it from a copy, or make the run again"


def runs_root() -> Path:
    """Folder of all runs."""
    return Path(os.environ.get("RECGPT_RUNS", "runs"))


def run_path(run_id: str) -> Path:
    """Path of the file of a run, existing or not.

    Raises
    ------
    StoreError
        The id could be a path, or is too long.
    """
    if not _ID.fullmatch(run_id):
        raise StoreError(
            f"{run_id!r} is no id of a run: up to 64 letters, digits, dots, dashes and underscores, a letter or a"
            " digit first"
        )
    return runs_root() / run_id / FILE_NAME


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the system about the file at `path` into a `StoreError` with a remedy."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
        if "closed database" in str(error):  # by another thread, for example when a server ends beneath a request
            raise StoreError(f"{path} was closed meanwhile: open it again") from error
        raise  # a bug in the caller, no problem of the file
    except sqlite3.Error as error:
        code = (
            getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        )  # the higher bits distinguish variants of one error
        raise StoreError(f"{path}: {_MEANINGS.get(code, _DAMAGED)} ({error})") from error
    except UnicodeEncodeError as error:
        raise StoreError(
            f"{path}: a text that is not Unicode cannot be stored: strip lone surrogates ({error})"
        ) from error
    except StorageError as error:
        raise StoreError(str(error)) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror} ({error.filename})") from error


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open the existing file of a run in autocommit mode.

    Raises
    ------
    StoreError
        The file is damaged, has a format that this version does not know, or is to be written and has format 1.
    """
    with readable_errors(path):
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={'rw' if write else 'ro'}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,  # `Run` serialises access
        )
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            _check_schema(connection, path)
            connection.execute("PRAGMA synchronous = FULL")
            found = format_of(connection)
            if found not in (1, FORMAT):
                raise StoreError(
                    f"{path} has format {found}, this version of recgpt reads formats 1 and {FORMAT}: install the"
                    " version that wrote it"
                )
            if write and found == 1:
                raise old_format(path.parent.name)
            if write and not counts_calls_by_step(connection):  # a run of an earlier version
                connection.execute("ALTER TABLE llm_calls ADD COLUMN step INTEGER")
        except BaseException:
            connection.close()
            raise
    return connection


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file with anything but the plain tables of a run: a view or a computed column runs what a file says."""
    for kind, name, definition in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "index" and (definition is None or name in _INDICES):
            continue
        if kind != "table" or name not in _TABLE_NAMES or "VIRTUAL" in str(definition)[:20].upper():
            raise StoreError(f"{path} holds the {kind} {name!r}, which no run has: do not use this file")
        columns = connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (name,))
        computed = next((column for column, hidden in columns if hidden), None)
        if computed is not None:
            raise StoreError(f"{path} computes the column {computed!r} of {name}, as no run does: do not use it")


def counts_calls_by_step(connection: sqlite3.Connection) -> bool:
    """Whether calls have a step, which earlier versions did not store."""
    return "step" in _columns(connection, "main", "llm_calls")


def _columns(connection: sqlite3.Connection, database: str, table: str) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?, ?)", (table, database))]


def old_format(run_id: str) -> StoreError:
    """Error for an operation that a run of format 1 does not support."""
    return StoreError(
        f"run {run_id} has format 1, which is read and no longer written: start a run with its configuration, the same"
        " events come out"
    )


def taken(run_id: str) -> StoreError:
    """Error for an id that a run has already."""
    return StoreError(
        f"run {run_id} exists already: resume it, choose another id, or pass --overwrite. To resume it: recgpt runs"
        f" resume {run_id}"
    )


def format_of(connection: sqlite3.Connection) -> int:
    """Format number of a file."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def lock_for_writing(path: Path) -> sqlite3.Connection:
    """Take the write lock of the run at `path`, held until the connection is closed or the process ends.

    An SQLite lock on a separate file: it works on every file system that the run works on, is released when a process
    is killed, is not inherited by a forked process, and does not block readers.

    Raises
    ------
    StoreError
        There is another writer, or the folder cannot be written.
    """
    with readable_errors(path):
        lock = sqlite3.connect(
            path.with_name(LOCK_NAME), timeout=_LOCK_S, isolation_level=None, check_same_thread=False
        )
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except BaseException as error:
            lock.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise StoreError(
                    f"run {path.parent.name} is being written by another process: wait until it ends, or stop it;"
                    " reading is possible meanwhile"
                ) from error
            raise
    return lock


def is_being_written(path: Path) -> bool:
    """Whether some process has the run at `path` open for writing."""
    lock = path.with_name(LOCK_NAME)
    if not lock.is_file():
        return False
    with closing(sqlite3.connect(f"{lock.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
    return False


def make(path: Path, manifest: str, *, parent: tuple[Path, int] | None = None) -> None:
    """Write a new file at `path` atomically, replacing any existing one. The caller holds its lock.

    Parameters
    ----------
    manifest
        JSON of the manifest.
    parent
        File of a forked run and the last step whose events are copied, with all its calls and artifacts.
    """
    with readable_errors(path), new_file(path) as draft:
        try:
            _write(draft, manifest, parent)
            _settle(path)
        finally:
            for suffix in _JOURNALS:
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(path.with_name(SNAPSHOTS_NAME), ignore_errors=True)


def _write(path: Path, manifest: str, parent: tuple[Path, int] | None) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if parent is not None:
            connection.execute("ATTACH DATABASE ? AS parent", (str(parent[0]),))
        connection.executescript(_TABLES)
        connection.execute("INSERT INTO manifest (content) VALUES (?)", (manifest,))
        if parent is not None:
            _take_over(connection, at_step=parent[1])
        connection.execute("COMMIT")
        connection.execute("PRAGMA main.journal_mode = WAL")  # stays with the file


def _take_over(connection: sqlite3.Connection, *, at_step: int) -> None:
    for table in ("steps", "events"):
        connection.execute(
            f"INSERT INTO main.{table} SELECT * FROM parent.{table} WHERE step <= ? ORDER BY step",  # noqa: S608
            (at_step,),
        )
    connection.execute("INSERT INTO main.artifacts SELECT * FROM parent.artifacts")
    columns = ", ".join(_columns(connection, "parent", "llm_calls"))
    connection.execute(f"INSERT INTO main.llm_calls ({columns}) SELECT {columns} FROM parent.llm_calls")  # noqa: S608
    connection.execute("UPDATE main.llm_calls SET inherited = 1")


def _settle(path: Path) -> None:
    """Write the journals of a run into its file and delete them: they would corrupt another file in its place."""
    if path.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the old run is whole until it is replaced
    for suffix in _JOURNALS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
