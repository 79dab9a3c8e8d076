"""Unpacking archives from outside: zip, tar and compressed tar. Nothing in an archive is trusted.

An archive is read through before a byte is written: names that leave the folder, links, devices, too many members and
too many bytes refuse all of it. It is unpacked in a folder of its own, then moved into place, and no other file is
ever overwritten.
"""

from __future__ import annotations

import errno
import filecmp
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from ...io.atomic import atomic_path
from ...types import UserError
from .fetch import CHUNK, disk_error, need_space

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a way of compression that Python does not know
    RuntimeError,
    ValueError,
    OverflowError,
    MemoryError,
    struct.error,
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_LONGEST_HEADER = 1 << 20
_LONGEST_PADDING = 64 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to; above `ratio_from` bytes also at most `max_ratio` times its own size."""

    max_members: int = 1_000_000
    max_bytes: int = 200 * 10**9
    max_ratio: float = 200.0
    ratio_from: int = 10**9


@dataclass(frozen=True)
class Unpacked:
    """What was unpacked: number of files and bytes, in all and in each folder (relative to the target)."""

    files: int
    bytes: int
    folders: dict[str, tuple[int, int]] = field(default_factory=dict)


class _Header(tarfile.TarInfo):
    """A header whose extensions, such as long names, are read into memory only when they are short."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if not (header.isreg() or header.isdir()) and header.size > _LONGEST_HEADER:
            raise UserError(f"'{header.name[:200]}' in the tar has a header of {header.size:,} bytes; refused")
        return header


@dataclass(frozen=True)
class _Member:
    parts: tuple[str, ...]
    size: int
    folder: bool
    entry: Any


