"""Log of calls to language models in a file of its own, for a training or a program that is no run.

    with CallFile(Path("trained/calls.sqlite")) as calls:
        client = client_from_options(options.llm, seed=0, run=calls)

A question in the file is not sent again, also after the program was killed. One program at a time writes a file.
"""

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recgpt.bounds import parse_json
from recgpt.errors import StoreError
from recgpt.files import make_folder
from recgpt.simulate.llm.budget import Spent
from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.llm.dialect import Dialect
from recgpt.simulate.llm.redaction import Redactor
from recgpt.simulate.store.file import BUSY_S, readable_errors

_TABLES = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, key TEXT NOT NULL, content TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS calls_key ON calls (key);
    CREATE TABLE IF NOT EXISTS dialects (server TEXT PRIMARY KEY, content TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS spent (calls INTEGER NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL);
"""


class CallFile:
    """A `CallLog` in a file, which is made where there is none. A context manager.

    Raises
    ------
    StoreError
        The file cannot be read or written, or is none of this kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path.parent)
        with readable_errors(path):
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Close the file; all calls are durable already."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def spent(self) -> Spent:
        """Use by all calls in the file."""
        with readable_errors(self.path):
            query = "SELECT coalesce(sum(calls), 0), coalesce(sum(tokens), 0), coalesce(sum(usd), 0.0) FROM spent"
            return Spent(*self._connection.execute(query).fetchone())

    def record_call(self, call: LLMCall) -> None:
        """See `CallLog`; the value of a secret of the environment is replaced by its name."""
        redactor = Redactor.with_environment({})
        clean = LLMCall(**{name: redactor.value(value) for name, value in call.model_dump().items()})
        with readable_errors(self.path):
            self._connection.execute("BEGIN")
            self._connection.execute(
                "INSERT INTO calls (key, content) VALUES (?, ?)", (call.key, clean.model_dump_json())
            )
            used = (1, call.tokens_in + call.tokens_out, call.cost_usd)
            self._connection.execute("INSERT INTO spent VALUES (?, ?, ?)", used)
            self._connection.execute("COMMIT")

    def call(self, key: str) -> LLMCall | None:
        """See `CallLog`."""
        found = self._content("SELECT content FROM calls WHERE key = ? ORDER BY id DESC LIMIT 1", key)
        return None if found is None else LLMCall.model_validate(found)

    def dialect(self, server: str) -> Dialect | None:
        """See `CallLog`."""
        found = self._content("SELECT content FROM dialects WHERE server = ?", server)
        return None if found is None else Dialect.model_validate(found)

    def keep_dialect(self, server: str, dialect: Dialect) -> None:
        """See `CallLog`."""
        with readable_errors(self.path):
            self._connection.execute(
                "INSERT OR REPLACE INTO dialects VALUES (?, ?)", (server, dialect.model_dump_json())
            )

    def _content(self, query: str, key: str) -> Any:
        with readable_errors(self.path):
            row = self._connection.execute(query, (key,)).fetchone()
        return None if row is None else parse_json(row[0], f"{self.path} is damaged: it", StoreError)
