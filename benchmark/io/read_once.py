"""Files that concern all images of a dataset: read once, and again only when they have changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import UserError

Content = TypeVar("Content")


class ReadOnce(Generic[Content]):
    """A reader that remembers what the last few files said, or what was wrong with them. Threads may share it."""

    def __init__(self, read: Callable[[Path], Content], files: int) -> None:
        @lru_cache(maxsize=files)
        def known(path: Path, mtime_ns: int, size: int) -> Content | UserError:
            del mtime_ns, size  # a changed file is read again
            try:
                return read(path)
            except UserError as error:
                return error

        self._known, self._lock = known, threading.Lock()

    def __call__(self, path: Path) -> Content:
        """What a file says.

        Raises
        ------
        UserError
            Where it cannot be read, and what the reader raises.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        with self._lock:
            found = self._known(path, status.st_mtime_ns, status.st_size)
        if isinstance(found, UserError):
            raise UserError(str(found))
        return found

    def forget(self) -> None:
        """Read every file again."""
        self._known.cache_clear()
