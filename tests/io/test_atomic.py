"""What a killed process left half-made is taken away by the next one that writes there, and nobody else's is."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from segbench.io import atomic
from segbench.io.atomic import atomic_path, temporary_folder, temporary_prefix, write_text

KILLED = """
import os, signal, sys
from pathlib import Path
from segbench.io.atomic import atomic_path, temporary_folder
with atomic_path(Path(sys.argv[1]) / "a.json") as path, temporary_folder(Path(sys.argv[1]) / "made") as folder:
    path.write_text("half")
    (folder / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def unswept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_swept", set())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_half_made_files_of_the_dead_are_swept(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(list(tmp_path.glob(".*.tmp"))) == 2
    write_text(tmp_path / "b.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_those_of_the_living_and_of_other_machines_stay(tmp_path: Path) -> None:
    mine, theirs = tmp_path / f"{temporary_prefix(tmp_path / 'a')}x.tmp", tmp_path / ".a.00000000-1-x.tmp"
    strange = tmp_path / ".a.tmp"
    for path in (mine, theirs, strange):
        path.touch()
    with atomic_path(tmp_path / "b") as path:
        path.touch()
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, theirs.name, strange.name, "b"}


def test_a_temporary_folder_is_gone_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), temporary_folder(tmp_path / "made") as folder:
        (folder / "not" / "there").touch()
    assert not list(tmp_path.iterdir())


def test_errors_of_a_disk_name_the_path_that_was_meant(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "a word of a library")
    for error, named in (
        (full, tmp_path / "a"),
        (OSError(errno.EIO, "x", str(tmp_path / ".a.123-4-x.tmp")), tmp_path / "a"),
        (OSError(errno.EACCES, "x", "elsewhere"), "elsewhere"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), None),
        (OSError("no number"), None),
    ):
        with pytest.raises(OSError) as raised, atomic_path(tmp_path / "a"):  # noqa: PT011 (its file is looked at)
            raise error
        assert raised.value.filename == (None if named is None else str(named))
    assert not list(tmp_path.iterdir())
