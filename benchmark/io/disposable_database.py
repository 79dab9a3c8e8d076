"""A SQLite file that may be lost at any time: what cannot be read is made again, what cannot be written is skipped."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

Row: TypeAlias = tuple[Any, ...]
_T = TypeVar("_T")

_PATIENCE_S = 30.0
"""So long a transaction waits for those of other processes."""
_MAX_KEYS = 500
"""Keys in one query; SQLite takes at least 999 values."""
_BESIDE = ("-journal", "-wal", "-shm")
"""Ends of the files that belong to a database; one that is left behind would be applied to the next database."""


@dataclass(frozen=True)
class DisposableDatabase:
    """Tables of one program and one format; a file of another one, or a damaged one, is replaced when it is written to.

    Each read and each write opens the file, is one transaction, and closes it: any number of processes may use it, and
    after a crash it holds the whole of a write or nothing of it. No write-ahead log is used, since it needs memory that
    processes share, which network file systems do not give.

    Attributes
    ----------
    path : of the file; its folder is made when it is first written to.
    schema : statements that make the tables.
    application_id, version : mark a file as one of these, 1 to 2**31 - 1 each. Raise the version with the schema.
    """

    path: Path
    schema: tuple[str, ...]
    application_id: int
    version: int

    def select(self, query: str, keys: Sequence[bytes]) -> list[Row]:
        """Rows of a query that ends in `IN`, for these keys; none where the file is missing, damaged or foreign."""

        def rows(connection: sqlite3.Connection) -> list[Row]:
            found: list[Row] = []
            if self._is_own(connection):
                for start in range(0, len(keys), _MAX_KEYS):
                    some = keys[start : start + _MAX_KEYS]
                    found += connection.execute(f"{query} ({','.join('?' * len(some))})", some)
            return found

        try:
            return self._in_transaction("DEFERRED", rows) if keys and self.path.is_file() else []
        except (OSError, sqlite3.Error):
            return []

    def write(self, rows: Mapping[str, Sequence[Row]]) -> bool:
        """Run each statement for all of its rows, in one transaction; False where nothing can be written."""

        def insert(connection: sqlite3.Connection) -> None:
            self._make_own(connection)
            for statement, values in rows.items():
                connection.executemany(statement, values)

        for attempt in range(2):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._in_transaction("IMMEDIATE", insert)
            except (OSError, sqlite3.OperationalError):  # a full disk, a read-only home, or others who never end
                return False
            except sqlite3.DatabaseError:
                if attempt or not self._remove():
                    return False
            else:
                return True
        return False

    def _in_transaction(self, kind: str, work: Callable[[sqlite3.Connection], _T]) -> _T:
        opened = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
        with closing(opened) as connection, _transaction(connection, kind):
            return work(connection)

    def _is_own(self, connection: sqlite3.Connection) -> bool:
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        return found == [self.application_id, self.version]

    def _make_own(self, connection: sqlite3.Connection) -> None:
        """Make the tables in an empty file. Raises DatabaseError for a file that holds anything else."""
        if self._is_own(connection):
            return
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError("the tables of another program or format")
        for statement in self.schema:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {self.application_id}")
        connection.execute(f"PRAGMA user_version = {self.version}")

    def _remove(self) -> bool:
        try:
            self.path.unlink(missing_ok=True)
            for ending in _BESIDE:
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        except OSError:
            return False
        return True


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