def unpack(
    archive: Path,
    target: Path,
    staging: Path,
    *,
    holds: Sequence[str] = (),
    limits: Limits = Limits(),
    progress: Callable[[int, int | None], None] = lambda *_: None,
) -> Unpacked:
    """Unpack an archive into a folder.

    Parameters
    ----------
    archive : Path
        A zip or a (compressed) tar, told by its content.
    target : Path
        Where the files are to be; what lies there stays, and an entry that differs from a file there is an error.
    staging : Path
        A folder on the same disk that nothing else uses; whatever an earlier attempt left there is removed.
    holds : sequence of str
        Names of the entries to take, from the folder in the archive that holds them all; everything when empty.
    progress : callable
        Called with (bytes so far, bytes in all).

    Raises
    ------
    UserError
        The archive is broken, cut short, refused for what it holds, or in conflict with a file that is there.
    """
    with _reading(archive), _opened(archive) as source:
        members = _wanted(archive, _listed(archive, source, limits), holds)
        total = sum(member.size for member in members)
        _no_conflict_of_kinds(archive, members, target)
        shutil.rmtree(staging, ignore_errors=True)
        try:
            need_space(archive.parent, total, f"unpacking {archive.name}")
            staging.mkdir()
            _write_all(archive, source, members, staging, lambda done: progress(done, total))
            _compare(archive, staging, target)
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted(staging.iterdir()):
                _move(path, target / path.name)
        finally:
            # Half an archive is of no use, least of all on a full disk.
            shutil.rmtree(staging, ignore_errors=True)
    return _summary(members)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Every way in which an archive can be broken, as one message."""
    try:
        yield
    except _BROKEN as error:
        raise _broken(archive, error) from error
    except OSError as error:
        # gzip's own check fails without a number; with one the disk refuses.
        if error.errno is not None and error.errno != errno.EINVAL:
            raise disk_error(error, Path(error.filename or archive)) from error
        raise _broken(archive, error) from error


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    with archive.open("rb") as file:
        head = file.read(16)
    if head.startswith(_ZIP):
        with zipfile.ZipFile(archive) as zipped:
            yield zipped
        return
    try:
        tar = tarfile.open(archive, tarinfo=_Header)  # noqa: SIM115 - closed below
    except tarfile.ReadError as error:
        if head.startswith(_PACKED) or not head:
            raise
        raise UserError(
            f"{archive.name}: is neither a zip nor a tar (it begins with {head!r}). Unpack '{archive}' yourself if you "
            "know what it is, else fetch it again."
        ) from error
    with tar:
        yield tar


def _listed(archive: Path, source: zipfile.ZipFile | tarfile.TarFile, limits: Limits) -> list[_Member]:
    """Every member, checked; the first that is not allowed ends it."""
    allowed = limits.max_bytes
    size = archive.stat().st_size
    if size * limits.max_ratio < allowed:
        allowed = max(limits.ratio_from, int(size * limits.max_ratio))
    found: list[_Member] = []
    total = 0
    seen: set[tuple[str, ...]] = set()
    for member in _zipped(archive, source) if isinstance(source, zipfile.ZipFile) else _tarred(archive, source):
        total += member.size
        if len(found) >= limits.max_members:
            raise _refused(archive, f"it has more than {limits.max_members:,} members")
        if total > min(allowed, limits.max_bytes):
            raise _refused(archive, f"it would unpack to more than {min(allowed, limits.max_bytes):,} bytes")
        if not member.folder:
            if member.parts in seen:
                raise _refused(archive, f"'{'/'.join(member.parts)}' is in it twice")
            seen.add(member.parts)
        found.append(member)
    return found


def _zipped(archive: Path, source: zipfile.ZipFile) -> Iterator[_Member]:
    packed, size = 0, archive.stat().st_size
    # A zip that is cut behind another one, stored inside it, ends as that one does.
    begin = min((entry.header_offset for entry in source.infolist()), default=0)
    if begin > 0:
        raise zipfile.BadZipFile(f"its first member begins at byte {begin:,}, not at the start")
    for entry in source.infolist():
        # `orig_filename` is the name before the module cuts it at a null byte.
        parts = _safe_parts(archive, entry.orig_filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(archive, f"'{entry.filename}' is a link or a device")
        if entry.flag_bits & 0x1:
            raise _refused(archive, f"'{entry.filename}' is encrypted")
        packed += entry.compress_size
        if packed > size:
            raise _refused(archive, "its members overlap")
        yield _Member(parts, entry.file_size, entry.is_dir(), entry)


def _tarred(archive: Path, source: tarfile.TarFile) -> Iterator[_Member]:
    for entry in source:
        parts = _safe_parts(archive, entry.name)
        if not (entry.isreg() or entry.isdir()):
            raise _refused(archive, f"'{entry.name}' is a link or a device")
        if hasattr(tarfile, "data_filter"):  # Python's own rules as well
            try:
                tarfile.data_filter(entry, "/")
            except tarfile.FilterError as error:
                raise _refused(archive, str(error)) from error
        yield _Member(parts, entry.size, entry.isdir(), entry)
    # A tar that is cut between two members looks whole but for the block of zeros at its end.
    file: Any = source.fileobj
    file.seek(source.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("its end is missing")
    # What compresses a tar checks itself at its own end only.
    rest = _LONGEST_PADDING
    while block := file.read(CHUNK):
        rest -= len(block)
        if rest < 0:
            raise _refused(archive, "much lies behind its end")


def _safe_parts(archive: Path, name: str) -> tuple[str, ...]:
    """The parts of a member's name. Raises UserError for one that could leave the folder it is unpacked in."""
    reason = ""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        reason = "is absolute"
    elif "\\" in name or "\0" in name:
        reason = "has a backslash or a null byte"
    elif ".." in name.split("/"):
        reason = "leaves the folder"
    if reason:
        raise _refused(archive, f"the name {name[:200]!r} in it {reason}")
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _broken(archive: Path, error: Exception) -> UserError:
    why = str(error).partition(":\n")[0].replace("\n", " ") or type(error).__name__
    return UserError(f"{archive.name}: is broken or cut short ({why}). Remove '{archive}' and fetch it again.")


def _refused(archive: Path, why: str) -> UserError:
    return UserError(f"{archive.name}: {why}; refused, and nothing was unpacked. This is not how the official file is.")


