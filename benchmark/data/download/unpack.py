"""Unpacking archives from outside: zip, tar and compressed tar. Nothing in an archive is trusted.

An archive is read through before a byte is written: names that leave the folder, links, devices, too many members and
too many bytes refuse all of it. It is unpacked in a folder of its own, then moved into place, and no other file is
ever overwritten.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from ...io.atomic import atomic_path
from ...types import UserError
from .archive_members import Limits, Member, checked_members, opened, reading, refused, wanted_members
from .disk import need_space
from .fetch import CHUNK

_LIMITS = Limits()


@dataclass(frozen=True)
class Unpacked:
    """What was unpacked: number of files and bytes, in all and in each folder (relative to the target)."""

    files: int
    bytes: int
    folders: dict[str, tuple[int, int]] = field(default_factory=dict)


def unpack(
    archive: Path,
    target: Path,
    staging: Path,
    *,
    holds: Sequence[str] = (),
    limits: Limits = _LIMITS,
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
    with reading(archive), opened(archive) as source:
        members = wanted_members(archive, checked_members(archive, source, limits), holds)
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


def _write_all(
    archive: Path,
    source: zipfile.ZipFile | tarfile.TarFile,
    members: Sequence[Member],
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


def _blocks(archive: Path, content: IO[bytes], member: Member) -> Iterator[bytes]:
    """A member's content, exactly as long as its header says."""
    left = member.size
    while block := content.read(CHUNK):
        left -= len(block)
        if left < 0:
            raise refused(archive, f"'{'/'.join(member.parts)}' is longer than its header says")
        yield block
    if left:
        raise EOFError(f"'{'/'.join(member.parts)}' ends {left} bytes early")


def _no_conflict_of_kinds(archive: Path, members: Sequence[Member], target: Path) -> None:
    """A file where another member, or the target, needs a folder."""
    files = {member.parts for member in members if not member.folder}
    for member in members:
        above = {member.parts[:depth] for depth in range(1, len(member.parts))} | (
            {member.parts} if member.folder else set()
        )
        if files & above:
            raise refused(archive, f"'{'/'.join(member.parts)}' lies in a file")
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


def _summary(members: Sequence[Member]) -> Unpacked:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for member in (m for m in members if not m.folder):
        folder = str(PurePosixPath(*member.parts[:-1]))
        counts[folder] += 1
        sizes[folder] += member.size
    folders = {folder: (counts[folder], sizes[folder]) for folder in sorted(counts)}
    return Unpacked(sum(counts.values()), sum(sizes.values()), folders)
