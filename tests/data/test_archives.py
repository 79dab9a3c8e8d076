"""Unpacking archives from outside: what is refused, what is broken, and that nothing lands anywhere else."""

from __future__ import annotations

import gzip
import io
import random
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from segbench.data.download import unpack as archives
from segbench.data.download.archive_members import Limits
from segbench.data.download.unpack import Unpacked, unpack
from segbench.types import UserError

NOISE = random.Random(0).randbytes(5000)
FILES = {"set/a.txt": b"alpha", "set/deep/b.bin": NOISE, "set/deep/empty": b"", "other/c.txt": b"gamma"}

NORMAL = Limits()

Make = Callable[[Path, dict[str, bytes]], Path]


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


def _tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    opened: Any = tarfile.open
    with opened(path, mode) as tar:
        for name, content in files.items():
            tar.addfile(_header(name, size=len(content)), io.BytesIO(content))
    return path


def _header(name: str, **values: Any) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(header, key, value)
    return header


MAKERS: dict[str, Make] = {
    "zip": _zip,
    "tar": _tar,
    "tar.gz": lambda path, files: _tar(path, files, "w:gz"),
    "tar.bz2": lambda path, files: _tar(path, files, "w:bz2"),
    "tar.xz": lambda path, files: _tar(path, files, "w:xz"),
}


@pytest.fixture(params=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Make:
    return MAKERS[request.param]


def _unpack(archive: Path, holds: Sequence[str] = (), limits: Limits = NORMAL) -> Unpacked:
    """Into `target` beside the archive; nothing else may be left or made there."""
    folder = archive.parent
    before = _tree(folder)
    try:
        return unpack(archive, folder / "target", folder / "staging", holds=holds, limits=limits)
    finally:
        after = _tree(folder)
        assert {k: v for k, v in after.items() if not k.startswith("target/")} == {
            k: v for k, v in before.items() if not k.startswith("target/")
        }


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_kind_of_archive_is_told_by_its_content(make: Make, tmp_path: Path) -> None:
    done = _unpack(make(tmp_path / "archive", FILES))
    assert _tree(tmp_path / "target") == dict(sorted(FILES.items()))
    assert (done.files, done.bytes) == (4, 5010)
    assert done.folders == {"other": (1, 5), "set": (1, 5), "set/deep": (2, 5000)}


def test_only_what_is_wanted_from_wherever_it_lies(make: Make, tmp_path: Path) -> None:
    files = {"top/inner/train/1.png": b"1", "top/inner/test/2.png": b"2", "top/inner/README": b"r", "train.txt": b"t"}
    junk = {"__MACOSX/top/inner/train/._1.png": b"m", "top/inner/train/._1.png": b"m", "top/inner/test/.DS_Store": b"m"}
    _unpack(make(tmp_path / "archive", files | junk), holds=("train", "test"))
    assert _tree(tmp_path / "target") == {"test/2.png": b"2", "train/1.png": b"1"}


def test_an_archive_without_what_is_wanted_is_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="archive: does not hold train, test; it holds other, set"):
        _unpack(make(tmp_path / "archive", FILES), holds=("train", "test"))
    with pytest.raises(UserError, match=r"does not hold set, missing"):
        _unpack(make(tmp_path / "archive", FILES), holds=("set", "missing"))


