"""What an earlier check found sound, kept in the user's cache folder so that unchanged files are not read again."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from .. import __version__
from ..io.atomic import write_text
from ..io.fingerprints import file_sha256
from ..io.images import png
from ..io.images import read as images
from ..types import Dataset
from . import coco_annotations, sample_checks
from .locations import cache_home
from .self_defined import definition_of

Stamp: TypeAlias = list[Any]
"""Path, size, time of the last change of content, and of content, name or rights, in nanoseconds."""


class Content(NamedTuple):
    """Hashes of the pixels of a sound sample, None where there are none or all are equal."""

    image: str | None
    labels: str | None


class Verified:
    """Sound samples and hashes of files of one root. Advisory: what is missing, broken or out of date is read anew.

    The file belongs to one dataset, one root and one state of the code that checks; each entry holds the paths, sizes
    and times of the files that it was made from.
    """

    def __init__(self, path: Path | None = None, code: str = "") -> None:
        self.path, self.code = path, code
        self._changed = False
        self._samples: dict[str, Any] = {}
        self._files: dict[str, Any] = {}
        if path is not None:
            self._load(path)

    @classmethod
    def of(cls, dataset: Dataset) -> Verified:
        """What is kept of the root of a dataset."""
        try:
            code = _code(dataset)
        except (OSError, TypeError):  # a class without a file: nobody can tell when it changes
            return cls()
        folder = cache_home() / "verified"
        root = hashlib.sha256(os.fsencode(dataset.root.resolve())).hexdigest()[:16]
        return cls(folder / f"{dataset.info.name}-{root}.json", code)

    def stamps(self, paths: Iterable[Path]) -> list[Stamp] | None:
        """What tells that files are unchanged; None if one of them cannot be looked at."""
        try:
            return [_stamp(path) for path in paths]
        except OSError:
            return None

    def content(self, sample_id: str, stamps: list[Stamp] | None) -> Content | None:
        """The content of a sample that was found sound in these very files, None if there is no such."""
        entry = self._samples.get(sample_id)
        if not stamps or not isinstance(entry, dict) or entry.get("files") != stamps:
            return None
        hashes = entry.get("image"), entry.get("labels")
        return Content(*hashes) if all(h is None or isinstance(h, str) for h in hashes) else None

    def keep(self, sample_id: str, stamps: list[Stamp] | None, content: Content) -> None:
        """Keep that a sample in these files is sound."""
        if stamps:
            self._samples[sample_id] = {"files": stamps, **content._asdict()}
            self._changed = True

    def sha256(self, path: Path) -> str:
        """SHA-256 of a file, from an earlier time if it is unchanged."""
        stamp = _stamp(path)
        entry = self._files.get(stamp[0])
        if isinstance(entry, list) and entry[:-1] == stamp and isinstance(entry[-1], str):
            return entry[-1]
        found = file_sha256(path)
        self._files[stamp[0]] = [*stamp, found]
        self._changed = True
        return found

    def save(self) -> None:
        """Write it down where that is possible."""
        if self.path is None or not self._changed:
            return
        try:
            kept = {"code": self.code, "samples": self._samples, "files": self._files}
            write_text(self.path, json.dumps(kept))
        except (OSError, ValueError):  # a full disk or a read-only home is no fault of the data
            return
        self._changed = False

    def _load(self, path: Path) -> None:
        try:
            kept = json.loads(path.read_bytes())
            code, samples, files = kept["code"], kept["samples"], kept["files"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return
        if code == self.code and isinstance(samples, dict) and isinstance(files, dict):
            self._samples, self._files = samples, files


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return [str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _code(dataset: Dataset) -> str:
    """Stands for the code and the classes by which a sample is sound: after a change all is looked at again."""
    digest = hashlib.sha256(f"{__version__} {dataset.info} {definition_of(dataset)}".encode())
    for item in (type(dataset), images, png, coco_annotations, sample_checks):
        digest.update(Path(inspect.getfile(item)).read_bytes())
    return digest.hexdigest()
