"""A SQLite file that may be lost: many processes write it, and damaged or foreign files are replaced."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from segbench.io import disposable_database
from segbench.io.disposable_database import DisposableDatabase, Row

SCHEMA = ("CREATE TABLE numbers (name BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID",)
INSERT = "REPLACE INTO numbers VALUES (?, ?)"
SELECT = "SELECT name, number FROM numbers WHERE name IN"


def _database(folder: Path, version: int = 1) -> DisposableDatabase:
    return DisposableDatabase(folder / "deep" / "down" / "some.sqlite", SCHEMA, 77, version)


def _rows(*numbers: int) -> dict[str, list[Row]]:
    return {INSERT: [(str(n).encode(), n) for n in numbers]}


def _found(database: DisposableDatabase, count: int = 10) -> list[int]:
    return sorted(row[1] for row in database.select(SELECT, [str(n).encode() for n in range(count)]))


def test_what_is_written_is_found_and_replaced(tmp_path: Path) -> None:
    database = _database(tmp_path)
    assert _found(database) == []
    assert not database.path.exists()
    assert database.write(_rows(*range(2000)))
    assert _found(database, 3000) == list(range(2000))
    assert database.select(SELECT, []) == []
    assert database.write({INSERT: [(b"1", 7)]})
    assert _found(database, 3) == [0, 2, 7]
    assert [path.name for path in database.path.parent.iterdir()] == ["some.sqlite"]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_database_is_replaced(tmp_path: Path, content: bytes) -> None:
    database = _database(tmp_path)
    database.path.parent.mkdir(parents=True)
    database.path.write_bytes(content)
    assert _found(database) == []
    assert database.write(_rows(1, 2))
    assert _found(database) == [1, 2]


def test_a_database_of_another_program_or_format_is_replaced(tmp_path: Path) -> None:
    old, new = _database(tmp_path, 1), _database(tmp_path, 2)
    old.write(_rows(1))
    assert _found(new) == []
    assert new.write(_rows(2))
    assert (_found(new), _found(old)) == ([2], [])


def test_pages_that_are_damaged_lose_what_they_held(tmp_path: Path) -> None:
    database = _database(tmp_path)
    database.write(_rows(*range(5000)))
    whole = database.path.read_bytes()
    database.path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert _found(database) == []
    assert database.write(_rows(3))
    assert _found(database) == [3]
    # Half a file, as a full disk leaves it.
    database.path.write_bytes(whole[: len(whole) // 2])
    database.write(_rows(4))
    database.write(_rows(4))
    assert 4 in _found(database)


def test_a_journal_goes_with_the_database_that_it_belongs_to(tmp_path: Path) -> None:
    """A process that was killed left half a write and its journal; what it had written before is there again."""
    database, newer = _database(tmp_path), _database(tmp_path, 2)
    database.write(_rows(1))
    journal = database.path.with_name("some.sqlite-journal")
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, [(str(n).encode(), -n) for n in range(20_000)])
        left = journal.read_bytes()
    for written, found in ((database, [1, 2]), (newer, [2])):
        database.path.write_bytes(b"half of it")
        journal.write_bytes(left)
        assert written.write(_rows(2))
        assert (_found(written), journal.exists()) == (found, False)


def test_nothing_is_raised_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").write_text("a file where a folder should be")
    assert not _database(tmp_path).write(_rows(1))
    assert _found(_database(tmp_path)) == []
    database = _database(tmp_path / "other")
    database.path.mkdir(parents=True)
    assert not database.write(_rows(1))
    assert _found(database) == []
    monkeypatch.setattr(disposable_database, "_PATIENCE_S", 0.05)
    busy = _database(tmp_path / "busy")
    busy.write(_rows(1))
    with closing(sqlite3.connect(busy.path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert not busy.write(_rows(2))
        assert _found(busy) == []
    assert _found(busy) == [1]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    database = _database(tmp_path)
    database.write(_rows(1))

    class Interrupting(list[Row]):
        def __iter__(self) -> Iterator[Row]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.write({**_rows(2), INSERT.replace("numbers", "main.numbers"): Interrupting()})
    assert _found(database) == [1]


def test_many_processes_write_at_once(tmp_path: Path) -> None:
    """They make the file together; none loses a row."""
    code = (
        "import sys; from pathlib import Path; from segbench.io.disposable_database import DisposableDatabase\n"
        f"database = DisposableDatabase(Path(sys.argv[1]), {SCHEMA!r}, 77, 1)\n"
        "first = int(sys.argv[2])\n"
        "for number in range(first, first + 20):\n"
        f"    assert database.write({{{INSERT!r}: [(str(number).encode(), number)]}})\n"
    )
    database = _database(tmp_path)
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(database.path), str(20 * number)]) for number in range(4)
    ]
    assert [process.wait(120) for process in processes] == [0] * 4
    assert _found(database, 100) == list(range(80))