def test_progress_ends_with_all_bytes(make: Make, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    unpack(make(tmp_path / "a", FILES), tmp_path / "t", tmp_path / "s", progress=lambda *step: seen.append(step))
    assert seen[-1] == (5010, 5010)


ESCAPES = [
    *("../out", "set/../../out", "/etc/out", "//host/out", "..", "a/.."),
    *("C:/out", "c:out", "..\\out", "set\\..\\out", "\\out"),
]


@pytest.mark.parametrize("name", ESCAPES)
def test_names_that_leave_the_folder_are_refused(make: Make, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    with pytest.raises(UserError, match=r"refused, and nothing was unpacked"):
        _unpack(make(folder / "archive", {"set/fine": b"fine", name: b"evil"}))
    assert [p.name for p in tmp_path.iterdir()] == ["inner"]
    assert [p.name for p in folder.iterdir()] == ["archive"]


def test_a_null_byte_in_a_name_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "archive", {"set/a#../out": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"a#..", b"a\0.."))
    with pytest.raises(UserError, match=r"null byte|leaves|is broken"):
        _unpack(archive)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"?"]
)
@pytest.mark.parametrize("target", ["/etc/passwd", "set/a.txt"])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes, target: str) -> None:
    path = _tar(tmp_path / "archive", FILES)
    with tarfile.open(path, "a") as tar:
        tar.addfile(_header("set/link", type=kind, linkname=target))
        tar.addfile(_header("set/link/x", size=1), io.BytesIO(b"x"))
    with pytest.raises(UserError, match="'set/link' is a link or a device"):
        _unpack(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as zipped:
        entry = zipfile.ZipInfo("set/link")
        entry.external_attr = (kind | 0o777) << 16
        zipped.writestr(entry, "/etc/passwd")
    with pytest.raises(UserError, match="'set/link' is a link or a device"):
        _unpack(tmp_path / "archive")


def test_no_rights_come_from_the_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as tar:
        tar.addfile(_header("set", type=tarfile.DIRTYPE, mode=0o7777))
        tar.addfile(_header("set/tool", mode=0o6777, size=1, uid=12345, mtime=0), io.BytesIO(b"x"))
    _unpack(tmp_path / "archive")
    (tmp_path / "plain").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    expected = (tmp_path / "plain").stat()
    made = (tmp_path / "target" / "set" / "tool").stat()
    assert (made.st_mode, made.st_uid) == (expected.st_mode, expected.st_uid)
    assert (tmp_path / "target" / "set").stat().st_mode == (tmp_path / "folder").stat().st_mode


def test_too_many_members_are_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="more than 3 members"):
        _unpack(make(tmp_path / "archive", FILES), limits=Limits(max_members=3))


def test_too_many_bytes_are_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unpack to more than 5,009 bytes"):
        _unpack(make(tmp_path / "archive", FILES), limits=Limits(max_bytes=5009))
    assert _unpack(make(tmp_path / "archive", FILES), limits=Limits(max_bytes=5010)).files == 4


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, kind: str) -> None:
    archive = MAKERS[kind](tmp_path / "archive", {"bomb": bytes(30_000_000)})
    assert archive.stat().st_size < 40_000
    with pytest.raises(UserError, match=r"unpack to more than [\d,]+ bytes"):
        _unpack(archive, limits=Limits(ratio_from=1_000_000))
    assert _unpack(archive).bytes == 30_000_000  # what is small is never a bomb


def test_overlapping_members_of_a_zip_are_refused(tmp_path: Path) -> None:
    """Many names for the same packed bytes: the bomb that needs no nesting."""
    whole = _zip(tmp_path / "archive", {"a": NOISE}).read_bytes()
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry = whole[start:end]
    entries = b"".join(entry[:-1] + name for name in (b"a", b"b", b"c"))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, len(entries), start, 0)
    (tmp_path / "archive").write_bytes(whole[:start] + entries + tail)
    with pytest.raises(UserError, match="archive: its members overlap"):
        _unpack(tmp_path / "archive")


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "archive", {"a": bytes(5000)})
    whole = archive.read_bytes()
    for size in (4000, 6000):
        archive.write_bytes(whole.replace(struct.pack("<L", 5000), struct.pack("<L", size)))
        with pytest.raises(UserError, match=r"broken or cut short|longer than"):
            _unpack(archive)


def test_a_tar_header_of_many_bytes_is_not_read_into_memory(tmp_path: Path) -> None:
    header = _header("long", type=tarfile.GNUTYPE_LONGNAME, size=1 << 40)
    (tmp_path / "archive").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(UserError, match="has a header of 1,099,511,627,776 bytes"):
        _unpack(tmp_path / "archive")


@pytest.mark.parametrize(
    "files", [[("a", b"1"), ("a", b"2")], [("a", b"1"), ("a/b", b"2")], [("a/b", b"2"), ("./a", b"1")]]
)
def test_members_that_collide_are_refused(tmp_path: Path, files: list[tuple[str, bytes]]) -> None:
    with tarfile.open(tmp_path / "archive", "w") as tar:
        for name, content in files:
            tar.addfile(_header(name, size=len(content)), io.BytesIO(content))
    with pytest.raises(UserError, match=r"in it twice|lies in a file"):
        _unpack(tmp_path / "archive")


