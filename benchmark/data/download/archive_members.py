"""What an archive from outside holds: its members, read through and checked before a byte is written.

Names that leave the folder, links, devices, too many members and too many bytes refuse the whole archive.
"""

from __future__ import annotations

import errno
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ...io.archive_errors import DAMAGED
from ...types import UserError
from .disk import disk_error
from .fetch import CHUNK

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


class _Header(tarfile.TarInfo):
    """A header whose extensions, such as long names, are read into memory only when they are short."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if not (header.isreg() or header.isdir()) and header.size > _LONGEST_HEADER:
            raise UserError(f"'{header.name[:200]}' in the tar has a header of {header.size:,} bytes; refused")
        return header


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive: the parts of its name, its size in bytes, and the entry that the module reads."""

    parts: tuple[str, ...]
    size: int
    folder: bool
    entry: Any


@contextmanager
def reading(archive: Path) -> Iterator[None]:
    """Every way in which an archive can be broken is raised as one UserError, and disk errors as what they are."""
    try:
        yield
    except DAMAGED as error:
        raise _broken(archive, error) from error
    except OSError as error:
        # gzip's own check fails without a number; with one the disk refuses.
        if error.errno is not None and error.errno != errno.EINVAL:
            raise disk_error(error, Path(error.filename or archive)) from error
        raise _broken(archive, error) from error


@contextmanager
def opened(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    """The archive as what it is by its first bytes, whatever its name says; raises UserError for neither kind."""
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


def checked_members(archive: Path, source: zipfile.ZipFile | tarfile.TarFile, limits: Limits) -> list[Member]:
    """Every member, in the order of the archive; raises UserError at the first that is not allowed."""
    allowed = limits.max_bytes
    size = archive.stat().st_size
    if size * limits.max_ratio < allowed:
        allowed = max(limits.ratio_from, int(size * limits.max_ratio))
    found: list[Member] = []
    total = 0
    seen: set[tuple[str, ...]] = set()
    for member in _zipped(archive, source) if isinstance(source, zipfile.ZipFile) else _tarred(archive, source):
        total += member.size
        if len(found) >= limits.max_members:
            raise refused(archive, f"it has more than {limits.max_members:,} members")
        if total > min(allowed, limits.max_bytes):
            raise refused(archive, f"it would unpack to more than {min(allowed, limits.max_bytes):,} bytes")
        if not member.folder:
            if member.parts in seen:
                raise refused(archive, f"'{'/'.join(member.parts)}' is in it twice")
            seen.add(member.parts)
        found.append(member)
    return found


def _zipped(archive: Path, source: zipfile.ZipFile) -> Iterator[Member]:
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
            raise refused(archive, f"'{entry.filename}' is a link or a device")
        if entry.flag_bits & 0x1:
            raise refused(archive, f"'{entry.filename}' is encrypted")
        packed += entry.compress_size
        if packed > size:
            raise refused(archive, "its members overlap")
        yield Member(parts, entry.file_size, entry.is_dir(), entry)


def _tarred(archive: Path, source: tarfile.TarFile) -> Iterator[Member]:
    for entry in source:
        parts = _safe_parts(archive, entry.name)
        if not (entry.isreg() or entry.isdir()):
            raise refused(archive, f"'{entry.name}' is a link or a device")
        if hasattr(tarfile, "data_filter"):  # Python's own rules as well
            try:
                tarfile.data_filter(entry, "/")
            except tarfile.FilterError as error:
                raise refused(archive, str(error)) from error
        yield Member(parts, entry.size, entry.isdir(), entry)
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
            raise refused(archive, "much lies behind its end")


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
        raise refused(archive, f"the name {name[:200]!r} in it {reason}")
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _broken(archive: Path, error: Exception) -> UserError:
    why = str(error).partition(":\n")[0].replace("\n", " ") or type(error).__name__
    return UserError(f"{archive.name}: is broken or cut short ({why}). Remove '{archive}' and fetch it again.")


def refused(archive: Path, why: str) -> UserError:
    """The error for an archive that holds what is not allowed."""
    return UserError(f"{archive.name}: {why}; refused, and nothing was unpacked. This is not how the official file is.")


def wanted_members(archive: Path, members: Iterable[Member], holds: Sequence[str]) -> list[Member]:
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
                Member(m.parts[depth:], m.size, m.folder, m.entry)
                for m in kept
                if m.parts[:depth] == base and len(m.parts) > depth and m.parts[depth] in holds
            ]
    there = sorted({m.parts[0] for m in kept})
    raise UserError(
        f"{archive.name}: does not hold {', '.join(holds)}; it holds {', '.join(there[:10]) or 'nothing'}. The file on "
        f"the server has changed: unpack '{archive}' yourself into the official layout."
    )
