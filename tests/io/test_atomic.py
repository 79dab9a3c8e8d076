"""What a killed process left half-made is taken away by the next one that writes there, and nobody else's is."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

from segbench.io import atomic
from segbench.io.atomic import (
    atomic_path,
    machine,
    output_path,
    replace_folder,
    temporary_folder,
    temporary_prefix,
    write_output,
    write_text,
)

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


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("told", ["_BOOT", "_PROCESSES"])
def test_the_same_number_in_another_container_is_another_process(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers share a host's name and a folder; in each a process has the number that is free in another."""
    theirs = tmp_path / ".a.json.{}-4194399-x.tmp"  # above what Linux gives to processes
    if told == "_BOOT":
        (tmp_path / "elsewhere").write_text("another start")
    else:
        (tmp_path / "elsewhere").symlink_to("pid:[1]")
    machine.cache_clear()
    monkeypatch.setattr(atomic, told, tmp_path / "elsewhere")
    theirs = theirs.with_name(theirs.name.format(machine()))
    monkeypatch.undo()
    monkeypatch.setattr(atomic, "_swept", set())
    machine.cache_clear()
    theirs.touch()
    write_text(tmp_path / "b", "whole")
    assert theirs.exists()


def test_those_of_other_machines_are_left_over_after_a_week(tmp_path: Path) -> None:
    days = {6: tmp_path / ".a.00000000-1-x.tmp", 8: tmp_path / ".a.00000000-1-y.tmp"}
    for age, path in days.items():
        path.touch()
        os.utime(path, (0, time.time() - age * 24 * 3600))
    write_text(tmp_path / "b", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {days[6].name, "b"}


needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes")


@needs_links
def test_of_a_link_that_the_user_names_the_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    target = tmp_path / "deep" / "target.txt"
    target.write_text("old")
    link, first = tmp_path / "link.txt", tmp_path / "first.txt"
    link.symlink_to("deep/target.txt")
    first.symlink_to(link)
    with output_path(first) as temporary:
        assert temporary.parent == target.parent
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert (link.is_symlink(), first.is_symlink(), target.read_text()) == (True, True, "new")
    dangling = tmp_path / "dangling"
    dangling.symlink_to("made")
    write_output(dangling, "new")
    assert (tmp_path / "made").read_text() == "new"
    assert dangling.is_symlink()


@needs_links
def test_a_link_inside_a_folder_leads_no_file_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "folder" / "a").symlink_to(tmp_path / "outside")
    write_text(tmp_path / "folder" / "a", "new")
    assert not (tmp_path / "folder" / "a").is_symlink()
    assert (tmp_path / "outside").read_text() == "mine"


@needs_links
def test_a_link_that_another_user_put_where_everybody_may_write_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("mine")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for name in ("ours", "theirs"):
        (shared / name).symlink_to(tmp_path / "mine")
    write_output(shared / "ours", "new")
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        found = real(path)
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:]]) if path.name == "theirs" else found

    monkeypatch.setattr(Path, "lstat", lstat)
    write_output(shared / "theirs", "newer")
    assert (tmp_path / "mine").read_text() == "new"


@needs_links
@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_pipe_is_written_to_and_stays(through_a_link: bool, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    named = tmp_path / "link" if through_a_link else pipe
    if through_a_link:
        named.symlink_to(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_output(named, "content")
    reader.join(timeout=60)
    assert read == ["content"]
    assert pipe.is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", named.name}


REPLACED = """
import sys
from pathlib import Path
from segbench.io import atomic
from segbench.io.atomic import replace_folder, sweep, temporary_folder

if sys.argv[1].endswith("two steps"):
    atomic._exchange = lambda *_: False  # as on NFS

def change(folder):
    with temporary_folder(folder / "made") as temporary:
        new = temporary / "new"
        new.mkdir()
        (new / "a").write_text("new")
        replace_folder(new, folder / "made")

def check(folder):
    atomic._swept.clear()
    sweep(folder)
    assert (folder / "made" / "a").read_text() in ("old", "new")

(Path(sys.argv[1]) / "made").mkdir(parents=True)
(Path(sys.argv[1]) / "made" / "a").write_text("old")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
@pytest.mark.parametrize("way", ["one step", "two steps"])
def test_killed_anywhere_a_folder_is_the_old_one_or_the_new_one(way: str, tmp_path: Path) -> None:
    """Also where a system cannot exchange two folders: what was moved aside is put back, and not swept."""
    assert killed_before_every_step(REPLACED, tmp_path / way) > 6
    assert [path.name for path in (tmp_path / way).iterdir()] == ["made"]


def made_folder(path: Path) -> Path:
    path.mkdir()
    (path / "name").write_text(path.name)
    return path


@pytest.mark.parametrize("exchanges", [True, False])
def test_of_two_that_make_a_folder_at_once_the_last_one_stays(
    exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the rename another process puts its own there."""
    first, second = made_folder(tmp_path / "first"), made_folder(tmp_path / "second")
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path == second and first.exists():
            real(first, target)
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    if not exchanges:
        monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    replace_folder(second, tmp_path / "made")
    assert (tmp_path / "made" / "name").read_text() == "second"
    assert {path.name for path in tmp_path.iterdir()} == {"made", "second"}
    assert (second / "name").read_text() == "first"


@needs_links
@pytest.mark.parametrize("exchanges", [True, False])
def test_a_link_that_leads_nowhere_is_replaced_too(
    exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made").symlink_to("gone")
    if not exchanges:
        monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    replace_folder(made_folder(tmp_path / "new"), tmp_path / "made")
    assert (tmp_path / "made" / "name").read_text() == "new"
    assert {path.name for path in tmp_path.iterdir()} == {"made", "new"}


def test_in_two_steps_an_error_of_the_second_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = made_folder(tmp_path / "old"), made_folder(tmp_path / "new")
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path == new:
            raise OSError(errno.EXDEV, "another file system")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    with pytest.raises(OSError, match="another file system"):
        replace_folder(new, old)
    assert {path.name: (path / "name").read_text() for path in tmp_path.iterdir()} == {"old": "old", "new": "new"}