def _wanted(archive: Path, members: Iterable[_Member], holds: Sequence[str]) -> list[_Member]:
    """The members to unpack, by their names in the target; without what macOS adds for itself."""
    kept = [
        m
        for m in members
        if m.parts and m.parts[0] != "__MACOSX" and not m.parts[-1].startswith("._") and m.parts[-1] != ".DS_Store"
    ]
    if all(m.folder for m in kept):
        raise UserError(f"{archive.name}: holds no files. Remove '{archive}' and fetch it again.")
    if not holds:
        return kept
    bases = {m.parts[:depth] for m in kept for depth in range(len(m.parts)) if m.parts[depth] in holds}
    tops = {m.parts[: depth + 1] for m in kept for depth in range(len(m.parts)) if m.parts[depth] in holds}
    for base in sorted(bases, key=lambda parts: (len(parts), parts)):
        if all((*base, name) in tops for name in holds):
            depth = len(base)
            return [
                _Member(m.parts[depth:], m.size, m.folder, m.entry)
                for m in kept
                if m.parts[:depth] == base and len(m.parts) > depth and m.parts[depth] in holds
            ]
    there = sorted({m.parts[0] for m in kept})
    raise UserError(
        f"{archive.name}: does not hold {', '.join(holds)}; it holds {', '.join(there[:10]) or 'nothing'}. The file on "
        f"the server has changed: unpack '{archive}' yourself into the official layout."
    )


def _write_all(
    archive: Path,
    source: zipfile.ZipFile | tarfile.TarFile,
    members: Sequence[_Member],
    staging: Path,
    progress: Callable[[int], None],
) -> None:
    for folder in {member.parts if member.folder else member.parts[:-1] for member in members}:
        staging.joinpath(*folder).mkdir(parents=True, exist_ok=True)
    done = 0
    for member in (member for member in members if not member.folder):
        path = staging.joinpath(*member.parts)
        content = source.open(member.entry) if isinstance(source, zipfile.ZipFile) else source.extractfile(member.entry)
        assert content is not None
        # A new file with the rights of any new file: no set-uid bit, owner or time comes from the archive.
        with content, path.open("xb") as file:
            for block in _blocks(archive, content, member):
                file.write(block)
                done += len(block)
                progress(done)


def _blocks(archive: Path, content: IO[bytes], member: _Member) -> Iterator[bytes]:
    """A member's content, exactly as long as its header says."""
    left = member.size
    while block := content.read(CHUNK):
        left -= len(block)
        if left < 0:
            raise _refused(archive, f"'{'/'.join(member.parts)}' is longer than its header says")
        yield block
    if left:
        raise EOFError(f"'{'/'.join(member.parts)}' ends {left} bytes early")


def _no_conflict_of_kinds(archive: Path, members: Sequence[_Member], target: Path) -> None:
    """A file where another member, or the target, needs a folder."""
    files = {member.parts for member in members if not member.folder}
    for member in members:
        above = {member.parts[:depth] for depth in range(1, len(member.parts))} | (
            {member.parts} if member.folder else set()
        )
        if files & above:
            raise _refused(archive, f"'{'/'.join(member.parts)}' lies in a file")
    for name in {parts for m in members for depth in range(1, len(m.parts)) if (parts := m.parts[:depth])}:
        path = target.joinpath(*name)
        if path.exists() and not path.is_dir():
            raise UserError(f"'{path}' is a file where {archive.name} has a folder. Move it away and run again.")


def _compare(archive: Path, staging: Path, target: Path) -> None:
    """Every file that is there already must be the same."""
    for folder, _, names in os.walk(staging):
        place = target / Path(folder).relative_to(staging)
        if not place.is_dir():
            continue
        for name in names:
            there = place / name
            if os.path.lexists(there) and not (
                there.is_file() and filecmp.cmp(Path(folder) / name, there, shallow=False)
            ):
                raise UserError(
                    f"'{there}' differs from the file in {archive.name}, and segbench overwrites nothing. Move it away "
                    "if you want the official one, and run again."
                )


def _move(source: Path, target: Path) -> None:
    """Move a file or a folder into place; folders that are there are filled up, same files are left alone."""
    if not source.is_dir():
        if target.exists():
            source.unlink()
        else:
            _rename(source, target)
        return
    if not os.path.lexists(target):
        try:
            source.rename(target)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            target.mkdir()
    for path in sorted(source.iterdir()):
        _move(path, target / path.name)
    source.rmdir()


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_path(target) as temporary:  # the user's folder is a link to another disk
            shutil.copyfile(source, temporary)
        source.unlink()


def _summary(members: Sequence[_Member]) -> Unpacked:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for member in (m for m in members if not m.folder):
        folder = str(PurePosixPath(*member.parts[:-1]))
        counts[folder] += 1
        sizes[folder] += member.size
    folders = {folder: (counts[folder], sizes[folder]) for folder in sorted(counts)}
    return Unpacked(sum(counts.values()), sum(sizes.values()), folders)
