"""Storage of one run: manifest, events by step, calls to language models, artifacts and metrics. See `Run`."""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import polars as pl
from pydantic import ValidationError

from recgpt.bounds import check_parquet, parse_json
from recgpt.errors import StoreError
from recgpt.progress import track
from recgpt.simulate.events import FORMAT_1_COLUMNS, SCHEMA, EventKinds, chained_hash
from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.llm.dialect import Dialect
from recgpt.simulate.llm.redaction import Redactor, environment_secrets
from recgpt.simulate.store import file as run_file
from recgpt.simulate.store import rows as event_rows
from recgpt.simulate.store.file import readable_errors
from recgpt.simulate.store.manifest import Manifest, RunSummary

_CALL_COLUMNS = ", ".join(LLMCall.model_fields)
_NEXT_STEP = "(SELECT coalesce(max(step), 0) + 1 FROM steps)"
_CALL_VALUES = f":{_CALL_COLUMNS.replace(', ', ', :')}, {_NEXT_STEP}"
_KEEP_CALL = f"INSERT INTO llm_calls ({_CALL_COLUMNS}, step) VALUES ({_CALL_VALUES})"  # noqa: S608
_FIND_FAILED = f"SELECT {_CALL_COLUMNS} FROM llm_calls WHERE failure = ? AND reply <> '' ORDER BY id DESC LIMIT 1"  # noqa: S608
_FIND_CALL = f"SELECT {_CALL_COLUMNS} FROM llm_calls WHERE key = ? ORDER BY id DESC LIMIT 1"  # noqa: S608


@dataclass(frozen=True)
class Subject:
    """Subject of events: a text that theirs contains, in any case, or one of some items, or one of some agents."""

    text: str
    items: Sequence[int] = ()
    agents: Sequence[int] = ()

    CONDITION: ClassVar = (
        "(instr(lower(text), lower(?)) OR instr(text, ?) OR item IN (SELECT value FROM json_each(?))"
        " OR agent IN (SELECT value FROM json_each(?)) OR other IN (SELECT value FROM json_each(?)))"
    )

    def values(self) -> list[str]:
        """Values of `CONDITION`; lower-casing in SQLite is of ASCII letters only."""
        items, agents = json.dumps(list(self.items)), json.dumps(list(self.agents))
        return [self.text, self.text, items, agents, agents]


