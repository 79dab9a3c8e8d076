"""SHA-256 of files and of sets of names, and stamps that tell whether a file has changed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from .threads import map_in_threads

_READERS = 4
"""Files hashed side by side; more would only make a disk seek."""

_BLOCK_BYTES = 1 << 20
"""Read at once; of a small file no more than it has is touched, where `hashlib.file_digest` clears a buffer first."""

_CLOCK_TICK_NS = 20_000_000
"""Two changes of a file within less than this may get the same time from the file system."""


def ids_sha256(ids: Sequence[str]) -> str:
    """Hash of a set of sample ids; their order does not matter."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of the content of a file, 64 hexadecimal digits. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return sha256_of(file)


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 of what is left to read of an open file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def files_sha256(paths: Iterable[Path], digest: Callable[[Path], str] = file_sha256) -> str:
    """Fingerprint of the names and the content of some files."""
    ordered = sorted(paths)
    contents = map_in_threads(digest, ordered, _READERS)
    lines = [f"{path.name} {content}" for path, content in zip(ordered, contents, strict=True)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def folder_sha256(folder: Path) -> str:
    """Fingerprint of all files below a folder, by their paths in it and their content; hidden ones are left out."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    ordered = sorted(paths, key=lambda path: names[path])
    contents = map_in_threads(file_sha256, ordered, _READERS)
    lines = [f"{names[path]} {content}" for path, content in zip(ordered, contents, strict=True)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def folders_changed(folders: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Folders and when anything was last put into them or taken away, in nanoseconds; 0 of one that is not there."""

    def changed(folder: str) -> int:
        try:
            return Path(folder).stat().st_mtime_ns
        except OSError:
            return 0

    return tuple((folder, changed(folder)) for folder in folders)


def file_stamp(path: Path) -> str:
    """What differs after a file was changed or replaced: size, times of the last change of content and of anything
    (which no program can set back), and inode.

    Take it before the file is read. A file that was changed just now is waited for, since a second change in the same
    tick of the file system's clock would leave the stamp as it is. Raises OSError where there is no such file.
    """
    status = path.stat()
    age = time.time_ns() - max(status.st_ctime_ns, status.st_mtime_ns)
    if 0 <= age < _CLOCK_TICK_NS:
        time.sleep((_CLOCK_TICK_NS - age) / 1e9)
        status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