def test_a_bomb_behind_the_end_of_a_tar_is_refused(tmp_path: Path) -> None:
    whole = _tar(tmp_path / "plain", FILES).read_bytes()
    (tmp_path / "plain").unlink()
    (tmp_path / "archive").write_bytes(gzip.compress(whole) + gzip.compress(bytes(80 << 20)))
    with pytest.raises(UserError, match="much lies behind its end"):
        _unpack(tmp_path / "archive")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "archive", {"a": b"1"})
    whole = bytearray(archive.read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(whole)
    with pytest.raises(UserError, match="'a' is encrypted"):
        _unpack(archive)


def test_an_archive_cut_anywhere_is_named_and_nothing_is_left(make: Make, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", FILES)
    whole = archive.read_bytes()
    content_end = len(whole.rstrip(b"\0")) if make is MAKERS["tar"] else len(whole) - 1
    cuts = {*range(1, content_end, max(1, content_end // 40)), content_end - 1, *range(512, content_end, 512)}
    for cut in sorted(cuts):
        archive.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"^archive: .*(broken or cut short|neither a zip nor a tar)"):
            _unpack(archive)
        assert not (tmp_path / "target").exists()


def test_a_zip_cut_behind_one_that_is_stored_in_it_is_not_taken_for_that_one(tmp_path: Path) -> None:
    inner = _zip(tmp_path / "inner", {"set/a.png": b"1"}).read_bytes()
    with zipfile.ZipFile(tmp_path / "archive", "w", zipfile.ZIP_STORED) as outer:
        outer.writestr("set/inner.zip", inner)
        outer.writestr("set/b.png", NOISE)
    whole = (tmp_path / "archive").read_bytes()
    (tmp_path / "archive").write_bytes(whole[: whole.index(inner) + len(inner)])
    with pytest.raises(UserError, match="broken or cut short"):
        _unpack(tmp_path / "archive")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("content", [b"", b"hello", NOISE, b"<!DOCTYPE html>", bytes(10_240)])
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(UserError, match=r"^archive: (is neither|is broken|holds no files)"):
        _unpack(tmp_path / "archive")


def test_a_corrupt_byte_is_found(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "archive", FILES)
    whole = bytearray(archive.read_bytes())
    whole[whole.index(b"deep/b.bin") + 1000] ^= 1
    archive.write_bytes(whole)
    with pytest.raises(UserError, match="archive: is broken"):
        _unpack(archive)
    assert not (tmp_path / "target").exists()


def test_what_is_there_already_is_left_alone(make: Make, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", FILES)
    (tmp_path / "target" / "set" / "deep").mkdir(parents=True)
    (tmp_path / "target" / "set" / "deep" / "b.bin").write_bytes(NOISE)
    (tmp_path / "target" / "set" / "mine").write_bytes(b"mine")
    _unpack(archive)
    assert _tree(tmp_path / "target") == dict(sorted((FILES | {"set/mine": b"mine"}).items()))
    _unpack(archive)
    (tmp_path / "target" / "set" / "a.txt").write_bytes(b"other")
    (tmp_path / "target" / "other" / "c.txt").unlink()
    with pytest.raises(UserError, match=r"a\.txt' differs from the file in archive, and segbench overwrites nothing"):
        _unpack(archive)
    assert not (tmp_path / "target" / "other" / "c.txt").exists()  # nothing of it was moved


def test_a_file_or_a_folder_in_the_way(make: Make, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", FILES)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "set").write_bytes(b"mine")
    with pytest.raises(UserError, match="is a file where archive has a folder"):
        _unpack(archive)
    (tmp_path / "target" / "set").unlink()
    (tmp_path / "target" / "set" / "a.txt").mkdir(parents=True)
    with pytest.raises(UserError, match="differs from"):
        _unpack(archive)


def test_a_link_in_the_users_own_folder_is_followed_only_to_fill_a_folder(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "archive", FILES)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "set").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "a.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="differs from"):
        unpack(archive, tmp_path / "target", tmp_path / "staging")
    (tmp_path / "elsewhere" / "a.txt").unlink()
    unpack(archive, tmp_path / "target", tmp_path / "staging")
    assert _tree(tmp_path / "elsewhere") == {"a.txt": b"alpha", "deep/b.bin": NOISE, "deep/empty": b""}


def test_a_folder_on_another_disk_is_filled(tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second disk here")
    import tempfile

    with tempfile.TemporaryDirectory(dir=shm) as other:
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "set").symlink_to(other)
        _unpack(_zip(tmp_path / "archive", FILES))
        assert _tree(Path(other)) == {"a.txt": b"alpha", "deep/b.bin": NOISE, "deep/empty": b""}


LIMITED = """
import resource, sys
from pathlib import Path
from segbench.data.download.unpack import unpack
from segbench.types import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    unpack(*map(Path, sys.argv[1:]))
except UserError as error:
    print(error)
"""


def test_a_full_disk_while_unpacking_leaves_nothing_half_done(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "archive", FILES)
    command = [sys.executable, "-c", LIMITED, archive, tmp_path / "target", tmp_path / "staging"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=True)
    assert "the disk is full" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive"]
    assert _unpack(archive).files == 4


def test_too_little_room_is_said_before(tmp_path: Path) -> None:
    """A sparse tar member claims more than any disk holds."""
    header = _header("big", size=10**17).tobuf(tarfile.GNU_FORMAT)
    with (tmp_path / "archive").open("wb") as file:
        file.write(header)
    with pytest.raises(UserError, match=r"more than 200,000,000,000 bytes|1,000,000,000 bytes"):
        _unpack(tmp_path / "archive")


SLOW = """
import sys, time
from pathlib import Path
from segbench.data.download.unpack import unpack
unpack(*map(Path, sys.argv[1:]), progress=lambda *_: time.sleep(0.05))
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_while_unpacking_and_done_again(tmp_path: Path, how: signal.Signals) -> None:
    files = {f"set/{n:03d}": NOISE[n:] for n in range(100)}
    archive = _zip(tmp_path / "archive", files)
    command = [sys.executable, "-c", SLOW, archive, tmp_path / "target", tmp_path / "staging"]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
    while not (tmp_path / "staging" / "set" / "010").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    process.wait(timeout=30)
    assert not (tmp_path / "target").exists()
    assert (tmp_path / "staging").exists() == (how == signal.SIGKILL)
    unpack(archive, tmp_path / "target", tmp_path / "staging")
    assert _tree(tmp_path / "target") == files
    assert not (tmp_path / "staging").exists()


def test_stopped_while_moving_into_place_and_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _zip(tmp_path / "archive", FILES)
    move = archives._move

    def stop(source: Path, target: Path) -> None:
        if source.name == "set":
            raise KeyboardInterrupt
        move(source, target)

    monkeypatch.setattr(archives, "_move", stop)
    with pytest.raises(KeyboardInterrupt):
        _unpack(archive)
    assert _tree(tmp_path / "target") == {"other/c.txt": b"gamma"}
    monkeypatch.undo()
    _unpack(archive)
    assert _tree(tmp_path / "target") == dict(sorted(FILES.items()))


def test_a_name_that_the_disk_refuses_is_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x' cannot be written .File name too long"):
        _unpack(make(tmp_path / "archive", {"x" * 300: b"1"}))


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(list(MAKERS)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
)
@example(kind="zip", changes=[(0.0, 0)])
def test_a_damaged_archive_is_unpacked_or_named(
    tmp_path_factory: pytest.TempPathFactory, kind: str, changes: list[tuple[float, int]]
) -> None:
    """Any bytes: either a message for the user or files below the target, never anything else."""
    folder = tmp_path_factory.mktemp("damaged")
    archive = MAKERS[kind](folder / "archive", FILES)
    whole = bytearray(archive.read_bytes())
    for place, value in changes:
        whole[int(place * len(whole))] = value
    archive.write_bytes(whole)
    message = ""
    try:
        _unpack(archive)
    except UserError as error:
        message = str(error)
    if message:
        assert "\n" not in message
        assert not (folder / "target").exists()
    assert sorted(p.name for p in folder.iterdir() if p.name != "target") == ["archive"]