class Run:
    """A run on disk, from `create` or `open`. A context manager, safe to share between threads.

    One process at a time writes a run, any number may read it meanwhile. Steps are stored atomically. Every method
    raises `StoreError` if the file cannot be read or written.

    Attributes
    ----------
    format
        2; or 1 for a run of recgpt 0.1, which is read-only.
    """

    def __init__(self, run_id: str, connection: sqlite3.Connection, lock: sqlite3.Connection | None) -> None:
        self.run_id = run_id
        self.path = run_file.run_path(run_id)
        self._connection = connection
        self._lock = lock
        self._turn = threading.RLock()
        with readable_errors(self.path):
            self.format = run_file.format_of(connection)
        try:
            self.manifest = self._read_manifest()
        except ValidationError as error:
            self.close()
            raise StoreError(f"{self.path}: the manifest is damaged: make the run again ({error})") from error
        except StoreError:
            self.close()
            raise

    def _read_manifest(self) -> Manifest:
        content = self._value("SELECT content FROM manifest")
        parse_json(content if isinstance(content, str) else "", f"{self.path}: the manifest is damaged: it", StoreError)
        return Manifest.model_validate_json(content)

    @classmethod
    def create(cls, run_id: str, manifest: Manifest, *, overwrite: bool = False) -> Self:
        """Create a run and open it for writing.

        Parameters
        ----------
        run_id
            Up to 64 letters, digits, dots, dashes and underscores; also `manifest.run`.
        overwrite
            Replace the run of this id, if there is one; one without any step or reply is replaced in any case.

        Raises
        ------
        StoreError
            The id is invalid or taken, another process writes that run, or the manifest is not JSON or holds a secret.
        """
        return cls._create(run_id, manifest, overwrite=overwrite)

    @classmethod
    def _create(
        cls, run_id: str, manifest: Manifest, *, overwrite: bool = False, parent: tuple["Run", int] | None = None
    ) -> Self:
        path = run_file.run_path(run_id)
        if manifest.run != run_id:
            raise StoreError(f"run {run_id} does not match the manifest, which is of run {manifest.run}")
        content = _as_json(manifest.model_dump(), "the manifest")
        _refuse_secrets(content, "the manifest")
        with readable_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        lock = run_file.lock_for_writing(path)
        try:
            if path.exists() and not overwrite and not _is_empty(run_id, path):
                raise run_file.taken(run_id)
            run_file.make(path, content, parent=None if parent is None else (parent[0].path, parent[1]))
            return cls(run_id, run_file.connect(path, write=True), lock)
        except BaseException:
            lock.close()
            raise

    @classmethod
    def open(cls, run_id: str, *, write: bool = False) -> Self:
        """Open a run for reading (others may write it meanwhile) or for writing (exclusively).

        Raises
        ------
        StoreError
            There is no such run, its file is damaged, or `write` is set while another process writes it.
        """
        path = run_file.run_path(run_id)
        if not path.is_file():
            raise StoreError(f"there is no run {run_id} in {path.parent.parent}: see `recgpt runs list`")
        lock = run_file.lock_for_writing(path) if write else None
        try:
            return cls(run_id, run_file.connect(path, write=write), lock)
        except BaseException:
            if lock is not None:
                lock.close()
            raise

    def close(self) -> None:
        """Close the file; all completed writes are already durable, and another thread ends its reading before."""
        with self._turn:
            self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- events ---

    @property
    def n_steps(self) -> int:
        """Number of the last stored step; 0 before the first."""
        return self._value("SELECT coalesce(max(step), 0) FROM steps")

    @property
    def n_rows(self) -> int:
        """Number of events of all steps."""
        return self._value("SELECT coalesce(sum(n_rows), 0) FROM steps")

    @property
    def hash(self) -> str:
        """Hex SHA-256 of all events, see `chained_hash`; "" before the first step."""
        return self._value("SELECT coalesce((SELECT hash FROM steps ORDER BY step DESC LIMIT 1), '')")

    def hash_at(self, step: int) -> str:
        """Hex SHA-256 of the events up to a step; "" if there is no such step."""
        return self._value("SELECT coalesce((SELECT hash FROM steps WHERE step = ?), '')", (step,))

    def append(self, rows: pl.DataFrame) -> None:
        """Store the next step atomically; it is durable when this returns.

        Parameters
        ----------
        rows
            Rows from `EventKinds.assemble` for step `n_steps + 1`; may be empty. NaN is stored as null, -0.0 as 0.0.

        Raises
        ------
        StoreError
            Rows of another step or schema, a finished run, or a full disk.
        SimulationError
            A kind or a column that the manifest's table of events does not declare.
        """
        with self._transaction() as connection:
            if self.finished:
                raise StoreError(f"run {self.run_id} is finished: fork it to continue from one of its steps")
            step = self.n_steps + 1
            stored = event_rows.storable(rows, step)
            EventKinds.from_dict(self.manifest.kinds).check(stored)
            event_rows.insert(connection, stored)
            chained = chained_hash(self.hash, stored)
            connection.execute("INSERT INTO steps VALUES (?, ?, ?)", (step, len(stored), chained))

    def events(self, step: int | range | None = None, kind: str | None = None) -> pl.DataFrame:
        """Events in their order, with the columns of `recgpt.simulate.events.SCHEMA`.

        Parameters
        ----------
        step
            One step, or a range of consecutive steps; by default all.
        kind
            Kind of event; by default all.
        """
        steps = range(1, self.n_steps + 1) if step is None else range(step, step + 1) if isinstance(step, int) else step
        where, values = "step >= ? AND step < ?", [steps.start, steps.stop]
        if kind is None:
            return self._select(where, values)
        return self._select(f"{where} AND kind = ?", [*values, kind])

    def events_of(self, agent: int, steps: range, kinds: Sequence[str] = ()) -> pl.DataFrame:
        """Events of one agent in a range of consecutive steps; fast, as no row of another agent is read.

        Parameters
        ----------
        kinds
            Kinds of events; by default all.
        """
        return self._select(*_among(steps, agent, kinds))

    def newest_events(
        self,
        steps: range,
        n: int,
        *,
        agent: int | None = None,
        kinds: Sequence[str] = (),
        about: "Subject | None" = None,
    ) -> pl.DataFrame:
        """The last `n` events of a range of consecutive steps, the newest first.

        Parameters
        ----------
        agent, kinds, about
            One agent, kinds of events, a subject; by default all.
        """
        where, values = _among(steps, agent, kinds)
        if about is not None:
            where, values = f"{where} AND {about.CONDITION}", [*values, *about.values()]
        return self._select(where, values, newest=n)

    def iter_steps(self) -> Iterator[pl.DataFrame]:
        """The events of each step in turn, one step in memory at a time."""
        for step in range(1, self.n_steps + 1):
            yield self.events(step)

    def counts_by_kind(self) -> dict[str, int]:
        """Number of events by kind."""
        return dict(self._query("SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind"))

    def finish(self) -> None:
        """Mark the run as complete; further steps are an error."""
        with self._transaction() as connection:
            connection.execute("UPDATE manifest SET finished = 1")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to lose: no step, and no reply of a language model."""
        n_replies = self._value("SELECT count(*) FROM llm_calls WHERE failure IS NULL")
        return not self.n_steps and not n_replies and self.manifest.forked_from is None

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return bool(self._value("SELECT finished FROM manifest"))

    def fork(
        self,
        new_id: str,
        at_step: int,
        *,
        retries: int = 0,
        made_with: dict[str, str] | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> "Run":
        """Create a new run with the events of this one up to `at_step`, open for writing.

        It inherits the artifacts and the calls, so that equal requests get the stored replies.

        Parameters
        ----------
        retries
            Times more that a question is sent again whose replies were malformed.
        made_with
            Versions that it goes on with; None for those of this run, which it then needs to be resumed.
        changes
            Other fields of the manifest, such as `config`; see `recgpt.simulate.runner.fork`.

        Raises
        ------
        StoreError
            This run has no such step or is of format 1, or the new id is invalid or taken.
        """
        if self.format == 1:
            raise run_file.old_format(self.run_id)
        if not 0 <= at_step <= self.n_steps:
            raise StoreError(
                f"run {self.run_id} cannot be forked at step {at_step}: choose one from 0 to {self.n_steps}"
            )
        changed: dict[str, Any] = {"changed": {}, **(changes or {})}
        changed |= {"run": new_id, "forked_from": f"{self.run_id}@{at_step}"}
        changed |= {"retries": self.manifest.retries + retries}
        changed |= {} if made_with is None else {"made_with": made_with}
        manifest = self.manifest.model_copy(update=changed)
        return Run._create(new_id, manifest, parent=(self, at_step))

    def check(self) -> None:
        """Recompute the hashes of events and artifacts, and compare them with the stored ones.

        Raises
        ------
        StoreError
            Names the first step or artifact that differs from its hash, or the damage that SQLite reports.
        """
        with self._snapshot():
            self._check()

    def _check(self) -> None:
        found = self._value("PRAGMA quick_check(1)")
        if found != "ok":
            raise StoreError(f"{self.path} is damaged: restore it from a copy, or make the run again ({found})")
        before, columns = "", FORMAT_1_COLUMNS if self.format == 1 else tuple(SCHEMA)
        recorded = self._query("SELECT step, n_rows, hash FROM steps ORDER BY step")
        progress = track(recorded, f"checking run {self.run_id}", total=len(recorded))
        for expected, (step, n_rows, stored) in enumerate(progress, start=1):
            if step != expected:
                raise StoreError(
                    f"run {self.run_id}: step {expected} is missing: restore the file from a copy, or make the run"
                    " again"
                )
            rows = self.events(step)
            if len(rows) != n_rows or chained_hash(before, rows, columns) != stored:
                raise StoreError(
                    f"run {self.run_id}: the events of step {step} are not those that were stored"
                    f" ({len(rows):,} rows, {n_rows:,} were stored). What comes before is whole:"
                    f" `recgpt runs fork {self.run_id} NEW --at {step - 1}`"
                )
            before = stored
        strays = self._select("step < 1 OR step > ?", [len(recorded)])
        if len(strays):
            raise StoreError(
                f"run {self.run_id}: there are events of step {strays['step'][0]}, which was never stored: restore"
                " the file from a copy, or make the run again"
            )
        for (name,) in self._query("SELECT name FROM artifacts"):
            self.artifact(name)

    # --- calls to language models ---

    def record_call(self, call: LLMCall) -> None:
        """Store a call durably; earlier calls with the same key are kept.

        The value of a secret of this process's environment, if a server repeats it, is replaced by its name.
        """
        redactor = Redactor.with_environment({})
        fields = {name: redactor.value(value) for name, value in call.model_dump().items()}
        with self._transaction() as connection:
            connection.execute(_KEEP_CALL, fields)

    def call(self, key: str) -> LLMCall | None:
        """The last call with this key; None if there is none."""
        found = self._query(_FIND_CALL, (key,))
        return LLMCall(**dict(zip(LLMCall.model_fields, found[0], strict=True))) if found else None

    def dialect(self, server: str) -> Dialect | None:
        """Dialect of a language model and server, from the manifest; None before its first reply."""
        return self.manifest.dialects.get(server)

    def keep_dialect(self, server: str, dialect: Dialect) -> None:
        """Store the dialect of a language model and server in the manifest."""
        dialects = {**self.manifest.dialects, server: dialect}
        manifest = self.manifest.model_copy(update={"dialects": dialects})
        with self._transaction() as connection:
            connection.execute("UPDATE manifest SET content = ?", (_as_json(manifest.model_dump(), "the manifest"),))
        self.manifest = manifest

    def failed_call(self, failure: str) -> LLMCall | None:
        """The last call that failed in this way and has words of the server; None without one."""
        found = self._query(_FIND_FAILED, (failure,))
        return LLMCall(**dict(zip(LLMCall.model_fields, found[0], strict=True))) if found else None

    def calls_after(self, number: int) -> pl.DataFrame | None:
        """Calls of the run's own with a higher number, in order; None for a run that did not store their steps.

        Columns: `id` (the number, from 1), `step` that was being played, `failed`, `tokens`, `cost_usd`.
        """
        with self._turn, readable_errors(self.path):
            if not run_file.counts_calls_by_step(self._connection):
                return None
        found = self._query(
            "SELECT id, step, failure IS NOT NULL, tokens_in + tokens_out, cost_usd FROM llm_calls"
            " WHERE id > ? AND NOT inherited ORDER BY id",
            (number,),
        )
        types = {"id": pl.Int64, "step": pl.Int64, "failed": pl.Int64, "tokens": pl.Int64, "cost_usd": pl.Float64}
        return pl.DataFrame(found, schema=types, orient="row")

    def calls_summary(self) -> dict[str, Any]:
        """Totals of all calls: `n`, `failed`, `failures` by kind, `tokens_in`, `tokens_out`, `cost_usd`.

        Calls inherited from a forked run have no cost here; they are counted as `inherited`.
        """
        names = ("n", "failed", "tokens_in", "tokens_out", "cost_usd")
        totals = self._query(
            "SELECT count(*), count(failure), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0),"
            " coalesce(sum(cost_usd), 0.0) FROM llm_calls WHERE NOT inherited"
        )
        failures = self._query(
            "SELECT failure, count(*) FROM llm_calls WHERE failure IS NOT NULL AND NOT inherited"
            " GROUP BY failure ORDER BY failure"
        )
        inherited = self._value("SELECT count(*) FROM llm_calls WHERE inherited")
        return {**dict(zip(names, totals[0], strict=True)), "failures": dict(failures), "inherited": inherited}

    # --- artifacts and metrics ---

    def put_artifact(self, name: str, content: bytes) -> None:
        """Store a file with the run, such as `population.parquet`, replacing any of that name."""
        with self._transaction() as connection:
            values = (name, hashlib.sha256(content).hexdigest(), content)
            connection.execute("INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?)", values)

    def artifact(self, name: str) -> bytes:
        """Content of an artifact.

        Raises
        ------
        StoreError
            There is no artifact of this name, or its content differs from its hash.
        """
        found = self._query("SELECT sha256, content FROM artifacts WHERE name = ?", (name,))
        if not found:
            held = ", ".join(each for (each,) in self._query("SELECT name FROM artifacts ORDER BY name"))
            raise StoreError(f"run {self.run_id} has no artifact {name}: it has {held or 'none'}")
        sha256, content = found[0]
        if not isinstance(content, bytes) or hashlib.sha256(content).hexdigest() != sha256:
            raise StoreError(f"{self.path}: the artifact {name} is damaged: restore the file from a copy")
        if name.endswith(".parquet"):
            check_parquet(content, f"{self.path}: {name}")
        return content

    def artifact_sha256(self, name: str) -> str | None:
        """Hash of an artifact; None if there is none of this name."""
        found = self._query("SELECT sha256 FROM artifacts WHERE name = ?", (name,))
        return found[0][0] if found else None

    def set_metrics(self, metrics: dict[str, Any]) -> None:
        """Store the metrics of the run, JSON values by name, replacing earlier ones.

        Raises
        ------
        StoreError
            A value is not JSON, such as NaN.
        """
        values = [(name, _as_json(value, f"the metric {name}")) for name, value in metrics.items()]
        with self._transaction() as connection:
            connection.execute("DELETE FROM metrics")
            connection.executemany("INSERT INTO metrics VALUES (?, ?)", values)

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics of the run; empty before `set_metrics`."""
        return {
            name: parse_json(str(value), f"{self.path}: {name}", StoreError)
            for name, value in self._query("SELECT * FROM metrics ORDER BY rowid")
        }

    def summary(self) -> RunSummary:
        """One-line summary of the run."""
        with self._snapshot():
            return RunSummary(
                run=self.run_id,
                world=self.manifest.world,
                n_steps=self.n_steps,
                n_rows=self.n_rows,
                finished=self.finished,
                forked_from=self.manifest.forked_from,
                hash=self.hash,
            )

    # --- the connection ---

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._lock is None:
            raise StoreError(f"run {self.run_id} is open for reading: open it with write=True")
        with self._turn, readable_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends some transactions itself, for example on a full disk
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Read transaction: all reads inside see the same state of the file."""
        with self._turn, readable_errors(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def _query(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._turn, readable_errors(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _value(self, sql: str, values: tuple[Any, ...] = ()) -> Any:
        found = self._query(sql, values)
        if not found:
            raise StoreError(f"{self.path} is damaged, a row is missing: restore it from a copy, or make the run again")
        return found[0][0]

    def _select(self, where: str, values: list[Any], *, newest: int | None = None) -> pl.DataFrame:
        with self._turn, readable_errors(self.path):
            return event_rows.select(self._connection, where, values, file_format=self.format, newest=newest)


def _among(steps: range, agent: int | None, kinds: Sequence[str]) -> tuple[str, list[Any]]:
    """SQL condition of events, and its values."""
    where, values = "step >= ? AND step < ?", [steps.start, steps.stop]
    if agent is not None:  # the primary key finds step and agent, where a range of steps would be read as a whole
        where = f"step IN (SELECT step FROM steps WHERE {where}) AND agent = ?"  # noqa: S608
        values.append(agent)
    if kinds:
        where += f" AND kind IN ({', '.join('?' * len(kinds))})"
    return where, [*values, *kinds]


def _is_empty(run_id: str, path: Path) -> bool:
    with closing(run_file.connect(path, write=False)) as connection:
        return Run(run_id, connection, None).is_empty


def list_runs() -> list[RunSummary]:
    """Summaries of all runs, sorted by id; an unreadable run is listed with its error."""
    root = run_file.runs_root()
    if not root.is_dir():
        return []
    return [_summary(path.parent.name) for path in sorted(root.glob(f"*/{run_file.FILE_NAME}"))]


def _summary(run_id: str) -> RunSummary:
    try:
        with Run.open(run_id) as run:
            return run.summary()
    except StoreError as error:
        return RunSummary(run=run_id, error=str(error))


def _as_json(value: Any, what: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{what} is not JSON: give None for what is unknown ({error})") from error


def _refuse_secrets(text: str, what: str) -> None:
    for name, value in environment_secrets():
        if value in text:
            raise StoreError(
                f"{what} holds the value of {name}, which must not be stored: give the name, not the value"
            )
