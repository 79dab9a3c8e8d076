"""SHA-256 of files and of sets of names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def ids_sha256(ids: Sequence[str]) -> str:
    """Hash of a set of sample ids; their order does not matter."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_sha256(paths: Iterable[Path], digest: Callable[[Path], str] = file_sha256) -> str:
    """Fingerprint of the names and the content of some files."""
    ordered = sorted(paths)
    with ThreadPoolExecutor(4) as pool:
        contents = list(pool.map(digest, ordered))
    lines = [f"{path.name} {content}" for path, content in zip(ordered, contents, strict=True)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
