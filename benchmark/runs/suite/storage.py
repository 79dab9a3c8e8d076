"""A second place for what a suite has made: a folder, or a bucket (S3, GCS), through fsspec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...text import shown
from ...types import UserError
from ..folder import RECORD
from .state import STATE

RESULTS = (STATE, "results.json", "results.md")


@dataclass(frozen=True)
class Storage:
    """The folder of a suite at an address."""

    address: str
    files: Any
    root: str

    @classmethod
    def of(cls, address: str, suite: Path) -> Storage:
        """Where a suite's folder is copied to: below the address, by its name.

        Raises UserError for an address of no known kind, or where nothing can be written there.
        """
        from fsspec.core import url_to_fs

        try:
            files, root = url_to_fs(address)
        except ImportError as error:
            raise UserError(f"--storage {shown(address)}: needs another package. {error} (pip install)") from error
        except ValueError as error:
            raise UserError(
                f"--storage {shown(address)}: {error}. Expected an address such as s3://bucket/folder, gs://… or file:///…"
            ) from error
        storage = cls(address, files, f"{root.rstrip('/')}/{suite.resolve().name}")
        with storage._errors():
            storage._make(storage.root)
            with files.open(f"{storage.root}/.writable", "wb") as file:
                file.write(b"")
            files.rm_file(f"{storage.root}/.writable")
        return storage

    def copy_run(self, folder: Path, name: str) -> None:
        """Copy a run folder, its record last: a run with a record is whole. One that is there already is left alone.

        Raises UserError where it cannot be written.
        """
        target = f"{self.root}/{name}"
        with self._errors():
            if self._holds(f"{target}/{RECORD}", folder / RECORD):
                return
            self._copy(folder, target, sorted(_files(folder), key=lambda path: (path.name == RECORD, path)))

    def copy_results(self, folder: Path) -> None:
        """Copy the tables and the state of a suite. Raises UserError where they cannot be written."""
        with self._errors():
            self._copy(folder, self.root, [folder / name for name in RESULTS if (folder / name).is_file()])

    def _copy(self, folder: Path, target: str, paths: Iterable[Path]) -> None:
        made = set()
        for path in paths:
            place = f"{target}/{path.relative_to(folder).as_posix()}"
            above = place.rpartition("/")[0]
            if above not in made:
                self._make(above)
                made.add(above)
            self.files.put_file(str(path), place)

    def _make(self, folder: str) -> None:
        # A bucket has no folders: what stands for them there is no file that a reader expects.
        if "file" in self.files.protocol:
            self.files.makedirs(folder, exist_ok=True)

    def _holds(self, place: str, path: Path) -> bool:
        with suppress(FileNotFoundError):
            self.files.invalidate_cache()
            return bool(self.files.cat_file(place) == path.read_bytes())
        return False

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each kind of storage raises its own
            why = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"--storage {shown(self.address)}: cannot be written ({why[:300]})") from error


def _files(folder: Path) -> Iterator[Path]:
    """The files of a run folder, without links and what is hidden."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            yield path
